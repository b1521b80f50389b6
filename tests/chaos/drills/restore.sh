# restore: the database is put back to a backup that is older than what hosts run; ids and numbers of the lost history meet nobody.
. "$(dirname "$0")/lib.sh"
drill_options creates=300 seconds=30 -- "$@"
drill_cell --agents 3 --hubs 2 --schedulers 2

services=(hub-1 hub-2 scheduler-1 scheduler-2)
backup=$STORY_DATA/backup
load_start "$opt_creates" 2 1
wait_for 60 "a third is acknowledged" load_at_least $((opt_creates / 3))
cp "$acknowledged" "$STORY_DATA/acknowledged.then"
"$fairlead" admin backup --to "$backup" >/dev/null || fail "backup"
echo "backup with $(wc -l <"$STORY_DATA/acknowledged.then") creates acknowledged"
pause_tenths $((opt_seconds * 10))
load_stop
load_join
then=$(sql "SELECT max(host_seq) FROM host")

"$fairlead" admin restore --from "$backup" >/dev/null 2>&1 && fail "a confirmation is asked for"
said=$("$fairlead" admin restore --from "$backup" --confirm 2>&1) && fail "restored under running services"
assert_contains "$said" "stop them first" "running services are named"
for part in "${services[@]}"; do part_away TERM "$part"; done
"$fairlead" admin restore --from "$backup" --confirm || fail "restore"
for part in "${services[@]}"; do part_back "$part"; done
echo "restored with $(load_count) creates acknowledged; the lost history is $opt_seconds s long"
cp "$STORY_DATA/acknowledged.then" "$acknowledged"
at=$(now_ms)
heals() { "$fairlead" run --timeout 10s -- true; }
wait_for 60 "a new executor runs to its end" heals
echo "healed: a new executor ran to its end $(($(now_ms) - at)) ms after the services were told to start"

assert_equal 1 "$(sql "SELECT cell_term FROM cell")" "the cell's term"
above() { [ "$(sql "SELECT count(*) FROM host WHERE epoch <= term_floor() OR host_seq < greatest(term_floor(), $then)")" = 0 ]; }
above || fail "a host's numbers may meet those of the lost history"
load_finish
verdict_unknown=1
verdict
echo "of the lost history: $(verdict_unknown_alive) executors run on, unknown to the cell (K6)"
