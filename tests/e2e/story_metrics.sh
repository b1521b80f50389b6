# What a hub and a scheduler say of themselves is what docs/operations.md lists, and it moves when something
# happens: commands by stage, stale epochs, lag, redeliveries, reports of superseded journals, full queues (O4).
. "$(dirname "$0")/lib.sh"
export FAIRLEAD_HUB_HTTP_LISTEN=127.0.0.1:0 FAIRLEAD_SCHEDULER_HTTP_LISTEN=127.0.0.1:0
story_in_cell --agents 1

port_of() { # SERVICE
	cat "$STORY_DATA"/cell/log/*"$1"*.log | json_number http_port
}
metrics() { # SERVICE: the body of /metrics
	exec 3<>"/dev/tcp/127.0.0.1/$(port_of "$1")"
	printf 'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3
	tr -d '\r' <&3 | sed '1,/^$/d'
	exec 3>&-
}
value() { # SERVICE METRIC
	metrics "$1" | sed -n "s/^$(printf '%s' "$2" | sed 's/[][\.*^$]/\\&/g') //p"
}
at_least() { # SERVICE METRIC LEAST
	local now
	now=$(value "$1" "$2")
	[ "${now%.*}" -ge "$3" ]
}
listed() { # SERVICE: names and types as the document has them
	sed -n '/<!-- generated: metrics -->/,/<!-- end -->/p' "$FL_SOURCE_DIR/docs/operations.md" |
		sed -n "s/^| \`\\([a-z_]*\\)\` | \\([a-z]*\\) | [^|]* | \\($1\\|both\\) |.*/\\1 \\2/p" | sort
}
for service in hub scheduler; do
	metrics $service >"$STORY_DATA/$service" || fail "/metrics of the $service"
	sed -n 's/^# TYPE //p' "$STORY_DATA/$service" | sort >"$STORY_DATA/said"
	listed $service >"$STORY_DATA/listed"
	[ "$(wc -l <"$STORY_DATA/listed")" -gt 20 ] || fail "docs/operations.md lists metrics of a $service"
	diff -u "$STORY_DATA/listed" "$STORY_DATA/said" || fail "a $service says what the document lists (O4)"
	assert_equal "$(wc -l <"$STORY_DATA/listed")" "$(grep -c '^# HELP [a-z_]* [^ ]' "$STORY_DATA/$service")" \
		"each is explained"
done
assert_equal 0 "$(value hub 'fairlead_hub_queue_full_total{queue="api"}')" "a queue that was never full is shown"

"$fairlead" run --timeout 60s -- true || fail "run"
wait_for 10 "its RUN was published, and its ABSENT (O4)" at_least scheduler 'fairlead_scheduler_commands_total{stage="published"}' 2
wait_for 10 "how long that took (O4)" at_least scheduler 'fairlead_scheduler_stage_seconds_count{stage="published"}' 2
for stage in placed accepted running; do
	wait_for 10 "how long it took to $stage (O4)" at_least scheduler "fairlead_scheduler_stage_seconds_count{stage=\"$stage\"}" 1
done
wait_for 10 "its host accepted it (O4)" at_least hub 'fairlead_hub_commands_total{stage="accepted"}' 1
wait_for 20 "hosts by state (O4)" at_least scheduler 'fairlead_scheduler_hosts{state="ready"}' 1
wait_for 10 "its reports were committed (O4)" at_least hub fairlead_hub_report_applied_total 1
nothing_lags() {
	[ "$(value hub fairlead_hub_report_lag_messages)" = 0 ] && [ "$(value hub fairlead_hub_report_lag_seconds)" = 0 ]
}
wait_for 10 "and acknowledged: nothing lags (O4)" nothing_lags

have_nats_cli || skip "no nats client: nobody can speak for a host"
before=$(value hub fairlead_hub_stale_epochs_total)
nats_cli pub fl.hb.dev-1 '{"host_id":"dev-1","epoch":99,"nonce_id":"0123456789abcdef0123456789abcdef"}' >/dev/null 2>&1 || fail "nats pub"
wait_for 10 "a heartbeat of another epoch is counted (O4)" at_least hub fairlead_hub_stale_epochs_total $((before + 1))
before=$(value hub 'fairlead_hub_refused_total{kind="heartbeat"}')
nats_cli pub fl.hb.dev-1 'no heartbeat' >/dev/null 2>&1 || fail "nats pub"
wait_for 10 "and what is none (O4)" at_least hub 'fairlead_hub_refused_total{kind="heartbeat"}' $((${before:-0} + 1))

# A host that lost its journal and began another: what the old one still says is counted, and no more.
old=01a2030405060708090a0b0c0d0e0f10 new=11a2030405060708090a0b0c0d0e0f10
hello() { # JOURNAL TICKET: the answer
	nats_cli req fl.req.h2.hello --raw "{\"host_id\":\"h2\",\"protocol_revision\":1,\"pool\":\"default\",
		\"journal_id\":\"$1\",\"instance_id\":\"$1\",\"start_no\":1,\"hello_no\":1,\"boot_id\":\"b\",\"agent_version\":\"0\",
		\"encoding\":\"json\",\"arch\":\"x\",\"kernel\":\"k\",\"capacity\":{\"cpu_millis\":1},\"ticket\":$2,\"nonce_id\":\"$1\"}"
}
report() { # JOURNAL
	nats_cli pub fl.rpt.h2 "{\"host_id\":\"h2\",\"journal_id\":\"$1\",\"instance_id\":\"$1\",\"executors\":[
		{\"executor_id\":\"$old\",\"state\":\"running\",\"incarnation\":1,\"accepted_generation\":1}]}" >/dev/null 2>&1 ||
		fail "nats pub"
}
assert_contains "$(hello $old 0)" '"verdict":"hello_accepted"' "a host with a journal"
ticket=$(hello $new 0 | json_number ticket)
assert_contains "$(hello $new "$ticket")" '"verdict":"hello_accepted"' "and with another (K1)"
assert_equal 0 "$(value hub fairlead_hub_report_superseded_total)" "nobody spoke of the old one yet"
report $new
wait_for 10 "the new one's report is taken" nothing_lags
assert_equal 0 "$(value hub fairlead_hub_report_superseded_total)" "the new one's reports are not counted"
report $old
wait_for 10 "a report of a superseded journal is counted (O4)" at_least hub fairlead_hub_report_superseded_total 1

# A report that somebody took and gave back comes again.
hub=$(pid_of --instance=hub-1)
trap 'kill -CONT $hub 2>/dev/null' EXIT
before=$(value hub fairlead_hub_report_redeliveries_total)
nobody_asks() {
	nats_cli consumer info FL_REPORTS fl-hub-reports --json >"$STORY_DATA/consumer" &&
		[ "$(json_number num_waiting <"$STORY_DATA/consumer")" = 0 ]
}
kill -STOP "$hub"
wait_for 10 "the hub fetches nothing" nobody_asks
report $new
nats_cli consumer next FL_REPORTS fl-hub-reports --nak >/dev/null 2>&1 || fail "consumer next"
kill -CONT "$hub"
wait_for 20 "a report delivered again is counted (O4)" at_least hub fairlead_hub_report_redeliveries_total $((before + 1))

# Commits that hang: batches wait behind them, and then the queue of batches is full.
full='fairlead_hub_queue_full_total{queue="reports_ahead"}'
before=$(value hub "$full")
psql -qX -d "$FAIRLEAD_DATABASE_URL" -c 'BEGIN' -c 'LOCK TABLE executor IN ACCESS EXCLUSIVE MODE' \
	-c "SELECT pg_sleep(4)" -c 'COMMIT' >/dev/null &
locked() {
	[ "$(psql -qXtA -d "$FAIRLEAD_DATABASE_URL" -c "SELECT count(*) FROM pg_locks
		WHERE relation = 'executor'::regclass AND mode = 'AccessExclusiveLock' AND granted")" = 1 ]
}
wait_for 10 "nobody can commit a report" locked
for _ in $(seq 20); do report $new; done
wait_for 10 "a full queue is counted (O4)" at_least hub "$full" $((before + 1))
wait_for 30 "and drains" nothing_lags
