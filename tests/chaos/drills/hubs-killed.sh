# hubs-killed: every hub is killed at once, again and again, while sessions are declared.
. "$(dirname "$0")/lib.sh"
drill_options creates=1000 times=5 bus_servers=1 -- "$@"
drill_cell --agents 3 --hubs 2 --schedulers 2

answers() { "$fairlead" host ls --timeout 1s; }
load_start "$opt_creates" 4
for ((i = 1; i <= opt_times; i++)); do
	wait_for 60 "part $i of the load is acknowledged" load_at_least $((opt_creates * i / (opt_times + 1)))
	part_signal KILL hub-1
	part_signal KILL hub-2
	at=$(now_ms)
	wait_for 30 "the API answers" answers
	echo "every hub killed with $(load_count) of $opt_creates creates acknowledged: the API answered after $(($(now_ms) - at)) ms"
done
load_finish
verdict "every hub killed: what was acknowledged runs, nothing twice (R1)"
