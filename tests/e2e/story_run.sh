# A user runs a command on some host and gets its output and its exit code; then looks at the bus.
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 2

hosts_event() { # HOST: what was heard before the run is no part of it
	nats_cli stream subjects FL_EVENTS | grep -q "fl.evt.host.$1"
}

# One run on a quiet cell, heard on the bus.  It goes on until it was heard to run: a host that has two
# things to say at once says the newer.
heard_as_the_golden_list_says() {
	local heard=$STORY_DATA/heard gate=$STORY_DATA/gate runner

	trap 'kill $listener 2>/dev/null' EXIT
	for host in dev-1 dev-2; do
		wait_for 20 "the event of $host is published" hosts_event "$host"
	done
	nats_listen "$heard" 'fl.>' --headers-only
	"$fairlead" run --name told -- sh -c "echo hi; until [ -e $gate ]; do sleep 0.05; done; exit 7" \
		>"$STORY_DATA/told" &
	runner=$!
	wait_for 20 "its running is heard" grep -q 'Fl-Summary: report told/0 running' "$heard"
	: >"$gate"
	wait $runner
	assert_equal 7 $? "exit code of the run that was heard"
	assert_equal hi "$(cat "$STORY_DATA/told")" "output of the run that was heard"
	wait_for 20 "its host forgets it" grep -q 'Fl-Summary: report told/0 .*gone' "$heard"
	wait_for 20 "the end of its session is an event" grep -q 'Fl-Summary: session.closed told' "$heard"
	bash "$FL_SOURCE_DIR/tests/e2e/heard.sh" "$heard" >"$STORY_DATA/summaries"
	golden_equal summaries.txt "$STORY_DATA/summaries" "what the bus says of a run"
}
! have_nats_cli || heard_as_the_golden_list_says

output=$("$fairlead" run --name once -- sh -c 'echo hi; exit 7')
assert_equal 7 $? "exit code of run"
assert_equal hi "$output" "output of run"

for attempt in first second; do
	output=$("$fairlead" run --key again -- sh -c 'echo keyed; exit 8')
	assert_equal 8 $? "the $attempt run with a key exits as its workload did (E8)"
	assert_equal keyed "$output" "the $attempt run with a key has its output (E8)"
done
assert_equal 1 "$("$fairlead" session ls --all | grep -c '^run-')" "both were one session (E8)"

output=$("$fairlead" run -- sh -c 'kill -9 $$')
assert_equal 137 $? "a signal is 128 + its number (E3)"

shown=$("$fairlead" executor show once/0)
assert_contains "$shown" "failed" "executor show names the end"
assert_contains "$shown" "exit 7" "executor show has the exact exit code (E3)"
assert_contains "$shown" "running" "the timeline has the stage running"
wait_for 20 "the one-off session closes by itself" \
	sh -c "'$fairlead' session show once | grep -q closed"

"$fairlead" executor show nobody/0 >/dev/null 2>&1
assert_equal 3 $? "not found is exit code 3"
"$fairlead" run --selector 'a in (' -- true >/dev/null 2>&1
assert_equal 2 $? "a broken selector is a usage error"
wait_for 10 "counters settle" verify_clean

have_nats_cli || skip "the nats client is not there; the bus was not looked at"
"$fairlead" session create --name seen --replicas 2 -- sleep 1000 >/dev/null || fail "create seen"
wait_for 20 "2 executors run" session_is seen running 2

row() { # TABLE WORD COLUMN: column of the row of a table of the nats client, counted from 1
	printf '%s\n' "$1" | awk -F '│' -v word="$2" -v column="$3" '
		{ name = $2; gsub(/ /, "", name) }
		name == word { value = $(column + 1); gsub(/^ +| +$/, "", value); print value }'
}

services=$(nats_cli micro ls) || fail "nats micro ls: $services"
assert_contains "$services" "fairlead-scheduler" "nats micro ls shows the scheduler (O1)"
assert_contains "$services" "fairlead API" "nats micro ls shows the API (O1)"
info=$(nats_cli micro info fairlead) || fail "nats micro info: $info"
for endpoint in session.create session.list executor.get host.cordon cell.status; do
	assert_contains "$info" "fl.api.v1.$endpoint" "nats micro info lists endpoints (O1)"
done
requests() { # ENDPOINT: how often it was asked, as nats micro stats counts it
	nats_cli micro stats fairlead | awk -F '│' -v name="$1" '
		{ n = $3; gsub(/ /, "", n) } n == name { gsub(/ /, "", $4); print $4 }'
}
before=$(requests session-list)
answer=$(nats_cli req fl.api.v1.session.list '{}' --raw) || fail "nats req: $answer"
assert_contains "$answer" '"name":"seen"' "a person asks the API in JSON"
assert_contains "$answer" '"running":2' "and is answered with the counters"
assert_equal $((before + 1)) "$(requests session-list)" "nats micro stats counts a request (O1)"
assert_contains "$(nats_cli micro ping fairlead 2>&1)" rtt "nats micro ping is answered (O1)"

backlog_is() { # COLUMN VALUE
	[ "$(row "$(nats_cli consumer report FL_REPORTS)" fl-hub-reports "$1")" = "$2" ]
}
streams=$(nats_cli stream report 2>/dev/null) || fail "nats stream report: $streams"
for stream in FL_COMMANDS FL_REPORTS FL_EVENTS FL_DEAD; do
	assert_contains "$streams" "$stream" "nats stream report names every stream (O2)"
done
assert_equal 1 "$(row "$streams" FL_REPORTS 4)" "one consumer reads the reports (O2)"
assert_equal 0 "$(row "$streams" FL_COMMANDS 4)" "no host has a consumer (O2)"
assert_equal 0 "$(row "$streams" FL_DEAD 5)" "nothing was put aside (O2)"
wait_for 10 "nats consumer report shows no unacknowledged message (O2)" backlog_is 5 0
wait_for 10 "and no unprocessed one (O2)" backlog_is 7 0
