/* pg_migrate: applies what is missing, refuses what it does not know. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "err.h"
#include "migrations.h"
#include "pg.h"

#define LOCK_POLL_MS 100
#define LOCK_WAIT_US (60 * SECOND_US)
#define LOCK_KEY "20261121"

static const char table_sql[] =
    "CREATE TABLE IF NOT EXISTS schema_migration ("
    "version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
    "applied_at timestamptz NOT NULL DEFAULT clock_timestamp())";

static int
version_of(const struct migration *m)
{
	return (int)strtol(m->name, NULL, 10);
}

/* Polls: a blocking wait for the lock would hold a snapshot, and CREATE INDEX CONCURRENTLY in
 * another starter would wait for that snapshot for ever. */
static int
migrate_lock(struct pg *pg, struct err *err)
{
	static const struct pg_statement try_lock = {
	    "migrate_lock", "SELECT pg_try_advisory_lock(" LOCK_KEY ")"};
	int64_t deadline = clock_mono_us(clock_system()) + LOCK_WAIT_US;

	for (;;) {
		CLEANUP(PQclear) PGresult *r = NULL;

		if (pg_run(pg, &try_lock, NULL, &r, err) != 0)
			return -1;
		if (pg_bool(r, 0, 0))
			return 0;
		if (clock_mono_us(clock_system()) > deadline)
			return err_set(
			    err, ERR_TIMEOUT, "another migration has been running for a minute");
		poll(NULL, 0, LOCK_POLL_MS);
	}
}

/* *ret_applied: is it there already?  ERR_CONFLICT when it is, and was another text. */
static int
migration_seen(
    struct pg *pg, const struct migration *m, struct arena *a, bool *ret_applied, struct err *err)
{
	static const struct pg_statement look = {"migrate_look",
	    "SELECT checksum = encode(sha256(convert_to($2, 'UTF8')), 'hex') FROM schema_migration"
	    " WHERE version = $1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_int4(&p, version_of(m));
	pg_add_text(&p, m->sql);
	if (pg_run(pg, &look, &p, &r, err) != 0)
		return -1;
	*ret_applied = PQntuples(r) > 0;
	if (*ret_applied && !pg_bool(r, 0, 0))
		return err_set(
		    err, ERR_CONFLICT, "migration %s was changed after it was applied", m->name);
	return 0;
}

static int
migration_record(struct pg *pg, const struct migration *m, struct arena *a, struct err *err)
{
	static const struct pg_statement record = {"migrate_record",
	    "INSERT INTO schema_migration (version, name, checksum)"
	    " VALUES ($1, $2, encode(sha256(convert_to($3, 'UTF8')), 'hex'))"};
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_int4(&p, version_of(m));
	pg_add_text(&p, m->name);
	pg_add_text(&p, m->sql);
	return pg_run(pg, &record, &p, NULL, err);
}

static int
migration_apply(struct pg *pg, const struct migration *m, struct arena *a, struct err *err)
{
	if (pg_begin(pg, err) != 0)
		return -1;
	if (pg_simple(pg, m->sql, err) != 0 || migration_record(pg, m, a, err) != 0 ||
	    pg_commit(pg, err) != 0) {
		pg_rollback(pg);
		return err_wrap(err, "migration %s", m->name);
	}
	return 0;
}

static int
newest_version(struct pg *pg, unsigned *ret, struct err *err)
{
	static const struct pg_statement newest = {
	    "migrate_newest", "SELECT coalesce(max(version), 0) FROM schema_migration"};
	CLEANUP(PQclear) PGresult *r = NULL;

	if (pg_run(pg, &newest, NULL, &r, err) != 0)
		return -1;
	*ret = (unsigned)pg_int(r, 0, 0);
	return 0;
}

static int
migrate_locked(struct pg *pg, struct arena *a, unsigned *ret_applied, struct err *err)
{
	unsigned newest = 0;

	*ret_applied = 0;
	/* A file takes the time it takes: only waiting for locks stays bounded. */
	pg->patient = true;
	if (pg_simple(pg,
		"SET statement_timeout = 0; SET transaction_timeout = 0;"
		"SET idle_in_transaction_session_timeout = 0",
		err) != 0)
		return -1;
	if (pg_simple(pg, table_sql, err) != 0 || newest_version(pg, &newest, err) != 0)
		return -1;
	if (newest > STORE_SCHEMA_VERSION)
		return err_set(err, ERR_CONFLICT, "schema is at version %u, this program knows %d",
		    newest, STORE_SCHEMA_VERSION);
	for (size_t i = 0; i < migration_count; i++) {
		bool applied = false;

		if (migration_seen(pg, &migrations[i], a, &applied, err) != 0)
			return -1;
		if (applied)
			continue;
		if (migration_apply(pg, &migrations[i], a, err) != 0)
			return -1;
		(*ret_applied)++;
	}
	return 0;
}

int
pg_store_migrate(struct store *s, unsigned *ret_applied, struct err *err)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct pg *pg = pg_of(s);
	int r;

	if (!a)
		return pg_no_room(err);
	if (migrate_lock(pg, err) != 0)
		return -1;
	r = migrate_locked(pg, a, ret_applied, err);
	pg_disconnect(pg); /* unlocks, and the next connection has its time limits again */
	return r;
}

int
pg_store_schema_check(struct store *s, unsigned *ret_version, struct err *err)
{
	unsigned version = 0;

	/* By itself: a database that is not there has no schema either, and needs no migration. */
	if (pg_connect(pg_of(s), err) != 0)
		return -1;
	if (newest_version(pg_of(s), &version, err) != 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		err_set(err, ERR_CONFLICT,
		    "the database has no fairlead schema, this program needs version %d",
		    STORE_SCHEMA_VERSION);
		return err_hint(err, "run `fairlead admin migrate`");
	}
	*ret_version = version;
	if (version == STORE_SCHEMA_VERSION)
		return 0;
	err_set(err, ERR_CONFLICT, "schema is at version %u, this program needs version %d",
	    version, STORE_SCHEMA_VERSION);
	return err_hint(err, "run `fairlead admin migrate` of the version you deploy");
}
