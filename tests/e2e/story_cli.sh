# What a person and a script get from the command line: forms of output.
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

file=$STORY_DATA/web.yaml
cat >"$file" <<YAML
session: web
replicas: 2
executor:
  driver: process
  command: [sleep, "100000"]
  env: { MODE: "yes" }
YAML

# ---- -o yaml, -o name ----
assert_equal web "$("$fairlead" apply -f "$file" -o name)" "apply -o name says which"
wait_for 30 "two run" session_is web running 2
assert_equal web "$("$fairlead" session ls -o name)" "session ls -o name"
assert_equal "web/0 web/1" "$("$fairlead" executor ls -o name | sort | xargs)" "executor ls -o name"
assert_equal web/0 "$("$fairlead" executor show web/0 -o name)" "executor show -o name names the executor, not its events"
assert_equal dev-1 "$("$fairlead" host ls -o name)" "host ls -o name"
cursors() { # facts become events a moment later
	said=$("$fairlead" events --session web -o name)
	[[ $said =~ ^[0-9]+($'\n'[0-9]+)*$ ]]
}
wait_for 10 "an event's name is its cursor" cursors
"$fairlead" session show web -o yaml >"$STORY_DATA/show.yaml" || fail "session show -o yaml"
grep -qx "  name: web" "$STORY_DATA/show.yaml" || fail "a name that is a word is not quoted in yaml"
grep -qx "  *- '100000'" "$STORY_DATA/show.yaml" || fail "text that looks like a number is quoted in yaml"
grep -qx "  *MODE: 'yes'" "$STORY_DATA/show.yaml" || fail "text that looks like a bool is quoted in yaml"
grep -qx '  *replicas: 2' "$STORY_DATA/show.yaml" || fail "a number is not quoted in yaml"
assert_equal "$("$fairlead" session show web -o json | grep -c '"[A-Za-z_]*": [^[{]')" \
	"$(grep -c '[A-Za-z_]*: [^[{]' "$STORY_DATA/show.yaml")" "yaml has the fields of json"
said=$("$fairlead" session ls -o xml 2>&1)
assert_equal 2 $? "an unknown form is a usage error"
assert_contains "$said" "allowed are table, json, yaml and name" "the refusal names the forms"
said=$("$fairlead" status -o name 2>&1)
assert_equal 2 $? "status has no name"
assert_contains "$said" "allowed are table, json and yaml" "the refusal names the forms there are"

# ---- what has to be said twice ----
said=$("$fairlead" host stop-unknown dev-1 2>&1)
assert_equal 2 $? "without --confirm nothing is stopped (K6)"
assert_contains "$said" "field: confirm" "the refusal names its field (K6)"
assert_contains "$("$fairlead" host stop-unknown dev-1 --confirm)" "has nothing" "there is nothing that the cell does not know"
assert_equal dev-1 "$("$fairlead" host stop-unknown dev-1 --confirm -o name)" "host stop-unknown -o name"
"$fairlead" host stop-unknown nobody --confirm 2>/dev/null
assert_equal 3 $? "a host that nobody knows is not found"
session_is web running 2 || fail "what the cell knows runs on"

"$fairlead" session close web --now >/dev/null
"$fairlead" session wait web --for closed --timeout 60s >/dev/null || fail "web closes"
