/* pg_cell: the cell in one answer. */
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"

static int
leases_read(struct pg *pg, struct arena *a, struct store_cell *ret, struct err *err)
{
	static const struct pg_statement leases = {"cell_leases",
	    "SELECT name, holder, epoch, expires_at FROM lease WHERE expires_at > clock_timestamp()"
	    " ORDER BY name"};
	CLEANUP(PQclear) PGresult *r = NULL;

	if (pg_run(pg, &leases, NULL, &r, err) != 0)
		return -1;
	ret->lease_count = (size_t)PQntuples(r);
	ret->leases = arena_calloc(a, ret->lease_count + 1, sizeof(*ret->leases));
	if (!ret->leases)
		return pg_no_room(err);
	for (int i = 0; i < PQntuples(r); i++)
		ret->leases[i] = (struct store_lease_row){.name = pg_text(r, i, 0, a),
		    .holder = pg_text(r, i, 1, a),
		    .epoch = (uint64_t)pg_int(r, i, 2),
		    .expires_us = pg_time(r, i, 3)};
	return 0;
}

/* Folded counters plus what waits to be folded, but for sessions that retention removed. */
static int
executors_read(struct pg *pg, struct store_cell *ret, struct err *err)
{
	static const struct pg_statement counters = {"cell_counters",
	    "SELECT v.s, sum(v.n)::int8 FROM (SELECT t.s, t.n FROM session_counter c, LATERAL "
	    "(VALUES"
	    " (10, c.queued), (20, c.placed), (40, c.accepted), (50, c.pulling), (60, c.starting),"
	    " (70, c.running), (75, c.backoff), (80, c.stopping), (90, c.succeeded), (91, "
	    "c.failed),"
	    " (92, c.stopped), (93, c.rejected), (94, c.lost), (95, c.expired), (96, c.cancelled))"
	    " t(s, n) UNION ALL SELECT x.t, 1 FROM session_delta d,"
	    "   unnest(d.sessions, d.to_states) x(id, t) JOIN session_counter k ON k.session_id = "
	    "x.id"
	    " UNION ALL SELECT x.f, -1 FROM session_delta d,"
	    "   unnest(d.sessions, d.from_states) x(id, f) JOIN session_counter k"
	    "     ON k.session_id = x.id) v"
	    " WHERE v.s > 0 GROUP BY 1"};
	CLEANUP(PQclear) PGresult *r = NULL;

	if (pg_run(pg, &counters, NULL, &r, err) != 0)
		return -1;
	for (int i = 0; i < PQntuples(r); i++)
		ret->executors[pg_int(r, i, 0) % 100] = (uint64_t)pg_int(r, i, 1);
	return 0;
}

int
pg_store_cell_get(struct store *s, struct arena *a, struct store_cell *ret, struct err *err)
{
	static const struct pg_statement cell = {"cell_get",
	    "SELECT name, cell_term, (SELECT max(version) FROM schema_migration),"
	    " (SELECT count(*) FROM host WHERE state = 1), (SELECT count(*) FROM host WHERE state "
	    "= 2),"
	    " (SELECT count(*) FROM host WHERE state = 3), (SELECT count(*) FROM host WHERE state "
	    "= 4),"
	    " (SELECT count(*) FROM session WHERE state = 1), (SELECT count(*) FROM "
	    "placement_queue),"
	    " (SELECT count(*) FROM outbox WHERE sent_at IS NULL),"
	    " (SELECT count(*) FROM host_unknown) FROM cell"};
	CLEANUP(PQclear) PGresult *r = NULL;

	memset(ret, 0, sizeof(*ret));
	if (pg_run(pg_of(s), &cell, NULL, &r, err) != 0)
		return -1;
	ret->name = pg_text(r, 0, 0, a);
	ret->term = (uint64_t)pg_int(r, 0, 1);
	ret->schema_version = (unsigned)pg_int(r, 0, 2);
	for (int state = HOST_READY; state <= HOST_RETIRED; state++)
		ret->hosts[state] = (uint32_t)pg_int(r, 0, 2 + state);
	ret->sessions_open = (uint32_t)pg_int(r, 0, 7);
	ret->queue_depth = (uint64_t)pg_int(r, 0, 8);
	ret->outbox_unsent = (uint64_t)pg_int(r, 0, 9);
	ret->unknown = (uint32_t)pg_int(r, 0, 10);
	if (!ret->name)
		return pg_no_room(err);
	if (executors_read(pg_of(s), ret, err) != 0)
		return -1;
	return leases_read(pg_of(s), a, ret, err);
}
