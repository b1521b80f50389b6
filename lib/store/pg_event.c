/* pg_event: facts for people, numbered by one publisher. */
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_lease.h"

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#define AT_ONCE TEXT(STORE_EVENTS_AT_ONCE)

/* Names are joined here and not where the fact was made, so that hot statements stay narrow; rows
 * that hold a batch are taken apart.  STORE_EVENTS_AT_ONCE facts, or one row.  The number is drawn
 * from event_cursor, so it never repeats after retention. */
static const struct pg_statement publish = {"event_publish",
    "WITH f AS (SELECT outbox_id, sum(coalesce(cardinality(executors), 1))"
    "     OVER (ORDER BY outbox_id) - coalesce(cardinality(executors), 1) AS before"
    "   FROM (SELECT outbox_id, executors FROM event_outbox ORDER BY outbox_id LIMIT " AT_ONCE
    ") r),"
    "d AS (DELETE FROM event_outbox WHERE outbox_id IN"
    "   (SELECT outbox_id FROM f WHERE before < " AT_ONCE ") RETURNING *),"
    "x AS (SELECT outbox_id, 0::int8 AS part, at, kind, session, executor_id, executor, host, who,"
    "     text FROM d WHERE executors IS NULL"
    "   UNION ALL SELECT d.outbox_id, b.part, d.at, 'executor.' || CASE b.state"
#define STATE(name, code, rank, text, writer) " WHEN " #code " THEN '" text "'"
#include "executor_state.def"
    "     END, '', b.executor_id, '', b.host, '', b.text"
    "   FROM d, unnest(d.executors, d.states, d.hosts, d.texts) WITH ORDINALITY"
    "     AS b(executor_id, state, host, text, part)),"
    "n AS (SELECT x.*, row_number() OVER (ORDER BY outbox_id, part) AS n FROM x),"
    "c AS (UPDATE event_cursor SET cursor = cursor + (SELECT count(*) FROM x)"
    "   RETURNING cursor, cursor - (SELECT count(*) FROM x) AS base),"
    "j AS MATERIALIZED (SELECT n.n, n.part, n.at, n.kind, n.host, n.who, n.text, n.executor_id,"
    "     coalesce(nullif(n.session, ''), s.name, '') AS session,"
    "     CASE WHEN e.executor_id IS NULL THEN n.executor"
    "       WHEN e.attempt > 1 THEN s.name || '/' || e.idx || '#' || e.attempt"
    "       ELSE s.name || '/' || e.idx END AS executor,"
    "     e.placed_at, e.accepted_at, e.running_at, e.running_after_us"
    "   FROM n LEFT JOIN executor e ON e.executor_id = n.executor_id"
    "   LEFT JOIN session s ON s.session_id = e.session_id),"
    "i AS (INSERT INTO event (cursor, at, kind, session, executor_id, executor, host, who, text)"
    "   SELECT c.base + j.n, j.at, j.kind, j.session, j.executor_id, j.executor, j.host, j.who,"
    "     j.text FROM c, j),"
    /* The join stamps its batch of events and running_at with one time: an event of that moment is
     * the first that says so. */
    "r AS (SELECT extract(epoch FROM accepted_at - placed_at) * 1e6 AS accepted,"
    "     CASE WHEN running_after_us > 0 THEN running_after_us"
    "       ELSE extract(epoch FROM running_at - accepted_at) * 1e6 END AS running"
    "   FROM j WHERE part > 0 AND running_at = at AND accepted_at >= placed_at)"
    "SELECT (SELECT count(*) FROM x), c.cursor, r.accepted::int8, r.running::int8"
    " FROM c LEFT JOIN r ON true"};

/* Without anybody there is one row, of the numbers alone. */
static int
runs_read(const PGresult *r, struct arena *a, struct store_first_runs *ret, struct err *err)
{
	ret->n = PQgetisnull(r, 0, 2) ? 0 : (size_t)PQntuples(r);
	ret->accepted_us = arena_calloc(a, ret->n + 1, sizeof(*ret->accepted_us));
	ret->running_us = arena_calloc(a, ret->n + 1, sizeof(*ret->running_us));
	if (!ret->accepted_us || !ret->running_us)
		return pg_no_room(err);
	for (size_t i = 0; i < ret->n; i++) {
		ret->accepted_us[i] = pg_int(r, (int)i, 2);
		ret->running_us[i] = pg_int(r, (int)i, 3);
	}
	return 0;
}

int
pg_store_event_publish(struct store *s, const struct store_lease *lease, struct arena *a,
    size_t *ret_n, uint64_t *ret_newest, struct store_first_runs *ret_runs, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg *pg = pg_of(s);

	*ret_n = 0;
	if (pg_begin_fenced(pg, lease, err) != 0)
		return -1;
	if (pg_run(pg, &publish, NULL, &r, err) != 0 ||
	    (ret_runs && runs_read(r, a, ret_runs, err) != 0)) {
		pg_rollback(pg);
		return -1;
	}
	*ret_n = (size_t)pg_int(r, 0, 0);
	*ret_newest = (uint64_t)pg_int(r, 0, 1);
	return pg_commit(pg, err);
}

#define COLUMNS "cursor, at, kind, session, executor_id, executor, host, who, text"
#define AFTER " FROM event WHERE cursor > $1 AND at >= coalesce($2, '-infinity'::timestamptz)"
#define ORDER " ORDER BY cursor LIMIT $3"

static const struct pg_statement list_all = {"event_list", "SELECT " COLUMNS AFTER ORDER};
static const struct pg_statement list_session = {
    "event_list_session", "SELECT " COLUMNS AFTER " AND session = $4 AND session <> ''" ORDER};
static const struct pg_statement list_host = {
    "event_list_host", "SELECT " COLUMNS AFTER " AND host = $4 AND host <> ''" ORDER};
static const struct pg_statement list_executor = {
    "event_list_executor", "SELECT " COLUMNS AFTER " AND executor_id = $4" ORDER};

static const struct pg_statement *
list_statement(const struct store_event_query *q, struct pg_params *p)
{
	if (q->executor_id) {
		pg_add_uuid(p, q->executor_id);
		return &list_executor;
	}
	if (q->session) {
		pg_add_text(p, q->session);
		return &list_session;
	}
	if (q->host) {
		pg_add_text(p, q->host);
		return &list_host;
	}
	return &list_all;
}

/* Before the rows are read: what is numbered in between is in the rows, and not yet in the bounds.
 */
static int
bounds_get(struct pg *pg, struct store_event_bounds *ret, struct err *err)
{
	static const struct pg_statement bounds = {"event_bounds",
	    "SELECT coalesce((SELECT min(cursor) FROM event), cursor + 1), cursor"
	    " FROM event_cursor"};
	CLEANUP(PQclear) PGresult *r = NULL;

	if (pg_run(pg, &bounds, NULL, &r, err) != 0)
		return -1;
	ret->oldest = (uint64_t)pg_int(r, 0, 0);
	ret->newest = (uint64_t)pg_int(r, 0, 1);
	return 0;
}

int
pg_store_event_list(struct store *s, const struct store_event_query *q, struct arena *a,
    struct store_event **ret, size_t *ret_n, struct store_event_bounds *ret_bounds, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	const struct pg_statement *st;
	struct store_event *rows;
	struct pg_params p;

	if (q->session && q->host)
		return err_field(
		    err, ERR_INVALID, "host", "ask for a session or for a host, not both");
	pg_params_init(&p, a);
	pg_add_int8(&p, (int64_t)q->after);
	pg_add_time(&p, q->since_us);
	pg_add_int8(&p, q->limit);
	st = list_statement(q, &p);
	if (bounds_get(pg_of(s), ret_bounds, err) != 0 || pg_run(pg_of(s), st, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)PQntuples(r);
	rows = arena_calloc(a, *ret_n + 1, sizeof(*rows));
	if (!rows)
		return pg_no_room(err);
	for (int i = 0; i < PQntuples(r); i++) {
		rows[i] = (struct store_event){.cursor = (uint64_t)pg_int(r, i, 0),
		    .at_us = pg_time(r, i, 1),
		    .kind = pg_text(r, i, 2, a),
		    .session = pg_text(r, i, 3, a),
		    .executor_id = pg_id(r, i, 4),
		    .executor = pg_text(r, i, 5, a),
		    .host = pg_text(r, i, 6, a),
		    .who = pg_text(r, i, 7, a),
		    .text = pg_text(r, i, 8, a)};
		if (!rows[i].text)
			return pg_no_room(err);
	}
	*ret = rows;
	return 0;
}

int
pg_store_event_append(struct store *s, const struct store_event *e, struct err *err)
{
	static const struct pg_statement append = {"event_append",
	    "INSERT INTO event_outbox (kind, session, executor_id, executor, host, who, text)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7)"};
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct pg_params p;

	if (!a)
		return pg_no_room(err);
	pg_params_init(&p, a);
	pg_add_text(&p, e->kind);
	pg_add_text(&p, e->session ? e->session : "");
	pg_add_uuid(&p, id_is_zero(&e->executor_id) ? NULL : &e->executor_id);
	pg_add_text(&p, e->executor ? e->executor : "");
	pg_add_text(&p, e->host ? e->host : "");
	pg_add_text(&p, e->who ? e->who : "");
	pg_add_text(&p, e->text ? e->text : "");
	return pg_run(pg_of(s), &append, &p, NULL, err);
}
