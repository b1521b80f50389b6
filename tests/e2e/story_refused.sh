# Services that cannot run say why and name what is wrong; those that can wait, wait (O3, O6, A3).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

refused() { # EXPECTED-PART COMMAND...
	local part=$1 said code
	shift
	said=$(timeout 30 "$@" 2>&1)
	code=$?
	[ $code -ne 0 ] && [ $code -ne 124 ] || fail "not refused: $*: $said"
	assert_contains "$said" "$part" "what is wrong is named (O6): $*"
}

refused "another fairlead dev runs on $STORY_DATA/cell" "$fairlead" dev --data "$STORY_DATA/cell" --exec true
"$fairlead" status >/dev/null || fail "the cell that was there first goes on"

hub=$FL_BIN_DIR/fairlead-hub
refused no-such-option "$hub" --no-such-option=1
refused FAIRLEAD_HUB_NO_SUCH env FAIRLEAD_HUB_NO_SUCH=1 "$hub"
refused report_batch "$hub" --report-batch=0
refused "silent_after of 9000 ms is less than 2 times heartbeat_interval of 5000 ms" \
	"$hub" --heartbeat-interval=5s --silent-after=9s
refused database_url "$hub" --nats-servers="$FAIRLEAD_NATS_SERVERS" --database-url="host=${FAIRLEAD_DATABASE_URL#host=}_no_such"
refused "upper case" "$FL_BIN_DIR/fairlead-agent" --host-id=Not.A.Label --state-dir="$STORY_DATA/a"

fresh=$(echo "$FAIRLEAD_DATABASE_URL" | sed 's/dbname=postgres/dbname=template1/')
refused "fairlead admin migrate" "$hub" --nats-servers="$FAIRLEAD_NATS_SERVERS" --database-url="$fresh"

"$hub" --nats-servers=nats://127.0.0.1:1 --database-url="$FAIRLEAD_DATABASE_URL" >"$STORY_DATA/waiting" 2>&1 &
waiting=$!
wait_for 15 "a hub without a bus says that it waits" grep -q bus.waiting "$STORY_DATA/waiting"
kill $waiting
wait $waiting
assert_equal 0 $? "and ends cleanly when told to"

# A service that waits is alive and not ready, and says for what (O3).
"$hub" --nats-servers=nats://127.0.0.1:1 --database-url="$FAIRLEAD_DATABASE_URL" --http-listen=127.0.0.1:0 \
	>"$STORY_DATA/waiting" 2>&1 &
waiting=$!
trap 'kill $waiting 2>/dev/null' EXIT
wait_for 15 "it says where it listens" grep -q '"http_port":[1-9]' "$STORY_DATA/waiting"
port=$(json_number http_port <"$STORY_DATA/waiting")
get() { # PATH: the whole answer
	exec 3<>"/dev/tcp/127.0.0.1/$port"
	printf 'GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$1" >&3
	cat <&3
	exec 3>&-
}
assert_contains "$(get /healthz)" "200 OK" "healthz touches nothing (O3)"
ready=$(get /readyz)
assert_contains "$ready" "503" "readyz refuses while the bus is away (O3)"
assert_contains "$ready" '"name":"nats"' "and names it (O3)"
case $ready in *'"name":"postgres"'*) fail "readyz names Postgres, which is there: $ready" ;; esac
