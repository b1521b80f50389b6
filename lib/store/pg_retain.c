/* pg_retain: what is over is kept for a while, then removed in batches; totals stay in the
 * counters.  No executor goes before its host has let go of it (K6). */
#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_lease.h"
#include "store_bounds.h"

#define OLD " < clock_timestamp() - $1 * interval '1 millisecond'"

static const struct pg_statement steps[] = {
    {"retain_executors",
	"WITH d AS (DELETE FROM executor e WHERE e.executor_id IN (SELECT executor_id FROM executor"
	"   WHERE rank = 90 AND gone_at" OLD " ORDER BY executor_id LIMIT $2)"
	"   RETURNING e.executor_id),"
	"c AS (DELETE FROM command c USING d WHERE c.executor_id = d.executor_id),"
	"v AS (DELETE FROM avoided v USING d WHERE v.executor_id = d.executor_id)"
	"SELECT count(*) FROM d"},
    {"retain_sessions",
	"WITH d AS (DELETE FROM session s WHERE s.session_id IN (SELECT session_id FROM session"
	"   WHERE state = 3 AND closed_at" OLD " ORDER BY session_id LIMIT $2)"
	"   AND NOT EXISTS (SELECT 1 FROM executor e WHERE e.session_id = s.session_id)"
	"   RETURNING s.session_id),"
	"k AS (DELETE FROM session_counter k USING d WHERE k.session_id = d.session_id),"
	"p AS (DELETE FROM executor_spec p USING d WHERE p.session_id = d.session_id)"
	"SELECT count(*) FROM d"},
    {"retain_events",
	/* Only from the front: a number missing in the middle would be a loss that nobody sees. */
	"WITH w AS (SELECT cursor, at" OLD " AS old FROM event ORDER BY cursor LIMIT $2),"
	"d AS (DELETE FROM event e USING w WHERE e.cursor = w.cursor AND w.cursor <"
	"   (SELECT coalesce(min(cursor), 9223372036854775807) FROM w WHERE NOT old)"
	"   RETURNING 1) SELECT count(*) FROM d"},
    {"retain_keys",
	"WITH d AS (DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE at" OLD
	"   ORDER BY key LIMIT $2) RETURNING 1) SELECT count(*) FROM d"},
};

/* A host's past, not a thing that anybody sees removed: not counted. */
static const struct pg_statement avoided = {"retain_avoided",
    "WITH d AS (DELETE FROM avoided WHERE executor_id IN (SELECT executor_id FROM avoided"
    "   WHERE at < clock_timestamp() - least($1, $3) * interval '1 millisecond'"
    "   ORDER BY at LIMIT $2) RETURNING 1) SELECT count(*) FROM d"};

static int
step_run(struct pg *pg, const struct store_lease *lease, const struct pg_statement *st,
    struct pg_params *p, uint64_t *ret, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;

	if (pg_run_fenced(pg, lease, st, p, &r, err) != 0)
		return -1;
	*ret = (uint64_t)pg_int(r, 0, 0);
	return 0;
}

int
pg_store_retain(struct store *s, const struct store_lease *lease, const struct store_retention *r,
    uint64_t *ret_removed, bool *ret_more, struct err *err)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct pg_params p;
	uint64_t forgotten = 0;

	*ret_removed = 0;
	*ret_more = false;
	if (!a)
		return pg_no_room(err);
	pg_params_init(&p, a);
	pg_add_int8(&p, r->keep_ms);
	pg_add_int8(&p, r->batch);
	pg_add_int8(&p, AVOID_FORGET_MS);
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		uint64_t removed = 0;

		if (step_run(pg_of(s), lease, &steps[i], &p, &removed, err) != 0)
			return -1;
		*ret_removed += removed;
		*ret_more = *ret_more || removed >= r->batch;
	}
	if (step_run(pg_of(s), lease, &avoided, &p, &forgotten, err) != 0)
		return -1;
	*ret_more = *ret_more || forgotten >= r->batch;
	return 0;
}
