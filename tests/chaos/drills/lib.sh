# lib: what drills share.  A drill hurts a cell under load and ends in the verdict (verdict.sh).  It runs
# itself again inside a private cell, as stories do:
#
#     . "$(dirname "$0")/lib.sh"
#     drill_options creates=500 -- "$@"    # --creates N; $opt_creates (--a-b is $opt_a_b)
#     drill_cell --agents 3                # returns only inside the cell
#     load_start "$opt_creates"
#     ... what hurts ...
#     load_finish
#     verdict "what this shows (C8)"
FL_SOURCE_DIR=${FL_SOURCE_DIR:-$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../../..")}
FL_BIN_DIR=${FL_BIN_DIR:-$FL_SOURCE_DIR/build/dev/bin}
export FL_SOURCE_DIR FL_BIN_DIR
drills=$FL_SOURCE_DIR/tests/chaos/drills
# shellcheck source=../../e2e/lib.sh
. "$FL_SOURCE_DIR/tests/e2e/lib.sh"
# shellcheck source=verdict.sh
. "$drills/verdict.sh"

# ---- options ----

# drill_options KEY=DEFAULT... -- ARGUMENTS: sets opt_KEY; every value is a whole number.
drill_options() {
	local key
	[ -z "${STORY_DATA:-}" ] || return 0 # inside: the outside exported them
	local known=()
	while [ "$1" != -- ]; do
		export "opt_${1%%=*}=${1#*=}"
		known+=("${1%%=*}")
		shift
	done
	shift
	while [ $# -gt 0 ]; do
		key=${1#--}
		key=${key//-/_}
		case " ${known[*]:-} " in *" $key "*) ;; *) drill_usage "$1" "${known[@]:-}" ;; esac
		case ${2:-} in '' | *[!0-9]*) drill_usage "$1 ${2:-}" "${known[@]:-}" ;; esac
		export "opt_$key=$2"
		shift 2
	done
}

drill_usage() { # WRONG KNOWN...
	local wrong=$1 key name
	shift
	echo "drill: wrong: $wrong; options and defaults:" >&2
	for key in "$@"; do
		name=opt_$key
		echo "  --${key//_/-} ${!name}" >&2
	done
	exit 2
}

# ---- the cell ----

# Hosts that never say "full", and times short enough to watch.  A drill that knows --bus-servers has a bus of
# as many; ${bus_parts[@]} are their names.
drill_cell() { # OPTIONS OF fairlead dev
	export FAIRLEAD_AGENT_CPU_MILLIS=1000000 FAIRLEAD_AGENT_MEMORY_BYTES=1024Gi
	export FAIRLEAD_HUB_HEARTBEAT_INTERVAL=${FAIRLEAD_HUB_HEARTBEAT_INTERVAL:-1s}
	export FAIRLEAD_HUB_SILENT_AFTER=${FAIRLEAD_HUB_SILENT_AFTER:-3s}
	export FAIRLEAD_SCHEDULER_VERDICT_GRACE=${FAIRLEAD_SCHEDULER_VERDICT_GRACE:-3s}
	[ -n "${STORY_DATA:-}" ] || drill_outside --bus-servers "${opt_bus_servers:-1}" "$@"
	bus_parts=(nats)
	[ "${opt_bus_servers:-1}" = 1 ] || bus_parts=(nats-1 nats-2 nats-3)
	cell=$STORY_DATA/cell
	ledger=$STORY_DATA/ledger
	acknowledged=$STORY_DATA/acknowledged
	: >"$ledger"
	chmod 666 "$ledger"
	seen=$STORY_DATA/seen
	: >"$acknowledged"
	: >"$seen"
	drill_witness &
	echo $! >>"$STORY_DATA/ours"
	trap drill_end EXIT
}

drill_held=() # parts that are away when the cell starts

# Starts the cell with this drill in it, and exits as the drill did.  What a failure leaves is kept.
drill_outside() {
	local name code key option kept
	name=$(basename "$0" .sh)
	printf 'drill: %s' "$name"
	for key in ${!opt_*}; do
		option=${key#opt_}
		printf ' --%s %s' "${option//_/-}" "${!key}"
	done
	echo
	STORY_DATA=$(mktemp -d /tmp/fairlead-drill-XXXXXX)
	export STORY_DATA
	chmod 755 "$STORY_DATA"
	mkdir -p "$STORY_DATA/cell/hold"
	for key in "${drill_held[@]}"; do : >"$STORY_DATA/cell/hold/$key"; done
	"$fairlead" dev --data "$STORY_DATA/cell" "$@" --exec "bash '$0'" 2>"$STORY_DATA/restarts"
	code=$?
	grep -v 'starts again$' "$STORY_DATA/restarts" >&2
	if [ $code -ne 77 ] && [ "$code${FL_DRILL_KEEP:-}" != 0 ]; then
		kept=$FL_BIN_DIR/../drills/$name
		rm -rf "$kept"
		mkdir -p "$kept"
		cp -r "$STORY_DATA"/cell/log "$STORY_DATA"/restarts "$kept"
		for key in ledger acknowledged facts; do cp "$STORY_DATA/$key" "$kept" 2>/dev/null; done
		echo "drill: logs, ledger and facts are in $(readlink -f "$kept")"
	fi
	rm -rf "$STORY_DATA"
	exit $code
}

# Who is killed without warning writes no end: a witness notes, every second, who has begun, not ended, and is
# still there.
drill_witness() {
	local id incarnation name pid up
	while :; do
		while read -r id incarnation name pid; do
			read -r up _ </proc/uptime
			! kill -0 "$pid" 2>/dev/null || echo "seen $id $incarnation $name $up $pid"
		done < <(verdict_open) >>"$seen"
		pause_tenths 10
	done
}

# Nothing paused outlives the drill: the cell could not stop it.
drill_end() {
	local pid
	for pid in $(cat "$STORY_DATA/paused" 2>/dev/null); do kill -CONT "$pid" 2>/dev/null; done
	rm -f "$cell"/hold/*
	for pid in $(cat "$STORY_DATA"/ours 2>/dev/null); do
		kill -9 "$pid"
		wait "$pid"
	done 2>/dev/null
	pkill -9 -f "$STORY_DATA/(hosts|job)" 2>/dev/null
	return 0
}

# The first process of a part of the cell; nothing when it does not run.
part_pid() { # hub-1, scheduler-2, dev-3, nats, nats-2, postgres
	case $1 in
	nats*) pgrep -f -- "^nats-server --config $cell/$1.conf" | head -n 1 ;;
	postgres) head -n 1 "$cell/postgres/postmaster.pid" 2>/dev/null ;;
	dev-*) pid_of "--host-id=$1" ;;
	*) pid_of "--instance=$1" ;;
	esac
}

# All processes of the database server.
postgres_pids() {
	local main
	main=$(part_pid postgres)
	[ -z "$main" ] || echo "$main" $(pgrep -P "$main")
}

part_signal() { # SIGNAL PART
	local pid
	pid=$(part_pid "$2")
	[ -n "$pid" ] && kill "-$1" "$pid" 2>/dev/null
}

# Pauses processes, and lets them go on in the background.  pause_for "PID..." TENTHS
pause_for() {
	echo "$1" >>"$STORY_DATA/paused"
	# shellcheck disable=SC2086
	kill -STOP $1 2>/dev/null # some may have ended
	(
		pause_tenths "$2"
		kill -CONT $1 2>/dev/null
	) &
	helpers+=($!)
}
helpers=()
helpers_join() { [ ${#helpers[@]} -eq 0 ] || wait "${helpers[@]}"; }

part_runs() { [ -n "$(part_pid "$1")" ] && kill -0 "$(part_pid "$1")"; }
part_gone() { ! part_runs "$1"; }

# Ends a part and keeps it away until part_back.
part_away() { # SIGNAL PART
	: >"$cell/hold/$2"
	part_signal "$1" "$2"
	wait_for 30 "$2 ends" part_gone "$2"
}
part_back() { rm -f "$cell/hold/$1"; }

# Hosts of the drill's own, beside those of the cell: host_start NAME [PORT [OPTIONS]].
host_start() {
	local name=$1 servers=$FAIRLEAD_NATS_SERVERS
	[ -z "${2:-}" ] || servers=nats://127.0.0.1:$2
	shift
	[ $# -eq 0 ] || shift
	mkdir -p "$STORY_DATA/hosts"
	"$FL_BIN_DIR/fairlead-agent" --nats-servers="$servers" --host-id="$name" \
		--state-dir="$STORY_DATA/hosts/$name" "$@" >>"$cell/log/$name.log" 2>&1 &
	host_pid=$!
	echo $host_pid >>"$STORY_DATA/ours"
}

host_is() { # HOST STATE
	[ "$(sql "SELECT state FROM host WHERE host_id = '$1'")" = "$2" ]
}
host_ready=1 host_suspect=2 host_lost=3 host_retired=4

# Services of the drill's own, behind a path that can be cut: service_start hub|scheduler NAME PORT.
service_start() {
	local name=$2
	"$FL_BIN_DIR/fairlead-$1" --nats-servers="nats://127.0.0.1:$3" --database-url="$FAIRLEAD_DATABASE_URL" \
		--instance="$name" >>"$cell/log/$name.log" 2>&1 &
	service_pid=$!
	echo $service_pid >>"$STORY_DATA/ours"
}

# A path that can be cut: gate_start NAME; $gate_pid takes USR1 (cut) and USR2 (heal), $gate_port is its port.
gate_start() {
	"$FL_BIN_DIR/fairlead-gate" "$STORY_DATA/gate.$1" "${FAIRLEAD_NATS_SERVERS##*:}" &
	gate_pid=$!
	echo $gate_pid >>"$STORY_DATA/ours"
	wait_for 10 "the gate is open" test -s "$STORY_DATA/gate.$1"
	gate_port=$(cat "$STORY_DATA/gate.$1")
}

# In tenths of a second, by select rather than by a process.
pause_tenths() {
	read -r -t "$(($1 / 10)).$(($1 % 10))" <> <(:) || true
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

sql() { psql -XAtq -F ' ' -d "$FAIRLEAD_DATABASE_URL" -c "$1"; }

# ---- the load ----

# What an executor does: a line when it begins, one when it ends.  stop_grace is longer than it takes.
job_write() {
	cat >"$STORY_DATA/job" <<JOB
# job NAME SECONDS
line() {
	read -r up _ </proc/uptime
	echo "\$1 \$FAIRLEAD_EXECUTOR_ID \$FAIRLEAD_INCARNATION \$name \$up \$\$" >>$ledger
}
name=\$1
line start
sleep "\$2" &
trap 'kill \$!; line stop; exit 143' TERM
wait \$!
line stop
JOB
	chmod 644 "$STORY_DATA/job"
}

# How long a client asks again, in seconds: longer than any drill takes a part away.  By the clock and not
# by tries: a hub whose Postgres is gone refuses within milliseconds.
LOAD_PATIENCE=240

# load_create NAME: asks until it is acknowledged.  The same name again is the same wish.  Names end in a
# number: what ends in 0 stays until it is closed, the rest runs for some seconds.
load_create() {
	local name=$1 kind=once number=${1##*[!0-9]} seconds file=$STORY_DATA/declare.$1
	local deadline=$((SECONDS + LOAD_PATIENCE))
	seconds=$((number % 4)).$((number % 10))
	case $number in *0) kind=stays seconds=100000 ;; esac
	cat >"$file" <<YAML
session: $name
disconnect: { lost_after: ${load_lost_after:-30s}${load_stop_after:+, stop_on_host_after: $load_stop_after} }
executor:
  driver: process
  command: [sh, $STORY_DATA/job, $name, "$seconds"]
  resources: { cpu: 10m, memory: 1Mi }
  stop_grace: ${load_stop_grace:-5s}
YAML
	until "$fairlead" apply -f "$file" --timeout 3s >/dev/null 2>"$file.why"; do
		[ $SECONDS -lt $deadline ] || fail "create $name: $(cat "$file.why")"
		pause_tenths 2
	done
	echo "$name $kind" >>"$acknowledged"
	rm -f "$file" "$file.why"
}

load_worker() { # FIRST STEP LAST PAUSE_TENTHS
	local i
	for ((i = $1; i <= $3; i += $2)); do
		[ ! -e "$STORY_DATA/enough" ] || break
		load_create "w$i"
		[ "$4" -eq 0 ] || pause_tenths "$4"
	done
}

# N creates in flight from a few clients, a tenth of them runs until closed.  load_start N [CLIENTS [PAUSE]]
load_start() {
	local clients=${2:-4} c
	job_write
	loaders=()
	for ((c = 1; c <= clients; c++)); do
		load_worker "$c" "$clients" "$1" "${3:-0}" &
		loaders+=($!)
	done
}

load_count() { wc -l <"$acknowledged"; }
load_at_least() { [ "$(load_count)" -ge "$1" ]; }

load_joined() { # nobody declares any more
	local pid
	for pid in "${loaders[@]}"; do ! kill -0 "$pid" 2>/dev/null || return 1; done
}

# Every wish is acknowledged: waits for the clients.
load_join() {
	local pid
	for pid in "${loaders[@]}"; do
		wait "$pid" || fail "a client gave up"
	done
	loaders=()
}
load_stop() { : >"$STORY_DATA/enough"; }

# All that was declared has run or runs, and then ends.
load_finish() { # [SECONDS]
	local seconds=${1:-120} name kind
	load_join
	wait_for "$seconds" "what ends by itself has ended, the rest runs" load_settled
	while read -r name kind; do
		[ "$kind" != stays ] || close_session "$name"
	done <"$acknowledged"
}

load_settled() {
	[ "$(sql "SELECT count(*) FROM executor e JOIN session s USING (session_id) WHERE e.rank < 90
		AND NOT (e.state = 70 AND s.name ~ '0\$')")" = 0 ]
}

close_session() {
	local tries=0
	until "$fairlead" session close "$1" --timeout 3s >/dev/null 2>"$STORY_DATA/why"; do
		tries=$((tries + 1))
		[ $tries -lt 50 ] || fail "close $1: $(cat "$STORY_DATA/why")"
		pause_tenths 2
	done
}
