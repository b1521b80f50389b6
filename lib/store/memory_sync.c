/* memory_sync: the newest desired state of a host, page by page (K11). */
#include "arena.h"
#include "err.h"
#include "memory.h"

/* Of its executors those that the page may hold, in order of id. */
static int
candidates(const struct memory_host *h, const struct store_sync *q, struct arena *a,
    struct memory_executor ***ret, size_t *ret_n, struct err *err)
{
	struct memory_executor *e, **found;
	size_t n = 0;

	DL_COUNT2(h->books, e, n, b_next);
	found = arena_calloc(a, n + 1, sizeof(*found));
	if (!found)
		return memory_no_room(err);
	n = 0;
	DL_FOREACH2(h->books, e, b_next)
	{
		if (e->host_seq > q->contiguous_seq && id_compare(&e->executor_id, &q->after) > 0)
			found[n++] = e;
	}
	qsort((void *)found, n, sizeof(*found), memory_executor_order);
	*ret = found;
	*ret_n = n;
	return 0;
}

static int
items_copy(const struct memory_host *h, const struct store_sync *q, struct arena *a,
    struct store_sync_page *ret, struct err *err)
{
	struct memory_executor **found = NULL;
	struct memory_body last = {0};
	size_t n = 0;

	if (candidates(h, q, a, &found, &n, err) != 0)
		return -1;
	ret->last = n <= q->limit;
	ret->item_count = ret->last ? n : q->limit;
	ret->items = arena_calloc(a, ret->item_count + 1, sizeof(*ret->items));
	if (!ret->items)
		return memory_no_room(err);
	for (size_t i = 0; i < ret->item_count; i++) {
		if (memory_item_copy(found[i]->commands, &last, a, &ret->items[i], err) != 0)
			return -1;
	}
	return 0;
}

int
memory_store_host_sync(struct store *s, const struct store_sync *q, struct arena *a,
    struct store_sync_page *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const struct memory_host *h = memory_host_find(c, q->host_id);

	*ret = (struct store_sync_page){.now_us = c->now_us,
	    .hello_required =
		!h || h->epoch != q->epoch || (h->state != HOST_READY && h->state != HOST_SUSPECT)};
	if (ret->hello_required)
		return 0;
	ret->as_of_seq = q->as_of_seq ? q->as_of_seq : h->host_seq;
	return items_copy(h, q, a, ret, err);
}
