/* pg_replace: a session that lost an executor gets another one: same index, attempt + 1 (E9, L7).
 */
#ifndef PG_REPLACE_H
#define PG_REPLACE_H

#include "pg.h"

/* Locks the sessions of these executors, so that a close either sees the replacement or prevents
 * it.  Before anything of the executors themselves (K26). */
MUST_USE int pg_replace_lock(
    struct pg *pg, const struct id *executor_ids, size_t n, struct arena *a, struct err *err);
/* Those of the executors that ended without anybody's wish and whose session still wants them: a
 * QUEUED executor each, in the placement queue.  Idempotent: an attempt has one successor.
 * Inside the caller's fenced transaction, after pg_replace_lock; *ret_n counts them. */
MUST_USE int pg_replace(struct pg *pg, const struct id *executor_ids, size_t n, struct arena *a,
    size_t *ret_n, struct err *err);
/* One that a person asks for: whatever the bound of replacements says, and at once. */
MUST_USE int pg_replace_asked(
    struct pg *pg, const struct id *executor_id, struct arena *a, size_t *ret_n, struct err *err);

/* Beside executors that may live on a silent host (K24). */
MUST_USE int pg_replace_early(struct pg *pg, const struct id *executor_ids, size_t n,
    struct arena *a, size_t *ret_n, struct err *err);

#endif
