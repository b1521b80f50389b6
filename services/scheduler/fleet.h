/* fleet: the image of a pool's hosts in memory, as the planner wants it, with what belongs to it:
 * the crowds of the sessions that were planned over it. */
#ifndef FLEET_H
#define FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "plan.h"

struct clock;
struct err;
struct fleet;
struct store;
struct store_queued;

/* clock is borrowed: what the age of the image is measured with.  NULL: no memory. */
struct fleet *fleet_new(const struct clock *clock);
void fleet_free(struct fleet *f);
DEFINE_CLEANUP(struct fleet *, fleet_free);

/* Reads the pool's hosts again; on -1 the old image stays. */
MUST_USE int fleet_load(struct fleet *f, struct store *s, const char *pool, struct err *err);
/* Since the last load; INT64_MAX before the first, or after fleet_forget. */
int64_t fleet_age_us(const struct fleet *f);
/* The image is known to be wrong: hosts refused, or reservations came back. */
void fleet_forget(struct fleet *f);
struct plan_fleet *fleet_image(struct fleet *f);
/* The index of a host; false: the image does not hold it. */
bool fleet_find(struct fleet *f, const char *host_id, uint32_t *ret);
/* Gives each want the crowd of its session; wants[i] answers queued[i].  After an error the image
 * is to be forgotten. */
MUST_USE int fleet_attend(struct fleet *f, struct store *s, const struct store_queued *queued,
    struct plan_want *wants, size_t n, struct err *err);

#endif
