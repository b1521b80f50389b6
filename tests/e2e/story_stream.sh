# What a cell does with streams it cannot trust.  Any bytes on every subject: whoever asked is answered with the
# reason, what was only said becomes a dead letter with the reason, and the batch around it is processed (C7).  Old
# commands delivered again past the window in which the bus knows repeats run nothing (C9).  The whole report stream
# once more leaves every row as it is (R5).
. "$(dirname "$0")/lib.sh"
have_nats_cli || skip "the nats client is not there"
story_in_cell --agents 1

hub=$(pid_of --instance=hub-1)
trap 'kill -CONT $hub 2>/dev/null' EXIT
ledger=$STORY_DATA/ledger gate=$STORY_DATA/gate
: >"$ledger"
chmod 666 "$ledger"
messages() { # STREAM
	nats_cli stream info "$1" --json | jq .state.messages
}
has_messages() { # STREAM NUMBER
	[ "$(messages "$1")" -ge "$2" ]
}
drained() {
	nats_cli consumer info FL_REPORTS fl-hub-reports --json |
		jq -e '.num_pending == 0 and .num_ack_pending == 0 and .ack_floor.stream_seq > 0' >/dev/null
}

# ---- any bytes ----
poisons=0
poison() { # SUBJECT [OPTION...] < BYTES
	nats_cli pub "$@" --force-stdin >/dev/null 2>&1 || fail "pub $1"
}
poison_all() { # SUBJECT
	poisons=$((poisons + 7))
	head -c 200 /dev/urandom | poison "$1"
	printf '{"host_id": "dev-1",\n' | poison "$1"
	# A line of the protocol inside what a reason would quote.
	printf '{"host_id": "x\\r\\nNats-Rollup: all\\r\\nNats-Expected-Stream: other"}' | poison "$1"
	printf '\012\004no\r\n' | poison "$1" -H 'Content-Type: application/protobuf'
	printf '\012\005dev-1\022' | poison "$1" -H 'Content-Type: application/protobuf'
	printf '{"host_id": "dev-1"}' | poison "$1" -H 'Content-Type: application/json; type=fairlead.v1.Command'
	head -c 900000 /dev/zero | tr '\0' x | poison "$1"
}
cat >"$STORY_DATA/ends.yaml" <<YAML
session: ends
replicas: 10
restart: { policy: never }
executor:
  driver: process
  command: [sh, -c, 'until [ -e $gate ]; do sleep 0.1; done; echo \$FAIRLEAD_EXECUTOR_ID >>$ledger; exit 3']
YAML
"$fairlead" apply -f "$STORY_DATA/ends.yaml" >/dev/null || fail "apply"
wait_for 20 "ten executors run" session_is ends running 10
wait_for 10 "their reports are taken" drained

# The only hub stands still: good and bad reports come to it in one batch.
kill -STOP "$hub"
poison_all fl.rpt.dev-1
printf '{"host_id":"dev-1","journal_id":"01a2030405060708090a0b0c0d0e0f10","executors":[
	{"executor_id":"01a2030405060708090a0b0c0d0e0f10","state":"lost"}]}' | poison fl.rpt.dev-1
poisons=$((poisons + 1))
had=$(messages FL_REPORTS)
: >"$gate"
wait_for 20 "ends are reported" has_messages FL_REPORTS $((had + 1))
wait_for 20 "all have ended" sh -c "[ \$(wc -l <'$ledger') = 10 ]"
poison_all fl.rpt.dev-1
poison_all fl.rpt.Not_A_Host
poison_all fl.hb.dev-1
kill -CONT "$hub"
wait_for 30 "the reports around them are taken (C7)" session_is ends failed 10
letters() {
	nats_cli req '$JS.API.STREAM.INFO.FL_DEAD' '{"subjects_filter":"fl.dead.>"}' --raw | jq '[.state.subjects[]?] | add // 0'
}
each_has_a_letter() {
	[ "$(letters)" -ge "$poisons" ]
}
wait_for 30 "each is a dead letter (C7)" each_has_a_letter
assert_equal "$poisons" "$(letters)" "dead letters, one each (C7)"
wait_for 30 "none of them comes again (C7)" drained
for seq in $(seq "$(nats_cli stream info FL_DEAD --json | jq .state.last_seq)"); do
	nats_cli stream get FL_DEAD "$seq" --json | jq -r 'select(.subject | startswith("fl.dead.")) | .hdrs' |
		base64 -d >"$STORY_DATA/letter"
	[ -s "$STORY_DATA/letter" ] || continue
	grep -q '^Fl-Reason: .' "$STORY_DATA/letter" || fail "dead letter $seq has no reason: $(cat "$STORY_DATA/letter")"
	grep -Eq '^Fl-Subject: fl\.(rpt|hb)\.' "$STORY_DATA/letter" || fail "dead letter $seq has no subject"
	! grep -q '^Nats-' "$STORY_DATA/letter" || fail "a header was smuggled into dead letter $seq"
done

asked() { # SUBJECT: garbage is answered with a code and its reason
	local answer
	for body in '{"host_id": ' '{"host_id": "x\r\nNats-Rollup: all"}' '[]'; do
		answer=$(nats_cli req "$1" "$body" --timeout 5s 2>&1) || fail "req $1: $answer"
		case $answer in
		*Nats-Service-Error-Code:* | *hello_rejected*) ;;
		*) fail "garbage on $1 is not answered with an error (C7): $answer" ;;
		esac
	done
}
asked fl.req.dev-1.hello
asked fl.req.dev-1.sync
asked fl.req.dev-1.dance
for endpoint in session.create session.list executor.get host.get; do
	asked fl.api.v1.$endpoint
done
for subject in fl.cmd.dev-1 fl.live.dev-1 fl.nudge.default; do
	poison_all $subject
done
"$fairlead" run --timeout 30s -- sh -c "echo \$FAIRLEAD_EXECUTOR_ID >>$ledger" || fail "all goes on (C7)"
[ "$("$fairlead" host show dev-1 -o json | jq -r '.. | .epoch? // empty' | head -n 1)" = 1 ] || fail "the agent was restarted"

# ---- old commands, past the window ----
quiet() {
	drained && [ "$(psql -qXtA -d "$FAIRLEAD_DATABASE_URL" -c "SELECT (SELECT count(*) FROM host_executor) +
		(SELECT count(*) FROM executor_gone) + (SELECT count(*) FROM executor_ended) + (SELECT count(*) FROM outbox) +
		(SELECT count(*) FROM session_delta) + (SELECT count(*) FROM event_outbox) + (SELECT count(*) FROM intent)")" = 0 ]
}
wait_for 30 "all is told and forgotten" quiet
dump() { # FILE: every row there is, in order; what a clock writes by itself is left out
	for table in $(psql -qXtA -d "$FAIRLEAD_DATABASE_URL" -c "SELECT tablename FROM pg_tables
		WHERE schemaname = 'public' AND tablename NOT IN ('lease', 'host_liveness') ORDER BY 1"); do
		echo "== $table"
		psql -qXtA -d "$FAIRLEAD_DATABASE_URL" -c "TABLE $table" | LC_ALL=C sort
	done >"$1"
}
dump "$STORY_DATA/before"
last=$(nats_cli stream info FL_COMMANDS --json | jq .state.last_seq)
had=$(messages FL_REPORTS) replayed=0
for seq in $(seq "$last"); do
	nats_cli stream get FL_COMMANDS "$seq" --json >"$STORY_DATA/command" 2>/dev/null || continue
	jq -r .hdrs "$STORY_DATA/command" | base64 -d | grep -q '^Nats-Msg-Id:' || continue
	jq -r .data "$STORY_DATA/command" | base64 -d |
		nats_cli pub fl.cmd.dev-1 --force-stdin -H 'Fl-Kind: command' \
			-H 'Content-Type: application/protobuf; type=fairlead.v1.Command' >/dev/null 2>&1 || fail "pub command $seq"
	replayed=$((replayed + 1))
done
[ $replayed -ge 3 ] || fail "only $replayed commands were found"
nats_cli stream info FL_COMMANDS --json | jq -e ".state.last_seq == $last + $replayed" >/dev/null ||
	fail "the stream took them as new (C9)"
wait_for 20 "the host answers each with what it already knows (C9)" has_messages FL_REPORTS $((had + 1))
wait_for 20 "and that is taken" quiet
assert_equal 11 "$(wc -l <"$ledger")" "old commands run nothing (C9)"

# ---- every report once more ----
redelivered=$(messages FL_REPORTS)
nats_cli consumer rm FL_REPORTS fl-hub-reports --force >/dev/null 2>&1 || fail "consumer rm"
taken_again() {
	drained && [ "$(nats_cli consumer info FL_REPORTS fl-hub-reports --json | jq .delivered.consumer_seq)" -ge "$redelivered" ]
}
wait_for 40 "the whole stream is taken again (R5)" taken_again
wait_for 20 "and its work is done" quiet
dump "$STORY_DATA/after"
diff "$STORY_DATA/before" "$STORY_DATA/after" || fail "a replay of $redelivered reports changed rows (R5)"
verify_clean
