# restore: the database is put back to a backup that is older than what hosts run; ids and numbers of the lost history meet nobody, and what it began runs until it is told to stop.
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
verdict_unknown=runs
verdict
verdict_unknown_alive >"$STORY_DATA/unknown"
runs_on=$(wc -l <"$STORY_DATA/unknown")
echo "of the lost history: $runs_on executors run on, unknown to the cell (K6)"
[ "$runs_on" -gt 0 ] || fail "the drill left nothing to be stopped: more --seconds"

# They are shown where people look, and stop only for who says so.
unknown_rows() { sql "SELECT count(*) FROM host_unknown $1"; }
shown=$("$fairlead" status | grep '^unknown')
assert_contains "$shown" " $(unknown_rows "") executors" "status counts them (K6)"
hosts=$(sql "SELECT DISTINCT host_id FROM host_unknown ORDER BY 1")
for host in $hosts; do
	shown=$("$fairlead" host show "$host")
	for id in $(sql "SELECT replace(executor_id::text, '-', '') FROM host_unknown WHERE host_id = '$host'"); do
		assert_contains "$shown" "unknown     $id generation " "host show lists them (K6)"
	done
	[ "$("$fairlead" host ls | awk -v host="$host" '$1 == host { print $4 }')" = unknown ] || fail "host ls flags $host (K6)"
	said=$("$fairlead" host stop-unknown "$host" 2>&1) && fail "a confirmation is asked for (K6)"
	assert_contains "$said" "$(unknown_rows "WHERE host_id = '$host'") executors" "the refusal says what would be stopped (K6)"
	assert_contains "$said" "field: confirm" "and names its field (K6)"
done
said=$("$fairlead" host stop-unknown no-such-host --confirm 2>&1)
assert_equal 3 $? "a host that nobody knows is not found: $said"
assert_equal 0 "$(unknown_rows "WHERE told_at IS NOT NULL")" "refused, and nothing is to be stopped (K6)"
assert_equal "$runs_on" "$(verdict_unknown_alive | wc -l)" "refused, and they run on (K6)"

at=$(now_ms)
for host in $hosts; do
	"$fairlead" host stop-unknown "$host" --confirm || fail "stop-unknown"
done
none_runs() { [ -z "$(verdict_alive)" ]; }
no_rows() { [ "$(unknown_rows "")" = 0 ]; }
wait_for 30 "no process of theirs is left (K6)" none_runs
wait_for 30 "their hosts said that they are gone (K6)" no_rows
echo "stopped, and gone from their hosts, $(($(now_ms) - at)) ms after it was said"
forgotten() { # no record of any host names them
	local database id
	for database in "$cell"/agents/*/records.db; do
		while read -r id; do
			[ "$(sqlite3 "$database" "SELECT count(*) FROM record WHERE executor_id = x'$id'")" = 0 ] || return 1
		done <"$STORY_DATA/unknown"
	done
}
wait_for 30 "their hosts forgot them (K6, K9)" forgotten
for host in $hosts; do
	assert_contains "$("$fairlead" host stop-unknown "$host" --confirm)" "has nothing" "nothing is left to be stopped"
done
assert_lacks "$("$fairlead" status)" $'\nunknown' "status counts no more what is stopped"
wait_for 20 "it is said who stopped them" sh -c \
	"[ -n \"\$(psql -XAtq -d '$FAIRLEAD_DATABASE_URL' -c \"SELECT 1 FROM event WHERE kind = 'host.unknown_stopping' AND who <> ''\")\" ]"
verdict_unknown=stopped
verdict
