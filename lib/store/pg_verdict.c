/* pg_verdict: what the judge writes about hosts, and what an operator may (K21-K23).  Every verdict
 * names the epoch it was drawn from: a host that said hello meanwhile is not touched. */
#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_lease.h"

int
pg_store_judge_roster(
    struct store *s, struct arena *a, struct store_judged **ret, size_t *ret_n, struct err *err)
{
	static const struct pg_statement load = {"judge_roster",
	    "SELECT host_id, state, epoch FROM host WHERE state <> 4 ORDER BY host_id"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct store_judged *rows;
	struct pg_params p;

	pg_params_init(&p, a);
	if (pg_run(pg_of(s), &load, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)PQntuples(r);
	rows = arena_calloc(a, *ret_n + 1, sizeof(*rows));
	if (!rows)
		return pg_no_room(err);
	for (size_t i = 0; i < *ret_n; i++) {
		rows[i] = (struct store_judged){.host_id = pg_text(r, (int)i, 0, a),
		    .state = (enum host_state)pg_int(r, (int)i, 1),
		    .epoch = (uint64_t)pg_int(r, (int)i, 2)};
		if (!rows[i].host_id)
			return pg_no_room(err);
	}
	*ret = rows;
	return 0;
}

static void
verdicts_add(struct pg_params *p, const struct store_verdict *verdicts, size_t n)
{
	struct pg_array array;

	pg_array_begin(&array, p, PG_TEXT, n);
	for (size_t i = 0; i < n; i++)
		pg_put_text(&array, verdicts[i].host_id);
	pg_array_end(&array);
	pg_array_begin(&array, p, PG_INT8, n);
	for (size_t i = 0; i < n; i++)
		pg_put_int(&array, (int64_t)verdicts[i].epoch);
	pg_array_end(&array);
	pg_array_begin(&array, p, PG_TEXT, n);
	for (size_t i = 0; i < n; i++)
		pg_put_text(&array, verdicts[i].reason);
	pg_array_end(&array);
}

/* One statement under the judge's fence; its rows are the hosts that changed. */
static int
fenced_count(struct pg *pg, const struct store_lease *lease, const struct pg_statement *st,
    struct pg_params *p, size_t *ret_n, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;

	if (pg_run_fenced(pg, lease, st, p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)PQntuples(r);
	return 0;
}

static int
verdicts_write(struct store *s, const struct store_lease *lease, const struct pg_statement *st,
    const struct store_verdict *verdicts, size_t n, size_t *ret_n, struct err *err)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct pg_params p;

	*ret_n = 0;
	if (!a)
		return pg_no_room(err);
	if (n == 0)
		return 0;
	pg_params_init(&p, a);
	verdicts_add(&p, verdicts, n);
	return fenced_count(pg_of(s), lease, st, &p, ret_n, err);
}

/* The hosts of the call that are in the state and epoch the judge believes, locked in order. */
#define JUDGED(state_code)                                                                         \
	"WITH t AS MATERIALIZED (SELECT h.host_id, n.reason FROM host h"                           \
	"   JOIN unnest($1::text[], $2::int8[], $3::text[]) AS n(id, epoch, reason)"               \
	"     ON n.id = h.host_id AND n.epoch = h.epoch WHERE h.state = " state_code               \
	"   ORDER BY h.host_id FOR NO KEY UPDATE OF h),"

int
pg_store_host_suspect(struct store *s, const struct store_lease *lease,
    const struct store_verdict *verdicts, size_t n, size_t *ret_n, struct err *err)
{
	static const struct pg_statement suspect = {"host_suspect",
	    JUDGED("1") "u AS (UPDATE host h SET state = 2, suspect_since = clock_timestamp(),"
			"   suspect_reason = t.reason FROM t WHERE h.host_id = t.host_id"
			"   RETURNING h.host_id, t.reason),"
			"v AS (INSERT INTO event_outbox (kind, host, text)"
			"   SELECT 'host.suspect', host_id, reason FROM u) SELECT 1 FROM u"};

	return verdicts_write(s, lease, &suspect, verdicts, n, ret_n, err);
}

int
pg_store_host_heard(struct store *s, const struct store_lease *lease,
    const struct store_verdict *verdicts, size_t n, size_t *ret_n, struct err *err)
{
	static const struct pg_statement heard = {"host_heard",
	    JUDGED("2") "u AS (UPDATE host h SET state = 1, returned_at = clock_timestamp(),"
			"   suspect_since = NULL,"
			"   suspect_reason = '', verdict_at = NULL, verdict_held_at = NULL,"
			"   verdict_by = '' FROM t WHERE h.host_id = t.host_id"
			"   RETURNING h.host_id, t.reason),"
			"v AS (INSERT INTO event_outbox (kind, host, text)"
			"   SELECT 'host.ready', host_id, reason FROM u) SELECT 1 FROM u"};

	return verdicts_write(s, lease, &heard, verdicts, n, ret_n, err);
}

int
pg_store_host_lost(struct store *s, const struct store_lease *lease, size_t *ret_n, struct err *err)
{
	static const struct pg_statement lost = {"host_lost",
	    "WITH t AS MATERIALIZED (SELECT h.host_id FROM host h JOIN pool p USING (pool_id)"
	    "   WHERE h.state = 2 AND h.verdict_at IS NOT NULL AND (h.verdict_by <> '' OR"
	    "   h.suspect_since <= clock_timestamp() - p.lost_after_ms * interval '1 millisecond')"
	    "   ORDER BY h.host_id LIMIT 1024 FOR NO KEY UPDATE OF h),"
	    "u AS (UPDATE host h SET state = 3 FROM t WHERE h.host_id = t.host_id"
	    "   RETURNING h.host_id, h.suspect_since, h.verdict_by),"
	    "v AS (INSERT INTO event_outbox (kind, host, who, text)"
	    "   SELECT 'host.lost', host_id, verdict_by, 'suspect for '"
	    "     || date_trunc('second', clock_timestamp() - suspect_since) FROM u)"
	    "SELECT 1 FROM u"};
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct pg_params p;

	*ret_n = 0;
	if (!a)
		return pg_no_room(err);
	pg_params_init(&p, a);
	return fenced_count(pg_of(s), lease, &lost, &p, ret_n, err);
}

/* Why was no row touched?  Repeating a confirmation is fine. */
static int
confirm_explain(struct pg *pg, const char *host_id, struct arena *a, struct err *err)
{
	struct store_host row;

	if (pg_store_host_get(&pg->base, host_id, a, &row, err) != 0)
		return -1;
	if (row.state == HOST_SUSPECT || row.state == HOST_LOST)
		return 0;
	err_set(err, ERR_CONFLICT, "host %s is %s", host_id, host_state_text(row.state));
	return err_hint(err, "only a suspect or lost host can be confirmed lost");
}

int
pg_store_host_confirm_lost(struct store *s, const char *host_id, const char *who, struct err *err)
{
	static const struct pg_statement confirm = {"host_confirm_lost",
	    "WITH u AS (UPDATE host SET verdict_at = clock_timestamp(), verdict_held_at = NULL,"
	    "   verdict_by = $2 WHERE host_id = $1 AND state IN (2, 3) AND verdict_by = ''"
	    "   RETURNING host_id),"
	    "v AS (INSERT INTO event_outbox (kind, host, who, text)"
	    "   SELECT 'host.lost_confirmed', host_id, $2, 'an operator is sure' FROM u)"
	    "SELECT 1 FROM u"};
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	if (!a)
		return pg_no_room(err);
	pg_params_init(&p, a);
	pg_add_text(&p, host_id);
	pg_add_text(&p, *who ? who : "operator");
	if (pg_run(pg_of(s), &confirm, &p, &r, err) != 0)
		return -1;
	return PQntuples(r) > 0 ? 0 : confirm_explain(pg_of(s), host_id, a, err);
}
