/* pg_lost: giving up the executors of hosts that stay away (K16, K22-K24).
 *
 * First hosts are granted their verdict, as many as the cap allows; then the executors of granted
 * hosts end LOST when their session's patience is over, with an ABSENT that waits for the host's
 * return, and their replacements are queued. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_item.h"
#include "pg_lease.h"
#include "pg_lost.h"
#include "pg_replace.h"
#include "rules.h"

/* An executor on the books of host h whose session has waited long enough. */
#define OVERDUE                                                                                    \
	"(h.verdict_by <> '' OR"                                                                   \
	" h.suspect_since <= clock_timestamp() - s.lost_after_ms * interval '1 millisecond')"

/* Ten minutes' worth of verdicts: verdicts_max hosts or verdicts_percent of the pool, the greater.
 * Who has been away longest comes first.  Hosts an operator confirmed are granted already.
 *
 * When more are silent, or were until a moment ago (lost_after), than the cap has room for, and
 * some of them do come back, it was the control plane's own trouble: nobody is granted, for ten
 * minutes at most (RULES_RETURN_MINUTES). */
static const struct pg_statement grant = {"lost_grant",
    "WITH t AS MATERIALIZED (SELECT h.host_id, h.suspect_since FROM host h JOIN pool p USING"
    "     (pool_id) WHERE p.name = $1 AND h.state = 2 AND h.verdict_at IS NULL "
    "AND " PG_JUDGE_LISTENS
    "   AND (h.suspect_since <= clock_timestamp() - p.lost_after_ms * interval '1 millisecond'"
    "     OR EXISTS (SELECT 1 FROM host_executor x JOIN executor e USING (executor_id)"
    "       JOIN session s USING (session_id) WHERE x.host_id = h.host_id AND e.rank < 90"
    "       AND (" OVERDUE " OR " PG_EARLY ")))"
    "   ORDER BY h.host_id FOR NO KEY UPDATE OF h),"
    "b AS (SELECT p.pool_id, p.lost_after_ms * interval '1 millisecond' AS patience,"
    "   greatest(p.verdicts_max, count(*) FILTER (WHERE h.state <> 4)"
    "     * p.verdicts_percent / 100) - coalesce((SELECT sum(m.hosts) FROM verdict_minute m"
    "       WHERE m.pool_id = p.pool_id"
    "       AND m.minute > clock_timestamp() - interval '10 minutes'), 0) AS room,"
    "   count(*) FILTER (WHERE h.state = 2 AND h.verdict_at IS NULL) AS silent,"
    "   count(*) FILTER (WHERE h.state = 1 AND h.returned_at > clock_timestamp()"
    "     - p.lost_after_ms * interval '1 millisecond') AS returned"
    "   FROM pool p JOIN host h USING (pool_id) WHERE p.name = $1 GROUP BY p.pool_id),"
    "w AS (SELECT t.*, b.room, b.returned > 0 AND b.silent + b.returned > b.room"
    "     AND t.suspect_since > clock_timestamp() - b.patience - $3 * interval '1 minute'"
    "     AS waits FROM t, b),"
    "n AS (SELECT host_id, CASE WHEN waits THEN 'return'"
    "     WHEN row_number() OVER (ORDER BY suspect_since, host_id) <= room THEN ''"
    "     ELSE 'cap' END AS held_for FROM w),"
    "u AS (UPDATE host h SET verdict_held_for = n.held_for,"
    "     verdict_at = CASE WHEN n.held_for = '' THEN clock_timestamp() END,"
    "     verdict_held_at = CASE WHEN n.held_for <> '' THEN clock_timestamp() END"
    "   FROM n WHERE h.host_id = n.host_id AND (n.held_for = '' OR h.verdict_held_at IS NULL"
    "     OR h.verdict_held_for <> n.held_for) RETURNING h.host_id, n.held_for),"
    "c AS (INSERT INTO verdict_minute (pool_id, minute, hosts)"
    "   SELECT b.pool_id, date_trunc('minute', clock_timestamp()), count(*) FROM u, b"
    "   WHERE u.held_for = '' GROUP BY b.pool_id HAVING count(*) > 0"
    "   ON CONFLICT (pool_id, minute) DO UPDATE SET hosts = verdict_minute.hosts + excluded.hosts),"
    "v AS (INSERT INTO event_outbox (kind, host, text)"
    "   SELECT 'host.verdict_held', host_id, CASE held_for WHEN 'cap' THEN $4 ELSE $5 END"
    "   FROM u WHERE held_for <> '')"
    "SELECT count(*) FILTER (WHERE held_for = ''), count(*) FILTER (WHERE held_for <> '')"
    " FROM u"};

static int
verdicts_grant(struct pg *pg, const struct store_lease *lease, const char *pool, uint32_t grace_ms,
    struct arena *a, struct store_lost_result *ret, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, pool);
	pg_add_int4(&p, (int32_t)grace_ms);
	pg_add_int4(&p, RULES_RETURN_MINUTES);
	pg_add_text(&p, RULES_HELD_BY_CAP);
	pg_add_text(&p, RULES_HELD_BY_RETURN);
	if (pg_run_fenced(pg, lease, &grant, &p, &r, err) != 0)
		return -1;
	ret->granted = (size_t)pg_int(r, 0, 0);
	ret->held = (size_t)pg_int(r, 0, 1);
	return 0;
}

/* ---- executors ---- */

int
pg_lost_find(struct pg_lost *l, const struct pg_statement *st, const char *pool, uint32_t grace_ms,
    struct err *err)
{
	static const struct pg_target absent = {.desired = DESIRED_ABSENT};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, l->arena);
	pg_add_text(&p, pool);
	pg_add_int4(&p, (int32_t)grace_ms);
	if (pg_run(l->pg, st, &p, &r, err) != 0)
		return -1;
	if (pg_targets_read(r, &absent, l->arena, &l->targets, &l->n, err) != 0)
		return -1;
	l->since_us = arena_calloc(l->arena, l->n + 1, sizeof(*l->since_us));
	if (!l->since_us)
		return pg_no_room(err);
	for (size_t i = 0; i < l->n; i++)
		l->since_us[i] = pg_time(r, (int)i, 2);
	return 0;
}

int
pg_lost_ids(const struct pg_lost *l, struct id **ret, struct err *err)
{
	*ret = arena_calloc(l->arena, l->n + 1, sizeof(**ret));
	if (!*ret)
		return pg_no_room(err);
	for (size_t i = 0; i < l->n; i++)
		(*ret)[i] = l->targets[i].executor_id;
	return 0;
}

int
pg_lost_lock_hosts(struct pg_lost *l, struct err *err)
{
	static const struct pg_statement lock = {"lost_hosts",
	    "WITH n AS (SELECT * FROM unnest($1::uuid[], $2::text[], $3::int8[]) u(id, host, "
	    "since)),"
	    "h AS MATERIALIZED (SELECT host_id FROM host JOIN (SELECT DISTINCT host, since FROM n) "
	    "d"
	    "   ON d.host = host.host_id WHERE state IN (2, 3)"
	    "   AND (extract(epoch FROM suspect_since) * 1000000)::int8 = d.since"
	    "   ORDER BY host_id FOR NO KEY UPDATE OF host)"
	    "SELECT n.id FROM n JOIN h ON h.host_id = n.host ORDER BY 1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_array array;
	struct pg_params p;

	pg_params_init(&p, l->arena);
	pg_targets_add_ids(&p, l->targets, l->n);
	pg_array_begin(&array, &p, PG_TEXT, l->n);
	for (size_t i = 0; i < l->n; i++)
		pg_put_text(&array, l->targets[i].host_id);
	pg_array_end(&array);
	pg_array_begin(&array, &p, PG_INT8, l->n);
	for (size_t i = 0; i < l->n; i++)
		pg_put_int(&array, l->since_us[i]);
	pg_array_end(&array);
	if (pg_run(l->pg, &lock, &p, &r, err) != 0)
		return -1;
	pg_targets_keep(l->targets, &l->n, r);
	return 0;
}

/* Who was wanted until now: only they are replaced. */
static int
lost_wanted(struct pg_lost *l, struct id **ret, size_t *ret_n, struct err *err)
{
	static const struct pg_statement wanted = {"lost_wanted",
	    "SELECT executor_id FROM executor WHERE executor_id = ANY($1::uuid[]) AND rank < 90"
	    " AND (desired = 1 OR stopped_for IN ('drain', 'roll'))"
	    " ORDER BY 1 FOR NO KEY UPDATE"};
	struct pg_params p;

	pg_params_init(&p, l->arena);
	pg_targets_add_ids(&p, l->targets, l->n);
	return pg_run_ids(l->pg, &wanted, &p, l->arena, ret, ret_n, err);
}

/* First commit wins against a host's own end (K15): only rows that have not ended are returned. */
static int
lost_mark(struct pg_lost *l, struct err *err)
{
	static const struct pg_statement mark = {"lost_mark",
	    "WITH t AS MATERIALIZED (SELECT executor_id FROM executor"
	    "   WHERE executor_id = ANY($1::uuid[]) AND rank < 90 ORDER BY 1 FOR NO KEY UPDATE),"
	    "u AS (UPDATE executor e SET state = 94, rank = 90, prev_state = e.state,"
	    "   prev_rank = e.rank, reason = 'host_lost', detail = 'host silent since '"
	    "     || to_char(h.suspect_since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
	    "   ended_at = clock_timestamp() FROM t, host h"
	    "   WHERE e.executor_id = t.executor_id AND h.host_id = e.host_id"
	    "   RETURNING e.executor_id, e.session_id, e.prev_state, e.host_id, e.detail),"
	    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
	    "   SELECT array_agg(session_id), array_agg(prev_state), array_agg(94::int2) FROM u"
	    "   HAVING count(*) > 0),"
	    "v AS (INSERT INTO event_outbox (kind, executor_id, host, text)"
	    "   SELECT 'executor.lost', executor_id, host_id, detail FROM u)"
	    "SELECT executor_id FROM u ORDER BY 1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, l->arena);
	pg_targets_add_ids(&p, l->targets, l->n);
	if (pg_run(l->pg, &mark, &p, &r, err) != 0)
		return -1;
	pg_targets_keep(l->targets, &l->n, r);
	return 0;
}

/* Inside the fenced transaction, in the order of locks: host, session, executor, appends. */
static int
lost_write(struct pg_lost *l, struct store_lost_result *ret, struct id **ret_ids,
    size_t *ret_message_count, struct err *err)
{
	struct id *ids = NULL, *wanted = NULL;
	size_t wanted_count = 0, replaced = 0;

	if (pg_lost_lock_hosts(l, err) != 0 || pg_lost_ids(l, &ids, err) != 0 ||
	    pg_replace_lock(l->pg, ids, l->n, l->arena, err) != 0 ||
	    lost_wanted(l, &wanted, &wanted_count, err) != 0 || lost_mark(l, err) != 0 ||
	    pg_replace(l->pg, wanted, wanted_count, l->arena, &replaced, err) != 0)
		return -1;
	ret->replaced += replaced;
	ret->executors = l->n;
	return pg_commands_write(
	    l->pg, l->targets, &l->n, l->arena, ret_ids, ret_message_count, err);
}

/* ---- commands nobody accepted ---- */

/* K8: an EXPIRED executor is replaced when it is gone, or when its host has been away for so long:
 * until then the host may have accepted it in time. */
static int
expired_replace(struct pg_lost *l, const char *pool, uint32_t grace_ms,
    struct store_lost_result *ret, struct err *err)
{
	static const struct pg_statement find = {"lost_expired",
	    "SELECT x.executor_id FROM host h JOIN pool p USING (pool_id)"
	    " JOIN host_executor x USING (host_id) JOIN executor e USING (executor_id)"
	    " JOIN session s USING (session_id) WHERE p.name = $1 AND h.state IN (2, 3)"
	    " AND h.verdict_at IS NOT NULL AND e.state = 95 AND s.state = 1 AND " OVERDUE
	    " AND (h.verdict_by <> '' OR " PG_JUDGE_LISTENS ")"
	    " AND NOT EXISTS (SELECT 1 FROM executor n WHERE n.session_id = e.session_id"
	    "   AND n.idx = e.idx AND n.attempt > e.attempt) ORDER BY 1 LIMIT 1024"};
	struct pg_params p;
	struct id *ids = NULL;
	size_t n = 0, replaced = 0;

	pg_params_init(&p, l->arena);
	pg_add_text(&p, pool);
	pg_add_int4(&p, (int32_t)grace_ms);
	if (pg_run_ids(l->pg, &find, &p, l->arena, &ids, &n, err) != 0 ||
	    pg_replace_lock(l->pg, ids, n, l->arena, err) != 0 ||
	    pg_replace(l->pg, ids, n, l->arena, &replaced, err) != 0)
		return -1;
	ret->replaced += replaced;
	return 0;
}

static int
expired_step(struct pg_lost *l, const struct store_lease *lease, const char *pool,
    uint32_t grace_ms, struct store_lost_result *ret, struct err *err)
{
	if (pg_begin_fenced(l->pg, lease, err) != 0)
		return -1;
	if (expired_replace(l, pool, grace_ms, ret, err) != 0) {
		pg_rollback(l->pg);
		return -1;
	}
	return pg_commit(l->pg, err);
}

/* Whose session has waited long enough. */
static const struct pg_statement overdue_find = {"lost_find",
    "SELECT x.executor_id, x.host_id, h.suspect_since FROM host h JOIN pool p USING (pool_id)"
    " JOIN host_executor x USING (host_id) JOIN executor e USING (executor_id)"
    " JOIN session s USING (session_id) WHERE p.name = $1 AND h.state IN (2, 3)"
    " AND h.verdict_at IS NOT NULL AND e.rank < 90 AND " OVERDUE
    " AND (h.verdict_by <> '' OR " PG_JUDGE_LISTENS ") ORDER BY 1 LIMIT 1024"};

static int
overdue_step(struct pg_lost *l, const struct store_lease *lease, struct store_lost_result *ret,
    struct id **ret_ids, size_t *ret_n, struct err *err)
{
	*ret_n = 0;
	if (l->n == 0)
		return 0;
	ret->more = ret->more || l->n == PG_LOST_LIMIT;
	if (pg_begin_fenced(l->pg, lease, err) != 0)
		return -1;
	if (lost_write(l, ret, ret_ids, ret_n, err) != 0) {
		pg_rollback(l->pg);
		return -1;
	}
	return pg_commit(l->pg, err);
}

/* The messages of two transactions, loaded at once. */
static int
messages_load(struct pg *pg, const struct id *const ids[2], const size_t n[2], struct arena *a,
    struct store_lost_result *ret, struct err *err)
{
	struct id *all = arena_calloc(a, n[0] + n[1] + 1, sizeof(*all));

	if (!all)
		return pg_no_room(err);
	for (size_t i = 0; i < n[0] + n[1]; i++)
		all[i] = i < n[0] ? ids[0][i] : ids[1][i - n[0]];
	return pg_messages_load(pg, all, n[0] + n[1], a, &ret->messages, &ret->message_count, err);
}

int
pg_store_lost(struct store *s, const struct store_lease *lease, const char *pool, uint32_t grace_ms,
    struct arena *a, struct store_lost_result *ret, struct err *err)
{
	struct pg *pg = pg_of(s);
	struct pg_lost l = {.pg = pg, .arena = a};
	struct id *lost = NULL, *relieved = NULL;
	size_t lost_n = 0, relieved_n = 0;

	memset(ret, 0, sizeof(*ret));
	if (verdicts_grant(pg, lease, pool, grace_ms, a, ret, err) != 0 ||
	    expired_step(&l, lease, pool, grace_ms, ret, err) != 0 ||
	    pg_lost_find(&l, &overdue_find, pool, grace_ms, err) != 0 ||
	    overdue_step(&l, lease, ret, &lost, &lost_n, err) != 0 ||
	    pg_relieve(pg, lease, pool, grace_ms, a, ret, &relieved, &relieved_n, err) != 0)
		return -1;
	if (lost_n + relieved_n == 0)
		return 0;
	return messages_load(pg, (const struct id *const[2]){lost, relieved},
	    (const size_t[2]){lost_n, relieved_n}, a, ret, err);
}
