# A host that is a shell script: `run` places a command on it and gets its exit code, a stop reaches it, a kill -9
# of the agent loses nothing, what it cannot do it refuses; and all that a revision behind the hub's (R8).
. "$(dirname "$0")/lib.sh"
have_nats_cli || skip "the nats client is not there"
for tool in jq setpriv flock setsid; do
	command -v "$tool" >/dev/null || skip "no $tool here"
done
story_in_cell --agents 1

agent=
start_agent() { # OPTIONS...
	NATS_CLI=$(nats_program) "$FL_SOURCE_DIR/examples/shell-agent/agent.sh" --servers "$FAIRLEAD_NATS_SERVERS" \
		--host in-shell --label where=shell --state "$STORY_DATA/in-shell" "$@" >>"$STORY_DATA/shell.log" 2>&1 &
	agent=$!
}
clean_up() {
	local code=$? pid start holder
	[ $code -eq 0 ] || tail -n 30 "$STORY_DATA/shell.log"
	kill -9 $agent
	for file in "$STORY_DATA"/in-shell/run/*/pid; do # what a failed story left: holders, and so their executors
		[ ! -e "$file" ] || { read -r pid start holder <"$file" && kill -9 "$holder"; }
	done
} 2>/dev/null
trap clean_up EXIT
host_says() { # PATTERN
	"$fairlead" host show in-shell | grep -q "$1"
}
on_shell() { # what is left of the command goes to the host in shell
	"$fairlead" run --selector where=shell "$@"
}

start_agent --revision 1
wait_for 30 "the shell agent is READY" host_says '^state *ready'
host_says 'shell-' || fail "host show says what agent it is"
# Its output goes nowhere, and `run` says so on stderr.
on_shell --name first -- sh -c 'exit 7' 2>"$STORY_DATA/said"
assert_equal 7 $? "exit code of a run on the shell agent, a revision behind its hub (R8)"
on_shell -- sh -c 'kill -9 $$' 2>>"$STORY_DATA/said"
assert_equal 137 $? "a signal is told from an exit code"
on_shell -- sh -c 'exit 137' 2>>"$STORY_DATA/said"
assert_equal 137 $? "and an exit code from a signal"
assert_contains "$("$fairlead" executor show first/0)" "exit 7" "executor show has the exact exit code"

# The agent is killed while one runs and one ends; its successor is of the hub's own revision.
for name in lives ends; do
	"$fairlead" session create --name $name --selector where=shell -- \
		sh -c "echo \$\$ >>$STORY_DATA/$name; until [ -e $STORY_DATA/go-$name ]; do sleep 0.1; done; exit 4" ||
		fail "create $name"
done
wait_for 30 "both run" sh -c "[ -s '$STORY_DATA/lives' ] && [ -s '$STORY_DATA/ends' ]"
kill -9 $agent
: >"$STORY_DATA/go-ends"
start_agent
ended_with() { # EXECUTOR TEXT
	"$fairlead" executor show "$1" | grep -q "$2"
}
wait_for 60 "what ended while nobody watched is reported with its exit code (R8)" ended_with ends/0 'exit 4'
assert_equal 1 "$(wc -l <"$STORY_DATA/lives")" "what runs was not started again"
kill -0 "$(cat "$STORY_DATA/lives")" || fail "what runs runs on"
"$fairlead" executor stop lives/0 >/dev/null || fail "stop"
wait_for 60 "it is stopped" ended_with lives/0 stopped
is_gone() { # PID; whoever is init here may not have buried it yet
	local state
	state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null)
	[ -z "$state" ] || [ "$state" = Z ]
}
wait_for 5 "nothing is left of it" is_gone "$(cat "$STORY_DATA/lives")"

"$fairlead" session create --name other --selector where=shell --user nobody -- true >/dev/null || fail "create other"
wait_for 30 "what it cannot do is rejected, not ignored" ended_with other/0#1 rejected
for name in lives ends other; do
	"$fairlead" session close $name >/dev/null || fail "close $name"
done
wait_for 60 "the books balance" verify_clean
