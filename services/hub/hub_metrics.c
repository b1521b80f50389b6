#include "hub_metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "metrics.h"
#include "route.h"

struct hub_metrics {
#define METRIC_ROW(field, type, name, help) struct metric *field;
#define METRIC_FAMILY_ROW(field, type, name, label, help) struct metric_family *field;
#include "hub_metrics.def"
	struct metric *queues[HUB_QUEUES];
	struct metric *accepted, *rejected; /* members of commands */
};

static const char *const queue_names[HUB_QUEUES] = {
#define QUEUE_ROW(name, text, bound, what) [HUB_QUEUE_##name] = (text),
#include "hub_queues.def"
};

struct hub_metrics *
hub_metrics_new(struct metrics *m)
{
	struct hub_metrics *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
#define METRIC_ROW(field, type, name, help)                                                        \
	h->field = metric_of(metrics_family(m, METRIC_##type, name, help, NULL), NULL);
#define METRIC_FAMILY_ROW(field, type, name, label, help)                                          \
	h->field = metrics_family(m, METRIC_##type, name, help, label);
#include "hub_metrics.def"
	/* Each is shown from the start: a queue that was never full is worth knowing. */
	for (size_t i = 0; i < HUB_QUEUES; i++)
		h->queues[i] = metric_of(h->queue_full, queue_names[i]);
	h->accepted = metric_of(h->commands, "accepted");
	h->rejected = metric_of(h->commands, "rejected");
	return h;
}

void
hub_metrics_free(struct hub_metrics *h)
{
	free(h);
}

void
hub_metrics_api(struct hub_metrics *h, const struct route *route, bool ok, int64_t took_us)
{
	char endpoint[64];

	if (!h)
		return;
	snprintf(endpoint, sizeof(endpoint), "%s.%s", route->noun, route->verb);
	metric_add(metric_of(h->api_requests, endpoint), 1);
	if (!ok)
		metric_add(metric_of(h->api_errors, endpoint), 1);
	metric_observe_us(metric_of(h->api_seconds, endpoint), took_us);
}

void
hub_metrics_queue_full(struct hub_metrics *h, enum hub_queue queue)
{
	if (h)
		metric_add(h->queues[queue], 1);
}

void
hub_metrics_queue_full_count(struct hub_metrics *h, enum hub_queue queue, uint64_t count)
{
	if (h)
		metric_add_up_to(h->queues[queue], count);
}

void
hub_metrics_batch(struct hub_metrics *h, const struct hub_batch *b)
{
	if (!h)
		return;
	metric_add(h->messages, b->messages);
	metric_add(h->transitions, b->transitions);
	metric_add(h->applied, b->applied);
	metric_add(h->superseded, b->superseded);
	metric_add(h->unchanged, b->transitions - b->applied - b->superseded);
	metric_add(h->accepted, b->accepted);
	metric_add(h->rejected, b->rejected);
	metric_observe_us(h->batch_seconds, b->took_us);
}

void
hub_metrics_lag(struct hub_metrics *h, uint64_t messages, int64_t oldest_us)
{
	if (!h)
		return;
	metric_set(h->lag_messages, (int64_t)messages);
	metric_set_us(h->lag_seconds, oldest_us);
}

void
hub_metrics_redelivered(struct hub_metrics *h)
{
	if (h)
		metric_add(h->redelivered, 1);
}

void
hub_metrics_dead_letter(struct hub_metrics *h, const char *reason)
{
	if (h)
		metric_add(metric_of(h->dead_letters, reason), 1);
}

void
hub_metrics_heartbeat(struct hub_metrics *h)
{
	if (h)
		metric_add(h->heartbeats, 1);
}

void
hub_metrics_stale_epoch(struct hub_metrics *h)
{
	if (h)
		metric_add(h->stale_epochs, 1);
}

void
hub_metrics_verdicts(struct hub_metrics *h, const char *verdict, size_t hosts)
{
	if (h)
		metric_add(metric_of(h->verdicts, verdict), hosts);
}

void
hub_metrics_digest_differs(struct hub_metrics *h)
{
	if (h)
		metric_add(h->digest_differs, 1);
}

void
hub_metrics_judge(struct hub_metrics *h, bool held)
{
	if (h)
		metric_set(h->judge, held);
}

void
hub_metrics_hello(struct hub_metrics *h, const char *verdict)
{
	if (h)
		metric_add(metric_of(h->hellos, verdict), 1);
}

void
hub_metrics_refused(struct hub_metrics *h, const char *kind)
{
	if (h)
		metric_add(metric_of(h->refused, kind), 1);
}
