# scale: 1 hub, scheduler and agent become 4, 3 and 10 under load, and 1 each again.
. "$(dirname "$0")/lib.sh"
drill_options creates=500 hubs=4 schedulers=3 agents=10 -- "$@"
extra() {
	local i
	for ((i = 2; i <= opt_hubs; i++)); do echo "hub-$i"; done
	for ((i = 2; i <= opt_schedulers; i++)); do echo "scheduler-$i"; done
	for ((i = 2; i <= opt_agents; i++)); do echo "dev-$i"; done
}
mapfile -t drill_held < <(extra)
drill_cell --agents "$opt_agents" --hubs "$opt_hubs" --schedulers "$opt_schedulers"

load_start "$opt_creates"
wait_for 60 "a quarter is acknowledged" load_at_least $((opt_creates / 4))
for part in "${drill_held[@]}"; do part_back "$part"; done
at=$(now_ms)
ready() { [ "$(sql "SELECT count(*) FROM host WHERE state = 1")" = "$opt_agents" ]; }
wait_for 60 "all hosts are ready" ready
echo "scaled out: $opt_agents hosts ready after $(($(now_ms) - at)) ms"
wait_for 120 "two thirds are acknowledged" load_at_least $((opt_creates * 2 / 3))

# A host that leaves takes nothing new, ends what it has, and is removed.
for part in "${drill_held[@]}"; do
	case $part in dev-*) "$fairlead" host cordon "$part" >/dev/null || fail "cordon $part" ;; esac
done
idle() {
	[ "$(sql "SELECT count(*) FROM executor e JOIN session s USING (session_id) WHERE e.rank < 90
		AND host_id <> 'dev-1' AND NOT (s.name ~ '0\$')")" = 0 ]
}
wait_for 60 "what ends by itself has ended on the hosts that leave" idle
for part in "${drill_held[@]}"; do
	: >"$cell/hold/$part"
	part_signal TERM "$part"
done
for part in "${drill_held[@]}"; do wait_for 30 "$part ends" part_gone "$part"; done
echo "scaled in with $(load_count) of $opt_creates creates acknowledged"
for part in "${drill_held[@]}"; do
	case $part in dev-*) "$fairlead" host rm "$part" --confirm >/dev/null || fail "host rm $part" ;; esac
done
load_finish
verdict "processes come and go under load (O8)"
