# A body taken off the bus is shown to a person: every kind of message, in both encodings, whether its type
# is named, told by the subject, or guessed; what is no message is refused.  The bodies are written by
# protoc, which knows nothing of this code.
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

bodies=$FL_SOURCE_DIR/tests/e2e/decode
body=$STORY_DATA/body

shows() { # GOLDEN OPTIONS...: the body decodes to exactly this
	local want=decode/$1.txt
	shift
	"$fairlead" decode "$@" <"$body" >"$STORY_DATA/shown" || fail "decode $* of $want: exit $?"
	golden_equal "$want" "$STORY_DATA/shown" "decode $*"
}

# NAME TYPE SUBJECT; "guessed": the type is found without being told.
while read -r name type subject guessed; do
	protoc --proto_path="$FL_SOURCE_DIR/proto" --encode="fairlead.v1.$type" \
		fairlead/v1/common.proto fairlead/v1/host.proto fairlead/v1/api.proto \
		<"$bodies/$name.txtpb" >"$body" || fail "protoc cannot encode $name"
	shows "$name" --type "$type"
	[ "$subject" = - ] || shows "$name" --subject "$subject"
	[ "$guessed" != guessed ] || shows "$name"
	# The same as JSON, without the type's name in front: it reads back as what it was.
	sed "1s/^$type //" "$FL_SOURCE_DIR/tests/e2e/golden/decode/$name.txt" >"$body"
	shows "$name" --type "$type"
	[ "$subject" = - ] || shows "$name" --subject "$subject"
	[ "$guessed" != guessed ] || shows "$name"
done <<'TABLE'
command Command fl.cmd.edge-7 guessed
command Command fl.live.edge-7 guessed
report Report fl.rpt.edge-7 guessed
hello Hello fl.req.edge-7.hello guessed
hello_answer HelloAnswer - guessed
heartbeat Heartbeat fl.hb.edge-7 guessed
heartbeat_answer HeartbeatAnswer fl.live.edge-7 guessed
sync_request SyncRequest fl.req.edge-7.sync guessed
sync_answer SyncAnswer - guessed
log_tail_request LogTailRequest fl.io.edge-7.c1.ctl -
report Report fl.dead.invalid.edge-7 guessed
session_create_request SessionCreateRequest fl.api.v1.session.create -
session_create_answer SessionCreateAnswer - -
error Error - -
TABLE

refused() { # BODY PART OPTIONS...
	local text=$1 part=$2 said code
	shift 2
	said=$(printf '%b' "$text" | "$fairlead" decode "$@" 2>&1)
	code=$?
	assert_equal 2 $code "decode $* of garbage: exit code"
	assert_contains "$said" "$part" "decode $* of garbage"
}
refused '\xff\xfe garbage' 'none of Command'
refused '\xff\xfe garbage' 'are no Report' --type Report
refused '{"executors":[{"state":"flying"}]}' 'executors[0].state' --type Report
refused '{"name":"web"}' 'name another with --type or --subject'
refused '{"speck":1}' 'speck' --subject fl.api.v1.session.create
refused '{}' 'no message is called Nonsense' --type Nonsense
refused '{}' 'fl.api.v1.session.sing carries no message' --subject fl.api.v1.session.sing
refused '{"host_id":"' 'are no Hello' --type Hello
assert_equal "no body" "$("$fairlead" decode --subject fl.nudge.default </dev/null)" "an empty body"
head -c 1048577 /dev/zero | "$fairlead" decode --type Report >/dev/null 2>"$STORY_DATA/why"
assert_equal 7 $? "a body beyond the limit is refused"
assert_contains "$(cat "$STORY_DATA/why")" 1048576 "with the limit named"

have_nats_cli || skip "the nats client is not there; the bus was not looked at"
heard=$STORY_DATA/heard
trap 'kill $listener 2>/dev/null' EXIT
nats_listen "$heard" 'fl.>' --translate "'$fairlead' decode --subject {{Subject}}"
"$fairlead" run --name told -- true || fail "run"
for part in '"name": "told/0"' '^SessionCreateRequest {' '^Command {' '^Report {' '^LogTailRequest {' \
	'^no body' '"desired": "run"' '"state": "succeeded"'; do
	wait_for 20 "nats sub --translate shows $part" grep -q "$part" "$heard"
done
