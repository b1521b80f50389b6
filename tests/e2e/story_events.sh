# People watch what happens.  They miss nothing and see nothing twice while hubs, schedulers and the bus die
# under them and the streams are wiped (G7); one who does not read ends alone (G8).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 2 --hubs 2 --schedulers 2

cell=$STORY_DATA/cell
watchers=

watch() { # NAME [OPTIONS]: follows into the file NAME
	local name=$1
	shift
	"$fairlead" events -f "$@" >"$STORY_DATA/$name" 2>"$STORY_DATA/$name.said" &
	watchers="$watchers $!"
}
trap 'kill $watchers 2>/dev/null' EXIT

cursors() { # FILE: of lines for people
	awk '{ print $1 }' "$1"
}

bus_pid() {
	pgrep -f -- "nats-server .*$cell" | head -n 1
}

bus_gone() {
	[ -z "$(bus_pid)" ]
}

newest() {
	"$fairlead" events -o name | tail -n 1
}

# Or went past it: hosts go on having events.
reached() { # FILE CURSOR
	[ "$(cursors "$1" | tail -n 1)" -ge "$2" ]
}

cursors_up_to() { # FILE LAST
	cursors "$1" | awk -v last="$2" '$1 <= last'
}

# Every number once, in order, from FIRST to LAST.
assert_complete() { # FILE FIRST LAST WHAT
	seq "$2" "$3" | diff -q - <(cursors_up_to "$1" "$3") >/dev/null ||
		fail "$4: $(seq "$2" "$3" | diff - <(cursors_up_to "$1" "$3") | head -n 5)"
}

work() { # SESSION: something happens, on hosts too
	wait_for 60 "$1 is created" "$fairlead" session create "$1" --replicas 3 --timeout 3s -- true
	wait_for 60 "$1 ends" session_is "$1" succeeded 3
}

told() { # SESSION
	"$fairlead" events --session "$1" | grep -q ' session.closed '
}

closes() { # SESSION
	wait_for 60 "$1 closes" "$fairlead" session close "$1" --timeout 3s
	wait_for 60 "$1 is closed" told "$1"
}

watch all --cursor 0
watch web --cursor 0 --session web
watch json --cursor 0 -o json
wait_for 20 "a watcher sees the hosts" grep -q host.ready "$STORY_DATA/all"
work web
closes web

# One timeline of what was asked for, what was decided and what hosts saw.
wait_for 20 "the watcher of web saw its end" grep -q ' session.closed ' "$STORY_DATA/web"
for kind in session.created executor.placed executor.succeeded session.closing session.closed; do
	grep -q " $kind " "$STORY_DATA/web" || fail "no $kind in: $(cat "$STORY_DATA/web")"
done
assert_equal 3 "$(grep -c ' executor.succeeded .*web/. on dev-' "$STORY_DATA/web")" "each end, with its host"
listed_as_followed() {
	"$fairlead" events --session web | diff - "$STORY_DATA/web"
}
wait_for 20 "what is followed is what is listed (G7)" listed_as_followed

# Whoever answers, numbers and carries dies under the watchers.
kill -9 "$(pid_of --instance=hub-1)" "$(pid_of --instance=hub-2)" || fail "not both hubs run"
work two
kill -9 "$(pid_of --instance=scheduler-1)" "$(pid_of --instance=scheduler-2)" || fail "not both schedulers run"
work three
kill -9 "$(bus_pid)"
work four

# The bus comes back empty.
: >"$cell/hold/nats"
kill -9 "$(bus_pid)"
wait_for 30 "the bus ends" bus_gone
rm -rf "${cell:?}/nats"
rm "$cell/hold/nats"
work five
for session in two three four five; do closes $session; done
last=$(newest)
wait_for 40 "the watcher of all reaches the newest event" reached "$STORY_DATA/all" "$last"
assert_complete "$STORY_DATA/all" 1 "$last" "the watcher of all saw each once, in order (G7)"
wait_for 40 "so does the one that reads JSON" \
	grep -q "\"cursor\":$last," "$STORY_DATA/json"
grep -o '"cursor":[0-9]*' "$STORY_DATA/json" | grep -o '[0-9]*$' | head -n "$last" | diff -q - <(seq "$last") >/dev/null ||
	fail "each JSON line carries its cursor, none is missing (G7)"

# Resuming is by number, also for who was away.
"$fairlead" events --cursor 5 >"$STORY_DATA/rest"
assert_complete "$STORY_DATA/rest" 6 "$last" "all that follows cursor 5 (G7)"
nothing_follows() {
	local said
	said=$("$fairlead" events --cursor "$(newest)") && [ -z "$said" ]
}
wait_for 20 "nothing follows the newest" nothing_follows
assert_equal 1 "$("$fairlead" events --since 1h -o name | head -n 1)" "since an hour ago is since the beginning"
assert_silent "nothing is of the future" "$fairlead" events --since 2999-01-01
said=$("$fairlead" events --cursor 99999999 2>&1)
assert_equal 4 $? "a cursor of another cell is refused"
assert_contains "$said" "ahead of the newest event, " "and the newest is named"
said=$("$fairlead" events --since yesterday 2>&1)
assert_equal 2 $? "what is no time is refused"
assert_contains "$said" "--since yesterday: allowed are" "naming the option and what is allowed"

# One does not read: it ends, the others go on (G8).
mkfifo "$STORY_DATA/stuck"
exec 7<>"$STORY_DATA/stuck" # a reader that never reads
"$fairlead" events -f -o json --queue 20 >&7 2>"$STORY_DATA/slow.said" &
slow=$!
watch other --cursor "$last"
at=$last
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	kill -0 $slow 2>/dev/null || break
	"$fairlead" session create "flood-$i" --replicas 40 --cpu 1m -- true >/dev/null || fail "create flood-$i"
	wait_for 60 "flood-$i ends" session_is "flood-$i" succeeded 40
done
wait $slow
assert_equal 7 $? "a slow watcher ends with exit code 7 (G8): $(cat "$STORY_DATA/slow.said")"
said=$(cat "$STORY_DATA/slow.said")
assert_contains "$said" "this watcher is too slow: more than 20 events waited" "it says why (G8)"
resume=$(echo "$said" | sed -n 's/.*--cursor \([0-9]*\) --follow.*/\1/p')
[ -n "$resume" ] && [ "$resume" -ge "$at" ] || fail "it names the cursor to go on from (G8): $said"
last=$(newest)
wait_for 40 "the other watcher reaches the newest event" reached "$STORY_DATA/other" "$last"
assert_complete "$STORY_DATA/other" $((at + 1)) "$last" "the other watcher missed nothing (G8)"
wait_for 40 "and so does the first" reached "$STORY_DATA/all" "$last"

# Told to end, a watcher ends well; a reader that goes is no failure.
watch told --cursor 0
told=$!
wait_for 20 "it follows" reached "$STORY_DATA/told" "$last"
kill -INT $told
wait $told
assert_equal 0 $? "a watcher that is told to end"
"$fairlead" events -f --cursor 0 | head -n 3 >/dev/null
assert_equal 0 "${PIPESTATUS[0]}" "a watcher whose reader goes"
wait_for 20 "the books balance" verify_clean
