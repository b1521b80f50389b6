# Executors are spread over zones and kept apart, what cannot be says why with counts, a host that fails
# its executors is avoided, and no host out of service gets any (P3, P9, L5).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

agents=()
agent_start() { # HOST ZONE
	"$FL_BIN_DIR/fairlead-agent" --nats-servers="$FAIRLEAD_NATS_SERVERS" --host-id="$1" --labels="zone=$2" \
		--state-dir="$STORY_DATA/$1" --stop-executors-on-exit >"$STORY_DATA/$1.log" 2>&1 &
	agents+=($!)
}
agents_stop() {
	kill "${agents[@]}" 2>/dev/null
	wait "${agents[@]}" 2>/dev/null
}
trap agents_stop EXIT
hosts_ready() {
	[ "$("$fairlead" host ls -o json | grep -c '"state": *"host_ready"')" = "$1" ]
}
# How many of a session run on hosts whose name begins so.
running_on() { # SESSION HOSTS
	"$fairlead" executor ls --session "$1" | awk -v hosts="^$2" '$3 ~ hosts && /running/ { n++ } END { print n + 0 }'
}
runs_on() { # SESSION HOSTS N
	[ "$(running_on "$1" "$2")" = "$3" ]
}
waits_for() { # SESSION WORDS
	"$fairlead" session why "$1" | grep -q "$2"
}
spec() { # NAME REPLICAS PLACEMENT COMMAND
	cat >"$STORY_DATA/$1.yaml" <<YAML
session: $1
replicas: $2
placement: { $3 }
executor:
  driver: process
  command: [sh, -c, '$4']
  stop_grace: 1s
YAML
}
forever='while :; do sleep 1; done'

agent_start a-1 a
agent_start a-2 a
agent_start b-1 b
agent_start c-1 c
wait_for 20 "five hosts are ready" hosts_ready 5

# Over zones, whatever the number of hosts; dev-1 has no zone.
spec web 6 'spread: zone' "$forever"
"$fairlead" apply -f "$STORY_DATA/web.yaml" >/dev/null || fail "apply web"
wait_for 20 "six run (P3)" session_is web running 6
for zone in a b c; do
	assert_equal 2 "$(running_on web $zone-)" "two in zone $zone (P3)"
done
"$fairlead" session scale web 7 >/dev/null || fail "scale"
wait_for 20 "seven run (P3)" session_is web running 7

# One per host, and no sixth: the hosts say why.
spec apart 6 'anti_affinity: host' "$forever"
"$fairlead" apply -f "$STORY_DATA/apart.yaml" >/dev/null || fail "apply apart"
wait_for 20 "five run (P3)" session_is apart running 5
for host in a-1 a-2 b-1 c-1 dev-1; do
	assert_equal 1 "$(running_on apart $host)" "one on $host (P3)"
done
wait_for 20 "why the sixth waits (P3)" waits_for apart '5 hosts: anti-affinity'

# Hosts out of service are none: cordoned and draining ones get nothing.
"$fairlead" host cordon b-1 --reason story >/dev/null || fail "cordon"
"$fairlead" host drain c-1 --reason story --wait --timeout 60s >/dev/null || fail "drain"
spec late 4 'selector: "zone in (b,c)"' "$forever"
"$fairlead" apply -f "$STORY_DATA/late.yaml" >/dev/null || fail "apply late"
wait_for 20 "a cordoned host is none (L5)" waits_for late '1 hosts: cordoned'
wait_for 20 "a draining host is none (L5)" waits_for late '1 hosts: draining'
wait_for 20 "nor are those of other zones (P3)" waits_for late '3 hosts: selector'
assert_equal 0 "$("$fairlead" session show late -o json | json_number running)" "nobody of late runs (L5)"
"$fairlead" host undrain c-1 >/dev/null && "$fairlead" host uncordon c-1 >/dev/null || fail "uncordon"
wait_for 20 "all go to the one that is back (L5)" runs_on late c-1 4
"$fairlead" host uncordon b-1 >/dev/null || fail "uncordon"

# What no host has at all is refused at once, or waits and says so.
spec nowhere 1 'spread: rack' "$forever"
said=$("$fairlead" apply -f "$STORY_DATA/nowhere.yaml" 2>&1) && fail "no host has a rack (E16)"
assert_contains "$said" "could ever fit" "why it is refused"
"$fairlead" apply -f "$STORY_DATA/nowhere.yaml" --wait-for-hosts >/dev/null || fail "wait for hosts"
wait_for 20 "it waits for a label (P3)" waits_for nowhere '5 hosts: label missing'
said=$(sed 's/spread: rack/max_skew: 2/' "$STORY_DATA/nowhere.yaml" | "$fairlead" apply -f - 2>&1) && fail "a skew of nothing"
assert_contains "$said" "placement.max_skew: 2 says nothing without spread" "the error names the field"

# It works everywhere but on a-1: once it has failed there others come first, and people can see why.
"$fairlead" host cordon a-2 >/dev/null || fail "cordon"
cat >"$STORY_DATA/picky.yaml" <<YAML
session: picky
replicas: 1
restart: { policy: on-failure, max: 10, backoff: 100ms, backoff_max: 100ms }
placement: { selector: "zone = a" }
executor:
  driver: process
  command: [sh, -c, 'read -r _ _ _ agent _ </proc/\$PPID/stat; [ "\$agent" = ${agents[0]} ] && exit 3; $forever']
  stop_grace: 1s
YAML
"$fairlead" apply -f "$STORY_DATA/picky.yaml" >/dev/null || fail "apply picky"
wait_for 60 "its host is avoided, and only that (P9)" waits_for picky '^avoided *a-1: '
"$fairlead" host uncordon a-2 >/dev/null || fail "uncordon"
wait_for 90 "the next one goes to the other host (P9)" runs_on picky a-2 1

for name in web apart late nowhere picky; do
	"$fairlead" session close "$name" --now >/dev/null
	"$fairlead" session wait "$name" --for closed --timeout 60s >/dev/null || fail "$name closes"
done
wait_for 20 "the books balance (E12)" verify_clean
