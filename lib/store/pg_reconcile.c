/* pg_reconcile: a session's executors follow its replicas (E9).
 *
 * Indexes at and beyond replicas are stopped or cancelled; those not yet given an executor get one,
 * as soon as what ran there before has ended: an index never has two on purpose. */
#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_fold.h"

struct size {
	int32_t replicas, indexes;
	bool open;
};

static int
size_lock(struct pg_fold *f, const struct id *session_id, struct size *ret, struct err *err)
{
	static const struct pg_statement lock = {"reconcile_lock",
	    "SELECT replicas, indexes, state = 1 FROM session WHERE session_id = $1"
	    " FOR NO KEY UPDATE"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	*ret = (struct size){0, 0, false};
	pg_params_init(&p, f->arena);
	pg_add_uuid(&p, session_id);
	if (pg_run(f->pg, &lock, &p, &r, err) != 0)
		return -1;
	if (PQntuples(r) > 0)
		*ret = (struct size){
		    (int32_t)pg_int(r, 0, 0), (int32_t)pg_int(r, 0, 1), pg_bool(r, 0, 2)};
	return 0;
}

static int
indexes_set(struct pg_fold *f, const struct id *session_id, int32_t indexes, struct err *err)
{
	static const struct pg_statement set = {
	    "reconcile_indexes", "UPDATE session SET indexes = $2 WHERE session_id = $1"};
	struct pg_params p;

	pg_params_init(&p, f->arena);
	pg_add_uuid(&p, session_id);
	pg_add_int4(&p, indexes);
	return pg_run(f->pg, &set, &p, NULL, err);
}

/* Hosts come before sessions (K26): those of whom there is one too many, as far as they can be told
 * without a lock.  Who was placed in between is on a host that is locked late, and rarely. */
static int
surplus_hosts_lock(struct pg_fold *f, const struct id *session_id, struct err *err)
{
	static const struct pg_statement lock = {"surplus_hosts",
	    "SELECT 1 FROM host WHERE host_id IN (SELECT e.host_id FROM session s JOIN executor e"
	    "     ON e.session_id = s.session_id AND e.idx >= s.replicas"
	    "     AND e.rank BETWEEN 20 AND 89 AND e.desired = 1"
	    "   WHERE s.session_id = $1 ORDER BY e.executor_id LIMIT 1024)"
	    " ORDER BY host_id FOR NO KEY UPDATE"};
	struct pg_params p;

	pg_params_init(&p, f->arena);
	pg_add_uuid(&p, session_id);
	return pg_run(f->pg, &lock, &p, NULL, err);
}

/* ---- fewer ---- */

/* As intents do: the queue's rows first, so that a placement in flight is waited for. */
static int
surplus_cancel(
    struct pg_fold *f, const struct id *session_id, int32_t from, size_t *ret_n, struct err *err)
{
	static const struct pg_statement cancel = {"surplus_cancel",
	    "WITH t AS MATERIALIZED (SELECT q.executor_id FROM placement_queue q"
	    "   JOIN executor e USING (executor_id) WHERE e.session_id = $1 AND e.idx >= $2"
	    "   ORDER BY q.executor_id LIMIT 1024 FOR UPDATE OF q),"
	    "q AS (DELETE FROM placement_queue q USING t WHERE q.executor_id = t.executor_id"
	    "   RETURNING q.executor_id),"
	    "u AS (UPDATE executor e SET state = 96, rank = 90, prev_state = e.state,"
	    "   prev_rank = e.rank, desired = 3, reason = 'scaled_down', stopped_for = 'scale',"
	    "   ended_at = clock_timestamp(), gone_at = clock_timestamp()"
	    "   FROM q WHERE e.executor_id = q.executor_id AND e.rank < 40 AND e.generation = 0"
	    "   RETURNING e.executor_id, e.session_id, e.prev_state),"
	    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
	    "   SELECT array_agg(session_id), array_agg(prev_state), array_agg(96::int2) FROM u"
	    "   HAVING count(*) > 0),"
	    "v AS (INSERT INTO event_outbox (kind, executor_id, text)"
	    "   SELECT 'executor.cancelled', executor_id, 'scaled down' FROM u)"
	    "SELECT count(*) FROM q"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, f->arena);
	pg_add_uuid(&p, session_id);
	pg_add_int4(&p, from);
	if (pg_run(f->pg, &cancel, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)pg_int(r, 0, 0);
	return 0;
}

static int
surplus_stop(
    struct pg_fold *f, const struct id *session_id, int32_t from, bool *ret_more, struct err *err)
{
	static const struct pg_statement find = {"surplus_find",
	    "SELECT e.executor_id, e.host_id, p.stop_grace_ms, e.generation FROM executor e"
	    " JOIN executor_spec p ON p.session_id = e.session_id AND p.revision = e.revision"
	    " WHERE e.session_id = $1 AND e.idx >= $2 AND e.rank BETWEEN 20 AND 89"
	    " AND e.desired = 1 ORDER BY e.executor_id LIMIT 1024"};
	static const struct pg_target order = {.desired = DESIRED_STOP, .stopped_for = "scale"};
	struct pg_params p;

	pg_params_init(&p, f->arena);
	pg_add_uuid(&p, session_id);
	pg_add_int4(&p, from);
	return pg_fold_tell(f, &find, &p, &order, ret_more, err);
}

/* ---- more ---- */

/* *ret_living: something is to end at one of these indexes still.  Who is wanted there already, a
 * successor of what was being moved, fills its index. */
static int
missing_insert(struct pg_fold *f, const struct id *session_id, int32_t from, int32_t to,
    bool *ret_living, struct err *err)
{
	static const struct pg_statement living = {"missing_living",
	    "SELECT 1 FROM executor WHERE session_id = $1 AND idx >= $2 AND idx < $3 AND rank < 90"
	    " AND desired <> 1 LIMIT 1"};
	static const struct pg_statement insert = {"missing_insert",
	    "WITH e AS (INSERT INTO executor (executor_id, session_id, revision, pool_id, idx,"
	    "     attempt, rank, state)"
	    "   SELECT u.id, s.session_id, s.template_revision, s.pool_id, $2 + u.n::int - 1,"
	    "     1 + coalesce((SELECT max(x.attempt) FROM executor x"
	    "       WHERE x.session_id = s.session_id AND x.idx = $2 + u.n::int - 1), 0), 10, 10"
	    "   FROM session s, unnest($3::uuid[]) WITH ORDINALITY AS u(id, n)"
	    "   WHERE s.session_id = $1 AND NOT EXISTS (SELECT 1 FROM executor x"
	    "     WHERE x.session_id = s.session_id AND x.idx = $2 + u.n::int - 1 AND x.rank < 90)"
	    "   RETURNING executor_id, session_id, pool_id, idx),"
	    "q AS (INSERT INTO placement_queue (executor_id, pool_id, priority)"
	    "   SELECT e.executor_id, e.pool_id, s.priority FROM e JOIN session s USING "
	    "(session_id)"
	    "   ORDER BY e.idx),"
	    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
	    "   SELECT array_agg(session_id), array_agg(0::int2), array_agg(10::int2) FROM e"
	    "   HAVING count(*) > 0) SELECT count(*) FROM e"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_array array;
	struct pg_params p;

	pg_params_init(&p, f->arena);
	pg_add_uuid(&p, session_id);
	pg_add_int4(&p, from);
	pg_add_int4(&p, to);
	if (pg_run(f->pg, &living, &p, &r, err) != 0)
		return -1;
	*ret_living = PQntuples(r) > 0;
	if (*ret_living)
		return 0;
	pg_params_init(&p, f->arena);
	pg_add_uuid(&p, session_id);
	pg_add_int4(&p, from);
	pg_array_begin(&array, &p, PG_UUID, (size_t)(to - from));
	for (int32_t i = from; i < to; i++) {
		struct id id = id_new();

		pg_put_uuid(&array, &id);
	}
	pg_array_end(&array);
	return pg_run(f->pg, &insert, &p, NULL, err);
}

static int
fewer(struct pg_fold *f, const struct id *session_id, const struct size *size, bool *ret_done,
    struct err *err)
{
	size_t cancelled = 0;
	bool more = false;

	if (surplus_cancel(f, session_id, size->replicas, &cancelled, err) != 0 ||
	    surplus_stop(f, session_id, size->replicas, &more, err) != 0)
		return -1;
	*ret_done = cancelled < PG_FOLD_LIMIT && !more;
	f->result->more = f->result->more || !*ret_done;
	return *ret_done ? indexes_set(f, session_id, size->replicas, err) : 0;
}

static int
more(struct pg_fold *f, const struct id *session_id, const struct size *size, bool *ret_done,
    struct err *err)
{
	int32_t to = size->replicas - size->indexes > PG_FOLD_LIMIT ? size->indexes + PG_FOLD_LIMIT
								    : size->replicas;
	bool living = false;

	if (missing_insert(f, session_id, size->indexes, to, &living, err) != 0)
		return -1;
	*ret_done = !living && to == size->replicas;
	if (living)
		return 0;
	f->result->more = f->result->more || !*ret_done;
	f->result->replaced += (size_t)(to - size->indexes); /* somebody wants a host */
	return indexes_set(f, session_id, to, err);
}

int
pg_fold_reconcile(struct pg_fold *f, const struct id *session_id, bool *ret_done, struct err *err)
{
	struct size size;

	*ret_done = true;
	if (surplus_hosts_lock(f, session_id, err) != 0 ||
	    size_lock(f, session_id, &size, err) != 0)
		return -1;
	if (!size.open || size.indexes == size.replicas)
		return 0;
	return size.indexes > size.replicas ? fewer(f, session_id, &size, ret_done, err)
					    : more(f, session_id, &size, ret_done, err);
}
