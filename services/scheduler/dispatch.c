#include "dispatch.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "duty.h"
#include "err.h"
#include "leadership.h"
#include "leases.h"
#include "micro.h"
#include "place.h"
#include "publisher.h"
#include "scheduler.h"
#include "scheduler_bounds.h"
#include "scheduler_metrics.h"
#include "store.h"
#include "subjects.h"
#include "version.h"

#define DUTIES_MAX 12
#define STATUS_BYTES_MAX (64 * 1024)

struct pool {
	const char *name;
	struct place *place;
	_Atomic(struct bus_sub *) nudges;
	struct metric *nudges_dropped;
	struct duty *duties[DUTIES_MAX];
	size_t duty_count;
};

struct dispatch {
	struct scheduler *scheduler;
	struct pool pools[SCHEDULER_POOLS_MAX];
	struct duty *duties[DUTIES_MAX]; /* of the cell */
	size_t duty_count;
	struct micro *micro;
};

/* ---- who looks when ---- */

static void
pool_wake(struct pool *p)
{
	place_wake(p->place);
	for (size_t i = 0; i < p->duty_count; i++)
		duty_wake(p->duties[i]);
}

static void
nudged(void *arg, const struct bus_msg *m)
{
	struct pool *p = arg;
	struct bus_sub *nudges = atomic_load(&p->nudges);

	(void)m;
	if (nudges) /* not yet, for one that comes while we still subscribe */
		metric_add_up_to(p->nudges_dropped, bus_sub_dropped(nudges));
	place_wake(p->place);
	for (size_t i = 0; i < p->duty_count; i++)
		duty_nudge(p->duties[i]);
}

static void
freed(void *arg)
{
	struct pool *p = arg;

	place_wake_freed(p->place);
}

static void
lease_taken(void *arg, const char *name)
{
	struct dispatch *d = arg;
	char wanted[LEASE_NAME_BYTES];

	for (size_t i = 0; i < d->scheduler->pool_count; i++) {
		if (strcmp(name, lease_of_pool(d->pools[i].name, wanted)) == 0)
			pool_wake(&d->pools[i]);
	}
	for (size_t i = 0; i < d->duty_count; i++)
		duty_wake(d->duties[i]);
}

/* ---- fl.api.v1.scheduler.status ---- */

static int
status_write(struct dispatch *d, FILE *f)
{
	struct scheduler *s = d->scheduler;

	fprintf(f,
	    "{\"instance\":\"%s\",\"version\":\"%s\",\"publishes_in_flight\":%zu,\"pools\":[",
	    s->settings.instance, FAIRLEAD_VERSION, publisher_in_flight(s->publisher));
	for (size_t i = 0; i < s->pool_count; i++) {
		char name[LEASE_NAME_BYTES];
		struct place_status status;
		struct store_lease lease;
		bool held = leases_get(s->leases, lease_of_pool(d->pools[i].name, name), &lease);

		place_status(d->pools[i].place, &status);
		fprintf(f,
		    "%s{\"pool\":\"%s\",\"leader\":%s,\"epoch\":%llu,\"placed\":%llu,"
		    "\"waiting\":%llu,\"last_pass_us\":%lld}",
		    i > 0 ? "," : "", d->pools[i].name, held ? "true" : "false",
		    held ? (unsigned long long)lease.epoch : 0ULL,
		    (unsigned long long)status.placed, (unsigned long long)status.waiting,
		    (long long)status.last_pass_us);
	}
	fprintf(f, "]}");
	return ferror(f);
}

/* Runs on a bus thread: everything it reads is in memory. */
static void
status_asked(void *arg, struct micro_request *r)
{
	const struct bus_header type = {"Content-Type", "application/json"};
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	struct err err = {0};

	if (f && status_write(arg, f) == 0 && fclose(f) == 0) {
		micro_respond_take(r, text, size, &type, 1);
	} else {
		err_set(&err, ERR_INTERNAL, "no memory for an answer");
		micro_respond_error_take(r, &err, NULL, 0, NULL, 0);
	}
	free(text);
}

static int
micro_register(struct dispatch *d, struct err *err)
{
	char subject[SUBJECT_BYTES];
	const struct micro_options options = {.name = "fairlead-scheduler",
	    .version = FAIRLEAD_VERSION,
	    .description = "places executors, publishes commands",
	    .queue_group = "fl-scheduler",
	    .node = d->scheduler->settings.instance};
	const struct micro_endpoint endpoint = {.name = "scheduler-status",
	    .subject = subject_build(
		subject, d->scheduler->settings.prefix, SUBJECT_API, "scheduler", "status"),
	    .handler = status_asked,
	    .arg = d};

	return micro_new(d->scheduler->bus, &options, &endpoint, 1, &d->micro, err);
}

/* ---- life ---- */

static int
idle_ms_of(const struct scheduler *s, const struct duty_row *row)
{
	return strcmp(row->name, "sweep") == 0 ? s->settings.sweep_interval_ms : 0;
}

static int
pool_start(struct dispatch *d, struct pool *p, const char *name, struct err *err)
{
	struct scheduler *s = d->scheduler;
	char subject[SUBJECT_BYTES];
	struct bus_sub *nudges;

	p->name = name;
	p->nudges_dropped = s->metrics->queues[SCHEDULER_QUEUE_NUDGES];
	if (place_start(s, name, &p->place, err) != 0)
		return -1;
	for (size_t i = 0; i < duty_row_count; i++) {
		const struct duty_row *row = &duty_rows[i];

		if (!row->of_pool)
			continue;
		if (duty_start(s, row, name, idle_ms_of(s, row), freed, p,
			&p->duties[p->duty_count], err) != 0)
			return -1;
		p->duty_count++;
	}
	subject_build(subject, s->settings.prefix, SUBJECT_NUDGE, name);
	if (bus_subscribe(s->bus, subject, NULL, NUDGES_MAX, nudged, p, &nudges, err) != 0)
		return -1;
	atomic_store(&p->nudges, nudges);
	return 0;
}

static int
cell_start(struct dispatch *d, struct err *err)
{
	for (size_t i = 0; i < duty_row_count; i++) {
		if (duty_rows[i].of_pool)
			continue;
		if (duty_start(d->scheduler, &duty_rows[i], NULL, 0, NULL, NULL,
			&d->duties[d->duty_count], err) != 0)
			return -1;
		d->duty_count++;
	}
	return 0;
}

int
dispatch_start(struct scheduler *s, struct dispatch **ret, struct err *err)
{
	struct dispatch *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_set(err, ERR_INTERNAL, "no memory for workers");
	d->scheduler = s;
	r = cell_start(d, err);
	for (size_t i = 0; r == 0 && i < s->pool_count; i++)
		r = pool_start(d, &d->pools[i], s->pools[i], err);
	if (r != 0 || micro_register(d, err) != 0) {
		dispatch_stop(d);
		return -1;
	}
	leases_on_taken(s->leases, lease_taken, d);
	/* Those taken before we listened. */
	for (size_t i = 0; i < s->pool_count; i++)
		pool_wake(&d->pools[i]);
	*ret = d;
	return 0;
}

static void
pool_stop(struct pool *p)
{
	bus_unsubscribe(atomic_load(&p->nudges));
	place_stop(p->place);
	for (size_t i = 0; i < p->duty_count; i++)
		duty_stop(p->duties[i]);
}

static void
pool_free(struct pool *p)
{
	/* Folding wakes placing: it ends first. */
	for (size_t i = 0; i < p->duty_count; i++)
		duty_free(p->duties[i]);
	place_free(p->place);
}

void
dispatch_stop(struct dispatch *d)
{
	if (!d)
		return;
	leases_on_taken(d->scheduler->leases, NULL, NULL);
	micro_free(d->micro);
	for (size_t i = 0; i < SCHEDULER_POOLS_MAX; i++)
		pool_stop(&d->pools[i]);
	for (size_t i = 0; i < d->duty_count; i++)
		duty_stop(d->duties[i]);
	for (size_t i = 0; i < SCHEDULER_POOLS_MAX; i++)
		pool_free(&d->pools[i]);
	for (size_t i = 0; i < d->duty_count; i++)
		duty_free(d->duties[i]);
	free(d);
}
