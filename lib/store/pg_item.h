/* pg_item: one desired state as it goes on the wire; the same columns for sync, sweep and fold.
 * Needs the aliases c (command), e (executor), s (session), p (executor_spec). */
#ifndef PG_ITEM_H
#define PG_ITEM_H

#include "pg.h"

#define PG_ITEM_COLUMNS                                                                            \
	"c.executor_id, c.generation, c.host_seq, c.desired, c.deadline_at, s.name, e.idx,"        \
	"e.attempt, c.stop_grace_ms, CASE WHEN c.desired = 1 THEN p.body END"
#define PG_ITEM_COLUMN_COUNT 10

/* first: the column at which PG_ITEM_COLUMNS start. */
MUST_USE int pg_item_read(const PGresult *r, int row, int first, struct arena *a,
    struct store_item *ret, struct err *err);

/* The messages named, with their items in order of executor id, ready to publish.  Messages without
 * items left do not appear.  resend marks those that were sent before. */
MUST_USE int pg_messages_load(struct pg *pg, const struct id *message_ids, size_t n,
    struct arena *a, struct store_message **ret, size_t *ret_n, struct err *err);

#endif
