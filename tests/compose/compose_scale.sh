#!/usr/bin/env bash
# Four hubs, three schedulers and ten agents take 500 creates; still under load, one of each is left: judged as
# drills are, from the rows and from what hosts really ran: everything acknowledged is in its final state, nothing
# runs twice or beside its successor, the books balance (O8).  Needs a Docker engine with compose, so it runs by
# hand, outside of the tests' container: tests/compose/compose_scale.sh [CREATES]
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

. deploy/compose.sh
compose_find || fail "needs docker compose or docker-compose"
compose() { "${compose_tool[@]}" -f deploy/docker-compose.yml -f tests/compose/ledger.yml "$@"; }
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
	# Those of agents that left: compose forgot them.
	[ ${#volumes[@]} -eq 0 ] || docker volume rm "${volumes[@]}" >/dev/null 2>&1 || true # one is down's
	docker image rm "$FL_IMAGE" "$FL_IMAGE-infra" >/dev/null 2>&1 || true
	rm -rf "$FL_LEDGER_DIR"
}
volumes=()
trap end EXIT

scale() { compose up -d --scale hub="$1" --scale scheduler="$2" --scale agent="$3" >/dev/null 2>&1; }
hosts_ready() { [ "$(fairlead host ls | grep -c ' ready ')" = "$1" ]; }

# What the verdict of the drills asks for.
drills=tests/chaos/drills
. $drills/verdict.sh
STORY_DATA=$FL_LEDGER_DIR
ledger=$FL_LEDGER_DIR/ledger
acknowledged=$FL_LEDGER_DIR/acknowledged
seen=/dev/null # nobody is killed here, so everybody writes an end
fairlead=fairlead
sql() { compose exec -T postgres psql -XAtq -F ' ' -h /tmp -U fairlead -d postgres -c "$1" </dev/null; }
pause_tenths() { read -r -t "$(($1 / 10)).$(($1 % 10))" <> <(:) || true; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
# Processes are looked for on the host that is left: those of the others ended with their containers.
verdict_alive() {
	verdict_open | cut -d' ' -f1,2 | compose exec -T agent sh -c 'while read -r id incarnation; do
		! cat /proc/[0-9]*/environ 2>/dev/null | grep -qaz "^FAIRLEAD_EXECUTOR_ID=$id" || echo "alive $id $incarnation"
	done'
}

# What an executor does: a line when it begins, one when it ends.
cat >"$FL_LEDGER_DIR/job" <<'JOB'
# job NAME SECONDS
line() {
	read -r up _ </proc/uptime
	echo "$1 $FAIRLEAD_EXECUTOR_ID $FAIRLEAD_INCARNATION $name $up $$" >>/ledger/ledger
}
name=$1
line start
sleep "$2" &
trap 'kill $!; line stop; exit 143' TERM
wait $!
line stop
JOB

# The load runs in a container of the CLI: a session each, insisted on until it is acknowledged.  What ends
# in 0 runs until it is closed, the rest for some seconds.
cat >"$FL_LEDGER_DIR/load.sh" <<'LOAD'
client=$1 clients=$2 creates=$3
i=$client
while [ $i -le $creates ]; do
	seconds=$((i % 4)).$((i % 10)) kind=once
	case $i in *0) seconds=100000 kind=stays ;; esac
	cat >/tmp/load.$client <<YAML
session: w$i
executor:
  driver: process
  command: [sh, /ledger/job, w$i, "$seconds"]
  resources: { cpu: 10m, memory: 1Mi }
  stop_grace: 5s
YAML
	until fairlead apply -f /tmp/load.$client --timeout 5s >/dev/null 2>/tmp/why.$client; do
		tries=$((${tries:-0} + 1))
		[ $tries -lt 300 ] || { cat /tmp/why.$client >&2; exit 1; }
		sleep 0.2
	done
	echo w$i $kind
	i=$((i + clients))
done
LOAD

./dev image >/dev/null # the base image, where no registry has it
compose build >/dev/null 2>&1
scale 4 3 10
wait_for 120 "10 hosts are ready" hosts_ready 10
chmod 777 "$FL_LEDGER_DIR"
: >"$ledger"
acknowledged() { cat "$FL_LEDGER_DIR"/acknowledged.* | wc -l; }
acknowledged_are() { [ "$(acknowledged)" -ge "$1" ]; }
loaders=()
for ((c = 1; c <= clients; c++)); do
	compose exec -T cli sh -s "$c" "$clients" "$creates" <"$FL_LEDGER_DIR/load.sh" >"$FL_LEDGER_DIR/acknowledged.$c" &
	loaders+=($!)
done
wait_for 300 "half of the creates are acknowledged" acknowledged_are $((creates / 2))

# Hosts that leave are emptied first, as one does; the services go as they are.
agents() { # OPTIONS OF docker ps
	docker ps --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
		--filter label=com.docker.compose.service=agent "$@"
}
keep=$(agents -q --no-trunc --filter label=com.docker.compose.container-number=1 | cut -c1-12)
leaving=$(fairlead host ls -o name | grep -v "^$keep")
for host in $leaving; do fairlead host drain "$host" >/dev/null || fail "drain $host"; done
emptied() {
	! fairlead executor ls -o json | tr -d ' \n' | tr '{' '\n' | grep -v "\"host\":\"$keep" |
		grep -qE '"state":"(placed|accepted|starting|running|stopping)"'
}
wait_for 180 "nothing runs on the hosts that leave" emptied
at=$(acknowledged)
mapfile -t volumes < <(agents --format '{{.ID}}' | xargs docker inspect -f '{{range .Mounts}}{{.Name}}{{end}}')
scale 1 1 1
for host in $leaving; do fairlead host rm "$host" --confirm >/dev/null || fail "rm $host"; done
echo "one of each is left, with $at of $creates creates acknowledged"
for pid in "${loaders[@]}"; do wait "$pid" || fail "a client gave up"; done

cat "$FL_LEDGER_DIR"/acknowledged.* | tr -d '\r' >"$acknowledged"
settled() {
	[ "$(sql "SELECT count(*) FROM executor e JOIN session s USING (session_id) WHERE e.rank < 90
		AND NOT (e.state = 70 AND s.name ~ '0\$')")" = 0 ]
}
wait_for 240 "what ends by itself has ended, the rest runs" settled
for name in $(awk '$2 == "stays" { print $1 }' "$acknowledged"); do
	fairlead session close "$name" >/dev/null </dev/null || fail "close $name"
done
verdict "processes come and go under load (O8)" 120
