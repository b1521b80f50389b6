/* report: what a host observed of one executor, and how two reports join (K14, K15).
 *
 * One implementation serves the hub's fold inside a batch, the in-memory store and the tests; the
 * SQL statement of the Postgres store is checked against it. */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "id.h"
#include "state.h"

struct report {
	struct id executor_id;
	const char *host_id;  /* from the subject, never from the body; borrowed */
	struct id journal_id; /* superseded journals are dropped by the store (K2) */
	uint64_t accepted_generation, gone_generation;
	uint32_t incarnation;
	enum executor_state state; /* EXECUTOR_NONE: only the counters count */
	bool started, oom;
	int32_t exit_code, signal;
	const char *reason, *detail;                                 /* borrowed, never NULL */
	int64_t starting_after_us, running_after_us, ended_after_us; /* 0: not reached */
	uint32_t order; /* scratch of report_fold_batch */
};

/* Does n observe something newer than (state, incarnation)?  The w of K14. */
bool report_advances(enum executor_state state, uint32_t incarnation, const struct report *n);

/* Folds b (later in the stream) into a, both of one executor and host: an end over anything, the
 * first end, otherwise the higher (incarnation, rank); counters by maximum; earliest stage times.
 */
void report_fold(struct report *a, const struct report *b);

/* Sorts n reports by executor id (stable) and folds those of one executor, host and journal: a
 * report of a superseded journal must not hide behind a living one (K2).  Returns the new n.
 * ret_origin, if not NULL, holds n indexes: for each input, which output it went into.  n < 2^32.
 */
size_t report_fold_batch(struct report *reports, size_t n, size_t *ret_origin);

#endif
