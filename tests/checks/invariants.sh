#!/bin/sh
# Every invariant that `admin verify` asks for is planted broken in the tests of its store, so that none is
# asked in vain (O5).
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
failures=0

check() { # NAMES-OF-INVARIANTS PLANTS
	for name in $1; do
		grep -q "{\"$name\"" "$root/$2" && continue
		echo "invariants: $name is asked for and never planted in $2" >&2
		failures=$((failures + 1))
	done
	[ "$(echo "$1" | wc -w)" -ge 14 ] || {
		echo "invariants: cannot read the names for $2" >&2
		failures=$((failures + 1))
	}
}

check "$(sed -n 's/^ *LOOK("\([a-z_]*\)".*/\1/p' "$root/lib/store/pg_verify.c")" tests/integration/store/postgres_cell.c
check "$(sed -n 's/^ *{"\([a-z_]*\)", [a-z_]*},.*/\1/p' "$root/lib/store/memory_verify.c")" tests/integration/store/memory_cell.c
[ "$failures" = 0 ]
