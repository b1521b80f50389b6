# A host is silent while its executor runs on.  Its session wants a replacement before it is given up: both
# run, and when the host is back the session's policy keeps one of them (K24).
. "$(dirname "$0")/lib.sh"
export FAIRLEAD_HUB_HEARTBEAT_INTERVAL=1s FAIRLEAD_HUB_SILENT_AFTER=3s
export FAIRLEAD_SCHEDULER_VERDICT_GRACE=3s
story_in_cell --agents 1

edge_start() {
	"$FL_BIN_DIR/fairlead-agent" --nats-servers="$FAIRLEAD_NATS_SERVERS" --host-id=edge-1 \
		--state-dir="$STORY_DATA/edge-1" >>"$STORY_DATA/edge-1.log" 2>&1 &
	edge=$!
}
edge_stop() {
	kill -CONT "$edge" 2>/dev/null
	kill -9 "$edge" 2>/dev/null
	wait "$edge" 2>/dev/null
	pkill -9 -f "$STORY_DATA/edge-1" 2>/dev/null
}
trap edge_stop EXIT
attempt_is() { # SESSION ATTEMPT STATE
	"$fairlead" executor ls --session "$1" --all -o json |
		jq -e --argjson attempt "$2" --arg state "$3" \
			'[.. | objects | select(.attempt? == $attempt and .state? == $state)] | length == 1'
}

"$fairlead" host cordon dev-1 >/dev/null || fail "cordon"
edge_start
wait_for 20 "edge-1 is ready" sh -c "'$fairlead' host show edge-1 | grep -q '^state *ready'"
for keep in original replacement; do
	cat >"$STORY_DATA/$keep.yaml" <<YAML
session: $keep
disconnect: { lost_after: 10m, replace_after: 1s, keep: $keep }
executor: { driver: process, command: [sleep, "600"] }
YAML
	warned=$("$fairlead" apply -f "$STORY_DATA/$keep.yaml" 2>&1) || fail "apply $keep"
	case $warned in *stop_on_host_after*) ;; *) fail "the overlap is warned about: $warned" ;; esac
	wait_for 20 "$keep runs on edge-1" session_is $keep running 1
done
"$fairlead" host uncordon dev-1 >/dev/null || fail "uncordon"

kill -STOP "$edge"
for keep in original replacement; do
	wait_for 40 "a replacement of $keep runs" attempt_is $keep 2 running
	attempt_is $keep 1 running >/dev/null || fail "the original of $keep counts as running still"
done
wait_for 10 "both exist, and it is said" event_said executor.relieved "its host is silent"

kill -CONT "$edge"
wait_for 30 "the replacement of original is stopped" attempt_is original 2 stopped
wait_for 30 "the original of replacement is stopped" attempt_is replacement 1 stopped
attempt_is original 1 running >/dev/null || fail "the original is kept"
attempt_is replacement 2 running >/dev/null || fail "the replacement is kept"
wait_for 10 "what was kept is said" event_said executor.relief_over "the original is kept"
wait_for 10 "what was kept is said" event_said executor.relief_over "the replacement is kept"
"$fairlead" admin verify || fail "verify"
