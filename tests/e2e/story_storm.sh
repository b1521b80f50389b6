# A thousand creates while every hub is killed: all that were acknowledged run, none twice (R1).  Three hundred more
# while every service is told to end: each drains within its limit, and not one request is lost (R7).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1 --hubs 3 --schedulers 2

limit_s=20 # drain_timeout, as it is set by default
fleet=$STORY_DATA/fleet
"$FL_BIN_DIR/fairlead-fleet" --nats-servers="$FAIRLEAD_NATS_SERVERS" --hosts=20 --slots=200 --labels=fleet=yes \
	>"$fleet" 2>"$fleet.log" &
crowd=$!
trap 'kill $crowd 2>/dev/null' EXIT
wait_for 30 "the fleet is accepted" grep -q "^fleet ready" "$fleet"

create() { # NAME
	"$fairlead" apply -f - --timeout 10s >/dev/null 2>"$STORY_DATA/why-$1" <<YAML
session: $1
replicas: 1
restart: { policy: never }
placement: { selector: "fleet=yes" }
executor:
  driver: fake
  fake_script: run=5ms
  resources: { slots: 1 }
YAML
}
acknowledged=$STORY_DATA/acknowledged
: >"$acknowledged"
# Again under the same name until it is acknowledged: a killed hub takes requests with it.
creator() { # NUMBER HOW-MANY
	for i in $(seq "$2"); do
		until create "kill-$1-$i"; do
			[ $SECONDS -lt 300 ] || fail "create kill-$1-$i: $(cat "$STORY_DATA/why-kill-$1-$i")"
		done
		echo "kill-$1-$i" >>"$acknowledged"
	done
}
creators=
for n in 1 2 3 4; do
	creator $n 250 &
	creators="$creators $!"
done
acknowledged_are() {
	[ "$(wc -l <"$acknowledged")" -ge "$1" ]
}
for n in 1 2 3; do
	wait_for 90 "$((n * 200)) creates are acknowledged" acknowledged_are $((n * 200))
	kill -9 "$(pid_of --instance=hub-$n)" || fail "hub-$n does not run"
done
wait $creators || fail "a creator gave up"
assert_equal 1000 "$(wc -l <"$acknowledged")" "creates acknowledged (R1)"
succeeded_are() {
	[ "$("$fairlead" status -o json | json_number succeeded)" = "$1" ]
}
wait_for 60 "all acknowledged ones have run (R1)" succeeded_are 1000

# ---- an orderly end, of every service, under load ----
refused=$STORY_DATA/refused
: >"$refused"
once() { # NUMBER HOW-MANY: nothing is asked twice here
	for i in $(seq "$2"); do
		create "term-$1-$i" || cat "$STORY_DATA/why-term-$1-$i" >>"$refused"
		echo "term-$1-$i" >>"$acknowledged"
	done
}
said() { # FILE WORDS
	grep -c "$2" "$1"
}
ends_in_order() { # LOG PID: told to end, it does, within its limit
	local log=$1 pid=$2 had at=$SECONDS

	had=$(said "$log" '"reason":"drained"')
	kill -TERM "$pid"
	PATIENCE=1 wait_for $limit_s "${log##*/} has drained within its limit (R7)" sh -c "! kill -0 $pid 2>/dev/null"
	[ "$(said "$log" '"reason":"drained"')" -gt "$had" ] || fail "${log##*/} did not end in order (R7)"
	! grep -E 'service\.(not_drained|stuck|killed)' "$log" || fail "${log##*/} gave something up (R7)"
	echo "${log##*/} drained in $((SECONDS - at)) s"
}
logs=$STORY_DATA/cell/log
for hub in 1 2 3; do
	wait_for 20 "hub-$hub is back" sh -c "tail -n 20 '$logs/hub-$hub.log' | grep -q service.started"
done
creators=
for n in 1 2 3; do
	once $n 100 &
	creators="$creators $!"
done
for service in hub-1 scheduler-1 hub-2 scheduler-2 hub-3; do
	ends_in_order "$logs/$service.log" "$(pid_of "--instance=$service")"
	wait_for 20 "$service is back" pid_of "--instance=$service"
	wait_for 20 "$service works" sh -c "tail -n 5 '$logs/$service.log' | grep -q service.started"
done
wait $creators
assert_silent "requests that were lost (R7)" cat "$refused"
wait_for 60 "all have run (R7)" succeeded_are 1300

kill $crowd
wait $crowd
assert_equal 0 $? "the fleet ends in order (R7)"
tail -n 1 "$fleet"
assert_contains "$(tail -n 1 "$fleet")" '"starts": 1300' "none ran twice (R1)"
wait_for 30 "the books balance" verify_clean
