/* duties: what a scheduler does besides placing, a function and a row each. */
#include "crash.h"
#include "duty.h"
#include "err.h"
#include "leases.h"
#include "log.h"
#include "metrics.h"
#include "publisher.h"
#include "scheduler.h"
#include "scheduler_metrics.h"
#include "store.h"

/* The bus has not acknowledged it since its commit: its publisher died, or will send the same id.
 */
#define UNSENT_AFTER_MS 1000
#define SWEEP_LIMIT 64
#define EVENTS_LIMIT 1000
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
	*ret_done = r.intents + r.ended + r.gone + r.closed_sessions + r.message_count;
	*ret_more = r.more;
	if (*ret_done == 0)
		return 0;
	crash_point("scheduler.fold.after_commit");
	publisher_send(s->publisher, r.messages, r.message_count);
	metric_add(s->metrics->intents, r.intents);
	metric_add(s->metrics->ended, r.ended);
	metric_add(s->metrics->gone, r.gone);
	metric_add(s->metrics->closed, r.closed_sessions);
	if (r.ended + r.gone > 0 && c->freed)
		c->freed(c->arg);
	return 0;
}

/* RUNs that nobody accepted in time (K13). */
static int
expire(struct duty_call *c, size_t *ret_done, bool *ret_more, struct err *err)
{
	struct scheduler *s = c->scheduler;
	struct store_message *messages;
	size_t n;

	crash_point("scheduler.expire.before_commit");
	if (store_expire(c->store, c->lease, c->pool, c->arena, &messages, &n, ret_done, err) != 0)
		return -1;
	if (*ret_done == 0)
		return 0;
	crash_point("scheduler.expire.after_commit");
	publisher_send(s->publisher, messages, n);
	metric_add(s->metrics->expired, *ret_done);
	log_warn("executors.expired", LOG_STR("pool", c->pool), LOG_UINT("executors", *ret_done));
	*ret_more = true;
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
	publisher_send(s->publisher, messages, n);
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

static int
events(struct duty_call *c, size_t *ret_done, bool *ret_more, struct err *err)
{
	crash_point("scheduler.events.before_commit");
	if (store_event_publish(c->store, c->lease, EVENTS_LIMIT, ret_done, err) != 0)
		return -1;
	crash_point("scheduler.events.after_commit");
	metric_add(c->scheduler->metrics->events, *ret_done);
	*ret_more = *ret_done >= EVENTS_LIMIT;
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
    {.name = "sweep", .of_pool = true, .active_ms = 1000, .idle_ms = 1000, .run = sweep},
    {.name = "counters",
	.lease = LEASE_COUNTERS,
	.active_ms = 500,
	.idle_ms = 1000,
	.run = counters},
    {.name = "events", .lease = LEASE_EVENTS, .active_ms = 100, .idle_ms = 1000, .run = events},
    {.name = "retention",
	.lease = LEASE_RETENTION,
	.active_ms = 60000,
	.idle_ms = 600000,
	.run = retention},
};
const size_t duty_row_count = sizeof(duty_rows) / sizeof(duty_rows[0]);
