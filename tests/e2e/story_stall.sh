# Postgres is there and says nothing more: every process of it is stopped.  A hub that is told to end does not
# wait for it longer than its drain_timeout (R7).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

postmaster=$(head -n 1 "$STORY_DATA"/cell/postgres/postmaster.pid) || fail "no postmaster"
postgres_signal() {
	kill "-$1" "$postmaster" $(pgrep -P "$postmaster")
}

"$FL_BIN_DIR/fairlead-hub" --instance=stalled --nats-servers="$FAIRLEAD_NATS_SERVERS" \
	--database-url="$FAIRLEAD_DATABASE_URL" >"$STORY_DATA/hub" 2>&1 &
hub=$!
trap 'postgres_signal CONT 2>/dev/null; kill -9 $hub 2>/dev/null' EXIT
wait_for 20 "the hub is ready" grep -q hub.ready "$STORY_DATA/hub"
postgres_signal STOP
for i in 1 2 3 4 5 6 7 8; do
	"$fairlead" session create "s$i" --timeout 1s -- true >/dev/null 2>&1 && fail "Postgres is not stopped"
done
kill -TERM $hub
wait $hub
assert_equal 0 $? "it ends cleanly, and in time (R7)"
grep -q service.stuck "$STORY_DATA/hub" && fail "it was stuck: $(tail -n 5 "$STORY_DATA/hub")"
postgres_signal CONT
wait_for 40 "the cell goes on" "$fairlead" session create after --timeout 3s -- true
