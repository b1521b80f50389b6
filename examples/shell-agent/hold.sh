#!/bin/sh
# hold.sh DIRECTORY: becomes the parent of one executor and never reaps it: what it ended with stays in
# /proc until the agent, this one or the next, has journaled it.  Starting it twice starts nothing twice: the lock
# is held as long as the holder lives, and `started` is there from before the executor is.
set -u
cd "$1" || exit 1
exec 8>lock
flock -n 8 || exit 0
[ ! -e started ] || exit 0
: >started
eval "$(base64 -d spec)" # made by decode.jq: sets $dir and "$@"
id=${1##*/}

# A session of its own, so that a stop reaches all of it; it dies with its holder, so nothing runs unseen.  It begins
# when its parent is no shell any more: a shell reaps, even between builtins.  `env` sets the variables and
# becomes the command: the pid stays the same.
# shellcheck disable=SC2016
setsid setpriv --no-new-privs --pdeathsig KILL sh -c '
	dir=$1 id=$2
	shift 2
	until read -r name <"/proc/$PPID/comm" && [ "$name" = sleep ]; do
		sleep 0.01
	done
	read -r stat <"/proc/$$/stat"
	stat=${stat##*) }
	start=${stat#* * * * * * * * * * * * * * * * * * * }
	echo "$$ ${start%% *} $PPID" >pid # pid, its start time, the pid of its holder
	exec env -i -C "$dir" FAIRLEAD_EXECUTOR_ID="$id" FAIRLEAD_INCARNATION=1 "$@"
' run "$dir" "$id" "$@" </dev/null >/dev/null 2>&1 8>&- &
exec sleep infinity
