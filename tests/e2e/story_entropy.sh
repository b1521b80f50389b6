# What Postgres believes of a host is compared with what the host says it runs, and mended by a hello (K19).
. "$(dirname "$0")/lib.sh"
export FAIRLEAD_HUB_HEARTBEAT_INTERVAL=500ms FAIRLEAD_HUB_DIGEST_SETTLE=1s FAIRLEAD_HUB_DIGEST_AGAIN=2s
story_in_cell --agents 1 --hubs 2

differed() {
	"$fairlead" events --host dev-1 | grep -c host.digest_differs
}

"$fairlead" session create web -- sleep 1000 >/dev/null || fail "create"
wait_for 20 "web runs" session_is web running 1
assert_equal 0 "$(differed)" "differences on a healthy cell"

# As if a report had been lost for good after its acknowledgement.
psql -qX -d "$FAIRLEAD_DATABASE_URL" -c "WITH u AS (UPDATE executor SET state = 60, rank = 60 WHERE state = 70
	RETURNING session_id) INSERT INTO session_delta (sessions, from_states, to_states)
	SELECT array[session_id], '{70}', '{60}' FROM u" || fail "psql"
wait_for 30 "the difference is found and said (K19)" sh -c "'$fairlead' events --host dev-1 | grep -q host.digest_differs"
wait_for 20 "the host has said everything again (K19)" session_is web running 1
"$fairlead" session close web --now >/dev/null
"$fairlead" session wait web --for closed --timeout 60s >/dev/null || fail "web closes"
wait_for 20 "the books balance (E12)" verify_clean
