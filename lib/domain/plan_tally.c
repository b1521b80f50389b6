#include "plan_tally.h"

#include <stddef.h>

#include "arena.h"

int
plan_tally_init(struct plan_tally *t, uint64_t numbers, struct arena *a)
{
	uint64_t slots = 16;

	while (slots < 2 * numbers)
		slots *= 2;
	if (slots > UINT32_C(1) << 31)
		return -1;
	t->mask = (uint32_t)slots - 1;
	t->slots = arena_calloc(a, slots, sizeof(*t->slots));
	return t->slots ? 0 : -1;
}

/* Half of the slots are free: there is an end. */
static struct plan_tally_slot *
slot_of(const struct plan_tally *t, uint32_t number)
{
	uint32_t at = number * 2654435769u & t->mask;

	while (t->slots[at].number_1 != 0 && t->slots[at].number_1 != number + 1)
		at = (at + 1) & t->mask;
	return &t->slots[at];
}

void
plan_tally_add(struct plan_tally *t, uint32_t number, uint32_t count)
{
	struct plan_tally_slot *slot = slot_of(t, number);

	slot->number_1 = number + 1;
	slot->count += count;
}

uint32_t
plan_tally_get(const struct plan_tally *t, uint32_t number)
{
	return slot_of(t, number)->count;
}
