# A cell is stopped and started again on its data: it is up when its agents have said hello again, not when
# their old rows are there.
. "$(dirname "$0")/lib.sh"

data=$(mktemp -d /tmp/fairlead-again-XXXXXX)
chmod 755 "$data"
trap 'rm -rf "$data"' EXIT

epoch() { # of the agent as the cell says it is up
	"$fairlead" dev --data "$data/cell" --exec "'$fairlead' host show dev-1 -o json" | json_number epoch
}

first=$(epoch)
[ "${first:-0}" -gt 0 ] || fail "a new cell is up without its agent"
second=$(epoch)
[ "${second:-0}" -gt "$first" ] || fail "up with the agent of epoch $second, which ended before; the first was $first"
