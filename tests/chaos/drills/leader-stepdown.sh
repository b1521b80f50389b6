# leader-stepdown: every 5 s the pool's leader loses its lease - taken away, or killed with it - under load.
. "$(dirname "$0")/lib.sh"
drill_options creates=500 times=8 -- "$@"
drill_cell --agents 3 --hubs 2 --schedulers 3

leader() { sql "SELECT holder FROM lease WHERE name = 'scheduler-default' AND expires_at > clock_timestamp()"; }
another_leads() { local now; now=$(leader); [ -n "$now" ] && [ "$(epoch)" != "$before" ]; }
epoch() { sql "SELECT epoch FROM lease WHERE name = 'scheduler-default'"; }

load_start "$opt_creates" 4 1
for ((i = 1; i <= opt_times; i++)); do
	before=$(epoch)
	at=$(now_ms)
	if [ $((i % 2)) -eq 0 ]; then
		part_signal KILL "$(leader)"
		what=killed
	else
		sql "UPDATE lease SET expires_at = clock_timestamp() WHERE name = 'scheduler-default'"
		what="robbed of its lease"
	fi
	wait_for 15 "another leader" another_leads
	echo "leader $what: another led after $(($(now_ms) - at)) ms"
	pause_tenths 50
done
load_finish
verdict "another leads, no placement is done twice (P5)"
