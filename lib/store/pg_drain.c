/* pg_drain: a hub marks a host; the pool's scheduler moves its executors away (pg_displace). */
#include "arena.h"
#include "err.h"
#include "pg.h"

int
pg_store_host_drain(struct store *s, const char *host_id, bool drain, int64_t deadline_ms,
    const char *reason, const char *who, struct err *err)
{
	static const struct pg_statement set = {"host_drain",
	    "WITH u AS (UPDATE host SET"
	    "   draining_at = CASE WHEN $2 THEN coalesce(draining_at, clock_timestamp()) END,"
	    "   drained_by = CASE WHEN $2 THEN $5 ELSE '' END,"
	    "   drain_deadline_at = CASE WHEN $2 AND $3 > 0"
	    "     THEN clock_timestamp() + $3 * interval '1 millisecond' END,"
	    "   cordoned_at = CASE WHEN $2 THEN coalesce(cordoned_at, clock_timestamp())"
	    "     ELSE cordoned_at END,"
	    "   cordoned_by = CASE WHEN $2 THEN $5 ELSE cordoned_by END,"
	    "   cordon_reason = CASE WHEN $2 THEN $4 ELSE cordon_reason END"
	    "   WHERE host_id = $1 AND state <> 4 AND ($2 OR draining_at IS NOT NULL)"
	    "   RETURNING host_id),"
	    "v AS (INSERT INTO event_outbox (kind, host, who, text)"
	    "   SELECT CASE WHEN $2 THEN 'host.draining' ELSE 'host.undrained' END, host_id, $5, $4"
	    "   FROM u) SELECT 1 FROM u"};
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	CLEANUP(PQclear) PGresult *r = NULL;
	struct store_host row;
	struct pg_params p;

	if (!a)
		return pg_no_room(err);
	pg_params_init(&p, a);
	pg_add_text(&p, host_id);
	pg_add_bool(&p, drain);
	pg_add_int8(&p, deadline_ms);
	pg_add_text(&p, reason);
	pg_add_text(&p, who);
	if (pg_run(pg_of(s), &set, &p, &r, err) != 0)
		return -1;
	return PQntuples(r) > 0 ? 0 : pg_store_host_get(s, host_id, a, &row, err);
}
