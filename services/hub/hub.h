/* hub: what the concerns of one hub process share.
 *
 * Blocking workers, each with its own store and arena; bus threads only move messages into bounded
 * mailboxes.  Nothing here is truth: a killed hub loses only its memory of heartbeats. */
#ifndef HUB_H
#define HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct bus;
struct err;
struct micro;
struct metrics;
struct store;
struct liveness;

#define HUB_API_WORKERS_MAX 16

struct hub_settings {
	const char *instance; /* "h1-4711": application name, holder of leases */
	const char *prefix;   /* of subjects: "fl" */
	const char *database_url, *database_role;
	unsigned api_workers, host_workers;
	unsigned report_batch; /* transitions per transaction */
	int replicas;          /* of streams that are made again; 0: as the cluster allows */
	int64_t liveness_flush_ms;
	uint32_t heartbeat_interval_ms; /* told to hosts in the hello answer */
	/* A digest that stood still for so long is compared with the rows, and again so much later.
	 */
	uint32_t digest_settle_ms, digest_again_ms;
	uint32_t silent_after_ms; /* no heartbeat for so long: SUSPECT */
};

struct hub {
	struct hub_settings settings;
	struct bus *bus;        /* latency-sensitive: API, heartbeats, hello */
	struct bus *intake_bus; /* bulk: fetch and acknowledge */
	struct liveness *liveness;
	struct hub_metrics *metrics;
};

/* A store of this hub's own settings, for one worker.  The caller frees it. */
MUST_USE int hub_store_new(
    const struct hub *h, const char *worker, struct store **ret, struct err *err);

/* Does Postgres answer at all?  A question can fail for a lock, or for a host that is away. */
bool hub_store_answers(struct store *store);

/* "Look now" for the scheduler of a pool; losing one costs a second. */
void hub_nudge(const struct hub *h, const char *pool);

#endif
