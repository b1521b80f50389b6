/* plan_group: placing the executors of one shape under spread and anti-affinity.
 *
 * Every host is looked at once, and again only after it took one: what it refuses within a plan it
 * refuses to the end, because hosts only fill up and counts only rise.  A value costs a step in a
 * heap per executor.  So a plan costs hosts + executors, not their product. */
#ifndef PLAN_GROUP_H
#define PLAN_GROUP_H

#include "plan.h"

struct plan_group;

/* In f->scratch.  wants_left: how many it may have to place.  NULL: no memory. */
struct plan_group *plan_group_new(struct plan_fleet *f, const struct plan_shape *shape,
    const struct plan_crowd *crowd, size_t wants_left);
/* A host for one more, counted; PLAN_NO_HOST: there is none now, nor later in this plan.
 * -1: no memory. */
MUST_USE int plan_group_place(struct plan_group *g, size_t *ret_host);
/* Why each host was not taken. */
void plan_group_explain(const struct plan_group *g, uint32_t why[PLAN_REASON_COUNT]);

/* Of a host in the crowd; 0: not avoided. */
int64_t plan_avoided_weight(const struct plan_crowd *crowd, uint32_t host);

#endif
