#include "pg_unknown.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "rules.h"

int
pg_unknown_say(struct pg *pg, const char *host_id, const char *kind, const char *who,
    const struct store_absent *rows, size_t n, struct arena *a, struct err *err)
{
	static const struct pg_statement say = {"unknown_said",
	    "INSERT INTO event_outbox (kind, host, who, text) VALUES ($1, $2, $3, $4)"};
	const char *text = n > 0 ? rules_unknown_event(rows, n, a) : "";
	struct pg_params p;

	if (!text)
		return pg_no_room(err);
	if (n == 0)
		return 0;
	pg_params_init(&p, a);
	pg_add_text(&p, kind);
	pg_add_text(&p, host_id);
	pg_add_text(&p, who);
	pg_add_text(&p, text);
	return pg_run(pg, &say, &p, NULL, err);
}

/* ---- a hello ---- */

static int
refresh_run(struct pg *pg, const char *host_id, const struct store_hello_answer *answer,
    struct arena *a, PGresult **ret, struct err *err)
{
	static const struct pg_statement refresh = {"unknown_refresh",
	    "WITH n AS MATERIALIZED (SELECT u.id, u.g, k.generation AS was,"
	    "   k.told_at IS NOT NULL AS told FROM unnest($2::uuid[], $3::int8[]) u(id, g)"
	    "   LEFT JOIN host_unknown k ON k.host_id = $1 AND k.executor_id = u.id),"
	    "d AS (DELETE FROM host_unknown k WHERE k.host_id = $1"
	    "   AND NOT EXISTS (SELECT 1 FROM n WHERE n.id = k.executor_id)),"
	    "i AS (INSERT INTO host_unknown (host_id, executor_id, generation)"
	    "   SELECT $1, id, g FROM n WHERE was IS NULL ORDER BY id ON CONFLICT DO NOTHING),"
	    "c AS (UPDATE host_unknown k SET generation = n.g FROM n"
	    "   WHERE k.host_id = $1 AND k.executor_id = n.id AND n.was <> n.g)"
	    "SELECT id, g, told, was IS NULL FROM n ORDER BY id"};
	struct pg_params p;
	struct pg_array array;

	pg_params_init(&p, a);
	pg_add_text(&p, host_id);
	pg_array_begin(&array, &p, PG_UUID, answer->unknown_count);
	for (size_t i = 0; i < answer->unknown_count; i++)
		pg_put_uuid(&array, &answer->unknown[i].executor_id);
	pg_array_end(&array);
	pg_array_begin(&array, &p, PG_INT8, answer->unknown_count);
	for (size_t i = 0; i < answer->unknown_count; i++)
		pg_put_int(&array, (int64_t)answer->unknown[i].generation);
	pg_array_end(&array);
	return pg_run(pg, &refresh, &p, ret, err);
}

int
pg_unknown_refresh(struct pg *pg, const char *host_id, struct arena *a,
    struct store_hello_answer *answer, struct err *err)
{
	struct store_absent *fresh = arena_calloc(a, answer->unknown_count + 1, sizeof(*fresh));
	CLEANUP(PQclear) PGresult *r = NULL;
	size_t fresh_count = 0;

	if (!fresh)
		return pg_no_room(err);
	if (refresh_run(pg, host_id, answer, a, &r, err) != 0)
		return -1;
	answer->unknown_count = 0;
	for (int i = 0; i < PQntuples(r); i++) {
		struct store_absent row = {pg_id(r, i, 0), (uint64_t)pg_int(r, i, 1)};

		if (pg_bool(r, i, 2)) {
			row.generation++;
			answer->absent[answer->absent_count++] = row;
			continue;
		}
		answer->unknown[answer->unknown_count++] = row;
		if (pg_bool(r, i, 3))
			fresh[fresh_count++] = row;
	}
	rules_absent_sort(answer->absent, answer->absent_count);
	return pg_unknown_say(
	    pg, host_id, RULES_EVENT_UNKNOWN_KEPT, "", fresh, fresh_count, a, err);
}

/* ---- people ---- */

int
pg_store_unknown_list(struct store *s, const char *host_id, uint32_t limit, struct arena *a,
    struct store_unknown **ret, size_t *ret_n, struct err *err)
{
	static const struct pg_statement list = {"unknown_list",
	    "SELECT executor_id, generation, since, told_at, told_by FROM host_unknown"
	    " WHERE host_id = $1 ORDER BY executor_id LIMIT $2"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct store_unknown *rows;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, host_id);
	pg_add_int8(&p, limit);
	if (pg_run(pg_of(s), &list, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)PQntuples(r);
	*ret = rows = arena_calloc(a, *ret_n + 1, sizeof(*rows));
	if (!rows)
		return pg_no_room(err);
	for (int i = 0; i < PQntuples(r); i++) {
		rows[i] = (struct store_unknown){.executor_id = pg_id(r, i, 0),
		    .generation = (uint64_t)pg_int(r, i, 1),
		    .since_us = pg_time(r, i, 2),
		    .told_us = pg_time(r, i, 3),
		    .told_by = pg_text(r, i, 4, a)};
		if (!rows[i].told_by)
			return pg_no_room(err);
	}
	return 0;
}

static int
host_lock(struct pg *pg, const char *host_id, struct arena *a, struct err *err)
{
	static const struct pg_statement lock = {
	    "unknown_lock", "SELECT 1 FROM host WHERE host_id = $1 FOR UPDATE"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, host_id);
	if (pg_run(pg, &lock, &p, &r, err) != 0)
		return -1;
	return PQntuples(r) > 0 ? 0 : err_set(err, ERR_NOT_FOUND, "no host %s", host_id);
}

/* An older epoch than the row's is answered "hello required" (K2); what was marked before is in an
 * answer already, or in the one to come. */
static int
mark(struct pg *pg, const char *host_id, const char *who, struct arena *a,
    struct store_absent **ret, size_t *ret_n, struct err *err)
{
	static const struct pg_statement stop = {"unknown_stop",
	    "WITH u AS (UPDATE host_unknown SET told_at = clock_timestamp(), told_by = $2"
	    "   WHERE host_id = $1 AND told_at IS NULL RETURNING executor_id, generation),"
	    "e AS (UPDATE host SET epoch = greatest(epoch, term_floor()) + 1"
	    "   WHERE host_id = $1 AND EXISTS (SELECT 1 FROM u))"
	    "SELECT executor_id, generation FROM u ORDER BY 1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, host_id);
	pg_add_text(&p, who);
	if (pg_run(pg, &stop, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)PQntuples(r);
	*ret = arena_calloc(a, *ret_n + 1, sizeof(**ret));
	if (!*ret)
		return pg_no_room(err);
	for (int i = 0; i < PQntuples(r); i++)
		(*ret)[i] = (struct store_absent){pg_id(r, i, 0), (uint64_t)pg_int(r, i, 1)};
	return 0;
}

static int
marked_count(struct pg *pg, const char *host_id, struct arena *a, size_t *ret_n, struct err *err)
{
	static const struct pg_statement count = {"unknown_count",
	    "SELECT count(*) FROM host_unknown WHERE host_id = $1 AND told_at IS NOT NULL"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, host_id);
	if (pg_run(pg, &count, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)pg_int(r, 0, 0);
	return 0;
}

int
pg_store_unknown_stop(
    struct store *s, const char *host_id, const char *who, size_t *ret_n, struct err *err)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct pg *pg = pg_of(s);
	struct store_absent *rows;
	size_t n = 0, marked = 0;

	if (!a)
		return pg_no_room(err);
	if (pg_begin(pg, err) != 0)
		return -1;
	if (host_lock(pg, host_id, a, err) != 0 || mark(pg, host_id, who, a, &rows, &n, err) != 0 ||
	    pg_unknown_say(pg, host_id, RULES_EVENT_UNKNOWN_STOPPING, who, rows, n, a, err) != 0 ||
	    marked_count(pg, host_id, a, &marked, err) != 0) {
		pg_rollback(pg);
		return -1;
	}
	*ret_n = marked;
	return pg_commit(pg, err);
}
