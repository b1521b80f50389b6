# An executor that fails starts again in place, by policy: the same row, the next incarnation (E10).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

starts=$STORY_DATA/starts
touch "$starts" && chmod 666 "$starts"
file=$STORY_DATA/flaky.yaml
cat >"$file" <<YAML
session: flaky
restart: { policy: on-failure, max: 3, backoff: 2s, backoff_max: 2s, reset_after: 1h }
executor:
  command: [sh, -c, "echo \$FAIRLEAD_EXECUTOR_ID >>$starts; while [ -e $STORY_DATA/stay ]; do sleep 0.1; done; exit 7"]
YAML

show_has() { # NAME TEXT
	"$fairlead" executor show "$1" | grep -q "$2"
}

touch "$STORY_DATA/stay"
"$fairlead" apply -f "$file" >/dev/null || fail "apply"
assert_contains "$("$fairlead" session show flaky)" "on-failure, at most 3 in a row, after 2s to 2s" \
	"session show says the policy"
wait_for 20 "it runs" session_is flaky running 1
assert_contains "$("$fairlead" executor show flaky/0)" "incarnation 1" "the first incarnation"
rm "$STORY_DATA/stay"
waits_after_exit_7() {
	local shown
	shown=$("$fairlead" executor show flaky/0) || return 1
	[[ $shown = *"state       backoff"*"exit 7"* ]]
}
wait_for 10 "it failed and waits; how the last one ended is shown" waits_after_exit_7
touch "$STORY_DATA/stay"
wait_for 10 "it runs again (E10)" show_has flaky/0 "state       running"
shown=$("$fairlead" executor show flaky/0)
assert_contains "$shown" "incarnation" "the next incarnation"
case $shown in
*"incarnation 1"*) fail "it runs as the first incarnation again: $shown" ;;
esac
rm "$STORY_DATA/stay"
wait_for 30 "three restarts in a row are all it gets" show_has flaky/0#1 "state       failed"
shown=$("$fairlead" executor show flaky/0#1)
assert_contains "$shown" "incarnation 4" "one start and three restarts"
assert_contains "$shown" "exit 7, restarts_exhausted" "the last exit code and why"
first=$(head -n 1 "$starts")
assert_equal 4 "$(grep -c "$first" "$starts")" "each incarnation started once (E10)"
wait_for 30 "what the host gave up is tried again as the next attempt" show_has flaky/0#2 "executor    flaky/0#2"

# A stop ends the waiting; it does not start again.
"$fairlead" session close flaky --now >/dev/null
cat >"$file" <<YAML
session: hasty
restart: { policy: always, backoff: 1m, backoff_max: 1m }
executor:
  command: ["true"]
YAML
"$fairlead" apply -f "$file" >/dev/null || fail "apply"
wait_for 20 "success restarts too with always" show_has hasty/0 "state       backoff"
"$fairlead" executor stop hasty/0 >/dev/null || fail "stop"
wait_for 10 "a stop ends it" show_has hasty/0 "state       stopped"
"$fairlead" session close hasty --now >/dev/null
wait_for 20 "the books balance (E12)" verify_clean
