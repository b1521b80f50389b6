#!/usr/bin/env bash
# cell: `./dev up`, `down`, `fairlead ...` and `demo` where there is a Docker engine: the compose cell of this
# checkout.  Two checkouts have two cells; COMPOSE_PROJECT_NAME names another.  FL_HUBS, FL_SCHEDULERS,
# FL_AGENTS: how many.  FL_PORT_NATS: where `up` publishes the bus on loopback, 4222 or the next that is free.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. deploy/compose.sh
hash=$(printf '%s' "$PWD" | sha256sum | cut -c1-8)
export FL_IMAGE=${FL_IMAGE:-fairlead-$hash}

say() { printf 'dev: %s\n' "$*" >&2; }
die() {
	say "$*"
	exit "${code:-1}"
}

files=(-f deploy/docker-compose.yml)
compose() { "${compose_tool[@]}" "${files[@]}" "$@"; }

images() {
	local log=build/images.log
	mkdir -p build
	FL_PLACE=docker ./dev image >/dev/null # the base image, where no registry has it
	say "builds images $FL_IMAGE and $FL_IMAGE-infra where something changed: the first time takes minutes ($log)"
	compose build >"$log" 2>&1 || {
		tail -n 40 "$log" >&2
		die "could not build them"
	}
}

hosts_ready() { compose exec -T cli fairlead host ls --timeout 5s 2>/dev/null </dev/null | grep -c ' ready '; }

start() {
	local deadline log=build/start.log
	compose up -d --scale hub="${FL_HUBS:-2}" --scale scheduler="${FL_SCHEDULERS:-2}" \
		--scale agent="${FL_AGENTS:-3}" >"$log" 2>&1 || {
		tail -n 40 "$log" >&2
		die "compose could not start the cell"
	}
	deadline=$((SECONDS + 90))
	until [ "$(hosts_ready)" -ge "${FL_AGENTS:-3}" ]; do
		[ $SECONDS -lt $deadline ] || die "the hosts are not ready after 90 s: see $(logs_command)"
		read -r -t 0.5 <> <(:) || true
	done
}

logs_command() { echo "${compose_tool[*]} -p $COMPOSE_PROJECT_NAME ${files[*]} logs"; }

# ADDRESS:PORT on this machine of a port of a service; nothing when it is not published.
published() { # SERVICE PORT [INDEX]
	compose port --index="${3:-1}" "$1" "$2" 2>/dev/null | grep -E ':[1-9][0-9]*$' || true
}

# What was asked for; what the cell that is up has; else the first that is free.
port_nats() {
	local port=${FL_PORT_NATS:-} there
	[ -n "$port" ] || { there=$(published nats-1 4222) && port=${there##*:}; }
	[ -n "$port" ] || for ((port = 4222; ; port++)); do
		(: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

addresses() {
	local bus i
	bus=nats://$(published nats-1 4222)
	echo "the cell is up"
	echo "  bus         $bus    nats --server $bus micro ls"
	echo "  monitoring  http://$(published nats-1 8222)/    of server nats-1: /varz, /jsz"
	for ((i = 1; i <= ${FL_HUBS:-2}; i++)); do
		echo "  hub $i       http://$(published hub 8080 $i)/metrics    also /healthz, /readyz"
	done
	for ((i = 1; i <= ${FL_SCHEDULERS:-2}; i++)); do
		echo "  scheduler $i http://$(published scheduler 8080 $i)/metrics"
	done
	echo "  logs        $(logs_command) -f hub"
	echo "  CLI         ./dev fairlead status"
	echo "./dev down removes it and its data"
}

up() {
	images
	FL_PORT_NATS=$(port_nats)
	export FL_PORT_NATS
	start
	addresses
}

# A second Ctrl-C must not leave half of it.
demo_end() {
	trap '' INT TERM HUP
	exec 2>&3 # it may come while a command's messages go to a file
	say "takes the cell down"
	compose down -v --remove-orphans -t 2 >build/end.log 2>&1 || tail -n 40 build/end.log >&2
}

demo() {
	local from
	exec 3>&2
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	trap demo_end EXIT
	images
	from=$SECONDS
	say "starts a compose cell: 3 NATS servers, Postgres, ${FL_HUBS:-2} hubs, ${FL_SCHEDULERS:-2} schedulers, ${FL_AGENTS:-3} agents"
	start
	say "the cell was up after $((SECONDS - from)) s"
	# Beside the examples, as in a checkout.
	compose exec -T -w /usr/share/fairlead cli bash -c "$(cat deploy/demo.sh)" </dev/null
}

compose_find || code=6 die "needs docker compose or docker-compose"
verb=$1
shift
case $verb in
demo) export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-fairlead-demo-$hash-$$} ;;
*) export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-fairlead-$hash} ;;
esac
[ $verb = demo ] || files+=(-f deploy/docker-compose.ports.yml)
case $verb in
up) up ;;
down)
	compose down -v --remove-orphans
	docker image rm "$FL_IMAGE" "$FL_IMAGE-infra" >/dev/null 2>&1 || true
	;;
fairlead) compose exec -T cli fairlead "$@" ;;
demo) demo ;;
esac
