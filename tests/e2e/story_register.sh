# Hosts register: a fresh one with all it has (A1), two hundred at once (A4); who has no right name (A3) or
# said no hello (A5) is told so and leaves no trace.
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1 --hubs 2

hosts_are() { # READY
	[ "$("$fairlead" status -o json | json_number hosts_ready)" = "$1" ]
}
now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

from=$(now_ms)
"$FL_BIN_DIR/fairlead-agent" --nats-servers="$FAIRLEAD_NATS_SERVERS" --host-id=fresh --labels=zone=west,tier=edge \
	--cpu-millis=1500 --memory-bytes=1Gi --slots=7 --state-dir="$STORY_DATA/fresh" >"$STORY_DATA/fresh.log" 2>&1 &
agent=$!
trap 'kill $agent 2>/dev/null' EXIT
PATIENCE=1 wait_for 5 "a fresh agent is READY, five times the promise of 1 s (A1)" \
	sh -c "'$fairlead' host show fresh | grep -q '^state *ready'"
echo "a fresh agent was READY after $(($(now_ms) - from)) ms, the question included"
shown=$("$fairlead" host show fresh)
for part in "0 of 1500m reserved" "0 of 1Gi reserved" "slots       0 of 7" "label       zone=west" \
	"label       tier=edge" "$(uname -m)" "driver      process: usable"; do
	assert_contains "$shown" "$part" "host show has capacity, labels, arch, drivers and their probes (A1)"
done
hosts_are 2 || fail "two hosts are ready"

# Two hundred, each with a connection of its own and room for two executors: 400 executors need them all.
fleet=$STORY_DATA/fleet
"$FL_BIN_DIR/fairlead-fleet" --nats-servers="$FAIRLEAD_NATS_SERVERS" --hosts=200 --connections=real --slots=2 \
	--labels=fleet=yes >"$fleet" 2>"$fleet.log" &
crowd=$!
trap 'kill $agent $crowd 2>/dev/null' EXIT
wait_for 60 "two hundred hosts are accepted (A4)" grep -q "^fleet ready: 200 hosts accepted" "$fleet"
head -n 1 "$fleet"
wait_for 20 "and shown READY (A4)" hosts_are 202
cat >"$STORY_DATA/crowd.yaml" <<'YAML'
session: crowd
replicas: 400
restart: { policy: never }
placement: { selector: "fleet=yes" }
executor:
  driver: fake
  fake_script: run=100s
  resources: { slots: 1 }
YAML
"$fairlead" apply -f "$STORY_DATA/crowd.yaml" >/dev/null || fail "apply crowd"
wait_for 60 "400 executors run" session_is crowd running 400
"$fairlead" executor ls --session crowd -o json >"$STORY_DATA/crowd.json"
per_host=$(grep -o '"host": *"sim-[0-9]*"' "$STORY_DATA/crowd.json" | sort | uniq -c | awk '{print $1}' | sort | uniq -c | xargs)
assert_equal "200 2" "$per_host" "each of 200 hosts has two (A4)"
kill $crowd
wait $crowd
said=$(tail -n 1 "$fleet")
for fact in '"hosts": 200' '"accepted": 200' '"items": 400' '"starts": 400' '"refused_messages": 0'; do
	assert_contains "$said" "$fact" "each host heard of its own executors, and of no other's (A4, C1)"
done

have_nats_cli || skip "the nats client is not there; nobody spoke out of turn"
known=$("$fairlead" host ls -o json | grep -c '"host_id"')
[ "$known" -gt 0 ] || fail "host ls knows no host"
heard=$STORY_DATA/heard
trap 'kill $agent $listener 2>/dev/null' EXIT
nats_listen "$heard" 'fl.live.ghost' --headers-only
id=01a2030405060708090a0b0c0d0e0f10
nats_cli pub fl.hb.ghost "{\"host_id\":\"ghost\",\"epoch\":1,\"nonce_id\":\"$id\"}" >/dev/null 2>&1 || fail "pub hb"
wait_for 10 "a heartbeat before hello is answered HELLO_REQUIRED (A5)" \
	grep -q 'Fl-Summary: heartbeat hello_required' "$heard"
answer=$(nats_cli req fl.req.ghost.sync "{\"host_id\":\"ghost\",\"epoch\":1,\"nonce_id\":\"$id\"}" --raw)
assert_contains "$answer" '"verdict":"sync_hello_required"' "a sync before hello is answered HELLO_REQUIRED (A5)"
nats_cli pub fl.rpt.ghost "{\"host_id\":\"ghost\",\"journal_id\":\"$id\",\"instance_id\":\"$id\",\"executors\":[
	{\"executor_id\":\"$id\",\"state\":\"running\",\"incarnation\":1,\"accepted_generation\":1}]}" >/dev/null 2>&1 ||
	fail "pub rpt"
drained() {
	nats_cli consumer info FL_REPORTS fl-hub-reports --json >"$STORY_DATA/consumer" &&
		[ "$(json_number num_pending <"$STORY_DATA/consumer")" = 0 ] &&
		[ "$(json_number num_ack_pending <"$STORY_DATA/consumer")" = 0 ]
}
wait_for 20 "its report is taken" drained
"$fairlead" executor show "$id" >/dev/null 2>&1
assert_equal 3 $? "a report before hello creates no executor (A5)"

wrong() { # HOST-ID RULE
	local answer
	answer=$(nats_cli req "fl.req.$1.hello" "{\"host_id\":\"$1\"}" --raw)
	assert_contains "$answer" "$2" "hello of host '$1' is refused with the rule (A3)"
	assert_contains "$answer" "a name is 1 to 63 characters" "and what is right (A3)"
}
hello_of() { # HOST-ID REVISION
	printf '{"host_id":"%s","protocol_revision":%s,"pool":"default","journal_id":"%s","instance_id":"%s",
		"start_no":1,"hello_no":1,"boot_id":"b","agent_version":"0","encoding":"json","arch":"x","kernel":"k",
		"capacity":{"cpu_millis":1000,"slots":1},"nonce_id":"%s"}' "$1" "$2" "$id" "$id" "$id"
}
for revision in 0 99; do
	answer=$(nats_cli req fl.req.ghost.hello "$(hello_of ghost $revision)" --raw)
	assert_contains "$answer" '"verdict":"hello_rejected"' "revision $revision is rejected (A7)"
	assert_contains "$answer" "the host speaks revision $revision, this hub 1..2" "with both versions (A7)"
done
for revision in 1 2; do
	answer=$(nats_cli req "fl.req.rev$revision.hello" "$(hello_of rev$revision $revision)" --raw)
	assert_contains "$answer" '"verdict":"hello_accepted"' "revision $revision is spoken (A7)"
	assert_contains "$answer" "\"protocol_revision\":$revision" "and the answer says which (A7)"
	"$fairlead" host rm "rev$revision" --confirm >/dev/null || fail "rm rev$revision"
done

wrong Upper "upper case 'U' at position 1"
wrong under_score "'_' at position 6"
wrong -dash "- at the start"
wrong "$(printf 'x%.0s' $(seq 64))" "longer than 63 characters"
"$fairlead" host show ghost >/dev/null 2>&1
assert_equal 3 $? "ghost is no host (A5)"
assert_equal "$known" "$("$fairlead" host ls -o json | grep -c '"host_id"')" "no row was created (A3, A5)"
wait_for 20 "the books balance" verify_clean
