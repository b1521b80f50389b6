#!/usr/bin/env bash
# heard: what `nats sub 'fl.>' --headers-only` printed, as the list that a golden file holds.
#
#     heard.sh OUTPUT OF NATS...
#
# One line per distinct summary: the kind of the subject and the summary.  The kinds stand in the order
# in which an executor's life uses them, and inside a kind the lines stand as they were first heard:
# two kinds are two queues, whose order between them nobody promises.  Hosts and ids are replaced;
# heartbeats are left out, because how many there are is a matter of time.
set -eu

awk '
/^\[#[0-9]+\] Received on "/ { split($0, part, "\""); subject = part[2]; next }
/^Fl-Summary: / {
	split(subject, token, ".")
	kind = token[1] "." token[2]
	print kind, substr($0, length("Fl-Summary: ") + 1)
}' "$@" |
	grep -v ' heartbeat ' |
	sed -E 's/[0-9a-f]{32}/<id>/g; s/run-[0-9a-f]{12}/run-<id>/g; s/dev-[0-9]+/<host>/g' |
	awk '
	BEGIN {
		count = split("fl.api fl.nudge fl.req fl.cmd fl.live fl.rpt fl.evt fl.io fl.dead", order, " ")
		for (i = 1; i <= count; i++) known[order[i]] = 1
	}
	!seen[$0]++ {
		if (!known[$1]) { known[$1] = 1; order[++count] = $1 }
		lines[$1] = lines[$1] $0 "\n"
	}
	END { for (i = 1; i <= count; i++) printf "%s", lines[order[i]] }'
