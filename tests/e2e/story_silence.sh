# A host falls silent without a word - paused, as when its cable is pulled - and comes back in time: with the
# settings as they are, it is suspect within 15 s, its executors are the same, nothing is replaced (L2, L4, L6).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1 --hubs 2

age_ms() {
	"$fairlead" host show dev-1 -o json | json_number heartbeat_age_ms
}
suspect() {
	"$fairlead" host show dev-1 -o json | grep -q '"state": *"host_suspect"'
}
ready() {
	"$fairlead" host show dev-1 -o json | grep -q '"state": *"host_ready"'
}
uptime_s() {
	cut -d. -f1 /proc/uptime
}
older_than() { # MILLISECONDS
	[ "$(age_ms)" -gt "$1" ]
}

began=$(uptime_s)
"$fairlead" session create web -- sleep 1234 >/dev/null || fail "create"
wait_for 20 "web runs" session_is web running 1
workload=$(pgrep -n -f '^sleep 1234$')
# A judge accuses nobody until it has listened for as long as silence must last (K23).
wait_for 20 "the judge's grace is over" sh -c "[ \$(cut -d. -f1 /proc/uptime) -gt $((began + 14)) ]"

agent=$(pid_of "--host-id=dev-1")
kill -STOP "$agent"
trap 'kill -CONT "$agent" 2>/dev/null' EXIT
at=$(uptime_s)
wait_for 20 "the age of its last heartbeat grows (L4)" older_than 6000
first=$(age_ms)
wait_for 20 "and grows (L4)" older_than $((first + 1000))
# Five times the promise of 15 s.
PATIENCE=1 wait_for 75 "the silent host is suspect (L2)" suspect
echo "suspect after $(($(uptime_s) - at)) s"
assert_contains "$("$fairlead" host show dev-1)" "silent for" "why it is suspect"
session_is web running 1 || fail "its executor is not given up yet (L6)"

kill -CONT "$agent"
wait_for 20 "it is ready again (L6)" ready
kill -0 "$workload" || fail "the executor is the same (L6)"
assert_equal 1 "$("$fairlead" executor show web/0 -o json | json_number attempt)" "nothing was replaced (L6)"
"$fairlead" session close web --now >/dev/null
"$fairlead" session wait web --for closed --timeout 60s >/dev/null || fail "web closes"
wait_for 20 "the books balance (E12)" verify_clean
