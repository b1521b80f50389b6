/* leases: every lease this scheduler wants, taken and renewed by one worker that does nothing else,
 * so that work never delays a renewal (K26).  A lease says who should work; the fence in each
 * transaction says who may. */
#ifndef LEASES_H
#define LEASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct err;
struct scheduler;
struct store_lease;
struct leases;

#define LEASE_COUNTERS "counters"
#define LEASE_EVENTS "events"
#define LEASE_RETENTION "retention"
#define LEASE_NAME_BYTES 64

/* "scheduler-<pool>" */
char *lease_of_pool(const char *pool, char buffer[LEASE_NAME_BYTES + 16]);

MUST_USE int leases_start(struct scheduler *s, struct leases **ret, struct err *err);
/* Stops renewing and gives everything back, so that another takes over at once. */
void leases_stop(struct leases *l);

/* Is it held now?  Then *ret_lease fences with it. */
bool leases_get(struct leases *l, const char *name, struct store_lease *ret_lease);
/* A transaction was refused: do not believe in this epoch any more. */
void leases_lost(struct leases *l, const struct store_lease *lease);
/* Postgres' clock, estimated from the newest answer; 0 before the first. */
int64_t leases_database_now_us(struct leases *l);
/* Called on the worker's thread when a lease was taken; it must only wake others.  After it was set
 * to NULL the old one does not run any more. */
void leases_on_taken(struct leases *l, void (*taken)(void *arg, const char *name), void *arg);

#endif
