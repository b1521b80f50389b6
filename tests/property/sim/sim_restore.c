/* sim_restore: the cell is put back as it was.  What it was, a second world knows: the same seed,
 * run as far as the copy was taken.  Hosts, the bus and the streams have moved on (K1, K6). */
#include <string.h>

#include "sim.h"
#include "store_restore.h"

#define RESTORES 250 /* per mille of the seeds */

static struct world past; /* too large for a stack */

/* What the rows say is of the past, what processes did is not. */
static void
knowledge_of_past(struct world *w)
{
	for (size_t i = 0; i < w->known_count; i++) {
		struct sim_known *k = &w->known[i], now = *k;

		if (i >= past.known_count) {
			k->forgotten = true; /* nobody knows it any more, its host may run it */
			continue;
		}
		*k = past.known[i];
		k->host = now.host;
		k->started = now.started;
		k->exited = now.exited;
		k->exit_code = now.exit_code;
		k->placed_us = now.placed_us;
		k->excused = now.excused;
		k->unheard = now.unheard;
	}
	memcpy(w->sessions, past.sessions, sizeof(w->sessions));
	w->session_count = past.session_count;
}

/* As an operator does it: hubs and schedulers are stopped, the copy takes the rows' place, all
 * begins again. */
static void
restore(struct world *w, struct sim_event *e)
{
	struct store *root = w->store;

	(void)e;
	world_say(w, "FAULT the cell is restored as of %.3f s", (double)w->snapshot_us / 1e6);
	world_init(&past, w->seed, w->chaos);
	world_run_until(&past, w->snapshot_us);
	world_enter(w);
	clock_manual_advance(&past.clock, w->now_us - past.now_us);
	for (size_t i = 0; i < SIM_HUBS; i++)
		hub_crash(&w->hubs[i]);
	for (size_t i = 0; i < SIM_SCHEDULERS; i++)
		scheduler_crash(&w->schedulers[i]);
	w->past = &past;
	w->store = past.store;
	past.store = root; /* freed with it */
	store_memory_restore(w->store, 1);
	knowledge_of_past(w);
	w->rows_changed = true;
}

void
restore_plan(struct world *w)
{
	if (!world_chance(w, RESTORES))
		return;
	w->snapshot_us = world_between(w, 20 * SECOND_US, SIM_FAULTS_US / 2);
	w->restore_us = w->snapshot_us + world_between(w, SECOND_US, SIM_FAULTS_US / 2);
	world_at(w, w->restore_us, restore, NULL, 0);
}

void
restore_done(struct world *w)
{
	if (w->past)
		world_done(w->past);
}
