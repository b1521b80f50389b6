#include "place.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "crash.h"
#include "err.h"
#include "fleet.h"
#include "leases.h"
#include "log.h"
#include "plan.h"
#include "publisher.h"
#include "scheduler.h"
#include "scheduler_metrics.h"
#include "store.h"
#include "wants.h"
#include "worker.h"

#define LOOK_MS 1000 /* without a nudge */
#define RETRY_MS 50  /* after a batch that was refused, or a lost connection */
#define IMAGE_US SECOND_US
#define BATCH 64
#define PASSES_MAX 8 /* of STORE_QUEUE_LIMIT each, before nudges and leases are looked at */

struct place {
	struct scheduler *scheduler;
	const char *pool;
	char lease_name[LEASE_NAME_BYTES + 16];
	struct worker *worker;
	struct store *store;
	struct arena *arena;
	struct fleet *fleet;
	struct store_lease lease; /* of this round */
	atomic_bool freed;
	_Atomic uint64_t placed, waiting;
	_Atomic int64_t last_pass_us;
};

/* One look at up to STORE_QUEUE_LIMIT executors. */
struct pass {
	struct store_queued *queued;
	struct plan_want *wants;
	struct plan_result *results;
	size_t n;
	size_t planned, placed, waiting;
};

/* ---- one batch ---- */

static int
batch_place(struct place *p, const struct store_placement *batch, size_t n, size_t *ret_placed,
    struct err *err)
{
	struct scheduler *s = p->scheduler;
	struct store_message *messages = NULL;
	size_t count = 0;
	int64_t from_us = clock_mono_us(clock_system());

	crash_point("scheduler.place.before_commit");
	if (store_place(p->store, &p->lease, p->pool, batch, n, p->arena, &messages, &count,
		ret_placed, err) != 0)
		return -1;
	crash_point("scheduler.place.after_commit");
	publisher_send(s->publisher, messages, count);
	metric_observe_us(s->metrics->place_seconds, clock_mono_us(clock_system()) - from_us);
	metric_add(s->metrics->placed, *ret_placed);
	atomic_fetch_add(&p->placed, *ret_placed);
	return 0;
}

/* A batch that was refused whole (somebody moved) is tried one by one: one executor must not hold
 * up its neighbours. */
static int
batch_place_singly(struct place *p, const struct store_placement *batch, size_t n,
    size_t *ret_placed, struct err *err)
{
	*ret_placed = 0;
	for (size_t i = 0; i < n; i++) {
		size_t one = 0;

		if (batch_place(p, &batch[i], 1, &one, err) == 0)
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
batch_send(struct place *p, struct pass *pass, const struct store_placement *batch, size_t n,
    struct err *err)
{
	size_t placed = 0;

	if (n == 0)
		return 0;
	if (batch_place(p, batch, n, &placed, err) != 0) {
		if (err->kind != ERR_CONFLICT && err->kind != ERR_INVALID &&
		    err->kind != ERR_INTERNAL)
			return -1;
		if (batch_place_singly(p, batch, n, &placed, err) != 0)
			return -1;
	}
	pass->placed += placed;
	if (placed < n) {
		metric_add(p->scheduler->metrics->place_refused, n - placed);
		fleet_forget(p->fleet);
	}
	return 0;
}

/* ---- one pass ---- */

static int
pass_commit(struct place *p, struct pass *pass, struct err *err)
{
	struct store_placement batch[BATCH];
	struct plan_host *hosts;
	size_t host_count, n = 0;

	hosts = fleet_hosts(p->fleet, &host_count);
	for (size_t i = 0; i < pass->n; i++) {
		const struct store_queued *q = &pass->queued[i];

		if (pass->results[i].host == PLAN_NO_HOST)
			continue;
		pass->planned++;
		batch[n++] = (struct store_placement){.executor_id = q->executor_id,
		    .host_id = hosts[pass->results[i].host].host_id,
		    .resources = q->resources,
		    .accept_timeout_ms = q->accept_timeout_ms,
		    .queued = q};
		if (n < BATCH)
			continue;
		if (batch_send(p, pass, batch, n, err) != 0)
			return -1;
		n = 0;
	}
	return batch_send(p, pass, batch, n, err);
}

static int
pass_explain(struct place *p, struct pass *pass, struct err *err)
{
	struct store_waiting *waiting = arena_calloc(p->arena, pass->n + 1, sizeof(*waiting));

	if (!waiting)
		return err_set(err, ERR_LIMIT, "no memory for reasons");
	for (size_t i = 0; i < pass->n; i++) {
		if (pass->results[i].host != PLAN_NO_HOST)
			continue;
		if (wants_explain(&pass->results[i], &pass->queued[i].executor_id, p->arena,
			&waiting[pass->waiting++], err) != 0)
			return -1;
	}
	if (pass->waiting == 0)
		return 0;
	return store_queue_why(p->store, &p->lease, waiting, pass->waiting, err);
}

/* Would the plan find a host for somebody, were the image not this old? */
static bool
image_doubted(const struct place *p, const struct pass *pass)
{
	for (size_t i = 0; i < pass->n; i++) {
		if (pass->results[i].host == PLAN_NO_HOST)
			return fleet_age_us(p->fleet) > RETRY_MS * MS_US;
	}
	return false;
}

static int
pass_plan(struct place *p, struct pass *pass, struct err *err)
{
	struct plan_host *hosts;
	size_t n;

	pass->results = arena_calloc(p->arena, pass->n + 1, sizeof(*pass->results));
	if (!pass->results)
		return err_set(err, ERR_LIMIT, "no memory for a plan");
	hosts = fleet_hosts(p->fleet, &n);
	plan(hosts, n, pass->wants, pass->n, fleet_cursor(p->fleet), pass->results);
	return 0;
}

static int
pass_run(struct place *p, struct pass *pass, struct err *err)
{
	if (wants_of(pass->queued, pass->n, p->arena, &pass->wants, err) != 0)
		return -1;
	if (fleet_age_us(p->fleet) > IMAGE_US && fleet_load(p->fleet, p->store, p->pool, err) != 0)
		return -1;
	if (pass_plan(p, pass, err) != 0)
		return -1;
	if (image_doubted(p, pass)) {
		/* Planning raised `used` of an image that is thrown away here. */
		if (fleet_load(p->fleet, p->store, p->pool, err) != 0 ||
		    pass_plan(p, pass, err) != 0)
			return -1;
	}
	if (pass_commit(p, pass, err) != 0)
		return -1;
	return pass_explain(p, pass, err);
}

/* ---- rounds ---- */

/* From the head of the queue past those that do not fit.  *ret_again: something was planned but not
 * made, or there is more. */
static int
round_run(struct place *p, bool *ret_again, struct err *err)
{
	uint64_t position = 0, waiting = 0;

	*ret_again = false;
	for (int i = 0; i < PASSES_MAX; i++) {
		struct pass pass = {0};

		arena_reset(p->arena);
		if (store_queue_load(p->store, p->pool, position, p->arena, &pass.queued, &pass.n,
			&position, err) != 0)
			return -1;
		if (pass.n == 0)
			break;
		if (pass_run(p, &pass, err) != 0)
			return -1;
		waiting += pass.waiting;
		*ret_again = *ret_again || pass.placed < pass.planned;
		if (pass.n < STORE_QUEUE_LIMIT)
			break;
		if (i == PASSES_MAX - 1 && pass.placed > 0)
			*ret_again = true;
	}
	atomic_store(&p->waiting, waiting);
	atomic_store(&p->last_pass_us, clock_real_us(clock_system()));
	metric_set(metric_of(p->scheduler->metrics->waiting, p->pool), (int64_t)waiting);
	return 0;
}

/* How long to wait for a nudge. */
static int
round_try(struct place *p)
{
	struct err err = {0};
	bool again = false;

	if (!leases_get(p->scheduler->leases, p->lease_name, &p->lease)) {
		fleet_forget(p->fleet);
		return LOOK_MS;
	}
	if (atomic_exchange(&p->freed, false))
		fleet_forget(p->fleet);
	if (round_run(p, &again, &err) == 0)
		return again ? RETRY_MS : LOOK_MS;
	fleet_forget(p->fleet);
	if (err.kind == ERR_DENIED)
		leases_lost(p->scheduler->leases, &p->lease);
	metric_add(metric_of(p->scheduler->metrics->errors, "place"), 1);
	log_warn("place.failed", LOG_STR("pool", p->pool), LOG_ERR(&err));
	return RETRY_MS * 4;
}

static void
run(struct worker *w, void *arg)
{
	struct place *p = arg;

	while (worker_wait(w, round_try(p)))
		;
}

/* ---- life ---- */

int
place_start(struct scheduler *s, const char *pool, struct place **ret, struct err *err)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(err, ERR_INTERNAL, "no memory for a pool");
	p->scheduler = s;
	p->pool = pool;
	lease_of_pool(pool, p->lease_name);
	p->arena = arena_new(0);
	p->fleet = fleet_new();
	if (!p->arena || !p->fleet)
		err_set(err, ERR_INTERNAL, "no memory for a pool");
	else if (scheduler_store_new(s, "place", &p->store, err) == 0)
		p->worker = worker_start("place", run, p, err);
	if (!p->worker) {
		place_free(p);
		return -1;
	}
	*ret = p;
	return 0;
}

void
place_wake(struct place *p)
{
	worker_wake(p->worker);
}

void
place_wake_freed(struct place *p)
{
	atomic_store(&p->freed, true);
	worker_wake(p->worker);
}

void
place_status(struct place *p, struct place_status *ret)
{
	*ret = (struct place_status){.placed = atomic_load(&p->placed),
	    .waiting = atomic_load(&p->waiting),
	    .last_pass_us = atomic_load(&p->last_pass_us)};
}

void
place_stop(struct place *p)
{
	if (p)
		worker_stop(p->worker);
}

void
place_free(struct place *p)
{
	if (!p)
		return;
	worker_free(p->worker);
	store_free(p->store);
	fleet_free(p->fleet);
	arena_free(p->arena);
	free(p);
}
