# Each crash point of each service once, under a small load: whatever dies where it hurts most, nothing is
# lost, nothing runs twice, the books balance.
. "$(dirname "$0")/../e2e/lib.sh"

# ---- inside a cell: the load ----

ledger_line='echo $FAIRLEAD_EXECUTOR_ID/$FAIRLEAD_INCARNATION >>'${STORY_LEDGER:-}

# The same wish again until it is acknowledged: the service that took it with it comes back.
insist() {
	until "$fairlead" "$@" >/dev/null 2>"$STORY_DATA/why"; do
		[ $SECONDS -lt 60 ] || fail "$*: $(cat "$STORY_DATA/why")"
	done
}

ended() { # SESSION EXPECTED-STATE
	session_is "$1" "$2" 1
}

agents_signal() {
	for agent in dev-1 dev-2; do
		pid=$(pid_of "--host-id=$agent")
		[ -z "$pid" ] || kill "-$1" "$pid"
	done
}

# What nobody accepts in time expires; what waits meanwhile is sent again.
expiring_load() {
	printf 'session: late\naccept_timeout: 7s\nexecutor: { command: ["true"] }\n' >"$STORY_DATA/late.yaml"
	agents_signal STOP
	insist apply -f "$STORY_DATA/late.yaml"
	wait_for 40 "the unaccepted command expires" ended late expired
	agents_signal CONT
}

load() {
	insist session create long --timeout 3s -- sh -c "$ledger_line; sleep 1000"
	insist session create stopped --timeout 3s -- sh -c "$ledger_line; sleep 1000"
	for i in 1 2 3 4; do
		insist session create "s$i" --timeout 3s -- sh -c "$ledger_line"
	done
	wait_for 40 "long runs" session_is long running 1
	wait_for 40 "stopped runs" session_is stopped running 1
	insist executor stop stopped/0 --timeout 3s
	insist session close long --timeout 3s
	for i in 1 2 3 4; do
		wait_for 40 "s$i succeeds" ended "s$i" succeeded
	done
	wait_for 40 "stopped is stopped" ended stopped stopped
	"$fairlead" session wait long --for closed --timeout 40s >/dev/null || fail "long closes"
	case $FAIRLEAD_CRASH_AT in *expire* | *sweep*) expiring_load ;; esac
}

gone() {
	[ "$("$fairlead" executor ls --all -o json | grep -c '"gone_us": *[1-9]')" -ge 6 ]
}

if [ "${1:-}" = inside ]; then
	load
	wait_for 40 "hosts let go of what ended" gone
	[ -e "$FAIRLEAD_CRASH_ONCE" ] || fail "$FAIRLEAD_CRASH_AT was never passed: nothing crashed"
	assert_equal "$(sort -u "$STORY_LEDGER" | wc -l)" "$(wc -l <"$STORY_LEDGER")" "nothing ran twice"
	assert_equal 6 "$(wc -l <"$STORY_LEDGER")" "everything ran"
	wait_for 40 "the books balance" "$fairlead" admin verify
	exit 0
fi

# ---- outside: one cell per point ----

"$FL_BIN_DIR/fairlead-hub" --list-crash-points >/dev/null || skip "crash points are not compiled in"
export STORY_DATA FAIRLEAD_CRASH_AT FAIRLEAD_CRASH_ONCE STORY_LEDGER
failed=0
for service in hub scheduler agent; do
	for FAIRLEAD_CRASH_AT in $("$FL_BIN_DIR/fairlead-$service" --list-crash-points | awk '{print $1}'); do
		STORY_DATA=$(mktemp -d /tmp/fairlead-crash-XXXXXX)
		chmod 755 "$STORY_DATA"
		FAIRLEAD_CRASH_ONCE=$STORY_DATA/crashed
		STORY_LEDGER=$STORY_DATA/ledger
		: >"$STORY_LEDGER"
		chmod 666 "$STORY_LEDGER"
		from=$SECONDS
		if "$fairlead" dev --data "$STORY_DATA/cell" --agents 2 --exec "bash '$0' inside" >"$STORY_DATA/out" 2>&1; then
			echo "ok    $FAIRLEAD_CRASH_AT ($((SECONDS - from)) s)"
		else
			failed=$((failed + 1))
			echo "FAIL  $FAIRLEAD_CRASH_AT ($((SECONDS - from)) s)"
			tail -n 20 "$STORY_DATA/out"
			tail -n 8 "$STORY_DATA"/cell/log/*.log
		fi
		rm -rf "$STORY_DATA"
	done
done
[ $failed -eq 0 ] || fail "$failed crash points"
