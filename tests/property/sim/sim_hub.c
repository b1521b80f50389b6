/* sim_hub: what hosts ask and are answered; heartbeats, heard by all and answered by one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codec.h"
#include "err.h"
#include "heartbeat_answer.h"
#include "host_verbs.h"
#include "hub_metrics.h"
#include "liveness.h"
#include "roster.h"
#include "sim.h"
#include "subjects.h"

#define SILENT_AFTER_MS 12000
#define HEARTBEAT_MS 5000
#define DIGEST_SETTLE_MS 10000
#define DIGEST_AGAIN_MS 30000

bool
hub_hears(const struct sim_hub *h)
{
	return h->deaf_until_us <= h->world->now_us;
}

static struct sim_host *
host_of(struct world *w, uint64_t address)
{
	return &w->hosts[address >> 32];
}

static void
answer(struct sim_hub *h, const struct sim_event *e, const ProtobufCMessage *m)
{
	struct world *w = h->world;
	const struct courier_message out = {
	    .subject = "_INBOX.sim", .encoding = WIRE_PROTOBUF, .message = m};

	net_send_take(w, host_answer, host_of(w, e->number), e->number & UINT32_MAX, e->sent_us,
	    net_encode(w, &out));
}

/* ---- hello, sync ---- */

static const struct host_verb *
verb_of(const char *name)
{
	for (size_t i = 0; i < host_verb_count; i++) {
		if (strcmp(host_verbs[i].name, name) == 0)
			return &host_verbs[i];
	}
	return NULL;
}

void
hub_request(struct world *w, struct sim_event *e)
{
	struct sim_hub *h = e->who;
	struct host_call call = {.hub = &h->hub, .store = h->store, .arena = w->arena};
	const struct host_verb *verb;
	ProtobufCMessage *question, *reply = NULL;
	struct subject_match match;
	struct err err = {0};

	if (!hub_hears(h))
		return;
	w->rows_changed = true;
	if (subject_parse(SIM_PREFIX, bus_msg_subject(e->msg), &match, &err) != 0)
		abort();
	verb = verb_of(match.tokens[1]);
	call.host_id = match.tokens[0];
	if (!verb || courier_decode(e->msg, verb->question, w->arena, &question, &err) != 0 ||
	    verb->handle(&call, question, &reply, &err) != 0) {
		sim_store_failed(w, bus_msg_subject(e->msg), &err);
		return;
	}
	if (world_fault(w, 10)) {
		hub_crash(h); /* committed, and nobody hears of it */
		return;
	}
	answer(h, e, reply);
}

/* ---- heartbeats ---- */

static Fairlead__V1__Heartbeat *
heartbeat(struct world *w, const struct sim_event *e)
{
	ProtobufCMessage *m = NULL;
	struct err err = {0};

	if (courier_decode(e->msg, &fairlead__v1__heartbeat__descriptor, w->arena, &m, &err) != 0)
		world_violated(w, "a heartbeat cannot be read: %s", err.text);
	return (Fairlead__V1__Heartbeat *)m;
}

void
hub_heard(struct world *w, struct sim_event *e)
{
	struct sim_hub *h = e->who;
	const Fairlead__V1__Heartbeat *m;
	struct err err = {0};
	struct id nonce;

	if (!hub_hears(h) || h->blind_until_us[e->number >> 32] > w->now_us)
		return;
	m = heartbeat(w, e);
	if (!m || m->epoch == 0 || wire_id(&m->nonce_id, "nonce_id", &nonce, &err) != 0)
		return;
	liveness_heard(h->hub.liveness, &(struct liveness_beat){.host_id = m->host_id,
					    .server = "",
					    .server_id = "",
					    .epoch = m->epoch,
					    .contiguous_seq = m->contiguous_seq,
					    .digest = {m->digest->count, m->digest->sum},
					    .nonce_id = nonce,
					    .real_us = w->clock.real_us,
					    .mono_us = w->clock.mono_us});
}

void
hub_answer(struct world *w, struct sim_event *e)
{
	struct sim_hub *h = e->who;
	Fairlead__V1__HeartbeatAnswer m;
	Fairlead__V1__Signature signature;
	Fairlead__V1__Heartbeat *beat;
	struct store_host_head *heads;
	struct err err = {0};
	const char *id = host_of(w, e->number)->id;
	int64_t now_us;
	size_t n;

	if (!hub_hears(h))
		return;
	beat = heartbeat(w, e);
	if (!beat)
		return;
	if (store_host_heads(h->store, &id, 1, w->arena, &heads, &n, &now_us, &err) != 0) {
		sim_store_failed(w, "heads of hosts", &err);
		return;
	}
	if (!heartbeat_answer_of(beat, n > 0 ? &heads[0] : NULL, now_us, &m, &signature))
		world_say(w, "%s must say hello", id);
	answer(h, e, &m.base);
}

/* ---- life ---- */

static void
intake_again(struct world *w, struct sim_event *e)
{
	intake_round(w, e);
	world_at(w, world_between(w, 50 * MS_US, 400 * MS_US), intake_again, e->who, 0);
}

static void
judge_again(struct world *w, struct sim_event *e)
{
	judge_round(w, e);
	world_at(w, world_between(w, 400 * MS_US, 700 * MS_US), judge_again, e->who, 0);
}

void
hub_init(struct world *w, size_t index)
{
	struct sim_hub *h = &w->hubs[index];

	*h = (struct sim_hub){.world = w,
	    .store = sim_store_new(w),
	    .hub = {.settings = {.instance = index ? "hub2" : "hub1",
			.prefix = SIM_PREFIX,
			.report_batch = 64,
			.heartbeat_interval_ms = HEARTBEAT_MS,
			.silent_after_ms = SILENT_AFTER_MS,
			.digest_settle_ms = DIGEST_SETTLE_MS,
			.digest_again_ms = DIGEST_AGAIN_MS},
		.bus = w->bus,
		.liveness = liveness_new(64),
		.metrics = hub_metrics_new(NULL)}};
	h->listening_us = w->clock.mono_us;
	h->judge.hub = &h->hub;
	h->judge.store = h->store;
	h->judge.arena = arena_new(0);
	h->judge.roster = roster_new();
	snprintf(h->judge.lease.name, sizeof(h->judge.lease.name), "%s", LEASE_JUDGE);
	if (!h->hub.liveness || !h->judge.arena || !h->judge.roster)
		abort();
	world_at(w, world_between(w, 0, SECOND_US), intake_again, h, 0);
	world_at(w, world_between(w, 0, SECOND_US), judge_again, h, 0);
}

/* Its memory of heartbeats and its leases are gone; its units come again. */
void
hub_crash(struct sim_hub *h)
{
	world_say(h->world, "FAULT %s dies", h->hub.settings.instance);
	h->life++;
	liveness_free(h->hub.liveness);
	h->hub.liveness = liveness_new(64);
	h->listening_us = h->world->clock.mono_us;
	h->judge.lease.epoch = 0;
	judge_look_forget(&h->judge);
	if (!h->hub.liveness)
		abort();
}

void
hub_done(struct sim_hub *h)
{
	intake_drop(h);
	roster_free(h->judge.roster);
	arena_free(h->judge.arena);
	liveness_free(h->hub.liveness);
	hub_metrics_free(h->hub.metrics);
	store_free(h->store);
}
