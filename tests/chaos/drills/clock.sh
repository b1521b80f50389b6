# clock: the clocks of the only hub and the only scheduler jump by one or two hours, ahead and back, under load.
. "$(dirname "$0")/lib.sh"
drill_options creates=200 jumps=6 seconds=5 -- "$@"
command -v faketime >/dev/null || skip "faketime is not there"
drill_cell --agents 2 --hubs 1 --schedulers 1

# The time of day is another one; how much time passes is not.  Each looks into a file of its own for what its
# clock says, so that it can jump.
preload=$(faketime -f +0s printenv LD_PRELOAD)
[ -n "$preload" ] || fail "faketime says no library"
clocks=(hub scheduler)
clock_set() { # CLOCK OFFSET: never half written
	echo "$2" >"$STORY_DATA/clock.new"
	mv "$STORY_DATA/clock.new" "$STORY_DATA/clock.$1"
}
under() { # CLOCK COMMAND...
	LD_PRELOAD=$preload FAKETIME_TIMESTAMP_FILE=$STORY_DATA/clock.$1 FAKETIME_NO_CACHE=1 \
		FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 "${@:2}"
}
clock_set hub -1h
clock_set scheduler +1h
port=${FAIRLEAD_NATS_SERVERS##*:}
under hub service_start hub hub-jumps "$port"
under scheduler service_start scheduler scheduler-jumps "$port"
# The cell's own, whose clocks are right, are away.
part_away TERM hub-1
part_away TERM scheduler-1

# What it wrote first, and what a program with its clock says now.
off_by() { # CLOCK LOG SECONDS
	local now said
	now=$(date +%s)
	said=$(date -d "$(head -n 1 "$cell/log/$2.log" | jq -r .time)" +%s)
	said=$((said - now - $3))
	[ ${said#-} -lt 600 ] && said=$(under "$1" date +%s) && said=$((said - now - $3)) && [ ${said#-} -lt 600 ]
}
wait_for 10 "the hub's clock is wrong" off_by hub hub-jumps -3600
wait_for 10 "the scheduler's clock is wrong" off_by scheduler scheduler-jumps 3600
load_lost_after=20s
load_start "$opt_creates" 2 3
hours=(+1h -1h +0)
for ((i = 0; i < opt_jumps; i++)); do
	for c in 0 1; do clock_set "${clocks[$c]}" "${hours[$(((i + c) % 3))]}"; done
	pause_tenths $((opt_seconds * 10))
done
for clock in "${clocks[@]}"; do clock_set "$clock" +0; done
echo "each of 2 clocks jumped $opt_jumps times by one or two hours, with $(load_count) of $opt_creates creates acknowledged"
load_finish
part_back hub-1
part_back scheduler-1
given_up="SELECT count(*) FROM event WHERE kind IN ('host.suspect', 'host.lost', 'executor.lost', 'executor.expired')"
assert_equal 0 "$(sql "$given_up")" "verdicts by a clock (L12)"
verdict "no clock decides (L12, K13, K22)"
