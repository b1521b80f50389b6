/* records_sqlite: the journal of a real host, one SQLite file that people can read too:
 *
 *     sqlite3 records.db 'SELECT * FROM executors'
 *
 * WAL with synchronous=FULL: a commit has reached the disk when records_commit returns. */
#include "records_sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"

#define SCHEMA_VERSION 3
#define BUSY_TIMEOUT_MS 2000

static const char schema[] =
    "CREATE TABLE journal ("
    " one INTEGER PRIMARY KEY CHECK (one = 1), journal_id BLOB NOT NULL, start_no INTEGER NOT NULL,"
    " hello_no INTEGER NOT NULL, contiguous_seq INTEGER NOT NULL, change_no INTEGER NOT NULL,"
    " boot_id TEXT NOT NULL);"
    "CREATE TABLE pending (host_seq INTEGER PRIMARY KEY);"
    "CREATE TABLE record ("
    " executor_id BLOB PRIMARY KEY, name TEXT NOT NULL, driver TEXT NOT NULL,"
    " attempt INTEGER NOT NULL, stop_grace_ms INTEGER NOT NULL, cpu_millis INTEGER NOT NULL,"
    " memory_bytes INTEGER NOT NULL, disk_bytes INTEGER NOT NULL, gpus INTEGER NOT NULL,"
    " slots INTEGER NOT NULL, desired INTEGER NOT NULL, accepted_generation INTEGER NOT NULL,"
    " gone_generation INTEGER NOT NULL, absent_seq INTEGER NOT NULL, state INTEGER NOT NULL,"
    " incarnation INTEGER NOT NULL, started INTEGER NOT NULL, oom INTEGER NOT NULL,"
    " exit_code INTEGER NOT NULL, signal INTEGER NOT NULL, reason TEXT NOT NULL,"
    " detail TEXT NOT NULL, at_us INTEGER NOT NULL, accepted_at_us INTEGER NOT NULL,"
    " starting_after_us INTEGER NOT NULL, running_after_us INTEGER NOT NULL,"
    " ended_after_us INTEGER NOT NULL, change_no INTEGER NOT NULL, acked_no INTEGER NOT NULL,"
    " spec BLOB);"
    "CREATE VIEW executors AS SELECT lower(hex(executor_id)) AS id, name, attempt, driver,"
    " CASE desired WHEN 1 THEN 'run' WHEN 2 THEN 'stop' ELSE 'absent' END AS desired,"
    " accepted_generation & 0xffffffffff AS generation, state, incarnation, exit_code, signal,"
    " reason, detail, gone_generation > 0 AS gone, change_no > acked_no AS unsent FROM record;";

/* upgrades[i]: from version i + 1 to the next; a new journal walks through all of them. */
static const char *const upgrades[SCHEMA_VERSION - 1] = {
    "ALTER TABLE record ADD COLUMN restart_mode INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE record ADD COLUMN restart_max INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE record ADD COLUMN backoff_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE record ADD COLUMN backoff_max_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE record ADD COLUMN reset_after_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE record ADD COLUMN stop_on_host_after_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE record ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE record ADD COLUMN restart_at_us INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE record ADD COLUMN running_at_us INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE journal ADD COLUMN contact_us INTEGER NOT NULL DEFAULT 0;",
};

static const char put_sql[] =
    "INSERT INTO record VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,"
    "?20,?21,?22,?23,?24,?25,?26,?27,?28,?29,?30,?31,?32,?33,?34,?35,?36,?37,?38,?39)"
    " ON CONFLICT (executor_id) DO UPDATE SET"
    " name = ?2, driver = ?3, attempt = ?4, stop_grace_ms = ?5, cpu_millis = ?6, memory_bytes = ?7,"
    " disk_bytes = ?8, gpus = ?9, slots = ?10, desired = ?11, accepted_generation = ?12,"
    " gone_generation = ?13, absent_seq = ?14, state = ?15, incarnation = ?16, started = ?17,"
    " oom = ?18, exit_code = ?19, signal = ?20, reason = ?21, detail = ?22, at_us = ?23,"
    " accepted_at_us = ?24, starting_after_us = ?25, running_after_us = ?26, ended_after_us = ?27,"
    " change_no = ?28, acked_no = ?29, spec = coalesce(?30, spec),"
    " restart_mode = ?31, restart_max = ?32, backoff_ms = ?33, backoff_max_ms = ?34,"
    " reset_after_ms = ?35, stop_on_host_after_ms = ?36, restarts = ?37, restart_at_us = ?38,"
    " running_at_us = ?39";

static const char *const statement_sql[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_PUT] = put_sql,
    [STATEMENT_DELETE] = "DELETE FROM record WHERE executor_id = ?1",
    [STATEMENT_META] = "UPDATE journal SET start_no = ?1, hello_no = ?2, contiguous_seq = ?3,"
		       " change_no = ?4, boot_id = ?5, contact_us = ?6",
    [STATEMENT_PENDING_CLEAR] = "DELETE FROM pending",
    [STATEMENT_PENDING_PUT] = "INSERT INTO pending VALUES (?1)",
    [STATEMENT_SPEC] = "SELECT spec FROM record WHERE executor_id = ?1",
};

static enum err_kind
kind_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
	case SQLITE_NOMEM:
		return ERR_LIMIT;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_INTERNAL;
	default:
		return ERR_UNAVAILABLE;
	}
}

int
records_sqlite_error(struct records_sqlite *s, int code, const char *what, struct err *err)
{
	return err_set(err, kind_of(code), "records: %s: %s", what,
	    s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code));
}

static int
execute(struct records_sqlite *s, const char *sql, struct err *err)
{
	int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : records_sqlite_error(s, code, "execute", err);
}

static int
read_number(struct records_sqlite *s, const char *sql, int64_t *ret, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*ret = sqlite3_column_int64(statement, 0);
	else
		records_sqlite_error(s, code, sql, err);
	sqlite3_finalize(statement);
	return code == SQLITE_ROW ? 0 : -1;
}

/* Is every page sound?  SQLite says "ok" or names the first damage. */
static int
check_sound(struct records_sqlite *s, struct err *err)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
	int result = 0;

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code != SQLITE_ROW)
		result = records_sqlite_error(s, code, "quick_check", err);
	else if (strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0)
		result = err_set(err, ERR_INTERNAL, "records: damaged: %s",
		    (const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	return result;
}

/* Inside a transaction, which it commits. */
static int
upgrade(struct records_sqlite *s, int64_t version, struct err *err)
{
	char sql[64];

	for (; version < SCHEMA_VERSION; version++)
		if (execute(s, upgrades[version - 1], err) < 0)
			return -1;
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d; COMMIT", SCHEMA_VERSION);
	return execute(s, sql, err);
}

static int
create_schema(struct records_sqlite *s, struct err *err)
{
	struct id journal_id = id_new();
	char sql[256], hex[ID_HEX_BYTES];

	snprintf(sql, sizeof(sql), "INSERT INTO journal VALUES (1, x'%s', 0, 0, 0, 0, '')",
	    id_to_hex(&journal_id, hex));
	if (execute(s, "BEGIN IMMEDIATE", err) < 0 || execute(s, schema, err) < 0 ||
	    execute(s, sql, err) < 0)
		return -1;
	return upgrade(s, 1, err);
}

static int
open_schema(struct records_sqlite *s, struct err *err)
{
	int64_t version = 0, tables = 0;

	if (read_number(s, "PRAGMA user_version", &version, err) < 0 ||
	    read_number(s, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0)
		return -1;
	if (version == 0 && tables == 0)
		return create_schema(s, err);
	if (version > SCHEMA_VERSION)
		return err_set(err, ERR_INVALID,
		    "records: %s has schema version %lld, this agent knows %d", s->path,
		    (long long)version, SCHEMA_VERSION);
	if (version < 1)
		return err_set(err, ERR_INTERNAL, "records: %s is not a journal", s->path);
	if (read_number(s, "SELECT count(*) FROM journal", &tables, err) < 0)
		return -1;
	if (tables != 1)
		return err_set(err, ERR_INTERNAL, "records: journal row is missing");
	if (check_sound(s, err) < 0)
		return -1;
	if (version == SCHEMA_VERSION)
		return 0;
	return execute(s, "BEGIN IMMEDIATE", err) < 0 ? -1 : upgrade(s, version, err);
}

static int
prepare_statements(struct records_sqlite *s, struct err *err)
{
	for (int i = 0; i < STATEMENT_COUNT; i++) {
		int code = sqlite3_prepare_v3(s->db, statement_sql[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL);

		if (code != SQLITE_OK)
			return records_sqlite_error(s, code, "prepare", err);
	}
	return 0;
}

void
records_sqlite_close(struct records_sqlite *s)
{
	for (int i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_close(s->db);
	free(s);
}

/* One try.  ERR_INTERNAL means: this file is not a sound journal. */
static int
open_once(const char *path, struct records_sqlite **ret, struct err *err)
{
	struct records_sqlite *s = calloc(1, sizeof(*s));
	int code;

	if (!s)
		return err_set(err, ERR_LIMIT, "records: no memory");
	s->base.ops = &records_sqlite_ops;
	snprintf(s->path, sizeof(s->path), "%s", path);
	code = sqlite3_open_v2(
	    path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK) {
		records_sqlite_error(s, code, path, err);
		records_sqlite_close(s);
		return -1;
	}
	sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
	if (execute(s,
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		"PRAGMA cache_size = -256; PRAGMA journal_size_limit = 1048576",
		err) < 0 ||
	    open_schema(s, err) < 0 || prepare_statements(s, err) < 0) {
		records_sqlite_close(s);
		return -1;
	}
	*ret = s;
	return 0;
}

/* The file keeps its name with a suffix; its WAL goes with it. */
static int
move_aside(const char *path, const char *why, char ret_moved[RECORDS_PATH_BYTES], struct err *err)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	struct id stamp = id_new();
	char hex[ID_HEX_BYTES], from[RECORDS_PATH_BYTES], to[RECORDS_PATH_BYTES];

	id_to_hex(&stamp, hex);
	for (size_t i = COUNT_OF(suffixes); i-- > 0;) {
		if ((size_t)snprintf(from, sizeof(from), "%s%s", path, suffixes[i]) >=
			sizeof(from) ||
		    (size_t)snprintf(to, sizeof(to), "%s.%s-%s%s", path, why, hex, suffixes[i]) >=
			sizeof(to))
			return err_set(err, ERR_LIMIT, "records: path too long: %s", path);
		if (rename(from, to) < 0 && errno != ENOENT)
			return err_set(err, ERR_UNAVAILABLE, "records: move %s aside: %s", from,
			    strerror(errno));
	}
	snprintf(ret_moved, RECORDS_PATH_BYTES, "%s", to);
	return 0;
}

int
records_sqlite_open(const char *state_dir, struct records **ret, char ret_moved[RECORDS_PATH_BYTES],
    struct err *err)
{
	char path[RECORDS_PATH_BYTES];
	struct records_sqlite *s = NULL;

	ret_moved[0] = '\0';
	if ((size_t)snprintf(path, sizeof(path), "%s/records.db", state_dir) >= sizeof(path))
		return err_set(err, ERR_LIMIT, "records: path too long: %s", state_dir);
	if (open_once(path, &s, err) < 0) {
		if (err->kind != ERR_INTERNAL || move_aside(path, "damaged", ret_moved, err) < 0 ||
		    open_once(path, &s, err) < 0)
			return -1;
	}
	*ret = &s->base;
	return 0;
}

int
records_sqlite_set_aside(
    const char *state_dir, const char *why, char ret_moved[RECORDS_PATH_BYTES], struct err *err)
{
	char path[RECORDS_PATH_BYTES];

	if ((size_t)snprintf(path, sizeof(path), "%s/records.db", state_dir) >= sizeof(path))
		return err_set(err, ERR_LIMIT, "records: path too long: %s", state_dir);
	return move_aside(path, why, ret_moved, err);
}
