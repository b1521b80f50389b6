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
#include "rules.h"

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
	"concat_ws(', ', CASE WHEN e.signal > 0 THEN 'signal ' || e.signal"                        \
	"  WHEN e.exit_code >= 0 THEN 'exit ' || e.exit_code END, nullif(e.reason, ''))"

/* A report is eight words of one array: to receive and unnest a column per field costs half as much
 * as the update itself.  words_add packs what WORD(...) takes apart. */
#define WORDS 8
#define WORD(at) "($3::int8[])[(n.at - 1) * 8 + " #at "]"
#define HIGH(at) "(" WORD(at) " >> 32)::int4"
#define LOW(at) "(" WORD(at) " << 32 >> 32)::int4"
/* Most reports have no reason and no detail, and neighbours have the same: each pair is in $4 and
 * $5 once. */
#define RARE(parameter) "coalesce(($" #parameter "::text[])[" LOW(3) "], '')"

/* clang-format off */
static const struct pg_statement join = {"executor_join",
    /* Journals of this batch that are superseded, by position: nearly always none, and read once.
     */
    "WITH dead AS (SELECT coalesce(array_agg(p.at::int4), '{}') AS journals"
    " FROM unnest($6::text[], $7::uuid[]) WITH ORDINALITY AS p(host, journal, at)"
    " JOIN host_journal_superseded j ON j.host_id = p.host AND j.journal_id = p.journal),"
    "u AS (UPDATE executor e SET"
    " prev_state = e.state, prev_rank = e.rank,"
    " accepted_generation = greatest(e.accepted_generation, n.accepted),"
    " gone_generation = greatest(e.gone_generation, n.gone),"
    FIRST_TIME("accepted_at", "n.accepted > 0")
    FIRST_TIME("starting_at", W " AND (n.starting_after > 0 OR n.started OR n.rank = 60)")
    FIRST_TIME("running_at", W " AND (n.running_after > 0 OR n.started OR n.rank = 70)")
    FIRST_TIME("ended_at", W " AND n.rank = 90")
    FIRST_TIME("late_at", LATE)
    " late_outcome = CASE WHEN " LATE " THEN CASE n.state"
#define STATE(name, code, rank, text, writer) " WHEN " #code " THEN '" text "'"
#include "executor_state.def"
    " END || CASE WHEN n.signal > 0 THEN ', signal ' || n.signal ELSE ', exit ' || n.exit_code END"
    " ELSE e.late_outcome END,"
    " started = e.started OR n.started,"
    IF_W("incarnation", "n.incarnation")
    IF_W("exit_code", "n.exit_code")
    IF_W("signal", "n.signal")
    IF_W("oom", "n.oom")
    IF_W("reason", RARE(4))
    IF_W("detail", RARE(5))
    EARLIEST("starting_after_us", "n.starting_after")
    EARLIEST("running_after_us", "n.running_after")
    EARLIEST("ended_after_us", "n.ended_after")
    IF_W("rank", "n.rank")
    " state = CASE WHEN " W " THEN n.state ELSE e.state END"
    /* OFFSET 0: words are taken apart once per row, and not wherever a field is named. */
    " FROM (SELECT n.id, n.host, n.at, " HIGH(3) " AS journal,"
    "   ((" WORD(1) " >> 48) & 255)::int2 AS rank, ((" WORD(1) " >> 40) & 255)::int2 AS state,"
    "   (" WORD(1) " >> 33) & 1 = 1 AS started, (" WORD(1) " >> 32) & 1 = 1 AS oom,"
    "   " LOW(1) " AS signal, " HIGH(2) " AS incarnation, " LOW(2) " AS exit_code,"
    "   " WORD(4) " AS accepted, " WORD(5) " AS gone, " WORD(6) " AS starting_after,"
    "   " WORD(7) " AS running_after, " WORD(8) " AS ended_after"
    "   FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS n(id, host, at) OFFSET 0) n"
    " WHERE e.executor_id = n.id AND e.host_id = n.host"
    " AND (" W " OR n.accepted > e.accepted_generation OR n.gone > e.gone_generation OR " LATE ")"
    " AND n.journal <> ALL ((SELECT journals FROM dead)::int4[])"
    " RETURNING e.executor_id, e.session_id, e.pool_id, e.host_id, e.prev_state, e.prev_rank,"
    "   e.state, e.rank, e.accepted_at, e.gone_generation >= e.generation AS gone,"
    "   CASE WHEN e.rank = 90 AND e.state <> e.prev_state THEN " OUTCOME_TEXT " ELSE '' END AS text,"
    "   CASE WHEN e.late_at = statement_timestamp() THEN e.late_outcome END AS late),"
    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
    " SELECT array_agg(session_id), array_agg(prev_state), array_agg(state) FROM u"
    " WHERE state <> prev_state HAVING count(*) > 0),"
    "x AS (INSERT INTO executor_ended (executor_id, pool_id)"
    " SELECT executor_id, pool_id FROM u WHERE prev_rank < 90 AND rank = 90),"
    "g AS (INSERT INTO executor_gone (executor_id, pool_id)"
    " SELECT executor_id, pool_id FROM u WHERE gone),"
    /* All of one batch in one row, taken apart by the publisher, who knows a first run by its time.
     */
    "v AS (INSERT INTO event_outbox (at, kind, executors, states, hosts, texts)"
    " SELECT statement_timestamp(), 'executor', array_agg(executor_id), array_agg(state), array_agg(host_id),"
    " array_agg(text) FROM u WHERE state <> prev_state AND (state = 70 OR rank = 90)"
    " HAVING count(*) > 0),"
    /* K6: what the cell does not know is not in executor. */
    "k AS (DELETE FROM host_unknown o USING (SELECT n.id, n.host, " HIGH(3) " AS journal"
    "   FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS n(id, host, at)"
    "   WHERE " WORD(5) " > 0 OFFSET 0) n WHERE o.host_id = n.host AND o.executor_id = n.id"
    " AND n.journal <> ALL ((SELECT journals FROM dead)::int4[])),"
    "l AS (INSERT INTO event_outbox (kind, executor_id, host, text)"
    " SELECT 'executor.late_outcome', executor_id, host_id, late FROM u WHERE late IS NOT NULL)"
    "SELECT count(*), count(*) FILTER (WHERE prev_rank < 90 AND rank = 90),"
    " (SELECT count(*) FROM dead, unnest(dead.journals) j, generate_series(1, cardinality($1)) n(at)"
    "  WHERE " HIGH(3) " = j),"
    " count(late),"
    " (SELECT string_agg(p.name, ',') FROM pool p WHERE p.pool_id IN"
    "  (SELECT pool_id FROM u WHERE gone OR (prev_rank < 90 AND rank = 90))),"
    " count(*) FILTER (WHERE accepted_at = statement_timestamp()),"
    " count(*) FILTER (WHERE state = 93 AND prev_rank < 90) FROM u"};
/* clang-format on */

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

#define COLUMN(type, put, value)                                                                   \
	do {                                                                                       \
		struct pg_array c;                                                                 \
                                                                                                   \
		pg_array_begin(&c, p, (type), n);                                                  \
		for (size_t i = 0; i < n; i++)                                                     \
			put(&c, value);                                                            \
		pg_array_end(&c);                                                                  \
	} while (0)

static int64_t
two(int64_t high, int32_t low)
{
	return (int64_t)((uint64_t)high << 32 | (uint32_t)low);
}

static void
words_put(struct pg_array *c, const struct report *r, int32_t journal, int32_t rare)
{
	int64_t incarnation = r->state == EXECUTOR_NONE ? -1 : (int64_t)r->incarnation;
	int64_t small = (int64_t)executor_state_rank(r->state) << 16 | (int64_t)r->state << 8 |
			(int64_t)r->started << 1 | (int64_t)r->oom;
	const int64_t words[WORDS] = {two(small, r->signal), two(incarnation, r->exit_code),
	    two(journal, rare), (int64_t)r->accepted_generation, (int64_t)r->gone_generation,
	    (int64_t)r->starting_after_us, (int64_t)r->running_after_us,
	    (int64_t)r->ended_after_us};

	for (size_t i = 0; i < WORDS; i++)
		pg_put_int(c, words[i]);
}

static bool
has_text(const struct report *r)
{
	return *r->reason || *r->detail;
}

static bool
same_text(const struct report *a, const struct report *b)
{
	return strcmp(a->reason, b->reason) == 0 && strcmp(a->detail, b->detail) == 0;
}

/* Returns how many texts there are, and who has them in rare. */
static size_t
words_add(struct pg_params *p, const struct report *const *rows, size_t n, const struct journals *j,
    const struct report **rare)
{
	struct pg_array c;
	size_t count = 0;

	pg_array_begin(&c, p, PG_INT8, n * WORDS);
	for (size_t i = 0; i < n; i++) {
		bool text = has_text(rows[i]);

		if (text && (count == 0 || !same_text(rare[count - 1], rows[i])))
			rare[count++] = rows[i];
		words_put(&c, rows[i], j->of[i], text ? (int32_t)count : 0);
	}
	pg_array_end(&c);
	return count;
}

static void
texts_add(struct pg_params *p, const struct report *const *rows, size_t n)
{
	COLUMN(PG_TEXT, pg_put_text, rows[i]->reason);
	COLUMN(PG_TEXT, pg_put_text, rows[i]->detail);
}

static void
journals_add(struct pg_params *p, const struct journals *j)
{
	size_t n = j->count;

	COLUMN(PG_TEXT, pg_put_text, j->first[i]->host_id);
	COLUMN(PG_UUID, pg_put_uuid, &j->first[i]->journal_id);
}

static int
columns_add(struct pg_params *p, const struct report *const *rows, size_t n,
    const struct journals *j, struct err *err)
{
	const struct report **rare = arena_calloc(p->arena, n, sizeof(struct report *));

	if (!rare)
		return pg_no_room(err);
	COLUMN(PG_UUID, pg_put_uuid, &rows[i]->executor_id);
	COLUMN(PG_TEXT, pg_put_text, rows[i]->host_id);
	texts_add(p, rare, words_add(p, rows, n, j, rare));
	journals_add(p, j);
	return 0;
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
	if (columns_add(&p, rows, n, &journals, err) != 0)
		return -1;
	if (pg_run(pg, &join, &p, &r, err) != 0)
		return -1;
	ret->applied += (uint64_t)pg_int(r, 0, 0);
	ret->ended += (uint64_t)pg_int(r, 0, 1);
	ret->superseded += (uint64_t)pg_int(r, 0, 2);
	ret->late += (uint64_t)pg_int(r, 0, 3);
	ret->accepted += (uint64_t)pg_int(r, 0, 5);
	ret->rejected += (uint64_t)pg_int(r, 0, 6);
	pools = arena_strndup(a, PQgetvalue(r, 0, 4), (size_t)PQgetlength(r, 0, 4));
	if (!pools)
		return pg_no_room(err);
	pools_split(pools, ret);
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
	if (rules_reports_check(reports, n, err) != 0 || pg_order_locks(pg, err) != 0)
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
