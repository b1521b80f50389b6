# A person starts a cell, works, presses Ctrl-C: it ends with 0 and leaves no process.  Started again on the
# same data it has every session with its history, what should run runs again, and new work is taken.  Killed, it
# can be started again at once.
. "$(dirname "$0")/lib.sh"

STORY_DATA=$(mktemp -d /tmp/fairlead-story-XXXXXX)
chmod 755 "$STORY_DATA"
cell=$STORY_DATA/cell
mark=200000$$ # seconds to sleep that nobody else on this machine has
dev=
cleanup() {
	local code=$?
	[ -z "$dev" ] || kill -9 "$dev" $(pgrep -P "$dev") 2>/dev/null
	pkill -9 -fx "sleep $mark"
	[ $code = 0 ] || tail -n 25 "$STORY_DATA"/*.err "$cell"/log/*.log
	rm -rf "$STORY_DATA"
}
trap cleanup EXIT

up() { # NAME: what it says goes there.  A process group of its own, as a terminal gives.
	setsid "$fairlead" dev --data "$cell" --agents 2 >"$STORY_DATA/$1" 2>"$STORY_DATA/$1.err" &
	dev=$!
	wait_for 60 "the cell is up" grep -q '^Ctrl-C stops it; the data stays' "$STORY_DATA/$1"
	eval "$(sed -n 's/^  export /export /p' "$STORY_DATA/$1")"
}
down() { # a terminal's Ctrl-C is for the whole group
	children=$(pgrep -P "$dev")
	[ "$(echo "$children" | wc -l)" -ge 6 ] || fail "bus, database, hub, scheduler and two agents run: $children"
	kill -INT -- "-$dev" || fail "Ctrl-C"
	wait "$dev"
	assert_equal 0 $? "the exit code after Ctrl-C"
	dev=
	for pid in $children; do
		! kill -0 "$pid" 2>/dev/null || fail "a process outlived its cell: $(ps -o pid,args "$pid")"
	done
	assert_empty "$(pgrep -af "$cell|sleep $mark")" "no process of the cell is left, and no executor"
}
history() { # EXECUTOR: its timeline, without what is said by the hour
	"$fairlead" executor show "$1" | grep -E '^(executor|state|host|outcome|queued|placed|accepted|running|failed) '
}

up first
"$fairlead" run --name once -- sh -c 'exit 7'
assert_equal 7 $? "the exit code of a run"
"$fairlead" session create --name stays --replicas 2 -- sleep "$mark" >/dev/null || fail "create"
wait_for 20 "two executors run" session_is stays running 2
settled() { # facts become events a moment later
	"$fairlead" events --session once | grep -q session.closed && verify_clean
}
wait_for 20 "the run is over" settled
history once/0 >"$STORY_DATA/history"
assert_contains "$(cat "$STORY_DATA/history")" "exit 7" "its history"
newest=$("$fairlead" events -o name | tail -n 1)
[ "$newest" -gt 0 ] || fail "no events"
"$fairlead" events -o json | head -n "$newest" >"$STORY_DATA/events"
down

"$fairlead" status --timeout 1s >/dev/null 2>&1
assert_equal 6 $? "nobody answers"

up second
history once/0 | diff "$STORY_DATA/history" - || fail "the history of an executor changed with the restart"
assert_contains "$("$fairlead" session ls --all)" once "a session that was over is listed"
"$fairlead" events -o json | head -n "$newest" | diff "$STORY_DATA/events" - || fail "events are not those of before"
wait_for 60 "what should run runs again" session_is stays running 2
assert_equal 2 "$(pgrep -fxc "sleep $mark")" "processes of the two"
assert_equal again "$("$fairlead" run --timeout 60s -- echo again)" "what a new run says"
wait_for 20 "the books balance" verify_clean
down

# Killed, and started again at once: what it leaves behind is waited for.
up third
wait_for 60 "what should run runs again" session_is stays running 2
kill -9 "$dev"
wait "$dev" 2>/dev/null
up fourth
wait_for 60 "what should run runs again" session_is stays running 2
wait_for 20 "the books balance" verify_clean
down
