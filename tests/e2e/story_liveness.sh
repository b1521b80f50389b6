# Liveness never waits for work (invariant 7 of ARCHITECTURE.md): while all that the hub does for the API and with
# reports stands before locked tables, heartbeats are heard and answered, who lives is not suspected, and who falls silent is (L2, L6).
. "$(dirname "$0")/lib.sh"
export FAIRLEAD_HUB_HEARTBEAT_INTERVAL=1s FAIRLEAD_HUB_SILENT_AFTER=3s
story_in_cell --agents 2

sql() { psql -XAtq -d "$FAIRLEAD_DATABASE_URL" -c "$1"; }
host() { sql "SELECT $2 FROM host WHERE host_id = '$1'"; }
host_is() { [ "$(host "$1" state)" = "$2" ]; }
ready=1 suspect=2
silent=$(pid_of --host-id=dev-2)
[ -n "$silent" ] || fail "dev-2 does not run"
trap 'kill -CONT "$silent" 2>/dev/null' EXIT

"$fairlead" host cordon dev-2 >/dev/null || fail "cordon"
"$fairlead" session create --name web --replicas 10 -- sh -c "until [ -e $STORY_DATA/go ]; do sleep 0.2; done" >/dev/null ||
	fail "create"
wait_for 20 "ten run" session_is web running 10
settled() { verify_clean; }
wait_for 20 "the books balance" settled
epoch=$(host dev-1 epoch)

# Nobody comes past: neither who asks, nor who commits what hosts report.
exec 8> >(psql -XAtq -d "$FAIRLEAD_DATABASE_URL" >"$STORY_DATA/locks")
echo "BEGIN; LOCK TABLE session, executor IN ACCESS EXCLUSIVE MODE; SELECT 'locked';" >&8
wait_for 20 "the tables are locked" grep -q locked "$STORY_DATA/locks"
up() { cut -d. -f1 /proc/uptime; }
began=$(up)
askers=
for i in 1 2 3 4 5 6 7 8; do
	"$fairlead" session ls --timeout 60s >"$STORY_DATA/asked.$i" 2>&1 &
	askers="$askers $!"
done
: >"$STORY_DATA/go" # ten reports
kill -STOP "$silent" || fail "dev-2 does not run"

wait_for 15 "who falls silent is suspect (L2)" host_is dev-2 $suspect
late() { [ "$(up)" -ge $((began + 9)) ]; }
wait_for 15 "three times as long as silence may last" late
"$fairlead" session ls --timeout 1s >/dev/null 2>&1 && fail "the API answers: work does not stand still"
host_is dev-1 $ready || fail "who lives is suspected"
assert_equal "$epoch" "$(host dev-1 epoch)" "its heartbeats were answered: it had no need to say hello again"

echo "COMMIT;" >&8
exec 8>&-
kill -CONT "$silent"
wait $askers
wait_for 30 "the reports are taken" session_is web succeeded 10
wait_for 20 "dev-2 is ready again (L6)" host_is dev-2 $ready
assert_lacks "$("$fairlead" events --host dev-1)" host.suspect "dev-1 was never suspected"
wait_for 20 "the books balance" verify_clean
