/* pg_capacity: giving reservations back, exactly once (K16). */
#ifndef PG_CAPACITY_H
#define PG_CAPACITY_H

#include "pg.h"

/* Locks the capacity of the hosts of these executors: before anything of the executors themselves.
 */
MUST_USE int pg_capacity_lock(
    struct pg *pg, const struct id *executor_ids, size_t n, struct arena *a, struct err *err);
/* Only rows that still were reserved change host_capacity.  Inside the caller's fenced transaction,
 * after pg_capacity_lock. */
MUST_USE int pg_capacity_free(
    struct pg *pg, const struct id *executor_ids, size_t n, struct arena *a, struct err *err);

#endif
