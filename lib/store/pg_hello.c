/* pg_hello: who is who, and membership (K1-K6), in one transaction under the host's row lock. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_host_row.h"
#include "pg_unknown.h"
#include "rules.h"

#define TERM_BITS 40

static int
host_lock(struct pg *pg, const struct store_hello *h, struct arena *a, struct rules_host *ret,
    struct err *err)
{
	static const struct pg_statement lock = {"hello_lock",
	    "SELECT h.state, h.epoch, h.host_seq, h.journal_floor, h.start_no, h.hello_no,"
	    " h.journal_id, h.instance_id,"
	    " h.pool_id = (SELECT pool_id FROM pool WHERE name = $2),"
	    " EXISTS (SELECT 1 FROM host_executor x WHERE x.host_id = h.host_id),"
	    " EXISTS (SELECT 1 FROM host_journal_superseded x WHERE x.host_id = h.host_id"
	    "         AND x.journal_id = $3), term_floor()"
	    " FROM host h WHERE h.host_id = $1 FOR UPDATE OF h"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	memset(ret, 0, sizeof(*ret));
	pg_params_init(&p, a);
	pg_add_text(&p, h->host_id);
	pg_add_text(&p, h->pool);
	pg_add_uuid(&p, &h->journal_id);
	if (pg_run(pg, &lock, &p, &r, err) != 0)
		return -1;
	if (PQntuples(r) == 0)
		return 0;
	*ret = (struct rules_host){.exists = true,
	    .state = (enum host_state)pg_int(r, 0, 0),
	    .epoch = (uint64_t)pg_int(r, 0, 1),
	    .host_seq = (uint64_t)pg_int(r, 0, 2),
	    .journal_floor = (uint64_t)pg_int(r, 0, 3),
	    .start_no = (uint64_t)pg_int(r, 0, 4),
	    .hello_no = (uint64_t)pg_int(r, 0, 5),
	    .journal_id = pg_id(r, 0, 6),
	    .instance_id = pg_id(r, 0, 7),
	    .same_pool = pg_bool(r, 0, 8),
	    .has_executors = pg_bool(r, 0, 9),
	    .journal_superseded = pg_bool(r, 0, 10),
	    .term_floor = (uint64_t)pg_int(r, 0, 11)};
	return 0;
}

/* ---- what an accepted hello writes ---- */

/* What the answer and the rest of the transaction need of the row as it is now.  Under the host's
 * lock and with a snapshot taken after it: nothing is put on the books of the host meanwhile. */
struct hello_row {
	uint64_t epoch, journal_floor, term_floor;
	int64_t now_us;
	bool has_executors, has_unknown;
};

#define HELLO_ROW                                                                                  \
	"epoch, journal_floor, clock_timestamp(), term_floor(),"                                   \
	" EXISTS (SELECT 1 FROM host_executor x WHERE x.host_id = u.host_id),"                     \
	" EXISTS (SELECT 1 FROM host_unknown k WHERE k.host_id = u.host_id)"

static void
row_of(const PGresult *r, struct hello_row *ret)
{
	*ret = (struct hello_row){.epoch = (uint64_t)pg_int(r, 0, 0),
	    .journal_floor = (uint64_t)pg_int(r, 0, 1),
	    .now_us = pg_time(r, 0, 2),
	    .term_floor = (uint64_t)pg_int(r, 0, 3),
	    .has_executors = pg_bool(r, 0, 4),
	    .has_unknown = pg_bool(r, 0, 5)};
}

static void
facts_add(struct pg_params *p, const struct store_hello *h, struct arena *a)
{
	const char *labels = pg_labels_json(h->labels, h->label_count, a);
	const char *drivers = pg_drivers_json(h->drivers, h->driver_count, a);

	pg_add_text(p, h->host_id);
	pg_add_text(p, h->pool);
	pg_add_uuid(p, &h->journal_id);
	pg_add_int8(p, (int64_t)h->start_no);
	pg_add_int8(p, (int64_t)h->hello_no);
	pg_add_uuid(p, &h->instance_id);
	pg_add_text(p, h->boot_id);
	pg_add_text(p, h->agent_version);
	pg_add_int4(p, (int32_t)h->protocol_revision);
	pg_add_text(p, h->capabilities);
	pg_add_text(p, h->encoding);
	pg_add_text(p, h->arch);
	pg_add_text(p, h->kernel);
	pg_add_jsonb(p, labels ? labels : "{}");
	pg_add_jsonb(p, drivers ? drivers : "[]");
	pg_add_int8(p, h->capacity.cpu_millis);
	pg_add_int8(p, h->capacity.memory_bytes);
	pg_add_int8(p, h->capacity.disk_bytes);
	pg_add_int8(p, h->capacity.gpus);
	pg_add_int8(p, h->capacity.slots);
	p->failed = p->failed || !labels || !drivers;
}

/* The host's first hello ever.  *ret_made false: another one was faster, look again. */
static int
host_insert(struct pg *pg, const struct store_hello *h, struct arena *a, bool *ret_made,
    struct hello_row *ret, struct err *err)
{
	static const struct pg_statement insert = {"hello_insert",
	    "WITH u AS (INSERT INTO host (host_id, pool_id, state, epoch, host_seq, journal_id,"
	    "   journal_floor, start_no, hello_no, instance_id, boot_id, agent_version,"
	    "   protocol_revision, capabilities, encoding, arch, kernel, labels, drivers,"
	    "   cpu_millis, memory_bytes, disk_bytes, gpus, slots)"
	    "   SELECT $1, p.pool_id, 1, term_floor() + 1, term_floor(), $3, term_floor(), $4, $5, "
	    "$6,"
	    "   $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20"
	    "   FROM pool p WHERE p.name = $2 ON CONFLICT (host_id) DO NOTHING"
	    "   RETURNING host_id, epoch, journal_floor),"
	    "c AS (INSERT INTO host_capacity (host_id) SELECT host_id FROM u),"
	    "v AS (INSERT INTO event_outbox (kind, host, text) SELECT 'host.ready', host_id,"
	    "   'first hello' FROM u) SELECT " HELLO_ROW " FROM u"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	facts_add(&p, h, a);
	if (pg_run(pg, &insert, &p, &r, err) != 0)
		return -1;
	*ret_made = PQntuples(r) > 0;
	if (*ret_made)
		row_of(r, ret);
	return 0;
}

static int
host_update(struct pg *pg, const struct store_hello *h, const struct rules_host *now,
    const struct rules_ruling *ruling, struct arena *a, struct hello_row *ret, struct err *err)
{
	/* Host facts are replaced, operators' labels survive (A8); journal_floor is fixed when a
	 * journal is first accepted and stays the same on retries (K4). */
	static const struct pg_statement update = {"hello_update",
	    "WITH o AS (INSERT INTO host_journal_superseded (host_id, journal_id)"
	    "   SELECT $1, $23 WHERE $22 ON CONFLICT DO NOTHING),"
	    "u AS (UPDATE host SET pool_id = (SELECT pool_id FROM pool WHERE name = $2), state = 1,"
	    "   returned_at = CASE WHEN state IN (2, 3) THEN clock_timestamp() ELSE returned_at "
	    "END,"
	    "   suspect_since = NULL, suspect_reason = '', verdict_at = NULL,"
	    "   verdict_held_at = NULL, verdict_by = '', retired_at = NULL,"
	    "   epoch = CASE WHEN $21 THEN greatest(epoch, term_floor()) + 1 ELSE epoch END,"
	    "   host_seq = greatest(host_seq, term_floor()),"
	    "   journal_floor = CASE WHEN $22 THEN greatest(host_seq, term_floor()) ELSE "
	    "journal_floor END,"
	    "   journal_id = $3, start_no = $4, hello_no = $5, instance_id = $6, boot_id = $7,"
	    "   agent_version = $8, protocol_revision = $9, capabilities = $10, encoding = $11,"
	    "   arch = $12, kernel = $13, labels = $14, drivers = $15, cpu_millis = $16,"
	    "   memory_bytes = $17, disk_bytes = $18, gpus = $19, slots = $20,"
	    "   last_hello_at = clock_timestamp() WHERE host_id = $1"
	    "   RETURNING host_id, epoch, journal_floor),"
	    "v AS (INSERT INTO event_outbox (kind, host, text)"
	    "   SELECT CASE WHEN $25 THEN 'host.hello' ELSE 'host.ready' END, host_id, $24"
	    "   FROM u WHERE $24 <> '') SELECT " HELLO_ROW " FROM u"};
	CLEANUP(PQclear) PGresult *r = NULL;
	const char *text = rules_hello_event(now, ruling);
	struct pg_params p;

	pg_params_init(&p, a);
	facts_add(&p, h, a);
	pg_add_bool(&p, ruling->raise_epoch);
	pg_add_bool(&p, ruling->new_journal);
	pg_add_uuid(&p, &now->journal_id);
	pg_add_text(&p, text);
	pg_add_bool(&p, now->state == HOST_READY);
	if (pg_run(pg, &update, &p, &r, err) != 0)
		return -1;
	row_of(r, ret);
	return 0;
}

/* An old hello writes nothing. */
static int
host_read(struct pg *pg, const struct store_hello *h, struct arena *a, struct hello_row *ret,
    struct err *err)
{
	static const struct pg_statement read = {
	    "hello_read", "SELECT " HELLO_ROW " FROM host u WHERE host_id = $1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, h->host_id);
	if (pg_run(pg, &read, &p, &r, err) != 0)
		return -1;
	row_of(r, ret);
	return 0;
}

/* ---- membership ---- */

/* K5: what the host should have and does not name is gone; the scheduler draws the conclusion. */
static int
mark_gone(
    struct pg *pg, const struct store_hello *h, uint64_t floor, struct arena *a, struct err *err)
{
	static const struct pg_statement gone = {"hello_gone",
	    "WITH g AS (SELECT e.executor_id FROM host_executor x JOIN executor e USING "
	    "(executor_id)"
	    "   WHERE x.host_id = $1 AND x.host_seq <= $2 AND NOT EXISTS"
	    "   (SELECT 1 FROM unnest($3::uuid[]) u(id) WHERE u.id = x.executor_id)"
	    "   ORDER BY e.executor_id FOR NO KEY UPDATE OF e),"
	    "u AS (UPDATE executor e SET gone_generation = e.generation FROM g"
	    "   WHERE e.executor_id = g.executor_id AND e.gone_generation < e.generation"
	    "   RETURNING e.executor_id, e.pool_id)"
	    "INSERT INTO executor_gone (executor_id, pool_id) SELECT executor_id, pool_id FROM u"};
	struct pg_params p;
	struct pg_array ids;

	pg_params_init(&p, a);
	pg_add_text(&p, h->host_id);
	pg_add_int8(&p, (int64_t)(h->contiguous_seq > floor ? h->contiguous_seq : floor));
	pg_array_begin(&ids, &p, PG_UUID, h->record_count);
	for (size_t i = 0; i < h->record_count; i++)
		pg_put_uuid(&ids, &h->record_ids[i]);
	pg_array_end(&ids);
	return pg_run(pg, &gone, &p, NULL, err);
}

/* K6: ids the cell does not know on this host; those of an older term keep running. */
static int
find_absent(struct pg *pg, const struct store_hello *h, uint64_t term_floor, struct arena *a,
    struct store_hello_answer *ret, struct err *err)
{
	static const struct pg_statement unknown = {"hello_unknown",
	    "SELECT u.id, u.g FROM unnest($2::uuid[], $3::int8[]) u(id, g)"
	    " WHERE NOT EXISTS (SELECT 1 FROM executor e WHERE e.executor_id = u.id AND e.host_id "
	    "= $1)"
	    " ORDER BY 1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;
	struct pg_array array;

	pg_params_init(&p, a);
	pg_add_text(&p, h->host_id);
	pg_array_begin(&array, &p, PG_UUID, h->record_count);
	for (size_t i = 0; i < h->record_count; i++)
		pg_put_uuid(&array, &h->record_ids[i]);
	pg_array_end(&array);
	pg_array_begin(&array, &p, PG_INT8, h->record_count);
	for (size_t i = 0; i < h->record_count; i++)
		pg_put_int(&array, (int64_t)h->record_generations[i]);
	pg_array_end(&array);
	if (pg_run(pg, &unknown, &p, &r, err) != 0)
		return -1;
	ret->absent = arena_calloc(a, (size_t)PQntuples(r) + 1, sizeof(*ret->absent));
	ret->unknown = arena_calloc(a, (size_t)PQntuples(r) + 1, sizeof(*ret->unknown));
	if (!ret->absent || !ret->unknown)
		return pg_no_room(err);
	for (int i = 0; i < PQntuples(r); i++) {
		uint64_t generation = (uint64_t)pg_int(r, i, 1);

		if (generation >> TERM_BITS < term_floor >> TERM_BITS)
			ret->unknown[ret->unknown_count++] =
			    (struct store_absent){pg_id(r, i, 0), generation};
		else
			ret->absent[ret->absent_count++] =
			    (struct store_absent){pg_id(r, i, 0), generation + 1};
	}
	return 0;
}

/* Rows of those that run on, and events about what is stopped or new: said where people look (A2).
 * After mark_gone: rows of executors are locked before those of unknown ones, as the join does. */
static int
unknown_settle(struct pg *pg, const struct store_hello *h, const struct hello_row *row,
    struct store_hello_answer *found, struct arena *a, struct err *err)
{
	if ((found->unknown_count > 0 || row->has_unknown) &&
	    pg_unknown_refresh(pg, h->host_id, a, found, err) != 0)
		return -1;
	return pg_unknown_say(pg, h->host_id, RULES_EVENT_UNKNOWN_STOPPED, "", found->absent,
	    found->absent_count, a, err);
}

/* K19, the control plane's side: does the host see what we see? */
static int
digest_differs(
    struct pg *pg, const struct store_hello *h, bool has_executors, bool *ret, struct err *err)
{
	struct digest d = {0};

	if (has_executors && pg_store_host_digests(&pg->base, &h->host_id, 1, &d, err) != 0)
		return -1;
	*ret = d.count != h->digest_count || d.sum != h->digest_sum;
	return 0;
}

/* A fleet that comes back says a hello each at once, most with nothing on the books: what cannot
 * find anything is not asked. */
static int
hello_accept(struct pg *pg, const struct store_hello *h, const struct hello_row *row, bool late,
    struct arena *a, struct store_hello_answer *ret, struct err *err)
{
	ret->epoch = row->epoch;
	ret->journal_floor = row->journal_floor;
	ret->now_us = row->now_us;
	if (h->record_count > 0 && find_absent(pg, h, row->term_floor, a, ret, err) != 0)
		return -1;
	/* What is gone is out of the digest on both sides, so it is marked first. */
	if (!late && row->has_executors && mark_gone(pg, h, row->journal_floor, a, err) != 0)
		return -1;
	if (!late && unknown_settle(pg, h, row, ret, a, err) != 0)
		return -1;
	return digest_differs(pg, h, row->has_executors, &ret->report_all, err);
}

static int
pool_known(struct pg *pg, const char *pool, struct arena *a, struct err *err)
{
	static const struct pg_statement ensure = {"hello_pool",
	    "INSERT INTO pool (name) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM pool WHERE name = "
	    "$1)"
	    " ON CONFLICT (name) DO NOTHING"};
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, pool);
	return pg_run(pg, &ensure, &p, NULL, err);
}

/* The host as it was, locked; made when it never was (*ret_made, and *ret_row is what it is now).
 */
static int
host_find(struct pg *pg, const struct store_hello *h, struct arena *a, struct rules_host *ret_was,
    bool *ret_made, struct hello_row *ret_row, struct err *err)
{
	*ret_made = false;
	if (host_lock(pg, h, a, ret_was, err) != 0)
		return -1;
	/* A pool that the host is in is known. */
	if (!ret_was->same_pool && pool_known(pg, h->pool, a, err) != 0)
		return -1;
	if (ret_was->exists)
		return 0;
	if (host_insert(pg, h, a, ret_made, ret_row, err) != 0)
		return -1;
	return *ret_made ? 0 : host_lock(pg, h, a, ret_was, err);
}

static int
hello_in_transaction(struct pg *pg, const struct store_hello *h, struct arena *a,
    struct store_hello_answer *ret, struct err *err)
{
	struct rules_host was;
	struct rules_ruling ruling;
	struct hello_row row;
	bool made;
	int r = 0;

	if (host_find(pg, h, a, &was, &made, &row, err) != 0)
		return -1;
	ruling = rules_hello(&was, h);
	ret->verdict = ruling.verdict;
	ret->reason = ruling.reason;
	ret->first_seen = made;
	ret->epoch_raised = ruling.raise_epoch;
	if (ruling.verdict == STORE_HELLO_TICKET)
		ret->ticket = was.epoch;
	if (ruling.verdict != STORE_HELLO_ACCEPTED)
		return 0;
	if (ruling.late)
		r = host_read(pg, h, a, &row, err);
	else if (!made)
		r = host_update(pg, h, &was, &ruling, a, &row, err);
	return r == 0 ? hello_accept(pg, h, &row, ruling.late, a, ret, err) : -1;
}

int
pg_store_host_hello(struct store *s, const struct store_hello *h, struct arena *a,
    struct store_hello_answer *ret, struct err *err)
{
	struct pg *pg = pg_of(s);

	memset(ret, 0, sizeof(*ret));
	if (pg_begin(pg, err) != 0)
		return -1;
	if (hello_in_transaction(pg, h, a, ret, err) != 0) {
		pg_rollback(pg);
		return -1;
	}
	return pg_commit(pg, err);
}
