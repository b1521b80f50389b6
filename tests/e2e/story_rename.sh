# A machine gets another host id on the same state directory: it is another host, and takes new work.
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

agent() { # HOST-ID
	"$FL_BIN_DIR/fairlead-agent" --nats-servers="$FAIRLEAD_NATS_SERVERS" --host-id="$1" \
		--labels="who=$1" --state-dir="$STORY_DATA/renamed" --stop-executors-on-exit >>"$STORY_DATA/log" 2>&1 &
	agent=$!
	trap 'kill $agent 2>/dev/null' EXIT
	wait_for 15 "$1 is ready" sh -c "'$fairlead' host show $1 | grep -q ready"
}

agent before
for i in 1 2 3; do
	"$fairlead" run --timeout 20s --selector 'who = before' -- true || fail "run $i on the host as it was"
done
kill $agent
wait $agent
agent after
for i in 1 2 3; do
	"$fairlead" run --timeout 20s --selector 'who = after' -- true || fail "run $i on the host as it is now"
done
ls "$STORY_DATA"/renamed/records.db.of-another-host-* >/dev/null || fail "the old records are kept"
wait_for 30 "the books balance" verify_clean
