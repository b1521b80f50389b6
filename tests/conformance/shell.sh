#!/bin/sh
# shell.sh AGENT KIT OPTIONS...: the kit against the shell agent; skipped, with the reason, without its tools.
# Most of its time is waiting for the next heartbeat, so several kits (PARTS) share the cases.  LISTENS_AFTER: so
# many seconds late its listener begins, as on a machine that has more to do.
set -eu
parts=${PARTS:-4}
agent=$1
shift
skip() {
	echo "SKIP: no $1 here"
	exit 77
}
nats=${NATS_CLI:-$(dirname "$0")/../../../shared/tools/nats}
[ -x "$nats" ] || nats=$(command -v nats) || skip "nats client (NATS_CLI names one)"
for tool in jq setpriv flock setsid; do
	command -v "$tool" >/dev/null || skip "$tool"
done
export NATS_CLI="$nats"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
if [ -n "${LISTENS_AFTER:-}" ]; then
	cat >"$out/nats" <<-END
		#!/bin/sh
		case " \$* " in *" sub "*) sleep $LISTENS_AFTER ;; esac
		exec "$nats" "\$@"
	END
	chmod +x "$out/nats"
	NATS_CLI=$out/nats
fi
for part in $(seq $parts); do
	{
		code=0
		"$@" --part "$part/$parts" --without restart --without stop-on-host \
			--agent "$agent --servers {servers} --host {host} --state {state}" >"$out/$part" 2>&1 || code=$?
		echo "$code" >"$out/$part.code"
	} &
done
wait
worst=0
for part in $(seq $parts); do
	cat "$out/$part"
	[ "$(cat "$out/$part.code")" = 0 ] || worst=1
done
exit $worst
