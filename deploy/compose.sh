# compose: which compose this machine has, for `./dev` and for scripts that drive the compose cell by hand.
# compose_find: 0 with the words of the command in compose_tool, or 1: there is none.
compose_tool=()
compose_find() {
	if docker compose version >/dev/null 2>&1; then
		compose_tool=(docker compose)
	elif command -v docker-compose >/dev/null; then
		compose_tool=(docker-compose)
	else
		return 1
	fi
}
