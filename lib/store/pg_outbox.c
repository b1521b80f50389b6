/* pg_outbox: messages between their commit and the acceptance of every item (K8, K10). */
#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_item.h"

int
pg_store_outbox_sent(struct store *s, const struct id *message_ids, size_t n, struct err *err)
{
	static const struct pg_statement sent = {"outbox_sent",
	    "WITH o AS (UPDATE outbox SET sent_at = coalesce(sent_at, clock_timestamp()),"
	    "   attempts = attempts + 1 WHERE message_id = ANY($1::uuid[]))"
	    "UPDATE command SET sent_at = coalesce(sent_at, clock_timestamp()),"
	    " last_sent_at = clock_timestamp(), deliveries = deliveries + 1"
	    " WHERE message_id = ANY($1::uuid[])"};
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct pg_params p;

	if (!a)
		return pg_no_room(err);
	if (n == 0)
		return 0;
	pg_params_init(&p, a);
	pg_add_ids(&p, message_ids, n);
	return pg_run(pg_of(s), &sent, &p, NULL, err);
}

/* What has been accepted, superseded, expired, or is meant for a host that was removed. */
static int
outbox_clean(struct pg *pg, const char *pool, struct arena *a, struct err *err)
{
	static const struct pg_statement clean = {"outbox_clean",
	    "DELETE FROM outbox d WHERE d.message_id IN (SELECT o.message_id FROM outbox o"
	    "   WHERE o.pool_id = (SELECT pool_id FROM pool WHERE name = $1)"
	    "   AND (NOT EXISTS (SELECT 1 FROM command c JOIN executor e USING (executor_id)"
	    "       WHERE c.message_id = o.message_id AND c.outcome IS NULL"
	    "       AND e.generation = c.generation"
	    "       AND greatest(e.accepted_generation, e.gone_generation) < c.generation)"
	    "     OR EXISTS (SELECT 1 FROM host h WHERE h.host_id = o.host_id AND h.state = 4))"
	    "   ORDER BY o.message_id LIMIT 1000 FOR UPDATE SKIP LOCKED)"};
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, pool);
	return pg_run(pg, &clean, &p, NULL, err);
}

int
pg_store_outbox_sweep(struct store *s, const char *pool, uint32_t unsent_after_ms,
    uint32_t resend_after_ms, uint32_t limit, struct arena *a, struct store_message **ret,
    size_t *ret_n, struct err *err)
{
	/* next_look_at keeps the other replicas, and the next round, away from what was just taken.
	 */
	static const struct pg_statement take = {"outbox_take",
	    "WITH d AS MATERIALIZED (SELECT message_id FROM outbox"
	    "   WHERE pool_id = (SELECT pool_id FROM pool WHERE name = $1)"
	    "   AND next_look_at <= clock_timestamp() AND coalesce(sent_at, created_at)"
	    "     <= clock_timestamp() - (CASE WHEN sent_at IS NULL THEN $2 ELSE $3 END)"
	    "        * interval '1 millisecond'"
	    "   ORDER BY message_id LIMIT 64 FOR UPDATE SKIP LOCKED),"
	    "n AS (SELECT message_id FROM d LIMIT $4)"
	    "UPDATE outbox o SET next_look_at = clock_timestamp() + $3 * interval '1 millisecond'"
	    " FROM n WHERE o.message_id = n.message_id RETURNING o.message_id"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;
	struct id *ids;
	size_t n;

	if (outbox_clean(pg_of(s), pool, a, err) != 0)
		return -1;
	pg_params_init(&p, a);
	pg_add_text(&p, pool);
	pg_add_int4(&p, (int32_t)unsent_after_ms);
	pg_add_int4(&p, (int32_t)resend_after_ms);
	pg_add_int8(&p, limit);
	if (pg_run(pg_of(s), &take, &p, &r, err) != 0)
		return -1;
	n = (size_t)PQntuples(r);
	ids = arena_calloc(a, n + 1, sizeof(*ids));
	if (!ids)
		return pg_no_room(err);
	for (size_t i = 0; i < n; i++)
		ids[i] = pg_id(r, (int)i, 0);
	return pg_messages_load(pg_of(s), ids, n, a, ret, ret_n, err);
}
