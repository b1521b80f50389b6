#include "report.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mutant.h"

bool
report_advances(enum executor_state state, uint32_t incarnation, const struct report *n)
{
	if (MUTANT(ends_not_absorbing) && executor_state_ended(n->state))
		return n->state != state;
	if (n->state == EXECUTOR_NONE || executor_state_ended(state))
		return false;
	if (executor_state_ended(n->state) || state == EXECUTOR_NONE)
		return true;
	if (n->incarnation != incarnation && !MUTANT(merge_without_incarnation))
		return n->incarnation > incarnation;
	return executor_state_rank(n->state) > executor_state_rank(state);
}

static uint64_t
max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The earlier of two times of which 0 means never. */
static int64_t
earliest(int64_t a, int64_t b)
{
	if (a <= 0 || b <= 0)
		return a <= 0 ? b : a;
	return a < b ? a : b;
}

void
report_fold(struct report *a, const struct report *b)
{
	assert(id_equal(&a->executor_id, &b->executor_id));
	if (MUTANT(no_fold_of_duplicates)) {
		*a = *b;
		return;
	}
	if (report_advances(a->state, a->incarnation, b)) {
		a->state = b->state;
		a->incarnation = b->incarnation;
		a->oom = b->oom;
		a->exit_code = b->exit_code;
		a->signal = b->signal;
		a->reason = b->reason;
		a->detail = b->detail;
	}
	a->started = a->started || b->started; /* once it ran it stays so (K30) */
	a->accepted_generation = max_u64(a->accepted_generation, b->accepted_generation);
	a->gone_generation = max_u64(a->gone_generation, b->gone_generation);
	a->starting_after_us = earliest(a->starting_after_us, b->starting_after_us);
	a->running_after_us = earliest(a->running_after_us, b->running_after_us);
	a->ended_after_us = earliest(a->ended_after_us, b->ended_after_us);
}

/* Which row of the store a report can change; 0 for the same one. */
static int
compare_target(const struct report *a, const struct report *b)
{
	int order = id_compare(&a->executor_id, &b->executor_id);

	if (order == 0 && a->host_id != b->host_id)
		order = strcmp(a->host_id, b->host_id);
	if (order == 0)
		order = id_compare(&a->journal_id, &b->journal_id);
	return order;
}

static int
compare(const void *left, const void *right)
{
	const struct report *a = left, *b = right;
	int order = compare_target(a, b);

	if (order != 0)
		return order;
	return (a->order > b->order) - (a->order < b->order);
}

size_t
report_fold_batch(struct report *reports, size_t n, size_t *ret_origin)
{
	size_t out = 0;

	assert(n < UINT32_MAX);
	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		reports[i].order = (uint32_t)i;
	qsort(reports, n, sizeof(*reports), compare);
	for (size_t i = 0; i < n; i++) {
		uint32_t order = reports[i].order;
		if (i > 0 && compare_target(&reports[out], &reports[i]) == 0)
			report_fold(&reports[out], &reports[i]);
		else
			reports[out = i == 0 ? 0 : out + 1] = reports[i];
		if (ret_origin)
			ret_origin[order] = out;
	}
	return out + 1;
}
