#include "round.h"

#include "arena.h"
#include "clock.h"
#include "crash.h"
#include "err.h"
#include "fleet.h"
#include "log.h"
#include "plan.h"
#include "scheduler.h"
#include "scheduler_metrics.h"
#include "wants.h"

#define IMAGE_US SECOND_US
#define BATCH 64
#define PASSES_MAX 8 /* of STORE_QUEUE_LIMIT each, before nudges and leases are looked at */

/* One look at up to STORE_QUEUE_LIMIT executors. */
struct pass {
	struct store_queued *queued;
	struct plan_want *wants;
	struct plan_result *results;
	size_t n;
	size_t planned, placed, waiting;
	bool refused; /* a batch was, in part or whole */
};

/* ---- one batch ---- */

/* Messages hold those that were placed; nearly always all of the batch. */
static bool
is_placed(const struct id *executor_id, const struct store_message *messages, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < messages[i].item_count; k++) {
			if (id_equal(&messages[i].items[k].executor_id, executor_id))
				return true;
		}
	}
	return false;
}

static void
batch_observe(const struct round *r, const struct store_placement *batch, size_t n,
    const struct store_message *messages, size_t message_count, size_t placed)
{
	int64_t since_load_us = clock_mono_us(clock_system()) - r->loaded_us;

	for (size_t i = 0; i < n; i++) {
		if (placed == n || is_placed(&batch[i].executor_id, messages, message_count))
			metric_observe_us(r->scheduler->metrics->placed_seconds,
			    batch[i].queued->waited_us + since_load_us);
	}
}

static int
batch_place(struct round *r, const struct store_placement *batch, size_t n, size_t *ret_placed,
    struct err *err)
{
	struct scheduler *s = r->scheduler;
	struct store_message *messages = NULL;
	size_t count = 0;
	int64_t from_us = clock_mono_us(clock_system());

	crash_point("scheduler.place.before_commit");
	if (store_place(r->store, &r->lease, r->pool, batch, n, r->arena, &messages, &count,
		ret_placed, err) != 0)
		return -1;
	crash_point("scheduler.place.after_commit");
	scheduler_send(s, messages, count);
	metric_observe_us(s->metrics->place_seconds, clock_mono_us(clock_system()) - from_us);
	metric_add(s->metrics->placed, *ret_placed);
	batch_observe(r, batch, n, messages, count, *ret_placed);
	r->placed += *ret_placed;
	return 0;
}

/* A batch that was refused whole (somebody moved) is tried one by one: one executor must not hold
 * up its neighbours. */
static int
batch_place_singly(struct round *r, const struct store_placement *batch, size_t n,
    size_t *ret_placed, struct err *err)
{
	*ret_placed = 0;
	for (size_t i = 0; i < n; i++) {
		size_t one = 0;

		if (batch_place(r, &batch[i], 1, &one, err) == 0)
			*ret_placed += one;
		else if (err->kind != ERR_CONFLICT && err->kind != ERR_INVALID &&
			 err->kind != ERR_INTERNAL)
			return -1;
		else
			log_warn("place.refused", LOG_ID("executor", &batch[i].executor_id),
			    LOG_STR("host", batch[i].host_id), LOG_ERR(err));
	}
	return 0;
}

static int
batch_send(struct round *r, struct pass *pass, const struct store_placement *batch, size_t n,
    struct err *err)
{
	size_t placed = 0;

	if (n == 0)
		return 0;
	if (batch_place(r, batch, n, &placed, err) != 0) {
		if (err->kind != ERR_CONFLICT && err->kind != ERR_INVALID &&
		    err->kind != ERR_INTERNAL)
			return -1;
		if (batch_place_singly(r, batch, n, &placed, err) != 0)
			return -1;
	}
	pass->placed += placed;
	if (placed < n) {
		pass->refused = true;
		metric_add(r->scheduler->metrics->place_refused, n - placed);
		fleet_forget(r->fleet);
	}
	return 0;
}

/* ---- one pass ---- */

static int
pass_commit(struct round *r, struct pass *pass, struct err *err)
{
	const struct plan_host *hosts = fleet_image(r->fleet)->hosts;
	struct store_placement batch[BATCH];
	size_t n = 0;

	for (size_t i = 0; i < pass->n; i++) {
		const struct store_queued *q = &pass->queued[i];

		if (pass->results[i].host == PLAN_NO_HOST)
			continue;
		pass->planned++;
		/* A spread was planned on top of what was refused: it is planned again. */
		if (pass->refused && pass->wants[i].shape->spread_by)
			continue;
		batch[n++] = (struct store_placement){.executor_id = q->executor_id,
		    .host_id = hosts[pass->results[i].host].host_id,
		    .resources = q->resources,
		    .accept_timeout_ms = q->accept_timeout_ms,
		    .queued = q};
		if (n < BATCH)
			continue;
		if (batch_send(r, pass, batch, n, err) != 0)
			return -1;
		n = 0;
	}
	return batch_send(r, pass, batch, n, err);
}

static int
pass_explain(struct round *r, struct pass *pass, struct err *err)
{
	struct store_waiting *waiting = arena_calloc(r->arena, pass->n + 1, sizeof(*waiting));

	if (!waiting)
		return err_set(err, ERR_LIMIT, "no memory for reasons");
	for (size_t i = 0; i < pass->n; i++) {
		if (pass->results[i].host != PLAN_NO_HOST)
			continue;
		if (wants_explain(&pass->results[i], &pass->queued[i].executor_id, r->arena,
			&waiting[pass->waiting++], err) != 0)
			return -1;
	}
	if (pass->waiting == 0)
		return 0;
	return store_queue_why(r->store, &r->lease, waiting, pass->waiting, err);
}

/* Would the plan find a host for somebody, were the image not this old? */
static bool
image_doubted(const struct round *r, const struct pass *pass)
{
	for (size_t i = 0; i < pass->n; i++) {
		if (pass->results[i].host == PLAN_NO_HOST)
			return fleet_age_us(r->fleet) > ROUND_AGAIN_MS * MS_US;
	}
	return false;
}

static int
pass_plan(struct round *r, struct pass *pass, struct err *err)
{
	pass->results = arena_calloc(r->arena, pass->n + 1, sizeof(*pass->results));
	if (!pass->results)
		return err_set(err, ERR_LIMIT, "no memory for a plan");
	if (fleet_attend(r->fleet, r->store, pass->queued, pass->wants, pass->n, err) != 0)
		return -1;
	return plan(fleet_image(r->fleet), pass->wants, pass->n, pass->results, err);
}

static int
pass_run(struct round *r, struct pass *pass, struct err *err)
{
	if (wants_of(pass->queued, pass->n, r->arena, &pass->wants, err) != 0)
		return -1;
	if (fleet_age_us(r->fleet) > IMAGE_US && fleet_load(r->fleet, r->store, r->pool, err) != 0)
		return -1;
	if (pass_plan(r, pass, err) != 0)
		return -1;
	if (image_doubted(r, pass)) {
		/* Planning raised `used` of an image that is thrown away here. */
		if (fleet_load(r->fleet, r->store, r->pool, err) != 0 ||
		    pass_plan(r, pass, err) != 0)
			return -1;
	}
	if (pass_commit(r, pass, err) != 0)
		return -1;
	return pass_explain(r, pass, err);
}

/* ---- one round ---- */

/* From the head of the queue past those that do not fit. */
int
round_run(struct round *r, bool *ret_again, struct err *err)
{
	uint64_t position = 0, waiting = 0;

	*ret_again = false;
	for (int i = 0; i < PASSES_MAX; i++) {
		struct pass pass = {0};

		arena_reset(r->arena);
		if (store_queue_load(r->store, r->pool, position, r->arena, &pass.queued, &pass.n,
			&position, err) != 0)
			return -1;
		r->loaded_us = clock_mono_us(clock_system());
		if (pass.n == 0)
			break;
		if (pass_run(r, &pass, err) != 0)
			return -1;
		waiting += pass.waiting;
		*ret_again = *ret_again || pass.placed < pass.planned;
		if (pass.n < STORE_QUEUE_LIMIT)
			break;
		if (i == PASSES_MAX - 1 && pass.placed > 0)
			*ret_again = true;
	}
	r->waiting = waiting;
	metric_set(metric_of(r->scheduler->metrics->waiting, r->pool), (int64_t)waiting);
	return 0;
}
