# A hub and a scheduler whom the bus or the database does not let in name the option and the reason and end; for
# what is only away they wait, and say for what.  No password is said (O3, O6).
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 1

unset FAIRLEAD_HUB_NATS_SYSTEM_USER FAIRLEAD_HUB_NATS_SYSTEM_PASSWORD # of the cell's own bus

secret=right-$$ wrong=guess-$$
bus_pid= service=
trap 'kill -9 $bus_pid $service 2>/dev/null' EXIT

guarded_bus() { # a bus that asks for a password; sets $bus
	local dir=$STORY_DATA/bus
	mkdir "$dir" || fail "mkdir"
	cat >"$dir/conf" <<-CONF
		listen: "127.0.0.1:-1"
		ports_file_dir: "$dir"
		jetstream { store_dir: "$dir/store" }
		accounts { CELL { jetstream: enabled, users: [ { user: cell, password: "$secret" } ] } }
	CONF
	nats-server --config "$dir/conf" >"$dir/log" 2>&1 &
	bus_pid=$!
	wait_for 20 "the bus listens" sh -c "grep -q Server.is.ready '$dir/log' && cat '$dir'/*.ports"
	bus=$(jq -r '.nats[0]' "$dir"/*.ports)
}
guarded_role() { # the cell's own Postgres believes everybody; one role has to say a password; sets $database
	psql -qX -d "$FAIRLEAD_DATABASE_URL" -c "CREATE ROLE guarded LOGIN SUPERUSER PASSWORD '$secret'" || fail "role"
	sed -i '1i local all guarded scram-sha-256' "$STORY_DATA/cell/postgres/pg_hba.conf"
	psql -qXAt -d "$FAIRLEAD_DATABASE_URL" -c "SELECT pg_reload_conf()" >/dev/null || fail "reload"
	database=${FAIRLEAD_DATABASE_URL/user=fairlead/user=guarded}
	wait_for 10 "the role has to say it" role_refused
}
role_refused() { ! PGPASSWORD=$wrong psql -qX -d "$database" -c "SELECT 1"; }
guarded_bus
guarded_role

start() { # SERVICE [OPTION...], in the background: what it says is in $log
	local name=$1
	shift
	log=$STORY_DATA/$name.log
	"$FL_BIN_DIR/fairlead-$name" --instance=guarded "$@" >"$log" 2>&1 &
	service=$!
}
no_secret_said() {
	! grep -e "$secret" -e "$wrong" "$log" || fail "a password was said"
}
# Ends by itself, and not well, within the time that it would have waited; its last words have each PART.
refused() { # PARTS SERVICE [OPTION...]
	local parts=$1 part code
	shift
	start "$@"
	wait_for 20 "$* ends by itself" sh -c "! kill -0 $service 2>/dev/null"
	wait "$service"
	code=$?
	[ $code -ne 0 ] && [ $code -lt 125 ] || fail "not refused: exit code $code of $*"
	while read -r part; do
		grep -qF -- "$part" "$log" || fail "'$part' is not said (O6): $* said $(cat "$log")"
	done <<<"$parts"
	assert_lacks "$(cat "$log")" service.started "it did not start"
	no_secret_said
}
# Goes on, says for what it waits and why, and ends in order when it is told to.
waits() { # WORDS SERVICE [OPTION...]
	local words=$1
	shift
	start "$@"
	wait_for 20 "it says '$words' (O3)" grep -q -- "$words" "$log"
	kill "$service" || fail "it ended: $(cat "$log")"
	wait "$service"
	assert_equal 0 $? "the exit code of who is told to end while it waits"
	no_secret_said
}
starts() { # SERVICE [OPTION...]
	start "$@"
	wait_for 30 "with the right passwords it starts" grep -q service.started "$log"
	kill "$service"
	wait "$service"
	assert_equal 0 $? "and ends in order"
	no_secret_said
}

for name in hub scheduler; do
	ours=--nats-servers=$FAIRLEAD_NATS_SERVERS
	guarded="--nats-servers=$bus --nats-user=cell"
	refused "nats_servers
refuses the credentials" $name $guarded --nats-password="$wrong" --database-url="$FAIRLEAD_DATABASE_URL"
	refused "nats_servers
refuses the credentials" $name --nats-servers="$bus" --database-url="$FAIRLEAD_DATABASE_URL"
	refused "database_url
password authentication failed" $name $ours --database-url="$database password=$wrong"
	refused "database_url
does not exist" $name $ours --database-url="${FAIRLEAD_DATABASE_URL/dbname=postgres/dbname=nowhere}"
	refused "database_url
nonsense" $name $ours --database-url="nonsense=1"
	waits "bus.waiting.*No server available" $name --nats-servers=nats://127.0.0.1:1 \
		--database-url="$FAIRLEAD_DATABASE_URL"
	waits "postgres.waiting.*No such file or directory" $name $ours \
		--database-url="host=$STORY_DATA/nowhere user=guarded password=$wrong"
	starts $name $guarded --nats-password="$secret" --database-url="$database password=$secret"
done
refused "nats_system_user
refuses the credentials" hub --nats-servers="$FAIRLEAD_NATS_SERVERS" --database-url="$FAIRLEAD_DATABASE_URL" \
	--nats-system-user=system --nats-system-password="$wrong"
"$fairlead" run --timeout 60s -- true || fail "the cell beside them goes on"
wait_for 20 "the books balance" verify_clean
