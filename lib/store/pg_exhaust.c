/* pg_exhaust: commands that cannot expire and that nobody answers: DEAD (K8). */
#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_lease.h"

#define FROM                                                                                       \
	" FROM outbox o JOIN command c USING (message_id) JOIN executor e"                         \
	"   ON e.executor_id = c.executor_id AND e.generation = c.generation"                      \
	" WHERE o.pool_id = (SELECT pool_id FROM pool WHERE name = $1) AND c.desired <> 1"         \
	" AND c.outcome IS NULL AND c.deliveries >= $2"                                            \
	" AND c.last_sent_at <= clock_timestamp() - $3 * interval '1 millisecond'"                 \
	" AND greatest(e.accepted_generation, e.gone_generation) < c.generation"

static const struct pg_statement find = {"exhaust_find", "SELECT 1" FROM " LIMIT 1"};
static const struct pg_statement exhaust = {"exhaust",
    "WITH t AS MATERIALIZED (SELECT c.executor_id, c.generation" FROM " ORDER BY 1 LIMIT 1024),"
    "u AS (UPDATE command c SET outcome = 2, outcome_at = clock_timestamp(),"
    "   outcome_reason = 'sent ' || c.deliveries || ' times, never answered' FROM t"
    "   WHERE c.executor_id = t.executor_id AND c.generation = t.generation"
    "   AND c.outcome IS NULL RETURNING c.executor_id, c.host_id, c.outcome_reason),"
    "v AS (INSERT INTO event_outbox (kind, executor_id, host, text)"
    "   SELECT 'command.dead', executor_id, host_id, outcome_reason FROM u)"
    "SELECT count(*) FROM u"};

int
pg_store_exhaust(struct store *s, const struct store_lease *lease, const char *pool,
    uint32_t deliveries_max, uint32_t answer_after_ms, size_t *ret_n, struct err *err)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	CLEANUP(PQclear) PGresult *found = NULL, *r = NULL;
	struct pg *pg = pg_of(s);
	struct pg_params p;

	*ret_n = 0;
	if (!a)
		return pg_no_room(err);
	pg_params_init(&p, a);
	pg_add_text(&p, pool);
	pg_add_int4(&p, (int32_t)deliveries_max);
	pg_add_int4(&p, (int32_t)answer_after_ms);
	if (pg_run(pg, &find, &p, &found, err) != 0)
		return -1;
	if (PQntuples(found) == 0)
		return 0;
	if (pg_run_fenced(pg, lease, &exhaust, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)pg_int(r, 0, 0);
	return 0;
}
