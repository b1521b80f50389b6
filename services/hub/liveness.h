/* liveness: who was heard when and over which connection, in memory only (state.md, "Heartbeats
 * stay in hub memory").
 *
 * Every hub hears every heartbeat; a coarse flush puts what changed into Postgres, and the judge
 * draws its conclusions from here.  Times are CLOCK_BOOTTIME: no wall clock decides anything (L12).
 * Thread safe. */
#ifndef LIVENESS_H
#define LIVENESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

#include "digest.h"
#include "id.h"

struct arena;
struct liveness;
struct store_beat;

/* hosts_max: the bound; hosts beyond it are answered but not remembered, and counted. */
struct liveness *liveness_new(size_t hosts_max); /* NULL: no memory */
void liveness_free(struct liveness *l);

/* A heartbeat as it was heard.  Strings are copied. */
struct liveness_beat {
	const char *host_id, *server;
	const char
	    *server_id; /* with client_id the connection it came over; client_id 0: unknown */
	uint64_t client_id;
	uint64_t epoch, contiguous_seq;
	struct digest digest; /* of its live set (K19) */
	struct id nonce_id;   /* an answer names it */
	int64_t rtt_us;
	int64_t real_us; /* for people */
	int64_t mono_us;
};
/* A heartbeat below the newest epoch is of an older start, or of another machine that lost this
 * identity: it changes nothing, neither who was heard nor over which connection. */
void liveness_heard(struct liveness *l, const struct liveness_beat *beat);
/* The bus says that a connection is gone: returns how many hosts it was the newest one of.  A
 * connection that its host has replaced counts for nothing (L3). */
size_t liveness_connection_lost(struct liveness *l, const char *server_id, uint64_t client_id);

struct liveness_view {
	int64_t mono_us; /* of the newest heartbeat; 0: never heard by this hub */
	uint64_t epoch;  /* in it */
	bool cut;        /* the connection it came over is gone */
};
struct liveness_view liveness_look(struct liveness *l, const char *host_id);
/* Real time of the newest heartbeat, 0: never heard by this hub. */
int64_t liveness_heard_us(struct liveness *l, const char *host_id);
/* At most `limit` hosts heard since their last flush, marked as flushed.  Strings live in the
 * arena. */
size_t liveness_take(struct liveness *l, struct arena *a, struct store_beat *beats, size_t limit);
/* Hosts whose digest has stood still for settle_us, over two heartbeats at least, and that were not
 * taken here for again_us (K19): at most `limit`, marked as taken.  Strings live in the arena. */
struct liveness_settled {
	const char *host_id;
	uint64_t epoch;
	struct digest digest;
	struct id nonce_id; /* of its newest heartbeat */
};
size_t liveness_take_settled(struct liveness *l, int64_t now_us, int64_t settle_us,
    int64_t again_us, struct arena *a, struct liveness_settled *ret, size_t limit);
size_t liveness_count(struct liveness *l);
uint64_t liveness_forgotten(struct liveness *l);

#endif
