/* fleet: the image of a pool's hosts in memory, as the planner wants it. */
#ifndef FLEET_H
#define FLEET_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "plan.h"

struct err;
struct fleet;
struct store;

struct fleet *fleet_new(void);
void fleet_free(struct fleet *f);
DEFINE_CLEANUP(struct fleet *, fleet_free);

/* Reads the pool's hosts again; on -1 the old image stays. */
MUST_USE int fleet_load(struct fleet *f, struct store *s, const char *pool, struct err *err);
/* Since the last load; INT64_MAX before the first, or after fleet_forget. */
int64_t fleet_age_us(const struct fleet *f);
/* The image is known to be wrong: hosts refused, or reservations came back. */
void fleet_forget(struct fleet *f);
struct plan_host *fleet_hosts(struct fleet *f, size_t *ret_n);
size_t *fleet_cursor(struct fleet *f);

#endif
