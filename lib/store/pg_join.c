/* pg_join: the ingest join (K14) - a batch of reports becomes one statement.
 *
 * w is "this report observes something newer": an end beats anything that is not an end, the first
 * end stays, otherwise the higher (incarnation, rank) wins.  Counters merge by maximum on their
 * own, also on ended rows.  prev_state and prev_rank are set in the same update, so RETURNING knows
 * the exact edge, also with several writers.  Rows arrive sorted by primary key: two hubs cannot
 * deadlock. */
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"

#define W "(e.rank < 90 AND (n.rank = 90 OR (n.incarnation, n.rank) > (e.incarnation, e.rank)))"
/* A second, different end is kept beside the first and changes nothing else. */
#define LATE "(e.rank = 90 AND n.rank = 90 AND n.state <> e.state AND e.late_outcome = '')"
#define STATE_TEXT                                                                                 \
	"CASE n.state WHEN 90 THEN 'succeeded' WHEN 91 THEN 'failed' WHEN 92 THEN 'stopped'"       \
	" WHEN 93 THEN 'rejected' ELSE 'ended' END"
#define IF_W(column, value) column " = CASE WHEN " W " THEN " value " ELSE e." column " END,"

static const struct pg_statement join = {"executor_join",
    "WITH u AS (UPDATE executor e SET"
    " prev_state = e.state, prev_rank = e.rank,"
    " accepted_generation = greatest(e.accepted_generation, n.accepted),"
    " gone_generation = greatest(e.gone_generation, n.gone),"
    " accepted_at = CASE WHEN n.accepted > 0 THEN coalesce(e.accepted_at, now())"
    "   ELSE e.accepted_at END,"
    " starting_at = CASE WHEN " W " AND (n.starting_after > 0 OR n.started OR n.state = 60)"
    "   THEN coalesce(e.starting_at, now()) ELSE e.starting_at END,"
    " running_at = CASE WHEN " W " AND n.started THEN coalesce(e.running_at, now())"
    "   ELSE e.running_at END,"
    " ended_at = CASE WHEN " W " AND n.rank = 90 THEN now() ELSE e.ended_at END,"
    " late_outcome = CASE WHEN " LATE " THEN " STATE_TEXT " ELSE e.late_outcome END,"
    " started = e.started OR n.started," IF_W("incarnation", "n.incarnation") IF_W(
	"exit_code", "n.exit_code") IF_W("signal", "n.signal") IF_W("oom", "n.oom") IF_W("reason",
	"n.reason") IF_W("detail", "n.detail") IF_W("starting_after_us",
	"n.starting_after") IF_W("running_after_us", "n.running_after") IF_W("ended_after_us",
	"n.ended_after") IF_W("rank",
	"n.rank") " state = CASE WHEN " W " THEN n.state ELSE e.state END"
		  " FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::int8[], $5::int8[], "
		  "$6::int4[],"
		  "   $7::int2[], $8::int2[], $9::bool[], $10::bool[], $11::int4[], $12::int4[], "
		  "$13::text[],"
		  "   $14::text[], $15::int8[], $16::int8[], $17::int8[]) AS n(id, host, journal, "
		  "accepted, gone,"
		  "   incarnation, rank, state, started, oom, exit_code, signal, reason, detail, "
		  "starting_after,"
		  "   running_after, ended_after)"
		  " WHERE e.executor_id = n.id AND e.host_id = n.host"
		  " AND (" W
		  " OR n.accepted > e.accepted_generation OR n.gone > e.gone_generation OR " LATE
		  ")"
		  " AND NOT EXISTS (SELECT 1 FROM host_journal_superseded j"
		  "                 WHERE j.host_id = n.host AND j.journal_id = n.journal)"
		  " RETURNING e.executor_id, e.session_id, e.pool_id, e.host_id, e.prev_state, "
		  "e.prev_rank,"
		  "   e.state, e.rank, e.gone_generation, e.generation, e.exit_code, e.signal, "
		  "e.reason,"
		  "   e.late_outcome,"
		  "   (e.prev_rank = 90 AND n.rank = 90 AND n.state <> e.state) AS was_late),"
		  "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
		  " SELECT array_agg(session_id), array_agg(prev_state), array_agg(state) FROM u"
		  " WHERE state <> prev_state HAVING count(*) > 0),"
		  "x AS (INSERT INTO executor_ended (executor_id, pool_id)"
		  " SELECT executor_id, pool_id FROM u WHERE prev_rank < 90 AND rank = 90 "
		  "RETURNING pool_id),"
		  "g AS (INSERT INTO executor_gone (executor_id, pool_id)"
		  " SELECT executor_id, pool_id FROM u WHERE gone_generation >= generation AND "
		  "gone_generation > 0"
		  " RETURNING pool_id),"
		  "v AS (INSERT INTO event_outbox (kind, executor_id, host, text)"
		  " SELECT 'executor.' || CASE state WHEN 70 THEN 'running' WHEN 90 THEN "
		  "'succeeded'"
		  "   WHEN 91 THEN 'failed' WHEN 92 THEN 'stopped' ELSE 'rejected' END, "
		  "executor_id, host_id,"
		  "   CASE WHEN state = 70 THEN '' WHEN signal > 0 THEN 'signal ' || signal"
		  "   WHEN exit_code >= 0 THEN 'exit ' || exit_code ELSE reason END"
		  " FROM u WHERE state <> prev_state AND (state = 70 OR rank = 90)"
		  " UNION ALL SELECT 'executor.late_outcome', executor_id, host_id, late_outcome "
		  "FROM u"
		  " WHERE prev_rank = 90 AND late_outcome <> '' AND was_late)"
		  "SELECT (SELECT count(*) FROM u), (SELECT count(*) FROM x),"
		  " (SELECT count(*) FROM unnest($2::text[], $3::uuid[]) s(h, j)"
		  "  JOIN host_journal_superseded t ON t.host_id = s.h AND t.journal_id = s.j),"
		  " (SELECT count(*) FROM u WHERE prev_rank = 90 AND late_outcome <> '' AND "
		  "was_late),"
		  " (SELECT string_agg(DISTINCT p.name, ',') FROM pool p WHERE p.pool_id IN"
		  "  (SELECT pool_id FROM x UNION SELECT pool_id FROM g))"};

#define COLUMN(type, put, field)                                                                   \
	do {                                                                                       \
		pg_array_begin(&c, p, (type), n);                                                  \
		for (size_t i = 0; i < n; i++)                                                     \
			put(&c, reports[i].field);                                                 \
		pg_array_end(&c);                                                                  \
	} while (0)
#define COLUMN_INT(type, field) COLUMN(type, PUT_INT, field)
#define PUT_INT(c, v) pg_put_int((c), (int64_t)(v))
#define PUT_ID(c, v) pg_put_uuid((c), &(v))

static void
columns_add(struct pg_params *p, const struct report *reports, size_t n)
{
	struct pg_array c;

	COLUMN(PG_UUID, PUT_ID, executor_id);
	COLUMN(PG_TEXT, pg_put_text, host_id);
	COLUMN(PG_UUID, PUT_ID, journal_id);
	COLUMN_INT(PG_INT8, accepted_generation);
	COLUMN_INT(PG_INT8, gone_generation);
	COLUMN_INT(PG_INT4, incarnation);
	pg_array_begin(&c, p, PG_INT2, n);
	for (size_t i = 0; i < n; i++)
		pg_put_int(&c, executor_state_rank(reports[i].state));
	pg_array_end(&c);
	COLUMN_INT(PG_INT2, state);
	COLUMN(PG_BOOL, pg_put_bool, started);
	COLUMN(PG_BOOL, pg_put_bool, oom);
	COLUMN_INT(PG_INT4, exit_code);
	COLUMN_INT(PG_INT4, signal);
	COLUMN(PG_TEXT, pg_put_text, reason);
	COLUMN(PG_TEXT, pg_put_text, detail);
	COLUMN_INT(PG_INT8, starting_after_us);
	COLUMN_INT(PG_INT8, running_after_us);
	COLUMN_INT(PG_INT8, ended_after_us);
}

static void
pools_split(char *list, struct store_join_result *ret)
{
	char *save = NULL;

	for (char *pool = strtok_r(list, ",", &save);
	    pool && ret->pool_count < COUNT_OF(ret->pools); pool = strtok_r(NULL, ",", &save))
		ret->pools[ret->pool_count++] = pool;
}

int
pg_store_executor_join(struct store *s, const struct report *reports, size_t n, struct arena *a,
    struct store_join_result *ret, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;
	char *pools;

	memset(ret, 0, sizeof(*ret));
	if (n == 0)
		return 0;
	pg_params_init(&p, a);
	columns_add(&p, reports, n);
	if (pg_run(pg_of(s), &join, &p, &r, err) != 0)
		return -1;
	ret->applied = (uint64_t)pg_int(r, 0, 0);
	ret->ended = (uint64_t)pg_int(r, 0, 1);
	ret->superseded = (uint64_t)pg_int(r, 0, 2);
	ret->late = (uint64_t)pg_int(r, 0, 3);
	pools = (char *)(uintptr_t)pg_text(r, 0, 4, a);
	if (pools && *pools)
		pools_split(pools, ret);
	return 0;
}
