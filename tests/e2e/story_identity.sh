# A host is who its subject says.  A hello, sync, heartbeat or report whose body names another one is refused with
# both names; who speaks under its own name of an executor of another changes nothing either (invariant 6 of ARCHITECTURE.md).
. "$(dirname "$0")/lib.sh"
have_nats_cli || skip "the nats client is not there; nobody can speak for a host"
story_in_cell --agents 1

sql() { psql -XAtq -d "$FAIRLEAD_DATABASE_URL" -c "$1"; }
"$fairlead" session create --name web -- sleep 100000 >/dev/null || fail "create"
wait_for 20 "it runs" session_is web running 1
executor=$("$fairlead" executor show web/0 -o json | jq -r 'first(.. | .executor_id? // empty)')
journal=$(sql "SELECT replace(journal_id::text, '-', '') FROM host WHERE host_id = 'dev-1'")
incarnation=$(sql "SELECT incarnation FROM executor WHERE rank < 90")
assert_equal "32 32" "${#executor} ${#journal}" "digits of executor and journal"
nonce=01a2030405060708090a0b0c0d0e0f10

refused() { # SUBJECT-HOST VERB BODY: the answer names both
	local answer
	answer=$(nats_cli req "fl.req.$1.$2" "$3" 2>&1) || fail "$2 is not answered: $answer"
	assert_contains "$answer" "the body names host" "$2 in another's name is refused"
	assert_contains "$answer" "the subject $1" "naming the subject's"
}
hello() { # BODY-HOST
	printf '{"host_id":"%s","protocol_revision":2,"pool":"default","journal_id":"%s","instance_id":"%s","start_no":9,
		"hello_no":9,"boot_id":"b","agent_version":"0","encoding":"json","arch":"x","kernel":"k",
		"capacity":{"cpu_millis":1,"slots":1},"nonce_id":"%s"}' "$1" "$journal" "$nonce" "$nonce"
}
before=$(sql "SELECT host_id, epoch, journal_id, cpu_millis FROM host ORDER BY 1")
refused ghost hello "$(hello dev-1)"
refused dev-1 hello "$(hello ghost)"
refused dev-1 sync "{\"host_id\":\"ghost\",\"epoch\":1,\"nonce_id\":\"$nonce\"}"
refused ghost sync "{\"host_id\":\"dev-1\",\"epoch\":1,\"nonce_id\":\"$nonce\"}"

say() { # SUBJECT BODY
	nats_cli pub "$1" "$2" >/dev/null 2>&1 || fail "pub $1"
}
letter() { # SUBJECT BODY-HOST SUBJECT-HOST: what was only said is put aside, with the reason
	"$fairlead" command ls --dead | grep -F "$1 " | grep -qF "the body names host $2, the subject $3"
}
say fl.hb.ghost "{\"host_id\":\"dev-1\",\"epoch\":1,\"nonce_id\":\"$nonce\"}"
wait_for 20 "a heartbeat in another's name is put aside" letter fl.hb.ghost dev-1 ghost
report() { # BODY-HOST: the executor of dev-1 has failed
	printf '{"host_id":"%s","journal_id":"%s","instance_id":"%s","executors":[{"executor_id":"%s","state":"failed",
		"started":true,"exit_code":9,"incarnation":%s,"accepted_generation":1,"change_no":1}]}' \
		"$1" "$journal" "$nonce" "$executor" "$incarnation"
}
say fl.rpt.ghost "$(report dev-1)"
wait_for 20 "so is a report" letter fl.rpt.ghost dev-1 ghost
say fl.rpt.ghost "$(report ghost)"
drained() {
	nats_cli consumer info FL_REPORTS fl-hub-reports --json | jq -e '.num_pending == 0 and .num_ack_pending == 0' >/dev/null
}
wait_for 20 "a report of another's executor is taken" drained
session_is web running 1 || fail "and changes nothing"
assert_equal "$before" "$(sql "SELECT host_id, epoch, journal_id, cpu_millis FROM host ORDER BY 1")" "who the hosts are"

# The same words in the right place are believed: only the name was wrong.
say fl.rpt.dev-1 "$(report dev-1)"
wait_for 20 "the host's own report is taken" session_is web failed 1
