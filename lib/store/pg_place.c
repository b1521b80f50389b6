/* pg_place: one transaction from "wants a host" to "a command is in the outbox" (invariants 1, 4,
 * 5).
 *
 * One statement does it, so a batch costs two round trips.  It claims those still in the queue,
 * without ever waiting, so that a cancellation in flight cannot hold up the batch or be overrun by
 * it; then it locks their hosts, so host_seq and capacity cannot move under the batch, and
 * reserves; then it writes.  A host that no longer fits loses its placements, which stay queued. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_lease.h"
#include "rules.h"

/* Where a wish goes if it is placed.  Messages are planned before anybody knows who will be: what
 * is dropped only makes them smaller, and the statement numbers those that are left. */
struct slot {
	struct id message_id;
	uint32_t part;       /* which message of its host, from 1 */
	size_t items, bytes; /* of that message up to here */
	size_t *room;        /* items of the whole message, shared */
};

struct place {
	struct pg *pg;
	struct arena *arena;
	struct store_placement *wishes; /* by executor id: that is how rows are locked */
	struct slot *slots;             /* per wish */
	size_t n;
	struct store_message *messages;
	size_t message_count;
};

static int
executor_order(const void *a, const void *b)
{
	const struct store_placement *x = a, *y = b;

	return id_compare(&x->executor_id, &y->executor_id);
}

/* ---- in which message ---- */

static int
host_order(const void *a, const void *b, void *arg)
{
	const struct store_placement *wishes = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	int r = strcmp(wishes[x].host_id, wishes[y].host_id);

	return r != 0 ? r : (x > y) - (x < y);
}

/* Behind the wish before it when that is of the same host and its message has room. */
static struct slot
slot_after(const struct slot *before, bool same_host, size_t spec_size, size_t *room)
{
	if (same_host && before->items < STORE_MESSAGE_ITEMS_MAX &&
	    before->bytes + spec_size <= RULES_MESSAGE_SPEC_BYTES_MAX)
		return (struct slot){.message_id = before->message_id,
		    .part = before->part,
		    .items = before->items + 1,
		    .bytes = before->bytes + spec_size,
		    .room = before->room};
	return (struct slot){.message_id = id_new(),
	    .part = same_host ? before->part + 1 : 1,
	    .items = 1,
	    .bytes = spec_size,
	    .room = room};
}

static int
wishes_plan(struct place *w, const struct store_placement *placements, size_t n, struct err *err)
{
	size_t *order = arena_calloc(w->arena, n, sizeof(*order));
	size_t *rooms = arena_calloc(w->arena, n, sizeof(*rooms));
	struct slot last = {0};

	w->n = n;
	w->wishes = arena_memdup(w->arena, placements, n * sizeof(*placements));
	w->slots = arena_calloc(w->arena, n, sizeof(*w->slots));
	if (!order || !rooms || !w->wishes || !w->slots)
		return pg_no_room(err);
	qsort(w->wishes, n, sizeof(*placements), executor_order);
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	qsort_r(order, n, sizeof(*order), host_order, w->wishes);
	for (size_t i = 0; i < n; i++) {
		const struct store_placement *p = &w->wishes[order[i]];
		bool same = i > 0 && strcmp(p->host_id, w->wishes[order[i - 1]].host_id) == 0;

		last = slot_after(&last, same, p->queued->spec_size, &rooms[i]);
		++*last.room;
		w->slots[order[i]] = last;
	}
	return 0;
}

/* ---- the statement ---- */

/* k is claimed; s is what each host is asked for; h are its hosts, locked; c is the guard of
 * invariant 4 (all of a host's placements of this batch fit, or none is made: a capacity row that
 * changed while its host was waited for is read again by the UPDATE itself); p is placed. */
static const struct pg_statement place = {"place",
    "WITH floor AS MATERIALIZED (SELECT cell_term << 40 AS first FROM cell),"
    "k AS MATERIALIZED (SELECT n.* FROM unnest($1::uuid[], $2::text[], $3::int8[], $4::int8[],"
    "   $5::int8[], $6::int8[], $7::int8[], $8::uuid[], $9::int4[], $10::int4[]) WITH ORDINALITY"
    "     AS n(id, host, cpu, memory, disk, gpus, slots, message, part, timeout, ord)"
    "   JOIN placement_queue q ON q.executor_id = n.id"
    "   JOIN executor e ON e.executor_id = n.id AND e.state = 10 AND e.desired = 1"
    "   ORDER BY n.ord FOR UPDATE OF q SKIP LOCKED),"
    "s AS MATERIALIZED (SELECT host, sum(cpu)::int8 AS cpu, sum(memory)::int8 AS memory,"
    "   sum(disk)::int8 AS disk, sum(gpus)::int8 AS gpus, sum(slots)::int8 AS slots"
    "   FROM k GROUP BY host),"
    "h AS MATERIALIZED (SELECT host_id, host_seq, encoding, journal_id, cpu_millis, memory_bytes,"
    "   disk_bytes, gpus, slots FROM host"
    "   WHERE host_id = ANY(ARRAY(SELECT host FROM s)) AND state = 1 AND cordoned_at IS NULL"
    "   AND pool_id = (SELECT pool_id FROM pool WHERE name = $11)"
    "   ORDER BY host_id FOR NO KEY UPDATE),"
    "c AS (UPDATE host_capacity c SET cpu_millis = c.cpu_millis + s.cpu,"
    "   memory_bytes = c.memory_bytes + s.memory, disk_bytes = c.disk_bytes + s.disk,"
    "   gpus = c.gpus + s.gpus, slots = c.slots + s.slots FROM s JOIN h ON h.host_id = s.host"
    "   WHERE c.host_id = s.host AND c.cpu_millis + s.cpu <= h.cpu_millis"
    "   AND c.memory_bytes + s.memory <= h.memory_bytes"
    "   AND c.disk_bytes + s.disk <= h.disk_bytes AND c.gpus + s.gpus <= h.gpus"
    "   AND c.slots + s.slots <= h.slots"
    "   RETURNING h.host_id, h.host_seq, h.encoding, h.journal_id),"
    "p AS MATERIALIZED (SELECT k.*, c.encoding, c.journal_id, greatest(c.host_seq, floor.first)"
    "     + dense_rank() OVER (PARTITION BY k.host ORDER BY k.part) AS seq"
    "   FROM k JOIN c ON c.host_id = k.host CROSS JOIN floor ORDER BY k.ord),"
    "u AS (UPDATE executor e SET host_id = p.host, state = 20, rank = 20, prev_state = e.state,"
    "   prev_rank = e.rank, generation = greatest(e.generation, (SELECT first FROM floor)) + 1,"
    "   placed_at = clock_timestamp() FROM p"
    "   WHERE e.executor_id = p.id AND e.state = 10 AND e.desired = 1"
    "   RETURNING e.executor_id, e.session_id, e.pool_id, e.generation, p.*,"
    "     clock_timestamp() + p.timeout * interval '1 millisecond' AS deadline_at),"
    "q AS (DELETE FROM placement_queue q USING u WHERE q.executor_id = u.executor_id),"
    "x AS (INSERT INTO host_executor (host_id, executor_id, host_seq, cpu_millis, memory_bytes,"
    "   disk_bytes, gpus, slots)"
    "   SELECT host, executor_id, seq, cpu, memory, disk, gpus, slots FROM u),"
    "m AS (INSERT INTO command (executor_id, generation, desired, host_id, host_seq, message_id,"
    "   deadline_at) SELECT executor_id, generation, 1, host, seq, message, deadline_at FROM u),"
    "o AS (INSERT INTO outbox (message_id, pool_id, host_id, host_seq)"
    "   SELECT DISTINCT message, pool_id, host, seq FROM u),"
    "t AS (UPDATE host t SET host_seq = l.seq"
    "   FROM (SELECT host, max(seq) AS seq FROM u GROUP BY 1) l WHERE t.host_id = l.host),"
    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
    "   SELECT array_agg(session_id), array_agg(10::int2), array_agg(20::int2) FROM u"
    "   HAVING count(*) > 0),"
    "v AS (INSERT INTO event_outbox (kind, executors, states, hosts, texts)"
    "   SELECT 'executor', array_agg(executor_id), array_agg(20::int2), array_agg(host),"
    "   array_agg(''::text) FROM u HAVING count(*) > 0)"
    "SELECT ord, generation, deadline_at, seq, encoding, journal_id FROM u"
    /* Not a join: the planner expects one row of either and would nest loops. */
    " UNION ALL SELECT ord, NULL, NULL, seq, encoding, journal_id FROM p"
    " WHERE ord NOT IN (SELECT ord FROM u)"};

#define COLUMN(type, put, expression)                                                              \
	do {                                                                                       \
		struct pg_array array;                                                             \
                                                                                                   \
		pg_array_begin(&array, p, (type), w->n);                                           \
		for (size_t i = 0; i < w->n; i++)                                                  \
			put(&array, expression);                                                   \
		pg_array_end(&array);                                                              \
	} while (0)

static void
wishes_add(struct place *w, struct pg_params *p)
{
	COLUMN(PG_UUID, pg_put_uuid, &w->wishes[i].executor_id);
	COLUMN(PG_TEXT, pg_put_text, w->wishes[i].host_id);
	COLUMN(PG_INT8, pg_put_int, w->wishes[i].resources.cpu_millis);
	COLUMN(PG_INT8, pg_put_int, w->wishes[i].resources.memory_bytes);
	COLUMN(PG_INT8, pg_put_int, w->wishes[i].resources.disk_bytes);
	COLUMN(PG_INT8, pg_put_int, w->wishes[i].resources.gpus);
	COLUMN(PG_INT8, pg_put_int, w->wishes[i].resources.slots);
	COLUMN(PG_UUID, pg_put_uuid, &w->slots[i].message_id);
	COLUMN(PG_INT4, pg_put_int, w->slots[i].part);
	COLUMN(PG_INT4, pg_put_int, w->wishes[i].accept_timeout_ms);
}

/* ---- its answer ---- */

static struct store_message *
message_of(struct place *w, const PGresult *r, int row, size_t wish)
{
	const struct id *id = &w->slots[wish].message_id;
	struct store_message *m;

	for (size_t i = 0; i < w->message_count; i++) {
		if (id_equal(&w->messages[i].message_id, id))
			return &w->messages[i];
	}
	m = &w->messages[w->message_count++];
	*m = (struct store_message){.message_id = *id,
	    .host_id = w->wishes[wish].host_id,
	    .encoding = pg_text(r, row, 4, w->arena),
	    .journal_id = pg_id(r, row, 5),
	    .host_seq = (uint64_t)pg_int(r, row, 3),
	    .items = arena_calloc(w->arena, *w->slots[wish].room, sizeof(*m->items))};
	return m->encoding && m->items ? m : NULL;
}

/* Who was claimed is queued until we say otherwise; were it not so, its reservation would leak. */
static int
answer_read(struct place *w, const PGresult *r, struct err *err)
{
	w->messages = arena_calloc(w->arena, w->n, sizeof(*w->messages));
	if (!w->messages)
		return pg_no_room(err);
	for (int row = 0; row < PQntuples(r); row++) {
		size_t wish = (size_t)pg_int(r, row, 0) - 1;
		const struct store_queued *q = w->wishes[wish].queued;
		struct store_message *m = message_of(w, r, row, wish);

		if (!m)
			return pg_no_room(err);
		if (PQgetisnull(r, row, 1))
			return err_set(err, ERR_INTERNAL, "a claimed executor was not assigned");
		m->items[m->item_count++] = (struct store_item){.executor_id = q->executor_id,
		    .host_seq = m->host_seq,
		    .generation = (uint64_t)pg_int(r, row, 1),
		    .deadline_us = pg_time(r, row, 2),
		    .desired = DESIRED_RUN,
		    .spec_body = q->spec_body,
		    .spec_size = q->spec_size,
		    .session = q->session,
		    .index = q->index,
		    .attempt = q->attempt};
	}
	return 0;
}

int
pg_store_place(struct store *s, const struct store_lease *lease, const char *pool,
    const struct store_placement *placements, size_t n, struct arena *a, struct store_message **ret,
    size_t *ret_n, size_t *ret_placed, struct err *err)
{
	struct place w = {.pg = pg_of(s), .arena = a};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	*ret = NULL;
	*ret_n = *ret_placed = 0;
	if (n == 0)
		return 0;
	if (wishes_plan(&w, placements, n, err) != 0)
		return -1;
	pg_params_init(&p, a);
	wishes_add(&w, &p);
	pg_add_text(&p, pool);
	if (pg_begin_fenced_with(w.pg, lease, &place, &p, &r, err) != 0)
		return -1;
	if (answer_read(&w, r, err) != 0) {
		pg_rollback(w.pg);
		return -1;
	}
	if (pg_commit(w.pg, err) != 0)
		return -1;
	*ret = w.messages;
	*ret_n = w.message_count;
	*ret_placed = (size_t)PQntuples(r);
	return 0;
}
