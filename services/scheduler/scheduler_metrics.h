/* scheduler_metrics: what a scheduler counts (O4). */
#ifndef SCHEDULER_METRICS_H
#define SCHEDULER_METRICS_H

#include "metrics.h"

enum scheduler_queue {
#define QUEUE_ROW(name, text, bound, what) SCHEDULER_QUEUE_##name,
#include "scheduler_queues.def"
	SCHEDULER_QUEUES
};

struct scheduler_metrics {
#define METRIC_ROW(field, type, name, help) struct metric *field;
#define METRIC_FAMILY_ROW(field, type, name, label, help) struct metric_family *field;
#include "scheduler_metrics.def"
	struct metric *queues[SCHEDULER_QUEUES];
	/* Members of commands and stage_seconds. */
	struct metric *written, *published, *unaccepted, *dead;
	struct metric *placed_seconds, *published_seconds, *accepted_seconds, *running_seconds;
};

/* NULL: no memory. */
struct scheduler_metrics *scheduler_metrics_new(struct metrics *m);
void scheduler_metrics_free(struct scheduler_metrics *m);

struct store_census;
/* NULL: this replica does not know. */
void scheduler_metrics_census(struct scheduler_metrics *m, const struct store_census *c);

#endif
