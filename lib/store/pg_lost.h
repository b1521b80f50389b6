/* pg_lost: who is chosen because its host is silent, and what that was drawn from. */
#ifndef PG_LOST_H
#define PG_LOST_H

#include "pg_command.h"

#define PG_LOST_LIMIT 1024 /* statements carry it literally */

/* Has the present judge listened long enough for anybody to be given up?  ($2: milliseconds) */
#define PG_JUDGE_LISTENS                                                                           \
	"EXISTS (SELECT 1 FROM lease l WHERE l.name = 'judge'"                                     \
	"   AND l.expires_at > clock_timestamp()"                                                  \
	"   AND l.taken_at <= clock_timestamp() - $2 * interval '1 millisecond')"

/* Session s wants a replacement of an executor on silent host h before it is given up (K24). */
#define PG_EARLY                                                                                   \
	"(s.replace_lost AND s.replace_after_ms < s.lost_after_ms AND s.state = 1 AND"             \
	" h.suspect_since <= clock_timestamp() - s.replace_after_ms * interval '1 millisecond')"

struct pg_lost {
	struct pg *pg;
	struct arena *arena;
	struct pg_target *targets; /* by executor id */
	int64_t *since_us;         /* of the host of each, as found */
	size_t n;
};

/* The rows of st are executors: id, host, since when it is suspect; by id.  $1: pool, $2: grace. */
MUST_USE int pg_lost_find(struct pg_lost *l, const struct pg_statement *st, const char *pool,
    uint32_t grace_ms, struct err *err);
/* The ids of its targets. */
MUST_USE int pg_lost_ids(const struct pg_lost *l, struct id **ret, struct err *err);
/* A host that was heard meanwhile keeps its executors: its row says so under our lock (K22). */
MUST_USE int pg_lost_lock_hosts(struct pg_lost *l, struct err *err);

/* pg_relieve.c: replacements before their originals are given up, then one of the two is kept.
 * Transactions of their own under the lease; *ret_ids: messages to load and publish. */
MUST_USE int pg_relieve(struct pg *pg, const struct store_lease *lease, const char *pool,
    uint32_t grace_ms, struct arena *a, struct store_lost_result *ret, struct id **ret_ids,
    size_t *ret_messages, struct err *err);

#endif
