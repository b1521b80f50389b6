#!/usr/bin/env bash
# cell: `./dev up`, `./dev down`, `./dev fairlead ...`: the compose cell of this checkout.  Two checkouts have
# two cells; COMPOSE_PROJECT_NAME names another.  FL_HUBS, FL_SCHEDULERS, FL_AGENTS: how many.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
hash=$(printf '%s' "$PWD" | sha256sum | cut -c1-8)
export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-fairlead-$hash}
export FL_IMAGE=${FL_IMAGE:-fairlead-$hash}

die() {
	printf 'dev: %s\n' "$*" >&2
	exit "${code:-1}"
}

command -v docker >/dev/null && docker info >/dev/null 2>&1 ||
	code=6 die "up, down and fairlead need a Docker engine; without one: ./dev shell, then build/dev/bin/fairlead dev"

compose() {
	if docker compose version >/dev/null 2>&1; then
		docker compose -f deploy/docker-compose.yml "$@"
	elif command -v docker-compose >/dev/null; then
		docker-compose -f deploy/docker-compose.yml "$@"
	else
		code=6 die "needs docker compose or docker-compose"
	fi
}

up() {
	./dev image >/dev/null # the base image, where no registry has it
	compose build
	compose up -d --scale hub="${FL_HUBS:-2}" --scale scheduler="${FL_SCHEDULERS:-2}" \
		--scale agent="${FL_AGENTS:-3}"
	local deadline=$((SECONDS + 90))
	until [ "$(compose exec -T cli fairlead host ls --timeout 5s 2>/dev/null | grep -c ' ready ')" -ge "${FL_AGENTS:-3}" ]; do
		[ $SECONDS -lt $deadline ] || die "the hosts are not ready after 90 s: see docker-compose logs"
		read -r -t 0.5 <> <(:) || true
	done
	echo "the cell is up: ./dev fairlead status; ./dev down removes it and its data"
}

verb=$1
shift
case $verb in
up) up ;;
down)
	compose down -v --remove-orphans
	docker image rm "$FL_IMAGE" "$FL_IMAGE-infra" >/dev/null 2>&1 || true
	;;
fairlead) compose exec -T cli fairlead "$@" ;;
esac
