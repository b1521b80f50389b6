/* pg_fold: the scheduler's work lists, one file per list.  Each step is a fenced transaction of its
 * own and adds the messages it wrote to `ids`. */
#ifndef PG_FOLD_H
#define PG_FOLD_H

#include "pg_command.h"

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

/* A user's wish, as a hub wrote it. */
struct pg_intent {
	bool now;
	struct id session_id, executor_id; /* executor_id zero: the whole session */
	uint64_t generation;               /* of a command */
	const char *who;
};

MUST_USE int pg_fold_intents(struct pg_fold *f, struct err *err);
MUST_USE int pg_fold_ended(struct pg_fold *f, struct err *err);
MUST_USE int pg_fold_absent(struct pg_fold *f, struct err *err);
MUST_USE int pg_fold_gone(struct pg_fold *f, struct err *err);
MUST_USE int pg_fold_closing(struct pg_fold *f, struct err *err);
/* Makes a session have the executors its replicas ask for; *ret_done false: more is left, or what
 * was stopped has to end first. */
MUST_USE int pg_fold_reconcile(
    struct pg_fold *f, const struct id *session_id, bool *ret_done, struct err *err);
/* One intent "command.replay" (pg_command_settle.c). */
MUST_USE int pg_fold_replay(struct pg_fold *f, const struct pg_intent *in, struct err *err);
void pg_fold_add_ids(struct pg_fold *f, const struct id *ids, size_t n);
/* The rows of st are executors: id, host, grace in ms, generation; by id, distinct.  Writes the
 * command that `order` says for each of them that has this generation still (pg_command.h).
 * *ret_more: not of all that there are; to be asked again. */
MUST_USE int pg_fold_tell(struct pg_fold *f, const struct pg_statement *st, struct pg_params *p,
    const struct pg_target *order, bool *ret_more, struct err *err);

#endif
