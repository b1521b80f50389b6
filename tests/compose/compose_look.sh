#!/usr/bin/env bash
# What a person sees of `./dev up` with the plain nats client of this machine: a run and its exit code, the list of
# summaries on the bus, micro ls, info, stats and ping, the streams, the API in JSON; also after the server that
# is published was away.  Needs a Docker engine with compose and the real nats client (NATS_CLI), so it runs by
# hand, outside of the tests' container: tests/compose/compose_look.sh
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-fairlead-look-$$}
export FL_IMAGE=${FL_IMAGE:-$COMPOSE_PROJECT_NAME}
FL_SOURCE_DIR=$PWD
FL_BIN_DIR=$PWD
. tests/e2e/lib.sh
. deploy/compose.sh
have_nats_cli || skip "the real nats client is not there (NATS_CLI)"
compose_find || skip "needs docker compose or docker-compose"
data=$(mktemp -d)
listener=
end() {
	[ -z "$listener" ] || kill "$listener" 2>/dev/null
	./dev down >/dev/null 2>&1
	rm -rf "$data"
}
trap end EXIT

./dev up | tee "$data/up" || fail "./dev up"
address() { sed -n "s/^  $1  *\(nats\|http\):/\1:/p" "$data/up" | cut -d' ' -f1; }
FAIRLEAD_NATS_SERVERS=$(address bus)
assert_contains "$FAIRLEAD_NATS_SERVERS" nats://127.0.0.1: "the address of the bus is printed"
assert_contains "$(curl -sf "$(address 'hub 1')")" fairlead_hub_api_requests_total "metrics of a hub where up says"
assert_contains "$(curl -sf "$(address monitoring)varz")" nats-1 "monitoring of a server where up says"

# The golden list is of hosts called dev-N, and of a run that lasts until its running was heard.
rename=
for host in $(./dev fairlead host ls -o name); do rename="$rename;s/\b$host\b/dev-1/g"; done
summaries() { sed "${rename#;}" "$1" | bash tests/e2e/heard.sh /dev/stdin; }
go_on() {
	local i
	for i in 1 2 3; do "${compose_tool[@]}" -f deploy/docker-compose.yml exec -T --index=$i agent touch /tmp/gate; done
}
hosts_told() { [ "$(nats_cli stream subjects FL_EVENTS | grep -o 'fl\.evt\.host\.[^ ]*' | wc -l)" -ge 3 ]; }
wait_for 20 "the events of the hosts are published" hosts_told
nats_listen "$data/heard" 'fl.>' --headers-only
./dev fairlead run --name told -- sh -c 'echo hi; until [ -e /tmp/gate ]; do sleep 0.05; done; exit 7' \
	</dev/null >"$data/told" 2>"$data/told.err" &
runner=$!
wait_for 20 "its running is heard" grep -q 'Fl-Summary: report told/0 running' "$data/heard"
go_on
wait $runner
assert_equal 7 $? "exit code of the run: $(cat "$data/told.err")"
assert_equal hi "$(cat "$data/told")" "output of the run"
wait_for 20 "its host forgets it" grep -q 'Fl-Summary: report told/0 .*gone' "$data/heard"
wait_for 20 "the end of its session is an event" grep -q 'Fl-Summary: session.closed told' "$data/heard"
summaries "$data/heard" >"$data/summaries"
golden_equal summaries.txt "$data/summaries" "nats sub 'fl.>' --headers-only"

services=$(nats_cli micro ls) || fail "nats micro ls: $services"
assert_equal 4 "$(grep -cE '[0-9a-f]{32}' <<<"$services")" "nats micro ls shows two hubs and two schedulers (O1)"
assert_contains "$services" "fairlead API" "nats micro ls says what they are (O1)"
assert_contains "$services" "fairlead-scheduler" "nats micro ls says what they are (O1)"
assert_contains "$(nats_cli micro info fairlead)" fl.api.v1.session.create "nats micro info lists endpoints (O1)"
assert_contains "$(nats_cli micro ping fairlead 2>&1)" rtt "nats micro ping is answered (O1)"
requests() { # of session-list, of both hubs
	nats_cli micro stats fairlead | awk -F '│' '$3 ~ /session-list/ { n += $4 } END { print n + 0 }'
}
before=$(requests)
answer=$(nats_cli req fl.api.v1.session.list '{}' --raw) || fail "nats req: $answer"
assert_equal $((before + 1)) "$(requests)" "nats micro stats counts a request (O1)"
streams=$(nats_cli stream report 2>/dev/null) || fail "nats stream report: $streams"
for stream in FL_COMMANDS FL_REPORTS FL_EVENTS FL_DEAD; do
	assert_equal 1 "$(grep "$stream " <<<"$streams" | grep -c 'nats-1.*nats-2.*nats-3')" \
		"nats stream report shows $stream on three servers (O2)"
done

# The client that listens comes back by itself, and is not sent to an address of the inside.
lines=$(grep -c Received "$data/heard")
docker restart -t 2 "$(docker ps -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
	--filter label=com.docker.compose.service=nats-1)" >/dev/null || fail "restart nats-1"
heard_again() { [ "$(grep -c Received "$data/heard")" -gt "$lines" ]; }
wait_for 30 "the listener hears again" heard_again
./dev fairlead run -- true || fail "a run while the published server is young"
echo "a plain nats client saw it all at $FAIRLEAD_NATS_SERVERS (O1, O2)"
