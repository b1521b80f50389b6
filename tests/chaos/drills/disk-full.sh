# disk-full: the disk of a host fills up under load; the others go on, and it comes back when there is room.
. "$(dirname "$0")/lib.sh"
drill_options creates=150 -- "$@"
drill_cell --agents 2 --hubs 2 --schedulers 2

disk=$STORY_DATA/hosts/small
mkdir -p "$disk"
mount -t tmpfs -o size=16m,mode=755 tmpfs "$disk" 2>/dev/null || skip "needs the right to mount a tmpfs"
trap 'drill_end; umount -l "$disk"' EXIT
host_start small
wait_for 20 "small is ready" host_is small $host_ready
load_start "$opt_creates" 2
wait_for 60 "a third is acknowledged" load_at_least $((opt_creates / 3))
dd if=/dev/zero of="$disk/filler" bs=4k >/dev/null 2>&1
echo "disk full with $(load_count) of $opt_creates creates acknowledged"
goes_on() { "$fairlead" run --timeout 15s -- true; }
wait_for 60 "a new executor runs to its end" goes_on
wait_for 60 "two thirds are acknowledged" load_at_least $((opt_creates * 2 / 3))
grep -q journal.failed "$cell/log/small.log" || fail "the host does not say that it cannot write"
rm "$disk/filler"
at=$(now_ms)
recovered() { grep -q journal.recovered "$cell/log/small.log"; }
wait_for 30 "the host writes again" recovered
echo "the host wrote again $(($(now_ms) - at)) ms after there was room"
load_finish
verdict
