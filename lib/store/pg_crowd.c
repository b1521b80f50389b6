/* pg_crowd: what placement wants to know of a session: where its executors are, which hosts failed
 * it. */
#include "arena.h"
#include "err.h"
#include "pg.h"
#include "store_bounds.h"

int
pg_store_presence_load(struct store *s, const struct id *session_ids, size_t n, struct arena *a,
    struct store_presence **ret, size_t *ret_n, struct err *err)
{
	static const struct pg_statement load = {"presence_load",
	    "SELECT e.session_id, x.host_id, count(*) FROM executor e"
	    " JOIN host_executor x USING (executor_id) JOIN host h ON h.host_id = x.host_id"
	    " WHERE e.session_id = ANY($1::uuid[]) AND x.reserved AND (e.rank < 90 OR h.state = 1)"
	    " GROUP BY 1, 2 ORDER BY e.session_id, x.host_id COLLATE \"C\""};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct store_presence *rows;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_ids(&p, session_ids, n);
	if (pg_run(pg_of(s), &load, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)PQntuples(r);
	rows = arena_calloc(a, *ret_n + 1, sizeof(*rows));
	if (!rows)
		return pg_no_room(err);
	for (int i = 0; i < PQntuples(r); i++) {
		rows[i] = (struct store_presence){.session_id = pg_id(r, i, 0),
		    .host_id = pg_text(r, i, 1, a),
		    .count = (uint32_t)pg_int(r, i, 2)};
		if (!rows[i].host_id)
			return pg_no_room(err);
	}
	*ret = rows;
	return 0;
}

int
pg_store_avoided_load(struct store *s, const struct id *session_ids, size_t n, struct arena *a,
    struct store_avoided **ret, size_t *ret_n, struct err *err)
{
	static const struct pg_statement load = {"avoided_load",
	    "SELECT session_id, host_id, sum(1000 * power(0.5, extract(epoch FROM clock_timestamp()"
	    "   - at) * 1000 / $2))::int8, count(*), max(at) FROM avoided"
	    " WHERE session_id = ANY($1::uuid[])"
	    " AND at > clock_timestamp() - $3 * interval '1 millisecond'"
	    " GROUP BY 1, 2 ORDER BY session_id, host_id COLLATE \"C\""};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct store_avoided *rows;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_ids(&p, session_ids, n);
	pg_add_int8(&p, AVOID_HALF_LIFE_MS);
	pg_add_int8(&p, AVOID_FORGET_MS);
	if (pg_run(pg_of(s), &load, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)PQntuples(r);
	rows = arena_calloc(a, *ret_n + 1, sizeof(*rows));
	if (!rows)
		return pg_no_room(err);
	for (int i = 0; i < PQntuples(r); i++) {
		rows[i] = (struct store_avoided){.session_id = pg_id(r, i, 0),
		    .host_id = pg_text(r, i, 1, a),
		    .weight = pg_int(r, i, 2),
		    .ends = (uint32_t)pg_int(r, i, 3),
		    .last_us = pg_time(r, i, 4)};
		if (!rows[i].host_id)
			return pg_no_room(err);
	}
	*ret = rows;
	return 0;
}
