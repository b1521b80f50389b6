# two-agents: a second agent claims a host's identity: one of them serves, the other stops and exits.
. "$(dirname "$0")/lib.sh"
drill_options creates=100 -- "$@"
drill_cell --agents 2 --hubs 2 --schedulers 2

host_start twin
first=$host_pid
wait_for 20 "twin is ready" host_is twin $host_ready
load_lost_after=5s
load_start "$opt_creates"
on_twin() { [ "$(sql "SELECT count(*) FROM executor WHERE host_id = 'twin' AND state = 70")" -ge 3 ]; }
wait_for 60 "twin has work" on_twin

# The same records: the lock refuses it before it says a word (K20).
"$FL_BIN_DIR/fairlead-agent" --nats-servers="$FAIRLEAD_NATS_SERVERS" --host-id=twin \
	--state-dir="$STORY_DATA/hosts/twin" >"$cell/log/same.log" 2>&1
[ $? -ne 0 ] || fail "a second agent took the records of a running one"
kill -0 $first || fail "the first agent ended with it"

# Records of its own: a machine that was installed anew under the old name (K1).
mkdir -p "$STORY_DATA/hosts"
"$FL_BIN_DIR/fairlead-agent" --nats-servers="$FAIRLEAD_NATS_SERVERS" --host-id=twin \
	--state-dir="$STORY_DATA/hosts/new-twin" >"$cell/log/new-twin.log" 2>&1 &
second=$!
echo $second >>"$STORY_DATA/ours"
at=$(now_ms)
first_gone() { ! kill -0 $first; }
wait_for 30 "the superseded agent exits" first_gone
echo "the superseded agent stopped its executors and exited after $(($(now_ms) - at)) ms"
kill -0 $second || fail "both are gone"
wait_for 20 "the new one serves" host_is twin $host_ready
load_finish
verdict "the newest agent of a name serves, the other stops (A6)"
