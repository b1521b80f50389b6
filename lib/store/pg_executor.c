/* pg_executor: what people ask about executors. */
#include <jansson.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"

#define COLUMNS                                                                                    \
	"e.executor_id, e.session_id, s.name, coalesce(e.host_id, ''), e.reason, e.detail,"        \
	"e.late_outcome, e.idx, e.attempt, e.incarnation, e.state, e.desired, e.generation,"       \
	"e.accepted_generation, e.gone_generation, e.exit_code, e.signal, e.oom, e.started,"       \
	"e.queued_at, e.placed_at, (SELECT min(c.sent_at) FROM command c"                          \
	" WHERE c.executor_id = e.executor_id AND c.desired = 1), e.accepted_at, e.starting_at, "  \
	"e.running_at,"                                                                            \
	"e.ended_at, e.gone_at, e.starting_after_us, e.running_after_us, e.ended_after_us,"        \
	"coalesce(q.why, '{}')::text, e.stopped_for, e.revision"
#define COLUMN_COUNT 33
#define FROM                                                                                       \
	" FROM executor e JOIN session s USING (session_id)"                                       \
	" JOIN executor_spec p ON p.session_id = e.session_id AND p.revision = e.revision"         \
	" LEFT JOIN placement_queue q USING (executor_id)"

static int
why_read(const char *text, struct arena *a, struct store_executor *ret, struct err *err)
{
	json_t *json = json_loads(text, 0, NULL), *value;
	const char *key;

	ret->why = arena_calloc(a, json_object_size(json) + 1, sizeof(*ret->why));
	json_object_foreach(json, key, value)
	{
		if (!ret->why)
			break;
		ret->why[ret->why_count].reason = arena_strdup(a, key);
		ret->why[ret->why_count].hosts = (uint32_t)json_integer_value(value);
		ret->why_count++;
	}
	json_decref(json);
	return ret->why ? 0 : pg_no_room(err);
}

static void
times_read(const PGresult *r, int row, struct store_executor *ret)
{
	ret->queued_us = pg_time(r, row, 19);
	ret->placed_us = pg_time(r, row, 20);
	ret->sent_us = pg_time(r, row, 21);
	ret->accepted_us = pg_time(r, row, 22);
	ret->starting_us = pg_time(r, row, 23);
	ret->running_us = pg_time(r, row, 24);
	ret->ended_us = pg_time(r, row, 25);
	ret->gone_us = pg_time(r, row, 26);
	ret->starting_after_us = pg_int(r, row, 27);
	ret->running_after_us = pg_int(r, row, 28);
	ret->ended_after_us = pg_int(r, row, 29);
}

static int
row_read(const PGresult *r, int row, struct arena *a, struct store_executor *ret, struct err *err)
{
	*ret = (struct store_executor){.executor_id = pg_id(r, row, 0),
	    .session_id = pg_id(r, row, 1),
	    .session = pg_text(r, row, 2, a),
	    .host_id = pg_text(r, row, 3, a),
	    .reason = pg_text(r, row, 4, a),
	    .detail = pg_text(r, row, 5, a),
	    .late_outcome = pg_text(r, row, 6, a),
	    .stopped_for = pg_text(r, row, 31, a),
	    .revision = (uint64_t)pg_int(r, row, 32),
	    .index = (uint32_t)pg_int(r, row, 7),
	    .attempt = (uint32_t)pg_int(r, row, 8),
	    .incarnation = (uint32_t)pg_int(r, row, 9),
	    .state = (enum executor_state)pg_int(r, row, 10),
	    .desired = (enum desired_state)pg_int(r, row, 11),
	    .generation = (uint64_t)pg_int(r, row, 12),
	    .accepted_generation = (uint64_t)pg_int(r, row, 13),
	    .gone_generation = (uint64_t)pg_int(r, row, 14),
	    .exit_code = (int32_t)pg_int(r, row, 15),
	    .signal = (int32_t)pg_int(r, row, 16),
	    .oom = pg_bool(r, row, 17),
	    .started = pg_bool(r, row, 18)};
	times_read(r, row, ret);
	if (!ret->session || !ret->host_id || !ret->reason || !ret->detail || !ret->late_outcome)
		return pg_no_room(err);
	return why_read(PQgetvalue(r, row, 30), a, ret, err);
}

/* Of one executor; lists leave the spec out, it may be 200 KiB. */
static int
row_with_spec(const PGresult *r, struct arena *a, struct store_executor *ret, struct err *err)
{
	if (row_read(r, 0, a, ret, err) != 0)
		return -1;
	ret->spec_body = pg_bytes(r, 0, COLUMN_COUNT, a, &ret->spec_size);
	return ret->spec_body ? 0 : pg_no_room(err);
}

int
pg_store_executor_list(struct store *s, const struct store_executor_query *q, struct arena *a,
    struct store_executor **ret, size_t *ret_n, struct err *err)
{
	/* One statement per kind of question, so that each has its own index and no OR in its plan.
	 */
	static const struct pg_statement by_session = {"executor_list_session",
	    "SELECT " COLUMNS FROM " WHERE s.session_id = (SELECT session_id FROM session"
	    "   WHERE name = $1 ORDER BY (state <> 3) DESC, created_at DESC LIMIT 1)"
	    " AND e.executor_id > $2 AND ($3 OR e.rank < 90) AND ($5 = '' OR e.host_id = $5)"
	    " ORDER BY e.executor_id LIMIT $4"};
	static const struct pg_statement by_host = {"executor_list_host",
	    "SELECT " COLUMNS FROM " JOIN host_executor x ON x.executor_id = e.executor_id"
	    " WHERE x.host_id = $5 AND x.executor_id > $2 AND ($3 OR e.rank < 90) AND $1 = ''"
	    " ORDER BY x.executor_id LIMIT $4"};
	/* Those that are gone too: no index leads from a host to them, and few people ask. */
	static const struct pg_statement by_host_all = {"executor_list_host_all",
	    "SELECT " COLUMNS FROM " WHERE e.host_id = $5 AND e.executor_id > $2 AND $3 AND $1 = ''"
	    " ORDER BY e.executor_id LIMIT $4"};
	static const struct pg_statement all = {"executor_list_all",
	    "SELECT " COLUMNS FROM " WHERE e.executor_id > $2 AND ($3 OR e.rank < 90)"
	    " AND $1 = '' AND $5 = '' ORDER BY e.executor_id LIMIT $4"};
	const struct pg_statement *st = q->session    ? &by_session
					: !q->host_id ? &all
					: q->all      ? &by_host_all
						      : &by_host;
	CLEANUP(PQclear) PGresult *r = NULL;
	struct store_executor *rows;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, q->session ? q->session : "");
	pg_add_uuid(&p, &q->after);
	pg_add_bool(&p, q->all);
	pg_add_int8(&p, q->limit);
	pg_add_text(&p, q->host_id ? q->host_id : "");
	if (pg_run(pg_of(s), st, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)PQntuples(r);
	rows = arena_calloc(a, *ret_n + 1, sizeof(*rows));
	if (!rows)
		return pg_no_room(err);
	for (size_t i = 0; i < *ret_n; i++) {
		if (row_read(r, (int)i, a, &rows[i], err) != 0)
			return -1;
	}
	*ret = rows;
	return 0;
}

int
pg_store_executor_get(struct store *s, const struct id *executor_id, struct arena *a,
    struct store_executor *ret, struct err *err)
{
	static const struct pg_statement get = {
	    "executor_get", "SELECT " COLUMNS ", p.body" FROM " WHERE e.executor_id = $1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	char hex[ID_HEX_BYTES];
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_uuid(&p, executor_id);
	if (pg_run(pg_of(s), &get, &p, &r, err) != 0)
		return -1;
	if (PQntuples(r) == 0)
		return err_set(err, ERR_NOT_FOUND, "no executor %s", id_to_hex(executor_id, hex));
	return row_with_spec(r, a, ret, err);
}

int
pg_store_executor_find(struct store *s, const char *session, uint32_t index, uint32_t attempt,
    struct arena *a, struct store_executor *ret, struct err *err)
{
	static const struct pg_statement find = {"executor_find",
	    "SELECT " COLUMNS ", p.body" FROM
	    " WHERE s.session_id = (SELECT session_id FROM session"
	    "   WHERE name = $1 ORDER BY (state <> 3) DESC, created_at DESC LIMIT 1)"
	    " AND e.idx = $2 AND ($3 = 0 OR e.attempt = $3) ORDER BY e.attempt DESC LIMIT 1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, session);
	pg_add_int4(&p, (int32_t)index);
	pg_add_int4(&p, (int32_t)attempt);
	if (pg_run(pg_of(s), &find, &p, &r, err) != 0)
		return -1;
	if (PQntuples(r) == 0)
		return err_set(err, ERR_NOT_FOUND, "no executor %s/%u", session, index);
	return row_with_spec(r, a, ret, err);
}

int
pg_store_executor_stop(
    struct store *s, const struct id *executor_id, bool now, const char *who, struct err *err)
{
	/* A wish that waits already is not written again. */
	static const struct pg_statement stop = {"executor_stop",
	    "WITH e AS (SELECT executor_id, session_id, pool_id, rank, coalesce(host_id, '') AS "
	    "host"
	    "   FROM executor WHERE executor_id = $1),"
	    "i AS (INSERT INTO intent (pool_id, kind, session_id, executor_id, now, who)"
	    "   SELECT pool_id, 'executor.stop', session_id, executor_id, $2, $3 FROM e WHERE rank "
	    "< 90"
	    "   AND NOT EXISTS (SELECT 1 FROM intent n WHERE n.kind = 'executor.stop'"
	    "     AND n.executor_id = $1 AND n.now >= $2)"
	    "   RETURNING executor_id),"
	    "v AS (INSERT INTO event_outbox (kind, executor_id, host, who, text)"
	    "   SELECT 'executor.stop_asked', executor_id, host, $3,"
	    "   CASE WHEN $2 THEN 'now' ELSE 'graceful' END FROM e WHERE EXISTS (SELECT 1 FROM i))"
	    "SELECT 1 FROM e"};
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	CLEANUP(PQclear) PGresult *r = NULL;
	char hex[ID_HEX_BYTES];
	struct pg_params p;

	if (!a)
		return pg_no_room(err);
	pg_params_init(&p, a);
	pg_add_uuid(&p, executor_id);
	pg_add_bool(&p, now);
	pg_add_text(&p, who);
	if (pg_run(pg_of(s), &stop, &p, &r, err) != 0)
		return -1;
	if (PQntuples(r) == 0)
		return err_set(err, ERR_NOT_FOUND, "no executor %s", id_to_hex(executor_id, hex));
	return 0;
}
