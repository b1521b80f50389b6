#include "place.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "arena.h"
#include "clock.h"
#include "err.h"
#include "fleet.h"
#include "leadership.h"
#include "leases.h"
#include "log.h"
#include "round.h"
#include "scheduler.h"
#include "scheduler_bounds.h"
#include "scheduler_metrics.h"
#include "store.h"
#include "worker.h"

#define FAILED_MS 200 /* a lost connection */

struct place {
	char lease_name[LEASE_NAME_BYTES];
	struct worker *worker;
	struct round round;
	atomic_bool freed;
	_Atomic uint64_t placed, waiting;
	_Atomic int64_t last_pass_us;
};

/* How long to wait for a nudge. */
static int
round_try(struct place *p)
{
	struct round *r = &p->round;
	struct err err = {0};
	bool again = false;

	if (!leases_get(r->scheduler->leases, p->lease_name, &r->lease)) {
		fleet_forget(r->fleet);
		return PLACE_LOOK_MS;
	}
	if (atomic_exchange(&p->freed, false))
		fleet_forget(r->fleet);
	if (round_run(r, &again, &err) == 0) {
		atomic_store(&p->placed, r->placed);
		atomic_store(&p->waiting, r->waiting);
		atomic_store(&p->last_pass_us, clock_real_us(clock_system()));
		return again ? ROUND_AGAIN_MS : PLACE_LOOK_MS;
	}
	fleet_forget(r->fleet);
	if (err.kind == ERR_DENIED)
		leases_lost(r->scheduler->leases, &r->lease);
	metric_add(metric_of(r->scheduler->metrics->errors, "place"), 1);
	log_warn("place.failed", LOG_STR("pool", r->pool), LOG_ERR(&err));
	return FAILED_MS;
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
	lease_of_pool(pool, p->lease_name);
	p->round = (struct round){.scheduler = s,
	    .pool = pool,
	    .arena = arena_new(0),
	    .fleet = fleet_new(clock_system())};
	if (!p->round.arena || !p->round.fleet)
		err_set(err, ERR_INTERNAL, "no memory for a pool");
	else if (scheduler_store_new(s, "place", &p->round.store, err) == 0)
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
	store_free(p->round.store);
	fleet_free(p->round.fleet);
	arena_free(p->round.arena);
	free(p);
}
