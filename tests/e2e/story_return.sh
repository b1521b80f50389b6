# A host's agent is away for a while.  Meanwhile users went on: one executor more, one taken back before it was
# heard of, one that nobody took in time; and history was lost on both sides.  On return the host runs exactly what
# the control plane says, and what was started and stopped for it is shown (A2, C2).
. "$(dirname "$0")/lib.sh"
# Nobody is suspect in this story: what is asked for meanwhile is placed on the host that is away.
export FAIRLEAD_HUB_SILENT_AFTER=600s
story_in_cell --agents 1 --hubs 2

edge_start() {
	"$FL_BIN_DIR/fairlead-agent" --nats-servers="$FAIRLEAD_NATS_SERVERS" --host-id=edge-1 \
		--state-dir="$STORY_DATA/edge-1" >>"$STORY_DATA/edge-1.log" 2>&1 &
	edge=$!
}
edge_stop() {
	kill -9 "$edge" 2>/dev/null
	wait "$edge" 2>/dev/null
	pkill -9 -f "$STORY_DATA/edge-1" 2>/dev/null
}
trap edge_stop EXIT

ledger=$STORY_DATA/ledger
mkdir -m 777 "$ledger"
create() { # NAME [LINE-OF-YAML]
	cat >"$STORY_DATA/$1.yaml" <<YAML
session: $1
replicas: 1
${2:-}
executor:
  driver: process
  command: [sh, -c, 'echo \$\$ >$ledger/\$FAIRLEAD_EXECUTOR_ID; while [ -d $ledger ]; do sleep 1; done']
YAML
	"$fairlead" apply -f "$STORY_DATA/$1.yaml" >/dev/null || fail "apply $1"
}
id_of() { # SESSION: of its newest executor
	"$fairlead" executor show "$1/0" -o json | jq -r '.executor // . | .executor_id'
}
state_is() { # EXECUTOR STATE
	"$fairlead" executor show "$1" -o json | grep -q "\"state\": *\"$2\""
}
lives() { # EXECUTOR
	[ -s "$ledger/$1" ] && kill -0 "$(cat "$ledger/$1")" 2>/dev/null
}

"$fairlead" host cordon dev-1 >/dev/null || fail "cordon"
edge_start
wait_for 20 "edge-1 is ready" sh -c "'$fairlead' host show edge-1 | grep -q '^state *ready'"
for name in stays closed forgotten unknown; do
	create $name
done
for name in stays closed forgotten unknown; do
	wait_for 20 "$name runs" session_is $name running 1
	eval "$name=\$(id_of $name)"
	wait_for 10 "$name has written its pid" lives "$(eval "echo \$$name")"
done

kill -9 "$edge"
wait "$edge" 2>/dev/null
create late
create taken-back
create expires "accept_timeout: 1s"
for name in late taken-back expires; do
	wait_for 20 "$name is placed on the host that is away" sh -c \
		"'$fairlead' executor show $name/0 | grep -q edge-1"
done
late=$(id_of late) taken_back=$(id_of taken-back) expires=$(id_of expires)
"$fairlead" session close taken-back --now >/dev/null || fail "close taken-back"
"$fairlead" session close closed --now >/dev/null || fail "close closed"
wait_for 20 "nobody took it in time (C2)" state_is "$expires" expired
lives "$stays" && lives "$closed" && lives "$forgotten" && lives "$unknown" ||
	fail "executors run on while their agent is away"
# As if the host's disk had lost a record, and Postgres rows.
sqlite3 "$STORY_DATA/edge-1/records.db" "DELETE FROM record WHERE executor_id = x'$forgotten'" || fail "sqlite3"
psql -qX -v ON_ERROR_STOP=1 -v id="$unknown" -d "$FAIRLEAD_DATABASE_URL" <<'SQL' || fail "psql"
BEGIN;
UPDATE host_capacity c SET cpu_millis = c.cpu_millis - x.cpu_millis, memory_bytes = c.memory_bytes - x.memory_bytes,
	disk_bytes = c.disk_bytes - x.disk_bytes, gpus = c.gpus - x.gpus, slots = c.slots - x.slots
	FROM host_executor x WHERE x.executor_id = :'id' AND c.host_id = x.host_id;
DELETE FROM host_executor WHERE executor_id = :'id';
DELETE FROM command WHERE executor_id = :'id';
DELETE FROM session_counter s USING executor e WHERE e.executor_id = :'id' AND s.session_id = e.session_id;
DELETE FROM executor_spec s USING executor e WHERE e.executor_id = :'id' AND s.session_id = e.session_id;
DELETE FROM session s USING executor e WHERE e.executor_id = :'id' AND s.session_id = e.session_id;
DELETE FROM executor WHERE executor_id = :'id';
COMMIT;
SQL

edge_start
wait_for 30 "what nobody knows is stopped (A2)" sh -c "! kill -0 $(cat "$ledger/$unknown") 2>/dev/null"
wait_for 20 "and it is said (A2)" event_said host.unknown_stopped "$unknown"
wait_for 30 "what was closed meanwhile is stopped (C2)" sh -c "! kill -0 $(cat "$ledger/$closed") 2>/dev/null"
wait_for 20 "what the host forgot is lost (A2)" state_is "$forgotten" lost
for name in stays late forgotten expires; do
	wait_for 40 "$name runs (A2, C2)" session_is $name running 1
done
for kind in executor.lost executor.replaced; do
	wait_for 20 "a $kind of what was missing is said (A2)" event_said $kind '"session":"forgotten"'
done
wait_for 20 "its pid is written" lives "$(id_of forgotten)"
wait_for 20 "its pid is written" lives "$(id_of expires)"
wait_for 20 "its pid is written" lives "$late"
assert_equal 2 "$("$fairlead" executor show forgotten/0 -o json | json_number attempt)" "the missing one started anew"
assert_equal 2 "$("$fairlead" executor show expires/0 -o json | json_number attempt)" "the expired one's successor"
[ ! -e "$ledger/$expires" ] || fail "an expired command was applied (C2)"
[ ! -e "$ledger/$taken_back" ] || fail "a command that a newer one had taken back was applied (C2)"
wait_for 20 "what was taken back is over" sh -c "'$fairlead' session show taken-back | grep -q closed"
assert_equal "$(cat "$ledger/$stays")" "$(pgrep -f "$ledger/.*while" | grep -x "$(cat "$ledger/$stays")")" \
	"the executor that should stay is the same process"

# The host's view, ours, and the processes are one and the same.
"$fairlead" executor ls --host edge-1 -o json | jq -r '.. | objects | select(.state? == "running") | .executor_id' |
	sort >"$STORY_DATA/rows"
for id in $(ls "$ledger"); do
	! lives "$id" || echo "$id"
done | sort >"$STORY_DATA/processes"
[ -s "$STORY_DATA/rows" ] || fail "no rows"
diff "$STORY_DATA/rows" "$STORY_DATA/processes" || fail "what should run on edge-1, and what does (A2)"
for name in stays late forgotten expires; do
	"$fairlead" session close $name --now >/dev/null
	"$fairlead" session wait $name --for closed --timeout 60s >/dev/null || fail "$name closes"
done
wait_for 20 "the books balance" verify_clean
