#!/usr/bin/env bash
# cell: `./dev up`, `down`, `fairlead ...` and `demo` where there is a Docker engine: the compose cell of this
# checkout.  Two checkouts have two cells; COMPOSE_PROJECT_NAME names another.  FL_HUBS, FL_SCHEDULERS,
# FL_AGENTS: how many.
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

compose() { "${compose_tool[@]}" -f deploy/docker-compose.yml "$@"; }

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

logs_command() { echo "${compose_tool[*]} -p $COMPOSE_PROJECT_NAME -f deploy/docker-compose.yml logs"; }

up() {
	images
	start
	echo "the cell is up: ./dev fairlead status; ./dev down removes it and its data"
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
case $verb in
up) up ;;
down)
	compose down -v --remove-orphans
	docker image rm "$FL_IMAGE" "$FL_IMAGE-infra" >/dev/null 2>&1 || true
	;;
fairlead) compose exec -T cli fairlead "$@" ;;
demo) demo ;;
esac
