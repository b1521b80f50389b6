# silence: hosts die, and fall silent, one by one and a whole fleet (--hosts) at once: how soon are they suspect?
export FAIRLEAD_HUB_HEARTBEAT_INTERVAL=5s FAIRLEAD_HUB_SILENT_AFTER=13s FAIRLEAD_SCHEDULER_VERDICT_GRACE=15s
. "$(dirname "$0")/lib.sh"
drill_options hosts=10 rounds=3 creates=30 bus_servers=1 -- "$@"
drill_cell --agents 2 --hubs 2 --schedulers 2
began=$(cut -d. -f1 /proc/uptime)

# until_sql SECONDS WHAT QUERY: looks every 20 ms, in one session, until QUERY answers true.
until_sql() {
	psql -XAtq -d "$FAIRLEAD_DATABASE_URL" -c "DO \$\$ BEGIN
		WHILE NOT ($3) LOOP
			IF clock_timestamp() > now() + interval '$1 seconds' THEN RAISE 'late'; END IF;
			PERFORM pg_sleep(0.02);
		END LOOP; END \$\$" >/dev/null 2>&1 || fail "not within $1 s: $2"
}
suspect_one() { # HOST SECONDS WHAT
	until_sql "$2" "$3" "SELECT state = $host_suspect FROM host WHERE host_id = '$1'"
}
fleet_is() { # STATE SECONDS WHAT
	until_sql "$2" "$3" "SELECT count(*) = $opt_hosts FROM host WHERE host_id LIKE 'sim-%' AND state = $1"
}
die() {
	kill -9 "$1"
	wait "$1" 2>/dev/null
}
worst() { printf '%s\n' "$@" | sort -n | tail -n 1; }

"$FL_BIN_DIR/fairlead-fleet" --hosts="$opt_hosts" --connections=real --nats-servers="$FAIRLEAD_NATS_SERVERS" \
	--heartbeat-interval=5s >"$cell/log/fleet.log" 2>&1 &
fleet=$!
echo $fleet >>"$STORY_DATA/ours"
killed=() paused=()
for ((i = 1; i <= opt_rounds; i++)); do
	host_start "dies-$i"
	killed+=("$host_pid")
	host_start "silent-$i"
	paused+=("$host_pid")
done
fleet_is $host_ready 240 "the fleet is ready"
for ((i = 1; i <= opt_rounds; i++)); do
	wait_for 20 "dies-$i is ready" host_is "dies-$i" $host_ready
	wait_for 20 "silent-$i is ready" host_is "silent-$i" $host_ready
done
# A judge accuses nobody until it has listened for as long as silence must last (K23).
grace_over() { [ "$(cut -d. -f1 /proc/uptime)" -gt $((began + 15)) ]; }
wait_for 30 "the judge's grace is over" grace_over
load_lost_after=120s
load_start "$opt_creates" 2 2

# Deadlines are five times what is promised: 1 s for who is killed while its kernel lives, 15 s for silence.
took=()
for ((i = 1; i <= opt_rounds; i++)); do
	at=$(now_ms)
	die "${killed[$((i - 1))]}"
	suspect_one "dies-$i" 5 "a killed agent is suspect (L1)"
	took+=($(($(now_ms) - at)))
	host_start "dies-$i" # whatever ran on it is adopted
done
echo "killed among $opt_hosts: suspect after ${took[*]} ms"
killed_worst=$(worst "${took[@]}")
took=()
for ((i = 1; i <= opt_rounds; i++)); do
	at=$(now_ms)
	pause_for "${paused[$((i - 1))]}" 600
	suspect_one "silent-$i" 75 "a silent host is suspect (L2)"
	took+=($(($(now_ms) - at)))
	kill -CONT "${paused[$((i - 1))]}"
done
echo "silent among $opt_hosts: suspect after ${took[*]} ms"
silent_worst=$(worst "${took[@]}")

at=$(now_ms)
pause_for "$fleet" 900
fleet_is $host_suspect 75 "a silent fleet is suspect (L2)"
fleet_silent=$(($(now_ms) - at))
echo "all $opt_hosts silent at once: the last was suspect after $fleet_silent ms"
kill -CONT "$fleet"
at=$(now_ms)
fleet_is $host_ready 120 "the fleet is ready again (L6)"
echo "all $opt_hosts ready again $(($(now_ms) - at)) ms after they could speak"
at=$(now_ms)
die "$fleet"
fleet_is $host_suspect 75 "a dead fleet is suspect"
echo "all $opt_hosts dead at once: the last was suspect after $(($(now_ms) - at)) ms"
[ "$killed_worst" -lt 1000 ] || echo "MISSED: 1 s for a killed agent, on this machine now"
[ "$silent_worst" -le 15000 ] && [ "$fleet_silent" -le 15000 ] || echo "MISSED: 15 s for silence, on this machine now"
load_finish
assert_equal 0 "$(sql "SELECT count(*) FROM event WHERE kind IN ('host.lost', 'executor.lost')")" "LOST verdicts"
verdict "dead hosts are known at once, silent ones soon (L1, L2)"
