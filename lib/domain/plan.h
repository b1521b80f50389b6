/* plan: who runs where.  A pure function of a snapshot: same input, same output.
 *
 * First fit from a rotating start among hosts that match; hosts keep what the plan gives them, so a
 * batch never exceeds a host (invariant 4).  The transaction that applies it checks again. */
#ifndef PLAN_H
#define PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "id.h"
#include "resources.h"
#include "selector.h"
#include "state.h"

#define PLAN_DRIVERS_MAX 8

struct plan_driver {
	const char *name;
	bool usable;
	bool enforces_cpu, enforces_memory;
};

struct plan_host {
	const char *host_id;
	enum host_state state;
	bool cordoned, draining;
	struct resources capacity, used;
	const struct label *labels;
	size_t label_count;
	struct plan_driver drivers[PLAN_DRIVERS_MAX];
	size_t driver_count;
};

/* One executor that wants a host.  Members of one session share what is below `shape`. */
struct plan_shape {
	const struct selector *selector;
	const char *driver;
	bool limits_required;
	struct resources resources;
};
struct plan_want {
	struct id executor_id;
	const struct plan_shape *shape;
};

enum plan_reason {
	PLAN_OK,
	PLAN_NOT_READY, /* suspect, lost */
	PLAN_CORDONED,
	PLAN_DRAINING,
	PLAN_SELECTOR,
	PLAN_DRIVER_MISSING,
	PLAN_DRIVER_UNUSABLE,
	PLAN_LIMITS,    /* cannot enforce limits */
	PLAN_TOO_SMALL, /* would not fit even when empty */
	PLAN_CPU,
	PLAN_MEMORY,
	PLAN_DISK,
	PLAN_GPUS,
	PLAN_SLOTS, /* full in this dimension */
	PLAN_REASON_COUNT,
};
const char *plan_reason_text(enum plan_reason r); /* "cordoned", "memory", ... */

struct plan_result {
	size_t host;                     /* index into hosts, or PLAN_NO_HOST */
	uint32_t why[PLAN_REASON_COUNT]; /* hosts per reason; filled when there is no host */
};
#define PLAN_NO_HOST SIZE_MAX

/* Why this host would refuse this shape now; PLAN_OK when it would not. */
enum plan_reason plan_check(const struct plan_host *host, const struct plan_shape *shape);

/* results[i] answers wants[i] (given in order of priority).  hosts[].used is raised as it goes.
 * *cursor rotates the first host looked at; the caller keeps it between calls. */
void plan(struct plan_host *hosts, size_t host_count, const struct plan_want *wants, size_t n,
    size_t *cursor, struct plan_result *results);

/* Could any of these hosts ever take the shape, when ready and empty (E16)? */
bool plan_possible(const struct plan_host *hosts, size_t n, const struct plan_shape *shape);

#endif
