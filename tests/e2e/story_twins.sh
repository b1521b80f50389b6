# Two machines live with one host id, as after a copied configuration: the newest is the host, the other is told to
# stop.  What the other still says - heartbeats, reports, its disconnect - changes nothing and is counted (A6, K1, K2).
. "$(dirname "$0")/lib.sh"
export FAIRLEAD_HUB_HEARTBEAT_INTERVAL=1s FAIRLEAD_HUB_SILENT_AFTER=2s FAIRLEAD_HUB_HTTP_LISTEN=127.0.0.1:0
story_in_cell --agents 1

agent_start() { # DIRECTORY
	"$FL_BIN_DIR/fairlead-agent" --nats-servers="$FAIRLEAD_NATS_SERVERS" --host-id=edge-1 \
		--state-dir="$STORY_DATA/$1" >>"$STORY_DATA/$1.log" 2>&1 &
}
first=0 second=0
agents_stop() {
	kill -9 $first $second 2>/dev/null
	wait $first $second 2>/dev/null
	pkill -9 -f "$STORY_DATA/(first|second)" 2>/dev/null
}
trap agents_stop EXIT
port=$(json_number http_port <"$STORY_DATA/cell/log/hub-1.log")
counted() { # METRIC
	exec 3<>"/dev/tcp/127.0.0.1/$port"
	printf 'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3
	awk -v name="$1" '$1 == name { print int($2) }' <&3
	exec 3>&-
}
counts_more() { # METRIC THAN
	[ "$(counted "$1")" -gt "$2" ]
}
epoch() {
	"$fairlead" host show edge-1 -o json | json_number epoch
}
state_is() { # EXECUTOR STATE
	"$fairlead" executor show "$1" -o json | grep -q "\"state\": *\"$2\""
}
never_suspect() {
	assert_lacks "$("$fairlead" events --host edge-1)" host.suspect "the host was not suspected: $1"
}

"$fairlead" host cordon dev-1 >/dev/null || fail "cordon"
agent_start first
first=$!
wait_for 20 "edge-1 is ready" sh -c "'$fairlead' host show edge-1 | grep -q '^state *ready'"
ledger=$STORY_DATA/ledger
mkdir -m 777 "$ledger"
# Runs until a file with its id says that it may end.
"$fairlead" session create --name web --replicas 2 -- \
	sh -c "echo \$\$ >$ledger/\$FAIRLEAD_EXECUTOR_ID; until [ ! -d $ledger ] || [ -e $ledger/\$FAIRLEAD_EXECUTOR_ID.end ]; do sleep 0.2; done; exit 7" \
	>/dev/null || fail "create"
wait_for 20 "both run" session_is web running 2
wait_for 10 "and have written their pids" sh -c "[ \$(cat $ledger/* | wc -l) = 2 ]"
ids=$(ls "$ledger")
goes_on=$(echo "$ids" | head -n 1) ends=$(echo "$ids" | tail -n 1)
old_epoch=$(epoch)

# The first one is paused while the second takes over: all it says, it says late.
kill -STOP $first
touch "$ledger/$ends.end"
agent_start second
second=$!
wait_for 20 "the newest one is the host (A6)" sh -c "[ \"\$('$fairlead' host show edge-1 -o json |
	grep -o '\"epoch\": *[0-9]*' | grep -o '[0-9]*\$')\" -gt $old_epoch ]"
new_epoch=$(epoch)
for id in $ids; do
	wait_for 20 "what only the old one's records hold is lost" state_is "$id" lost
done
wait_for 20 "and has successors on the new one" session_is web running 2

stale=$(counted fairlead_hub_stale_epochs_total) superseded=$(counted fairlead_hub_report_superseded_total)
kill -CONT $first
wait_for 20 "its heartbeats are counted (A6)" counts_more fairlead_hub_stale_epochs_total "$stale"
wait_for 20 "the old one is told to stop (A6)" grep -q hello.stale "$STORY_DATA/first.log"
wait_for 30 "it leaves" sh -c "! kill -0 $first 2>/dev/null || grep -q '^State:.Z' /proc/$first/status"
wait_for 20 "its reports are dropped and counted (A6)" counts_more fairlead_hub_report_superseded_total "$superseded"
kill -0 "$(cat "$ledger/$goes_on")" 2>/dev/null && fail "the executor of the old one outlived it (A6)"
for id in $ids; do
	state_is "$id" lost || fail "a report of a superseded journal changed executor $id (A6)"
done
assert_lacks "$("$fairlead" executor show "$ends")" 'exit 7' "nor is its exit code taken (A6)"
never_suspect "by the disconnect of the old one (A6)"

# An old one that does not listen: it goes on saying heartbeats for longer than silence is allowed to last.
if have_nats_cli; then
	stale=$(counted fairlead_hub_stale_epochs_total)
	nats_cli pub fl.hb.edge-1 --count 300 --sleep 10ms \
		"{\"host_id\":\"edge-1\",\"epoch\":$old_epoch,\"nonce_id\":\"01a2030405060708090a0b0c0d0e0f10\",
		\"server_id\":\"S\",\"client_id\":77}" >/dev/null 2>&1 || fail "pub"
	wait_for 20 "each is counted (A6)" counts_more fairlead_hub_stale_epochs_total $((stale + 299))
	never_suspect "by heartbeats of the old one (A6)"
fi
assert_equal "$new_epoch" "$(epoch)" "the newest one is the host (A6)"
session_is web running 2 || fail "the new one's executors run (A6)"
assert_equal 4 "$(ls "$ledger" | grep -vc end)" "executors that ever ran: two, and a successor of each"
"$fairlead" session close web --now >/dev/null
"$fairlead" session wait web --for closed --timeout 60s >/dev/null || fail "web closes"
wait_for 20 "the books balance" verify_clean
