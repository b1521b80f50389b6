/* duties: what a scheduler does besides placing, a function and a row each. */
#include "crash.h"
#include "duty.h"
#include "err.h"
#include "event_stream.h"
#include "leadership.h"
#include "leases.h"
#include "log.h"
#include "metrics.h"
#include "scheduler.h"
#include "scheduler_bounds.h"
#include "scheduler_metrics.h"
#include "store.h"

/* The bus has not acknowledged it since its commit: its publisher died, or will send the same id.
 */
#define UNSENT_AFTER_MS 1000
#define RETAIN_BATCH 1000

/* Intents, ended and gone executors, closed sessions (K9, K16). */
static int
fold(struct duty_call *c, size_t *ret_done, bool *ret_more, struct err *err)
{
	struct scheduler *s = c->scheduler;
	struct store_fold_result r;

	crash_point("scheduler.fold.before_commit");
	if (store_fold(
		c->store, c->lease, c->pool, s->settings.absent_after_ms, c->arena, &r, err) != 0)
		return -1;
	*ret_done = r.intents + r.ended + r.gone + r.closed_sessions + r.message_count + r.replaced;
	*ret_more = r.more;
	if (*ret_done == 0)
		return 0;
	crash_point("scheduler.fold.after_commit");
	scheduler_send(s, r.messages, r.message_count);
	metric_add(s->metrics->intents, r.intents);
	metric_add(s->metrics->ended, r.ended);
	metric_add(s->metrics->gone, r.gone);
	metric_add(s->metrics->closed, r.closed_sessions);
	metric_add(s->metrics->replaced, r.replaced);
	if (r.ended + r.gone + r.replaced > 0 && c->freed)
		c->freed(c->arg);
	return 0;
}

/* What cannot expire and nobody answers: no longer sent, but told to a host that asks (K8, K11). */
static int
exhaust(struct duty_call *c, size_t *ret_dead, struct err *err)
{
	struct scheduler *s = c->scheduler;

	crash_point("scheduler.exhaust.before_commit");
	if (store_exhaust(c->store, c->lease, c->pool, s->settings.deliveries_max,
		s->settings.ack_deadline_ms, ret_dead, err) != 0)
		return -1;
	if (*ret_dead == 0)
		return 0;
	crash_point("scheduler.exhaust.after_commit");
	metric_add(s->metrics->dead, *ret_dead);
	log_warn("commands.dead", LOG_STR("pool", c->pool), LOG_UINT("commands", *ret_dead));
	return 0;
}

/* RUNs that nobody accepted in time (K13), and what is dead. */
static int
expire(struct duty_call *c, size_t *ret_done, bool *ret_more, struct err *err)
{
	struct scheduler *s = c->scheduler;
	struct store_message *messages;
	size_t n, dead = 0;

	if (exhaust(c, &dead, err) != 0)
		return -1;
	crash_point("scheduler.expire.before_commit");
	if (store_expire(c->store, c->lease, c->pool, c->arena, &messages, &n, ret_done, err) != 0)
		return -1;
	*ret_more = *ret_done + dead > 0;
	if (*ret_done > 0) {
		crash_point("scheduler.expire.after_commit");
		scheduler_send(s, messages, n);
		metric_add(s->metrics->expired, *ret_done);
		metric_add(s->metrics->unaccepted, *ret_done);
		log_warn("executors.expired", LOG_STR("pool", c->pool),
		    LOG_UINT("executors", *ret_done));
	}
	*ret_done += dead;
	return 0;
}

/* Hosts that stay away: their executors are given up and replaced (K22-K24). */
static int
lost(struct duty_call *c, size_t *ret_done, bool *ret_more, struct err *err)
{
	struct scheduler *s = c->scheduler;
	struct store_lost_result r;

	crash_point("scheduler.lost.before_commit");
	if (store_lost(
		c->store, c->lease, c->pool, s->settings.verdict_grace_ms, c->arena, &r, err) != 0)
		return -1;
	*ret_done = r.granted + r.held + r.executors + r.replaced;
	*ret_more = r.more;
	if (*ret_done == 0)
		return 0;
	crash_point("scheduler.lost.after_commit");
	scheduler_send(s, r.messages, r.message_count);
	metric_add(s->metrics->verdicts_granted, r.granted);
	metric_add(s->metrics->verdicts_held, r.held);
	metric_add(s->metrics->lost, r.executors);
	metric_add(s->metrics->replaced, r.replaced);
	log_warn("hosts.away", LOG_STR("pool", c->pool), LOG_UINT("given_up", r.granted),
	    LOG_UINT("held", r.held), LOG_UINT("executors", r.executors),
	    LOG_UINT("replaced", r.replaced));
	if (r.replaced > 0 && c->freed)
		c->freed(c->arg);
	return 0;
}

/* Rollouts and drains, a disruption budget at a time (E11, P4). */
static int
displace(struct duty_call *c, size_t *ret_done, bool *ret_more, struct err *err)
{
	struct scheduler *s = c->scheduler;
	struct store_displace_result r;

	crash_point("scheduler.displace.before_commit");
	if (store_displace(c->store, c->lease, c->pool, c->arena, &r, err) != 0)
		return -1;
	*ret_done = r.stopped + r.settled + r.paused + r.finished;
	*ret_more = r.more;
	if (*ret_done == 0)
		return 0;
	crash_point("scheduler.displace.after_commit");
	scheduler_send(s, r.messages, r.message_count);
	metric_add(s->metrics->displaced, r.stopped);
	if (r.paused > 0)
		log_warn(
		    "rollouts.paused", LOG_STR("pool", c->pool), LOG_UINT("sessions", r.paused));
	if (r.stopped > 0 && c->freed)
		c->freed(c->arg);
	return 0;
}

/* What a crash, or a bus that forgot, left unpublished or unaccepted (K10).  By every replica. */
static int
sweep(struct duty_call *c, size_t *ret_done, bool *ret_more, struct err *err)
{
	struct scheduler *s = c->scheduler;
	struct store_message *messages;
	uint32_t after_ms = s->settings.ack_deadline_ms;
	size_t n;

	if (store_outbox_sweep(c->store, c->pool, UNSENT_AFTER_MS, after_ms, SWEEP_LIMIT, c->arena,
		&messages, &n, err) != 0)
		return -1;
	crash_point("scheduler.sweep.before_publish");
	scheduler_send_again(s, messages, n);
	*ret_done = n;
	*ret_more = n == SWEEP_LIMIT;
	return 0;
}

static int
counters(struct duty_call *c, size_t *ret_done, bool *ret_more, struct err *err)
{
	(void)ret_more;
	crash_point("scheduler.counters.before_commit");
	if (store_fold_counters(c->store, c->lease, ret_done, err) != 0)
		return -1;
	crash_point("scheduler.counters.after_commit");
	return 0;
}

static void
runs_observe(struct scheduler_metrics *m, const struct store_first_runs *runs)
{
	for (size_t i = 0; i < runs->n; i++) {
		metric_observe_us(m->accepted_seconds, runs->accepted_us[i]);
		metric_observe_us(m->running_seconds, runs->running_us[i]);
	}
}

/* Facts get their numbers, then the stream gets the events, out of the rows.  Its end is known
 * before anything is numbered: a stream that has numbers which the rows have not yet given is
 * noticed. */
static int
events(struct duty_call *c, size_t *ret_done, bool *ret_more, struct err *err)
{
	struct event_stream *stream = c->scheduler->event_stream;
	struct scheduler_metrics *m = c->scheduler->metrics;
	struct store_first_runs runs = {0};
	uint64_t newest, behind = 0;
	size_t numbered, sent = 0;
	int r = 0;

	if (stream && event_stream_lead(stream, c->lease->epoch, err) != 0)
		return -1;
	crash_point("scheduler.events.before_commit");
	if (store_event_publish(c->store, c->lease, c->arena, &numbered, &newest, &runs, err) != 0)
		return -1;
	crash_point("scheduler.events.after_commit");
	metric_add(m->events, numbered);
	runs_observe(m, &runs);
	if (stream)
		r = event_stream_check(stream, newest - numbered, err);
	if (stream && r == 0)
		r = event_stream_fill(stream, c->store, newest, &sent, &behind, err);
	metric_add(m->events_published, sent);
	metric_set(m->events_unpublished, (int64_t)behind);
	*ret_done = numbered + sent;
	*ret_more = numbered >= STORE_EVENTS_AT_ONCE || (sent > 0 && behind > 0);
	return r;
}

/* Gauges of the whole cell, said by one: who loses the lease says nothing any more. */
static int
census(struct duty_call *c, size_t *ret_done, bool *ret_more, struct err *err)
{
	struct store_census census;
	struct store_lease lease;

	(void)ret_done;
	(void)ret_more;
	if (store_census(c->store, &census, err) != 0)
		return -1;
	scheduler_metrics_census(c->scheduler->metrics, &census);
	/* Lost meanwhile: leadership has said so before we wrote. */
	if (!leases_get(c->scheduler->leases, c->lease->name, &lease))
		scheduler_metrics_census(c->scheduler->metrics, NULL);
	return 0;
}

static int
retention(struct duty_call *c, size_t *ret_done, bool *ret_more, struct err *err)
{
	const struct store_retention r = {
	    .keep_ms = c->scheduler->settings.retention_ms, .batch = RETAIN_BATCH};
	uint64_t removed = 0;

	if (store_retain(c->store, c->lease, &r, &removed, ret_more, err) != 0)
		return -1;
	metric_add(c->scheduler->metrics->removed, removed);
	if (removed > 0)
		log_info("retention.removed", LOG_UINT("rows", removed));
	*ret_done = (size_t)removed;
	return 0;
}

const struct duty_row duty_rows[] = {
    {.name = "fold",
	.of_pool = true,
	.fenced = true,
	.nudged = true,
	.active_ms = 50,
	.idle_ms = 1000,
	.run = fold},
    {.name = "expire",
	.of_pool = true,
	.fenced = true,
	.active_ms = 1000,
	.idle_ms = 1000,
	.run = expire},
    {.name = "lost",
	.of_pool = true,
	.fenced = true,
	.active_ms = 500,
	.idle_ms = 1000,
	.run = lost},
    {.name = "displace",
	.of_pool = true,
	.fenced = true,
	.nudged = true,
	.active_ms = 100,
	.idle_ms = 1000,
	.run = displace},
    {.name = "sweep", .of_pool = true, .active_ms = 1000, .idle_ms = 1000, .run = sweep},
    {.name = "counters",
	.lease = LEASE_COUNTERS,
	.active_ms = 500,
	.idle_ms = 1000,
	.run = counters},
    {.name = "events", .lease = LEASE_EVENTS, .active_ms = 100, .idle_ms = 1000, .run = events},
    {.name = "census",
	.lease = LEASE_COUNTERS,
	.observes = true,
	.active_ms = CENSUS_MS,
	.idle_ms = CENSUS_MS,
	.run = census},
    {.name = "retention",
	.lease = LEASE_RETENTION,
	.active_ms = 60000,
	.idle_ms = 600000,
	.run = retention},
};
const size_t duty_row_count = sizeof(duty_rows) / sizeof(duty_rows[0]);
