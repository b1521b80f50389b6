#include "hub_metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "metrics.h"
#include "route.h"

struct hub_metrics {
	struct metric_family *api_requests, *api_errors, *api_seconds;
	struct metric_family *queue_full, *dead_letters, *hellos, *refused;
	struct metric *messages, *transitions, *applied, *batch_seconds;
	struct metric *redelivered, *superseded, *heartbeats, *stale_epochs;
};

struct hub_metrics *
hub_metrics_new(struct metrics *m)
{
	struct hub_metrics *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->api_requests = metrics_family(m, METRIC_COUNTER, "fairlead_hub_api_requests_total",
	    "API requests by endpoint", "endpoint");
	h->api_errors = metrics_family(m, METRIC_COUNTER, "fairlead_hub_api_errors_total",
	    "API requests answered with an error, by endpoint", "endpoint");
	h->api_seconds = metrics_family(m, METRIC_HISTOGRAM, "fairlead_hub_api_seconds",
	    "time to answer, by endpoint", "endpoint");
	h->queue_full = metrics_family(m, METRIC_COUNTER, "fairlead_hub_queue_full_total",
	    "times a bounded queue was full, by queue", "queue");
	h->dead_letters = metrics_family(m, METRIC_COUNTER, "fairlead_hub_dead_letters_total",
	    "messages put aside, by reason", "reason");
	h->hellos = metrics_family(
	    m, METRIC_COUNTER, "fairlead_hub_hellos_total", "hellos by verdict", "verdict");
	h->refused = metrics_family(m, METRIC_COUNTER, "fairlead_hub_refused_total",
	    "messages of hosts that were refused, by kind", "kind");
	h->messages = metrics_counter(
	    m, "fairlead_hub_report_messages_total", "report messages committed and acknowledged");
	h->transitions = metrics_counter(
	    m, "fairlead_hub_report_transitions_total", "executor reports read from messages");
	h->applied = metrics_counter(
	    m, "fairlead_hub_report_applied_total", "executor rows that a report changed");
	h->batch_seconds = metrics_histogram(
	    m, "fairlead_hub_report_batch_seconds", "time of one report transaction");
	h->redelivered = metrics_counter(
	    m, "fairlead_hub_report_redeliveries_total", "report messages delivered again");
	h->superseded = metrics_counter(
	    m, "fairlead_hub_report_superseded_total", "reports of a superseded journal, dropped");
	h->heartbeats = metrics_counter(m, "fairlead_hub_heartbeats_total", "heartbeats heard");
	h->stale_epochs = metrics_counter(m, "fairlead_hub_stale_epochs_total",
	    "heartbeats and requests answered with hello required");
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
hub_metrics_queue_full(struct hub_metrics *h, const char *queue)
{
	if (h)
		metric_add(metric_of(h->queue_full, queue), 1);
}

void
hub_metrics_batch(
    struct hub_metrics *h, size_t messages, size_t transitions, uint64_t applied, int64_t took_us)
{
	if (!h)
		return;
	metric_add(h->messages, messages);
	metric_add(h->transitions, transitions);
	metric_add(h->applied, applied);
	metric_observe_us(h->batch_seconds, took_us);
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
hub_metrics_superseded(struct hub_metrics *h, uint64_t n)
{
	if (h && n > 0)
		metric_add(h->superseded, n);
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
