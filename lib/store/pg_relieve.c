/* pg_relieve: a replacement before its original is given up, and which of the two stays (K24).
 *
 * An executor whose host is silent for its session's replace_after, which is less than lost_after,
 * gets a successor beside it; table relieved holds such originals.  When the host is back, keep
 * original stops every later attempt, and keep replacement stops the original as soon as one of
 * those runs.  When the original is given up, or ends otherwise, its successor is there already.
 *
 * Attempts that were not kept (stopped_for 'keep') count as if they had never been: they have no
 * successor, and the original's own one has the next number. */
#include "arena.h"
#include "err.h"
#include "pg_item.h"
#include "pg_lease.h"
#include "pg_lost.h"
#include "pg_replace.h"

struct relieve {
	struct pg *pg;
	struct arena *arena;
	const struct store_lease *lease;
	struct id *ids; /* originals */
	size_t n;
	struct store_lost_result *result;
};

static struct pg_params
ids_params(struct relieve *w)
{
	struct pg_params p;

	pg_params_init(&p, w->arena);
	pg_add_ids(&p, w->ids, w->n);
	return p;
}

static int
run(struct relieve *w, const struct pg_statement *st, struct err *err)
{
	struct pg_params p = ids_params(w);

	return pg_run(w->pg, st, &p, NULL, err);
}

/* ---- beside the original ---- */

static const struct pg_statement early_find = {"early_find",
    "SELECT x.executor_id, x.host_id, h.suspect_since FROM host h JOIN pool p USING (pool_id)"
    " JOIN host_executor x USING (host_id) JOIN executor e USING (executor_id)"
    " JOIN session s USING (session_id) WHERE p.name = $1 AND h.state IN (2, 3)"
    " AND h.verdict_at IS NOT NULL AND h.verdict_by = '' AND e.rank < 90 AND e.desired = 1"
    " AND e.idx < s.replicas AND " PG_EARLY
    " AND NOT EXISTS (SELECT 1 FROM relieved r WHERE r.executor_id = x.executor_id)"
    " AND " PG_JUDGE_LISTENS " ORDER BY 1 LIMIT 1024"};

/* Whoever ended, or was stopped, since it was found needs nobody beside it. */
static const struct pg_statement early_living = {"early_living",
    "SELECT executor_id FROM executor WHERE executor_id = ANY($1::uuid[]) AND rank < 90"
    " AND desired = 1 ORDER BY 1 FOR NO KEY UPDATE"};

static const struct pg_statement early_note = {"early_note",
    "WITH r AS (INSERT INTO relieved (executor_id, pool_id, session_id, idx, attempt)"
    "   SELECT executor_id, pool_id, session_id, idx, attempt FROM executor"
    "   WHERE executor_id = ANY($1::uuid[]) RETURNING executor_id)"
    "INSERT INTO event_outbox (kind, executor_id, host, text)"
    " SELECT 'executor.relieved', executor_id, e.host_id,"
    "   'its host is silent: a replacement runs beside it until it is back or given up'"
    " FROM r JOIN executor e USING (executor_id) WHERE EXISTS (SELECT 1 FROM executor x"
    "   WHERE x.session_id = e.session_id AND x.idx = e.idx AND x.attempt > e.attempt"
    "   AND x.rank < 90)"};

/* Host, session, executor, appends (K26). */
static int
early_write(struct relieve *w, struct pg_lost *l, struct err *err)
{
	struct pg_params p;
	size_t replaced = 0;

	if (pg_lost_lock_hosts(l, err) != 0 || pg_lost_ids(l, &w->ids, err) != 0)
		return -1;
	w->n = l->n;
	p = ids_params(w);
	if (pg_replace_lock(w->pg, w->ids, w->n, w->arena, err) != 0 ||
	    pg_run_ids(w->pg, &early_living, &p, w->arena, &w->ids, &w->n, err) != 0 ||
	    pg_replace_early(w->pg, w->ids, w->n, w->arena, &replaced, err) != 0 ||
	    run(w, &early_note, err) != 0)
		return -1;
	w->result->replaced += replaced;
	return 0;
}

static int
early_step(struct relieve *w, const char *pool, uint32_t grace_ms, struct err *err)
{
	struct pg_lost l = {.pg = w->pg, .arena = w->arena};

	if (pg_lost_find(&l, &early_find, pool, grace_ms, err) != 0)
		return -1;
	if (l.n == 0)
		return 0;
	w->result->more = w->result->more || l.n == PG_LOST_LIMIT;
	if (pg_begin_fenced(w->pg, w->lease, err) != 0)
		return -1;
	if (early_write(w, &l, err) != 0) {
		pg_rollback(w->pg);
		return -1;
	}
	return pg_commit(w->pg, err);
}

/* ---- one of the two ---- */

#define PAIRS_LIMIT 256 /* the statement carries it literally */

/* Relieved r: its executor o on host h, and session s. */
#define PAIR                                                                                       \
	"relieved r JOIN executor o ON o.executor_id = r.executor_id"                              \
	" JOIN session s ON s.session_id = r.session_id JOIN host h ON h.host_id = o.host_id"

/* Nobody has to choose any more. */
#define PAIR_IS_OVER "(o.rank = 90 OR o.desired <> 1 OR s.state <> 1 OR r.idx >= s.replicas)"

/* A host that came back has said what became of the original by then: it reports at once. */
#define HOST_IS_BACK                                                                               \
	"(h.state = 1 AND (h.returned_at IS NULL"                                                  \
	" OR h.returned_at <= clock_timestamp() - interval '2 seconds'))"

/* A job that succeeded after all needs no second try beside it. */
#define ORIGINAL_STAYS                                                                             \
	"(s.state = 1 AND NOT s.keep_replacement AND (o.state = 90"                                \
	"   OR (o.rank < 90 AND o.desired = 1 AND " HOST_IS_BACK ")))"

#define LATER                                                                                      \
	" JOIN executor x ON x.session_id = r.session_id AND x.idx = r.idx"                        \
	"   AND x.attempt > r.attempt"

static const struct pg_statement pairs_find = {"pairs_find",
    "SELECT r.executor_id FROM " PAIR
    " WHERE r.pool_id = (SELECT pool_id FROM pool WHERE name = $1)"
    " AND (" PAIR_IS_OVER " OR (" HOST_IS_BACK " AND (NOT s.keep_replacement OR EXISTS"
    "   (SELECT 1 FROM executor x WHERE x.session_id = r.session_id AND x.idx = r.idx"
    "     AND x.attempt > r.attempt AND x.state = 70)))) ORDER BY 1 LIMIT 256"};

static const struct pg_statement pairs_hosts = {"pairs_hosts",
    "SELECT 1 FROM host WHERE host_id IN (SELECT x.host_id FROM relieved r JOIN executor x"
    "     ON x.session_id = r.session_id AND x.idx = r.idx AND x.rank BETWEEN 20 AND 89"
    "   WHERE r.executor_id = ANY($1::uuid[])) ORDER BY host_id FOR NO KEY UPDATE"};

/* Nobody makes successors meanwhile (pg_replace_lock). */
static const struct pg_statement pairs_sessions = {"pairs_sessions",
    "SELECT 1 FROM session WHERE session_id IN (SELECT session_id FROM relieved"
    "   WHERE executor_id = ANY($1::uuid[])) ORDER BY session_id FOR NO KEY UPDATE"};

/* Placing holds rows of the queue and wants hosts: what it holds now is stopped another time. */
static const struct pg_statement later_cancel = {"keep_cancel",
    "WITH t AS MATERIALIZED (SELECT q.executor_id FROM " PAIR LATER
    "   JOIN placement_queue q ON q.executor_id = x.executor_id"
    "   WHERE r.executor_id = ANY($1::uuid[]) AND " ORIGINAL_STAYS
    "   ORDER BY q.executor_id FOR UPDATE OF q SKIP LOCKED),"
    "q AS (DELETE FROM placement_queue q USING t WHERE q.executor_id = t.executor_id"
    "   RETURNING q.executor_id),"
    "u AS (UPDATE executor e SET state = 96, rank = 90, prev_state = e.state,"
    "   prev_rank = e.rank, desired = 3, reason = 'original_kept', stopped_for = 'keep',"
    "   ended_at = clock_timestamp(), gone_at = clock_timestamp()"
    "   FROM q WHERE e.executor_id = q.executor_id AND e.rank < 40 AND e.generation = 0"
    "   RETURNING e.executor_id, e.session_id, e.prev_state),"
    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
    "   SELECT array_agg(session_id), array_agg(prev_state), array_agg(96::int2) FROM u"
    "   HAVING count(*) > 0)"
    "INSERT INTO event_outbox (kind, executor_id, text)"
    " SELECT 'executor.cancelled', executor_id, 'the original is kept' FROM u"};

/* What ended of later attempts has no successor either: the original is the index's executor. */
static const struct pg_statement later_void = {"keep_void",
    "UPDATE executor e SET stopped_for = 'keep' FROM (SELECT x.executor_id FROM " PAIR LATER
    "   WHERE r.executor_id = ANY($1::uuid[]) AND " ORIGINAL_STAYS
    "   AND x.rank = 90 AND x.state <> 90 ORDER BY 1) t WHERE e.executor_id = t.executor_id"};

static const struct pg_statement stop_find = {"keep_find",
    "SELECT DISTINCT t.executor_id, t.host_id, q.stop_grace_ms, t.generation FROM ("
    "   SELECT x.* FROM " PAIR LATER " WHERE r.executor_id = ANY($1::uuid[]) AND " ORIGINAL_STAYS
    "   UNION ALL SELECT o.* FROM " PAIR " WHERE r.executor_id = ANY($1::uuid[])"
    "   AND s.keep_replacement AND NOT " PAIR_IS_OVER " AND " HOST_IS_BACK
    "   AND EXISTS (SELECT 1 FROM executor x WHERE x.session_id = r.session_id"
    "     AND x.idx = r.idx AND x.attempt > r.attempt AND x.state = 70)) t"
    " JOIN executor_spec q ON q.session_id = t.session_id AND q.revision = t.revision"
    " WHERE t.rank BETWEEN 20 AND 89 AND t.desired = 1 ORDER BY 1"};

/* Not while a later attempt is to be stopped still: whom somebody else changed meanwhile. */
static const struct pg_statement pairs_end = {"pairs_end",
    "WITH d AS (DELETE FROM relieved r USING executor o, session s, host h"
    "   WHERE r.executor_id = ANY($1::uuid[]) AND o.executor_id = r.executor_id"
    "   AND s.session_id = r.session_id AND h.host_id = o.host_id"
    "   AND (" PAIR_IS_OVER " OR " ORIGINAL_STAYS ") AND NOT (" ORIGINAL_STAYS
    "     AND EXISTS (SELECT 1 FROM executor x WHERE x.session_id = r.session_id"
    "       AND x.idx = r.idx AND x.attempt > r.attempt AND x.rank < 90 AND x.desired = 1))"
    "   RETURNING r.executor_id, o.host_id, o.stopped_for, o.rank, s.keep_replacement, s.state)"
    "INSERT INTO event_outbox (kind, executor_id, host, text)"
    " SELECT 'executor.relief_over', executor_id, host_id,"
    "   CASE WHEN stopped_for = 'keep' THEN 'its host is back: the replacement is kept'"
    "     WHEN rank < 90 AND state = 1 AND NOT keep_replacement"
    "     THEN 'its host is back: the original is kept'"
    "     ELSE 'there is nothing to choose any more' END FROM d"};

static int
stop_write(struct relieve *w, struct id **ret_ids, size_t *ret_messages, struct err *err)
{
	static const struct pg_target order = {.desired = DESIRED_STOP, .stopped_for = "keep"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p = ids_params(w);
	struct pg_target *targets = NULL;
	size_t n = 0;

	if (pg_run(w->pg, &stop_find, &p, &r, err) != 0 ||
	    pg_targets_read(r, &order, w->arena, &targets, &n, err) != 0)
		return -1;
	return pg_commands_write(w->pg, targets, &n, w->arena, ret_ids, ret_messages, err);
}

static int
pairs_write(struct relieve *w, struct id **ret_ids, size_t *ret_messages, struct err *err)
{
	if (run(w, &pairs_hosts, err) != 0 || run(w, &pairs_sessions, err) != 0 ||
	    run(w, &later_cancel, err) != 0 || run(w, &later_void, err) != 0 ||
	    stop_write(w, ret_ids, ret_messages, err) != 0)
		return -1;
	return run(w, &pairs_end, err);
}

static int
pairs_step(
    struct relieve *w, const char *pool, struct id **ret_ids, size_t *ret_messages, struct err *err)
{
	struct pg_params p;

	pg_params_init(&p, w->arena);
	pg_add_text(&p, pool);
	if (pg_run_ids(w->pg, &pairs_find, &p, w->arena, &w->ids, &w->n, err) != 0)
		return -1;
	if (w->n == 0)
		return 0;
	w->result->more = w->result->more || w->n == PAIRS_LIMIT;
	if (pg_begin_fenced(w->pg, w->lease, err) != 0)
		return -1;
	if (pairs_write(w, ret_ids, ret_messages, err) != 0) {
		pg_rollback(w->pg);
		return -1;
	}
	return pg_commit(w->pg, err);
}

int
pg_relieve(struct pg *pg, const struct store_lease *lease, const char *pool, uint32_t grace_ms,
    struct arena *a, struct store_lost_result *ret, struct id **ret_ids, size_t *ret_messages,
    struct err *err)
{
	struct relieve w = {.pg = pg, .arena = a, .lease = lease, .result = ret};

	*ret_ids = NULL;
	*ret_messages = 0;
	if (early_step(&w, pool, grace_ms, err) != 0)
		return -1;
	return pairs_step(&w, pool, ret_ids, ret_messages, err);
}
