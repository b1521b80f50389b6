# storm: a thousand hosts (--hosts) connect again while both hubs restart; nobody is given up.
export FAIRLEAD_HUB_HEARTBEAT_INTERVAL=5s FAIRLEAD_HUB_SILENT_AFTER=13s FAIRLEAD_SCHEDULER_VERDICT_GRACE=15s
export FAIRLEAD_HUB_LIVENESS_FLUSH=1s # to see who is heard
. "$(dirname "$0")/lib.sh"
drill_options hosts=1000 creates=50 bus_servers=1 -- "$@"
drill_cell --agents 2 --hubs 2 --schedulers 2

"$FL_BIN_DIR/fairlead-fleet" --hosts="$opt_hosts" --connections=real --nats-servers="$FAIRLEAD_NATS_SERVERS" \
	--heartbeat-interval=5s >"$cell/log/fleet.log" 2>&1 &
echo $! >>"$STORY_DATA/ours"
heard_since() { # TIMESTAMP
	[ "$(sql "SELECT count(*) FROM host JOIN host_liveness USING (host_id)
		WHERE state = 1 AND last_heartbeat_at > '$1'")" -ge $((opt_hosts + 2)) ]
}
at=$(now_ms)
wait_for 240 "every host is ready and heard" heard_since -infinity
echo "$opt_hosts hosts ready and heard $(($(now_ms) - at)) ms after they were started"
"$fairlead" host cordon sim-0 >/dev/null || fail "the API answers"
load_start "$opt_creates" 2

part_signal KILL hub-1
part_signal KILL hub-2
for part in "${bus_parts[@]}"; do part_signal KILL "$part"; done
at=$(now_ms)
since=$(sql "SELECT clock_timestamp()")
wait_for 240 "every host is ready and heard again" heard_since "$since"
echo "settled: all $opt_hosts ready and heard $(($(now_ms) - at)) ms after hubs and bus were killed"
load_finish
echo "SUSPECT for a while: $(sql "SELECT count(DISTINCT host) FROM event WHERE kind = 'host.suspect'") hosts"
assert_equal 0 "$(sql "SELECT count(*) FROM event WHERE kind IN ('host.lost', 'executor.lost')")" "LOST verdicts"
verdict "no verdict while hubs and bus restart (L9)"
