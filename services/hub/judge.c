#include "judge.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "bus.h"
#include "clock.h"
#include "entropy.h"
#include "err.h"
#include "heartbeat.h"
#include "hub.h"
#include "hub_bounds.h"
#include "hub_metrics.h"
#include "judge_look.h"
#include "judge_rules.h"
#include "leases.h"
#include "liveness.h"
#include "log.h"
#include "roster.h"
#include "store.h"
#include "worker.h"

#define LOOK_MS 500
#define JUDGE_ARENA_BYTES_MAX (64u * 1024 * 1024)

struct judge {
	struct hub *hub;
	const struct heartbeat_service *heartbeat;
	struct leases *leases;
	struct bus_sub *disconnects;
	struct worker *worker;
	struct judge_look look; /* of the worker alone, but for look.cut */
	uint64_t dropped;       /* heartbeats, as of the last look */
	struct judge_presence presence;
	int64_t
	    undisturbed_since_us; /* with this lease, running, and since heartbeats were dropped */
};

/* ---- what the servers say ---- */

static int
event_connection(const struct bus_msg *m, char server_id[BUS_SERVER_ID_BYTES], uint64_t *client_id)
{
	json_t *event = json_loadb(bus_msg_data(m), bus_msg_size(m), 0, NULL);
	const char *server =
	    json_string_value(json_object_get(json_object_get(event, "server"), "id"));
	json_int_t client =
	    json_integer_value(json_object_get(json_object_get(event, "client"), "id"));
	int r = -1;

	if (server && client > 0) {
		snprintf(server_id, BUS_SERVER_ID_BYTES, "%s", server);
		*client_id = (uint64_t)client;
		r = 0;
	}
	json_decref(event);
	return r;
}

/* On a bus thread: only memory. */
static void
disconnected(void *arg, const struct bus_msg *m)
{
	struct judge *j = arg;
	char server_id[BUS_SERVER_ID_BYTES];
	uint64_t client_id;

	if (event_connection(m, server_id, &client_id) == 0 &&
	    liveness_connection_lost(j->hub->liveness, server_id, client_id) > 0) {
		atomic_store(&j->look.cut, true);
		worker_wake(j->worker);
	}
}

/* ---- one look ---- */

static int64_t
listening_since_us(const struct judge *j)
{
	int64_t connected = bus_connected_since_us(j->hub->bus);

	if (connected == 0)
		return 0;
	return connected > j->undisturbed_since_us ? connected : j->undisturbed_since_us;
}

/* A new lease, or heartbeats that fell on the floor: what was not heard proves nothing. */
static void
disturbances(struct judge *j, const struct store_lease *lease, int64_t now_us)
{
	uint64_t dropped = heartbeat_dropped(j->heartbeat);

	if (lease->epoch != j->look.lease.epoch) {
		judge_look_forget(&j->look);
		j->undisturbed_since_us = now_us;
	}
	if (dropped != j->dropped) {
		log_warn("judge.deaf", LOG_UINT("heartbeats_dropped", dropped - j->dropped));
		j->undisturbed_since_us = now_us;
	}
	j->look.lease = *lease;
	j->dropped = dropped;
}

static void
presence_note(struct judge *j, int64_t now_us)
{
	int64_t silent_after_us = (int64_t)j->hub->settings.silent_after_ms * MS_US;

	if (judge_was_away(&j->presence, now_us, silent_after_us)) {
		log_warn("judge.was_away", LOG_MS("took_ms", now_us - j->presence.began_us));
		j->undisturbed_since_us = now_us;
	}
	j->presence.began_us = now_us;
}

static void
look(struct judge *j)
{
	int64_t now_us = clock_mono_us(clock_system());
	struct store_lease lease;
	struct err err = {0};
	size_t asked;

	presence_note(j, now_us);
	if (!leases_get(j->leases, LEASE_JUDGE, &lease)) {
		j->look.lease.epoch = 0;
		return;
	}
	arena_reset(j->look.arena);
	disturbances(j, &lease, now_us);
	if (judge_look(&j->look, now_us, listening_since_us(j), &err) == 0 &&
	    entropy_look(j->hub, j->look.store, now_us, j->look.arena, &asked, &err) == 0)
		return;
	if (err.kind == ERR_DENIED)
		leases_lost(j->leases, &j->look.lease);
	log_warn("judge.failed", LOG_ERR(&err));
}

static void
run(struct worker *w, void *arg)
{
	struct judge *j = arg;

	do {
		look(j);
		j->presence.due_us = clock_mono_us(clock_system()) + LOOK_MS * MS_US;
	} while (worker_wait(w, LOOK_MS));
}

/* ---- life ---- */

static bool
fit(void *arg, const char *name)
{
	const struct judge *j = arg;

	(void)name;
	return bus_state(j->hub->bus) == BUS_CONNECTED;
}

static void
changed(void *arg, const char *name, bool held)
{
	const struct judge *j = arg;

	(void)name;
	hub_metrics_judge(j->hub->metrics, held);
}

static int
leases_open(struct judge *j, struct err *err)
{
	static const char *const names[] = {LEASE_JUDGE};
	struct leases_options o = {.holder = j->hub->settings.instance,
	    .names = names,
	    .name_count = COUNT_OF(names),
	    .fit = fit,
	    .changed = changed,
	    .arg = j};

	if (hub_store_new(j->hub, "leases", &o.store_take, err) != 0)
		return -1;
	return leases_start(&o, &j->leases, err);
}

int
judge_start(struct hub *h, const struct heartbeat_service *heartbeat, struct bus *system_bus,
    struct judge **ret, struct err *err)
{
	struct judge *j = calloc(1, sizeof(*j));

	if (!j)
		return err_set(err, ERR_INTERNAL, "no memory for the judge");
	j->hub = j->look.hub = h;
	j->heartbeat = heartbeat;
	j->dropped = heartbeat_dropped(heartbeat);
	j->look.arena = arena_new(JUDGE_ARENA_BYTES_MAX);
	j->look.roster = roster_new();
	if (!j->look.arena || !j->look.roster)
		err_set(err, ERR_INTERNAL, "no memory for the judge");
	else if (hub_store_new(h, "judge", &j->look.store, err) == 0 && leases_open(j, err) == 0)
		j->worker = worker_start("judge", run, j, err);
	if (!j->worker ||
	    (system_bus && bus_subscribe(system_bus, "$SYS.ACCOUNT.*.DISCONNECT", NULL,
			       DISCONNECTS_MAX, disconnected, j, &j->disconnects, err) != 0)) {
		judge_stop(j);
		return -1;
	}
	*ret = j;
	return 0;
}

uint64_t
judge_dropped(const struct judge *j)
{
	return j->disconnects ? bus_sub_dropped(j->disconnects) : 0;
}

void
judge_close(struct judge *j)
{
	if (j && j->worker)
		worker_stop(j->worker);
}

void
judge_stop(struct judge *j)
{
	if (!j)
		return;
	judge_close(j);
	bus_unsubscribe(j->disconnects);
	worker_free(j->worker);
	leases_stop(j->leases);
	store_free(j->look.store);
	roster_free(j->look.roster);
	arena_free(j->look.arena);
	free(j);
}
