# Nobody's clock decides: the only hub is an hour behind its hosts and Postgres, the only scheduler an hour ahead, two
# hours from the hub.  Work runs, a living host is not suspected, a dead one is known and replaced,
# and what is given up has waited as long as its session says (L12, K13, K22).
. "$(dirname "$0")/lib.sh"
command -v faketime >/dev/null || skip "faketime is not there"
export FAIRLEAD_HUB_HEARTBEAT_INTERVAL=1s FAIRLEAD_HUB_SILENT_AFTER=3s FAIRLEAD_SCHEDULER_VERDICT_GRACE=3s
story_in_cell --agents 1

# The time of day is another one; how much time passes is not.
export FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1
preload=$(faketime -f +0s printenv LD_PRELOAD)
[ -n "$preload" ] || fail "faketime says no library"
pids=
under() { # OFFSET LOG PROGRAM [OPTION...]
	local offset=$1 log=$2 program=$3
	shift 3
	# Not through the program faketime, which would stand between us and the process that we end.
	LD_PRELOAD=$preload FAKETIME=$offset "$FL_BIN_DIR/fairlead-$program" --nats-servers="$FAIRLEAD_NATS_SERVERS" "$@" \
		>>"$STORY_DATA/$log.log" 2>&1 &
	pids="$pids $!"
}
end_all() {
	kill -9 $pids 2>/dev/null
	pkill -9 -f "$STORY_DATA/(east|west)" 2>/dev/null
}
trap end_all EXIT
state_is() { # HOST STATE
	"$fairlead" host show "$1" -o json | grep -q "\"state\": *\"host_$2\""
}

# The cell's own hub and scheduler, whose clocks are right, are away.
mkdir -p "$STORY_DATA/cell/hold"
for service in hub-1 scheduler-1; do
	: >"$STORY_DATA/cell/hold/$service"
	kill "$(pid_of "--instance=$service")" || fail "$service does not run"
done
under -1h hub hub --database-url="$FAIRLEAD_DATABASE_URL" --instance=hub-behind
under +1h scheduler scheduler --database-url="$FAIRLEAD_DATABASE_URL" --instance=scheduler-ahead
for host in east west; do
	"$FL_BIN_DIR/fairlead-agent" --nats-servers="$FAIRLEAD_NATS_SERVERS" --host-id=$host \
		--state-dir="$STORY_DATA/$host" --labels=skewed=yes >"$STORY_DATA/$host.log" 2>&1 &
	eval "$host=$!"
	pids="$pids $!"
done
for host in east west; do
	wait_for 30 "$host is ready" state_is $host ready
done
off_by() { # OFFSET LOG: the first line was written at another time of day than the file
	local said made
	said=$(date -u -d "$(head -n 1 "$STORY_DATA/$2.log" | jq -r .time)" +%s)
	made=$(date -u +%s)
	[ $((made + $1 - said)) -lt 600 ] && [ $((made + $1 - said)) -gt -600 ]
}
wait_for 10 "the hub's clock is wrong" off_by -3600 hub
wait_for 10 "the scheduler's clock is wrong" off_by 3600 scheduler

# Two for two hosts; commands have deadlines, which a wrong clock would find long past, or an hour away.
cat >"$STORY_DATA/web.yaml" <<YAML
session: web
replicas: 2
accept_timeout: 10s
disconnect: { lost_after: 6s }
placement: { selector: "skewed=yes" }
executor:
  command: [sh, -c, 'while [ -d $STORY_DATA ]; do sleep 1; done']
  resources: { cpu: 10m }
YAML
for host in east west; do
	other=$([ $host = east ] && echo west || echo east)
	"$fairlead" host cordon $other >/dev/null || fail "cordon"
	"$fairlead" run --timeout 30s --selector skewed=yes -- true || fail "a run on $host (L12)"
	"$fairlead" host uncordon $other >/dev/null || fail "uncordon"
done
"$fairlead" host cordon east >/dev/null || fail "cordon"
"$fairlead" apply -f "$STORY_DATA/web.yaml" >/dev/null || fail "apply"
wait_for 20 "both run on west" session_is web running 2
"$fairlead" host uncordon east >/dev/null || fail "uncordon"
for host in east west dev-1; do
	assert_lacks "$("$fairlead" events --host $host)" host.suspect "$host lives, and was not suspected (L12)"
done

kill -9 "$west"
at=$(date +%s)
wait_for 15 "the dead one is suspect (L12)" state_is west suspect
wait_for 40 "its executors run elsewhere (L12)" sh -c \
	"'$fairlead' session show web -o json | grep -q '\"lost\": *\"*2' && '$fairlead' executor show web/0 | grep -q east"
wait_for 20 "both of them" session_is web running 2
took=$(($(date +%s) - at))
[ $took -ge 5 ] || fail "given up after $took s, lost_after is 6 s (L12)"
echo "given up and replaced after $took s, lost_after is 6 s"
state_is east ready || fail "east lives (L12)"
assert_lacks "$("$fairlead" executor ls --session web --all -o json)" expired "no command expired by a wrong clock (L12)"
wait_for 20 "the books balance" verify_clean
