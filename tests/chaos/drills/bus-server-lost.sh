# bus-server-lost: one of three nats-servers is killed, the leader of a stream, and comes back; the others carry on.
. "$(dirname "$0")/lib.sh"
drill_options times=3 -- "$@"
opt_bus_servers=3
have_nats_cli || skip "the real nats client is not there (NATS_CLI)"
drill_cell --agents 3 --hubs 2 --schedulers 2

streams=(FL_COMMANDS FL_REPORTS)
# Its server, as `fairlead dev` calls it: fairlead-dev-2 is nats-2.
leader() { # STREAM
	nats_cli --timeout 2s stream info "$1" --json 2>/dev/null |
		sed -n 's/.*"leader": *"fairlead-dev-\([0-9]\)".*/nats-\1/p' | head -n 1
}
whole() { # the streams the load goes through have a leader and two followers that are up to date
	local stream info
	for stream in "${streams[@]}"; do
		info=$(nats_cli --timeout 2s stream info "$stream" --json) || return 1
		[ "$(grep -c '"current": *true' <<<"$info")" = 2 ] || return 1
	done
}

# One short request after the other: when did the last one that failed end?
probe() {
	while :; do
		"$fairlead" host ls --timeout 1s >/dev/null 2>&1 || now_ms >>"$STORY_DATA/api.failed"
	done
}
api_failed_for() { # SINCE
	awk -v since="$1" '$1 > since { last = $1 } END { print last ? last - since : 0 }' "$STORY_DATA/api.failed"
}
commands_flow() { "$fairlead" run --timeout 5s -- true; }

: >"$STORY_DATA/api.failed"
probe &
echo $! >>"$STORY_DATA/ours"
load_start 1000000 2 3
for ((i = 0; i < opt_times; i++)); do
	stream=${streams[$((i % 2))]}
	wait_for 60 "every stream is whole" whole
	victim=$(leader "$stream")
	[ -n "$victim" ] || fail "$stream has no leader"
	at=$(now_ms)
	part_away KILL "$victim"
	# Five times what is promised (15 s, and 2 s for requests); the figures are printed.
	PATIENCE=5 wait_for 15 "a new executor runs to its end (R4)" commands_flow
	resumed=$(($(now_ms) - at))
	api=$(api_failed_for "$at")
	echo "leader of $stream killed: API requests failed for $api ms, a new executor ran to its end after $resumed ms"
	[ "$api" -le 10000 ] || fail "API requests failed for $api ms (R4)"
	part_back "$victim"
done
wait_for 60 "every stream is whole" whole
load_stop
load_finish
verdict "a lost server of three loses and doubles nothing (R4)"
