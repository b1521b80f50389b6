# 20 executors run; agent, hub, scheduler leader and a shim are killed (-9), one at a time, each when the one
# before is back.  Same pids (but for the shim's), exact exit codes, and who waits for a host while the leader is
# dead gets one within 10 s (E2, E4, E5, P5).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1 --hubs 2 --schedulers 2

# A machine with other work to do gets so much longer; times are the database's, not those of this script.
resume_limit_ms=10000 resume_margin_ms=1000

pids=$STORY_DATA/pids
mkdir -m 777 "$pids"
"$fairlead" session create --name many --replicas 20 --cpu 10m --memory 16Mi -- sh -c \
	"trap 'read -r code <$pids/\$FAIRLEAD_EXECUTOR_ID.code; exit \$code' USR1
	echo \$\$ >$pids/\$FAIRLEAD_EXECUTOR_ID; while :; do sleep 0.5; done" >/dev/null || fail "create"
wait_for 30 "20 executors run" session_is many running 20
all_wrote() {
	[ "$(cat "$pids"/* | grep -c '^[0-9][0-9]*$')" = 20 ]
}
wait_for 10 "all have written their pid" all_wrote
executors=$(ls "$pids")
before=$(cat "$pids"/*)

sql() { psql -XAtq -d "$FAIRLEAD_DATABASE_URL" -c "$1"; }

# PART-OPTION: the process that had it is killed; returns when another has its place.
kill_part() {
	local old
	old=$(pid_of "$1")
	[ -n "$old" ] || fail "$1 does not run"
	kill -9 "$old" || fail "kill $1"
	another() {
		local new
		new=$(pid_of "$1")
		[ -n "$new" ] && [ "$new" != "$old" ]
	}
	wait_for 20 "$1 is started again" another "$1"
}
# AFTER-WHAT: the same processes run, and the cell knows of each.
all_run() {
	local pid
	for pid in $before; do
		kill -0 "$pid" || fail "process $pid died with $1 (E4)"
	done
	assert_equal "$before" "$(cd "$pids" && cat $executors)" "nobody started again after $1 (E4)"
	wait_for 20 "the cell knows that 20 run after $1" session_is many running 20
}

epoch() { "$fairlead" host show dev-1 -o json | json_number epoch; }
first_epoch=$(epoch)
said_hello() { [ "$(epoch)" -gt "$first_epoch" ]; }
kill_part --host-id=dev-1
wait_for 20 "the next agent has said hello" said_hello
all_run "the agent"
"$fairlead" run --timeout 60s -- true || fail "the next agent takes work"

kill_part --instance=hub-1
all_run "a hub"
"$fairlead" run --timeout 60s -- true || fail "work goes on without a hub"

# ---- the leader of the pool ----
leads() { sql "SELECT holder FROM lease WHERE name = 'scheduler-default' AND expires_at > clock_timestamp()"; }
leader=$(leads)
[ -n "$leader" ] || fail "nobody leads pool default"
killed_at=$(sql "SELECT clock_timestamp()")
kill_part "--instance=$leader"
"$fairlead" run --name meanwhile --timeout 60s -- true || fail "placement resumes after the leader was killed (P5)"
ms_from_kill() { # TIME FROM ROWS
	sql "SELECT (extract(epoch FROM $1 - '$killed_at'::timestamptz) * 1000)::bigint $2"
}
took=$(ms_from_kill taken_at "FROM lease WHERE name = 'scheduler-default'")
placed=$(ms_from_kill placed_at "FROM executor e JOIN session s USING (session_id) WHERE s.name = 'meanwhile'")
echo "leader $leader killed: a lease taken after $took ms, the next placement after $placed ms"
[ "$took" -gt 0 ] || fail "the lease was not taken again: $took ms"
[ "$placed" -ge "$took" ] || fail "placed before anybody led: $placed ms, the lease was taken after $took ms"
[ "$placed" -lt $((resume_limit_ms + resume_margin_ms)) ] || fail "placement resumed after $placed ms (P5)"
all_run "the leader"

# ---- one shim: the executor goes on, and its real exit code is known all the same, while the agent lives (E5) ----
victim=$(echo "$executors" | head -n 1)
shim=$(awk '{print $4}' "/proc/$(cat "$pids/$victim")/stat")
assert_contains "$(tr '\0' ' ' <"/proc/$shim/cmdline")" fairlead-shim "the parent of an executor"
kill -9 "$shim" || fail "kill the shim"
shim_gone() { ! kill -0 "$shim"; }
wait_for 10 "the shim is dead" shim_gone
all_run "its shim"

# ---- each ends with a code of its own ----
code=100
for id in $executors; do
	code=$((code + 1))
	echo $code >"$pids/$id.code"
	kill -USR1 "$(cat "$pids/$id")" || fail "executor $id is gone"
done
wait_for 40 "all have ended" session_is many failed 20
code=100
for id in $executors; do
	code=$((code + 1))
	assert_contains "$("$fairlead" executor show "$id")" "exit $code" "the exact exit code of $id (E3, E5)"
done

# ---- a stop ends all that came of an executor: who forked twice, who is deaf ----
"$fairlead" session create --name tree -- sh -c "trap '' TERM; (setsid sh -c 'echo \$\$; exec sleep 100000' >$pids/child &)
	echo \$\$ >$pids/parent; while :; do sleep 0.5; done" >/dev/null || fail "create tree"
wait_for 20 "tree runs" session_is tree running 1
wait_for 10 "parent and child have written their pids" test -s "$pids/child" -a -s "$pids/parent"
"$fairlead" session close tree --now >/dev/null || fail "close tree"
"$fairlead" session wait tree --for closed --timeout 60s >/dev/null || fail "tree closes"
for pid in $(cat "$pids/parent" "$pids/child"); do
	! kill -0 "$pid" 2>/dev/null || fail "process $pid outlived its session (E2)"
done
"$fairlead" session close many >/dev/null || fail "close many"
wait_for 20 "the books balance (E12)" verify_clean
