# Somebody stands before a host whose agent does not work: doctor says which hop fails, whatever it is, and
# looking changes nothing (O7).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

doctor() { # AGENT-OPTION...
	said=$("$fairlead" doctor --timeout 3s -- --host-id=dev-9 --state-dir="$STORY_DATA/agent" "$@" 2>&1)
	code=$?
}
works() { # HOP TEXT
	printf '%s\n' "$said" | grep "^ok  *$1 " | grep -qF -- "$2" || fail "'$1' is not ok with '$2' (O7): $said"
}
fails() { # HOP TEXT NEXT-HOP AGENT-OPTION...
	local hop=$1 text=$2 next=$3
	shift 3
	doctor "$@"
	assert_equal 1 $code "doctor finds that $hop fails (O7): $said"
	assert_contains "$said" "the first hop that fails is $hop" "the hop is named (O7)"
	printf '%s\n' "$said" | grep "^FAILED  *$hop " | grep -qF -- "$text" || fail "$hop: not '$text' (O7): $said"
	[ -z "$next" ] || printf '%s\n' "$said" | grep -q "^skipped  *$next  *$hop failed" ||
		fail "what needs $hop is skipped (O7): $said"
}
here=--nats-servers=$FAIRLEAD_NATS_SERVERS

# A bus of our own, without hubs: bus NAME LINES.  Sets $url.
servers=
trap 'for pid in $servers; do kill -9 $pid; done 2>/dev/null' EXIT
bus() {
	local dir=$STORY_DATA/bus-$1
	mkdir "$dir" || fail "mkdir"
	printf 'listen: "127.0.0.1:-1"\nports_file_dir: "%s"\n%s\n' "$dir" "$2" >"$dir/conf"
	nats-server --config "$dir/conf" >"$dir/log" 2>&1 &
	servers="$servers $!"
	wait_for 20 "bus $1 listens" sh -c "grep -q Server.is.ready '$dir/log' && cat '$dir'/*.ports"
	url=$(jq -r '.nats[0] // empty' "$dir"/*.ports)
	monitor=$(jq -r '.monitoring[0] // empty' "$dir"/*.ports)
}

# ---- all is well ----
doctor "$here"
assert_equal 0 $code "a host without an agent yet could have one (O7): $said"
assert_contains "$said" "all that the agent of dev-9 needs works" "and is told so (O7)"
for hop in configuration state drivers dns tcp nats tls auth permissions streams hub clock; do
	works $hop ''
done
works state "is not there: the agent makes it"
[ ! -e "$STORY_DATA/agent" ] || fail "doctor makes nothing (O7)"
works permissions "all 7 subjects"

# The agent that runs does not notice.
epoch=$("$fairlead" host show dev-1 -o json | json_number epoch)
state=$(tr '\0' '\n' <"/proc/$(pid_of --host-id=dev-1)/cmdline" | sed -n 's/^--state-dir=//p')
said=$("$fairlead" doctor -- --host-id=dev-1 --state-dir="$state" "$here" 2>&1) || fail "doctor beside an agent (O7): $said"
works state "an agent runs with it"
doctor --host-id=other --state-dir="$state" "$here"
works state "its records are of host dev-1"
assert_equal "$epoch" "$("$fairlead" host show dev-1 -o json | json_number epoch)" "its epoch is its own still (O7)"
assert_equal dev-1 "$("$fairlead" host ls --all -o name)" "no host was made by looking (O7)"
"$fairlead" host show dev-1 | grep -qx 'state  *ready' || fail "the host is ready still (O7)"
if have_nats_cli; then
	assert_equal 0 "$(nats_cli stream info FL_DEAD -j | jq .state.messages)" "nothing was put aside (O7)"
	assert_equal 0 "$(nats_cli stream info FL_REPORTS -j | jq .state.last_seq)" "no report was stored (O7)"
fi
if command -v faketime >/dev/null; then
	said=$(faketime -f +2h "$fairlead" doctor -- --host-id=dev-9 --state-dir="$STORY_DATA/agent" "$here" 2>&1) ||
		fail "a wrong clock fails nothing (O7): $said"
	printf '%s\n' "$said" | grep -q '^ok  *clock  *7\(199\|200\)[0-9]\{3\}\.[0-9] ms ahead of.*nothing is decided by it' ||
		fail "two hours are seen (O7): $said"
fi

# ---- this machine ----
fails configuration "host_id" dns "$here" --host-id=Bad.Name
fails configuration "nonsense" state "$here" --nonsense=1
fails configuration "is not auto, v2, hybrid or none" dns "$here" --cgroup=v3
fails configuration "port_of_call" dns --config "$(echo 'port_of_call: 1' >"$STORY_DATA/conf" && echo "$STORY_DATA/conf")"
: >"$STORY_DATA/file"
fails state "no directory" '' "$here" --state-dir="$STORY_DATA/file"
works hub "answers in"
fails drivers "/nowhere/shim" '' "$here" --shim-path=/nowhere/shim

# ---- the way to the bus ----
fails dns "no-such-host.invalid:4222 has no address" tcp --nats-servers=nats://no-such-host.invalid
fails tcp "127.0.0.1:1 Connection refused" nats --nats-servers=nats://127.0.0.1:1
doctor --nats-servers="nats://no-such-host.invalid,nats://127.0.0.1:1,$FAIRLEAD_NATS_SERVERS"
assert_equal 0 $code "one server that works is enough (O7): $said"
works dns "no-such-host.invalid:4222 has no address"
works tcp "127.0.0.1:1 Connection refused"

bus plain 'http: "127.0.0.1:-1"
jetstream { store_dir: "'"$STORY_DATA"'/bus-plain/js" }'
plain=$url
fails nats "is no NATS server" tls --nats-servers="nats://${monitor#*://}"
fails tls "the server does not offer it" auth --nats-servers="tls://${plain#*://}"
fails streams "nobody answers there" '' --nats-servers="$plain"
assert_contains "$said" "fairlead admin bus-init" "what to do about it (O7)"
printf '%s\n' "$said" | grep -q '^FAILED  *hub ' || fail "no hub either (O7): $said"
"$fairlead" admin bus-init --server "$plain" >/dev/null || fail "bus-init"
fails hub "nobody answers there" clock --nats-servers="$plain"
assert_contains "$said" "no hub listens" "what that means (O7)"

hub=$(pid_of --instance=hub-1)
kill -STOP "$hub"
fails hub "sync" clock "$here"
kill -CONT "$hub"
assert_contains "$said" "does not answer" "a hub that hangs is told from none (O7)"

if command -v openssl >/dev/null; then
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
		-keyout "$STORY_DATA/key.pem" -out "$STORY_DATA/cert.pem" 2>/dev/null || fail "a certificate"
	bus tls "tls { cert_file: \"$STORY_DATA/cert.pem\", key_file: \"$STORY_DATA/key.pem\" }"
	fails tls "the url does not say so" auth --nats-servers="nats://${url#*://}"
	fails tls "SSL" auth --nats-servers="tls://${url#*://}"
	assert_contains "$said" "trust who signed" "what to look at (O7)"
else
	echo "SKIP: no openssl here: no certificate was refused"
fi

# ---- who may ----
fails auth "refuses the credentials" permissions "$here" --nats-user=nobody --nats-password=wrong
conf=$STORY_DATA/cell/nats.conf
cp "$conf" "$STORY_DATA/nats.conf"
nats=$(pgrep -f "nats-server --config $conf")
reloads=0
host_may() { # PUBLISH SUBSCRIBE: of user host, from now on
	sed "s/users: \[ { user: cell } \]/users: [ { user: cell }, { user: host, password: secret, permissions: { publish: [$1], subscribe: [$2] } } ]/" \
		"$STORY_DATA/nats.conf" >"$conf"
	grep -q 'user: host' "$conf" || fail "the bus has another configuration than this story knows"
	reloads=$((reloads + 1))
	kill -HUP "$nats"
	wait_for 20 "the bus knows" sh -c "[ \$(grep -c 'Reloaded server configuration' '$STORY_DATA/cell/log/nats.log') -ge $reloads ]"
}
as_host="--nats-user=host --nats-password=secret"
publish='"fl.rpt.dev-9", "fl.hb.dev-9", "fl.req.dev-9.*"'
subscribe='"fl.live.dev-9", "fl.io.dev-9.*.ctl", "_INBOX.dev-9.>"'
host_may "$publish" "$subscribe"
doctor "$here" $as_host
assert_equal 0 $code "a host that may only what a host needs (O7): $said"
works auth "let in as host"
fails permissions '_INBOX.dev-8.' streams "$here" $as_host --host-id=dev-8 # another host's subjects
without() { # LIST WORD
	printf '%s' "$1" | sed "s/\"[^\"]*$2[^\"]*\",\{0,1\}//"
}
for word in rpt hb req; do
	host_may "$(without "$publish" .$word.)" "$subscribe"
	fails permissions "fl.$word.dev-9" hub "$here" $as_host
done
for word in live io; do
	host_may "$publish" "$(without "$subscribe" .$word.)"
	fails permissions "fl.$word.dev-9" hub "$here" $as_host
done
host_may "$publish" "$(without "$subscribe" INBOX)"
fails permissions "_INBOX.dev-9" hub "$here" $as_host
fails auth "refuses the credentials" permissions "$here" --nats-user=host --nats-password=wrong

wait_for 20 "the books balance" verify_clean
