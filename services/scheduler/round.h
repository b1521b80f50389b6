/* round: once through a pool's queue: plan over the image, commit in batches, publish, say why the
 * rest waits.
 *
 * No thread of its own: place.c calls it from a worker, the simulation step by step. */
#ifndef ROUND_H
#define ROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "store.h"

struct arena;
struct err;
struct fleet;
struct scheduler;

#define ROUND_AGAIN_MS 50 /* after a batch that was refused; an image this old is doubted */

struct round {
	struct scheduler *scheduler;
	const char *pool;
	struct store *store;
	struct arena *arena; /* reset by each pass */
	struct fleet *fleet;
	struct store_lease lease;
	int64_t loaded_us; /* when the queue was read, by the monotonic clock */
	uint64_t placed;   /* ever */
	uint64_t waiting;  /* in the newest round that ended well */
};

/* *ret_again: something was planned but not made, or there is more: call again in ROUND_AGAIN_MS.
 * ERR_DENIED: the lease is lost.  After any error the image is to be forgotten. */
MUST_USE int round_run(struct round *r, bool *ret_again, struct err *err);

#endif
