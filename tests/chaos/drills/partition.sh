# partition: hosts are cut off, or paused, for longer than lost_after, and come back: replaced, then fenced.
. "$(dirname "$0")/lib.sh"
drill_options seconds=20 sessions=3 -- "$@"
drill_cell --agents 2 --hubs 2 --schedulers 2

gate_start edge-1
host_start edge-1 "$gate_port"
host_start edge-2
paused=$host_pid
for host in edge-1 edge-2; do wait_for 20 "$host is ready" host_is $host $host_ready; done
for host in dev-1 dev-2 edge-2; do "$fairlead" host cordon $host >/dev/null || fail "cordon $host"; done

# open: its host lets it run on; fenced: its host stops it before a successor may begin (K24).  A paused host
# cannot stop anything.
count_running() { [ "$(sql "SELECT count(*) FROM executor WHERE state = 70 AND $1")" = "$2" ]; }
load_start 0
load_lost_after=8s load_stop_grace=1s
for ((i = 1; i <= opt_sessions; i++)); do
	load_create "open-$((10 * i))"
	load_stop_after=3s load_create "fenced-$((10 * i))"
done
wait_for 30 "all run on edge-1" count_running "host_id = 'edge-1'" $((2 * opt_sessions))
"$fairlead" host cordon edge-1 >/dev/null && "$fairlead" host uncordon edge-2 >/dev/null || fail "cordon edge-1"
for ((i = 1; i <= opt_sessions; i++)); do load_create "paused-$((10 * i))"; done
wait_for 30 "the rest runs on edge-2" count_running "host_id = 'edge-2'" "$opt_sessions"
for host in dev-1 dev-2; do "$fairlead" host uncordon $host >/dev/null || fail "uncordon $host"; done

kill -USR1 "$gate_pid"
pause_for "$paused" $((opt_seconds * 10))
at=$(now_ms)
on_cell="host_id LIKE 'dev-%'"
wait_for "$opt_seconds" "successors run elsewhere" count_running "$on_cell" $((3 * opt_sessions))
echo "every executor of the cut-off hosts had a running successor after $(($(now_ms) - at)) ms"
helpers_join
kill -USR2 "$gate_pid"
at=$(now_ms)
for host in edge-1 edge-2; do wait_for 30 "$host is ready again" host_is $host $host_ready; done
nothing_left() { [ "$(sql "SELECT count(*) FROM host_executor WHERE host_id LIKE 'edge-%'")" = 0 ]; }
wait_for 30 "the returned hosts let go of what was replaced" nothing_left
echo "returned, fenced and empty $(($(now_ms) - at)) ms after the path was whole again"
load_finish
verdict_strict='^fenced-'
verdict "cut-off hosts are fenced on return (L7, L8, R6)"
