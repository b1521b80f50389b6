# postgres-crash: the database stops without a checkpoint under load, and recovers.
. "$(dirname "$0")/lib.sh"
drill_options creates=500 crashes=3 -- "$@"
drill_cell --agents 3 --hubs 2 --schedulers 2

load_start "$opt_creates"
for ((i = 1; i <= opt_crashes; i++)); do
	wait_for 60 "part $i of the load is acknowledged" load_at_least $((opt_creates * i / (opt_crashes + 1)))
	part_away QUIT postgres # immediate: as a crash
	part_back postgres
	at=$(now_ms)
	answers() { sql "SELECT 1"; }
	wait_for 60 "Postgres recovers" answers
	echo "crash $i: Postgres answered $(($(now_ms) - at)) ms after it was told to start"
done
load_finish
verdict "what was acknowledged survives a crash of Postgres (R3)"
