/* hub_metrics: what a hub counts (O4).  Every function accepts what a test leaves out. */
#ifndef HUB_METRICS_H
#define HUB_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hub_metrics;
struct metrics;
struct route;

struct hub_metrics *hub_metrics_new(struct metrics *m); /* NULL: no memory */
void hub_metrics_free(struct hub_metrics *h);

void hub_metrics_api(struct hub_metrics *h, const struct route *route, bool ok, int64_t took_us);
void hub_metrics_queue_full(struct hub_metrics *h, const char *queue);
/* transitions: in the batch; applied: rows that changed; took_us: the transaction. */
void hub_metrics_batch(
    struct hub_metrics *h, size_t messages, size_t transitions, uint64_t applied, int64_t took_us);
void hub_metrics_redelivered(struct hub_metrics *h);
void hub_metrics_dead_letter(struct hub_metrics *h, const char *reason);
void hub_metrics_superseded(struct hub_metrics *h, uint64_t n);
void hub_metrics_heartbeat(struct hub_metrics *h);
void hub_metrics_stale_epoch(struct hub_metrics *h);
void hub_metrics_hello(struct hub_metrics *h, const char *verdict);
void hub_metrics_refused(struct hub_metrics *h, const char *kind);

#endif
