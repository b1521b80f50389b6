/* flight: one command message on its way: encoded once, published until the stream acknowledges. */
#ifndef FLIGHT_H
#define FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The default falls through its cases, which clang takes for a mistake. */
#define HASH_FUNCTION HASH_FNV
#include <uthash.h>

#include "backoff.h"
#include "bus.h"
#include "compiler.h"
#include "id.h"

struct arena;
struct err;
struct publisher;
struct store_message;

struct flight {
	struct id message_id; /* of the outbox row, the key */
	struct publisher *publisher;
	struct arena *arena; /* holds what `out` points to */
	struct bus_out out;
	struct backoff backoff;
	size_t commands;     /* in it */
	bool resend, failed; /* failed: a try was not acknowledged */
	int64_t begun_us, due_us;
	struct flight *next;
	UT_hash_handle hh;
};

/* cp_now_us: Postgres' clock.  A resend is a new message: it gets a fresh Msg-Id and keeps its
 * host_seq (K10).  ERR_INVALID, ERR_LIMIT: it cannot be said on the wire. */
MUST_USE int flight_new(const struct store_message *m, const char *prefix, int64_t cp_now_us,
    struct flight **ret, struct err *err);
void flight_free(struct flight *f);

#endif
