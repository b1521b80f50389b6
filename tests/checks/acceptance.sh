#!/bin/sh
# Every id of tests/acceptance.txt has tests, and each of them is there, carries the id, and is run: a C
# test is listed in its program, a story says the id in a line that is not a comment.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
table=$root/tests/acceptance.txt
failures=0
id=
tests=0

complain() {
	echo "acceptance: $*" >&2
	failures=$((failures + 1))
}

# The id is over: it must have had a test.
close_id() {
	[ -z "$id" ] || [ "$tests" -gt 0 ] || complain "$id has no test"
}

# NAME carries ID as one of its _-separated parts.
carries() {
	case _$1_ in
	*"_${id}_"*) return 0 ;;
	esac
	return 1
}

check_c() { # FILE NAME
	carries "$2" || complain "$id: the name $2 does not carry it"
	# Once where it is defined, once in the list of the program.
	[ "$(grep -cw -- "$2" "$root/$1")" -ge 2 ] || complain "$id: $1 does not define and list $2"
}

check_story() { # FILE
	grep -v '^[[:space:]]*#' "$root/$1" | grep -q "(.*\<$id\>.*)" ||
		complain "$id: nothing that $1 says carries it"
}

while IFS= read -r line; do
	case $line in
	'' | '#'*) ;;
	[A-Z][0-9]*' '?*)
		close_id
		id=${line%% *}
		tests=0
		[ "$(grep -c "^$id " "$table")" = 1 ] || complain "$id stands twice"
		;;
	'	tests/'*)
		file=${line#?}
		name=${file#*:}
		file=${file%%:*}
		tests=$((tests + 1))
		if [ ! -f "$root/$file" ]; then
			complain "$id: no file $file"
		elif [ "$name" != "$file" ]; then
			check_c "$file" "$name"
		else
			check_story "$file"
		fi
		;;
	*) complain "cannot read: $line" ;;
	esac
done <"$table"
close_id
[ "$failures" = 0 ]
