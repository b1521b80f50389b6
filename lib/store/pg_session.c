/* pg_session: sessions as users declare them. */
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"

/* session.pool_id has a row before anything names the pool. */
static const struct pg_statement pool_ensure = {
    "pool_ensure", "INSERT INTO pool (name) VALUES ($1) ON CONFLICT (name) DO NOTHING"};

/* Parameters: see session_insert.  Everything of a create in one statement: the name decides (E7).
 */
static const struct pg_statement create = {"session_create",
    "WITH s AS ("
    "  INSERT INTO session (session_id, name, pool_id, state, revision, replicas, priority, spec,"
    "                       lost_after_ms, created_by, replace_lost, replace_after_ms,"
    "                       replacements_max, replace_failed, max_unavailable, indexes,"
    "                       keep_replacement)"
    "  SELECT $1, $2, p.pool_id, 1, 1, $4, $5, $6, $7, $8, $22, $23, $24, $25, $26, $4, $32"
    "  FROM pool p WHERE p.name = $3"
    "  ON CONFLICT (name) WHERE state <> 3 DO NOTHING"
    "  RETURNING session_id, name, pool_id, priority, replicas),"
    "c AS (INSERT INTO session_counter (session_id) SELECT session_id FROM s),"
    "sp AS (INSERT INTO executor_spec (session_id, revision, body, driver, selector,"
    "                limits_required, cpu_millis, memory_bytes, disk_bytes, gpus, slots,"
    "                stop_grace_ms, accept_timeout_ms, needs, spread_by, spread_skew, apart_by,"
    "                apart_max)"
    "  SELECT session_id, 1, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $27, $28, $29,"
    "    $30, $31 FROM s),"
    "e AS (INSERT INTO executor (executor_id, session_id, revision, pool_id, idx, attempt, rank, "
    "state)"
    "  SELECT u.id, s.session_id, 1, s.pool_id, u.n::int - 1, 1, 10, 10"
    "  FROM s, unnest($20::uuid[]) WITH ORDINALITY AS u(id, n)"
    "  RETURNING executor_id, session_id, pool_id, idx),"
    "q AS (INSERT INTO placement_queue (executor_id, pool_id, priority)"
    "  SELECT e.executor_id, e.pool_id, s.priority FROM e, s ORDER BY e.idx),"
    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
    "  SELECT array_agg(session_id), array_agg(0::int2), array_agg(10::int2) FROM e"
    "  HAVING count(*) > 0),"
    "k AS (INSERT INTO idempotency (key, session_id) SELECT $21, session_id FROM s"
    "  WHERE $21 <> ''),"
    "v AS (INSERT INTO event_outbox (kind, session, who, text)"
    "  SELECT 'session.created', name, $8, replicas || ' executors' FROM s)"
    "SELECT 1 FROM s"};

#define SESSION_COLUMNS                                                                            \
	"s.session_id, s.name, p.name, s.spec::text, s.created_by, s.state, s.revision,"           \
	"s.replicas, s.created_at, s.closed_at, s.template_revision,"                              \
	"s.previous_spec::text, s.rolling, s.rollout_paused,"                                      \
	"c.queued, c.placed, c.accepted, c.pulling, c.starting, c.running, c.backoff, c.stopping," \
	"c.succeeded, c.failed, c.stopped, c.rejected, c.lost, c.expired, c.cancelled"
#define SESSION_FROM                                                                               \
	" FROM session s JOIN pool p USING (pool_id) JOIN session_counter c USING (session_id)"

/* In the order of SESSION_COLUMNS, from column 14. */
static const enum executor_state counter_states[] = {EXECUTOR_QUEUED, EXECUTOR_PLACED,
    EXECUTOR_ACCEPTED, EXECUTOR_PULLING, EXECUTOR_STARTING, EXECUTOR_RUNNING, EXECUTOR_BACKOFF,
    EXECUTOR_STOPPING, EXECUTOR_SUCCEEDED, EXECUTOR_FAILED, EXECUTOR_STOPPED, EXECUTOR_REJECTED,
    EXECUTOR_LOST, EXECUTOR_EXPIRED, EXECUTOR_CANCELLED};

/* What counters do not know yet: edges still waiting to be folded, of one session or of all. */
static const struct pg_statement pending = {"session_pending",
    "SELECT x.s, x.f, x.t, count(*) FROM session_delta d,"
    " unnest(d.sessions, d.from_states, d.to_states) AS x(s, f, t)"
    " WHERE x.s = ANY($1::uuid[]) GROUP BY 1, 2, 3"};

static int
row_read(const PGresult *r, int row, struct arena *a, struct store_session *ret, struct err *err)
{
	*ret = (struct store_session){.session_id = pg_id(r, row, 0),
	    .name = pg_text(r, row, 1, a),
	    .pool = pg_text(r, row, 2, a),
	    .spec_json = pg_text(r, row, 3, a),
	    .who = pg_text(r, row, 4, a),
	    .state = (enum session_state)pg_int(r, row, 5),
	    .revision = (uint64_t)pg_int(r, row, 6),
	    .replicas = (uint32_t)pg_int(r, row, 7),
	    .created_us = pg_time(r, row, 8),
	    .closed_us = pg_time(r, row, 9),
	    .template_revision = (uint64_t)pg_int(r, row, 10),
	    .previous_spec_json = pg_text(r, row, 11, a),
	    .rolling = pg_bool(r, row, 12),
	    .rollout_paused = pg_text(r, row, 13, a)};
	for (size_t i = 0; i < COUNT_OF(counter_states); i++)
		ret->counters[counter_states[i]] = (uint64_t)pg_int(r, row, 14 + (int)i);
	return ret->name && ret->pool && ret->spec_json && ret->who && ret->previous_spec_json &&
		       ret->rollout_paused
		   ? 0
		   : pg_no_room(err);
}

/* Adds the unfolded edges; call in the snapshot in which the rows were read. */
static int
counters_complete(
    struct pg *pg, struct store_session *rows, size_t n, struct arena *a, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;
	struct pg_array ids;

	pg_params_init(&p, a);
	pg_array_begin(&ids, &p, PG_UUID, n);
	for (size_t i = 0; i < n; i++)
		pg_put_uuid(&ids, &rows[i].session_id);
	pg_array_end(&ids);
	if (pg_run(pg, &pending, &p, &r, err) != 0)
		return -1;
	for (int row = 0; row < PQntuples(r); row++) {
		struct id id = pg_id(r, row, 0);
		uint64_t count = (uint64_t)pg_int(r, row, 3);

		for (size_t i = 0; i < n; i++) {
			if (!id_equal(&rows[i].session_id, &id))
				continue;
			if (pg_int(r, row, 1) > 0)
				rows[i].counters[pg_int(r, row, 1)] -= count;
			rows[i].counters[pg_int(r, row, 2)] += count;
		}
	}
	return 0;
}

/* Rows and their unfolded edges in one snapshot, so that counters are exact at any moment. */
static int
sessions_read(struct pg *pg, const struct pg_statement *st, struct pg_params *p, struct arena *a,
    struct store_session **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct store_session *rows;
	size_t n;

	if (pg_begin(pg, err) != 0)
		return -1;
	if (pg_simple(pg, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", err) != 0 ||
	    pg_run(pg, st, p, &r, err) != 0) {
		pg_rollback(pg);
		return -1;
	}
	n = (size_t)PQntuples(r);
	rows = arena_calloc(a, n + 1, sizeof(*rows));
	for (size_t i = 0; rows && i < n; i++) {
		if (row_read(r, (int)i, a, &rows[i], err) != 0) {
			pg_rollback(pg);
			return -1;
		}
	}
	if (!rows || (n > 0 && counters_complete(pg, rows, n, a, err) != 0)) {
		pg_rollback(pg);
		return rows ? -1 : pg_no_room(err);
	}
	*ret = rows;
	*ret_n = n;
	return pg_commit(pg, err);
}

static int
session_one(struct pg *pg, const struct pg_statement *st, struct pg_params *p, const char *what,
    struct arena *a, struct store_session *ret, struct err *err)
{
	struct store_session *rows = NULL;
	size_t n = 0;

	if (sessions_read(pg, st, p, a, &rows, &n, err) != 0)
		return -1;
	if (n == 0)
		return err_set(err, ERR_NOT_FOUND, "no session %s", what);
	*ret = rows[0];
	return 0;
}

int
pg_store_session_get(
    struct store *s, const char *name, struct arena *a, struct store_session *ret, struct err *err)
{
	static const struct pg_statement get = {"session_get",
	    "SELECT " SESSION_COLUMNS SESSION_FROM
	    " WHERE s.name = $1 ORDER BY (s.state <> 3) DESC, s.created_at DESC LIMIT 1"};
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, name);
	return session_one(pg_of(s), &get, &p, name, a, ret, err);
}

static int
session_by_id(
    struct pg *pg, const struct id *id, struct arena *a, struct store_session *ret, struct err *err)
{
	static const struct pg_statement get = {
	    "session_by_id", "SELECT " SESSION_COLUMNS SESSION_FROM " WHERE s.session_id = $1"};
	char hex[ID_HEX_BYTES];
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_uuid(&p, id);
	return session_one(pg, &get, &p, id_to_hex(id, hex), a, ret, err);
}

int
pg_store_session_list(struct store *s, const char *pool, bool all, const char *after,
    uint32_t limit, struct arena *a, struct store_session **ret, size_t *ret_n, struct err *err)
{
	static const struct pg_statement list = {"session_list",
	    "SELECT " SESSION_COLUMNS SESSION_FROM
	    " WHERE ($1 = '' OR p.name = $1) AND ($2 OR s.state <> 3) AND s.name > $3"
	    " AND s.session_id = (SELECT n.session_id FROM session n WHERE n.name = s.name"
	    "      ORDER BY (n.state <> 3) DESC, n.created_at DESC LIMIT 1)"
	    " ORDER BY s.name LIMIT $4"};
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, pool ? pool : "");
	pg_add_bool(&p, all);
	pg_add_text(&p, after ? after : "");
	pg_add_int8(&p, limit);
	return sessions_read(pg_of(s), &list, &p, a, ret, ret_n, err);
}

static int
session_insert(struct pg *pg, const struct store_session_new *n, struct arena *a, bool *ret_created,
    struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;
	struct pg_array ids;

	pg_params_init(&p, a);
	pg_add_uuid(&p, &n->session_id);
	pg_add_text(&p, n->name);
	pg_add_text(&p, n->pool);
	pg_add_int4(&p, (int32_t)n->replicas);
	pg_add_int4(&p, n->priority);
	pg_add_jsonb(&p, n->spec_json);
	pg_add_int4(&p, (int32_t)n->lost_after_ms);
	pg_add_text(&p, n->who);
	pg_add_bytea(&p, n->executor_body, n->executor_body_size);
	pg_add_text(&p, n->driver);
	pg_add_text(&p, n->selector);
	pg_add_bool(&p, n->limits_required);
	pg_add_int8(&p, n->resources.cpu_millis);
	pg_add_int8(&p, n->resources.memory_bytes);
	pg_add_int8(&p, n->resources.disk_bytes);
	pg_add_int8(&p, n->resources.gpus);
	pg_add_int8(&p, n->resources.slots);
	pg_add_int4(&p, (int32_t)n->stop_grace_ms);
	pg_add_int4(&p, (int32_t)n->accept_timeout_ms);
	pg_array_begin(&ids, &p, PG_UUID, n->replicas);
	for (uint32_t i = 0; i < n->replicas; i++)
		pg_put_uuid(&ids, &n->executor_ids[i]);
	pg_array_end(&ids);
	pg_add_text(&p, n->key ? n->key : "");
	pg_add_bool(&p, n->replace_lost);
	pg_add_int4(&p, (int32_t)n->replace_after_ms);
	pg_add_int4(&p, (int32_t)n->replacements_max);
	pg_add_bool(&p, n->replace_failed);
	pg_add_int4(&p, (int32_t)n->max_unavailable);
	pg_add_text(&p, n->needs ? n->needs : "");
	pg_add_text(&p, n->spread_by ? n->spread_by : "");
	pg_add_int4(&p, (int32_t)n->spread_skew);
	pg_add_text(&p, n->apart_by ? n->apart_by : "");
	pg_add_int4(&p, (int32_t)n->apart_max);
	pg_add_bool(&p, n->keep_replacement);
	if (pg_run(pg, &create, &p, &r, err) != 0)
		return -1;
	*ret_created = PQntuples(r) > 0;
	return 0;
}

/* The session an idempotency key made; zero when it made none. */
static int
key_find(struct pg *pg, const char *key, struct arena *a, struct id *ret, struct err *err)
{
	static const struct pg_statement find = {
	    "idempotency_find", "SELECT session_id FROM idempotency WHERE key = $1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	memset(ret, 0, sizeof(*ret));
	pg_params_init(&p, a);
	pg_add_text(&p, key);
	if (pg_run(pg, &find, &p, &r, err) != 0)
		return -1;
	if (PQntuples(r) > 0)
		*ret = pg_id(r, 0, 0);
	return 0;
}

static int
session_by_key(struct pg *pg, const char *key, struct arena *a, struct store_session *ret,
    bool *ret_found, struct err *err)
{
	struct id id;

	*ret_found = false;
	if (!key)
		return 0;
	if (key_find(pg, key, a, &id, err) != 0)
		return -1;
	if (id_is_zero(&id))
		return 0;
	if (session_by_id(pg, &id, a, ret, err) != 0)
		return -1;
	ret->by_key = *ret_found = true;
	return 0;
}

static int
pool_make(struct pg *pg, const char *pool, struct arena *a, struct err *err)
{
	static const struct pg_statement find = {
	    "pool_find", "SELECT pool_id FROM pool WHERE name = $1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, pool);
	if (pg_run(pg, &find, &p, &r, err) != 0)
		return -1;
	if (PQntuples(r) > 0)
		return 0;
	return pg_run(pg, &pool_ensure, &p, NULL, err);
}

int
pg_store_session_create(struct store *s, const struct store_session_new *n, struct arena *a,
    struct store_session *ret, bool *ret_existed, struct err *err)
{
	struct pg *pg = pg_of(s);
	bool created = false;

	if (session_by_key(pg, n->key, a, ret, ret_existed, err) != 0)
		return -1;
	if (*ret_existed)
		return 0;
	if (pool_make(pg, n->pool, a, err) != 0)
		return -1;
	if (session_insert(pg, n, a, &created, err) != 0) {
		/* Two requests with one key at the same time: the other one's answer is ours. */
		if (err->kind != ERR_CONFLICT || !n->key)
			return -1;
		struct err conflict = *err;

		err_clear(err);
		if (session_by_key(pg, n->key, a, ret, ret_existed, err) != 0)
			return -1;
		if (!*ret_existed) /* it was not the key */
			*err = conflict;
		return *ret_existed ? 0 : -1;
	}
	*ret_existed = !created;
	if (created)
		return session_by_id(pg, &n->session_id, a, ret, err);
	return pg_store_session_get(s, n->name, a, ret, err);
}

int
pg_store_session_declared(struct store *s, const char *name, const char *key, struct arena *a,
    struct store_session *ret, bool *ret_found, struct err *err)
{
	if (session_by_key(pg_of(s), key, a, ret, ret_found, err) != 0)
		return -1;
	if (*ret_found)
		return 0;
	if (pg_store_session_get(s, name, a, ret, err) != 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	*ret_found = ret->state != SESSION_CLOSED;
	return 0;
}

/* Marks the session and leaves an intent for its scheduler, once. */
int
pg_store_session_close(struct store *s, const char *name, uint64_t revision, bool now,
    const char *who, struct arena *a, struct store_session *ret, struct err *err)
{
	static const struct pg_statement close = {"session_close",
	    "WITH s AS (UPDATE session SET state = 2, revision = revision + 1"
	    "   WHERE name = $1 AND state = 1 AND ($2 = 0 OR revision = $2)"
	    "   RETURNING session_id, pool_id, name),"
	    "i AS (INSERT INTO intent (pool_id, kind, session_id, now, who)"
	    "   SELECT pool_id, 'session.close', session_id, $3, $4 FROM s),"
	    "v AS (INSERT INTO event_outbox (kind, session, who, text)"
	    "   SELECT 'session.closing', name, $4, CASE WHEN $3 THEN 'now' ELSE 'graceful' END "
	    "FROM s)"
	    "SELECT 1 FROM s"};
	/* "now" after a graceful close hastens it. */
	static const struct pg_statement hasten = {"session_hasten",
	    "INSERT INTO intent (pool_id, kind, session_id, now, who)"
	    " SELECT pool_id, 'session.close', session_id, true, $2 FROM session"
	    " WHERE name = $1 AND state = 2 AND NOT EXISTS (SELECT 1 FROM intent n"
	    "   WHERE n.session_id = session.session_id AND n.kind = 'session.close' AND n.now)"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;
	bool closed;

	pg_params_init(&p, a);
	pg_add_text(&p, name);
	pg_add_int8(&p, (int64_t)revision);
	pg_add_bool(&p, now);
	pg_add_text(&p, who);
	if (pg_run(pg_of(s), &close, &p, &r, err) != 0)
		return -1;
	closed = PQntuples(r) > 0;
	if (!closed && now) {
		pg_params_init(&p, a);
		pg_add_text(&p, name);
		pg_add_text(&p, who);
		if (pg_run(pg_of(s), &hasten, &p, NULL, err) != 0)
			return -1;
	}
	if (pg_store_session_get(s, name, a, ret, err) != 0)
		return -1;
	if (!closed && revision != 0 && ret->state == SESSION_OPEN)
		return err_field(err, ERR_CONFLICT, "revision",
		    "session %s is at revision %llu, not %llu", name,
		    (unsigned long long)ret->revision, (unsigned long long)revision);
	return 0;
}

int
pg_store_session_why(struct store *s, const char *name, struct arena *a, struct store_why **ret,
    size_t *ret_n, struct err *err)
{
	static const struct pg_statement why = {"session_why",
	    "SELECT w.key, w.value::int8 FROM session s, LATERAL (SELECT q.why FROM executor e"
	    "    JOIN placement_queue q USING (executor_id) WHERE e.session_id = s.session_id"
	    "    ORDER BY e.idx LIMIT 1) f, jsonb_each_text(f.why) w"
	    " WHERE s.name = $1 AND s.state <> 3 ORDER BY 2 DESC, 1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct store_why *rows;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, name);
	if (pg_run(pg_of(s), &why, &p, &r, err) != 0)
		return -1;
	rows = arena_calloc(a, (size_t)PQntuples(r) + 1, sizeof(*rows));
	if (!rows)
		return pg_no_room(err);
	for (int i = 0; i < PQntuples(r); i++) {
		rows[i].reason = pg_text(r, i, 0, a);
		rows[i].hosts = (uint32_t)pg_int(r, i, 1);
		if (!rows[i].reason)
			return pg_no_room(err);
	}
	*ret = rows;
	*ret_n = (size_t)PQntuples(r);
	return 0;
}
