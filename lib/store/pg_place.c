/* pg_place: one transaction from "wants a host" to "a command is in the outbox" (invariants 1, 4,
 * 5).
 *
 * Who is still in the queue is claimed first, without ever waiting, so that a cancellation in
 * flight cannot hold up the batch or be overrun by it.  Then hosts are locked, so host_seq and
 * capacity cannot move under the batch; a host that no longer fits loses its placements, which stay
 * queued. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_lease.h"

/* Leaves room for headers and the frame below the subject's limit of 256 KiB. */
#define MESSAGE_SPEC_BYTES_MAX (200u * 1024)

struct place_host {
	const char *host_id, *encoding;
	struct id journal_id;
	uint64_t host_seq; /* the newest given out */
	struct resources sum;
	bool usable;
	struct store_message *message; /* under construction */
	size_t message_bytes;
};

struct place {
	struct pg *pg;
	struct arena *arena;
	const char *pool;
	struct store_placement
	    *placements; /* claimed, by executor id: that is how rows are locked */
	size_t n;
	struct place_host *hosts; /* sorted by id */
	size_t host_count;
	size_t *host_of; /* per placement */
	struct store_message *messages, **message_of;
	size_t message_count;
};

static int
executor_order(const void *a, const void *b)
{
	const struct store_placement *x = a, *y = b;

	return id_compare(&x->executor_id, &y->executor_id);
}

/* Sorts, and keeps those that are ours until the commit. */
static int
executors_claim(
    struct place *w, const struct store_placement *placements, size_t n, struct err *err)
{
	static const struct pg_statement claim = {"place_claim",
	    "SELECT n.ord FROM unnest($1::uuid[]) WITH ORDINALITY AS n(id, ord)"
	    " JOIN placement_queue q ON q.executor_id = n.id"
	    " JOIN executor e ON e.executor_id = n.id AND e.state = 10 AND e.desired = 1"
	    " ORDER BY n.ord FOR UPDATE OF q SKIP LOCKED"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;
	struct pg_array ids;

	w->placements = arena_memdup(w->arena, placements, n * sizeof(*placements));
	if (!w->placements)
		return pg_no_room(err);
	qsort(w->placements, n, sizeof(*placements), executor_order);
	pg_params_init(&p, w->arena);
	pg_array_begin(&ids, &p, PG_UUID, n);
	for (size_t i = 0; i < n; i++)
		pg_put_uuid(&ids, &w->placements[i].executor_id);
	pg_array_end(&ids);
	if (pg_run(w->pg, &claim, &p, &r, err) != 0)
		return -1;
	w->n = (size_t)PQntuples(r);
	for (size_t i = 0; i < w->n; i++)
		w->placements[i] = w->placements[pg_int(r, (int)i, 0) - 1];
	return 0;
}

static int
placement_order(const void *a, const void *b, void *arg)
{
	const struct store_placement *p = arg;

	return strcmp(p[*(const size_t *)a].host_id, p[*(const size_t *)b].host_id);
}

/* Distinct hosts in key order, what each is asked for, and which placement belongs to which. */
static int
hosts_collect(struct place *w, struct err *err)
{
	size_t *order = arena_calloc(w->arena, w->n + 1, sizeof(*order));

	w->hosts = arena_calloc(w->arena, w->n + 1, sizeof(*w->hosts));
	w->host_of = arena_calloc(w->arena, w->n + 1, sizeof(*w->host_of));
	w->messages = arena_calloc(w->arena, w->n + 1, sizeof(*w->messages));
	w->message_of = arena_calloc(w->arena, w->n + 1, sizeof(struct store_message *));
	if (!order || !w->hosts || !w->host_of || !w->messages || !w->message_of)
		return pg_no_room(err);
	for (size_t i = 0; i < w->n; i++)
		order[i] = i;
	qsort_r(order, w->n, sizeof(*order), placement_order, w->placements);
	for (size_t i = 0; i < w->n; i++) {
		const struct store_placement *p = &w->placements[order[i]];

		if (w->host_count == 0 ||
		    strcmp(w->hosts[w->host_count - 1].host_id, p->host_id) != 0)
			w->hosts[w->host_count++].host_id = p->host_id;
		w->host_of[order[i]] = w->host_count - 1;
		resources_add(&w->hosts[w->host_count - 1].sum, &p->resources);
	}
	return 0;
}

static struct place_host *
host_find(struct place *w, const char *host_id)
{
	for (size_t i = 0; i < w->host_count; i++) {
		if (strcmp(w->hosts[i].host_id, host_id) == 0)
			return &w->hosts[i];
	}
	return NULL;
}

static int
hosts_lock(struct place *w, struct err *err)
{
	static const struct pg_statement lock = {"place_lock",
	    "SELECT host_id, greatest(host_seq, term_floor()), encoding, journal_id FROM host"
	    " WHERE host_id = ANY($1::text[]) AND state = 1 AND cordoned_at IS NULL"
	    " AND pool_id = (SELECT pool_id FROM pool WHERE name = $2)"
	    " ORDER BY host_id FOR NO KEY UPDATE"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;
	struct pg_array ids;

	pg_params_init(&p, w->arena);
	pg_array_begin(&ids, &p, PG_TEXT, w->host_count);
	for (size_t i = 0; i < w->host_count; i++)
		pg_put_text(&ids, w->hosts[i].host_id);
	pg_array_end(&ids);
	pg_add_text(&p, w->pool);
	if (pg_run(w->pg, &lock, &p, &r, err) != 0)
		return -1;
	for (int row = 0; row < PQntuples(r); row++) {
		const char *id = pg_text(r, row, 0, w->arena);
		struct place_host *h = id ? host_find(w, id) : NULL;

		if (!h)
			return pg_no_room(err);
		h->usable = true;
		h->host_seq = (uint64_t)pg_int(r, row, 1);
		h->encoding = pg_text(r, row, 2, w->arena);
		h->journal_id = pg_id(r, row, 3);
	}
	return 0;
}

#define SUM_COLUMN(field)                                                                          \
	do {                                                                                       \
		pg_array_begin(&array, p, PG_INT8, w->host_count);                                 \
		for (size_t i = 0; i < w->host_count; i++)                                         \
			if (w->hosts[i].usable)                                                    \
				pg_put_int(&array, w->hosts[i].sum.field);                         \
		pg_array_end(&array);                                                              \
	} while (0)

static void
sums_add(struct place *w, struct pg_params *p)
{
	struct pg_array array;

	pg_array_begin(&array, p, PG_TEXT, w->host_count);
	for (size_t i = 0; i < w->host_count; i++) {
		if (w->hosts[i].usable)
			pg_put_text(&array, w->hosts[i].host_id);
	}
	pg_array_end(&array);
	SUM_COLUMN(cpu_millis);
	SUM_COLUMN(memory_bytes);
	SUM_COLUMN(disk_bytes);
	SUM_COLUMN(gpus);
	SUM_COLUMN(slots);
}

/* The guard of invariant 4: all of a host's placements of this batch fit, or none is made. */
static int
hosts_reserve(struct place *w, struct err *err)
{
	static const struct pg_statement reserve = {"place_reserve",
	    "UPDATE host_capacity c SET cpu_millis = c.cpu_millis + n.cpu,"
	    " memory_bytes = c.memory_bytes + n.memory, disk_bytes = c.disk_bytes + n.disk,"
	    " gpus = c.gpus + n.gpus, slots = c.slots + n.slots"
	    " FROM unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[])"
	    "   AS n(id, cpu, memory, disk, gpus, slots) JOIN host h ON h.host_id = n.id"
	    " WHERE c.host_id = n.id AND c.cpu_millis + n.cpu <= h.cpu_millis"
	    " AND c.memory_bytes + n.memory <= h.memory_bytes"
	    " AND c.disk_bytes + n.disk <= h.disk_bytes AND c.gpus + n.gpus <= h.gpus"
	    " AND c.slots + n.slots <= h.slots RETURNING c.host_id"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, w->arena);
	sums_add(w, &p);
	if (pg_run(w->pg, &reserve, &p, &r, err) != 0)
		return -1;
	for (size_t i = 0; i < w->host_count; i++)
		w->hosts[i].usable = false;
	for (int row = 0; row < PQntuples(r); row++) {
		const char *id = pg_text(r, row, 0, w->arena);
		struct place_host *h = id ? host_find(w, id) : NULL;

		if (!h)
			return pg_no_room(err);
		h->usable = true;
	}
	return 0;
}

/* The message a placement goes into: a host's open one, or a new one with the next host_seq. */
static struct store_message *
message_of(struct place *w, struct place_host *h, size_t spec_size)
{
	struct store_message *m = h->message;

	if (m && m->item_count < STORE_MESSAGE_ITEMS_MAX &&
	    h->message_bytes + spec_size <= MESSAGE_SPEC_BYTES_MAX)
		return m;
	m = &w->messages[w->message_count++];
	*m = (struct store_message){.message_id = id_new(),
	    .host_id = h->host_id,
	    .encoding = h->encoding,
	    .journal_id = h->journal_id,
	    .host_seq = ++h->host_seq,
	    .items = arena_calloc(w->arena, STORE_MESSAGE_ITEMS_MAX, sizeof(*m->items))};
	h->message = m;
	h->message_bytes = 0;
	return m->items ? m : NULL;
}

static int
messages_plan(struct place *w, struct err *err)
{
	for (size_t i = 0; i < w->n; i++) {
		struct place_host *h = &w->hosts[w->host_of[i]];
		const struct store_queued *q = w->placements[i].queued;
		struct store_message *m;

		if (!h->usable)
			continue;
		m = message_of(w, h, q->spec_size);
		if (!m)
			return pg_no_room(err);
		m->items[m->item_count++] = (struct store_item){.executor_id = q->executor_id,
		    .host_seq = m->host_seq,
		    .desired = DESIRED_RUN,
		    .spec_body = q->spec_body,
		    .spec_size = q->spec_size,
		    .session = q->session,
		    .index = q->index,
		    .attempt = q->attempt};
		h->message_bytes += q->spec_size;
		w->message_of[i] = m;
	}
	return 0;
}

static const struct pg_statement assign = {"place_assign",
    "WITH u AS (UPDATE executor e SET host_id = n.host, state = 20, rank = 20, prev_state = "
    "e.state,"
    "   prev_rank = e.rank, generation = greatest(e.generation, term_floor()) + 1,"
    "   placed_at = clock_timestamp()"
    "   FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::int8[], $5::int4[], $6::int8[],"
    "     $7::int8[], $8::int8[], $9::int8[], $10::int8[])"
    "     AS n(id, host, message, seq, timeout, cpu, memory, disk, gpus, slots)"
    "   WHERE e.executor_id = n.id AND e.state = 10 AND e.desired = 1"
    "   RETURNING e.executor_id, e.session_id, e.pool_id, e.generation, n.*),"
    "q AS (DELETE FROM placement_queue q USING u WHERE q.executor_id = u.executor_id),"
    "x AS (INSERT INTO host_executor (host_id, executor_id, host_seq, cpu_millis, memory_bytes,"
    "   disk_bytes, gpus, slots) SELECT host, executor_id, seq, cpu, memory, disk, gpus, slots "
    "FROM u),"
    "c AS (INSERT INTO command (executor_id, generation, desired, host_id, host_seq, message_id,"
    "   deadline_at) SELECT executor_id, generation, 1, host, seq, message,"
    "   clock_timestamp() + timeout * interval '1 millisecond' FROM u"
    "   RETURNING executor_id, deadline_at),"
    "o AS (INSERT INTO outbox (message_id, pool_id, host_id, host_seq)"
    "   SELECT DISTINCT message, pool_id, host, seq FROM u),"
    "h AS (UPDATE host t SET host_seq = m.seq FROM (SELECT host, max(seq) AS seq FROM u GROUP BY "
    "1) m"
    "   WHERE t.host_id = m.host),"
    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
    "   SELECT array_agg(session_id), array_agg(10::int2), array_agg(20::int2) FROM u"
    "   HAVING count(*) > 0),"
    "v AS (INSERT INTO event_outbox (kind, executor_id, host) SELECT 'executor.placed', "
    "executor_id,"
    "   host FROM u)"
    "SELECT u.executor_id, u.generation, c.deadline_at FROM u JOIN c USING (executor_id)"};

#define ITEM_COLUMN(type, put, expression)                                                         \
	do {                                                                                       \
		pg_array_begin(&array, p, (type), w->n);                                           \
		for (size_t i = 0; i < w->n; i++) {                                                \
			if (w->message_of[i])                                                      \
				put(&array, expression);                                           \
		}                                                                                  \
		pg_array_end(&array);                                                              \
	} while (0)

static void
assign_params(struct place *w, struct pg_params *p)
{
	struct pg_array array;

	ITEM_COLUMN(PG_UUID, pg_put_uuid, &w->placements[i].executor_id);
	ITEM_COLUMN(PG_TEXT, pg_put_text, w->placements[i].host_id);
	ITEM_COLUMN(PG_UUID, pg_put_uuid, &w->message_of[i]->message_id);
	ITEM_COLUMN(PG_INT8, pg_put_int, (int64_t)w->message_of[i]->host_seq);
	ITEM_COLUMN(PG_INT4, pg_put_int, w->placements[i].accept_timeout_ms);
	ITEM_COLUMN(PG_INT8, pg_put_int, w->placements[i].resources.cpu_millis);
	ITEM_COLUMN(PG_INT8, pg_put_int, w->placements[i].resources.memory_bytes);
	ITEM_COLUMN(PG_INT8, pg_put_int, w->placements[i].resources.disk_bytes);
	ITEM_COLUMN(PG_INT8, pg_put_int, w->placements[i].resources.gpus);
	ITEM_COLUMN(PG_INT8, pg_put_int, w->placements[i].resources.slots);
}

static struct store_item *
item_find(struct place *w, const struct id *executor_id)
{
	for (size_t m = 0; m < w->message_count; m++) {
		for (size_t i = 0; i < w->messages[m].item_count; i++) {
			if (id_equal(&w->messages[m].items[i].executor_id, executor_id))
				return &w->messages[m].items[i];
		}
	}
	return NULL;
}

/* Who was claimed is queued until we say otherwise; were it not so, its reservation would leak. */
static int
executors_assign(struct place *w, size_t *ret_placed, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;
	size_t wanted = 0;

	for (size_t i = 0; i < w->n; i++)
		wanted += w->message_of[i] != NULL;
	*ret_placed = 0;
	if (wanted == 0)
		return 0;
	pg_params_init(&p, w->arena);
	assign_params(w, &p);
	if (pg_run(w->pg, &assign, &p, &r, err) != 0)
		return -1;
	if ((size_t)PQntuples(r) != wanted)
		return err_set(err, ERR_INTERNAL, "%zu of %zu claimed executors were not assigned",
		    wanted - (size_t)PQntuples(r), wanted);
	for (int row = 0; row < PQntuples(r); row++) {
		struct id id = pg_id(r, row, 0);
		struct store_item *item = item_find(w, &id);

		if (!item)
			return err_set(err, ERR_INTERNAL, "placed an executor nobody asked for");
		item->generation = (uint64_t)pg_int(r, row, 1);
		item->deadline_us = pg_time(r, row, 2);
	}
	*ret_placed = wanted;
	return 0;
}

int
pg_store_place(struct store *s, const struct store_lease *lease, const char *pool,
    const struct store_placement *placements, size_t n, struct arena *a, struct store_message **ret,
    size_t *ret_n, size_t *ret_placed, struct err *err)
{
	struct place w = {.pg = pg_of(s), .arena = a, .pool = pool};

	*ret = NULL;
	*ret_n = *ret_placed = 0;
	if (n == 0)
		return 0;
	if (pg_begin_fenced(w.pg, lease, err) != 0)
		return -1;
	if (executors_claim(&w, placements, n, err) != 0 || hosts_collect(&w, err) != 0 ||
	    hosts_lock(&w, err) != 0 || hosts_reserve(&w, err) != 0 ||
	    messages_plan(&w, err) != 0 || executors_assign(&w, ret_placed, err) != 0) {
		pg_rollback(w.pg);
		return -1;
	}
	if (pg_commit(w.pg, err) != 0)
		return -1;
	*ret = w.messages;
	*ret_n = w.message_count;
	return 0;
}
