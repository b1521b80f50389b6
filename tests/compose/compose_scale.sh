#!/usr/bin/env bash
# Four hubs, three schedulers and ten agents take 500 creates; still under load, one of each is left: nothing
# acknowledged is lost, nothing runs twice, the books balance (O8).  Needs a Docker engine with compose, so it
# runs by hand, outside of the tests' container: tests/compose/compose_scale.sh [CREATES]
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
creates=${1:-500}
clients=4
export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-fairlead-scale-$$}
export FL_IMAGE=${FL_IMAGE:-$COMPOSE_PROJECT_NAME}
FL_LEDGER_DIR=$(mktemp -d)
export FL_LEDGER_DIR

fail() {
	echo "FAIL: $*" >&2
	fairlead status >&2 || true
	exit 1
}

tool=docker-compose
! docker compose version >/dev/null 2>&1 || tool="docker compose"
compose() { $tool -f deploy/docker-compose.yml -f tests/compose/ledger.yml "$@"; }
fairlead() { compose exec -T cli fairlead "$@"; }

# wait_for SECONDS WHAT COMMAND...
wait_for() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || fail "not within the deadline: $what"
		read -r -t 0.3 <> <(:) || true
	done
}

end() {
	wait
	compose down -v --remove-orphans >/dev/null 2>&1
	docker image rm "$FL_IMAGE" "$FL_IMAGE-infra" >/dev/null 2>&1 || true
	rm -rf "$FL_LEDGER_DIR"
}
trap end EXIT

scale() { compose up -d --scale hub="$1" --scale scheduler="$2" --scale agent="$3" >/dev/null 2>&1; }
hosts_ready() { [ "$(fairlead host ls | grep -c ' ready ')" = "$1" ]; }

# The load runs in a container of the CLI: a session each, insisted on until it is acknowledged.  What ends
# in 0 runs until it is closed, the rest for some seconds.
cat >"$FL_LEDGER_DIR/load.sh" <<'LOAD'
client=$1 clients=$2 creates=$3
i=$client
while [ $i -le $creates ]; do
	seconds=$((i % 4)).$((i % 10))
	case $i in *0) seconds=100000 ;; esac
	cat >/tmp/load.$client <<YAML
session: w$i
executor:
  driver: process
  command: [sh, -c, "echo start \$FAIRLEAD_EXECUTOR_ID \$FAIRLEAD_INCARNATION w$i >>/ledger/ledger; exec sleep $seconds"]
  resources: { cpu: 10m, memory: 1Mi }
YAML
	until fairlead apply -f /tmp/load.$client --timeout 5s >/dev/null 2>/tmp/why.$client; do
		tries=$((${tries:-0} + 1))
		[ $tries -lt 300 ] || { cat /tmp/why.$client >&2; exit 1; }
		sleep 0.2
	done
	echo w$i
	i=$((i + clients))
done
LOAD

./dev image >/dev/null # the base image, where no registry has it
compose build >/dev/null 2>&1
scale 4 3 10
wait_for 120 "10 hosts are ready" hosts_ready 10
chmod 777 "$FL_LEDGER_DIR"
acknowledged() { cat "$FL_LEDGER_DIR"/acknowledged.* | wc -l; }
acknowledged_are() { [ "$(acknowledged)" -ge "$1" ]; }
loaders=()
for ((c = 1; c <= clients; c++)); do
	compose exec -T cli sh -s "$c" "$clients" "$creates" <"$FL_LEDGER_DIR/load.sh" >"$FL_LEDGER_DIR/acknowledged.$c" &
	loaders+=($!)
done
wait_for 300 "half of the creates are acknowledged" acknowledged_are $((creates / 2))

# Hosts that leave are emptied first, as one does; the services go as they are.
keep=$(docker ps -q --no-trunc --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
	--filter label=com.docker.compose.service=agent --filter label=com.docker.compose.container-number=1 | cut -c1-12)
leaving=$(fairlead host ls -o name | grep -v "^$keep")
for host in $leaving; do fairlead host drain "$host" >/dev/null || fail "drain $host"; done
emptied() {
	! fairlead executor ls -o json | tr -d ' \n' | tr '{' '\n' | grep -v "\"host\":\"$keep" |
		grep -qE '"state":"(placed|accepted|starting|running|stopping)"'
}
wait_for 180 "nothing runs on the hosts that leave" emptied
at=$(acknowledged)
scale 1 1 1
for host in $leaving; do fairlead host rm "$host" --confirm >/dev/null || fail "rm $host"; done
echo "one of each is left, with $at of $creates creates acknowledged"
for pid in "${loaders[@]}"; do wait "$pid" || fail "a client gave up"; done

states() { fairlead executor ls -o json | grep -o '"state": *"[a-z]*"' | sort | uniq -c; }
settled() { ! states | grep -qE 'queued|placed|accepted|starting|stopping'; }
wait_for 240 "everything has run or runs" settled
states
doubled=$(awk '$1 == "start" {print $2, $3}' "$FL_LEDGER_DIR/ledger" | sort | uniq -d)
[ -z "$doubled" ] || fail "ran twice: $doubled"
never=$(cat "$FL_LEDGER_DIR"/acknowledged.* | tr -d '\r' | sort | comm -23 - <(awk '{print $4}' "$FL_LEDGER_DIR/ledger" | sort -u))
[ -z "$never" ] || fail "acknowledged and never run: $never"
wait_for 60 "the books balance" fairlead admin verify
echo "$(acknowledged) of $creates creates acknowledged, all ran, none twice, the books balance (O8)"
