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

# A session of its own, so that a stop reaches all of it; it dies with its holder, so nothing runs unseen.  `env`
# sets the variables and becomes the command: the pid stays the same.
setsid setpriv --no-new-privs --pdeathsig KILL env -i -C "$dir" \
	FAIRLEAD_EXECUTOR_ID="$id" FAIRLEAD_INCARNATION=1 "$@" </dev/null >/dev/null 2>&1 8>&- &
child=$!
read -r stat <"/proc/$child/stat"
# From here on only builtins: a command that the shell waits for would reap the child too.
set -- ${stat##*) }
echo "$child ${20} $$" >pid # pid, its start time, the holder's pid
exec sleep infinity
