/* hub_metrics: what a hub counts (O4).  Every function accepts what a test leaves out. */
#ifndef HUB_METRICS_H
#define HUB_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hub_metrics;
struct metrics;
struct route;

enum hub_queue {
#define QUEUE_ROW(name, text, bound, what) HUB_QUEUE_##name,
#include "hub_queues.def"
	HUB_QUEUES
};

struct hub_metrics *hub_metrics_new(struct metrics *m); /* NULL: no memory */
void hub_metrics_free(struct hub_metrics *h);

void hub_metrics_api(struct hub_metrics *h, const struct route *route, bool ok, int64_t took_us);
void hub_metrics_queue_full(struct hub_metrics *h, enum hub_queue queue);
/* The same where somebody else counts: how often it has been full since the start. */
void hub_metrics_queue_full_count(struct hub_metrics *h, enum hub_queue queue, uint64_t count);
/* One transaction of reports: what was in it, rows that changed, reports that were dropped. */
struct hub_batch {
	uint64_t messages, transitions, applied, superseded;
	uint64_t accepted, rejected; /* RUNs */
	int64_t took_us;
};
void hub_metrics_batch(struct hub_metrics *h, const struct hub_batch *b);
/* Messages that no hub has acknowledged, and the age of the oldest. */
void hub_metrics_lag(struct hub_metrics *h, uint64_t messages, int64_t oldest_us);
void hub_metrics_redelivered(struct hub_metrics *h);
void hub_metrics_dead_letter(struct hub_metrics *h, const char *reason);
void hub_metrics_heartbeat(struct hub_metrics *h);
void hub_metrics_stale_epoch(struct hub_metrics *h);
/* verdict: "suspect", "ready", "lost". */
void hub_metrics_verdicts(struct hub_metrics *h, const char *verdict, size_t hosts);
/* Is this hub the judge? */
void hub_metrics_judge(struct hub_metrics *h, bool held);
/* A host does not run what the rows say. */
void hub_metrics_digest_differs(struct hub_metrics *h);
void hub_metrics_hello(struct hub_metrics *h, const char *verdict);
void hub_metrics_refused(struct hub_metrics *h, const char *kind);

#endif
