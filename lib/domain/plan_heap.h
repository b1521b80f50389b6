/* plan_heap: domains by how many a session has there, the least first.
 *
 * Counts only rise, so a key may be too small but never too large: it is set right when it comes to
 * the top. */
#ifndef PLAN_HEAP_H
#define PLAN_HEAP_H

#include <stdint.h>

struct plan_heap {
	struct plan_heap_item {
		uint32_t count, order, domain; /* order: decides between equal counts */
	} *items;
	uint32_t n;
};

void plan_heap_push(struct plan_heap *h, struct plan_heap_item item);
/* The domain with the least count, by its present one in counts[]; the heap is not empty. */
const struct plan_heap_item *plan_heap_top(struct plan_heap *h, const uint32_t *counts);
void plan_heap_pop(struct plan_heap *h);

#endif
