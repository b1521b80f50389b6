/* scheduler_metrics: what a scheduler counts. */
#ifndef SCHEDULER_METRICS_H
#define SCHEDULER_METRICS_H

#include "metrics.h"

struct scheduler_metrics {
	struct metric *placed, *place_seconds, *place_refused;
	struct metric *messages, *publish_seconds, *retries, *overflow, *resent, *in_flight;
	struct metric *ended, *gone, *intents, *expired, *closed, *events, *removed;
	struct metric_family *waiting; /* by pool: queued executors without a host */
	struct metric_family *lease;   /* by lease: 1 held, 0 not */
	struct metric_family *errors;  /* by worker */
};

/* NULL: no memory. */
struct scheduler_metrics *scheduler_metrics_new(struct metrics *m);
void scheduler_metrics_free(struct scheduler_metrics *m);

#endif
