/* leases: every lease a service wants, taken and renewed by one worker that does nothing else, so
 * that work never delays a renewal (K26).  A lease says who should work; the fence in each
 * transaction says who may. */
#ifndef LEASES_H
#define LEASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct err;
struct leases;
struct store;
struct store_lease;

#define LEASES_MAX 24
#define LEASE_NAME_BYTES 80

struct leases_options {
	const char *holder;       /* written into the row, for people; borrowed until the stop */
	const char *const *names; /* copied */
	size_t name_count;        /* at most LEASES_MAX */
	struct store *store_take; /* of its own; freed by leases_stop, also when the start fails */
	/* May the lease be taken or kept now?  NULL: always.  When not, a held one is given back.
	 */
	bool (*fit)(void *arg, const char *name);
	/* Told about every change, and about answers that did not come; may be NULL. */
	void (*changed)(void *arg, const char *name, bool held);
	void (*failed)(void *arg);
	void *arg;
};

MUST_USE int leases_start(
    const struct leases_options *options, struct leases **ret, struct err *err);
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
