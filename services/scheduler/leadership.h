/* leadership: which leases a scheduler wants: its pools, and what one of them does for the cell. */
#ifndef LEADERSHIP_H
#define LEADERSHIP_H

#include "compiler.h"
#include "leases.h"

struct err;
struct leases;
struct scheduler;

#define LEASE_COUNTERS "counters"
#define LEASE_EVENTS "events"
#define LEASE_RETENTION "retention"

/* "scheduler-<pool>" */
char *lease_of_pool(const char *pool, char buffer[LEASE_NAME_BYTES]);

MUST_USE int leadership_start(struct scheduler *s, struct leases **ret, struct err *err);

#endif
