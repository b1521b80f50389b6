/* pg_expire: a RUN that no host accepted in time (K13, K16): EXPIRED, and ABSENT at the next
 * generation, so that nothing the control plane gave up on keeps running. */
#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_command.h"
#include "pg_item.h"
#include "pg_lease.h"

static int
late_find(struct pg *pg, const char *pool, struct arena *a, struct pg_target **ret, size_t *ret_n,
    struct err *err)
{
	/* Messages that want something are in the outbox: its few rows lead to the late commands.
	 */
	static const struct pg_statement find = {"expire_find",
	    "SELECT DISTINCT e.executor_id, e.host_id FROM outbox o JOIN command c USING "
	    "(message_id)"
	    " JOIN executor e ON e.executor_id = c.executor_id AND e.generation = c.generation"
	    " WHERE o.pool_id = (SELECT pool_id FROM pool WHERE name = $1) AND c.desired = 1"
	    " AND c.deadline_at < clock_timestamp() AND c.outcome IS NULL"
	    " AND e.accepted_generation < c.generation AND e.rank < 90 ORDER BY 1 LIMIT 1024"};
	static const struct pg_target absent = {.desired = DESIRED_ABSENT};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, pool);
	if (pg_run(pg, &find, &p, &r, err) != 0)
		return -1;
	return pg_targets_read(r, &absent, a, ret, ret_n, err);
}

/* A hello locks its host and then its executors: so do we. */
static int
hosts_lock(
    struct pg *pg, const struct pg_target *targets, size_t n, struct arena *a, struct err *err)
{
	static const struct pg_statement lock = {"expire_hosts",
	    "SELECT 1 FROM host WHERE host_id IN (SELECT host_id FROM executor"
	    "   WHERE executor_id = ANY($1::uuid[])) ORDER BY host_id FOR NO KEY UPDATE"};
	struct pg_params p;

	pg_params_init(&p, a);
	pg_targets_add_ids(&p, targets, n);
	return pg_run(pg, &lock, &p, NULL, err);
}

/* First commit wins against a host that accepts this very moment (K15): only rows that are still
 * unaccepted, and that nobody stopped meanwhile, are kept. */
static int
late_mark(struct pg *pg, struct pg_target *targets, size_t *n, struct arena *a, struct err *err)
{
	static const struct pg_statement mark = {"expire_mark",
	    "WITH u AS (UPDATE executor e SET state = 95, rank = 90, prev_state = e.state,"
	    "   prev_rank = e.rank, reason = 'expired', ended_at = clock_timestamp()"
	    "   WHERE e.executor_id = ANY($1::uuid[]) AND e.rank < 90 AND e.desired = 1"
	    "   AND e.accepted_generation < e.generation"
	    "   RETURNING e.executor_id, e.session_id, e.prev_state, e.host_id, e.generation),"
	    "c AS (UPDATE command c SET outcome = 1, outcome_at = clock_timestamp(),"
	    "   outcome_reason = 'not accepted in time' FROM u"
	    "   WHERE c.executor_id = u.executor_id AND c.generation = u.generation),"
	    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
	    "   SELECT array_agg(session_id), array_agg(prev_state), array_agg(95::int2) FROM u"
	    "   HAVING count(*) > 0),"
	    "v AS (INSERT INTO event_outbox (kind, executor_id, host, text)"
	    "   SELECT 'executor.expired', executor_id, host_id, 'not accepted in time' FROM u)"
	    "SELECT executor_id FROM u ORDER BY 1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_targets_add_ids(&p, targets, *n);
	if (pg_run(pg, &mark, &p, &r, err) != 0)
		return -1;
	pg_targets_keep(targets, n, r);
	return 0;
}

static int
expire_write(struct pg *pg, struct pg_target *targets, size_t n, struct arena *a,
    struct id **ret_ids, size_t *ret_message_count, size_t *ret_expired, struct err *err)
{
	if (hosts_lock(pg, targets, n, a, err) != 0 || late_mark(pg, targets, &n, a, err) != 0)
		return -1;
	*ret_expired = n;
	return pg_commands_write(pg, targets, &n, a, ret_ids, ret_message_count, err);
}

int
pg_store_expire(struct store *s, const struct store_lease *lease, const char *pool, struct arena *a,
    struct store_message **ret, size_t *ret_n, size_t *ret_expired, struct err *err)
{
	struct pg *pg = pg_of(s);
	struct pg_target *targets = NULL;
	struct id *ids = NULL;
	size_t n = 0, message_count = 0;

	*ret = NULL;
	*ret_n = 0;
	*ret_expired = 0;
	if (late_find(pg, pool, a, &targets, &n, err) != 0)
		return -1;
	if (n == 0)
		return 0;
	if (pg_begin_fenced(pg, lease, err) != 0)
		return -1;
	if (expire_write(pg, targets, n, a, &ids, &message_count, ret_expired, err) != 0) {
		pg_rollback(pg);
		return -1;
	}
	if (pg_commit(pg, err) != 0)
		return -1;
	return pg_messages_load(pg, ids, message_count, a, ret, ret_n, err);
}
