#include "leadership.h"

#include <stdio.h>
#include <string.h>

#include "metrics.h"
#include "scheduler.h"
#include "scheduler_metrics.h"
#include "store.h"

static const char *const of_the_cell[] = {LEASE_COUNTERS, LEASE_EVENTS, LEASE_RETENTION};

_Static_assert(SCHEDULER_POOLS_MAX + COUNT_OF(of_the_cell) <= LEASES_MAX, "a lease each");

char *
lease_of_pool(const char *pool, char buffer[LEASE_NAME_BYTES])
{
	snprintf(buffer, LEASE_NAME_BYTES, "scheduler-%s", pool);
	return buffer;
}

static void
changed(void *arg, const char *name, bool held)
{
	const struct scheduler *s = arg;

	metric_set(metric_of(s->metrics->lease, name), held);
	if (!held && strcmp(name, LEASE_COUNTERS) == 0)
		scheduler_metrics_census(s->metrics, NULL);
}

static void
failed(void *arg)
{
	const struct scheduler *s = arg;

	metric_add(metric_of(s->metrics->errors, "leases"), 1);
}

int
leadership_start(struct scheduler *s, struct leases **ret, struct err *err)
{
	char pools[SCHEDULER_POOLS_MAX][LEASE_NAME_BYTES];
	const char *names[SCHEDULER_POOLS_MAX + COUNT_OF(of_the_cell)];
	struct leases_options o = {.holder = s->settings.instance,
	    .names = names,
	    .changed = changed,
	    .failed = failed,
	    .arg = s};

	for (size_t i = 0; i < s->pool_count; i++)
		names[o.name_count++] = lease_of_pool(s->pools[i], pools[i]);
	for (size_t i = 0; i < COUNT_OF(of_the_cell); i++)
		names[o.name_count++] = of_the_cell[i];
	if (scheduler_store_new(s, "leases", &o.store_take, err) != 0)
		return -1;
	return leases_start(&o, ret, err);
}
