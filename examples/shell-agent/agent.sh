#!/bin/sh
# agent.sh: a host of a fairlead cell in POSIX shell, around the `nats` client.  README.md says what it needs and
# what it cannot do; docs/protocol.md is what it does, and the K numbers are the rules there.
#
# One loop reads events, one line each, from a pipe; everything slow runs beside it and writes such a line when it
# is done.  After each event: what changed is journaled and synced, then acted on, then told.
set -u
export LC_ALL=C

servers=nats://127.0.0.1:4222 host=$(uname -n) state=/var/lib/shell-agent pool=default slots=100 newest_revision=2 labels=

usage() {
	echo "usage: agent.sh [--servers URL] [--host ID] [--state DIR] [--pool NAME] [--slots N] [--label K=V]... [--revision 1|2]" >&2
	exit 2
}
while [ $# -gt 0 ]; do
	[ $# -ge 2 ] || usage
	case $2 in # they go into JSON as they are
	'' | *['"\']* | *[[:cntrl:]]*) usage ;;
	esac
	case $1 in
	--servers) servers=$2 ;;
	--host) host=$2 ;;
	--state) state=$2 ;;
	--pool) pool=$2 ;;
	--slots) slots=$2 ;;
	--label) labels="$labels,\"${2%%=*}\":\"${2#*=}\"" ;;
	--revision) newest_revision=$2 ;;
	*) usage ;;
	esac
	shift 2
done

here=$(cd "$(dirname "$0")" && pwd)
nats=${NATS_CLI:-nats}
cpu_millis=$(($(nproc) * 1000))
memory_bytes=$(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) * 1024))
records_max=4096 items_max=64 loose_max=1024 pending_max=256 journal_lines_max=20000

log() { # EVENT TEXT
	printf '%s %s\n' "$1" "$2" >&2
}
die() {
	log agent.failed "$*"
	exit 1
}

mkdir -p "$state/run" || exit 1
exec 9>"$state/lock"
flock -w 5 9 || die "another agent has $state" # K20
rm -rf "$state/spool" "$state/events"
mkdir "$state/spool" && mkfifo "$state/events" || exit 1
exec 3<>"$state/events" # both ways: it never ends, and nobody who writes waits for a reader

# Dies with this shell, and does not hold its lock.
beside() {
	setpriv --pdeathsig KILL "$@" 9>&- &
}

new_id() { # sets $new
	IFS=- read -r new_a new_b new_c new_d new_e </proc/sys/kernel/random/uuid
	new=$new_a$new_b$new_c$new_d$new_e
}
look_at_clock() { # sets $now: milliseconds since boot, suspended time counted
	IFS='. ' read -r now_s now_cs now_rest </proc/uptime
	now=$((now_s * 1000 + (1$now_cs - 100) * 10))
}
random() { # sets $random, and not $new: 0..$1-1
	IFS=- read -r random random_rest </proc/sys/kernel/random/uuid
	random=$((0x$random % $1))
}
# ---- records: one variable each, r_<id>, of these words ----

# desired run|stop|absent; state as in docs/state.md; a "-" stands for nothing; absent_seq -1: of a hello answer.
load() { # ID: the words of its record
	id=$1
	eval "set -- \$r_$id"
	generation=$1 desired=$2 state_=$3 exit_code=$4 signal=$5 started=$6 reason=$7 change=$8 gone=$9
	shift 9
	absent_seq=$1 grace=$2 r_slots=$3 r_cpu=$4 r_memory=$5 name=$6 accepted_ms=$7 running_after=$8 ended_after=$9
}
save() { # the record $id as a new change (K18)
	change_no=$((change_no + 1))
	change=$change_no
	eval "r_$id=\"\$generation \$desired \$state_ \$exit_code \$signal \$started \$reason \$change \$gone \
\$absent_seq \$grace \$r_slots \$r_cpu \$r_memory \$name \$accepted_ms \$running_after \$ended_after\""
	case " $dirty " in
	*" $id "*) ;;
	*) dirty="$dirty $id" ;;
	esac
	case " $unsent " in
	*" $id "*) ;;
	*) unsent="$unsent $id" ;;
	esac
	count
}
has_record() {
	eval "[ -n \"\${r_$1:-}\" ]"
}
new_record() { # ID GENERATION DESIRED STATE REASON
	id=$1 generation=$2 desired=$3 state_=$4 reason=$5
	exit_code=-1 signal=0 started=false gone=0 absent_seq=0 grace=0 r_slots=0 r_cpu=0 r_memory=0 name=-
	accepted_ms=$now running_after=0 ended_after=0
	ids="$ids $id"
	records=$((records + 1))
	eval "h_$id=0 u_$id= a_$id=0"
}
without() { # LIST WORD: sets $without
	without=" $1 "
	case $without in
	*" $2 "*) without="${without%% $2 *} ${without#* $2 }" ;;
	esac
	# shellcheck disable=SC2086
	set -- $without
	without=$*
}
has_ended() {
	case $state_ in
	succeeded | failed | stopped | rejected) return 0 ;;
	esac
	return 1
}

# ---- the digest (K19), kept as a sum; signed 64-bit arithmetic wraps as unsigned does ----

rank() { # sets $rank
	case $state_ in
	accepted) rank=40 ;;
	starting) rank=60 ;;
	running) rank=70 ;;
	stopping) rank=80 ;;
	*) rank=90 ;;
	esac
}
mix() { # WORD into $hash; the constants are 0xff51afd7ed558ccd and so on, as signed numbers
	x=$((hash ^ $1))
	x=$(((x ^ ((x >> 33) & 0x7fffffff)) * -49064778989728563))
	x=$(((x ^ ((x >> 33) & 0x7fffffff)) * -4265267296055464877))
	hash=$(((x ^ ((x >> 33) & 0x7fffffff)) - 7046029254386353131))
}
count() { # the record $id, as it is now
	eval "x=\$h_$id u=\$u_$id"
	[ "$x" = 0 ] || digest_sum=$((digest_sum - x)) digest_count=$((digest_count - 1))
	hash=0
	if [ "$gone" = 0 ] && [ -z "$u" ]; then
		high=${id%????????????????} low=${id#????????????????}
		mix $(((0x${high%????????} << 32) | 0x${high#????????}))
		mix $(((0x${low%????????} << 32) | 0x${low#????????}))
		mix "$generation"
		rank
		if [ "$rank" = 90 ]; then mix 90; else mix $(((1 << 32) | rank)); fi
		digest_sum=$((digest_sum + hash)) digest_count=$((digest_count + 1))
	fi
	eval "h_$id=\$hash"
}

# ---- the journal: lines that are appended and synced; the last line of an id counts ----

journal_meta() { # sets $line
	line="meta $journal_id $start_no $contiguous $change_no $last_boot_id $pending
"
}
journal_record() { # ID: sets $line
	eval "line=\"record \$1 \$r_$1
\""
}
commit() { # everything that changed, in one write; specs first, because a record promises one
	[ -n "$dirty$forgotten$meta_dirty" ] || return 0
	if [ -n "$new_specs" ]; then
		# shellcheck disable=SC2086
		sync $new_specs "$state/run" || die "cannot sync specs"
		new_specs=
	fi
	lines=
	for id in $dirty; do
		has_record "$id" || continue
		journal_record "$id"
		lines=$lines$line
	done
	for id in $forgotten; do
		lines="${lines}forgotten $id
"
	done
	journal_meta
	printf '%s' "$lines$line" >>"$state/journal" && sync -d "$state/journal" || die "cannot write the journal"
	journal_lines=$((journal_lines + records + 1))
	dirty='' forgotten='' meta_dirty=
	[ "$journal_lines" -lt "$journal_lines_max" ] || compact
}
compact() { # what counts, in a new file
	journal_meta
	{
		printf '%s' "$line"
		for id in $ids; do
			journal_record "$id"
			printf '%s' "$line"
		done
	} >"$state/journal.new" && sync "$state/journal.new" && mv "$state/journal.new" "$state/journal" &&
		sync "$state" || die "cannot write the journal"
	journal_lines=$records
}
restore() { # a line without its end was never synced: `read` says so
	while read -r kind id words; do
		case $kind in
		meta)
			# shellcheck disable=SC2086
			set -- $words
			journal_id=$id start_no=$1 contiguous=$2 change_no=$3 last_boot_id=$4
			shift 4
			pending=$*
			;;
		record)
			has_record "$id" || {
				ids="$ids $id"
				records=$((records + 1))
				eval "h_$id=0 u_$id= a_$id=0"
			}
			eval "r_$id=\$words"
			;;
		forgotten)
			without "$ids" "$id"
			ids=$without
			records=$((records - 1))
			eval "r_$id="
			;;
		esac
	done <"$state/journal"
}

# ---- executors ----

# A RUN that has not ended is in $live; what the shell knows of its process is in $run: the directory of hold.sh.
reserve() { # 1|-1: what the record $id needs
	used_slots=$((used_slots + $1 * r_slots))
	used_cpu=$((used_cpu + $1 * r_cpu))
	used_memory=$((used_memory + $1 * r_memory))
}
end() { # STATE REASON EXIT_CODE SIGNAL: of the record $id; final
	state_=$1 reason=$2 exit_code=$3 signal=$4
	[ "$desired" = run ] && [ -z "$leaving" ] || state_=stopped # K20
	ended_after=$((now - accepted_ms))
	reserve -1
	without "$live" "$id"
	live=$without
	[ "$desired" != absent ] || gone=$generation
	release="$release $id"
	save
}
start() { # once the journal has it; again after a crash, which starts nothing twice
	setsid sh "$here/hold.sh" "$state/run/$id" 3>&- 9>&- &
	eval "b_$id=\$now"
}
# sets $pid, $holder and $stat (state letter first, see proc(5)); fails when there is no such process
find_process() {
	pid=''
	[ -e "$state/run/$id/pid" ] && read -r pid start_time holder <"$state/run/$id/pid" || return 1
	read -r stat 2>/dev/null <"/proc/$pid/stat" || return 1
	stat=${stat##*) }
	set -- $stat
	[ "${20}" = "$start_time" ]
}
kill_all() { # SIGKILL to the session of $pid; grep, because the shell's `read` is a system call per byte
	grep -hsE "^[0-9]+ \(.*\) [^Z] [0-9]+ [0-9]+ $pid " /proc/[0-9]*/stat | while read -r other rest; do
		kill -s KILL "$other" 2>/dev/null
	done
}
stop() { # SIGTERM now, SIGKILL after the grace
	kill -s TERM -- "-$pid" 2>/dev/null
	eval "k_$id=$((now + grace))"
	[ "$state_" = stopping ] || {
		state_=stopping
		save
	}
}
# One executor that has not ended, at every tick: how is it?
look_at() { # ID
	load "$1"
	if find_process; then
		look_at_process
	elif [ -n "$pid" ] || is_lost; then
		[ -z "$pid" ] || kill_all
		end failed lost -1 0
		log executor.lost "$id"
	fi
}
is_lost() { # no pid file after a while: does its holder live, did it ever begin?
	eval "begun=\${b_$id:-}"
	[ -n "$begun" ] && [ $((now - begun)) -gt 5000 ] || return 1
	eval "b_$id=\$now"
	flock -n -E 9 "$state/run/$id/lock" test -e "$state/run/$id/started"
	case $? in # asked under the lock: a holder that begins meanwhile finds it taken, and leaves
	0) return 0 ;;
	1) start ;;
	esac
	return 1
}
look_at_process() {
	set -- $stat
	if [ "$state_" = starting ]; then
		state_=running started=true running_after=$((now - accepted_ms))
		[ "$1" = Z ] || save
	fi
	if [ "$1" = Z ]; then # its exit status, as wait(2) would say it
		kill_all
		if [ $((${50} & 127)) = 0 ]; then
			code=$((${50} >> 8))
			if [ $code = 0 ]; then end succeeded - 0 0; else end failed - $code 0; fi
		else
			end failed - -1 $((${50} & 127))
		fi
	elif [ "$desired" != run ] || [ -n "$leaving" ]; then
		eval "kill_at=\${k_$id:-}"
		if [ -z "$kill_at" ]; then
			stop
		elif [ "$now" -ge "$kill_at" ]; then
			kill_all
		fi
	fi
}
# Its end is journaled: the holder may go, and the zombie with it.
release_holder() {
	find_process || return 0
	set -- $stat
	[ "$2" != "$holder" ] || kill -s KILL "$holder"
}
# What became durable is acted on.
act() {
	begin=
	for id in $accepted; do
		load "$id"
		if [ "$desired" = run ]; then
			state_=starting
			begin="$begin $id"
			save
		else
			end stopped stopped -1 0
		fi
	done
	accepted=
	commit
	for id in $begin; do
		start
	done
	for id in $release; do
		release_holder
		remove="$remove $state/run/$id"
	done
	release=
	# shellcheck disable=SC2086
	[ -z "$remove" ] || rm -rf $remove
	remove=
}

# ---- one desired state into one record (K7, K8, K9, K13) ----

take_item() { # ID GENERATION DESIRED HOST_SEQ DEADLINE GRACE NAME REFUSAL SLOTS CPU MEMORY SPEC
	if has_record "$1"; then
		merge "$1" "$2" "$3" "$4" "$6"
	elif [ "$4" -ge 0 ] && [ "$4" -le "$contiguous" ]; then
		say_loose "$1" "$2" gone
	elif [ "$records" -ge "$records_max" ]; then
		say_loose "$1" "$2" limit
	elif [ "$3" != run ]; then
		new_record "$1" "$2" "$3" stopped stopped
		[ "$3" = stop ] || gone=$2 absent_seq=$4
		save
	else
		take_run "$@"
	fi
}
take_run() {
	refusal=$8
	if [ "$5" -gt 0 ] && [ $((now * 1000 + cp_offset_us)) -gt "$5" ]; then
		refusal=expired:deadline
	elif [ "$refusal" = - ] && { [ $((used_slots + $9)) -gt "$slots" ] ||
		[ $((used_cpu + ${10})) -gt "$cpu_millis" ] || [ $((used_memory + ${11})) -gt "$memory_bytes" ]; }; then
		refusal=overcommit:capacity
	fi
	if [ "$refusal" != - ]; then
		new_record "$1" "$2" run rejected "$refusal"
	else
		new_record "$1" "$2" run accepted -
		grace=$6 r_slots=$9 r_cpu=${10} r_memory=${11}
		reserve 1
		live="$live $1"
		accepted="$accepted $1"
		mkdir "$state/run/$1" && printf '%s\n' "${12}" >"$state/run/$1/spec" || die "cannot write a spec"
		new_specs="$new_specs $state/run/$1/spec $state/run/$1"
	fi
	name=$7
	save
}
merge() { # ID GENERATION DESIRED HOST_SEQ GRACE
	load "$1"
	if [ "$2" -gt "$generation" ]; then
		generation=$2 desired=$3
		eval "u_$id="
		[ "$3" = run ] || grace=$5
		[ "$3" != absent ] || absent_seq=$4
		if has_ended && { [ "$3" = absent ] || [ "$gone" != 0 ]; }; then
			gone=$2
		fi
	fi
	save
}
say_loose() { # ID GENERATION gone|limit: about an executor without a record
	case $loose in
	*" $1:$2:"*) return ;;
	esac
	[ "$loose_count" -lt "$loose_max" ] || return 0 # it is asked again
	change_no=$((change_no + 1))
	loose="$loose $1:$2:$3:$change_no"
	loose_count=$((loose_count + 1))
	meta_dirty=1
}
forget() { # ID: K9, once its GONE is acknowledged and its ABSENT is covered
	[ "$gone" != 0 ] && [ "$absent_seq" -ge 0 ] && [ "$absent_seq" -le "$contiguous" ] || return 0
	eval "[ \"\$a_$1\" -ge \"\$change\" ]" || return 0
	eval "x=\$h_$1 h_$1=0"
	[ "$x" = 0 ] || digest_sum=$((digest_sum - x)) digest_count=$((digest_count - 1))
	eval "r_$1="
	without "$ids" "$1"
	ids=$without
	records=$((records - 1))
	forgotten="$forgotten $1"
}
raise() { # HOST_SEQ: everything up to it is journaled; go on through what was seen above (K11)
	before=$contiguous
	[ "$1" -le "$contiguous" ] || contiguous=$1
	again=1
	while [ -n "$again" ]; do
		again='' kept=
		for n in $pending; do
			if [ "$n" -gt $((contiguous + 1)) ]; then
				kept="$kept $n"
			else
				[ "$n" -le "$contiguous" ] || contiguous=$n
				again=1
			fi
		done
		pending=$kept
	done
	[ "$contiguous" = "$before" ] || {
		meta_dirty=1
		for i in $ids; do
			load "$i"
			forget "$i"
		done
	}
	aim "$contiguous"
}
aim() { # HOST_SEQ exists at the control plane
	[ "$1" -le "$target" ] || target=$1
	if [ "$target" -le "$contiguous" ]; then
		lag_since=
	elif [ -z "$lag_since" ]; then
		lag_since=$now
		[ $((target >> 40)) = $((contiguous >> 40)) ] || want_sync=1 # another term of the cell
	fi
}
saw() { # HOST_SEQ of a message whose items were all taken
	case " $pending " in
	*" $1 "*) return ;;
	esac
	[ "$1" -gt "$contiguous" ] || return 0
	# shellcheck disable=SC2086
	set -- "$1" $pending
	if [ $# -gt "$pending_max" ]; then
		want_sync=1
		return
	fi
	pending="$pending $1"
	meta_dirty=1
	raise 0
	aim "$1"
}

# ---- what came: files of lines made by decode.jq ----

take_command() {
	read -r word seq last refusal host_seq
	[ "$word" = command ] || return 0
	# The stream says which message came before this one on our subject.
	if [ "$seq" != 0 ]; then
		[ "$stream_seq" = 0 ] || [ "$seq" = "$stream_seq" ] || [ "$last" = "$stream_seq" ] || want_sync=1
		stream_seq=$seq
	fi
	[ -n "$answered" ] || refusal=no_hello_answered # K3
	[ -z "$leaving" ] || refusal=leaving
	if [ "$refusal" != - ]; then
		log command.refused "$refusal"
		return
	fi
	while read -r word words; do
		take_line "$word" "$words" "$host_seq"
	done
	saw "$host_seq"
}
take_line() { # "item" WORDS HOST_SEQ of the message, for an item without one
	[ "$1" = item ] || return 0
	item_seq=$3
	# shellcheck disable=SC2086
	set -- $2
	last_id=$1
	[ "$4" != 0 ] || {
		x="$1 $2 $3 $item_seq"
		shift 4
		# shellcheck disable=SC2086
		set -- $x "$@"
	}
	take_item "$@"
}
take_hello() {
	read -r word no nonce verdict answer_epoch answer_ticket cp_now floor all revision_said interval || return 0
	[ "$word" = hello ] && [ "$no" = "$hello_no" ] && [ "$nonce" = "$hello_nonce" ] || return 0 # K2
	hello_nonce=
	case $verdict in
	hello_accepted)
		epoch=$answer_epoch ticket=0 revision=$newest_revision answered=1 want_hello='' hello_pause=1000
		cp_offset_us=$((cp_now - now * 1000)) unanswered=0 deaf=0 heartbeat_at=$now
		[ "$interval" = 0 ] || heartbeat_ms=$interval
		[ "$heartbeat_ms" -ge 500 ] || heartbeat_ms=500
		[ "$heartbeat_ms" -le 60000 ] || heartbeat_ms=60000
		accepted="$accepted$accepted_before" accepted_before=
		log hello.accepted "epoch $epoch, floor $floor"
		raise "$floor"
		take_hello_items "$all"
		sync_after='' sync_nonce='' sync_active='' want_sync=1
		;;
	hello_ticket)
		ticket=$answer_ticket hello_at=$now
		;;
	hello_stale | hello_retired)
		log "$verdict" "stopping executors and leaving for good"
		leaving=1 want_hello=
		;;
	*)
		log hello.rejected "revision $revision_said"
		ticket=0
		[ "$revision_said" -le 0 ] || [ "$revision_said" -ge "$revision" ] || revision=$revision_said hello_at=$now
		;;
	esac
}
leave_out() { # ID GENERATION: of the digest, because the control plane does not count it (K6, K19)
	has_record "$1" || return 0
	load "$1"
	[ "$generation" = "$2" ] || return 0
	eval "u_$1=1"
	count
}
take_hello_items() { # true|false: report_all
	for i in $ids; do
		eval "u=\$u_$i"
		[ -n "$u" ] || [ "$1" = true ] || continue
		load "$i"
		eval "u_$i="
		if [ "$1" = true ]; then save; else count; fi
	done
	while read -r word i answer_generation; do
		case $word in
		absent)
			take_item "$i" "$answer_generation" absent -1 0 0 - - 0 0 0 - # K6
			leave_out "$i" "$answer_generation"
			;;
		unknown) leave_out "$i" "$answer_generation" ;;
		esac
	done
}
take_sync() {
	read -r word nonce verdict cp_now as_of last items || return 0
	[ "$word" = sync ] && [ -n "$sync_active" ] && [ "$nonce" = "$sync_nonce" ] || return 0
	sync_nonce=
	if [ "$verdict" = sync_hello_required ]; then
		say_hello_soon
		return
	fi
	[ "$verdict" = sync_page ] && { [ "$items" -gt 0 ] || [ "$last" = true ]; } || return 0 # its deadline ends it
	cp_offset_us=$((cp_now - now * 1000))
	[ "$sync_as_of" != 0 ] || sync_as_of=$as_of
	while read -r word words; do
		take_line "$word" "$words" 0
	done
	if [ "$last" != true ]; then
		sync_after=$last_id sync_send=1
		return
	fi
	sync_active=
	for i in $ids; do # an ABSENT of a hello answer is covered by what was current after it
		load "$i"
		[ "$absent_seq" = -1 ] || continue
		absent_seq=$sync_as_of
		save
	done
	raise "$sync_as_of"
}
take_heartbeat() { # NONCE VERDICT HOST_SEQ CP_NOW
	case $heartbeat_nonces in
	*"$1"*) ;;
	*) return ;;
	esac
	unanswered=0 deaf=0
	if [ "$2" = heartbeat_hello_required ]; then
		say_hello_soon
	elif [ "$2" = heartbeat_ok ]; then
		cp_offset_us=$(($4 - now * 1000))
		aim "$3"
	fi
}
say_hello_soon() {
	[ -z "$want_hello" ] || return 0
	want_hello=1 hello_at=$now hello_pause=1000
	sync_active='' sync_nonce=''
}

# ---- what is said: each message is a `nats` of its own, beside the loop ----

client() { # ARGUMENTS of nats
	setpriv --pdeathsig KILL "$nats" --server "$servers" --no-context --connection-name "shell-agent $host" \
		--inbox-prefix "_INBOX.$host" "$@" 9>&- 3>&-
}
type=Content-Type:application/json

digest() { # sets $digest
	digest="{\"count\":$digest_count,\"sum\":\"$(printf %u "$digest_sum")\"}"
}
# The listener hears its answer: who was answered hears commands too, and only then asks what it has missed.
say_hello() {
	new_id
	hello_nonce=$new hello_no=$((hello_no + 1))
	random "$hello_pause"
	hello_at=$((now + hello_pause / 2 + random))
	hello_pause=$((hello_pause * 2))
	[ "$hello_pause" -le 20000 ] || hello_pause=20000
	digest
	held=
	for id in $ids; do
		load "$id"
		held="$held,{\"executor_id\":\"$id\",\"generation\":\"$generation\"}"
	done
	body="{\"host_id\":\"$host\",\"journal_id\":\"$journal_id\",\"start_no\":$start_no,\"hello_no\":$hello_no,\
\"instance_id\":\"$instance_id\",\"boot_id\":\"$boot_id\",\"agent_version\":\"shell-0.1\",\
\"protocol_revision\":$revision,\"capabilities\":[],\"encoding\":\"json\",\"pool\":\"$pool\",\
\"arch\":\"$(uname -m)\",\"kernel\":\"$(uname -r)\",\"capacity\":{\"cpu_millis\":$cpu_millis,\
\"memory_bytes\":$memory_bytes,\"slots\":$slots},\"labels\":{${labels#,}},\"drivers\":[{\"name\":\"process\",\"usable\":true,\
\"detail\":\"processes of a shell, no limits\"}],\"contiguous_seq\":\"$contiguous\",\"digest\":$digest,\
\"records\":[${held#,}],\"ticket\":\"$ticket\",\"nonce_id\":\"$hello_nonce\"}"
	{
		printf '%s' "$body" | client pub --quiet --force-stdin --no-templates -H "$type" \
			--reply "_INBOX.$host.hello" "fl.req.$host.hello" >/dev/null 2>&1
	} 9>&- &
}
say_sync() {
	new_id
	sync_nonce=$new sync_deadline=$((now + 3000)) sync_send=
	body="{\"host_id\":\"$host\",\"epoch\":\"$epoch\",\"contiguous_seq\":\"$sync_base\",\
${sync_after:+\"after_executor_id\":\"$sync_after\",}\"as_of_seq\":\"$sync_as_of\",\
\"nonce_id\":\"$sync_nonce\"}"
	syncs=$((syncs + 1))
	{
		client req --raw --no-templates -H "$type" --timeout 3s "fl.req.$host.sync" "$body" </dev/null 2>/dev/null |
			jq -r --arg mode sync --arg host "$host" --arg journal "$journal_id" -f "$here/decode.jq" \
				>"$state/spool/sync.$syncs" 2>/dev/null
		echo "sync $state/spool/sync.$syncs" >&3
	} 9>&- &
}
say_heartbeat() {
	new_id
	heartbeat_nonces="$new $last_nonces" last_nonces="$new ${last_nonces%% *}"
	heartbeats=$((heartbeats + 1)) unanswered=$((unanswered + 1)) heartbeat_busy=1
	random $((heartbeat_ms / 5 + 1))
	heartbeat_at=$((now + heartbeat_ms - heartbeat_ms / 10 + random))
	digest
	body="{\"host_id\":\"$host\",\"epoch\":\"$epoch\",\"contiguous_seq\":\"$contiguous\",\"digest\":$digest,\
\"nonce_id\":\"$new\",\"counter\":$heartbeats,\"journal_id\":\"$journal_id\",\"executors\":$records}"
	{
		client pub --quiet -H "$type" -H Fl-Kind:heartbeat "fl.hb.$host" "$body" </dev/null >/dev/null 2>&1
		echo heartbeat_sent >&3
	} 9>&- &
}
report_row() { # the record $id: adds to $rows
	case $name in
	-) said_name= ;;
	*) said_name=$name ;;
	esac
	said_reason=${reason%%:*} said_detail=
	case $reason in
	-) said_reason= ;;
	*:*) said_detail=${reason#*:} ;;
	esac
	rows="$rows,{\"executor_id\":\"$id\",\"accepted_generation\":\"$generation\",\"gone_generation\":\"$gone\",\
\"incarnation\":1,\"state\":\"$state_\",\"started\":$started,\"exit_code\":$exit_code,\"signal\":$signal,\
\"reason\":\"$said_reason\",\"detail\":\"$said_detail\",\"running_after_us\":\"${running_after}000\",\
\"ended_after_us\":\"${ended_after}000\",\"change_no\":\"$change\",\"name\":\"$said_name\"}"
}
loose_row() { # ID:GENERATION:KIND:CHANGE
	generation=${1#*:} generation=${generation%%:*}
	case $1 in
	*:limit:*) x=",\"state\":\"rejected\",\"reason\":\"limit\",\"incarnation\":1,\"exit_code\":-1" ;;
	*) x= ;;
	esac
	rows="$rows,{\"executor_id\":\"${1%%:*}\",\"accepted_generation\":\"$generation\",\
\"gone_generation\":\"$generation\",\"change_no\":\"${1##*:}\"$x}"
}
# All that is not acknowledged, at most 64 rows; one message at a time (K18).
report() {
	[ -n "$answered" ] && [ -z "$flight" ] && [ "$now" -ge "$report_at" ] || return 0
	rows='' flight='' n=0
	for id in $unsent; do
		[ $n -lt "$items_max" ] || break
		has_record "$id" || continue
		load "$id"
		report_row
		flight="$flight $id:$change"
		n=$((n + 1))
	done
	flight_loose=
	for i in $loose; do
		[ $n -lt "$items_max" ] || break
		loose_row "$i"
		flight_loose="$flight_loose $i"
		n=$((n + 1))
	done
	[ $n -gt 0 ] || return 0
	flight="$flight ."
	reports=$((reports + 1))
	printf '%s' "{\"host_id\":\"$host\",\"journal_id\":\"$journal_id\",\"instance_id\":\"$instance_id\",\
\"executors\":[${rows#,}]}" >"$state/spool/report"
	{
		ack=$(client req --raw --force-stdin --no-templates -H "$type" -H Fl-Kind:report \
			-H "Nats-Msg-Id:$instance_id:$reports" --timeout 10s "fl.rpt.$host" <"$state/spool/report" 2>/dev/null)
		case $ack in
		*'"error"'*) echo unacknowledged ;;
		*'"seq"'*) echo acknowledged ;;
		*) echo unacknowledged ;;
		esac >&3
	} 9>&- &
}
take_ack() { # acknowledged|unacknowledged
	if [ "$1" = unacknowledged ]; then
		random "$report_pause"
		report_at=$((now + report_pause / 2 + random))
		report_pause=$((report_pause * 2))
		[ $report_pause -le 10000 ] || report_pause=10000
		flight=
		return
	fi
	report_pause=500
	for i in $flight; do
		[ "$i" != . ] && has_record "${i%:*}" || continue
		load "${i%:*}"
		eval "a_$id=${i#*:}"
		[ "${i#*:}" != "$change" ] || {
			without "$unsent" "$id"
			unsent=$without
			forget "$id"
		}
	done
	for i in $flight_loose; do
		without "$loose" "$i"
		loose=$without loose_count=$((loose_count - 1))
	done
	flight=
}
# What is due by now.
speak() {
	[ -z "$leaving" ] || return 0
	if [ -n "$want_hello" ]; then
		[ "$now" -lt "$hello_at" ] || say_hello
	elif [ -n "$answered" ]; then
		speak_sync
	fi
	[ -n "$answered" ] && [ "$now" -ge "$heartbeat_at" ] && [ -z "$heartbeat_busy" ] || return 0
	if [ "$unanswered" -ge 3 ]; then # L11: the way back is dead, or only the client on it
		log heartbeat.unanswered "saying hello again"
		unanswered=0 deaf=$((deaf + 1))
		# A client that has just begun hears nothing yet: to replace it again and again would keep it so.
		if [ "$deaf" -ge 2 ] && [ "$now" -ge $((listening_at + 5000)) ]; then
			log listener.deaf "listening anew"
			kill -s KILL "$listener" 2>/dev/null
			listen
		fi
		say_hello_soon
	fi
	say_heartbeat
}
speak_sync() {
	[ -z "$sync_active" ] || [ "$now" -lt "$sync_deadline" ] || sync_active='' want_sync=1
	if [ -n "$lag_since" ] && [ "$now" -ge $((lag_since + 1000)) ] && [ -z "$sync_active" ]; then
		want_sync=1 lag_since=$now
	fi
	if [ -n "$want_sync" ] && [ -z "$sync_active" ]; then
		want_sync='' sync_active=1 sync_send=1 sync_base=$contiguous sync_as_of=0 sync_after=
	fi
	[ -z "$sync_active" ] || [ -z "$sync_send" ] || say_sync
}

# ---- the start ----

listen() { # a file per command and hello answer, a line per heartbeat answer; it ends only when the client gives up
	listeners=$((listeners + 1)) listening_at=$now
	# shellcheck disable=SC2016
	beside sh -c '
		here=$1 files=$2 host=$3 journal=$4 number=$5
		shift 5
		setpriv --pdeathsig KILL "$@" 3>&- | stdbuf -oL tr "\0" "\n" 3>&- |
			jq -r --unbuffered --arg mode live --arg host "$host" --arg journal "$journal" -f "$here/decode.jq" 3>&- |
			while IFS= read -r line; do
				case $line in
				command* | hello*)
					kind=${line%% *} n=$((${n:-0} + 1)) && exec 4>"$files.$n" && printf "%s\n" "$line" >&4
					;;
				end) exec 4>&- && echo "$kind $files.$n" >&3 ;;
				item* | bad | absent* | unknown*) printf "%s\n" "$line" >&4 ;;
				*) printf "%s\n" "$line" >&3 ;;
				esac
			done
		sleep 1
		echo "listener_ended $number" >&3
	' listen "$here" "$state/spool/live.$listeners" "$host" "$journal_id" "$listeners" "$nats" --server "$servers" --no-context \
		--connection-name "shell-agent $host" sub --dump=- "fl.live.$host" "_INBOX.$host.hello"
	listener=$!
}
begin() {
	ids='' records=0 dirty='' forgotten='' new_specs='' live='' accepted='' accepted_before='' release='' remove=''
	unsent='' loose='' loose_count=0 flight='' flight_loose='' reports=0 report_at=0 report_pause=500
	used_slots=0 used_cpu=0 used_memory=0 digest_sum=0 digest_count=0 journal_lines=0
	start_no=0 contiguous=0 change_no=0 pending='' target=0 lag_since='' stream_seq=0
	epoch=0 ticket=0 hello_no=0 hello_nonce='' want_hello=1 hello_at=0 hello_pause=1000 answered='' leaving=''
	want_sync='' sync_active='' sync_send='' sync_nonce='' sync_after='' sync_as_of=0 sync_deadline=0 sync_base=0
	heartbeat_ms=5000 heartbeat_at=0 heartbeats=0 heartbeat_nonces='' last_nonces='' unanswered=0 deaf=0 heartbeat_busy='' syncs=0 listeners=0
	cp_offset_us=0 revision=$newest_revision meta_dirty='' journal_id=
	read -r boot_id </proc/sys/kernel/random/boot_id
	last_boot_id=$boot_id
	[ ! -e "$state/journal" ] || restore
	new_id
	[ -n "$journal_id" ] || journal_id=$new
	new_id
	instance_id=$new
	start_no=$((start_no + 1))
	target=$contiguous
	look_at_clock
}
# What the last agent left: ended meanwhile, still running, never begun, of a boot before this one.
adopt() {
	for i in $ids; do
		load "$i"
		accepted_ms=$now
		count
		unsent="$unsent $id"
		has_ended && continue
		reserve 1
		live="$live $id"
		case $state_ in
		accepted) accepted_before="$accepted_before $id" ;;
		*)
			if [ "$last_boot_id" != "$boot_id" ]; then
				end failed host_reboot -1 0
			elif [ "$state_" = starting ]; then
				start
			fi
			;;
		esac
	done
	for directory in "$state"/run/*; do # K5: nothing runs without a record of it, or past its end
		id=${directory##*/}
		case " $live " in
		*" $id "*) continue ;;
		esac
		[ -e "$directory" ] || continue
		! find_process || kill_all
		release="$release $id"
	done
	last_boot_id=$boot_id meta_dirty=1
}

begin
compact
adopt
commit
act
listen
# shellcheck disable=SC2016
beside sh -c 'while sleep 0.1; do echo tick; done' >&3
trap 'log agent.stopped "executors run on"; exit 0' TERM INT
log agent.started "host $host, start $start_no, $records records"

while read -r event words <&3; do
	look_at_clock
	case $event in
	tick)
		for i in $live; do
			look_at "$i"
		done
		;;
	command | hello | sync)
		"take_$event" <"$words"
		rm -f "$words"
		;;
	heartbeat) take_heartbeat $words ;;
	heartbeat_sent) heartbeat_busy= ;;
	acknowledged | unacknowledged) take_ack "$event" ;;
	listener_ended)
		[ "$words" != "$listeners" ] || { listen && say_hello_soon; }
		;;
	*) log message.ignored "$event" ;;
	esac
	commit
	act
	[ -z "$leaving" ] || [ -n "$live" ] || break
	speak
	report
done
log agent.left "nothing runs here any more"
