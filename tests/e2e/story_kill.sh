# 20 executors run; agent, hub, scheduler leader and a shim are killed one at a time.  Same pids (but for
# the shim's), exact exit codes, placement resumes (E4, E5, P5).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1 --hubs 2 --schedulers 2

pids=$STORY_DATA/pids
mkdir -m 777 "$pids"
"$fairlead" session create --name many --replicas 20 -- \
	sh -c "echo \$\$ >$pids/\$FAIRLEAD_EXECUTOR_ID; trap 'exit 9' USR1; while :; do sleep 1; done" >/dev/null ||
	fail "create"
wait_for 30 "20 executors run" session_is many running 20
wait_for 10 "all have written their pid" sh -c "[ \$(cat $pids/* | wc -l) = 20 ]"
before=$(cat "$pids"/* | sort)

alive() {
	for pid in $before; do
		kill -0 "$pid" || return 1
	done
}

kill -9 "$(pid_of "--host-id=dev-1")"
wait_for 20 "the agent comes back" pid_of "--host-id=dev-1"
kill -9 "$(pid_of --instance=hub-1)"
leader=$("$fairlead" status -o json | grep -o 'scheduler-[0-9]' | head -n 1)
[ -n "$leader" ] || fail "status names no leader"
kill -9 "$(pid_of "--instance=$leader")"
alive || fail "an executor died with the agent, the hub or the scheduler (E4)"
at=$SECONDS
"$fairlead" run --timeout 60s -- true || fail "placement resumes after the leader was killed (P5)"
[ $((SECONDS - at)) -lt 50 ] || fail "placement took $((SECONDS - at)) s to resume (P5)"

# One shim: the executor's real exit code is known all the same, while the agent lives (E5).
victim=$(ls "$pids" | head -n 1)
pid=$(cat "$pids/$victim")
shim=$(awk '{print $4}' "/proc/$pid/stat")
kill -9 "$shim"
kill -USR1 "$pid"
wait_for 20 "its exit code arrives (E5)" sh -c "'$fairlead' executor show $victim | grep -q 'exit 9'"
wait_for 20 "the other 19 run" session_is many running 19
"$fairlead" session close many --now >/dev/null
"$fairlead" session wait many --for closed --timeout 60s >/dev/null || fail "many closes"
for pid in $before; do
	! kill -0 "$pid" 2>/dev/null || fail "process $pid outlived its session (E2)"
done
wait_for 20 "the books balance (E12)" verify_clean
