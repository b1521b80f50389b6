#!/bin/sh
# Functions nest at most three deep: nothing branches or loops where four tabs stand.  clang-tidy's
# own check counts what macros expand to, which uthash's users would always fail.
set -eu

cd "$(dirname "$0")/../.."
if git grep -nE '^	{4,}(if|for|while|do|switch|HASH_ITER)\b' -- '*.c' '*.h'; then
	echo "nesting: deeper than three" >&2
	exit 1
fi
