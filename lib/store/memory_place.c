/* memory_place: from "wants a host" to "a command is in the outbox" (invariants 1, 4, 5). */
#include "arena.h"
#include "err.h"
#include "memory.h"
#include "rules.h"

struct place {
	struct memory_cell *c;
	const struct memory_pool *pool;
	const struct store_placement **placements; /* by host, then executor */
	struct memory_executor **executors;        /* of each */
	size_t n;
	struct store_message *messages;
	struct store_item *items;
	size_t message_count, item_count;
};

static int
placement_order(const void *a, const void *b)
{
	const struct store_placement *const *x = a, *const *y = b;
	int order = strcmp((*x)->host_id, (*y)->host_id);

	return order ? order : id_compare(&(*x)->executor_id, &(*y)->executor_id);
}

/* Everything the writing will need, so that it cannot fail half way. */
static int
place_claim(struct place *w, const struct store_placement *placements, size_t n, struct arena *a,
    struct err *err)
{
	w->placements = arena_calloc(a, n, sizeof(*w->placements));
	w->executors = arena_calloc(a, n, sizeof(*w->executors));
	w->messages = arena_calloc(a, n, sizeof(*w->messages));
	w->items = arena_calloc(a, n, sizeof(*w->items));
	if (!w->placements || !w->executors || !w->messages || !w->items)
		return memory_no_room(err);
	for (size_t i = 0; i < n; i++) {
		const struct memory_executor *e =
		    memory_executor_find(w->c, &placements[i].executor_id);

		if (e && e->queued && e->state == EXECUTOR_QUEUED && e->desired == DESIRED_RUN)
			w->placements[w->n++] = &placements[i];
	}
	qsort((void *)w->placements, w->n, sizeof(*w->placements), placement_order);
	for (size_t i = 0; i < w->n; i++)
		w->executors[i] = memory_executor_find(w->c, &w->placements[i]->executor_id);
	return 0;
}

/* The guard of invariant 4: all of a host's placements of this batch fit, or none is made. */
static bool
host_takes(const struct place *w, const struct memory_host *h, size_t from, size_t to)
{
	struct resources sum = {0};

	if (!h || h->state != HOST_READY || h->cordoned_us > 0 || h->pool != w->pool)
		return false;
	for (size_t i = from; i < to; i++)
		resources_add(&sum, &w->placements[i]->resources);
	return resources_fit(&h->capacity, &h->used, &sum, NULL);
}

/* A host's message, and the same as it is handed out. */
struct open {
	struct memory_message *row;
	struct store_message *message;
	size_t bytes;
};

static void
message_open(struct place *w, struct memory_host *h, const char *encoding, struct open *open)
{
	open->row = memory_message_new(w->c, h);
	open->bytes = 0;
	open->message = &w->messages[w->message_count++];
	*open->message = (struct store_message){.message_id = open->row->message_id,
	    .encoding = encoding,
	    .journal_id = h->journal_id,
	    .host_seq = h->host_seq,
	    .items = &w->items[w->item_count]};
}

static void
executor_place(struct place *w, size_t at, struct memory_host *h, struct open *open)
{
	const struct store_placement *p = w->placements[at];
	struct memory_executor *e = w->executors[at];
	struct memory_command *command;

	memory_dequeue(e);
	e->host = h;
	e->placed_us = w->c->now_us;
	memory_executor_move(w->c, e, EXECUTOR_PLACED);
	memory_books_add(e, &p->resources);
	command = memory_command_add(w->c, e, open->row, DESIRED_RUN);
	command->deadline_us = w->c->now_us + (int64_t)p->accept_timeout_ms * 1000;
	memory_executor_event(w->c, e, "executor.placed", NULL, "");
	open->message->host_id = p->host_id;
	open->message->item_count++;
	open->bytes += p->queued->spec_size;
	w->items[w->item_count++] = (struct store_item){.executor_id = e->executor_id,
	    .generation = e->generation,
	    .host_seq = open->message->host_seq,
	    .desired = DESIRED_RUN,
	    .deadline_us = command->deadline_us,
	    .spec_body = p->queued->spec_body,
	    .spec_size = p->queued->spec_size,
	    .session = p->queued->session,
	    .index = e->index,
	    .attempt = e->attempt};
}

static void
host_place(struct place *w, struct memory_host *h, const char *encoding, size_t from, size_t to)
{
	struct open open = {0};

	for (size_t i = from; i < to; i++) {
		/* An executor that is named twice is placed once. */
		if (!w->executors[i]->queued)
			continue;
		if (!open.message || open.message->item_count == STORE_MESSAGE_ITEMS_MAX ||
		    open.bytes + w->placements[i]->queued->spec_size > RULES_MESSAGE_SPEC_BYTES_MAX)
			message_open(w, h, encoding, &open);
		executor_place(w, i, h, &open);
	}
}

/* Placements of one host stand together, from .. *ret_to. */
static struct memory_host *
host_next(const struct place *w, size_t from, size_t *ret_to)
{
	const char *host_id = w->placements[from]->host_id;
	size_t to = from;

	while (to < w->n && strcmp(w->placements[to]->host_id, host_id) == 0)
		to++;
	*ret_to = to;
	return memory_host_find(w->c, host_id);
}

/* Encodings of the hosts, by their first placement; the row's own text may change after us. */
static int
encodings_copy(const struct place *w, const char **ret, struct arena *a, struct err *err)
{
	for (size_t from = 0, to; from < w->n; from = to) {
		const struct memory_host *h = host_next(w, from, &to);

		ret[from] = arena_strdup(a, h ? h->encoding : "");
		if (!ret[from])
			return memory_no_room(err);
	}
	return 0;
}

int
memory_store_place(struct store *s, const struct store_lease *lease, const char *pool,
    const struct store_placement *placements, size_t n, struct arena *a, struct store_message **ret,
    size_t *ret_n, size_t *ret_placed, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct place w = {.c = c, .pool = memory_pool_find(c, pool)};
	const char **encodings = arena_calloc(a, n + 1, sizeof(*encodings));

	*ret = NULL;
	*ret_n = *ret_placed = 0;
	if (n == 0)
		return 0;
	if (memory_fence(c, lease, err) != 0)
		return -1;
	if (!encodings)
		return memory_no_room(err);
	if (place_claim(&w, placements, n, a, err) != 0 ||
	    encodings_copy(&w, encodings, a, err) != 0)
		return -1;
	for (size_t from = 0, to; from < w.n; from = to) {
		struct memory_host *h = host_next(&w, from, &to);

		if (host_takes(&w, h, from, to))
			host_place(&w, h, encodings[from], from, to);
	}
	*ret = w.messages;
	*ret_n = w.message_count;
	*ret_placed = w.item_count;
	return 0;
}
