#include "duty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "leadership.h"
#include "leases.h"
#include "log.h"
#include "metrics.h"
#include "scheduler.h"
#include "scheduler_metrics.h"
#include "store.h"
#include "worker.h"

#define NO_LEASE_MS 1000
#define FAILED_MS 500

struct duty {
	const struct duty_row *row;
	struct duty_call call;
	char lease_name[LEASE_NAME_BYTES]; /* "": none */
	struct worker *worker;
	int idle_ms, wait_ms;
};

/* Found something: look again soon; found nothing: twice as late, up to idle_ms. */
static int
pace(struct duty *d, size_t done, bool more)
{
	if (more)
		return d->wait_ms = 0;
	if (done > 0 || d->wait_ms == 0)
		d->wait_ms = d->row->active_ms;
	else
		d->wait_ms *= 2;
	if (d->wait_ms > d->idle_ms)
		d->wait_ms = d->idle_ms;
	return d->wait_ms;
}

static int
round_run(struct duty *d)
{
	struct store_lease lease;
	struct err err = {0};
	size_t done = 0;
	bool more = false;

	if (*d->lease_name) {
		if (!leases_get(d->call.scheduler->leases, d->lease_name, &lease))
			return NO_LEASE_MS;
		d->call.lease = &lease;
	}
	arena_reset(d->call.arena);
	if (d->row->run(&d->call, &done, &more, &err) == 0)
		return pace(d, done, more);
	if (err.kind == ERR_DENIED && *d->lease_name)
		leases_lost(d->call.scheduler->leases, &lease);
	metric_add(metric_of(d->call.scheduler->metrics->errors, d->row->name), 1);
	log_warn("duty.failed", LOG_STR("duty", d->row->name),
	    LOG_STR("pool", d->call.pool ? d->call.pool : ""), LOG_ERR(&err));
	d->wait_ms = 0;
	return FAILED_MS;
}

static void
run(struct worker *w, void *arg)
{
	struct duty *d = arg;

	while (worker_wait(w, round_run(d)))
		d->call.lease = NULL;
}

static void
lease_name_of(struct duty *d)
{
	if (d->row->lease)
		snprintf(d->lease_name, sizeof(d->lease_name), "%s", d->row->lease);
	else if (d->row->fenced)
		lease_of_pool(d->call.pool, d->lease_name);
}

int
duty_start(struct scheduler *s, const struct duty_row *row, const char *pool, int idle_ms,
    void (*freed)(void *arg), void *arg, struct duty **ret, struct err *err)
{
	struct duty *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(err, ERR_INTERNAL, "no memory for duty %s", row->name);
	d->row = row;
	d->idle_ms = idle_ms > 0 ? idle_ms : row->idle_ms;
	d->call = (struct duty_call){.scheduler = s, .pool = pool, .freed = freed, .arg = arg};
	lease_name_of(d);
	d->call.arena = arena_new(0);
	if (!d->call.arena)
		err_set(err, ERR_INTERNAL, "no memory for duty %s", row->name);
	else if (scheduler_store_new(s, row->name, &d->call.store, err) == 0)
		d->worker = worker_start(row->name, run, d, err);
	if (!d->worker) {
		duty_free(d);
		return -1;
	}
	*ret = d;
	return 0;
}

void
duty_wake(struct duty *d)
{
	worker_wake(d->worker);
}

void
duty_nudge(struct duty *d)
{
	if (d->row->nudged)
		worker_wake(d->worker);
}

void
duty_stop(struct duty *d)
{
	if (d)
		worker_stop(d->worker);
}

void
duty_free(struct duty *d)
{
	if (!d)
		return;
	worker_free(d->worker);
	store_free(d->call.store);
	arena_free(d->call.arena);
	free(d);
}
