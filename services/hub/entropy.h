/* entropy: does a host run what Postgres says it runs (K19)?
 *
 * Once in a while each host whose digest has stood still is compared with the rows; one that
 * differs is asked for a hello, which repairs both directions: it reports everything, and is told
 * what it must not have.  Run by the judge's hub alone; the batch is the rate cap. */
#ifndef ENTROPY_H
#define ENTROPY_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct arena;
struct err;
struct hub;
struct store;

/* One batch; *ret_asked: how many hosts differ and were asked.  now_us: CLOCK_BOOTTIME. */
MUST_USE int entropy_look(struct hub *h, struct store *store, int64_t now_us, struct arena *a,
    size_t *ret_asked, struct err *err);

#endif
