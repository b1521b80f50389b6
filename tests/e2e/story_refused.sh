# Services that cannot run say why and name what is wrong; those that can wait, wait (O3, O6, A3).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

refused() { # EXPECTED-PART COMMAND...
	local part=$1 said code
	shift
	said=$(timeout 30 "$@" 2>&1)
	code=$?
	[ $code -ne 0 ] && [ $code -ne 124 ] || fail "not refused: $*: $said"
	assert_contains "$said" "$part" "$*"
}

hub=$FL_BIN_DIR/fairlead-hub
refused no-such-option "$hub" --no-such-option=1
refused FAIRLEAD_HUB_NO_SUCH env FAIRLEAD_HUB_NO_SUCH=1 "$hub"
refused report_batch "$hub" --report-batch=0
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
