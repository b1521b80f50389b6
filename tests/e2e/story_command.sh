# A host is away: what it did not accept in time is EXPIRED, shown with its history, replayed only when the host
# has let go, and runs exactly once; what it never answered is DEAD, said again or dropped, and done all the same
# when it comes back (C6, K8, K11, K13).
. "$(dirname "$0")/lib.sh"
export FAIRLEAD_SCHEDULER_ACK_DEADLINE=500ms FAIRLEAD_SCHEDULER_DELIVERIES_MAX=3
export FAIRLEAD_HUB_HEARTBEAT_INTERVAL=1s FAIRLEAD_HUB_SILENT_AFTER=10m
story_in_cell --agents 1

ledger=$STORY_DATA/ledger
: >"$ledger"
chmod 666 "$ledger"
agent=$(pid_of "--host-id=dev-1")
trap 'kill -CONT "$agent" 2>/dev/null' EXIT

command_is() { # NAME LINE...: `command show` has these
	local name=$1 shown part
	shown=$("$fairlead" command show "$name") || return 1
	shift
	for part in "$@"; do
		[[ $shown = *"$part"* ]] || return 1
	done
}
attempt_is() {
	[ "$("$fairlead" executor show web/0 -o json | json_number attempt)" = "$1" ]
}
said() { # KIND TIMES
	[ "$("$fairlead" events -o json | grep -c "\"kind\": *\"$1\"")" = "$2" ]
}

# The agent is paused: nothing is wrong with its connection, and nobody takes what it says.
kill -STOP "$agent"
cat >"$STORY_DATA/web.yaml" <<YAML
session: web
accept_timeout: 1s
restart: { policy: on-failure, max: 1 }
disconnect: { lost_after: 1h }
executor:
  command: [sh, -c, 'echo \$FAIRLEAD_EXECUTOR_ID >>$ledger; while :; do sleep 1; done']
YAML
"$fairlead" apply -f "$STORY_DATA/web.yaml" >/dev/null || fail "apply"
wait_for 20 "the deadline passes: EXPIRED (C6)" command_is web/0#1@1 "state       EXPIRED" \
	"not accepted in time" "written " "published " "deadline " "expired " "replay      not now"
listed=$("$fairlead" command ls --dead)
assert_contains "$listed" "web/0#1@1" "what expired waits for somebody (C6)"
assert_contains "$listed" "EXPIRED" "and says so (C6)"
refused=$("$fairlead" command replay web/0#1@1 2>&1)
assert_equal 4 $? "a replay while the host may have it is refused (C6)"
assert_contains "$refused" "may have taken it in time" "and says why (C6)"

# The host lets go; the session's one replacement meets the same fate.
"$fairlead" host cordon dev-1 >/dev/null || fail "cordon"
kill -CONT "$agent"
wait_for 20 "the host has let go, policy tries again" attempt_is 2
kill -STOP "$agent"
"$fairlead" host uncordon dev-1 >/dev/null || fail "uncordon"
wait_for 20 "the second attempt expires too" command_is web/0#2@1 "state       EXPIRED"
kill -CONT "$agent"
wait_for 20 "it may be replayed now" command_is web/0#2@1 "fairlead command replay web/0#2@1"
attempt_is 2 || fail "policy has nothing left"
assert_equal 0 "$(wc -l <"$ledger")" "what expired never ran (K13)"

assert_contains "$("$fairlead" command replay web/0)" "web/0#2@1: replayed as attempt 3" "replay says what it did (C6)"
assert_contains "$("$fairlead" command replay web/0#2@1)" "nothing to do" "and does it once (C6)"
wait_for 20 "the third attempt runs" session_is web running 1
attempt_is 3 || fail "it is the third attempt"
assert_silent "nothing waits for anybody" "$fairlead" command ls --dead -o name
"$fairlead" command drop web/0#2@1 2>/dev/null && fail "what was replayed is not dropped"

# A stop that is never answered.
kill -STOP "$agent"
"$fairlead" executor stop web/0 >/dev/null || fail "stop"
wait_for 30 "sent often enough, never answered: DEAD (C6)" command_is web/0#3@2 "state       DEAD" \
	"times, never answered" "wants       stop"
assert_contains "$("$fairlead" command replay web/0)" "web/0#3@2: replayed as generation 3" "it is said again (C6)"
wait_for 30 "and dies again" command_is web/0#3@3 "state       DEAD"
assert_contains "$("$fairlead" command drop web/0)" "web/0#3@3: dropped" "it is dropped (C6)"
"$fairlead" command replay web/0#3@3 2>/dev/null
assert_equal 4 $? "what was dropped is not replayed"
kill -CONT "$agent"
wait_for 30 "a host that is back is told what is dead all the same (K11)" session_is web stopped 1
assert_equal 1 "$(wc -l <"$ledger")" "of three attempts one ever ran, once (C6)"
for kind in command.replay_asked:2 command.replayed:2 command.dropped:1 command.dead:2 executor.expired:2; do
	wait_for 10 "events say ${kind%:*}" said "${kind%:*}" "${kind#*:}"
done

# What was put aside is listed with them: a report nobody can read, what the bus says of it, and what the bus says of a
# message that a consumer gave up.
letter_is() { # PART...: one line of `command ls --dead` has these
	local line part
	while read -r line; do
		for part in "$@"; do
			[[ $line = *"$part"* ]] || continue 2
		done
		return 0
	done < <("$fairlead" command ls --dead)
	return 1
}
if have_nats_cli; then
	assert_silent "no letter, no name (C7)" "$fairlead" command ls --dead -o name
	head -c 64 /dev/urandom | nats_cli pub fl.rpt.dev-1 --force-stdin >/dev/null 2>&1 || fail "pub"
	wait_for 20 "a poison message is a letter, with its host and reason (C7)" letter_is \
		invalid dev-1 fl.rpt.dev-1 "64, not readable as its type"
	wait_for 20 "the bus says that it was ended (C7)" letter_is terminated dev-1 fl.rpt.dev-1
	nats_cli consumer add FL_REPORTS probe --pull --deliver=last --ack=explicit --max-deliver=1 --wait=100ms \
		--defaults >/dev/null || fail "consumer add"
	nats_cli consumer next FL_REPORTS probe --no-ack >/dev/null || fail "next"
	# The server says so when it would deliver it again.
	nats_cli consumer next FL_REPORTS probe --no-ack --timeout=1s >/dev/null 2>&1
	wait_for 20 "and what a consumer gave up (C7)" letter_is max_deliveries dev-1 \
		"consumer probe of FL_REPORTS gave up message" "after 1 deliveries"
	# At least: the bus, or a hub whose acknowledgement was lost, says a thing twice.
	listed=$("$fairlead" command ls --dead --reason max_deliveries)
	assert_contains "$listed" "consumer probe of FL_REPORTS" "by reason"
	assert_lacks "$listed" " terminated " "by reason alone"
	[ "$("$fairlead" command ls --dead --host dev-1 --since 1h -o name | grep -c '^FL_DEAD/')" -ge 3 ] ||
		fail "by host and age"
	assert_silent "none of another host" "$fairlead" command ls --dead --host dev-2 -o name
	assert_contains "$("$fairlead" command ls --dead --limit 1)" "older ones: --limit" "a bounded list says so"
	assert_contains "$("$fairlead" command ls --dead -o json)" '"stream": "FL_REPORTS"' "for programs too"
fi
"$fairlead" command ls --since 1h 2>/dev/null
assert_equal 2 $? "--since without --dead is refused"

"$fairlead" session close web --now >/dev/null
"$fairlead" session wait web --for closed --timeout 60s >/dev/null || fail "web closes"
wait_for 20 "the books balance (E12)" verify_clean
