# Every hub is away while commands wait, then Postgres: they say so once, go on when it is back, and end as the
# executor did.  Hosts go on meanwhile, the API says that it is unavailable, a bounded wait ends in time, and what
# happened is told afterwards, once (R2, E7).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

hold=$STORY_DATA/cell/hold
hub_away() {
	: >"$hold/hub-1"
	kill -9 "$(pid_of --instance=hub-1)" || fail "hub-1 does not run"
}
hub_back() { rm "$hold/hub-1"; }
postgres_away() {
	: >"$hold/postgres"
	postmaster=$(head -n 1 "$STORY_DATA/cell/postgres/postmaster.pid")
	kill -INT "$postmaster" || fail "Postgres does not run"
	wait_for 20 "Postgres is gone" process_gone "$postmaster"
}
postgres_back() { rm "$hold/postgres"; }
process_gone() { ! kill -0 "$1"; }

# NAME: two commands wait for it while what they need goes away by NAME_away; it ends meanwhile or later.
patience() {
	local name=$1 meanwhile=$2 out=$STORY_DATA/$1 code run wait pid
	"$fairlead" run --name "$name" -- \
		sh -c "echo \$\$ >$out.pid; until [ -e $out.go ]; do sleep 0.1; done; echo bye; exit 7" >"$out.run" 2>"$out.run.err" &
	run=$!
	wait_for 30 "$name runs" session_is "$name" running 1
	wait_for 10 "it has written its pid" test -s "$out.pid"
	pid=$(cat "$out.pid")
	"$fairlead" session wait "$name" --for ended --timeout 120s >"$out.wait" 2>"$out.wait.err" &
	wait=$!

	"${name}_away"
	wait_for 30 "run says that it waits without $name (R2)" grep -q '^fairlead: waiting: ' "$out.run.err"
	wait_for 30 "so does session wait (R2)" grep -q '^fairlead: waiting: ' "$out.wait.err"
	"$fairlead" session wait "$name" --for ended --timeout 2s >"$out.short" 2>&1
	code=$?
	[ $code = 6 ] || [ $code = 124 ] || fail "a bounded wait without $name ended with $code: $(cat "$out.short")"
	said=$("$fairlead" session create "late-$name" --timeout 2s -- true 2>&1)
	assert_equal 6 $? "the API is unavailable without $name (R2): $said"
	kill -0 $run 2>/dev/null || fail "run gave up: $(cat "$out.run.err")"
	kill -0 "$pid" || fail "the host goes on without $name (R2)"

	[ "$meanwhile" != ends ] || : >"$out.go"
	[ "$meanwhile" != ends ] || wait_for 20 "it ends while $name is away" process_gone "$pid"
	"${name}_back"
	: >"$out.go"
	wait $run
	assert_equal 7 $? "the exit code of run after a time without $name (E7)"
	assert_equal bye "$(cat "$out.run")" "what it printed"
	assert_equal 1 "$(grep -c waiting "$out.run.err")" "times that run said it waits"
	wait $wait || fail "session wait: $(cat "$out.wait.err")"
	assert_contains "$("$fairlead" executor show "$name/0")" "exit 7" "the end is known (R2)"
	assert_equal 1 "$("$fairlead" executor show "$name/0" -o json | json_number attempt)" "and nothing ran in its place (R2)"
	"$fairlead" run --timeout 60s -- true || fail "new work is taken (R2)"
}
patience hub goes-on
patience postgres ends
assert_lacks "$("$fairlead" events)" host.lost "nobody was given up (R2)"
wait_for 20 "the books balance" verify_clean
