#include "leases.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "log.h"
#include "store.h"
#include "worker.h"

#define LOOK_MS 1000 /* standbys look every second, holders renew every second look */

struct lease {
	struct store_lease row;
	int64_t renew_at_us;
};

struct leases {
	struct leases_options options;
	struct store *store;
	struct worker *worker;
	pthread_mutex_t lock;
	struct lease rows[LEASES_MAX];
	size_t count;
	void (*taken)(void *arg, const char *name);
	void *taken_arg;
	_Atomic int64_t database_ahead_us; /* of our boot clock; 0: unknown */
};

static void
lease_want(struct leases *l, const char *name)
{
	struct lease *row = &l->rows[l->count++];

	snprintf(row->row.name, sizeof(row->row.name), "%s", name);
}

bool
leases_get(struct leases *l, const char *name, struct store_lease *ret_lease)
{
	bool held = false;

	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->count && !held; i++) {
		if (l->rows[i].row.epoch == 0 || strcmp(l->rows[i].row.name, name) != 0)
			continue;
		*ret_lease = l->rows[i].row;
		held = true;
	}
	pthread_mutex_unlock(&l->lock);
	return held;
}

void
leases_lost(struct leases *l, const struct store_lease *lease)
{
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->count; i++) {
		if (strcmp(l->rows[i].row.name, lease->name) == 0 &&
		    l->rows[i].row.epoch == lease->epoch)
			l->rows[i].row.epoch = 0;
	}
	pthread_mutex_unlock(&l->lock);
}

int64_t
leases_database_now_us(struct leases *l)
{
	int64_t ahead = atomic_load(&l->database_ahead_us);

	return ahead ? clock_mono_us(clock_system()) + ahead : 0;
}

void
leases_on_taken(struct leases *l, void (*taken)(void *arg, const char *name), void *arg)
{
	pthread_mutex_lock(&l->lock);
	l->taken = taken;
	l->taken_arg = arg;
	pthread_mutex_unlock(&l->lock);
}

/* Publishes what the row says now, unless somebody found out meanwhile that it is lost. */
static void
lease_note(struct leases *l, struct lease *row, const struct store_lease *before,
    const struct store_lease *now)
{
	pthread_mutex_lock(&l->lock);
	if (row->row.epoch == before->epoch)
		row->row.epoch = now->epoch;
	/* Under the lock, so that leases_on_taken(NULL) means "not any more". */
	if (before->epoch == 0 && now->epoch != 0 && l->taken)
		l->taken(l->taken_arg, now->name);
	pthread_mutex_unlock(&l->lock);
	if (l->options.changed)
		l->options.changed(l->options.arg, now->name, now->epoch != 0);
	if (before->epoch == 0 && now->epoch != 0)
		log_info("lease.taken", LOG_STR("lease", now->name), LOG_UINT("epoch", now->epoch));
	else if (before->epoch != 0 && now->epoch == 0)
		log_warn(
		    "lease.lost", LOG_STR("lease", now->name), LOG_UINT("epoch", before->epoch));
}

static void
lease_give_back(struct leases *l, struct store_lease *row)
{
	struct err err = {0};

	leases_lost(l, row);
	if (row->epoch != 0 && store_lease_release(l->store, row, &err) != 0)
		log_warn("lease.not_released", LOG_STR("lease", row->name), LOG_ERR(&err));
}

static void
lease_hold(struct leases *l, struct lease *row, const struct store_lease *before)
{
	struct store_lease now = *before;
	struct err err = {0};
	int64_t at = clock_mono_us(clock_system());
	bool held;

	if (before->epoch != 0 && at < row->renew_at_us)
		return;
	if (store_lease_hold(l->store, &now, l->options.holder, &held, &err) != 0) {
		/* Unknown: keep the epoch, the fence decides.  The next look asks again. */
		if (l->options.failed)
			l->options.failed(l->options.arg);
		log_warn("lease.unknown", LOG_STR("lease", before->name), LOG_ERR(&err));
		return;
	}
	if (!held)
		now.epoch = 0;
	row->renew_at_us = at + (STORE_LEASE_RENEW_MS - LOOK_MS / 2) * MS_US;
	lease_note(l, row, before, &now);
}

static void
lease_look(struct leases *l, struct lease *row)
{
	struct store_lease before, now;

	pthread_mutex_lock(&l->lock);
	before = now = row->row;
	pthread_mutex_unlock(&l->lock);
	if (!l->options.fit || l->options.fit(l->options.arg, before.name)) {
		lease_hold(l, row, &before);
	} else if (before.epoch != 0) {
		lease_give_back(l, &now);
		now.epoch = 0;
		lease_note(l, row, &before, &now);
	}
}

static void
clock_look(struct leases *l)
{
	struct err err = {0};
	int64_t now_us;

	if (store_ping(l->store, &now_us, &err) == 0)
		atomic_store(&l->database_ahead_us, now_us - clock_mono_us(clock_system()));
}

static void
run(struct worker *w, void *arg)
{
	struct leases *l = arg;

	do {
		for (size_t i = 0; i < l->count && !worker_stopping(w); i++)
			lease_look(l, &l->rows[i]);
		clock_look(l);
	} while (worker_wait(w, LOOK_MS));
	for (size_t i = 0; i < l->count; i++) {
		struct store_lease row = l->rows[i].row;

		lease_give_back(l, &row);
	}
}

int
leases_start(const struct leases_options *options, struct leases **ret, struct err *err)
{
	struct leases *l = calloc(1, sizeof(*l));

	if (!l) {
		store_free(options->store_take);
		return err_set(err, ERR_INTERNAL, "no memory for leases");
	}
	l->options = *options;
	l->options.names = NULL;
	l->store = options->store_take;
	pthread_mutex_init(&l->lock, NULL);
	assert(options->name_count <= LEASES_MAX);
	for (size_t i = 0; i < options->name_count; i++)
		lease_want(l, options->names[i]);
	clock_look(l);
	l->worker = worker_start("leases", run, l, err);
	if (!l->worker) {
		leases_stop(l);
		return -1;
	}
	*ret = l;
	return 0;
}

void
leases_stop(struct leases *l)
{
	if (!l)
		return;
	worker_free(l->worker);
	store_free(l->store);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
