/* pg_census: what a cell holds and what waits in it, counted up to a bound. */
#include "err.h"
#include "pg.h"

#define BACKLOGS_FIRST 4 /* columns before the first backlog */
_Static_assert(STORE_CENSUS_MAX == 100000, "the literal bound of the statement");

/* Backlogs in the order of STORE_BACKLOGS.  A literal LIMIT: whatever grows without end must not
 * make a slow statement of this one. */
/* clang-format off */
static const struct pg_statement census = {"census",
    "SELECT count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2),"
    " count(*) FILTER (WHERE state = 3), count(*) FILTER (WHERE state = 4),"
    " (SELECT count(*) FROM (SELECT FROM placement_queue LIMIT 100000) x),"
    " (SELECT count(*) FROM (SELECT FROM outbox LIMIT 100000) x),"
    " (SELECT count(*) FROM (SELECT FROM outbox WHERE sent_at IS NULL LIMIT 100000) x),"
    " (SELECT count(*) FROM (SELECT FROM executor_ended LIMIT 100000) x),"
    " (SELECT count(*) FROM (SELECT FROM executor_gone LIMIT 100000) x),"
    " (SELECT count(*) FROM (SELECT FROM intent LIMIT 100000) x),"
    " (SELECT count(*) FROM (SELECT FROM session_delta LIMIT 100000) x),"
    " (SELECT count(*) FROM (SELECT FROM event_outbox LIMIT 100000) x),"
    " (SELECT (extract(epoch FROM clock_timestamp() - min(created_at)) * 1e6)::int8 FROM"
    "   (SELECT created_at FROM outbox WHERE sent_at IS NULL LIMIT 100000) x)"
    " FROM host"};
/* clang-format on */

int
pg_store_census(struct store *s, struct store_census *ret, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;

	if (pg_run(pg_of(s), &census, NULL, &r, err) != 0)
		return -1;
	*ret = (struct store_census){0};
	for (int state = HOST_READY; state <= HOST_RETIRED; state++)
		ret->hosts[state] = (uint64_t)pg_int(r, 0, state - HOST_READY);
	for (int i = 0; i < STORE_BACKLOG_COUNT; i++)
		ret->backlogs[i] = (uint64_t)pg_int(r, 0, BACKLOGS_FIRST + i);
	ret->oldest_unsent_us = pg_int(r, 0, BACKLOGS_FIRST + STORE_BACKLOG_COUNT);
	return 0;
}
