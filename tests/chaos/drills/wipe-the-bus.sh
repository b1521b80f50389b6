# wipe-the-bus: the bus dies with all it stored under load, and comes back empty.
. "$(dirname "$0")/lib.sh"
drill_options creates=500 bus_servers=1 -- "$@"
drill_cell --agents 3 --hubs 2 --schedulers 2

load_start "$opt_creates"
wait_for 60 "a third is acknowledged" load_at_least $((opt_creates / 3))
for part in "${bus_parts[@]}"; do
	: >"$cell/hold/$part"
	part_signal KILL "$part"
done
for part in "${bus_parts[@]}"; do wait_for 30 "$part ends" part_gone "$part"; done
echo "bus killed with $(load_count) of $opt_creates creates acknowledged"
for part in "${bus_parts[@]}"; do rm -rf "${cell:?}/$part"; done
for part in "${bus_parts[@]}"; do part_back "$part"; done
at=$(now_ms)
heals() { "$fairlead" run --timeout 10s -- true; }
wait_for 60 "a new executor runs to its end" heals
echo "healed: a new executor ran to its end $(($(now_ms) - at)) ms after the empty bus was told to start"
load_finish
verdict "a bus that forgot all loses and doubles nothing (C8)"
