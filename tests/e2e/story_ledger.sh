# 100 creates through two hubs and two schedulers while one hub is killed: all acknowledged ones run, none
# twice.  Each executor appends its id and incarnation to a ledger; counters equal a recount (E12).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 3 --hubs 2 --schedulers 2

ledger=$STORY_DATA/ledger
: >"$ledger"
chmod 666 "$ledger"
acknowledged=0
for i in $(seq 1 100); do
	[ "$i" -ne 40 ] || kill -9 "$(pid_of --instance=hub-1)" || fail "hub-1 does not run"
	# A request that the dead hub took with it is not acknowledged: the same name again is the same wish.
	until "$fairlead" session create --timeout 3s --name "s$i" -- \
		sh -c "echo \$FAIRLEAD_EXECUTOR_ID/\$FAIRLEAD_INCARNATION >>$ledger" >/dev/null 2>"$STORY_DATA/why"; do
		[ $SECONDS -lt 120 ] || fail "create s$i: $(cat "$STORY_DATA/why")"
	done
	acknowledged=$((acknowledged + 1))
done
assert_equal 100 $acknowledged "creates acknowledged"
all_ended() {
	[ "$("$fairlead" status -o json | json_number succeeded)" = 100 ]
}
wait_for 90 "all 100 succeed" all_ended
assert_equal 100 "$(wc -l <"$ledger")" "each ran once"
assert_equal 100 "$(sort -u "$ledger" | wc -l)" "none ran twice"
wait_for 30 "the books balance (E12)" verify_clean
