# A host dies and is known at once; its executor is given up after the session's patience and replaced
# elsewhere; the host comes back and what it still ran is stopped before it counts again
# (L1, L5, L7, L8, R6, K16, K21-K24).
. "$(dirname "$0")/lib.sh"
export FAIRLEAD_HUB_HEARTBEAT_INTERVAL=1s FAIRLEAD_HUB_SILENT_AFTER=3s
export FAIRLEAD_SCHEDULER_VERDICT_GRACE=3s
story_in_cell --agents 1 --hubs 2 --schedulers 2

began=$(cut -d. -f1 /proc/uptime)
edge_start() {
	"$FL_BIN_DIR/fairlead-agent" --nats-servers="$FAIRLEAD_NATS_SERVERS" --host-id=edge-1 \
		--state-dir="$STORY_DATA/edge-1" >>"$STORY_DATA/edge-1.log" 2>&1 &
	edge=$!
}
host_state_is() { # HOST STATE
	"$fairlead" host show "$1" -o json | grep -q "\"state\": *\"host_$2\""
}
said() { # KIND HOST
	"$fairlead" events --host "$2" -o json | grep -q "\"kind\": *\"$1\""
}
edge_stop() {
	kill -9 "$edge" 2>/dev/null
	wait "$edge" 2>/dev/null
	pkill -9 -f "$STORY_DATA/edge-1" 2>/dev/null
}
trap edge_stop EXIT

"$fairlead" host cordon dev-1 >/dev/null || fail "cordon"
edge_start
wait_for 20 "edge-1 is ready" host_state_is edge-1 ready
ledger=$STORY_DATA/ledger
mkdir -m 777 "$ledger"
cat >"$STORY_DATA/web.yaml" <<YAML
session: web
replicas: 1
disconnect:
  lost_after: 4s
executor:
  driver: process
  command: [sh, -c, 'echo \$\$ >$ledger/\$FAIRLEAD_EXECUTOR_ID; while :; do sleep 1; done']
YAML
"$fairlead" apply -f "$STORY_DATA/web.yaml" >/dev/null || fail "apply"
wait_for 20 "it runs on edge-1" session_is web running 1
first=$(ls "$ledger")
first_pid=$(cat "$ledger/$first")
"$fairlead" host uncordon dev-1 >/dev/null || fail "uncordon"
# A judge accuses nobody until it has listened for as long as silence must last (K23); it listens since
# before the story began.
wait_for 10 "the judge's grace is over" sh -c "[ \$(cut -d. -f1 /proc/uptime) -gt $((began + 4)) ]"

kill -9 "$edge"
at=$(date +%s%N)
PATIENCE=1 wait_for 5 "edge-1 is suspect at once (L1)" said host.suspect edge-1
echo "suspect after $((($(date +%s%N) - at) / 1000000)) ms"
kill -0 "$first_pid" || fail "its executor runs on while the agent is dead"
"$fairlead" run --timeout 30s -- true || fail "placement goes on"
"$fairlead" host show edge-1 -o json >"$STORY_DATA/edge-1.json"

"$fairlead" host lost edge-1 >/dev/null 2>&1 && fail "a confirmation is asked for"
wait_for 30 "the executor is given up (L7)" sh -c \
	"'$fairlead' executor show $first -o json | grep -q '\"state\": *\"lost\"'"
wait_for 20 "its successor runs on dev-1 (L7)" session_is web running 1
assert_contains "$("$fairlead" executor show web/0)" "dev-1" "the successor's host"
assert_equal 2 "$("$fairlead" executor show web/0 -o json | json_number attempt)" "the successor's attempt"

edge_start
wait_for 30 "the returned host stops what was given up (L8, R6)" sh -c "! kill -0 $first_pid 2>/dev/null"
wait_for 20 "edge-1 is ready again" host_state_is edge-1 ready
wait_for 20 "it has let go" sh -c "'$fairlead' executor show $first -o json | grep -q '\"gone_us\": *\"\\?[1-9]'"
assert_equal 2 "$(ls "$ledger" | wc -l)" "executors that ever ran"
assert_equal 2 "$(cat "$ledger"/* | sort -u | wc -l)" "processes that ever ran"
"$fairlead" session close web --now >/dev/null
"$fairlead" session wait web --for closed --timeout 60s >/dev/null || fail "web closes"
wait_for 20 "the books balance (E12)" verify_clean
