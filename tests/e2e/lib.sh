# lib: what stories share.  A story is a script that runs itself again inside a private cell:
#
#     . "$(dirname "$0")/lib.sh"
#     story_in_cell --agents 2     # returns only inside the cell
#     ... commands against the cell ...
#
# Conditions are waited for with a deadline; nothing sleeps and hopes, nothing is tried until it passes.
set -u
fairlead=$FL_BIN_DIR/fairlead

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

skip() {
	echo "SKIP: $*"
	exit 77
}

# The real nats client: NATS_CLI, or the one beside the checkout, or the path's; "" when none is there.
nats_program() {
	local found=${NATS_CLI:-}
	[ -n "$found" ] || found=$FL_SOURCE_DIR/../shared/tools/nats
	[ -x "$found" ] || found=$(command -v nats || true)
	echo "$found"
}

nats_cli() {
	"$(nats_program)" --server "$FAIRLEAD_NATS_SERVERS" "$@"
}

have_nats_cli() {
	[ -n "$(nats_program)" ]
}

# An event of KIND has been said, with TEXT in its JSON.
event_said() { # KIND TEXT
	"$fairlead" events -o json |
		jq -se --arg kind "$1" --arg text "$2" '[.. | objects | select(.kind? == $kind) | tojson | contains($text)] | any'
}

# Listens until $listener is killed.  Started as one process: a client whose shell alone is killed goes on
# for ever, and hears the next server on its port.
nats_listen() { # FILE SUBJECT [OPTIONS]
	local file=$1
	shift
	"$(nats_program)" --server "$FAIRLEAD_NATS_SERVERS" sub "$@" >"$file" 2>&1 &
	listener=$!
	wait_for 10 "the listener is subscribed" grep -q Subscribing "$file"
}

# Outside: starts a cell, runs this story in it, cleans up, exits.  Inside: returns.
story_in_cell() {
	[ -z "${STORY_DATA:-}" ] || return 0
	STORY_DATA=$(mktemp -d /tmp/fairlead-story-XXXXXX)
	export STORY_DATA
	chmod 755 "$STORY_DATA"
	"$fairlead" dev --data "$STORY_DATA/cell" "$@" --exec "bash '$0'"
	local code=$?
	if [ $code -ne 0 ] && [ $code -ne 77 ]; then
		for log in "$STORY_DATA"/cell/log/*.log; do
			echo "--- ${log##*/}"
			tail -n 25 "$log"
		done
	fi
	rm -rf "$STORY_DATA"
	exit $code
}

# wait_for SECONDS WHAT COMMAND...: until COMMAND succeeds.  A busy machine gets three times as long, but
# not where the seconds are what is promised: PATIENCE=1 wait_for ...
wait_for() {
	local deadline=$((SECONDS + $1 * ${PATIENCE:-3})) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || fail "not within the deadline: $what"
		read -r -t 0.1 <> <(:) || true
	done
}

# Both may be what a command printed: where it printed nothing, nothing was compared.
assert_equal() { # EXPECTED ACTUAL WHAT
	[ -n "$1" ] || fail "$3: nothing is expected; assert_silent and assert_empty are for that"
	[ "$1" = "$2" ] || fail "$3: expected '$1', got '$2'"
}

assert_empty() { # TEXT WHAT
	[ -z "$1" ] || fail "$2: expected nothing, got '$1'"
}

# A command that fails says nothing either, so it must succeed.
assert_silent() { # WHAT COMMAND...
	local what=$1 said
	shift
	said=$("$@") || fail "$what: exit code $? of: $*"
	assert_empty "$said" "$what"
}

assert_contains() { # TEXT PART WHAT
	case $1 in
	*"$2"*) ;;
	*) fail "$3: '$2' is not in: $1" ;;
	esac
}

# What a command that failed printed lacks everything.
assert_lacks() { # TEXT PART WHAT
	[ -n "$1" ] || fail "$3: nothing was said"
	case $1 in
	*"$2"*) fail "$3: '$2' is in: $1" ;;
	esac
}

# The process of this cell whose command line has this argument.
pid_of() {
	pgrep -f -- "fairlead-.*$FAIRLEAD_NATS_SERVERS.*$1( |\$)" | head -n 1
}

# A number from a JSON answer: json_number KEY < answer
json_number() {
	grep -o "\"$1\": *[0-9]*" | head -n 1 | grep -o '[0-9]*$'
}

# golden_equal FILE ACTUAL WHAT: ACTUAL must read as FILE of tests/e2e/golden says.  FL_GOLDEN=write makes
# FILE read as ACTUAL instead: for whoever changed on purpose what people see, and looks at the diff.
golden_equal() {
	local want=$FL_SOURCE_DIR/tests/e2e/golden/$1
	if [ "${FL_GOLDEN:-}" = write ]; then
		cat "$2" >"$want"
		return
	fi
	diff -u "$want" "$2" || fail "$3: not as tests/e2e/golden/$1 says (FL_GOLDEN=write writes it anew)"
}

session_is() { # NAME JSON-KEY VALUE
	[ "$("$fairlead" session show "$1" -o json | json_number "$2")" = "$3" ]
}

verify_clean() {
	"$fairlead" admin verify || fail "admin verify found violations"
}
