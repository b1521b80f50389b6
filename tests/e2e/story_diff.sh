# What apply would do is said before it is done, field by field, by the hub that would do it.
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

file=$STORY_DATA/web.yaml
spec() { # REPLICAS COMMAND EXTRA
	cat >"$file" <<YAML
session: web
replicas: $1
max_unavailable: 1
executor:
  driver: process
  command: [sh, -c, '$2']
  env: { MODE: prod, OLD: "1" }
  stop_grace: 1s
${3:-}
YAML
}
differs() { # CODE WHAT
	said=$("$fairlead" diff -f "$file" 2>"$STORY_DATA/err")
	assert_equal "$1" $? "exit code of diff: $2 ($(cat "$STORY_DATA/err"))"
}

spec 2 'while :; do sleep 1; done'
differs 1 "a session that is not there"
assert_equal "session web would be declared: 2 executors are started in pool default" "$said" "what is new"
"$fairlead" session show web >/dev/null 2>&1
assert_equal 3 $? "diff declares nothing"
"$fairlead" apply -f "$file" >/dev/null || fail "apply declares"
wait_for 20 "two run" session_is web running 2
differs 0 "the file that was applied"
assert_equal "session web is as declared already" "$said" "no difference"
assert_silent "-o name names only who differs" "$fairlead" diff -f "$file" -o name

# Only numbers: nobody is replaced.
spec 5 'while :; do sleep 1; done'
differs 1 "more replicas"
assert_contains "$said" "  replicas: 2 -> 5" "the field, what it is and what it would be"
assert_contains "$said" "does not roll: no executor is replaced" "it does not roll"
assert_contains "$said" "  3 executors are started" "how many are touched"
spec 1 'while :; do sleep 1; done'
differs 1 "fewer replicas"
assert_contains "$said" "  1 executor is stopped" "how many are stopped"

# Another template, and more of it: every field that differs.
spec 3 'while :; do sleep 2; done' 'disconnect: { replace: false }'
sed -i 's/MODE: prod, OLD: "1"/MODE: test, NEW: "x y"/' "$file"
differs 1 "another template"
for line in '  replicas: 2 -> 3' '  disconnect.replace: true -> false' \
	'  executor.command[2]: "while :; do sleep 1; done" -> "while :; do sleep 2; done"' \
	'  executor.env.MODE: "prod" -> "test"' '  executor.env.OLD: "1" -> (unset)' \
	'  executor.env.NEW: (unset) -> "x y"' \
	'  rolls: 2 executors are replaced, at most 1 away at a time' '  1 executor is started'; do
	printf '%s\n' "$said" | grep -qxF -- "$line" || fail "'$line' is not a line of: $said"
done
assert_equal web "$("$fairlead" diff -f "$file" -o name)" "-o name names who differs"
json=$("$fairlead" diff -f "$file" -o json)
assert_equal 1 $? "the exit code does not depend on the form"
assert_equal 2 "$(printf '%s\n' "$json" | json_number replaced)" "a program reads how many are replaced"
assert_equal '"prod"' "$(printf '%s\n' "$json" | jq -r '.changes[] | select(.field == "executor.env.MODE").from')" \
	"and what stood in a field"
assert_equal "$("$fairlead" diff -f "$file")" "$("$fairlead" diff -f - <"$file")" "a file on standard input"
assert_equal 1 "$("$fairlead" session show web -o json | json_number revision)" "diff changed nothing"

# What it said is what apply does.
"$fairlead" apply -f "$file" >/dev/null || fail "apply changes"
differs 0 "after apply"
assert_equal 2 "$("$fairlead" session show web -o json | json_number revision)" "apply changed it once"
wait_for 60 "three run" session_is web running 3

# Trouble is 2, and names what is wrong; the other sessions of the file are looked at all the same.
printf -- '---\nsession: other\nexecutor: { command: [x] }\n' >>"$file"
sed -i 's/^replicas: 3/replicas: 3\npool: elsewhere/' "$file"
differs 2 "a session that apply would refuse"
assert_contains "$(cat "$STORY_DATA/err")" "pool" "the refusal names the field"
assert_contains "$said" "session other would be declared" "the rest of the file is looked at"
printf 'session: web\nreplica: 3\n' >"$file"
differs 2 "a file with a key that is none"
differs() {
	"$fairlead" diff "$@" >/dev/null 2>&1
	assert_equal 2 $? "trouble: diff $*"
}
differs
differs -f "$STORY_DATA/nowhere.yaml"
differs -f "$file" --server nats://127.0.0.1:1 --timeout 1s

"$fairlead" session close web --now >/dev/null
"$fairlead" session wait web --for closed --timeout 60s >/dev/null || fail "web closes"
wait_for 20 "the books balance" verify_clean
