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
#include "scheduler_bounds.h"

struct bus;
struct err;
struct event_stream;
struct leases;
struct publisher;
struct scheduler_metrics;
struct store;
struct store_message;

struct scheduler_settings {
	const char *instance; /* holder of leases */
	const char *prefix;   /* of subjects */
	const char *database_url, *database_role;
	int replicas; /* of streams */
	uint32_t ack_deadline_ms, deliveries_max, absent_after_ms;
	uint32_t verdict_grace_ms;
	int sweep_interval_ms;
	int64_t retention_ms;
};

/* Where messages go once they are committed: the publisher, or a simulated bus. */
struct scheduler_outlet {
	void (*send)(void *arg, const struct store_message *messages, size_t n);
	void *arg;
};

struct scheduler {
	struct scheduler_settings settings;
	char pools[SCHEDULER_POOLS_MAX][64];
	size_t pool_count;
	struct bus *bus;
	struct leases *leases;
	struct publisher *publisher;
	struct event_stream *event_stream; /* of the duty events; NULL: they are numbered only */
	struct scheduler_outlet outlet;    /* set by publisher_start */
	struct scheduler_metrics *metrics;
};

/* "a, b": DNS labels, each once.  ERR_INVALID names the one at fault. */
MUST_USE int scheduler_pools_read(struct scheduler *s, const char *list, struct err *err);

/* A store of this scheduler's own settings, for one worker.  The caller frees it. */
MUST_USE int scheduler_store_new(
    const struct scheduler *s, const char *worker, struct store **ret, struct err *err);

/* What was just committed.  Borrows the messages for the call. */
void scheduler_send(const struct scheduler *s, const struct store_message *messages, size_t n);
/* What was committed before. */
void scheduler_send_again(
    const struct scheduler *s, const struct store_message *messages, size_t n);

#endif
