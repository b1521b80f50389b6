/* pg_event: facts for people, numbered by one publisher. */
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_lease.h"

/* Names are joined here and not where the fact was made, so that hot statements stay narrow.  The
 * number is drawn from event_cursor, so it never repeats after retention. */
static const struct pg_statement publish = {"event_publish",
    "WITH d AS (DELETE FROM event_outbox WHERE outbox_id IN"
    "   (SELECT outbox_id FROM event_outbox ORDER BY outbox_id LIMIT 1000) RETURNING *),"
    "n AS (SELECT d.*, row_number() OVER (ORDER BY d.outbox_id) AS n FROM d),"
    "c AS (UPDATE event_cursor SET cursor = cursor + (SELECT count(*) FROM d)"
    "   RETURNING cursor - (SELECT count(*) FROM d) AS base),"
    "i AS (INSERT INTO event (cursor, at, kind, session, executor_id, executor, host, who, text)"
    "   SELECT c.base + n.n, n.at, n.kind, coalesce(nullif(n.session, ''), s.name, ''),"
    "     n.executor_id, CASE WHEN e.executor_id IS NULL THEN n.executor"
    "       WHEN e.attempt > 1 THEN s.name || '/' || e.idx || '#' || e.attempt"
    "       ELSE s.name || '/' || e.idx END, n.host, n.who, n.text"
    "   FROM c, n LEFT JOIN executor e ON e.executor_id = n.executor_id"
    "   LEFT JOIN session s ON s.session_id = e.session_id)"
    "SELECT count(*) FROM d"};

int
pg_store_event_publish(struct store *s, const struct store_lease *lease, uint32_t limit,
    size_t *ret_n, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg *pg = pg_of(s);

	(void)limit; /* the statement's literal bound is the limit: 1,000 at a time */
	*ret_n = 0;
	if (pg_begin_fenced(pg, lease, err) != 0)
		return -1;
	if (pg_run(pg, &publish, NULL, &r, err) != 0) {
		pg_rollback(pg);
		return -1;
	}
	*ret_n = (size_t)pg_int(r, 0, 0);
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

/* Was something after the cursor removed by retention? */
static int
gap_look(struct pg *pg, uint64_t after, struct arena *a, bool *ret, struct err *err)
{
	static const struct pg_statement first = {"event_first",
	    "SELECT coalesce(min(cursor), (SELECT cursor + 1 FROM event_cursor)) FROM event"};
	CLEANUP(PQclear) PGresult *r = NULL;

	(void)a;
	*ret = false;
	if (after == 0)
		return 0;
	if (pg_run(pg, &first, NULL, &r, err) != 0)
		return -1;
	*ret = (uint64_t)pg_int(r, 0, 0) > after + 1;
	return 0;
}

int
pg_store_event_list(struct store *s, const struct store_event_query *q, struct arena *a,
    struct store_event **ret, size_t *ret_n, bool *ret_gap, struct err *err)
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
	if (gap_look(pg_of(s), q->after, a, ret_gap, err) != 0 ||
	    pg_run(pg_of(s), st, &p, &r, err) != 0)
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
