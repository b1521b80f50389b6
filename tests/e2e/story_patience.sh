# Every hub is away while commands wait: they say so once, go on when one is back, and end as the
# executor did.  Without a hub a bounded wait ends in time (R2, E7).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

hub_away() {
	mkdir -p "$STORY_DATA/cell/hold"
	: >"$STORY_DATA/cell/hold/hub-1"
	kill -9 "$(pid_of --instance=hub-1)" || fail "hub-1 does not run"
}

go=$STORY_DATA/go
"$fairlead" run --name held -- sh -c "until [ -e $go ]; do sleep 0.1; done; echo bye; exit 7" \
	>"$STORY_DATA/run.out" 2>"$STORY_DATA/run.err" &
run=$!
wait_for 30 "it runs" session_is held running 1
"$fairlead" session wait held --for ended --timeout 120s >"$STORY_DATA/wait.out" 2>"$STORY_DATA/wait.err" &
wait=$!

hub_away
wait_for 30 "run says that it waits (R2)" grep -q '^fairlead: waiting: ' "$STORY_DATA/run.err"
wait_for 30 "so does session wait (R2)" grep -q '^fairlead: waiting: ' "$STORY_DATA/wait.err"
"$fairlead" session wait held --for ended --timeout 2s >"$STORY_DATA/short.out" 2>&1
code=$?
[ $code = 6 ] || [ $code = 124 ] || fail "a bounded wait without a hub ended with $code: $(cat "$STORY_DATA/short.out")"
kill -0 $run 2>/dev/null || fail "run gave up: $(cat "$STORY_DATA/run.err")"

rm "$STORY_DATA/cell/hold/hub-1"
: >"$go"
wait $run
assert_equal 7 $? "the exit code of run after a time without hubs (E7)"
assert_equal bye "$(cat "$STORY_DATA/run.out")" "what it printed"
assert_equal 1 "$(grep -c 'waiting' "$STORY_DATA/run.err")" "times that run said it waits"
wait $wait || fail "session wait: $(cat "$STORY_DATA/wait.err")"
wait_for 20 "the books balance" verify_clean
