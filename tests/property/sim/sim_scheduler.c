/* sim_scheduler: leases, rounds of placing, duties: what the threads of a scheduler do, one at a
 * time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "duty.h"
#include "err.h"
#include "fleet.h"
#include "leadership.h"
#include "leases.h"
#include "mutant.h"
#include "sim.h"

#define ACK_DEADLINE_MS 10000
#define DELIVERIES_MAX 3 /* few: what is dead must not stay undone */
#define ABSENT_AFTER_MS 1000
#define VERDICT_GRACE_MS 25000
#define RETENTION_MS 120000

static bool
awake(const struct sim_scheduler *s)
{
	return s->paused_until_us <= s->world->now_us;
}

/* ---- leases ---- */

static struct store_lease *
lease_find(struct sim_scheduler *s, const char *name)
{
	for (size_t i = 0; i < COUNT_OF(s->leases); i++) {
		if (strcmp(s->leases[i].name, name) == 0)
			return &s->leases[i];
	}
	return NULL;
}

static void
leases_renew(struct world *w, struct sim_event *e)
{
	struct sim_scheduler *s = e->who;
	struct err err = {0};

	for (size_t i = 0; i < COUNT_OF(s->leases) && awake(s); i++) {
		struct store_lease now = s->leases[i];
		bool held = false;

		if (store_lease_hold(s->store, &now, s->instance, &held, &err) != 0) {
			sim_store_failed(w, now.name, &err); /* the fence decides */
			continue;
		}
		s->leases[i].epoch = held ? now.epoch : 0;
	}
	world_at(w, STORE_LEASE_RENEW_MS * MS_US, leases_renew, s, 0);
}

/* ERR_DENIED: another one leads; ours was a belief. */
static void
round_failed(
    struct sim_scheduler *s, struct store_lease *lease, const char *what, const struct err *err)
{
	if (err->kind == ERR_DENIED && lease)
		lease->epoch = 0;
	else
		sim_store_failed(s->world, what, err);
}

/* ---- rounds and duties ---- */

/* A planted defect: what the transaction would have decided goes out before it commits, and the
 * scheduler dies in between. */
static void
publish_before_commit(struct sim_scheduler *s)
{
	struct world *w = s->world;
	const struct sim_host *at = &w->hosts[world_draw(w, w->host_count)];
	const char *host = at->id;
	struct store_host_head *heads;
	struct store_queued *queued;
	struct err err = {0};
	int64_t now_us;
	uint64_t last;
	size_t n, head_count;

	if (store_queue_load(s->store, SIM_POOL, 0, w->arena, &queued, &n, &last, &err) != 0 ||
	    store_host_heads(s->store, &host, 1, w->arena, &heads, &head_count, &now_us, &err) !=
		0 ||
	    n == 0 || head_count == 0 || heads[0].state != HOST_READY || !at->agent)
		return;
	publisher_take(s,
	    &(struct store_message){.message_id = id_from_parts((uint64_t)now_us, 7),
		.host_id = host,
		.encoding = "protobuf",
		.journal_id = agent_journal_id(at->agent),
		.host_seq = heads[0].host_seq + 1,
		.items = &(struct store_item){.executor_id = queued[0].executor_id,
		    .generation = 1,
		    .host_seq = heads[0].host_seq + 1,
		    .desired = DESIRED_RUN,
		    .spec_body = queued[0].spec_body,
		    .spec_size = queued[0].spec_size,
		    .session = queued[0].session,
		    .index = queued[0].index,
		    .attempt = queued[0].attempt},
		.item_count = 1},
	    1);
}

static void
place_again(struct world *w, struct sim_event *e)
{
	struct sim_scheduler *s = e->who;
	struct store_lease *lease = &s->leases[0];
	uint64_t before = s->round.placed;
	struct err err = {0};
	bool again = false;

	if (!awake(s) || lease->epoch == 0) {
		fleet_forget(s->round.fleet);
	} else if (MUTANT(publish_before_commit) && world_fault(w, 200)) {
		publish_before_commit(s);
	} else {
		s->round.lease = *lease;
		if (round_run(&s->round, &again, &err) != 0) {
			fleet_forget(s->round.fleet);
			round_failed(s, lease, "place", &err);
		}
	}
	if (s->round.placed != before) {
		w->rows_changed = true;
		world_say(w, "%s places %llu", s->instance,
		    (unsigned long long)(s->round.placed - before));
	}
	world_at(w, world_between(w, ROUND_AGAIN_MS * MS_US, SECOND_US), place_again, s, 0);
}

static void
freed(void *arg)
{
	fleet_forget(((struct sim_scheduler *)arg)->round.fleet);
}

static struct store_lease *
duty_lease(struct sim_scheduler *s, const struct duty_row *row)
{
	if (row->lease)
		return lease_find(s, row->lease);
	return row->fenced ? &s->leases[0] : NULL;
}

static void
duty_run(struct sim_scheduler *s, const struct duty_row *row)
{
	struct store_lease *lease = duty_lease(s, row), held;
	struct duty_call call = {.scheduler = &s->scheduler,
	    .store = s->store,
	    .arena = s->arena,
	    .lease = lease ? &held : NULL,
	    .pool = row->of_pool ? SIM_POOL : NULL,
	    .freed = freed,
	    .arg = s};
	struct err err = {0};
	size_t done = 0;
	bool more = false;

	if (!awake(s) || (lease && lease->epoch == 0))
		return;
	if (lease)
		held = *lease;
	arena_reset(s->arena);
	if (row->run(&call, &done, &more, &err) != 0)
		round_failed(s, lease, row->name, &err);
	if (done == 0)
		return;
	s->world->rows_changed = true;
	world_say(s->world, "%s %s: %zu", s->instance, row->name, done);
}

static void
duty_again(struct world *w, struct sim_event *e)
{
	const struct duty_row *row = &duty_rows[e->number];
	int64_t idle_ms = row->idle_ms < 20000 ? row->idle_ms : 20000;

	duty_run(e->who, row);
	world_at(w, world_between(w, idle_ms * MS_US / 10, idle_ms * MS_US), duty_again, e->who,
	    e->number);
}

/* ---- life ---- */

/* Leases stay taken until they expire; messages committed and not published are the sweep's. */
void
scheduler_crash(struct sim_scheduler *s)
{
	world_say(s->world, "FAULT %s dies", s->instance);
	s->life++;
	publisher_drop(s);
	for (size_t i = 0; i < COUNT_OF(s->leases); i++)
		s->leases[i].epoch = 0;
	fleet_forget(s->round.fleet);
	s->paused_until_us = s->world->now_us + world_between(s->world, 1, 10 * SECOND_US);
}

void
scheduler_init(struct world *w, size_t index)
{
	struct sim_scheduler *s = &w->schedulers[index];
	const char *const names[] = {NULL, LEASE_COUNTERS, LEASE_EVENTS, LEASE_RETENTION};
	char pool[LEASE_NAME_BYTES];

	*s = (struct sim_scheduler){.world = w, .store = sim_store_new(w), .arena = arena_new(0)};
	snprintf(s->instance, sizeof(s->instance), "s%zu", index + 1);
	s->scheduler = (struct scheduler){.settings = {.instance = s->instance,
					      .prefix = SIM_PREFIX,
					      .ack_deadline_ms = ACK_DEADLINE_MS,
					      .deliveries_max = DELIVERIES_MAX,
					      .absent_after_ms = ABSENT_AFTER_MS,
					      .verdict_grace_ms = VERDICT_GRACE_MS,
					      .retention_ms = RETENTION_MS},
	    .outlet = {publisher_take, s},
	    .metrics = &w->metrics};
	s->round = (struct round){.scheduler = &s->scheduler,
	    .pool = SIM_POOL,
	    .store = s->store,
	    .arena = arena_new(0),
	    .fleet = fleet_new(&w->clock.clock)};
	if (!s->arena || !s->round.arena || !s->round.fleet)
		abort();
	lease_of_pool(SIM_POOL, pool);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		snprintf(s->leases[i].name, sizeof(s->leases[i].name), "%.60s",
		    names[i] ? names[i] : pool);
	world_at(w, world_between(w, 0, SECOND_US), leases_renew, s, 0);
	world_at(w, world_between(w, 0, SECOND_US), place_again, s, 0);
	for (size_t i = 0; i < duty_row_count; i++) {
		if (!duty_rows[i].observes)
			world_at(w, world_between(w, 0, SECOND_US), duty_again, s, i);
	}
}

void
scheduler_done(struct sim_scheduler *s)
{
	publisher_drop(s);
	fleet_free(s->round.fleet);
	arena_free(s->round.arena);
	arena_free(s->arena);
	store_free(s->store);
}
