/* plan_tally: a few counts by number, where an array of all numbers would be too large. */
#ifndef PLAN_TALLY_H
#define PLAN_TALLY_H

#include <stdint.h>

#include "compiler.h"

struct arena;

struct plan_tally {
	struct plan_tally_slot {
		uint32_t number_1, count; /* number + 1; 0: free */
	} *slots;
	uint32_t mask;
};

/* For at most `numbers` different ones.  -1: no memory. */
MUST_USE int plan_tally_init(struct plan_tally *t, uint64_t numbers, struct arena *a);
void plan_tally_add(struct plan_tally *t, uint32_t number, uint32_t count);
uint32_t plan_tally_get(const struct plan_tally *t, uint32_t number);

#endif
