#include "scheduler_metrics.h"

#include <stdlib.h>

#define PREFIX "fairlead_scheduler_"

struct scheduler_metrics *
scheduler_metrics_new(struct metrics *m)
{
	struct scheduler_metrics *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->placed = metrics_counter(m, PREFIX "placed_total", "executors placed");
	s->place_seconds =
	    metrics_histogram(m, PREFIX "place_seconds", "time of one placement transaction");
	s->place_refused = metrics_counter(m, PREFIX "place_refused_total",
	    "planned placements that the transaction did not make");
	s->messages = metrics_counter(
	    m, PREFIX "messages_total", "command messages acknowledged by the stream");
	s->publish_seconds = metrics_histogram(
	    m, PREFIX "publish_seconds", "from the commit of a message to its acknowledgement");
	s->retries = metrics_counter(
	    m, PREFIX "publish_retries_total", "publishes repeated with the same Msg-Id");
	s->overflow = metrics_counter(m, PREFIX "publish_overflow_total",
	    "messages left to the sweep because too many were in flight");
	s->resent = metrics_counter(
	    m, PREFIX "resent_total", "messages sent anew because nobody accepted them in time");
	s->in_flight =
	    metrics_gauge(m, PREFIX "publishes_in_flight", "messages without acknowledgement");
	s->ended = metrics_counter(m, PREFIX "ended_total", "ended executors folded");
	s->gone = metrics_counter(m, PREFIX "gone_total", "gone executors folded");
	s->intents = metrics_counter(m, PREFIX "intents_total", "users' intents carried out");
	s->expired = metrics_counter(m, PREFIX "expired_total", "executors expired unaccepted");
	s->closed = metrics_counter(m, PREFIX "sessions_closed_total", "sessions closed");
	s->events = metrics_counter(m, PREFIX "events_total", "events numbered");
	s->removed = metrics_counter(m, PREFIX "retained_removed_total", "rows retention removed");
	s->waiting = metrics_family(m, METRIC_GAUGE, PREFIX "waiting",
	    "queued executors that found no host in the last pass", "pool");
	s->lease = metrics_family(m, METRIC_GAUGE, PREFIX "lease_held", "1 when held", "lease");
	s->errors = metrics_family(
	    m, METRIC_COUNTER, PREFIX "errors_total", "failed rounds by worker", "worker");
	return s;
}

void
scheduler_metrics_free(struct scheduler_metrics *m)
{
	free(m);
}
