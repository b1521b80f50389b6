#include "pg_command.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"

struct command_host {
	const char *host_id;
	uint64_t host_seq;
	struct id message_id;
	size_t items; /* in the open message */
	bool known;
};

struct batch {
	struct pg *pg;
	struct arena *arena;
	struct pg_target *targets;
	size_t n;
	struct command_host *hosts; /* sorted by id */
	size_t host_count;
	struct id *message_of; /* per target; zero: passed over */
	uint64_t *seq_of;
	struct id *messages;
	size_t message_count;
};

static int
text_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
hosts_collect(struct batch *b, struct err *err)
{
	const char **ids = arena_calloc(b->arena, b->n + 1, sizeof(*ids));

	b->hosts = arena_calloc(b->arena, b->n + 1, sizeof(*b->hosts));
	b->message_of = arena_calloc(b->arena, b->n + 1, sizeof(*b->message_of));
	b->seq_of = arena_calloc(b->arena, b->n + 1, sizeof(*b->seq_of));
	b->messages = arena_calloc(b->arena, b->n + 1, sizeof(*b->messages));
	if (!ids || !b->hosts || !b->message_of || !b->seq_of || !b->messages)
		return pg_no_room(err);
	for (size_t i = 0; i < b->n; i++)
		ids[i] = b->targets[i].host_id;
	qsort(ids, b->n, sizeof(*ids), text_order);
	for (size_t i = 0; i < b->n; i++) {
		if (i == 0 || strcmp(ids[i], ids[i - 1]) != 0)
			b->hosts[b->host_count++].host_id = ids[i];
	}
	return 0;
}

static int
host_compare(const void *key, const void *element)
{
	return strcmp(key, ((const struct command_host *)element)->host_id);
}

static struct command_host *
host_find(struct batch *b, const char *host_id)
{
	return bsearch(host_id, b->hosts, b->host_count, sizeof(*b->hosts), host_compare);
}

static int
hosts_lock(struct batch *b, struct err *err)
{
	static const struct pg_statement lock = {"command_lock",
	    "SELECT host_id, greatest(host_seq, (SELECT term_floor())) FROM host"
	    " WHERE host_id = ANY($1::text[]) AND state <> 4 ORDER BY host_id FOR NO KEY UPDATE"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;
	struct pg_array ids;

	pg_params_init(&p, b->arena);
	pg_array_begin(&ids, &p, PG_TEXT, b->host_count);
	for (size_t i = 0; i < b->host_count; i++)
		pg_put_text(&ids, b->hosts[i].host_id);
	pg_array_end(&ids);
	if (pg_run(b->pg, &lock, &p, &r, err) != 0)
		return -1;
	for (int row = 0; row < PQntuples(r); row++) {
		const char *id = pg_text(r, row, 0, b->arena);
		struct command_host *h = id ? host_find(b, id) : NULL;

		if (!h)
			return pg_no_room(err);
		h->known = true;
		h->host_seq = (uint64_t)pg_int(r, row, 1);
		h->items = STORE_MESSAGE_ITEMS_MAX; /* the first item opens a message */
	}
	return 0;
}

/* Under the locks of their hosts: whoever else gives orders locks those first. */
static int
targets_lock(struct batch *b, struct err *err)
{
	static const struct pg_statement lock = {"command_targets",
	    "SELECT e.executor_id FROM unnest($1::uuid[], $2::int8[], $3::int2[])"
	    "   AS n(id, generation, desired) JOIN executor e ON e.executor_id = n.id"
	    " WHERE (n.generation = 0 OR n.generation = e.generation)"
	    " AND (n.desired = 3 OR e.rank < 90) ORDER BY 1 FOR NO KEY UPDATE OF e"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_array array;
	struct pg_params p;

	pg_params_init(&p, b->arena);
	pg_targets_add_ids(&p, b->targets, b->n);
	pg_array_begin(&array, &p, PG_INT8, b->n);
	for (size_t i = 0; i < b->n; i++)
		pg_put_int(&array, (int64_t)b->targets[i].generation);
	pg_array_end(&array);
	pg_array_begin(&array, &p, PG_INT2, b->n);
	for (size_t i = 0; i < b->n; i++)
		pg_put_int(&array, b->targets[i].desired);
	pg_array_end(&array);
	if (pg_run(b->pg, &lock, &p, &r, err) != 0)
		return -1;
	pg_targets_keep(b->targets, &b->n, r);
	return 0;
}

static void
messages_plan(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct command_host *h = host_find(b, b->targets[i].host_id);

		if (!h || !h->known)
			continue;
		if (h->items == STORE_MESSAGE_ITEMS_MAX) {
			h->items = 0;
			h->host_seq++;
			h->message_id = id_new();
			b->messages[b->message_count++] = h->message_id;
		}
		h->items++;
		b->message_of[i] = h->message_id;
		b->seq_of[i] = h->host_seq;
	}
}

static const struct pg_statement write_rows = {"command_write",
    "WITH u AS (UPDATE executor e SET desired = n.desired,"
    "   stopped_for = CASE WHEN n.why = '' THEN e.stopped_for ELSE n.why END,"
    "   generation = greatest(e.generation, (SELECT term_floor())) + 1"
    "   FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::int8[], $5::int2[], $6::int4[],"
    "     $7::text[]) AS n(id, host, message, seq, desired, grace, why)"
    "   WHERE e.executor_id = n.id AND e.host_id = n.host"
    "   RETURNING e.executor_id, e.pool_id, e.generation, n.host, n.message, n.seq, n.desired,"
    "     n.grace),"
    "x AS (UPDATE host_executor x SET host_seq = u.seq FROM u"
    "   WHERE x.host_id = u.host AND x.executor_id = u.executor_id),"
    "c AS (INSERT INTO command (executor_id, generation, desired, host_id, host_seq, message_id,"
    "   stop_grace_ms) SELECT executor_id, generation, desired, host, seq, message, grace FROM u),"
    "o AS (INSERT INTO outbox (message_id, pool_id, host_id, host_seq)"
    "   SELECT DISTINCT message, pool_id, host, seq FROM u)"
    "UPDATE host t SET host_seq = m.seq FROM (SELECT host, max(seq) AS seq FROM u GROUP BY 1) m"
    " WHERE t.host_id = m.host"};

#define TARGET_COLUMN(type, put, expression)                                                       \
	do {                                                                                       \
		pg_array_begin(&array, &p, (type), b->n);                                          \
		for (size_t i = 0; i < b->n; i++) {                                                \
			if (b->seq_of[i])                                                          \
				put(&array, expression);                                           \
		}                                                                                  \
		pg_array_end(&array);                                                              \
	} while (0)

static int
rows_write(struct batch *b, struct err *err)
{
	struct pg_params p;
	struct pg_array array;

	if (b->message_count == 0)
		return 0;
	pg_params_init(&p, b->arena);
	TARGET_COLUMN(PG_UUID, pg_put_uuid, &b->targets[i].executor_id);
	TARGET_COLUMN(PG_TEXT, pg_put_text, b->targets[i].host_id);
	TARGET_COLUMN(PG_UUID, pg_put_uuid, &b->message_of[i]);
	TARGET_COLUMN(PG_INT8, pg_put_int, (int64_t)b->seq_of[i]);
	TARGET_COLUMN(PG_INT2, pg_put_int, b->targets[i].desired);
	TARGET_COLUMN(PG_INT4, pg_put_int, b->targets[i].stop_grace_ms);
	TARGET_COLUMN(
	    PG_TEXT, pg_put_text, b->targets[i].stopped_for ? b->targets[i].stopped_for : "");
	return pg_run(b->pg, &write_rows, &p, NULL, err);
}

int
pg_commands_write(struct pg *pg, struct pg_target *targets, size_t *n, struct arena *a,
    struct id **ret_ids, size_t *ret_n, struct err *err)
{
	struct batch b = {.pg = pg, .arena = a, .targets = targets, .n = *n};

	*ret_ids = NULL;
	*ret_n = 0;
	if (*n == 0)
		return 0;
	if (hosts_collect(&b, err) != 0 || hosts_lock(&b, err) != 0 || targets_lock(&b, err) != 0)
		return -1;
	*n = b.n;
	messages_plan(&b);
	if (rows_write(&b, err) != 0)
		return -1;
	*ret_ids = b.messages;
	*ret_n = b.message_count;
	return 0;
}
