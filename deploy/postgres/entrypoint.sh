#!/bin/sh
# Makes the database on the first start, then becomes Postgres.
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
mkdir -p /data/pg
chown -R postgres:postgres /data
if [ ! -e /data/pg/PG_VERSION ]; then
	umask 077
	printf '%s\n' "${POSTGRES_PASSWORD:?is needed}" >/data/password
	chown postgres /data/password
	setpriv --reuid=postgres --regid=postgres --clear-groups "$bin/initdb" -D /data/pg \
		--username=fairlead --pwfile=/data/password --auth-host=scram-sha-256 --auth-local=trust \
		--encoding=UTF8 --locale=C --no-instructions
	rm /data/password
	echo 'host all all all scram-sha-256' >>/data/pg/pg_hba.conf
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups "$bin/postgres" -D /data/pg \
	-c listen_addresses='*' -c unix_socket_directories=/tmp -c max_connections=400
