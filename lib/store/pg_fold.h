/* pg_fold: the scheduler's work lists, one file per list.  Each step is a fenced transaction of its
 * own and adds the messages it wrote to `ids`. */
#ifndef PG_FOLD_H
#define PG_FOLD_H

#include "pg.h"

#define PG_FOLD_LIMIT 1024 /* of each list per call; statements carry it literally */

struct pg_fold {
	struct pg *pg;
	const struct store_lease *lease;
	struct arena *arena;
	int32_t pool_id;
	uint32_t absent_after_ms;
	struct id ids[4 * PG_FOLD_LIMIT]; /* messages to load and publish */
	size_t id_count;
	struct store_fold_result *result;
};

MUST_USE int pg_fold_intents(struct pg_fold *f, struct err *err);
MUST_USE int pg_fold_ended(struct pg_fold *f, struct err *err);
MUST_USE int pg_fold_absent(struct pg_fold *f, struct err *err);
MUST_USE int pg_fold_gone(struct pg_fold *f, struct err *err);
MUST_USE int pg_fold_closing(struct pg_fold *f, struct err *err);
void pg_fold_add_ids(struct pg_fold *f, const struct id *ids, size_t n);

#endif
