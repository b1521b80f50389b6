# A session is scaled, rolled to another template, paused by a bad one, undone; a host is drained
# (E9, E11, E13, P4).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 2

spec() { # REPLICAS COMMAND
	cat >"$STORY_DATA/web.yaml" <<YAML
session: web
replicas: $1
max_unavailable: 1
executor:
  driver: process
  command: [sh, -c, '$2']
  stop_grace: 1s
YAML
}
rolled_out() {
	"$fairlead" events --session web -o json | grep -c '"kind": *"session.rolled_out"' | grep -qx "$1"
}
none_left() {
	[ "$("$fairlead" host show "$1" -o json | json_number executors)" = 0 ]
}
commands_running() { # HOW MANY RUN THE TEMPLATE OF REVISION
	[ "$("$fairlead" executor ls --session web -o json | grep -c "\"revision\": *$2\$\|\"revision\": *$2,")" = "$1" ]
}

spec 2 'while :; do sleep 1; done'
"$fairlead" apply -f "$STORY_DATA/web.yaml" >/dev/null || fail "apply declares"
wait_for 20 "two run" session_is web running 2
assert_contains "$("$fairlead" apply -f "$STORY_DATA/web.yaml")" "as declared already" "apply again"

"$fairlead" session scale web 4 >/dev/null || fail "scale up (E9)"
wait_for 20 "four run (E9)" session_is web running 4
"$fairlead" session scale web 1 >/dev/null || fail "scale down (E9)"
wait_for 20 "one runs (E9)" session_is web running 1
wait_for 20 "three were stopped (E9)" session_is web stopped 3
"$fairlead" session scale web 3 >/dev/null || fail "scale up again (E9)"
wait_for 20 "three run (E9)" session_is web running 3

# Another template: one at a time, all in the end (E11).
spec 3 'while :; do sleep 2; done'
said=$("$fairlead" apply -f "$STORY_DATA/web.yaml") || fail "apply changes"
assert_contains "$said" "executor.command" "what changed is named (E11)"
wait_for 60 "the rollout ends (E11)" rolled_out 1
wait_for 20 "three run" session_is web running 3

# One that cannot work: the rollout stands still after the first (E11).  It must not even start: who runs, for a
# moment only, makes room for the next.
spec 3 'exit 3'
sed -i 's/\[sh, -c,/[no-such-program, -c,/' "$STORY_DATA/web.yaml"
"$fairlead" apply -f "$STORY_DATA/web.yaml" >/dev/null || fail "apply the bad one"
wait_for 60 "the rollout is paused and says why (E11)" sh -c "'$fairlead' session show web | grep -q 'paused: web/'"
assert_equal 2 "$("$fairlead" session show web -o json | json_number running)" "who was not touched runs on (E11)"
"$fairlead" session undo web >/dev/null || fail "undo (E11)"
wait_for 60 "the undo rolls back (E11)" rolled_out 2
wait_for 20 "the two run on, or again" session_is web running 2

# Bad input changes nothing (E13).
! "$fairlead" session scale web 100001 2>/dev/null || fail "too many are refused"
! "$fairlead" session scale nobody 1 2>/dev/null || fail "an unknown session is refused"
! "$fairlead" session resume web 2>/dev/null || fail "nothing is paused"

# Drain: a dry run moves nothing, a drain moves all, one at a time (P4).
host=$("$fairlead" executor ls --session web -o json | grep -o '"host": *"dev-[12]"' | head -n 1 | grep -o 'dev-[12]')
"$fairlead" host drain "$host" --dry-run | grep -q "would be drained" || fail "dry run (P4)"
assert_lacks "$("$fairlead" host ls -o json)" '"draining"' "a dry run changes nothing (P4)"
"$fairlead" host drain "$host" --reason kernel --wait --timeout 60s >/dev/null || fail "drain (P4)"
wait_for 20 "none is left on $host (P4)" none_left "$host"
wait_for 20 "they run elsewhere (P4)" session_is web running 2
"$fairlead" host undrain "$host" >/dev/null && "$fairlead" host uncordon "$host" >/dev/null || fail "undrain"
"$fairlead" session close web --now >/dev/null
"$fairlead" session wait web --for closed --timeout 60s >/dev/null || fail "web closes"
wait_for 20 "the books balance (E12)" verify_clean
