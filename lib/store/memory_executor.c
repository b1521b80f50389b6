/* memory_executor: what happens to one executor, and who keeps it on a list. */
#include "memory.h"

/* The first bit sorts it behind what id_new mints in the same millisecond. */
struct id
memory_id_new(struct memory_cell *c)
{
	return id_from_parts((uint64_t)c->now_us / 1000, UINT64_C(1) << 63 | ++c->ids);
}

uint64_t
memory_floor(const struct memory_cell *c)
{
	return c->term << MEMORY_TERM_BITS;
}

uint64_t
memory_raise(const struct memory_cell *c, uint64_t counter)
{
	return (counter > memory_floor(c) ? counter : memory_floor(c)) + 1;
}

void
memory_edge_add(struct memory_cell *c, struct memory_session *s, enum executor_state from,
    enum executor_state to)
{
	if (from != EXECUTOR_NONE)
		s->edges[from]--;
	s->edges[to]++;
	c->edge_count++;
}

void
memory_executor_move(struct memory_cell *c, struct memory_executor *e, enum executor_state state)
{
	if (e->state == state)
		return;
	memory_edge_add(c, e->session, e->state, state);
	e->state = state;
}

void
memory_executor_end(
    struct memory_cell *c, struct memory_executor *e, enum executor_state state, const char *reason)
{
	memory_executor_move(c, e, state);
	memory_text_set(&e->reason, reason);
	e->ended_us = c->now_us;
}

void
memory_enqueue(struct memory_cell *c, struct memory_executor *e)
{
	if (e->queued)
		return;
	e->queued = true;
	e->enqueued = ++c->enqueued;
	DL_APPEND2(e->session->pool->queue, e, q_prev, q_next);
}

void
memory_why_clear(struct memory_executor *e)
{
	struct memory_why *w, *next;

	LL_FOREACH_SAFE(e->why, w, next)
	free(w);
	e->why = NULL;
}

void
memory_dequeue(struct memory_executor *e)
{
	if (!e->queued)
		return;
	e->queued = false;
	e->not_before_us = 0;
	memory_why_clear(e);
	DL_DELETE2(e->session->pool->queue, e, q_prev, q_next);
}

void
memory_books_add(struct memory_executor *e, const struct resources *r)
{
	e->books = e->host;
	e->reserved = true;
	e->resources = *r;
	resources_add(&e->host->used, r);
	DL_APPEND2(e->host->books, e, b_prev, b_next);
}

void
memory_books_free(struct memory_executor *e)
{
	if (e->books && e->reserved)
		resources_subtract(&e->books->used, &e->resources);
	e->reserved = false;
}

void
memory_books_remove(struct memory_executor *e)
{
	if (!e->books)
		return;
	memory_books_free(e);
	DL_DELETE2(e->books->books, e, b_prev, b_next);
	e->books = NULL;
}

void
memory_work_add(struct memory_work **list, const struct memory_executor *e, int64_t at_us)
{
	struct memory_work *w = memory_alloc(sizeof(*w));

	w->executor_id = e->executor_id;
	w->at_us = at_us;
	DL_APPEND(*list, w);
}

/* ---- orders ---- */

int
memory_executor_order(const void *a, const void *b)
{
	const struct memory_executor *const *x = a, *const *y = b;

	return id_compare(&(*x)->executor_id, &(*y)->executor_id);
}
