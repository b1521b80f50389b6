# wipe-the-bus: the bus dies with all it stored while many creates are in flight, and comes back empty.
. "$(dirname "$0")/lib.sh"
drill_options creates=500 in_flight=64 bus_servers=1 -- "$@"
drill_cell --agents 3 --hubs 2 --schedulers 2

# Every client has one create in flight, from its first try until it is acknowledged.
in_flight() { find "$STORY_DATA" -maxdepth 1 -name 'declare.*' ! -name '*.why' | wc -l; }
load_start "$opt_creates" "$opt_in_flight"
wait_for 60 "a third is acknowledged" load_at_least $((opt_creates / 3))
for part in "${bus_parts[@]}"; do : >"$cell/hold/$part"; done
for part in "${bus_parts[@]}"; do part_signal KILL "$part"; done
for part in "${bus_parts[@]}"; do wait_for 30 "$part ends" part_gone "$part"; done
cut -d' ' -f1 "$acknowledged" >"$STORY_DATA/before"
echo "bus killed with $(wc -l <"$STORY_DATA/before") of $opt_creates creates acknowledged, $(in_flight) in flight"
for part in "${bus_parts[@]}"; do rm -rf "${cell:?}/$part"; done
for part in "${bus_parts[@]}"; do part_back "$part"; done
at=$(now_ms)
after() { echo "$(($(now_ms) - at)) ms after the empty bus was told to start"; }

# Accounted for: Postgres has heard from a host that it runs, or ran to its end.
accounted() { # FILE
	local names
	names=$(tr '\n' ' ' <"$1")
	[ "$(sql "SELECT count(*) FROM regexp_split_to_table('${names% }', ' ') name WHERE NOT EXISTS (
		SELECT FROM session s JOIN executor e USING (session_id) WHERE s.name = name AND e.state IN (70, 90))")" = 0 ]
}
wait_for 60 "what was acknowledged before is accounted for" accounted "$STORY_DATA/before"
echo "all that was acknowledged before runs or ran $(after)"
load_join
cut -d' ' -f1 "$acknowledged" >"$STORY_DATA/all"
echo "all $(wc -l <"$STORY_DATA/all") creates acknowledged $(after)"
wait_for 60 "every acknowledged create is accounted for" accounted "$STORY_DATA/all"
echo "every acknowledged create runs or ran $(after)"
load_finish
verdict "a bus that forgot all loses and doubles nothing (C8)"
