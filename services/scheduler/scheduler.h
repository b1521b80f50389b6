/* scheduler: what the concerns of one scheduler process share.
 *
 * Blocking workers, each with its own store and arena.  Nothing here is truth: the image of the
 * fleet is read again, leases are rows, and what was committed but not published is found by the
 * sweep. */
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct bus;
struct err;
struct leases;
struct publisher;
struct scheduler_metrics;
struct store;

#define SCHEDULER_POOLS_MAX 16

struct scheduler_settings {
	const char *instance; /* holder of leases */
	const char *prefix;   /* of subjects */
	const char *database_url, *database_role;
	int replicas; /* of streams */
	uint32_t ack_deadline_ms, absent_after_ms;
	int sweep_interval_ms;
	int64_t retention_ms;
};

struct scheduler {
	struct scheduler_settings settings;
	char pools[SCHEDULER_POOLS_MAX][64];
	size_t pool_count;
	struct bus *bus;
	struct leases *leases;
	struct publisher *publisher;
	struct scheduler_metrics *metrics;
};

/* "a, b": DNS labels, each once.  ERR_INVALID names the one at fault. */
MUST_USE int scheduler_pools_read(struct scheduler *s, const char *list, struct err *err);

/* A store of this scheduler's own settings, for one worker.  The caller frees it. */
MUST_USE int scheduler_store_new(
    const struct scheduler *s, const char *worker, struct store **ret, struct err *err);

#endif
