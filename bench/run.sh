#!/bin/sh
# run.sh NAMES...: runs bench programs (B1 -> $FL_BIN_DIR/bench_b1) one after the other and prints
# one table.  Builds nothing.  Exit 0: every goal is met; 1: one is missed; 2: one did not run.
set -u

if [ "$#" -eq 0 ]; then
	echo "usage: FL_BIN_DIR=DIR bench/run.sh B1 [B3 B4 ...]" >&2
	exit 2
fi
: "${FL_BIN_DIR:?is the directory of the programs, <build>/bin}"

lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
trap 'exit 2' INT TERM
worst=0
printf 'figure\tmeasured\tbaseline\tvalue\tgoal\tverdict\n' >"$lines"
for name in "$@"; do
	program=$FL_BIN_DIR/bench_$(printf '%s' "$name" | tr '[:upper:]' '[:lower:]')
	if [ ! -x "$program" ]; then
		echo "run.sh: $name: there is no $program" >&2
		worst=2
		continue
	fi
	echo "run.sh: $name ..." >&2
	sync # what the one before left to be written is not this one's time
	"$program" >>"$lines"
	code=$?
	if [ "$code" -gt 1 ]; then
		echo "run.sh: $name did not run to its end (exit $code)" >&2
		worst=2
	elif [ "$code" -eq 1 ] && [ "$worst" -eq 0 ]; then
		worst=1
	fi
done
awk -F '\t' '{ printf "%-30s %-22s %-34s %8s  %-9s %s\n", $1, $2, $3, $4, $5, $6 }' "$lines"
exit "$worst"
