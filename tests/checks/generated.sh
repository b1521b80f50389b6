#!/bin/sh
# What is generated from rows of the code must stand in the tree as the rows say it now.
#
#   generated.sh            exit 1 and a diff on drift
#   generated.sh --write    bring docs/protocol.md up to date
#
# FL_BIN_DIR: the bin directory of a build.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
tables=${FL_BIN_DIR:?set FL_BIN_DIR to the bin directory of a build}/fairlead-tables
document=$root/docs/protocol.md
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Copies the document; between "<!-- generated: X -->" and "<!-- end -->" stands table X instead.
while IFS= read -r line; do
	case $line in
	'<!-- generated: '*' -->')
		name=${line#<!-- generated: }
		name=${name% -->}
		printf '%s\n' "$line"
		"$tables" "$name"
		inside=yes
		;;
	'<!-- end -->')
		printf '%s\n' "$line"
		inside=
		;;
	*)
		[ -n "${inside:-}" ] || printf '%s\n' "$line"
		;;
	esac
done <"$document" >"$scratch/protocol.md"

if [ "${1:-}" = --write ]; then
	cat "$scratch/protocol.md" >"$document"
	exit 0
fi

failed=0
diff -u "$document" "$scratch/protocol.md" || {
	echo "generated: docs/protocol.md has drifted from the code; run $0 --write" >&2
	failed=1
}
for name in subjects streams endpoints states diagram limits; do
	grep -q "^<!-- generated: $name -->\$" "$document" || {
		echo "generated: docs/protocol.md has no section $name" >&2
		failed=1
	}
done
# The newest CHECK wins: it must be the last one that the migrations write.
check=$("$tables" sql)
written=$(cat "$root"/db/migrations/*.sql | grep -o 'state IN (10[^)]*)' | tail -n 1)
[ "$check" = "$written" ] || {
	echo "generated: executor.state in db/migrations is \"$written\", the rows say \"$check\"" >&2
	failed=1
}
exit $failed
