/* pg_displace: rollouts and drains, one disruption budget per session (E11, P4, K27).
 *
 * A displaced executor is stopped; when it has ended its successor is queued (pg_fold_ends), with
 * the session's present template; when that one runs the budget is free again. */
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_command.h"
#include "pg_item.h"
#include "pg_lease.h"
#include "pg_replace.h"

#define DISPLACE_LIMIT 1024 /* statements carry it literally */

/* Anything to do at all?  An idle cell pays one statement. */
static int
displace_look(struct pg *pg, const char *pool, struct arena *a, bool *ret, struct err *err)
{
	static const struct pg_statement look = {"displace_look",
	    "SELECT EXISTS (SELECT 1 FROM displaced d WHERE d.pool_id = p.pool_id)"
	    " OR EXISTS (SELECT 1 FROM session s WHERE s.pool_id = p.pool_id AND s.rolling)"
	    " OR EXISTS (SELECT 1 FROM host h WHERE h.pool_id = p.pool_id"
	    "   AND h.draining_at IS NOT NULL) FROM pool p WHERE p.name = $1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, pool);
	if (pg_run(pg, &look, &p, &r, err) != 0)
		return -1;
	*ret = PQntuples(r) > 0 && pg_bool(r, 0, 0);
	return 0;
}

static int
run_count(struct pg *pg, const struct pg_statement *st, const char *pool, struct arena *a,
    size_t *ret, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, pool);
	if (pg_run(pg, st, &p, &r, err) != 0)
		return -1;
	*ret = (size_t)pg_int(r, 0, 0);
	return 0;
}

/* Settled: the successor runs or has ended, or nobody wants one: it succeeded, or somebody else
 * stopped it for good meanwhile. */
static const struct pg_statement settle = {"displace_settle",
    "WITH x AS (DELETE FROM displaced WHERE executor_id IN (SELECT d.executor_id"
    "   FROM displaced d JOIN session s USING (session_id) CROSS JOIN LATERAL (SELECT e.state,"
    "     e.attempt, e.rank, e.stopped_for FROM executor e WHERE e.session_id = d.session_id"
    "     AND e.idx = d.idx ORDER BY e.attempt DESC LIMIT 1) n"
    "   WHERE d.pool_id = (SELECT pool_id FROM pool WHERE name = $1)"
    "   AND (s.state <> 1 OR d.idx >= s.replicas"
    "     OR (n.attempt > d.attempt AND (n.state = 70 OR n.rank = 90))"
    "     OR (n.attempt = d.attempt AND n.rank = 90"
    "       AND (n.state = 90 OR n.stopped_for NOT IN ('drain', 'roll'))))) RETURNING 1) SELECT "
    "count(*) FROM x"};

/* A failure of the new template: better to stand still and say so. */
static const struct pg_statement pause_rollouts = {"displace_pause",
    "WITH f AS (SELECT DISTINCT ON (s.session_id) s.session_id, s.name || '/' || e.idx || "
    "     CASE WHEN e.attempt > 1 THEN '#' || e.attempt ELSE '' END || CASE e.state"
    "       WHEN 75 THEN ' is in backoff' WHEN 93 THEN ' was refused: ' || e.reason"
    "       ELSE ' failed: ' || e.reason END AS why"
    "   FROM session s JOIN executor e ON e.session_id = s.session_id"
    "     AND e.revision = s.template_revision AND e.state IN (75, 91, 93)"
    "     AND e.queued_at >= s.rollout_since"
    "   WHERE s.pool_id = (SELECT pool_id FROM pool WHERE name = $1) AND s.rolling"
    "   AND s.rollout_paused = '' AND s.state = 1 ORDER BY s.session_id, e.idx),"
    "u AS (UPDATE session s SET rollout_paused = f.why FROM f WHERE s.session_id = f.session_id"
    "   RETURNING s.name, s.rollout_paused),"
    "v AS (INSERT INTO event_outbox (kind, session, text)"
    "   SELECT 'session.rollout_paused', name, rollout_paused FROM u) SELECT count(*) FROM u"};

static const struct pg_statement finish = {"displace_finish",
    "WITH u AS (UPDATE session s SET rolling = false, rollout_paused = ''"
    "   WHERE s.pool_id = (SELECT pool_id FROM pool WHERE name = $1) AND s.rolling"
    "   AND NOT EXISTS (SELECT 1 FROM executor e WHERE e.session_id = s.session_id"
    "     AND e.revision < s.template_revision AND e.rank < 90)"
    "   AND NOT EXISTS (SELECT 1 FROM displaced d WHERE d.session_id = s.session_id"
    "     AND d.why = 'roll') RETURNING s.name, s.template_revision),"
    "v AS (INSERT INTO event_outbox (kind, session, text)"
    "   SELECT 'session.rolled_out', name, 'template of revision ' || template_revision FROM u)"
    "SELECT count(*) FROM u"};

/* ---- who moves next ---- */

struct displace {
	struct pg *pg;
	struct arena *arena;
	const char *pool;
	struct pg_target *targets; /* by executor id */
	size_t n;
};

/* A session's budget counts what is displaced already; a drain past its deadline asks nobody. */
static int
targets_find(struct displace *w, struct err *err)
{
	static const struct pg_statement find = {"displace_find",
	    "WITH p AS (SELECT pool_id FROM pool WHERE name = $1),"
	    "c AS (SELECT e.executor_id, e.host_id, e.session_id, e.idx, e.revision,"
	    "     e.generation, 'drain' AS why,"
	    "     h.drain_deadline_at <= clock_timestamp() AS late"
	    "   FROM host h JOIN host_executor x USING (host_id) JOIN executor e USING "
	    "(executor_id)"
	    "   WHERE h.pool_id = (SELECT pool_id FROM p) AND h.draining_at IS NOT NULL"
	    "   AND e.rank BETWEEN 20 AND 79 AND e.desired = 1"
	    "   UNION ALL"
	    "   SELECT e.executor_id, e.host_id, e.session_id, e.idx, e.revision,"
	    "     e.generation, 'roll', false"
	    "   FROM session s JOIN executor e ON e.session_id = s.session_id"
	    "     AND e.revision < s.template_revision"
	    "   WHERE s.pool_id = (SELECT pool_id FROM p) AND s.rolling AND s.rollout_paused = ''"
	    "   AND e.rank BETWEEN 20 AND 79 AND e.desired = 1),"
	    "o AS (SELECT DISTINCT ON (executor_id) * FROM c ORDER BY executor_id, why),"
	    "n AS (SELECT o.*, s.max_unavailable - (SELECT count(*) FROM displaced d"
	    "     WHERE d.session_id = o.session_id) AS room,"
	    "     row_number() OVER (PARTITION BY o.session_id ORDER BY o.why, o.idx) AS place"
	    "   FROM o JOIN session s USING (session_id) WHERE s.state = 1)"
	    "SELECT n.executor_id, n.host_id, q.stop_grace_ms, n.generation, n.why FROM n"
	    " JOIN executor_spec q ON q.session_id = n.session_id AND q.revision = n.revision"
	    " WHERE coalesce(n.late, false) OR n.place <= n.room ORDER BY 1 LIMIT 1024"};
	static const struct pg_target order = {.desired = DESIRED_STOP};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, w->arena);
	pg_add_text(&p, w->pool);
	if (pg_run(w->pg, &find, &p, &r, err) != 0)
		return -1;
	if (pg_targets_read(r, &order, w->arena, &w->targets, &w->n, err) != 0)
		return -1;
	for (size_t i = 0; i < w->n; i++) {
		w->targets[i].stopped_for = pg_text(r, (int)i, 4, w->arena);
		if (!w->targets[i].stopped_for)
			return pg_no_room(err);
	}
	return 0;
}

static int
displaced_insert(struct displace *w, struct err *err)
{
	static const struct pg_statement insert = {"displace_insert",
	    "WITH d AS (INSERT INTO displaced (executor_id, pool_id, session_id, idx, attempt, why)"
	    "   SELECT e.executor_id, e.pool_id, e.session_id, e.idx, e.attempt, e.stopped_for"
	    "   FROM executor e WHERE e.executor_id = ANY($1::uuid[])"
	    "   ON CONFLICT (executor_id) DO NOTHING RETURNING executor_id, why)"
	    "INSERT INTO event_outbox (kind, executor_id, text)"
	    " SELECT 'executor.displaced', executor_id, why FROM d"};
	struct pg_params p;

	pg_params_init(&p, w->arena);
	pg_targets_add_ids(&p, w->targets, w->n);
	return pg_run(w->pg, &insert, &p, NULL, err);
}

/* A close waits until the successor is there, and then finds it; or it was first, and there is
 * none.
 */
static int
rolling_lock(struct displace *w, struct err *err)
{
	static const struct pg_statement lock = {"displace_rolling",
	    "SELECT 1 FROM session WHERE pool_id = (SELECT pool_id FROM pool WHERE name = $1)"
	    " AND rolling AND state = 1 ORDER BY session_id FOR SHARE"};
	struct pg_params p;

	pg_params_init(&p, w->arena);
	pg_add_text(&p, w->pool);
	return pg_run(w->pg, &lock, &p, NULL, err);
}

/* Who waits for a host with the old template has run nowhere: another takes its place in the queue.
 */
static int
queued_replace(struct displace *w, size_t *ret_n, struct err *err)
{
	static const struct pg_statement cancel = {"displace_cancel",
	    "WITH t AS MATERIALIZED (SELECT q.executor_id FROM placement_queue q"
	    "   JOIN executor e USING (executor_id) JOIN session s USING (session_id)"
	    "   WHERE q.pool_id = (SELECT pool_id FROM pool WHERE name = $1) AND s.rolling"
	    "   AND s.state = 1 AND e.revision < s.template_revision AND e.generation = 0"
	    "   ORDER BY q.executor_id LIMIT 1024 FOR UPDATE OF q SKIP LOCKED),"
	    "q AS (DELETE FROM placement_queue q USING t WHERE q.executor_id = t.executor_id"
	    "   RETURNING q.executor_id),"
	    "u AS (UPDATE executor e SET state = 96, rank = 90, prev_state = e.state,"
	    "   prev_rank = e.rank, desired = 3, reason = 'another_template', stopped_for = 'roll',"
	    "   ended_at = clock_timestamp(), gone_at = clock_timestamp()"
	    "   FROM q WHERE e.executor_id = q.executor_id AND e.rank < 40 AND e.generation = 0"
	    "   RETURNING e.executor_id, e.session_id, e.prev_state),"
	    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
	    "   SELECT array_agg(session_id), array_agg(prev_state), array_agg(96::int2) FROM u"
	    "   HAVING count(*) > 0) SELECT executor_id FROM u ORDER BY 1"};
	struct pg_params p;
	struct id *ids = NULL;
	size_t n = 0;

	pg_params_init(&p, w->arena);
	pg_add_text(&p, w->pool);
	if (rolling_lock(w, err) != 0 ||
	    pg_run_ids(w->pg, &cancel, &p, w->arena, &ids, &n, err) != 0)
		return -1;
	return pg_replace(w->pg, ids, n, w->arena, ret_n, err);
}

static int
displace_write(struct displace *w, struct store_displace_result *ret, struct id **ret_ids,
    size_t *ret_messages, struct err *err)
{
	size_t found;

	if (run_count(w->pg, &settle, w->pool, w->arena, &ret->settled, err) != 0 ||
	    targets_find(w, err) != 0)
		return -1;
	found = w->n;
	if (pg_commands_write(w->pg, w->targets, &w->n, w->arena, ret_ids, ret_messages, err) !=
		0 ||
	    displaced_insert(w, err) != 0 ||
	    run_count(w->pg, &finish, w->pool, w->arena, &ret->finished, err) != 0)
		return -1;
	ret->stopped += w->n;
	ret->more = found == DISPLACE_LIMIT || w->n < found;
	return 0;
}

/* What changes sessions and the queue only, in a transaction of its own: the other one locks hosts
 * first (K26). */
static int
sessions_step(struct displace *w, const struct store_lease *lease,
    struct store_displace_result *ret, struct err *err)
{
	if (pg_begin_fenced(w->pg, lease, err) != 0)
		return -1;
	if (run_count(w->pg, &pause_rollouts, w->pool, w->arena, &ret->paused, err) != 0 ||
	    queued_replace(w, &ret->stopped, err) != 0) {
		pg_rollback(w->pg);
		return -1;
	}
	return pg_commit(w->pg, err);
}

int
pg_store_displace(struct store *s, const struct store_lease *lease, const char *pool,
    struct arena *a, struct store_displace_result *ret, struct err *err)
{
	struct displace w = {.pg = pg_of(s), .arena = a, .pool = pool};
	struct id *ids = NULL;
	size_t messages = 0;
	bool any = false;

	memset(ret, 0, sizeof(*ret));
	if (displace_look(w.pg, pool, a, &any, err) != 0)
		return -1;
	if (!any)
		return 0;
	if (sessions_step(&w, lease, ret, err) != 0)
		return -1;
	if (pg_begin_fenced(w.pg, lease, err) != 0)
		return -1;
	if (displace_write(&w, ret, &ids, &messages, err) != 0) {
		pg_rollback(w.pg);
		return -1;
	}
	if (pg_commit(w.pg, err) != 0)
		return -1;
	return pg_messages_load(w.pg, ids, messages, a, &ret->messages, &ret->message_count, err);
}
