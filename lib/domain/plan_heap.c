#include "plan_heap.h"

#include <assert.h>
#include <stdbool.h>

static bool
before(const struct plan_heap_item *a, const struct plan_heap_item *b)
{
	return a->count != b->count ? a->count < b->count : a->order < b->order;
}

static void
swap(struct plan_heap_item *a, struct plan_heap_item *b)
{
	struct plan_heap_item kept = *a;

	*a = *b;
	*b = kept;
}

static void
sink(struct plan_heap *h)
{
	for (uint32_t at = 0;;) {
		uint32_t least = at, left = 2 * at + 1;

		if (left < h->n && before(&h->items[left], &h->items[least]))
			least = left;
		if (left + 1 < h->n && before(&h->items[left + 1], &h->items[least]))
			least = left + 1;
		if (least == at)
			return;
		swap(&h->items[at], &h->items[least]);
		at = least;
	}
}

void
plan_heap_push(struct plan_heap *h, struct plan_heap_item item)
{
	uint32_t at = h->n++;

	h->items[at] = item;
	while (at > 0 && before(&h->items[at], &h->items[(at - 1) / 2])) {
		swap(&h->items[at], &h->items[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
}

const struct plan_heap_item *
plan_heap_top(struct plan_heap *h, const uint32_t *counts)
{
	assert(h->n > 0);
	while (h->items[0].count != counts[h->items[0].domain]) {
		h->items[0].count = counts[h->items[0].domain];
		sink(h);
	}
	return &h->items[0];
}

void
plan_heap_pop(struct plan_heap *h)
{
	assert(h->n > 0);
	h->items[0] = h->items[--h->n];
	sink(h);
}
