# A user declares sessions, repeats themselves, contradicts themselves, and closes.
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 3 --hubs 2 --schedulers 2

file=$STORY_DATA/web.yaml
mark=100000$$ # seconds to sleep that no other story on this machine has
cat >"$file" <<YAML
session: web
replicas: 6
restart: { policy: never }
executor:
  driver: process
  command: [sleep, "$mark"]
  resources: { cpu: 10m, memory: 16Mi }
YAML
assert_contains "$("$fairlead" apply -f "$file")" "6 executors" "apply says what it did"
wait_for 20 "6 executors run" session_is web running 6
assert_contains "$("$fairlead" apply -f "$file")" "as declared already" "the same spec again is no change (E7)"

said=$("$fairlead" session create web --replicas 6 --cpu 10m --memory 16Mi -- sleep "$mark.5" 2>&1)
assert_equal 4 $? "another spec under the same name is a conflict (E7)"
assert_contains "$said" executor.command "the conflict names the field (E7)"

sed 's/session: web/session: two/; s/replicas: 6/replicas: 0/' "$file" >"$file.4"
printf 'disconnect: { lost_after: 30s, stop_on_host_after: 20s }\n' >>"$file.4"
said=$("$fairlead" apply -f "$file.4" 2>&1 >/dev/null)
assert_contains "$said" "may run at the same time" "an overlap that was chosen is warned about on stderr"
assert_contains "$("$fairlead" session show two)" "lost after 30s, then replaced, stopped on the host after 20s" \
	"session show says it"
"$fairlead" session close two --now >/dev/null

said=$("$fairlead" session create web --key fresh --replicas 6 --cpu 10m --memory 16Mi -- sleep "$mark.5" 2>&1)
assert_equal 4 $? "a new key on a taken name is compared all the same (E7)"
assert_contains "$said" executor.command "and the conflict names the field (E7)"

keyed() { # NAME: the id of the session that answers a create of this name with the key
	"$fairlead" session create --key k1 --name "$1" -o json -- sleep "$mark" | jq -r .session.session_id
}
first=$(keyed keyed)
assert_equal 32 ${#first} "characters of the id of the session that a create with a key made"
assert_equal "$first" "$(keyed keyed)" "the same create with the same key answers the same session (E8)"
assert_equal "$first" "$(keyed other)" "a key returns the first answer, whatever is asked later (E8)"
"$fairlead" session show other >/dev/null 2>&1
assert_equal 3 $? "nothing else was declared with it (E8)"
wait_for 20 "keyed runs" session_is keyed running 1

# Deaf to SIGTERM, and with an hour of grace: nothing but --now ends these.
pids=$STORY_DATA/pids
mkdir -m 777 "$pids"
cat >"$file.5" <<YAML
session: deaf
replicas: 3
executor:
  command: [sh, -c, "trap '' TERM; : >$pids/\$\$; while :; do sleep 0.2; done"]
  stop_grace: 1h
YAML
"$fairlead" apply -f "$file.5" >/dev/null || fail "apply deaf"
all_deaf() {
	[ "$(ls "$pids" | wc -l)" = 3 ]
}
wait_for 20 "3 executors of deaf run" session_is deaf running 3
wait_for 20 "each has said its pid" all_deaf

said=$("$fairlead" session create --key k1 --name other --wait --timeout 20s -- sleep 501)
assert_equal 0 $? "a repeated create waits for the session of its key (E8)"
assert_contains "$said" "session keyed: running" "and says which it is (E8)"

printf 'session: bad\nreplica: 3\n' >"$file.3"
said=$("$fairlead" apply -f "$file.3" 2>&1)
assert_equal 2 $? "an unknown key is refused"
assert_contains "$said" ":2" "with its line"
assert_contains "$said" replica "and its name"

said=$("$fairlead" session create --name huge --memory 900Gi -- true 2>&1)
assert_equal 2 $? "what no host could ever fit is refused at create (E16)"
assert_contains "$said" wait-for-hosts "with the way round it (E16)"
"$fairlead" session create --name huge --memory 900Gi --wait-for-hosts -- true >/dev/null ||
	fail "unless the user waits for hosts (E16)"
assert_contains "$("$fairlead" session create --name huge --memory 900Gi -- true)" "as declared already" \
	"what is declared is answered as before, whatever hosts are there now (E7)"
wait_for 20 "why says that no host is large enough" \
	sh -c "'$fairlead' session why huge | grep -q '3 hosts'"
"$fairlead" session close huge >/dev/null

"$fairlead" session close web >/dev/null || fail "close"
"$fairlead" session close web >/dev/null || fail "close twice is fine (E9)"
"$fairlead" session wait web --for closed --timeout 60s >/dev/null || fail "web closes (E9)"
"$fairlead" session close keyed >/dev/null || fail "close keyed"
"$fairlead" session wait keyed --for closed --timeout 60s >/dev/null || fail "keyed closes"
"$fairlead" session close deaf >/dev/null || fail "close deaf gracefully (E9)"
wait_for 20 "its executors are asked to stop (E9)" session_is deaf stopping 3
for pid in $(ls "$pids"); do
	kill -0 "$pid" || fail "process $pid was killed within its grace (E9)"
done
"$fairlead" session close deaf --now >/dev/null || fail "close now, while it closes gracefully (E9)"
"$fairlead" session wait deaf --for closed --timeout 60s >/dev/null || fail "deaf closes now (E9)"
for pid in $(ls "$pids"); do
	! kill -0 "$pid" 2>/dev/null || fail "process $pid outlived close --now (E9)"
done
assert_equal 3 "$("$fairlead" executor ls --all --session deaf -o json | grep -c '"signal": *9\b')" \
	"executors that close --now killed (E9)"
assert_empty "$(pgrep -fx "sleep $mark(.5)?")" "no process is left"
wait_for 20 "the books balance (E12)" verify_clean
