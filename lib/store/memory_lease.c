/* memory_lease: leadership by row, in the cell's time only (K26). */
#include "err.h"
#include "memory.h"

#define TTL_US (STORE_LEASE_TTL_MS * INT64_C(1000))

static uint64_t
lease_renew(struct memory_cell *c, const struct store_lease *l)
{
	struct memory_lease *row = memory_lease_find(c, l->name);

	if (!row || row->epoch != l->epoch || row->expires_us <= c->now_us)
		return 0;
	row->expires_us = c->now_us + TTL_US;
	return row->epoch;
}

static uint64_t
lease_take(struct memory_cell *c, const struct store_lease *l, const char *holder)
{
	struct memory_lease *row = memory_lease_make(c, l->name);

	if (row->epoch > 0 && row->expires_us > c->now_us)
		return 0;
	memory_text_set(&row->holder, holder);
	row->expires_us = c->now_us + TTL_US;
	row->taken_us = c->now_us;
	return ++row->epoch;
}

int
memory_store_lease_hold(
    struct store *s, struct store_lease *l, const char *holder, bool *ret_held, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	(void)err;
	l->epoch = l->epoch ? lease_renew(c, l) : lease_take(c, l, holder);
	*ret_held = l->epoch != 0;
	return 0;
}

int
memory_store_lease_release(struct store *s, struct store_lease *l, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct memory_lease *row = memory_lease_find(c, l->name);

	(void)err;
	if (row && l->epoch && row->epoch == l->epoch)
		row->expires_us = c->now_us;
	l->epoch = 0;
	return 0;
}

int
memory_fence(struct memory_cell *c, const struct store_lease *l, struct err *err)
{
	const struct memory_lease *row = memory_lease_find(c, l->name);

	if (row && row->epoch == l->epoch)
		return 0;
	return err_set(err, ERR_DENIED, "lease %s is held by another epoch than %llu", l->name,
	    (unsigned long long)l->epoch);
}
