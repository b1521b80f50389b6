#!/bin/sh
# What is generated from rows of the code must stand in the tree as the rows say it now.
#
#   generated.sh            exit 1 and a diff on drift
#   generated.sh --write    bring the documents up to date
#
# FL_BIN_DIR: the bin directory of a build.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${FL_BIN_DIR:?set FL_BIN_DIR to the bin directory of a build}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# DOCUMENT TABLE...: every table the document must have.  "config PROGRAM" is printed by the program itself,
# any other by fairlead-tables.
documents='
protocol.md subjects streams consumers endpoints limits bounds
state.md states diagram
operations.md metrics queues
config.md config:fairlead-hub config:fairlead-scheduler config:fairlead-agent config:fairlead-fleet
'

print_table() { # NAME
	case $1 in
	config:*) "$bin/${1#config:}" --print-config-markdown ;;
	*) "$bin/fairlead-tables" "$1" ;;
	esac
}

# Copies the document; between "<!-- generated: X -->" and "<!-- end -->" stands table X instead.
generate() { # DOCUMENT
	inside=
	while IFS= read -r line; do
		case $line in
		'<!-- generated: '*' -->')
			name=${line#<!-- generated: }
			printf '%s\n' "$line"
			print_table "${name% -->}"
			inside=yes
			;;
		'<!-- end -->')
			printf '%s\n' "$line"
			inside=
			;;
		*)
			[ -n "$inside" ] || printf '%s\n' "$line"
			;;
		esac
	done <"$1"
}

complain() {
	echo "generated: $*" >&2
	failed=1
}

while read -r document tables; do
	[ -n "$document" ] || continue
	generate "$root/docs/$document" >"$scratch/$document"
	if [ "${1:-}" = --write ]; then
		cat "$scratch/$document" >"$root/docs/$document"
		continue
	fi
	diff -u "$root/docs/$document" "$scratch/$document" ||
		complain "docs/$document has drifted from the code; run $0 --write"
	for name in $tables; do
		grep -q "^<!-- generated: $name -->\$" "$root/docs/$document" ||
			complain "docs/$document has no section $name"
	done
done <<TABLE
$documents
TABLE
[ "${1:-}" != --write ] || exit 0

# A bound that no code uses is a line of a document that is not true.
used() { # NAME
	[ -n "$(find "$root/lib" "$root/services" -name '*.[ch]' -exec grep -lw -- "$1" {} +)" ]
}
for name in $(find "$root/lib" "$root/services" -name '*_bounds.def' \
	-exec sed -n 's/^BOUND_ROW(\([A-Za-z0-9_]*\),.*/\1/p' {} +); do
	used "$name" || complain "$name is a row of a *_bounds.def that no code uses"
done

# The newest CHECK wins: it must be the last one that the migrations write.
check=$("$bin/fairlead-tables" sql)
written=$(cat "$root"/db/migrations/*.sql | grep -o 'state IN (10[^)]*)' | tail -n 1)
[ "$check" = "$written" ] ||
	complain "executor.state in db/migrations is \"$written\", the rows say \"$check\""
exit $failed
