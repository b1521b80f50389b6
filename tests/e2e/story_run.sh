# A user runs a command on some host and gets its output and its exit code; then looks at the bus.
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 2

heard=$STORY_DATA/heard
if have_nats_cli; then
	nats_cli sub 'fl.>' --headers-only >"$heard" 2>&1 &
	listener=$!
	trap 'kill $listener 2>/dev/null' EXIT
	wait_for 10 "the listener is subscribed" grep -q Subscribing "$heard"
fi

output=$("$fairlead" run --name once -- sh -c 'echo hi; exit 7')
assert_equal 7 $? "exit code of run"
assert_equal hi "$output" "output of run"

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
for summary in 'run once/0' 'once/0'; do
	wait_for 10 "a message that says '$summary'" grep -q "Fl-Summary: .*$summary" "$heard"
done
services=$(nats_cli micro ls)
assert_contains "$services" fairlead "nats micro ls shows the service (O1)"
assert_contains "$(nats_cli micro info fairlead)" fl.api.v1.session.list "nats micro info lists endpoints (O1)"
assert_contains "$(nats_cli micro stats fairlead)" session-create "nats micro stats counts (O1)"
assert_contains "$(nats_cli req fl.api.v1.session.list '{}' --raw)" '"sessions"' "the API answers JSON"
assert_contains "$(nats_cli stream report)" FL_REPORTS "nats stream report (O2)"
assert_contains "$(nats_cli consumer report FL_REPORTS)" fl-hub-reports "nats consumer report (O2)"
