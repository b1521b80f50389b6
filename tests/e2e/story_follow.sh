# `run` shows output as it comes, exits as its workload does, and takes everything with it when the
# person at the keyboard has seen enough (E14).  Numbers that are none are refused by name.
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

gate=$STORY_DATA/gate
chmod 777 "$STORY_DATA"

session_closed() {
	"$fairlead" session show "$1" | grep -qx 'state  *closed'
}
process_gone() {
	! kill -0 "$1"
}

# ---- what it writes is seen while it runs ----
"$fairlead" run --name told -- sh -c "echo first; until [ -e $gate ]; do sleep 0.05; done; echo second; exit 5" \
	>"$STORY_DATA/told" 2>"$STORY_DATA/told.err" &
runner=$!
wait_for 20 "its first line is shown while it runs (E14)" grep -qx first "$STORY_DATA/told"
kill -0 $runner || fail "run ended before its workload (E14)"
assert_equal first "$(cat "$STORY_DATA/told")" "nothing else was written yet (E14)"
: >"$gate"
wait $runner
assert_equal 5 $? "the exit code is the workload's (E14)"
assert_equal "first second" "$(xargs <"$STORY_DATA/told")" "every line once, in order (E14)"
assert_silent "nothing is said besides (E14)" cat "$STORY_DATA/told.err"
wait_for 20 "its session closes by itself (E14)" session_closed told

# ---- both ways of making it stop: the workload ends, the session is closed ----
interrupted() { # SIGNAL EXIT-CODE
	local name pids=$STORY_DATA/pids-$1
	name=cut-$(echo "$1" | tr '[:upper:]' '[:lower:]')
	# A workload that ignores what a person's Ctrl-C would send, with a child of its own.
	"$fairlead" run --name "$name" -- \
		sh -c "trap '' INT; sleep 100000 & echo \$\$ \$! >$pids; echo up; wait" >"$STORY_DATA/$name" &
	runner=$!
	wait_for 20 "$name runs" grep -qx up "$STORY_DATA/$name"
	kill -s "$1" $runner
	wait $runner
	assert_equal "$2" $? "SIG$1 ends run as a shell says it (E14)"
	wait_for 20 "its session is closed (E14)" session_closed "$name"
	for pid in $(cat "$pids"); do
		wait_for 20 "process $pid of the workload is gone (E14)" process_gone "$pid"
	done
}
interrupted INT 130
interrupted TERM 143

# ---- out of time: the same, said ----
said=$("$fairlead" run --name slow --timeout 2s -- sleep 100000 2>&1)
assert_equal 124 $? "out of time is exit code 124 (E14)"
assert_contains "$said" "did not end in time" "and is said (E14)"
wait_for 20 "what did not end in time is stopped (E14)" session_closed slow

# ---- numbers ----
refused() { # WHAT-IT-SAYS COMMAND...
	local part=$1
	shift
	said=$("$fairlead" "$@" 2>&1)
	assert_equal 2 $? "$* is a usage error"
	assert_contains "$said" "$part" "$* names the option and its limits"
}
refused "--replicas many: allowed are numbers from 0 to 100000" session create --name none --replicas many -- true
refused "--replicas 100001: allowed" session create --name none --replicas 100001 -- true
refused "--replicas -1: allowed" session create --name none --replicas -1 -- true
refused "--replicas : allowed" session create --name none --replicas '' -- true
refused "REPLICAS 3x: allowed are numbers from 0 to 100000" session scale told 3x
refused "--after soon: allowed are numbers from 0 to" events --after soon
refused "--replicas 6: allowed are numbers from 0 to 5" admin bus-init --replicas 6
refused "--agents none: allowed are numbers from 1 to 20" dev --agents none
refused "--cpu nan: allowed are 500m, 2, 0.5, up to 1024" run --cpu nan -- true
refused "--cpu 1e9: allowed" run --cpu 1e9 -- true
"$fairlead" session show none >/dev/null 2>&1
assert_equal 3 $? "nothing was declared by what was refused"
wait_for 20 "the books balance" verify_clean
