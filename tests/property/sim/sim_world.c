/* sim_world: time, chance, and the heap of what happens next. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "sim.h"

#define START_US INT64_C(1800000000000000)
#define BOOT_US (1000 * SECOND_US)

uint64_t
world_draw(struct world *w, uint64_t n)
{
	w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (w->random >> 33) % n;
}

int64_t
world_between(struct world *w, int64_t least, int64_t most)
{
	return least + (int64_t)world_draw(w, (uint64_t)(most - least + 1));
}

bool
world_chance(struct world *w, unsigned per_mille)
{
	return world_draw(w, 1000) < per_mille;
}

bool
world_fault(struct world *w, unsigned per_mille)
{
	return w->chaos && w->now_us < SIM_FAULTS_US && world_chance(w, per_mille);
}

/* ---- the heap ---- */

static bool
earlier(const struct sim_event *a, const struct sim_event *b)
{
	if (a->at_us != b->at_us)
		return a->at_us < b->at_us;
	if (a->tie != b->tie)
		return a->tie < b->tie;
	return a->n < b->n;
}

static void
swap(struct sim_event *a, struct sim_event *b)
{
	struct sim_event t = *a;

	*a = *b;
	*b = t;
}

/* The event is valid until the next one is added. */
struct sim_event *
world_at(struct world *w, int64_t delay_us, void (*fn)(struct world *w, struct sim_event *e),
    void *who, uint64_t number)
{
	size_t at = w->heap_count++;

	if (w->heap_count > w->heap_capacity) {
		w->heap_capacity = w->heap_capacity ? w->heap_capacity * 2 : 256;
		w->heap = reallocarray(w->heap, w->heap_capacity, sizeof(*w->heap));
		if (!w->heap)
			abort();
	}
	w->heap[at] = (struct sim_event){.at_us = w->now_us + delay_us,
	    .tie = world_draw(w, 1u << 20),
	    .n = w->event_count++,
	    .fn = fn,
	    .who = who,
	    .number = number};
	while (at > 0 && earlier(&w->heap[at], &w->heap[(at - 1) / 2])) {
		swap(&w->heap[at], &w->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	return &w->heap[at];
}

static struct sim_event
heap_take(struct world *w)
{
	struct sim_event first = w->heap[0];
	size_t at = 0;

	w->heap[0] = w->heap[--w->heap_count];
	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < w->heap_count && earlier(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (child >= w->heap_count || !earlier(&w->heap[child], &w->heap[at]))
			return first;
		swap(&w->heap[at], &w->heap[child]);
		at = child;
	}
}

/* ---- history ---- */

void
world_say(struct world *w, const char *format, ...)
{
	char text[256];
	va_list args;

	if (!w->tracing && !w->hashing)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (w->tracing)
		printf("%10.3f  %s\n", (double)w->now_us / 1e6, text);
	for (const char *c = text; *c; c++)
		w->history = (w->history ^ (uint8_t)*c) * UINT64_C(1099511628211);
	w->history = (w->history ^ (uint64_t)w->now_us) * UINT64_C(1099511628211);
}

void
world_violated(struct world *w, const char *format, ...)
{
	va_list args;

	if (*w->why)
		return; /* what follows may only be its consequence */
	va_start(args, format);
	vsnprintf(w->why, sizeof(w->why), format, args);
	va_end(args);
	world_say(w, "VIOLATED %s", w->why);
}

int64_t
world_store_now_us(struct world *w)
{
	struct err err = {0};
	int64_t now_us = 0;

	if (store_ping(w->store, &now_us, &err) != 0)
		world_violated(w, "the store's clock: %s", err.text);
	return now_us;
}

/* ---- life ---- */

void
world_init(struct world *w, uint64_t seed, bool chaos)
{
	*w = (struct world){.seed = seed, .random = seed * 2 + 1, .chaos = chaos, .history = 1};
	world_enter(w);
	for (int i = 0; i < 8; i++)
		(void)world_draw(w, 2); /* small seeds are alike at first */
	clock_manual_init(&w->clock, START_US);
	w->clock.mono_us = BOOT_US;
	w->arena = arena_new(0);
	net_init(w);
	w->store = store_memory_new(NULL, &w->clock.clock);
	if (!w->arena)
		abort();
	w->host_count = (size_t)world_between(w, 2, 3);
	misfortune_init(w);
	for (size_t i = 0; i < SIM_HUBS; i++)
		hub_init(w, i);
	for (size_t i = 0; i < SIM_SCHEDULERS; i++)
		scheduler_init(w, i);
	for (size_t i = 0; i < w->host_count; i++)
		host_init(w, i);
	world_at(w, SECOND_US, misfortune, NULL, 0);
}

void
world_run_until(struct world *w, int64_t until_us)
{
	world_enter(w);
	while (w->heap_count > 0 && w->heap[0].at_us <= until_us && !*w->why) {
		struct sim_event e = heap_take(w);

		clock_manual_advance(&w->clock, e.at_us - w->now_us);
		if (w->past)
			clock_manual_advance(&w->past->clock, e.at_us - w->now_us);
		w->now_us = e.at_us;
		arena_reset(w->arena);
		e.fn(w, &e);
		bus_msg_free(e.msg);
		check_step(w);
	}
}

void
world_run(struct world *w)
{
	world_run_until(w, SIM_FAULTS_US + SIM_SETTLE_US);
	if (!*w->why)
		check_end(w);
}

void
world_done(struct world *w)
{
	for (size_t i = 0; i < w->host_count; i++)
		host_done(&w->hosts[i]);
	for (size_t i = 0; i < SIM_HUBS; i++)
		hub_done(&w->hubs[i]);
	for (size_t i = 0; i < SIM_SCHEDULERS; i++)
		scheduler_done(&w->schedulers[i]);
	for (size_t i = 0; i < w->heap_count; i++)
		bus_msg_free(w->heap[i].msg);
	free(w->heap);
	stream_wipe_commands(w);
	stream_wipe_reports(w);
	store_free(w->store);
	restore_done(w);
	net_done(w);
	arena_free(w->arena);
}
