#!/bin/sh
# No text file that git tracks holds a conflict of a merge that nobody resolved.
set -eu

cd "$(dirname "$0")/../.."

# Seven of one character at the start of a line.  Not equal signs: those also underline headings, and never
# stand in a conflict without the others.
marks='< | >'
for mark in $marks; do
	found=0
	git grep -nIE "^[$mark]{7}( |\$)" || found=$?
	[ "$found" = 1 ] || {
		echo "conflicts: lines that begin with seven '$mark' are a merge committed unresolved" >&2
		exit 1
	}
done
