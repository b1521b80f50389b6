#include "pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "store_bounds.h"

static void
pg_free(struct store *s)
{
	struct pg *pg = pg_of(s);

	pg_disconnect(pg);
	free(pg->url);
	free(pg->application);
	free(pg->role);
	free(pg);
}

const struct store_ops pg_ops = {.free = pg_free,
#define PG_OP_ROW(name_, parameters, arguments) .name_ = pg_store_##name_,
    STORE_OPS(PG_OP_ROW)
#undef PG_OP_ROW
};

int
store_pg_new(const struct store_options *o, struct store **ret, struct err *err)
{
	struct pg *pg = calloc(1, sizeof(*pg));
	PQconninfoOption *parsed;
	char *why = NULL;

	if (!pg)
		return err_set(err, ERR_INTERNAL, "no memory for a store");
	pg->base.ops = &pg_ops;
	pg->url = strdup(o->url);
	pg->application = strdup(o->application ? o->application : "fairlead");
	pg->role = o->role ? strdup(o->role) : NULL;
	pg->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : PG_TIMEOUT_MS_DEFAULT;
	pg->connect_timeout_ms =
	    o->connect_timeout_ms > 0 ? o->connect_timeout_ms : PG_TIMEOUT_MS_DEFAULT;
	if (!pg->url || !pg->application || (o->role && !pg->role)) {
		pg_free(&pg->base);
		return err_set(err, ERR_INTERNAL, "no memory for a store");
	}
	parsed = PQconninfoParse(pg->url, &why);
	if (!parsed) {
		err_field(
		    err, ERR_INVALID, "database_url", "%s", why ? why : "not a connection string");
		PQfreemem(why);
		pg_free(&pg->base);
		return -1;
	}
	PQconninfoFree(parsed);
	*ret = &pg->base;
	return 0;
}

void
pg_disconnect(struct pg *pg)
{
	if (pg->conn)
		PQfinish(pg->conn);
	pg->conn = NULL;
	pg->in_transaction = false;
	pg->locks_ordered = false;
	pg->patient = false;
	pg->prepared_count = 0;
}

/* Roles come with the first migration: without it there is no schema either. */
static int
pg_role(struct pg *pg, struct err *err)
{
	char sql[160], *name = PQescapeIdentifier(pg->conn, pg->role, strlen(pg->role));

	if (!name)
		return err_set(err, ERR_INTERNAL, "no memory");
	snprintf(sql, sizeof(sql), "SET ROLE %.100s", name);
	PQfreemem(name);
	if (pg_simple(pg, sql, err) == 0)
		return pg_simple(pg, "SET plan_cache_mode = force_generic_plan", err);
	if (err->kind != ERR_INVALID)
		return -1;
	err_set(err, ERR_CONFLICT, "the server has no role %s, which migrations make", pg->role);
	return err_hint(err, "run `fairlead admin migrate`");
}

/* The settings a session of ours has.  force_generic_plan: custom plans on arrays are three times
 * slower and break the order in which rows are locked.  jit: plans with disabled nodes or unnest
 * look costly, and compiling one takes 40 ms where running it takes one. */
static int
pg_settings(struct pg *pg, struct err *err)
{
	char sql[512];

	if (pg->role && pg_role(pg, err) != 0)
		return -1;
	snprintf(sql, sizeof(sql),
	    "SET statement_timeout = %d; SET lock_timeout = %d; SET transaction_timeout = %d;"
	    "SET idle_in_transaction_session_timeout = %d; SET client_min_messages = warning;"
	    "SET jit = off;",
	    pg->timeout_ms, PG_LOCK_TIMEOUT_MS, pg->timeout_ms, PG_IDLE_TIMEOUT_MS);
	return pg_simple(pg, sql, err);
}

static int
connect_error(struct pg *pg, struct err *err)
{
	const char *text = PQerrorMessage(pg->conn);
	enum err_kind kind = ERR_UNAVAILABLE;

	/* libpq gives no SQLSTATE for a refused login; these words are the server's own. */
	if (strstr(text, "authentication failed") || strstr(text, "no pg_hba.conf entry") ||
	    strstr(text, "permission denied"))
		kind = ERR_DENIED;
	else if (strstr(text, "does not exist"))
		kind = ERR_NOT_FOUND;
	err_set(err, kind, "Postgres: %.*s", (int)strcspn(text, "\n"), text);
	pg_disconnect(pg);
	return -1;
}

int
pg_connect(struct pg *pg, struct err *err)
{
	char timeout[16];
	const char *keys[] = {"dbname", "application_name", "connect_timeout", "keepalives_idle",
	    "keepalives_interval", "keepalives_count", "tcp_user_timeout", NULL};
	const char *values[] = {pg->url, pg->application, timeout, "5", "2", "3", "10000", NULL};

	if (pg->conn && PQstatus(pg->conn) == CONNECTION_OK)
		return 0;
	pg_disconnect(pg);
	snprintf(timeout, sizeof(timeout), "%d", (pg->connect_timeout_ms + 999) / 1000);
	pg->conn = PQconnectdbParams(keys, values, 1);
	if (!pg->conn)
		return err_set(err, ERR_INTERNAL, "no memory for a connection");
	if (PQstatus(pg->conn) != CONNECTION_OK || PQsetnonblocking(pg->conn, 1) != 0)
		return connect_error(pg, err);
	if (pg_settings(pg, err) != 0) {
		pg_disconnect(pg);
		return -1;
	}
	return 0;
}

int
pg_order_locks(struct pg *pg, struct err *err)
{
	if (pg_connect(pg, err) != 0)
		return -1;
	if (pg->locks_ordered)
		return 0;
	if (pg_simple(pg,
		"SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off",
		err) != 0)
		return -1;
	pg->locks_ordered = true;
	return 0;
}

/* The one place where SQLSTATE becomes a kind. */
static enum err_kind
kind_of(const char *state)
{
	static const struct {
		const char *prefix;
		enum err_kind kind;
	} rows[] = {
	    {"40001", ERR_UNAVAILABLE},
	    {"40P01", ERR_UNAVAILABLE},
	    {"55P03", ERR_UNAVAILABLE},
	    {"57014", ERR_TIMEOUT},
	    {"25P03", ERR_UNAVAILABLE},
	    {"25P04", ERR_TIMEOUT},
	    {"57P", ERR_UNAVAILABLE},
	    {"08", ERR_UNAVAILABLE},
	    {"53", ERR_UNAVAILABLE},
	    {"25006", ERR_UNAVAILABLE},
	    {"58", ERR_UNAVAILABLE},
	    {"42501", ERR_DENIED},
	    {"28", ERR_DENIED},
	    {"23505", ERR_CONFLICT},
	    {"22", ERR_INVALID},
	    {"23", ERR_INVALID},
	    {"42P01", ERR_NOT_FOUND},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (strncmp(state, rows[i].prefix, strlen(rows[i].prefix)) == 0)
			return rows[i].kind;
	}
	return ERR_INTERNAL;
}

static int
error_tell(struct pg *pg, const PGresult *r, const char *what, struct err *err)
{
	const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
	const char *text = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	bool lost = PQstatus(pg->conn) != CONNECTION_OK;

	if (!text)
		text = PQerrorMessage(pg->conn);
	err_set(err, lost || !state ? ERR_UNAVAILABLE : kind_of(state), "Postgres: %s: %.*s%s%s%s",
	    what, (int)strcspn(text, "\n"), text, state ? " (" : "", state ? state : "",
	    state ? ")" : "");
	if (lost)
		pg_disconnect(pg);
	return -1;
}

static bool
result_ok(const PGresult *r)
{
	return PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;
}

int
pg_simple(struct pg *pg, const char *sql, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	char what[48];

	snprintf(what, sizeof(what), "%.40s", sql);
	if (PQsendQuery(pg->conn, sql) && pg_answer(pg, what, &r, err) != 0)
		return -1;
	return result_ok(r) ? 0 : error_tell(pg, r, what, err);
}

static bool
is_prepared(const struct pg *pg, const struct pg_statement *st)
{
	for (unsigned i = 0; i < pg->prepared_count; i++) {
		if (pg->prepared[i] == st)
			return true;
	}
	return false;
}

static int
pg_prepare(struct pg *pg, const struct pg_statement *st, const struct pg_params *p, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;

	if (is_prepared(pg, st))
		return 0;
	if (pg->prepared_count == PG_STATEMENTS_MAX)
		return err_set(err, ERR_INTERNAL, "more than %d statements", PG_STATEMENTS_MAX);
	if (PQsendPrepare(pg->conn, st->name, st->sql, p ? p->count : 0, p ? p->types : NULL) &&
	    pg_answer(pg, st->name, &r, err) != 0)
		return -1;
	if (!result_ok(r))
		return error_tell(pg, r, st->name, err);
	pg->prepared[pg->prepared_count++] = st;
	return 0;
}

int
pg_run(struct pg *pg, const struct pg_statement *st, struct pg_params *p, PGresult **ret_result,
    struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;

	if (p && p->failed)
		return pg_no_room(err);
	/* Inside a transaction a lost connection must not be replaced: the caller starts again. */
	if (!pg->in_transaction && pg_connect(pg, err) != 0)
		return -1;
	if (!pg->conn)
		return err_set(err, ERR_UNAVAILABLE, "Postgres: connection lost in a transaction");
	if (pg_prepare(pg, st, p, err) != 0)
		return -1;
	if (PQsendQueryPrepared(pg->conn, st->name, p ? p->count : 0, p ? p->values : NULL,
		p ? p->lengths : NULL, p ? p->formats : NULL, 1) &&
	    pg_answer(pg, st->name, &r, err) != 0)
		return -1;
	if (!result_ok(r))
		return error_tell(pg, r, st->name, err);
	if (ret_result)
		*ret_result = TAKE(r);
	return 0;
}

int
pg_begin(struct pg *pg, struct err *err)
{
	if (pg_connect(pg, err) != 0 || pg_simple(pg, "BEGIN", err) != 0)
		return -1;
	pg->in_transaction = true;
	return 0;
}

static int
steps_prepare(struct pg *pg, const struct pg_step *steps, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (steps[i].params->failed)
			return pg_no_room(err);
		if (pg_prepare(pg, steps[i].statement, steps[i].params, err) != 0)
			return -1;
	}
	return 0;
}

static bool
steps_send(struct pg *pg, const struct pg_step *steps, size_t n)
{
	if (!PQenterPipelineMode(pg->conn) ||
	    !PQsendQueryParams(pg->conn, "BEGIN", 0, NULL, NULL, NULL, NULL, 1))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct pg_params *p = steps[i].params;

		if (!PQsendQueryPrepared(pg->conn, steps[i].statement->name, p->count, p->values,
			p->lengths, p->formats, 1))
			return false;
	}
	return PQpipelineSync(pg->conn);
}

/* The answer to one of them; the first failure is the one that is told. */
static int
step_read(struct pg *pg, const char *what, PGresult **ret, int r, struct err *err)
{
	CLEANUP(PQclear) PGresult *result = NULL, *between = NULL;

	if (pg_next(pg, what, &result, err) != 0 ||
	    (result && pg_next(pg, what, &between, err) != 0)) /* the NULL between two */
		return -1;
	if (r == 0 && !result_ok(result))
		r = error_tell(pg, result, what, err);
	*ret = TAKE(result);
	return r;
}

static int
steps_read(struct pg *pg, struct pg_step *steps, size_t n, struct err *err)
{
	CLEANUP(PQclear) PGresult *begun = NULL, *sync = NULL;
	int r = step_read(pg, "BEGIN", &begun, 0, err);

	for (size_t i = 0; i < n && pg->conn; i++)
		r = step_read(pg, steps[i].statement->name, &steps[i].result, r, err);
	if (!pg->conn)
		return -1;
	if (pg_next(pg, "COMMIT", &sync, err) != 0)
		return -1;
	if (PQresultStatus(sync) == PGRES_PIPELINE_SYNC && PQexitPipelineMode(pg->conn))
		return r;
	pg_disconnect(pg);
	return r != 0 ? r : err_set(err, ERR_UNAVAILABLE, "Postgres: connection out of step");
}

int
pg_begin_with(struct pg *pg, struct pg_step *steps, size_t n, struct err *err)
{
	int r;

	for (size_t i = 0; i < n; i++)
		steps[i].result = NULL;
	if (pg_connect(pg, err) != 0 || steps_prepare(pg, steps, n, err) != 0)
		return -1;
	if (steps_send(pg, steps, n)) {
		r = steps_read(pg, steps, n, err);
	} else {
		r = err_set(err, ERR_UNAVAILABLE, "Postgres: %.*s",
		    (int)strcspn(PQerrorMessage(pg->conn), "\n"), PQerrorMessage(pg->conn));
		pg_disconnect(pg);
	}
	pg->in_transaction = r == 0;
	for (size_t i = 0; i < n && r != 0; i++)
		PQclear(TAKE(steps[i].result));
	if (r != 0)
		pg_rollback(pg);
	return r;
}

int
pg_commit(struct pg *pg, struct err *err)
{
	pg->in_transaction = false;
	if (!pg->conn)
		return err_set(err, ERR_UNAVAILABLE, "Postgres: connection lost in a transaction");
	/* COMMIT of a failed transaction answers ROLLBACK and no error: ask before. */
	if (PQtransactionStatus(pg->conn) != PQTRANS_INTRANS) {
		pg_rollback(pg);
		return err_set(err, ERR_UNAVAILABLE, "Postgres: the transaction had failed");
	}
	return pg_simple(pg, "COMMIT", err);
}

void
pg_rollback(struct pg *pg)
{
	struct err ignored = {0};

	pg->in_transaction = false;
	if (!pg->conn || PQtransactionStatus(pg->conn) == PQTRANS_IDLE)
		return;
	if (pg_simple(pg, "ROLLBACK", &ignored) != 0)
		pg_disconnect(pg);
}

int
pg_store_ping(struct store *s, int64_t *ret_now_us, struct err *err)
{
	static const struct pg_statement now = {"now", "SELECT clock_timestamp()"};
	CLEANUP(PQclear) PGresult *r = NULL;

	if (pg_run(pg_of(s), &now, NULL, &r, err) != 0)
		return -1;
	*ret_now_us = pg_time(r, 0, 0);
	return 0;
}
