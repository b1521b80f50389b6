/* pg_command: raises desired state of executors that have a command already: generation + 1, a
 * command row with its own host_seq, messages of up to 64 items in the outbox.  Inside the caller's
 * fenced transaction; takes the locks in order (host, executor, host_executor). */
#ifndef PG_COMMAND_H
#define PG_COMMAND_H

#include "pg.h"

struct pg_target {
	struct id executor_id;
	const char *host_id;
	enum desired_state desired; /* STOP or ABSENT */
	uint32_t stop_grace_ms;
	const char *stopped_for; /* "drain"; NULL: leave what is there */
	uint64_t generation;     /* the decision was drawn from it; 0: from none */
};

/* The rows as targets that are told what order says.  Columns: executor, host; where they are four
 * or more, grace and generation come next. */
MUST_USE int pg_targets_read(const PGresult *r, const struct pg_target *order, struct arena *a,
    struct pg_target **ret, size_t *ret_n, struct err *err);
/* A parameter: the ids, as an array. */
void pg_targets_add_ids(struct pg_params *p, const struct pg_target *targets, size_t n);
/* Keeps the targets that the rows name in their first column; rows are in the targets' order. */
void pg_targets_keep(struct pg_target *targets, size_t *n, const PGresult *r);

/* targets: sorted by executor id, distinct.  *ret_ids: the messages, to load after the commit.
 * Who was chosen without a lock may have another generation by now, or have ended: the newer word
 * stands, an ABSENT above all (K16), and *n and targets keep only the others.  Targets whose host
 * is RETIRED are passed over: nobody listens there. */
MUST_USE int pg_commands_write(struct pg *pg, struct pg_target *targets, size_t *n, struct arena *a,
    struct id **ret_ids, size_t *ret_n, struct err *err);

#endif
