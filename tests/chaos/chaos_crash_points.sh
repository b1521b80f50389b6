# Each crash point of each service once, under a small load: whatever dies where it hurts most, nothing is
# lost, nothing runs twice, the books balance.
. "$(dirname "$0")/../e2e/lib.sh"

# ---- inside a cell: the load ----

ledger_line() { # NAME: what an executor runs to say that it ran
	echo "echo $1 \$FAIRLEAD_EXECUTOR_ID/\$FAIRLEAD_INCARNATION >>$STORY_LEDGER"
}

# Running says that the program was started, not how far it came.
wrote() { # NAME
	grep -q "^$1 " "$STORY_LEDGER"
}

# The same wish again until it is acknowledged: the service that took it with it comes back.
insist() {
	until "$fairlead" "$@" >/dev/null 2>"$STORY_DATA/why"; do
		[ $SECONDS -lt 120 ] || fail "$*: $(cat "$STORY_DATA/why")"
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

# What expired gets another attempt, once its host says that it has let go.
replaying_load() {
	expiring_load
	insist command replay "late/0#1@1" --timeout 3s
	wait_for 40 "its next attempt succeeds" ended late succeeded
}

# A stop that nobody answers is sent until it is dead, and done all the same.
exhausting_load() {
	insist session create mute --timeout 3s -- sleep 1000
	wait_for 40 "mute runs" session_is mute running 1
	agents_signal STOP
	insist executor stop mute/0 --timeout 3s
	wait_for 40 "the stop is dead" sh -c "'$fairlead' events -o json | grep -q command.dead"
	agents_signal CONT
	wait_for 40 "mute is stopped" ended mute stopped
}

# A host falls silent; its executor is given up and replaced, and the host comes back.
losing_load() {
	local host
	cat >"$STORY_DATA/away.yaml" <<-YAML
		session: away
		disconnect: { lost_after: 4s }
		executor: { command: [sleep, "1000"] }
	YAML
	insist apply -f "$STORY_DATA/away.yaml"
	wait_for 40 "away runs" session_is away running 1
	host=$("$fairlead" executor show away/0 | awk '$1 == "host" { print $2 }')
	kill -STOP "$(pid_of "--host-id=$host")" || fail "the agent of $host does not run"
	wait_for 60 "the executor of the silent host is given up" \
		sh -c "'$fairlead' events --session away | grep -q executor.lost"
	wait_for 40 "its successor runs" session_is away running 1
	kill -CONT "$(pid_of "--host-id=$host")"
	insist session close away --now --timeout 3s
	"$fairlead" session wait away --for closed --timeout 40s >/dev/null || fail "away closes"
}

# A session is scaled and rolled to another template; who is away when it dies comes back in the end.
changing_load() {
	printf 'session: web\nreplicas: 1\nexecutor: { command: [sleep, "1000"] }\n' >"$STORY_DATA/web.yaml"
	insist apply -f "$STORY_DATA/web.yaml"
	wait_for 40 "web runs" session_is web running 1
	insist session scale web 2 --timeout 3s
	wait_for 40 "two of web run" session_is web running 2
	printf 'session: web\nreplicas: 2\nexecutor: { command: [sleep, "2000"] }\n' >"$STORY_DATA/web.yaml"
	insist apply -f "$STORY_DATA/web.yaml"
	wait_for 60 "web is rolled out" \
		sh -c "'$fairlead' events --session web | grep -q session.rolled_out"
	wait_for 40 "two of web run" session_is web running 2
	insist session close web --now --timeout 3s
	"$fairlead" session wait web --for closed --timeout 40s >/dev/null || fail "web closes"
}

# What is dead is dropped by a person.
dropping_load() {
	expiring_load
	insist command drop "late/0#1@1" --timeout 3s
}

host_state_is() { # HOST STATE
	"$fairlead" host show "$1" -o json | grep -q "\"state\": *\"host_$2\""
}

# A host is set aside and taken back.
setting_aside_load() { # cordon|drain
	insist host "$1" dev-2 --timeout 3s
	insist host "un$1" dev-2 --timeout 3s
}

# A host that has ended is retired.
retiring_load() {
	wait_for 40 "hosts let go of what ended" gone
	mkdir -p "$STORY_DATA/cell/hold"
	: >"$STORY_DATA/cell/hold/dev-2"
	kill "$(pid_of --host-id=dev-2)"
	insist host rm dev-2 --confirm --timeout 3s
}

# A host falls silent and is heard again; then a person is sure that it is gone, and it comes back.
judging_load() {
	local agent
	agent=$(pid_of --host-id=dev-2)
	kill -STOP "$agent"
	wait_for 40 "dev-2 is suspect" host_state_is dev-2 suspect
	kill -CONT "$agent"
	wait_for 40 "dev-2 is ready again" host_state_is dev-2 ready
	kill -STOP "$agent"
	wait_for 40 "dev-2 is suspect" host_state_is dev-2 suspect
	insist host lost dev-2 --confirm --timeout 3s
	wait_for 40 "dev-2 is lost" host_state_is dev-2 lost
	kill -CONT "$agent"
	wait_for 40 "dev-2 says hello" host_state_is dev-2 ready
}

stream_has() { # STREAM SUBJECT
	nats_cli stream subjects "$1" | grep -q "$2"
}

# A report that nobody can read is put aside, and the others are not held up.
poison_load() {
	nats_cli pub fl.rpt.dev-1 garbage >/dev/null 2>&1 || fail "nats pub"
	wait_for 60 "it is a dead letter" stream_has FL_DEAD fl.dead.invalid.dev-1
	wait_for 60 "the hub died of it" test -e "$FAIRLEAD_CRASH_ONCE"
	insist session create beside --timeout 3s -- true
	wait_for 60 "what came after it is read" ended beside succeeded
}

load() {
	insist session create long --timeout 3s -- sh -c "$(ledger_line long); sleep 1000"
	insist session create stopped --timeout 3s -- sh -c "$(ledger_line stopped); sleep 1000"
	for i in 1 2 3 4; do
		insist session create "s$i" --timeout 3s -- sh -c "$(ledger_line "s$i")"
	done
	wait_for 40 "long runs" session_is long running 1
	wait_for 40 "stopped runs" session_is stopped running 1
	wait_for 40 "long wrote its line" wrote long
	wait_for 40 "stopped wrote its line" wrote stopped
	insist executor stop stopped/0 --timeout 3s
	insist session close long --timeout 3s
	for i in 1 2 3 4; do
		wait_for 40 "s$i succeeds" ended "s$i" succeeded
	done
	wait_for 40 "stopped is stopped" ended stopped stopped
	"$fairlead" session wait long --for closed --timeout 40s >/dev/null || fail "long closes"
	case $FAIRLEAD_CRASH_AT in
	*expire* | *sweep*) expiring_load ;;
	hub.command_replay.*) replaying_load ;;
	hub.command_drop.*) dropping_load ;;
	hub.host_cordon.*) setting_aside_load cordon ;;
	hub.host_drain.*) setting_aside_load drain ;;
	hub.host_rm.*) retiring_load ;;
	hub.host_lost.* | hub.verdict_*) judging_load ;;
	hub.dead_letter.*) poison_load ;;
	scheduler.exhaust.*) exhausting_load ;;
	scheduler.lost.*) losing_load ;;
	scheduler.displace.* | hub.session_update.*) changing_load ;;
	esac
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

cell() {
	# Silence takes seconds to tell here; the other loads stop agents for longer than that.
	case $FAIRLEAD_CRASH_AT in
	scheduler.lost.* | hub.host_lost.* | hub.verdict_*)
		export FAIRLEAD_HUB_HEARTBEAT_INTERVAL=1s FAIRLEAD_HUB_SILENT_AFTER=3s
		export FAIRLEAD_SCHEDULER_VERDICT_GRACE=3s
		;;
	scheduler.exhaust.*) export FAIRLEAD_SCHEDULER_ACK_DEADLINE=500ms FAIRLEAD_SCHEDULER_DELIVERIES_MAX=3 ;;
	esac
	"$fairlead" dev --data "$STORY_DATA/cell" --agents 2 --exec "bash '$0' inside"
}

# One point in its own cell; says how it went.
point() { # NAME
	local from=$SECONDS code=0
	FAIRLEAD_CRASH_AT=$1
	STORY_DATA=$(mktemp -d /tmp/fairlead-crash-XXXXXX)
	chmod 755 "$STORY_DATA"
	FAIRLEAD_CRASH_ONCE=$STORY_DATA/crashed
	STORY_LEDGER=$STORY_DATA/ledger
	: >"$STORY_LEDGER"
	chmod 666 "$STORY_LEDGER"
	if (cell) >"$STORY_DATA/out" 2>&1; then
		echo "ok    $FAIRLEAD_CRASH_AT ($((SECONDS - from)) s)"
	else
		code=1
		echo "FAIL  $FAIRLEAD_CRASH_AT ($((SECONDS - from)) s)"
		tail -n 20 "$STORY_DATA/out"
		tail -n 8 "$STORY_DATA"/cell/log/*.log
	fi
	rm -rf "$STORY_DATA"
	return $code
}

"$FL_BIN_DIR/fairlead-hub" --list-crash-points >/dev/null || skip "crash points are not compiled in"
export STORY_DATA FAIRLEAD_CRASH_AT FAIRLEAD_CRASH_ONCE STORY_LEDGER
# Cells mostly wait: a few at a time.
at_once=${FL_CHAOS_JOBS:-3} running=0 failed=0
for service in hub scheduler agent; do
	for name in $("$FL_BIN_DIR/fairlead-$service" --list-crash-points | awk '{print $1}'); do
		[[ $name == ${FL_CHAOS_POINTS:-*} ]] || continue
		if [[ $name == hub.dead_letter.* ]] && ! have_nats_cli; then
			echo "skip  $name: the nats client is not there"
			continue
		fi
		if [ $running -ge "$at_once" ]; then
			wait -n || failed=$((failed + 1))
			running=$((running - 1))
		fi
		# What one says comes in one piece.
		(said=$(point "$name") && echo "$said" || { echo "$said"; false; }) &
		running=$((running + 1))
	done
done
while [ $running -gt 0 ]; do
	wait -n || failed=$((failed + 1))
	running=$((running - 1))
done
[ $failed -eq 0 ] || fail "$failed crash points"
