/* memory_cell: the cell in one answer. */
#include "arena.h"
#include "err.h"
#include "memory.h"

#define CELL_NAME "cell"

static int
lease_order(const void *a, const void *b)
{
	const struct store_lease_row *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int
leases_copy(struct memory_cell *c, struct arena *a, struct store_cell *ret, struct err *err)
{
	ret->leases = arena_calloc(a, HASH_COUNT(c->leases) + 1, sizeof(*ret->leases));
	if (!ret->leases)
		return memory_no_room(err);
	for (const struct memory_lease *l = c->leases; l; l = l->hh.next) {
		struct store_lease_row *row = &ret->leases[ret->lease_count];

		if (l->expires_us <= c->now_us)
			continue;
		*row = (struct store_lease_row){.name = arena_strdup(a, l->name),
		    .holder = arena_strdup(a, l->holder),
		    .epoch = l->epoch,
		    .expires_us = l->expires_us};
		if (!row->name || !row->holder)
			return memory_no_room(err);
		ret->lease_count++;
	}
	qsort(ret->leases, ret->lease_count, sizeof(*ret->leases), lease_order);
	return 0;
}

static void
pools_count(const struct memory_cell *c, struct store_cell *ret)
{
	const struct memory_executor *e;
	const struct memory_message *m;

	for (const struct memory_pool *p = c->pools; p; p = p->hh.next) {
		DL_FOREACH2(p->queue, e, q_next)
		ret->queue_depth++;
		DL_FOREACH(p->outbox, m)
		ret->outbox_unsent += m->sent_us == 0;
	}
}

static void
sessions_count(const struct memory_cell *c, struct store_cell *ret)
{
	for (const struct memory_session *s = c->sessions; s; s = s->hh.next) {
		ret->sessions_open += s->state == SESSION_OPEN;
		for (size_t i = 0; i < MEMORY_STATES; i++)
			ret->executors[i] += (uint64_t)(s->counters[i] + s->edges[i]);
	}
}

int
memory_store_cell_get(struct store *s, struct arena *a, struct store_cell *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	*ret = (struct store_cell){
	    .name = CELL_NAME, .term = c->term, .schema_version = STORE_SCHEMA_VERSION};
	for (const struct memory_host *h = c->hosts; h; h = h->hh.next) {
		const struct memory_unknown *k;

		ret->hosts[h->state]++;
		LL_FOREACH(h->unknown, k)
		ret->unknown++;
	}
	sessions_count(c, ret);
	pools_count(c, ret);
	return leases_copy(c, a, ret, err);
}
