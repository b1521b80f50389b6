/* duty: a job that is done again and again by whoever holds its lease: one worker, store and arena
 * each.
 *
 * It runs at once again while there is more, every active_ms while it finds something, and slows
 * down to idle_ms while it does not, so that an idle cell costs next to nothing. */
#ifndef DUTY_H
#define DUTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct arena;
struct err;
struct scheduler;
struct store;
struct store_lease;
struct duty;

struct duty_call {
	struct scheduler *scheduler;
	struct store *store;
	struct arena *arena;             /* reset before each call */
	const struct store_lease *lease; /* NULL: the duty is shared by all replicas */
	const char *pool;                /* NULL: the whole cell's */
	void (*freed)(void *arg);        /* capacity came back; may be NULL */
	void *arg;
};

struct duty_row {
	const char *name;
	const char *lease; /* NULL: none, or the pool's */
	bool of_pool;      /* one worker per pool */
	bool fenced;       /* of_pool: needs the pool's lease */
	bool nudged;       /* looks at once when a hub says so */
	bool observes;     /* writes no row: for metrics only */
	int active_ms, idle_ms;
	/* *ret_done: how much was done; *ret_more: call again at once. */
	int (*run)(struct duty_call *call, size_t *ret_done, bool *ret_more, struct err *err);
};

/* row is borrowed.  idle_ms > 0 replaces the row's. */
MUST_USE int duty_start(struct scheduler *s, const struct duty_row *row, const char *pool,
    int idle_ms, void (*freed)(void *arg), void *arg, struct duty **ret, struct err *err);
/* Any thread: look now. */
void duty_wake(struct duty *d);
/* The same, if the row is nudged. */
void duty_nudge(struct duty *d);
void duty_stop(struct duty *d);
void duty_free(struct duty *d);

/* The table: fold, expire and sweep of each pool; counters, events and retention of the cell. */
extern const struct duty_row duty_rows[];
extern const size_t duty_row_count;

#endif
