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

# What a cell left that ended by itself, or with its machine, is gone on with.  Otherwise: Postgres does not run
# as root, and its user must be able to reach the data.
data_choose() {
	local data=$PWD/$cell/data
	fresh=
	! [ -d "$(cat $cell/where 2>/dev/null)" ] || return 0
	fresh=yes
	[ "$(id -u)" != 0 ] || setpriv --reuid=postgres --regid=postgres --clear-groups test -x "$PWD/$cell" ||
		data=$(mktemp -d /var/tmp/fairlead-cell-XXXXXX)
	mkdir -p "$data"
	chmod 755 "$data"
	echo "$data" >$cell/where
}

# What `fairlead dev` says when it is up, and the exports that a CLI needs.
context() { grep -E '^(cell is up|  export )' $cell/output; }

start() {
	mkdir -p $cell
	deploy/tasks.sh programs
	data_choose
	[ -n "$fresh" ] || say "the last cell's data are there: it goes on with them"
	: >$cell/output
	setsid "$PWD/$bin/fairlead" dev --data="$(cat $cell/where)" --agents="${FL_AGENTS:-3}" --hubs="${FL_HUBS:-2}" \
		--schedulers="${FL_SCHEDULERS:-2}" </dev/null >$cell/output 2>&1 &
	echo $! >$cell/pid
}

up() {
	local deadline
	if running; then
		say "it is up already"
	else
		start
	fi
	deadline=$((SECONDS + 120))
	until context >/dev/null; do
		[ -n "$(jobs -rp)" ] || running || failed "the cell ended while it started"
		[ $SECONDS -lt $deadline ] || failed "the cell is not ready after 120 s"
		read -r -t 0.2 <> <(:) || true
	done
	context
	echo "  nats --server $(. <(context | sed -n 's/^  export/export/p') && echo "$FAIRLEAD_NATS_SERVERS") micro ls"
	echo "./dev fairlead status; ./dev down stops it and removes its data"
}

# Data that were there before are nobody's to remove but `down`'s.
failed() {
	cat $cell/output >&2
	stop
	[ -z "${fresh-}" ] || data_remove
	die "$*"
}

stop() {
	local deadline=$((SECONDS + 60))
	running || return 0
	kill "$pid" 2>/dev/null || true
	while running; do
		[ $SECONDS -lt $deadline ] || die "process $pid of the cell does not end: see $cell/output"
		read -r -t 0.1 <> <(:) || true
	done
}

data_remove() {
	[ ! -e $cell/where ] || rm -rf "$(cat $cell/where)"
	rm -rf $cell
}

down() {
	running || say "no cell runs here"
	stop
	data_remove
}

fairlead() {
	running || code=6 die "no cell runs here: ./dev up starts one"
	context >/dev/null || code=6 die "the cell is not ready yet: ./dev up waits for it"
	. <(context | sed -n 's/^  export/export/p')
	exec $bin/fairlead "$@"
}

verb=$1
shift
case $verb in
up | down) $verb ;;
fairlead) fairlead "$@" ;;
esac
