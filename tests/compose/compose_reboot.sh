#!/usr/bin/env bash
# A container of an agent is killed and started again: that is a reboot of its host.  Its executors end with
# reason host_reboot, those of the other hosts run on, the books balance (E6).  Needs a Docker engine with
# compose, so it runs by hand, outside of the tests' container: tests/compose/compose_reboot.sh
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-fairlead-reboot-$$}
export FL_IMAGE=${FL_IMAGE:-$COMPOSE_PROJECT_NAME}
export FL_AGENTS=3

fail() {
	echo "FAIL: $*" >&2
	./dev fairlead status >&2 || true
	exit 1
}

fairlead() { ./dev fairlead "$@"; }

# wait_for SECONDS WHAT COMMAND...
wait_for() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || fail "not within the deadline: $what"
		read -r -t 0.2 <> <(:) || true
	done
}

running_are() { # NUMBER
	[ "$(fairlead session show boot -o json | grep -o '"running": *[0-9]*' | head -n 1 | grep -o '[0-9]*$')" = "$1" ]
}

# Index and host of every executor, one per line.
placed() {
	fairlead executor ls --session boot -o json | tr -d ' \n' | tr '{' '\n' |
		sed -n 's/.*"session":"boot","index":\([0-9]*\),.*"host":"\([^"]*\)".*/\1 \2/p'
}

trap './dev down >/dev/null 2>&1' EXIT
./dev up
fairlead session create --name boot --replicas 9 -- sleep 1000 >/dev/null
wait_for 60 "9 executors run" running_are 9
placed >/tmp/$COMPOSE_PROJECT_NAME.placed
victim=$(awk '{print $2}' "/tmp/$COMPOSE_PROJECT_NAME.placed" | sort | uniq -c | sort -rn | awk 'NR == 1 {print $2}')
mine=$(awk -v host="$victim" '$2 == host {print $1}' "/tmp/$COMPOSE_PROJECT_NAME.placed")
rm -f "/tmp/$COMPOSE_PROJECT_NAME.placed"
lost=$(echo "$mine" | wc -l)
[ -n "$victim" ] && [ "$lost" -ge 1 ] && [ "$lost" -lt 9 ] || fail "9 executors are not spread: $lost on '$victim'"

# The host id is the container's host name, which is the beginning of its id.
docker kill "$victim" >/dev/null
docker start "$victim" >/dev/null
for index in $mine; do
	wait_for 60 "boot/$index ends as host_reboot (E6)" \
		bash -c "./dev fairlead executor show 'boot/$index' | grep -q host_reboot"
done
wait_for 60 "its host is ready again" bash -c "./dev fairlead host show '$victim' | grep -q '^state *ready'"
running_are $((9 - lost)) || fail "the executors of the other hosts run on"
wait_for 30 "the books balance" fairlead admin verify
echo "host $victim was rebooted: $lost executors ended as host_reboot, $((9 - lost)) ran on, the books balance"
