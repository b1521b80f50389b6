# chaos: every 2 s a random part of the cell is killed, paused or cut off, under load.
. "$(dirname "$0")/lib.sh"
drill_options minutes=5 seconds=0 seed=$((RANDOM + 1)) bus_servers=1 -- "$@"
drill_cell --agents 3 --hubs 2 --schedulers 2

RANDOM=$opt_seed
duration=$((opt_seconds > 0 ? opt_seconds : opt_minutes * 60))
gates=()
for name in edge-1 edge-2; do
	gate_start $name
	gates+=("$gate_pid")
	host_start $name "$gate_port"
done
wait_for 20 "edge-1 is ready" host_is edge-1 $host_ready
wait_for 20 "edge-2 is ready" host_is edge-2 $host_ready

parts=(hub-1 hub-2 scheduler-1 scheduler-2 dev-1 dev-2 dev-3 "${bus_parts[@]}" postgres-session)
victim() { # a process of the part, if there is one now
	if [ "$1" = postgres-session ]; then
		sql "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
			ORDER BY random() LIMIT 1" 2>/dev/null
	else
		part_pid "$1"
	fi
}

cut_for() { # GATE TENTHS
	kill -USR1 "$1"
	(
		pause_tenths "$2"
		kill -USR2 "$1"
	) &
	helpers+=($!)
}

declare -A faults
fault() {
	local part=${parts[$((RANDOM % ${#parts[@]}))]} pid what=kill
	case $((RANDOM % 5)) in
	0 | 1) what=pause ;;
	2) what=cut ;;
	esac
	if [ $what = cut ]; then
		cut_for "${gates[$((RANDOM % 2))]}" $((10 + RANDOM % 110))
	else
		pid=$(victim "$part")
		[ -n "$pid" ] || return
		if [ $what = kill ]; then kill -9 "$pid" 2>/dev/null; else pause_for "$pid" $((10 + RANDOM % 40)); fi
		what="$what $part"
	fi
	faults[$what]=$((${faults[$what]:-0} + 1))
}

load_lost_after=5s
load_start 1000000 2 2
end=$((SECONDS + duration))
while [ $SECONDS -lt $end ]; do
	fault
	pause_tenths 20
done
load_stop
helpers_join
for what in "${!faults[@]}"; do echo "  ${faults[$what]} x $what"; done | sort -k3
load_finish 180
verdict "all promises at once" 120
