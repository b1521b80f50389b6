#!/usr/bin/env bash
# cell-host: `./dev up`, `down` and `fairlead ...` on Debian 13 itself: `fairlead dev` in the background, with all
# it keeps in build/cell.  FL_HUBS, FL_SCHEDULERS, FL_AGENTS: how many.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
cell=build/cell
bin=build/dev/bin

say() { printf 'dev: %s\n' "$*" >&2; }
die() {
	say "$*"
	exit "${code:-1}"
}

# Started here, and still that process: numbers are used again.
running() {
	pid=$(cat $cell/pid 2>/dev/null) && grep -qz -- "--data=$(cat $cell/where)" "/proc/$pid/cmdline" 2>/dev/null
}

# Postgres does not run as root, and its user must be able to reach the data.
data_choose() {
	local data=$PWD/$cell/data
	[ "$(id -u)" != 0 ] || setpriv --reuid=postgres --regid=postgres --clear-groups test -x "$PWD/$cell" ||
		data=$(mktemp -d /var/tmp/fairlead-cell-XXXXXX)
	mkdir -p "$data"
	chmod 755 "$data"
	echo "$data" >$cell/where
}

# What `fairlead dev` says when it is up, and the exports that a CLI needs.
context() { grep -E '^(cell is up|  export )' $cell/output; }

up() {
	local deadline
	if running; then
		say "it is up already"
		context
		return
	fi
	down_quietly
	mkdir -p $cell
	deploy/tasks.sh programs
	data_choose
	: >$cell/output
	setsid "$PWD/$bin/fairlead" dev --data="$(cat $cell/where)" --agents="${FL_AGENTS:-3}" --hubs="${FL_HUBS:-2}" \
		--schedulers="${FL_SCHEDULERS:-2}" </dev/null >$cell/output 2>&1 &
	echo $! >$cell/pid
	deadline=$((SECONDS + 120))
	until context >/dev/null; do
		[ -n "$(jobs -rp)" ] || failed "the cell ended while it started"
		[ $SECONDS -lt $deadline ] || failed "the cell is not ready after 120 s"
		read -r -t 0.2 <> <(:) || true
	done
	context
	echo "  nats --server $(. <(context | sed -n 's/^  export/export/p') && echo "$FAIRLEAD_NATS_SERVERS") micro ls"
	echo "./dev fairlead status; ./dev down stops it and removes its data"
}

failed() {
	cat $cell/output >&2
	down_quietly
	die "$*"
}

down_quietly() {
	local deadline=$((SECONDS + 60))
	if running; then
		kill "$pid"
		while running; do
			[ $SECONDS -lt $deadline ] || die "process $pid of the cell does not end: see $cell/output"
			read -r -t 0.1 <> <(:) || true
		done
	fi
	[ ! -e $cell/where ] || rm -rf "$(cat $cell/where)"
	rm -rf $cell
}

down() {
	running || say "no cell runs here"
	down_quietly
}

fairlead() {
	running || code=6 die "no cell runs here: ./dev up starts one"
	. <(context | sed -n 's/^  export/export/p')
	exec $bin/fairlead "$@"
}

verb=$1
shift
case $verb in
up | down) $verb ;;
fairlead) fairlead "$@" ;;
esac
