# postgres-away: the database is gone for a while under load; hosts run on, nobody is given up.
. "$(dirname "$0")/lib.sh"
drill_options creates=300 seconds=60 -- "$@"
drill_cell --agents 3 --hubs 2 --schedulers 2

load_start "$opt_creates"
wait_for 60 "a third is acknowledged" load_at_least $((opt_creates / 3))
# What was observed then must not be taken back: incarnation and rank only grow.
observed="SELECT executor_id, incarnation, rank FROM executor"
sql "$observed" >"$STORY_DATA/observed"
staying() { verdict_open | while read -r id _ name pid; do
	case $name in *0) ! kill -0 "$pid" 2>/dev/null || echo "$id" ;; esac
done | sort; }
some_stay() { staying >"$STORY_DATA/staying" && [ -s "$STORY_DATA/staying" ]; }
wait_for 30 "some run that stay" some_stay
part_away INT postgres # fast: sessions are cut
refused() {
	"$fairlead" session create "refused-$RANDOM" --timeout 10s -- true >"$STORY_DATA/refused" 2>&1
	[ $? = 6 ] # unavailable
}
at=$(now_ms)
wait_for 30 "the API says that it is unavailable (R2)" refused
echo "the API said, $(($(now_ms) - at)) ms after Postgres was gone: $(cat "$STORY_DATA/refused")"
pause_tenths $((opt_seconds * 10))
assert_empty "$(staying | comm -23 "$STORY_DATA/staying" -)" "executors that did not run on (R2)"
part_back postgres
at=$(now_ms)
heals() { "$fairlead" run --timeout 10s -- true; }
wait_for 60 "a new executor runs to its end" heals
echo "healed: a new executor ran to its end $(($(now_ms) - at)) ms after Postgres was told to start"
regressed=$(sql "$observed" | cat "$STORY_DATA/observed" - | awk '
	!($1 in incarnation) { incarnation[$1] = $2; rank[$1] = $3; next }
	$2 < incarnation[$1] || ($2 == incarnation[$1] && $3 < rank[$1]) { n++ } END { print n + 0 }')
assert_equal 0 "$regressed" "executors whose state went back (R2)"
load_finish
assert_equal 0 "$(sql "SELECT count(*) FROM event WHERE kind IN ('host.lost', 'executor.lost')")" "given up meanwhile"
verdict "hosts go on without Postgres, the backlog drains (R2)"
