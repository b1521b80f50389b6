#include "watch.h"

#include <stdlib.h>

#include "bus.h"
#include "clock.h"
#include "err.h"
#include "heartbeat.h"
#include "host_requests.h"
#include "hub.h"
#include "hub_bounds.h"
#include "hub_metrics.h"
#include "judge.h"
#include "liveness.h"
#include "log.h"
#include "streams.h"
#include "worker.h"

struct watch {
	struct hub *hub;
	struct watch_parts parts;
	struct worker *worker;
};

/* The oldest report that no hub has acknowledged says how late the rows are.  Every hub says so, of
 * the one consumer they share: any of them may be gone. */
static void
lag_look(struct watch *w)
{
	struct bus_consumer_state state;
	struct err err = {0};
	int64_t oldest_us = 0;

	if (bus_consumer_state(w->hub->bus, STREAM_REPORTS, CONSUMER_HUB_REPORTS, &state, &err) !=
	    0) {
		log_debug("watch.lag_unknown", LOG_ERR(&err));
		return;
	}
	if (state.oldest_us > 0)
		oldest_us = clock_real_us(clock_system()) - state.oldest_us;
	hub_metrics_lag(w->hub->metrics, state.waiting + state.unacked, oldest_us);
}

static void
queues_look(struct watch *w)
{
	struct hub_metrics *m = w->hub->metrics;
	const struct watch_parts *p = &w->parts;

	hub_metrics_queue_full_count(
	    m, HUB_QUEUE_HEARTBEATS_HEARD, heartbeat_dropped(p->heartbeat));
	hub_metrics_queue_full_count(
	    m, HUB_QUEUE_HEARTBEATS_BUS, heartbeat_questions_dropped(p->heartbeat));
	hub_metrics_queue_full_count(
	    m, HUB_QUEUE_HOST_REQUESTS_BUS, host_requests_dropped(p->host_requests));
	hub_metrics_queue_full_count(m, HUB_QUEUE_DISCONNECTS, judge_dropped(p->judge));
	hub_metrics_queue_full_count(m, HUB_QUEUE_HOSTS, liveness_forgotten(w->hub->liveness));
}

static void
run(struct worker *worker, void *arg)
{
	struct watch *w = arg;

	do {
		queues_look(w);
		lag_look(w);
	} while (worker_wait(worker, WATCH_MS));
}

int
watch_start(struct hub *h, const struct watch_parts *parts, struct watch **ret, struct err *err)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return err_set(err, ERR_INTERNAL, "no memory to watch the intake");
	w->hub = h;
	w->parts = *parts;
	w->worker = worker_start("watch", run, w, err);
	if (!w->worker) {
		watch_stop(w);
		return -1;
	}
	*ret = w;
	return 0;
}

void
watch_stop(struct watch *w)
{
	if (!w)
		return;
	worker_free(w->worker);
	free(w);
}
