/* sim_intake: fetch, commit and acknowledge are three events; a hub may die between them. */
#include <stdlib.h>

#include "arena.h"
#include "err.h"
#include "intake_unit.h"
#include "mutant.h"
#include "sim.h"

#define FETCH_MAX 8
#define RETRY_US SECOND_US

/* One unit on its way through a hub. */
struct sim_unit {
	struct sim_unit *next;
	struct sim_hub *hub;
	uint64_t life; /* of the hub that fetched it */
	struct intake_unit *batch;
	uint64_t seqs[FETCH_MAX];
	size_t n;
};

static void
unit_free(struct sim_unit *u)
{
	struct sim_unit **at = &u->hub->units;

	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	intake_unit_free(u->batch);
	free(u);
}

static void
acknowledge(struct world *w, const struct sim_unit *u)
{
	for (size_t i = 0; i < u->n; i++)
		stream_ack(w, u->seqs[i]);
}

static void
ack_step(struct world *w, struct sim_event *e)
{
	struct sim_unit *u = e->who;

	if (u->hub->life == u->life)
		acknowledge(w, u);
	unit_free(u);
}

static void
commit_step(struct world *w, struct sim_event *e)
{
	struct sim_unit *u = e->who;
	struct store_join_result r = {0};
	struct err err = {0};

	if (u->hub->life != u->life) {
		unit_free(u);
		return;
	}
	intake_unit_fold(u->batch, 0, u->batch->msg_count);
	w->rows_changed = true;
	if (u->batch->folded_count > 0 && store_executor_join(u->hub->store, u->batch->folded,
					      u->batch->folded_count, w->arena, &r, &err) != 0) {
		sim_store_failed(w, "a unit of reports", &err);
		world_at(w, RETRY_US, commit_step, u, 0);
		return;
	}
	world_say(w, "%s joins %zu reports, %llu rows changed", u->hub->hub.settings.instance,
	    u->batch->folded_count, (unsigned long long)r.applied);
	if (world_fault(w, 50))
		hub_crash(u->hub);
	world_at(
	    w, world_between(w, 0, world_fault(w, 100) ? 2 * SECOND_US : 2000), ack_step, u, 0);
}

static struct sim_unit *
unit_fetch(struct sim_hub *h)
{
	struct world *w = h->world;
	struct bus_msg *msgs[FETCH_MAX];
	struct sim_unit *u = calloc(1, sizeof(*u));
	struct err err = {0};

	if (!u)
		abort();
	u->hub = h;
	u->life = h->life;
	u->next = h->units;
	h->units = u;
	u->batch = intake_unit_new(h->hub.settings.report_batch);
	u->n = stream_fetch(w, msgs, u->seqs, (size_t)world_between(w, 1, FETCH_MAX));
	if (!u->batch)
		abort();
	for (size_t i = 0; i < u->n; i++) {
		struct bus_msg *m = bus_msg_copy(msgs[i]);

		if (intake_unit_add_take(u->batch, SIM_PREFIX, m, &err) == 0)
			continue;
		world_violated(w, "a report is refused: %s", err.text);
		bus_msg_free(m);
	}
	return u;
}

void
intake_drop(struct sim_hub *h)
{
	while (h->units)
		unit_free(h->units);
}

void
intake_round(struct world *w, struct sim_event *e)
{
	struct sim_hub *h = e->who;
	struct sim_unit *u;

	if (!hub_hears(h) || !w->streams.reports)
		return;
	u = unit_fetch(h);
	if (u->n == 0) {
		unit_free(u);
		return;
	}
	if (MUTANT(ack_before_commit))
		acknowledge(w, u);
	if (world_fault(w, 50)) {
		hub_crash(h);
		unit_free(u);
		return;
	}
	world_at(
	    w, world_between(w, 0, world_fault(w, 100) ? 3 * SECOND_US : 3000), commit_step, u, 0);
}
