# bus-stepdown: every 5 s the leaders of streams and consumers in a bus of three servers step down, under load.
. "$(dirname "$0")/lib.sh"
drill_options creates=500 -- "$@"
opt_bus_servers=3
have_nats_cli || skip "the real nats client is not there (NATS_CLI)"
drill_cell --agents 3 --hubs 2 --schedulers 2

mapfile -t streams < <(nats_cli stream ls --names)
[ ${#streams[@]} -ge 3 ] || fail "the client lists ${#streams[@]} streams"
for stream in "${streams[@]}"; do
	assert_equal 3 "$(nats_cli stream info "$stream" --json | json_number num_replicas)" "replicas of $stream"
done

# The client says so when there is no leader to step down, or none follows: the next round finds one.
step_down() { # STREAM [CONSUMER]
	local noun=stream
	[ $# -eq 1 ] || noun=consumer
	timeout 15 "$(nats_program)" --server "$FAIRLEAD_NATS_SERVERS" --timeout 3s "$noun" cluster step-down "$@" \
		>>"$cell/log/stepdown.log" 2>&1
}

commands() { sql "SELECT coalesce(sum(host_seq), 0) FROM host"; }

load_start "$opt_creates"
wait_for 60 "the load runs" load_at_least $((opt_creates / 20 + 1))
asked=0 done=0 from=$(now_ms)
while ! load_joined; do
	for stream in "${streams[@]}"; do
		asked=$((asked + 1))
		step_down "$stream" && done=$((done + 1))
	done
	asked=$((asked + 1))
	step_down FL_REPORTS fl-hub-reports && done=$((done + 1))
	pause_tenths 50
done
echo "$done of $asked leaders stepped down during $(commands) commands in $(($(now_ms) - from)) ms"
[ $done -gt 0 ] || fail "no leader ever stepped down"
load_finish
verdict "leaders that step down lose and double nothing (C10)"
