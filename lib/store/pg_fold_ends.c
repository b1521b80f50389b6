/* pg_fold_ends: ended executors give their reservation back, then are told to be forgotten; gone
 * ones leave the host's books; sessions that close and have nobody left are closed. */
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg_capacity.h"
#include "pg_fold.h"
#include "pg_lease.h"
#include "pg_replace.h"

/* Those of the ended whose session may want another one: a host refused them, gave up restarting
 * them, stopped them by itself (K24), or was retired under them; or we stopped them to move them.
 */
static int
ended_replace(struct pg_fold *f, const struct id *ids, size_t n, struct err *err)
{
	static const struct pg_statement pick = {"ended_unwished",
	    "SELECT executor_id FROM executor WHERE executor_id = ANY($1::uuid[])"
	    " AND ((state IN (91, 92, 93, 94) AND desired = 1) OR stopped_for IN ('drain', 'roll'))"
	    " ORDER BY 1"};
	struct id *unwished = NULL;
	struct pg_params p;
	size_t count = 0, replaced = 0;

	pg_params_init(&p, f->arena);
	pg_add_ids(&p, ids, n);
	if (pg_run_ids(f->pg, &pick, &p, f->arena, &unwished, &count, err) != 0 ||
	    pg_replace_lock(f->pg, unwished, count, f->arena, err) != 0 ||
	    pg_replace(f->pg, unwished, count, f->arena, &replaced, err) != 0)
		return -1;
	f->result->replaced += replaced;
	return 0;
}

/* An EXPIRED one keeps its reservation until the host has let go (K16); one that is LOST here was
 * on a host that was removed, and has none. */
int
pg_fold_ended(struct pg_fold *f, struct err *err)
{
	static const struct pg_statement take = {"ended_take",
	    "WITH t AS (UPDATE executor_ended SET folded_at = clock_timestamp() WHERE ended_id IN"
	    "   (SELECT ended_id FROM executor_ended WHERE pool_id = $1 AND folded_at IS NULL"
	    "    ORDER BY ended_id LIMIT 1024) RETURNING executor_id)"
	    "SELECT DISTINCT e.executor_id FROM t JOIN executor e USING (executor_id)"
	    " WHERE e.state BETWEEN 90 AND 94 ORDER BY 1"};
	struct id *ids = NULL;
	struct pg_params p;
	size_t n = 0;

	pg_params_init(&p, f->arena);
	pg_add_int4(&p, f->pool_id);
	if (pg_begin_fenced(f->pg, f->lease, err) != 0)
		return -1;
	if (pg_run_ids(f->pg, &take, &p, f->arena, &ids, &n, err) != 0 ||
	    pg_capacity_lock(f->pg, ids, n, f->arena, err) != 0 ||
	    ended_replace(f, ids, n, err) != 0 ||
	    pg_capacity_free(f->pg, ids, n, f->arena, err) != 0) {
		pg_rollback(f->pg);
		return -1;
	}
	f->result->ended += n;
	f->result->more = f->result->more || n == PG_FOLD_LIMIT;
	return pg_commit(f->pg, err);
}

static int
absent_write(struct pg_fold *f, struct err *err)
{
	static const struct pg_statement take = {"absent_take",
	    "WITH t AS (DELETE FROM executor_ended WHERE ended_id IN (SELECT ended_id FROM "
	    "executor_ended"
	    "   WHERE pool_id = $1 AND folded_at IS NOT NULL"
	    "   AND ended_at <= clock_timestamp() - $2 * interval '1 millisecond'"
	    "   ORDER BY ended_id LIMIT 1024) RETURNING executor_id)"
	    "SELECT DISTINCT e.executor_id, e.host_id, 0, 0::int8 FROM t JOIN executor e USING"
	    " (executor_id)"
	    " JOIN host_executor x USING (executor_id) WHERE e.desired <> 3 ORDER BY 1"};
	static const struct pg_target absent = {.desired = DESIRED_ABSENT};
	struct pg_params p;
	bool more = false;

	pg_params_init(&p, f->arena);
	pg_add_int4(&p, f->pool_id);
	pg_add_int4(&p, (int32_t)f->absent_after_ms);
	if (pg_fold_tell(f, &take, &p, &absent, &more, err) != 0)
		return -1;
	f->result->more = f->result->more || more;
	return 0;
}

int
pg_fold_absent(struct pg_fold *f, struct err *err)
{
	if (pg_begin_fenced(f->pg, f->lease, err) != 0)
		return -1;
	if (absent_write(f, err) != 0) {
		pg_rollback(f->pg);
		return -1;
	}
	return pg_commit(f->pg, err);
}

/* Gone without an end: the host lost its journal or the executor's record (K5).  Those that were
 * wanted, and those whose command expired, may have a successor now (K8). */
static int
gone_write(struct pg_fold *f, const struct id *ids, size_t n, struct err *err)
{
	static const struct pg_statement lost = {"gone_lost",
	    "WITH u AS (UPDATE executor e SET state = 94, rank = 90, prev_state = e.state,"
	    "   prev_rank = e.rank, reason = 'journal_lost', ended_at = clock_timestamp()"
	    "   WHERE e.executor_id = ANY($1::uuid[]) AND e.rank BETWEEN 20 AND 89"
	    "   RETURNING e.executor_id, e.session_id, e.prev_state, e.host_id),"
	    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
	    "   SELECT array_agg(session_id), array_agg(prev_state), array_agg(94::int2) FROM u"
	    "   HAVING count(*) > 0)"
	    "INSERT INTO event_outbox (kind, executor_id, host, text)"
	    " SELECT 'executor.lost', executor_id, host_id, 'the host no longer knows it' FROM u"};
	static const struct pg_statement mark = {"gone_mark",
	    "UPDATE executor SET gone_at = coalesce(gone_at, clock_timestamp())"
	    " WHERE executor_id = ANY($1::uuid[])"};
	static const struct pg_statement leave = {
	    "gone_leave", "DELETE FROM host_executor WHERE executor_id = ANY($1::uuid[])"};
	static const struct pg_statement wanted = {"gone_wanted",
	    "SELECT executor_id FROM executor WHERE executor_id = ANY($1::uuid[])"
	    " AND ((rank BETWEEN 20 AND 89"
	    "   AND (desired = 1 OR stopped_for IN ('drain', 'roll'))) OR state = 95) ORDER BY 1"
	    " FOR NO KEY UPDATE"};
	struct id *successors = NULL;
	struct pg_params p;
	size_t count = 0, replaced = 0;

	if (n == 0)
		return 0;
	pg_params_init(&p, f->arena);
	pg_add_ids(&p, ids, n);
	if (pg_capacity_lock(f->pg, ids, n, f->arena, err) != 0 ||
	    pg_replace_lock(f->pg, ids, n, f->arena, err) != 0 ||
	    pg_run_ids(f->pg, &wanted, &p, f->arena, &successors, &count, err) != 0 ||
	    pg_run(f->pg, &lost, &p, NULL, err) != 0 || pg_run(f->pg, &mark, &p, NULL, err) != 0 ||
	    pg_replace(f->pg, successors, count, f->arena, &replaced, err) != 0 ||
	    pg_capacity_free(f->pg, ids, n, f->arena, err) != 0)
		return -1;
	f->result->replaced += replaced;
	return pg_run(f->pg, &leave, &p, NULL, err);
}

int
pg_fold_gone(struct pg_fold *f, struct err *err)
{
	/* A newer generation than the one that is gone has its own GONE coming (K9). */
	static const struct pg_statement take = {"gone_take",
	    "WITH t AS (DELETE FROM executor_gone WHERE gone_id IN (SELECT gone_id FROM "
	    "executor_gone"
	    "   WHERE pool_id = $1 ORDER BY gone_id LIMIT 1024) RETURNING executor_id)"
	    "SELECT DISTINCT e.executor_id FROM t JOIN executor e USING (executor_id)"
	    " WHERE e.gone_generation >= e.generation ORDER BY 1"};
	struct id *ids = NULL;
	struct pg_params p;
	size_t n = 0;

	pg_params_init(&p, f->arena);
	pg_add_int4(&p, f->pool_id);
	if (pg_begin_fenced(f->pg, f->lease, err) != 0)
		return -1;
	if (pg_run_ids(f->pg, &take, &p, f->arena, &ids, &n, err) != 0 ||
	    gone_write(f, ids, n, err) != 0) {
		pg_rollback(f->pg);
		return -1;
	}
	f->result->gone += n;
	f->result->more = f->result->more || n == PG_FOLD_LIMIT;
	return pg_commit(f->pg, err);
}

int
pg_fold_closing(struct pg_fold *f, struct err *err)
{
	static const struct pg_statement close = {"session_closed",
	    "WITH u AS (UPDATE session s SET state = 3, closed_at = clock_timestamp()"
	    "   WHERE s.pool_id = $1 AND s.state = 2"
	    "   AND NOT EXISTS (SELECT 1 FROM intent i WHERE i.session_id = s.session_id)"
	    "   AND NOT EXISTS (SELECT 1 FROM executor e WHERE e.session_id = s.session_id"
	    "                   AND e.rank < 90) RETURNING s.name),"
	    "v AS (INSERT INTO event_outbox (kind, session) SELECT 'session.closed', name FROM u)"
	    "SELECT count(*) FROM u"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, f->arena);
	pg_add_int4(&p, f->pool_id);
	if (pg_run_fenced(f->pg, f->lease, &close, &p, &r, err) != 0)
		return -1;
	f->result->closed_sessions += (size_t)pg_int(r, 0, 0);
	return 0;
}
