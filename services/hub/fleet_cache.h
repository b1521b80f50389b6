/* fleet_cache: could any host of a pool ever take this spec (E16)?  One per API worker.
 *
 * Answers "yes" from a copy of the pool that may be a few seconds old; "no" only from a fresh one.
 */
#ifndef FLEET_CACHE_H
#define FLEET_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct err;
struct fleet_cache;
struct plan_shape;
struct store;

struct fleet_cache *fleet_cache_new(void);
void fleet_cache_free(struct fleet_cache *c);

/* *ret_hosts: how many hosts the pool has (not retired). */
MUST_USE int fleet_cache_possible(struct fleet_cache *c, struct store *s, const char *pool,
    const struct plan_shape *shape, bool *ret_possible, size_t *ret_hosts, struct err *err);

#endif
