/* pg_join: the ingest join (K14) - a batch of reports becomes one statement.
 *
 * w is "this report observes something newer": an end beats anything that is not an end, the first
 * end stays, otherwise the higher (incarnation, rank) wins.  Counters merge by maximum on their
 * own, also on ended rows.  prev_state and prev_rank are set in the same update, so RETURNING knows
 * the exact edge, also with several writers.  Rows arrive sorted and are joined in that order
 * (pg_order_locks): two hubs cannot deadlock. */
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"

/* A report without a state carries incarnation -1 and rank 0, which is newer than nothing. */
#define W "(e.rank < 90 AND (n.rank = 90 OR (n.incarnation, n.rank) > (e.incarnation, e.rank)))"
/* A second, different end is kept beside the first and changes nothing else. */
#define LATE                                                                                       \
	"(n.rank = 90 AND e.rank = 90 AND e.late_at IS NULL"                                       \
	" AND (n.state, n.exit_code, n.signal) <> (e.state, e.exit_code, e.signal))"
#define IF_W(column, value) column " = CASE WHEN " W " THEN " value " ELSE e." column " END,"
/* The earliest of two durations of which 0 means never, as report_fold has it. */
#define EARLIEST(column, value)                                                                    \
	column " = CASE WHEN " W " AND " value " > 0 AND (e." column " = 0 OR " value              \
	       " < e." column ") THEN " value " ELSE e." column " END,"
#define FIRST_TIME(column, condition)                                                              \
	column " = CASE WHEN e." column " IS NULL AND " condition                                  \
	       " THEN statement_timestamp() ELSE e." column " END,"

#define OUTCOME_TEXT                                                                               \
	"concat_ws(', ', CASE WHEN signal > 0 THEN 'signal ' || signal"                            \
	"  WHEN exit_code >= 0 THEN 'exit ' || exit_code END, nullif(reason, ''))"

static const struct pg_statement join = {"executor_join",
    /* Journals of this batch that are superseded, by position: nearly always none, and read once.
     */
    "WITH dead AS (SELECT coalesce(array_agg(p.at::int4), '{}') AS journals"
    " FROM unnest($18::text[], $19::uuid[]) WITH ORDINALITY AS p(host, journal, at)"
    " JOIN host_journal_superseded j ON j.host_id = p.host AND j.journal_id = p.journal),"
    "u AS (UPDATE executor e SET"
    " prev_state = e.state, prev_rank = e.rank,"
    " accepted_generation = greatest(e.accepted_generation, n.accepted),"
    " gone_generation = greatest(e.gone_generation, n.gone)," FIRST_TIME(
	"accepted_at", "n.accepted > 0") FIRST_TIME("starting_at",
	W " AND (n.starting_after > 0 OR n.started OR n.rank = 60)") FIRST_TIME("running_at",
	W " AND (n.running_after > 0 OR n.started OR n.rank = 70)") FIRST_TIME("ended_at",
	W " AND n.rank = 90") FIRST_TIME("late_at",
	LATE) " late_outcome = CASE WHEN " LATE " THEN n.outcome ELSE e.late_outcome END,"
	      " started = e.started OR n.started," IF_W("incarnation", "n.incarnation") IF_W(
		  "exit_code", "n.exit_code") IF_W("signal", "n.signal") IF_W("oom",
		  "n.oom") IF_W("reason", "n.reason") IF_W("detail",
		  "n.detail") EARLIEST("starting_after_us",
		  "n.starting_after") EARLIEST("running_after_us",
		  "n.running_after") EARLIEST("ended_after_us", "n.ended_after") IF_W("rank",
		  "n.rank") " state = CASE WHEN " W " THEN n.state ELSE e.state END"
			    " FROM unnest($1::uuid[], $2::text[], $3::int4[], $4::int8[], "
			    "$5::int8[], $6::int4[],"
			    "   $7::int2[], $8::int2[], $9::bool[], $10::bool[], $11::int4[], "
			    "$12::int4[], $13::text[],"
			    "   $14::text[], $15::int8[], $16::int8[], $17::int8[], $20::text[]) "
			    "AS n(id, host, journal,"
			    "   accepted, gone, incarnation, rank, state, started, oom, exit_code, "
			    "signal, reason, detail,"
			    "   starting_after, running_after, ended_after, outcome)"
			    " WHERE e.executor_id = n.id AND e.host_id = n.host"
			    " AND (" W " OR n.accepted > e.accepted_generation OR n.gone > "
			    "e.gone_generation OR " LATE ")"
			    " AND n.journal <> ALL ((SELECT journals FROM dead)::int4[])"
			    " RETURNING e.executor_id, e.session_id, e.pool_id, e.host_id, "
			    "e.prev_state, e.prev_rank,"
			    "   e.state, e.rank, e.gone_generation >= e.generation AS gone, "
			    "e.exit_code, e.signal, e.reason,"
			    "   e.late_outcome, coalesce(e.late_at = statement_timestamp(), false) "
			    "AS late),"
			    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
			    " SELECT array_agg(session_id), array_agg(prev_state), "
			    "array_agg(state) FROM u"
			    " WHERE state <> prev_state HAVING count(*) > 0),"
			    "x AS (INSERT INTO executor_ended (executor_id, pool_id)"
			    " SELECT executor_id, pool_id FROM u WHERE prev_rank < 90 AND rank = "
			    "90),"
			    "g AS (INSERT INTO executor_gone (executor_id, pool_id)"
			    " SELECT executor_id, pool_id FROM u WHERE gone),"
			    "v AS (INSERT INTO event_outbox (kind, executor_id, host, text)"
			    " SELECT 'executor.' || CASE state"
#define STATE(name, code, rank, text, writer) " WHEN " #code " THEN '" text "'"
#include "executor_state.def"
			    " END, executor_id, host_id, CASE WHEN rank = 90 THEN " OUTCOME_TEXT
			    " ELSE '' END"
			    " FROM u WHERE state <> prev_state AND (state = 70 OR rank = 90)"
			    " UNION ALL SELECT 'executor.late_outcome', executor_id, host_id, "
			    "late_outcome FROM u WHERE late)"
			    "SELECT count(*), count(*) FILTER (WHERE prev_rank < 90 AND rank = 90),"
			    " (SELECT count(*) FROM unnest($3::int4[]) j WHERE j = ANY ((SELECT "
			    "journals FROM dead)::int4[])),"
			    " count(*) FILTER (WHERE late),"
			    " (SELECT string_agg(p.name, ',') FROM pool p WHERE p.pool_id IN"
			    "  (SELECT pool_id FROM u WHERE gone OR (prev_rank < 90 AND rank = "
			    "90))) FROM u"};

/* ---- parameters ---- */

/* The journals of a batch, each once: a batch holds few, and few are superseded. */
struct journals {
	const struct report **first; /* a report of each */
	size_t count;
	int32_t *of; /* per row: position from 1 */
};

static int
journals_collect(const struct report *const *rows, size_t n, struct arena *a, struct journals *ret)
{
	size_t slots = 64, slot;
	uint32_t *table, hash;

	while (slots < 2 * n)
		slots *= 2;
	table = arena_calloc(a, slots, sizeof(*table));
	ret->first = arena_calloc(a, n, sizeof(*ret->first));
	ret->of = arena_calloc(a, n, sizeof(*ret->of));
	ret->count = 0;
	if (!table || !ret->first || !ret->of)
		return -1;
	for (size_t i = 0; i < n; i++) {
		memcpy(&hash, rows[i]->journal_id.bytes + ID_BYTES - sizeof(hash), sizeof(hash));
		for (slot = hash & (slots - 1); table[slot]; slot = (slot + 1) & (slots - 1)) {
			const struct report *seen = ret->first[table[slot] - 1];

			if (id_equal(&seen->journal_id, &rows[i]->journal_id) &&
			    strcmp(seen->host_id, rows[i]->host_id) == 0)
				break;
		}
		if (!table[slot]) {
			ret->first[ret->count++] = rows[i];
			table[slot] = (uint32_t)ret->count;
		}
		ret->of[i] = (int32_t)table[slot];
	}
	return 0;
}

static const char *
outcome_text(const struct report *n, struct arena *a)
{
	if (!executor_state_ended(n->state))
		return "";
	if (n->signal > 0)
		return arena_printf(a, "%s, signal %d", executor_state_text(n->state), n->signal);
	return arena_printf(a, "%s, exit %d", executor_state_text(n->state), n->exit_code);
}

#define COLUMN(type, put, value)                                                                   \
	do {                                                                                       \
		struct pg_array c;                                                                 \
                                                                                                   \
		pg_array_begin(&c, p, (type), n);                                                  \
		for (size_t i = 0; i < n; i++)                                                     \
			put(&c, value);                                                            \
		pg_array_end(&c);                                                                  \
	} while (0)
#define COLUMN_INT(type, value) COLUMN(type, pg_put_int, (int64_t)(value))

static void
journals_add(struct pg_params *p, const struct journals *j)
{
	size_t n = j->count;

	COLUMN(PG_TEXT, pg_put_text, j->first[i]->host_id);
	COLUMN(PG_UUID, pg_put_uuid, &j->first[i]->journal_id);
}

static void
columns_add(
    struct pg_params *p, const struct report *const *rows, size_t n, const struct journals *j)
{
	COLUMN(PG_UUID, pg_put_uuid, &rows[i]->executor_id);
	COLUMN(PG_TEXT, pg_put_text, rows[i]->host_id);
	COLUMN_INT(PG_INT4, j->of[i]);
	COLUMN_INT(PG_INT8, rows[i]->accepted_generation);
	COLUMN_INT(PG_INT8, rows[i]->gone_generation);
	COLUMN_INT(PG_INT4, rows[i]->state == EXECUTOR_NONE ? -1 : (int64_t)rows[i]->incarnation);
	COLUMN_INT(PG_INT2, executor_state_rank(rows[i]->state));
	COLUMN_INT(PG_INT2, rows[i]->state);
	COLUMN(PG_BOOL, pg_put_bool, rows[i]->started);
	COLUMN(PG_BOOL, pg_put_bool, rows[i]->oom);
	COLUMN_INT(PG_INT4, rows[i]->exit_code);
	COLUMN_INT(PG_INT4, rows[i]->signal);
	COLUMN(PG_TEXT, pg_put_text, rows[i]->reason);
	COLUMN(PG_TEXT, pg_put_text, rows[i]->detail);
	COLUMN_INT(PG_INT8, rows[i]->starting_after_us);
	COLUMN_INT(PG_INT8, rows[i]->running_after_us);
	COLUMN_INT(PG_INT8, rows[i]->ended_after_us);
	journals_add(p, j);
	COLUMN(PG_TEXT, pg_put_text, outcome_text(rows[i], p->arena));
}

/* ---- one statement ---- */

static void
pool_add(struct store_join_result *ret, const char *pool)
{
	for (size_t i = 0; i < ret->pool_count; i++) {
		if (strcmp(ret->pools[i], pool) == 0)
			return;
	}
	if (ret->pool_count < COUNT_OF(ret->pools)) /* the others look at their next sweep */
		ret->pools[ret->pool_count++] = pool;
}

static void
pools_split(char *list, struct store_join_result *ret)
{
	char *save = NULL, *pool = strtok_r(list, ",", &save);

	for (; pool; pool = strtok_r(NULL, ",", &save))
		pool_add(ret, pool);
}

static int
join_rows(struct pg *pg, const struct report *const *rows, size_t n, struct arena *a,
    struct store_join_result *ret, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct journals journals;
	struct pg_params p;
	char *pools;

	if (journals_collect(rows, n, a, &journals) != 0)
		return pg_no_room(err);
	pg_params_init(&p, a);
	columns_add(&p, rows, n, &journals);
	if (pg_run(pg, &join, &p, &r, err) != 0)
		return -1;
	ret->applied += (uint64_t)pg_int(r, 0, 0);
	ret->ended += (uint64_t)pg_int(r, 0, 1);
	ret->superseded += (uint64_t)pg_int(r, 0, 2);
	ret->late += (uint64_t)pg_int(r, 0, 3);
	pools = arena_strndup(a, PQgetvalue(r, 0, 4), (size_t)PQgetlength(r, 0, 4));
	if (!pools)
		return pg_no_room(err);
	pools_split(pools, ret);
	return 0;
}

/* States only the control plane may observe are not a host's to report (E1). */
static int
reports_check(const struct report *reports, size_t n, struct err *err)
{
	char hex[ID_HEX_BYTES];

	for (size_t i = 0; i < n; i++) {
		/* The edge from PLACED says who may write a state: every host state is above it. */
		if (reports[i].state != EXECUTOR_NONE &&
		    !executor_edge_allowed(EXECUTOR_PLACED, reports[i].state, STATE_WRITER_HOST))
			return err_field(err, ERR_INVALID, "executors.state",
			    "a host cannot report state %d (executor %s)", (int)reports[i].state,
			    id_to_hex(&reports[i].executor_id, hex));
	}
	return 0;
}

/* Reports of one executor by several hosts or journals stand side by side, and one statement
 * updates a row once: the first of each goes into the first statement, and so on.  Nearly always
 * there is one. */
static int
join_rounds(struct pg *pg, const struct report *reports, size_t n, struct arena *a,
    struct store_join_result *ret, struct err *err)
{
	const struct report **rows = arena_calloc(a, n, sizeof(*rows));
	size_t count = n;

	if (!rows)
		return pg_no_room(err);
	for (size_t round = 0; count > 0; round++) {
		size_t same = 0;

		count = 0;
		for (size_t i = 0; i < n; i++) {
			same =
			    i > 0 && id_equal(&reports[i].executor_id, &reports[i - 1].executor_id)
				? same + 1
				: 0;
			if (same == round)
				rows[count++] = &reports[i];
		}
		if (count > 0 && join_rows(pg, rows, count, a, ret, err) != 0)
			return -1;
	}
	return 0;
}

static bool
sorted_and_single(const struct report *reports, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (id_compare(&reports[i - 1].executor_id, &reports[i].executor_id) >= 0)
			return false;
	}
	return true;
}

int
pg_store_executor_join(struct store *s, const struct report *reports, size_t n, struct arena *a,
    struct store_join_result *ret, struct err *err)
{
	struct pg *pg = pg_of(s);

	memset(ret, 0, sizeof(*ret));
	if (n == 0)
		return 0;
	if (reports_check(reports, n, err) != 0 || pg_order_locks(pg, err) != 0)
		return -1;
	if (sorted_and_single(reports, n))
		return join_rounds(pg, reports, n, a, ret, err);
	if (pg_begin(pg, err) != 0)
		return -1;
	if (join_rounds(pg, reports, n, a, ret, err) != 0) {
		pg_rollback(pg);
		return -1;
	}
	return pg_commit(pg, err);
}
