# chaos: every 2 s a random part of the cell - services, hosts, bus, database - is killed, paused or cut off, under load.
. "$(dirname "$0")/lib.sh"
drill_options minutes=5 seconds=0 seed=$((RANDOM + 1)) bus_servers=1 -- "$@"
drill_cell --agents 3 --hubs 2 --schedulers 2

RANDOM=$opt_seed
duration=$((opt_seconds > 0 ? opt_seconds : opt_minutes * 60))
# Beside the cell's own, hosts and services whose path to the bus can be cut.
declare -A gates
for name in edge-1 edge-2 hub-cut scheduler-cut; do
	gate_start $name
	gates[$name]=$gate_pid
	case $name in
	edge-*) host_start $name "$gate_port" ;;
	*) service_start "${name%-cut}" $name "$gate_port" ;;
	esac
done
cuttable=("${!gates[@]}")
wait_for 20 "edge-1 is ready" host_is edge-1 $host_ready
wait_for 20 "edge-2 is ready" host_is edge-2 $host_ready

parts=(hub-1 hub-2 scheduler-1 scheduler-2 dev-1 dev-2 dev-3 "${bus_parts[@]}" postgres-session postgres)
victim() { # PART WHAT: the process to kill, the processes to pause, if there are any now
	case $1/$2 in
	postgres-session/*)
		# Not for ever: the server may be paused.
		PGCONNECT_TIMEOUT=2 timeout 2 psql -XAtq -d "$FAIRLEAD_DATABASE_URL" -c "SELECT pid FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1" 2>/dev/null
		;;
	postgres/pause) postgres_pids ;;
	*) part_pid "$1" ;;
	esac
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
		part=${cuttable[$((RANDOM % ${#cuttable[@]}))]}
		cut_for "${gates[$part]}" $((10 + RANDOM % 110))
		what="cut $part"
	else
		pid=$(victim "$part" $what)
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
