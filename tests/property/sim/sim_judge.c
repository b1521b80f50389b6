/* sim_judge: the lease of the judge, one look, and a batch of digests (K19). */
#include "arena.h"
#include "entropy.h"
#include "err.h"
#include "sim.h"

/* The fence decides, as long as there is an epoch to believe in. */
static bool
lease_unknown(struct sim_hub *h, const struct err *err)
{
	sim_store_failed(h->world, "lease of the judge", err);
	return h->judge.lease.epoch > 0;
}

/* A new lease begins to listen anew, as the judge's thread does. */
static bool
lease_hold(struct sim_hub *h)
{
	struct store_lease lease = h->judge.lease;
	struct err err = {0};
	bool held = false;

	if (store_lease_hold(h->store, &lease, h->hub.settings.instance, &held, &err) != 0)
		return lease_unknown(h, &err);
	if (!held) {
		h->judge.lease.epoch = 0;
		return false;
	}
	if (lease.epoch != h->judge.lease.epoch) {
		judge_look_forget(&h->judge);
		h->judge_since_us = h->world->clock.mono_us;
		world_say(h->world, "%s judges", h->hub.settings.instance);
	}
	h->judge.lease = lease;
	return true;
}

static void
lease_leave(struct sim_hub *h)
{
	struct err err = {0};

	if (h->judge.lease.epoch > 0 && store_lease_release(h->store, &h->judge.lease, &err) != 0)
		sim_store_failed(h->world, "lease of the judge", &err);
	h->judge.lease.epoch = 0;
}

static void
look_failed(struct sim_hub *h, const struct err *err)
{
	if (err->kind == ERR_DENIED)
		h->judge.lease.epoch = 0; /* another one judges; ours was a belief */
	else
		sim_store_failed(h->world, "the judge", err);
}

void
judge_round(struct world *w, struct sim_event *e)
{
	struct sim_hub *h = e->who;
	struct err err = {0};
	int64_t since;
	size_t asked = 0;

	if (!hub_hears(h)) {
		h->listening_us = 0;
		lease_leave(h);
		return;
	}
	if (h->listening_us == 0)
		h->listening_us = w->clock.mono_us;
	if (!lease_hold(h))
		return;
	since = h->listening_us > h->judge_since_us ? h->listening_us : h->judge_since_us;
	w->rows_changed = true;
	arena_reset(h->judge.arena);
	if (judge_look(&h->judge, w->clock.mono_us, since, &err) != 0)
		look_failed(h, &err);
	else if (w->digests && entropy_look(&h->hub, h->store, w->clock.mono_us, h->judge.arena,
				   &asked, &err) != 0)
		sim_store_failed(w, "digests", &err);
	if (asked > 0)
		world_say(w, "%s asks %zu hosts for a hello", h->hub.settings.instance, asked);
	net_pass_on(w);
}
