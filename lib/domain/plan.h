/* plan: who runs where.  A pure function of a snapshot: same input, same output.
 *
 * First fit from a rotating start among hosts that match; hosts keep what the plan gives them, so a
 * batch never exceeds a host (invariant 4).  The transaction that applies it checks again.
 *
 * Spread and anti-affinity count the executors that a session has on hosts already (struct
 * plan_crowd) and those this plan adds.  Hosts a session had better avoid come last. */
#ifndef PLAN_H
#define PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "id.h"
#include "resources.h"
#include "selector.h"
#include "state.h"

struct arena;
struct err;
struct plan_topology;

#define PLAN_DRIVERS_MAX 8
#define PLAN_TOPOLOGIES_MAX                                                                        \
	16                   /* labels by which an image is kept sorted; others are sorted again */
#define PLAN_KEY_HOST "host" /* as a label key: every host is a value of its own */

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
	const char *capabilities; /* words the host said hello with, space separated; NULL: none */
	struct plan_driver drivers[PLAN_DRIVERS_MAX];
	size_t driver_count;
};

/* Where a session's executors are, and hosts that failed it.  Both by index into the hosts. */
struct plan_presence {
	uint32_t host, count;
};
struct plan_avoided {
	uint32_t host;
	int64_t weight; /* > 0; the lightest is tried first */
};
struct plan_crowd {
	const struct plan_presence *there;
	size_t there_count;
	const struct plan_avoided *avoided; /* by host, each once */
	size_t avoided_count;
	bool counted; /* `there` was read: plan adds to `placed` what it places */
	uint32_t *placed;
	size_t placed_count, placed_room;
};

/* One executor that wants a host.  Members of one session share what is below `shape`. */
struct plan_shape {
	const struct selector *selector;
	const char *driver;
	const char *needs; /* capabilities, space separated; NULL: none */
	bool limits_required;
	struct resources resources;
	/* Label keys or PLAN_KEY_HOST; NULL: does not matter. */
	const char *spread_by; /* no value has more than spread_skew above the least */
	uint32_t spread_skew;
	const char *apart_by; /* no value has more than apart_max (anti-affinity) */
	uint32_t apart_max;
};
struct plan_want {
	struct id executor_id;
	const struct plan_shape *shape;
	struct plan_crowd *crowd; /* of its session; NULL: nobody there, nothing avoided */
};

/* The hosts and what is remembered about them from plan to plan. */
struct plan_fleet {
	struct plan_host *hosts; /* `used` is raised by plan */
	size_t host_count;
	size_t cursor; /* the first host looked at: rotates */
	/* Only for spread and anti-affinity: one that lives as long as the hosts, and one that is
	 * reset as plan goes. */
	struct arena *arena, *scratch;
	struct plan_topology *topologies[PLAN_TOPOLOGIES_MAX];
	size_t topology_count;
};

enum plan_reason {
	PLAN_OK,
	PLAN_NOT_READY, /* suspect, lost */
	PLAN_CORDONED,
	PLAN_DRAINING,
	PLAN_SELECTOR,
	PLAN_DRIVER_MISSING,
	PLAN_DRIVER_UNUSABLE,
	PLAN_LIMITS,     /* cannot enforce limits */
	PLAN_CAPABILITY, /* its agent does not do what the executor asks for */
	PLAN_LABEL,      /* lacks the label of spread or anti-affinity */
	PLAN_TOO_SMALL,  /* would not fit even when empty */
	PLAN_CPU,
	PLAN_MEMORY,
	PLAN_DISK,
	PLAN_GPUS,
	PLAN_SLOTS,  /* full in this dimension */
	PLAN_APART,  /* anti-affinity: its value has as many as it may have */
	PLAN_SPREAD, /* one more here would be too many above the least */
	PLAN_REASON_COUNT,
};
const char *plan_reason_text(enum plan_reason r); /* "cordoned", "memory", ... */

struct plan_result {
	size_t host;                     /* index into hosts, or PLAN_NO_HOST */
	uint32_t why[PLAN_REASON_COUNT]; /* hosts per reason; filled when there is no host */
};
#define PLAN_NO_HOST SIZE_MAX

/* Why this host, looked at alone, would refuse this shape now; PLAN_OK when it would not. */
enum plan_reason plan_check(const struct plan_host *host, const struct plan_shape *shape);
/* Would it never be taken, whatever ends there: state, labels, drivers, capabilities, size? */
enum plan_reason plan_check_empty(const struct plan_host *host, const struct plan_shape *shape);
/* NULL: it has no such label. */
const char *plan_label(const struct plan_host *host, const char *key);

/* results[i] answers wants[i] (given in order of priority).  ERR_LIMIT: no memory; `used` is raised
 * by what was placed until then. */
MUST_USE int plan(struct plan_fleet *f, const struct plan_want *wants, size_t n,
    struct plan_result *results, struct err *err);

/* Could any of these hosts ever take the shape, when ready and empty (E16)? */
bool plan_possible(const struct plan_host *hosts, size_t n, const struct plan_shape *shape);

#endif
