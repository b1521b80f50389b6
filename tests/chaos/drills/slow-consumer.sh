# slow-consumer: watchers of the whole bus stop reading while much is said; the bus cuts them off, the rest goes on.
. "$(dirname "$0")/lib.sh"
drill_options creates=100 watchers=3 megabytes=200 bus_servers=1 -- "$@"
have_nats_cli || skip "the real nats client is not there (NATS_CLI)"
drill_cell --agents 2 --hubs 2 --schedulers 2

listeners=()
for ((i = 1; i <= opt_watchers; i++)); do
	nats_listen "$STORY_DATA/heard.$i" 'fl.>' --headers-only
	listeners+=("$listener")
	echo "$listener" >>"$STORY_DATA/ours"
done
load_start "$opt_creates" 2 2
wait_for 60 "the load runs" load_at_least $((opt_creates / 10 + 1))
printf '%s\n' "${listeners[@]}" >>"$STORY_DATA/paused"
kill -STOP "${listeners[@]}"
at=$(now_ms)
flood() {
	head -c 1000 /dev/zero | tr '\0' x | nats_cli pub fl.flood --count $((opt_megabytes * 1000)) --force-stdin
}
flood >"$cell/log/flood.log" 2>&1 &
flooding=$!
"$fairlead" run --timeout 10s -- true || fail "a run beside the flood"
echo "a new executor ran to its end in $(($(now_ms) - at)) ms beside the flood"
cut_off() { [ "$(cat "$cell"/log/nats*.log | grep -c 'Slow Consumer')" -ge "$opt_watchers" ]; }
wait_for 60 "the bus cuts off who does not read" cut_off
echo "$opt_watchers watchers were cut off $(($(now_ms) - at)) ms after they had stopped reading"
wait "$flooding" || fail "the flood: $(tail -n 3 "$cell/log/flood.log")"
kill -CONT "${listeners[@]}"
again() { [ "$(grep -l Disconnected "$STORY_DATA"/heard.* | wc -l)" = "$opt_watchers" ]; }
wait_for 30 "the watchers hear that they were cut off" again
load_finish
assert_equal 0 "$(sql "SELECT count(*) FROM event WHERE kind IN ('host.lost', 'executor.lost')")" "LOST verdicts"
verdict "who does not read hurts nobody else"
