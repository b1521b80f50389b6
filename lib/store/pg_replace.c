#include "pg_replace.h"

#include "arena.h"
#include "err.h"

int
pg_replace_lock(
    struct pg *pg, const struct id *executor_ids, size_t n, struct arena *a, struct err *err)
{
	static const struct pg_statement lock = {"replace_lock",
	    "SELECT 1 FROM session WHERE session_id IN (SELECT session_id FROM executor"
	    "   WHERE executor_id = ANY($1::uuid[])) ORDER BY session_id FOR SHARE"};
	struct pg_params p;

	if (n == 0)
		return 0;
	pg_params_init(&p, a);
	pg_add_ids(&p, executor_ids, n);
	return pg_run(pg, &lock, &p, NULL, err);
}

/* LOST is replaced at once, or when the session's replace_after has passed: the place is empty;
 * what we stopped to move it at once.  What a host refused, failed at for good, did not accept in
 * time, or stopped by itself because it was cut off (K24) may fail again: each attempt waits twice
 * as long, up to a minute. FAILED counts only where the host was told to restart and gave up:
 * policy never wants no more.  $3: somebody asks for it; then there is no bound and no pause.  $4:
 * early, of one that may live (pg_relieve).  replacements_max bounds what failed, was refused or
 * expired by itself: to be lost with a host, or moved, is no failure.  What ended so without
 * anybody's wish counts against its host, once, whether or not it is replaced (P9). */
static const struct pg_statement replace = {"replace_write",
    "WITH c AS (SELECT n.id AS new_id, e.executor_id, e.session_id, s.template_revision AS "
    "revision,"
    "     e.pool_id, e.idx,"
    "     e.attempt, e.state, s.name, s.priority,"
    "     coalesce(e.stopped_for IN ('drain', 'roll'), false) AS moved,"
    "     1 + coalesce((SELECT max(k.attempt) FROM executor k WHERE k.session_id = e.session_id"
    "       AND k.idx = e.idx AND k.attempt > e.attempt AND k.stopped_for = 'keep'), e.attempt)"
    "       AS next,"
    "     CASE WHEN e.state = 94 AND NOT $3 AND s.replace_after_ms > s.lost_after_ms THEN"
    "       (SELECT h.suspect_since + s.replace_after_ms * interval '1 millisecond' FROM host h"
    "         WHERE h.host_id = e.host_id AND h.state IN (2, 3) AND h.verdict_by = '') END AS due"
    "   FROM unnest($1::uuid[], $2::uuid[]) AS n(old, id)"
    "   JOIN executor e ON e.executor_id = n.old JOIN session s USING (session_id)"
    "   WHERE s.state = 1 AND e.idx < s.replicas AND e.stopped_for <> 'keep'"
    "   AND ($3 OR s.replacements_max = 0 OR e.state NOT IN (91, 93, 95) OR e.stopped_for <> ''"
    "     OR (SELECT count(*) FROM executor k WHERE k.session_id = e.session_id"
    "       AND k.idx = e.idx AND k.attempt <= e.attempt AND k.state IN (91, 93, 95)"
    "       AND k.stopped_for = '') <= s.replacements_max)"
    "   AND CASE WHEN $4 THEN true WHEN e.stopped_for IN ('drain', 'roll') THEN e.state > 90"
    "     WHEN e.state IN (92, 94) THEN s.replace_lost WHEN e.state = 91 THEN s.replace_failed"
    "     ELSE e.state IN (93, 95) END),"
    "i AS (INSERT INTO executor (executor_id, session_id, revision, pool_id, idx, attempt, rank,"
    "     state) SELECT new_id, session_id, revision, pool_id, idx, next, 10, 10 FROM c"
    "   ON CONFLICT (session_id, idx, attempt) DO NOTHING"
    "   RETURNING executor_id, session_id),"
    "b AS (INSERT INTO avoided (executor_id, session_id, host_id)"
    "   SELECT e.executor_id, e.session_id, e.host_id FROM unnest($1::uuid[]) AS n(id)"
    "   JOIN executor e ON e.executor_id = n.id WHERE e.host_id IS NOT NULL"
    "   AND e.stopped_for = '' AND e.state BETWEEN 91 AND 95 ON CONFLICT DO NOTHING),"
    "j AS (SELECT c.* FROM c JOIN i ON i.executor_id = c.new_id),"
    "q AS (INSERT INTO placement_queue (executor_id, pool_id, priority, not_before)"
    "   SELECT new_id, pool_id, priority, CASE WHEN $3 OR $4 OR state IN (94, 96)"
    "     OR (state = 92 AND moved) THEN"
    "     coalesce(due, '-infinity') ELSE clock_timestamp() + least(60, power(2, least(attempt, "
    "10)) / 2)"
    "       * interval '1 second' END FROM j ORDER BY idx),"
    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
    "   SELECT array_agg(session_id), array_agg(0::int2), array_agg(10::int2) FROM i"
    "   HAVING count(*) > 0),"
    "v AS (INSERT INTO event_outbox (kind, session, executor_id, text)"
    "   SELECT 'executor.replaced', name, new_id, 'attempt ' || next ||"
    "     CASE WHEN $4 THEN ' runs beside attempt ' || attempt ELSE ' follows' END FROM j)"
    "SELECT count(*) FROM i"};

enum how { ENDED, ASKED, EARLY };

static int
replace_write(struct pg *pg, const struct id *executor_ids, size_t n, enum how how, struct arena *a,
    size_t *ret_n, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_array array;
	struct pg_params p;

	*ret_n = 0;
	if (n == 0)
		return 0;
	pg_params_init(&p, a);
	pg_add_ids(&p, executor_ids, n);
	pg_array_begin(&array, &p, PG_UUID, n);
	for (size_t i = 0; i < n; i++) {
		struct id id = id_new();

		pg_put_uuid(&array, &id);
	}
	pg_array_end(&array);
	pg_add_bool(&p, how == ASKED);
	pg_add_bool(&p, how == EARLY);
	if (pg_run(pg, &replace, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)pg_int(r, 0, 0);
	return 0;
}

int
pg_replace(struct pg *pg, const struct id *executor_ids, size_t n, struct arena *a, size_t *ret_n,
    struct err *err)
{
	return replace_write(pg, executor_ids, n, ENDED, a, ret_n, err);
}

int
pg_replace_asked(
    struct pg *pg, const struct id *executor_id, struct arena *a, size_t *ret_n, struct err *err)
{
	return replace_write(pg, executor_id, 1, ASKED, a, ret_n, err);
}

int
pg_replace_early(struct pg *pg, const struct id *executor_ids, size_t n, struct arena *a,
    size_t *ret_n, struct err *err)
{
	return replace_write(pg, executor_ids, n, EARLY, a, ret_n, err);
}
