# verdict: did the cell keep its promises?  From the rows, and from what hosts really ran; never from logs.

# What hosts began and did not end: id, incarnation, index, process.
verdict_open() {
	awk '$1 == "start" { open[$2 " " $3] = $4 " " $6 } $1 == "stop" { delete open[$2 " " $3] }
		END { for (key in open) print key, open[key] }' "$ledger"
}

# What of it still runs: a process number alone may be another's by now.
verdict_alive() {
	verdict_open |
		while read -r id incarnation _ pid; do
			! grep -qaz "^FAIRLEAD_EXECUTOR_ID=$id" "/proc/$pid/environ" 2>/dev/null ||
				echo "alive $id $incarnation"
		done
}

verdict_facts() {
	sed 's/^/A /' "$acknowledged"
	sql "SELECT DISTINCT ON (name) 'S', name, state FROM session ORDER BY name, created_at DESC"
	sql "SELECT 'E', replace(executor_id::text, '-', ''), s.name, idx, attempt, e.state, rank, desired
		FROM executor e JOIN session s USING (session_id)"
	sql "SELECT 'K', replace(executor_id::text, '-', '') FROM host_unknown"
	cat "$ledger" "$seen"
	verdict_alive
}

# What runs without the cell's knowledge, which only a restored backup makes legal (K6): ids of the lost history,
# and those that were cancelled because they might have been sent in it.
verdict_unknown_alive() {
	verdict_alive | while read -r _ id _; do
		[ -n "$(sql "SELECT 1 FROM executor WHERE executor_id = '$id' AND state <> 96")" ] || echo "$id"
	done
}

# Rows that mean "somebody still has to do something".
verdict_stuck() {
	sql "SELECT name || ' ' || n FROM (VALUES
		('placement_queue', (SELECT count(*) FROM placement_queue)),
		('outbox', (SELECT count(*) FROM outbox)),
		('intent', (SELECT count(*) FROM intent)),
		('session_delta', (SELECT count(*) FROM session_delta)),
		('executor_ended', (SELECT count(*) FROM executor_ended)),
		('executor_gone', (SELECT count(*) FROM executor_gone)),
		('event_outbox', (SELECT count(*) FROM event_outbox)),
		('host_executor', (SELECT count(*) FROM host_executor)),
		('host_capacity', (SELECT count(*) FROM host_capacity WHERE cpu_millis + memory_bytes + slots > 0)),
		('executor', (SELECT count(*) FROM executor WHERE rank < 90)))
		t (name, n) WHERE n > 0" || echo "Postgres does not answer"
}

verdict_at_rest() {
	local alive
	[ -z "$(verdict_stuck)" ] || return 1
	alive=$(verdict_alive | wc -l)
	[ "$alive" -eq 0 ] || { [ "${verdict_unknown:-}" = runs ] && [ "$alive" -eq "$(verdict_unknown_alive | wc -l)" ]; }
}

# verdict_unknown: a backup was restored, and what it does not know "runs" on, or is "stopped" by now.
#
# verdict [SHOWN [SECONDS]]: ends the drill.  Waits until nothing is in motion; what then is still there, is
# stuck.  SHOWN is what a clean verdict proves, with the ids of it in tests/acceptance.txt.
verdict() {
	local deadline=$((SECONDS + ${2:-90})) from code=0 stuck
	from=$(now_ms)
	until verdict_at_rest || [ $SECONDS -ge $deadline ]; do pause_tenths 2; done
	echo "at rest after $(($(now_ms) - from)) ms"
	stuck=$(verdict_stuck)
	if [ -n "$stuck" ]; then
		printf 'VIOLATED  stuck: %s rows\n' "$stuck"
		code=1
	fi
	verdict_facts >"$STORY_DATA/facts"
	awk -v strict="${verdict_strict:-}" -v unknown="${verdict_unknown:-}" \
		-f "$drills/verdict.awk" "$STORY_DATA/facts" || code=1
	"$fairlead" admin verify || code=1
	if [ $code -ne 0 ]; then
		echo "verdict: VIOLATED${1:+, not shown: $1}"
		exit 1
	fi
	echo "verdict: clean${1:+: $1}"
}
