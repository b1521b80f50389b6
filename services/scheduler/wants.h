/* wants: rows of the queue as the planner wants them, and its reasons as people read them. */
#ifndef WANTS_H
#define WANTS_H

#include <stddef.h>

#include "compiler.h"
#include "plan.h"

struct arena;
struct err;
struct store_queued;
struct store_waiting;

/* wants[i] answers queued[i]; neighbours of one session revision share a shape.  A selector that
 * does not parse matches nothing here, and says so in the log: the hub checked it when it was
 * declared. */
MUST_USE int wants_of(const struct store_queued *queued, size_t n, struct arena *a,
    struct plan_want **ret, struct err *err);
MUST_USE int wants_explain(const struct plan_result *result, const struct id *executor_id,
    struct arena *a, struct store_waiting *ret, struct err *err);

#endif
