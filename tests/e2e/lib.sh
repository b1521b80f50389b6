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

# The real nats client: NATS_CLI, or the one beside the checkout, or the path's.
nats_cli() {
	local found=${NATS_CLI:-}
	[ -n "$found" ] || found=$FL_SOURCE_DIR/../shared/tools/nats
	[ -x "$found" ] || found=$(command -v nats || true)
	[ -n "$found" ] || return 1
	"$found" --server "$FAIRLEAD_NATS_SERVERS" "$@"
}

have_nats_cli() {
	[ -x "${NATS_CLI:-}" ] || [ -x "$FL_SOURCE_DIR/../shared/tools/nats" ] || command -v nats >/dev/null
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

# wait_for SECONDS WHAT COMMAND...: until COMMAND succeeds.
wait_for() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || fail "not within the deadline: $what"
		read -r -t 0.1 <> <(:) || true
	done
}

assert_equal() { # EXPECTED ACTUAL WHAT
	[ "$1" = "$2" ] || fail "$3: expected '$1', got '$2'"
}

assert_contains() { # TEXT PART WHAT
	case $1 in
	*"$2"*) ;;
	*) fail "$3: '$2' is not in: $1" ;;
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

session_is() { # NAME JSON-KEY VALUE
	[ "$("$fairlead" session show "$1" -o json | json_number "$2")" = "$3" ]
}

verify_clean() {
	"$fairlead" admin verify || fail "admin verify found violations"
}
