/* liveness: who was heard when, in memory only (state.md, "Heartbeats stay in hub memory").
 *
 * Every hub hears every heartbeat; a coarse flush puts what changed into Postgres.  Thread safe. */
#ifndef LIVENESS_H
#define LIVENESS_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct arena;
struct liveness;
struct store_beat;

/* hosts_max: the bound; hosts beyond it are answered but not remembered, and counted. */
struct liveness *liveness_new(size_t hosts_max); /* NULL: no memory */
void liveness_free(struct liveness *l);

void liveness_heard(struct liveness *l, const char *host_id, int64_t at_us, uint64_t contiguous_seq,
    int64_t rtt_us, const char *server);
/* Real time of the newest heartbeat, 0: never heard by this hub. */
int64_t liveness_heard_us(struct liveness *l, const char *host_id);
/* At most `limit` hosts heard since their last flush, marked as flushed.  Strings live in the
 * arena. */
size_t liveness_take(struct liveness *l, struct arena *a, struct store_beat *beats, size_t limit);
size_t liveness_count(struct liveness *l);
uint64_t liveness_forgotten(struct liveness *l);

#endif
