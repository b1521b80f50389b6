/* pg_queue: who wants a host, and why they still wait. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_lease.h"

/* The position is (priority descending, age) in one number; priorities beyond +-1000 count as that.
 */
#define POSITION "(((1000 - greatest(-1000, least(1000, q.priority)))::int8 << 48) | q.enqueued)"

struct spec {
	struct id session_id;
	uint64_t revision;
	const void *body;
	size_t size;
};

static void
row_read(const PGresult *r, int row, struct arena *a, struct store_queued *ret)
{
	*ret = (struct store_queued){.executor_id = pg_id(r, row, 0),
	    .session_id = pg_id(r, row, 1),
	    .session = pg_text(r, row, 2, a),
	    .index = (uint32_t)pg_int(r, row, 3),
	    .attempt = (uint32_t)pg_int(r, row, 4),
	    .revision = (uint64_t)pg_int(r, row, 5),
	    .priority = (int32_t)pg_int(r, row, 6),
	    .driver = pg_text(r, row, 7, a),
	    .selector = pg_text(r, row, 8, a),
	    .limits_required = pg_bool(r, row, 9),
	    .resources = {.cpu_millis = pg_int(r, row, 10),
		.memory_bytes = pg_int(r, row, 11),
		.disk_bytes = pg_int(r, row, 12),
		.gpus = pg_int(r, row, 13),
		.slots = pg_int(r, row, 14)},
	    .accept_timeout_ms = (uint32_t)pg_int(r, row, 15),
	    .waited_us = pg_int(r, row, 17),
	    .needs = pg_text(r, row, 18, a),
	    .spread_by = pg_text(r, row, 19, a),
	    .spread_skew = (uint32_t)pg_int(r, row, 20),
	    .apart_by = pg_text(r, row, 21, a),
	    .apart_max = (uint32_t)pg_int(r, row, 22)};
}

/* A spec may be 200 KiB: each is read once, however many executors share it. */
static int
spec_load(struct pg *pg, struct spec *spec, struct arena *a, struct err *err)
{
	static const struct pg_statement load = {
	    "spec_load", "SELECT body FROM executor_spec WHERE session_id = $1 AND revision = $2"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_uuid(&p, &spec->session_id);
	pg_add_int8(&p, (int64_t)spec->revision);
	if (pg_run(pg, &load, &p, &r, err) != 0)
		return -1;
	if (PQntuples(r) == 0)
		return err_set(err, ERR_INTERNAL, "a queued executor has no spec");
	spec->body = pg_bytes(r, 0, 0, a, &spec->size);
	return spec->body ? 0 : pg_no_room(err);
}

static int
specs_attach(struct pg *pg, struct store_queued *rows, size_t n, struct arena *a, struct err *err)
{
	struct spec *specs = arena_calloc(a, n + 1, sizeof(*specs));
	size_t count = 0, at = 0;

	if (!specs)
		return pg_no_room(err);
	for (size_t i = 0; i < n; i++) {
		/* Executors of one session stand together: the last one found is nearly always it.
		 */
		for (; at < count; at++) {
			if (id_equal(&specs[at].session_id, &rows[i].session_id) &&
			    specs[at].revision == rows[i].revision)
				break;
		}
		if (at == count) {
			specs[count] = (struct spec){
			    .session_id = rows[i].session_id, .revision = rows[i].revision};
			if (spec_load(pg, &specs[count], a, err) != 0)
				return -1;
			count++;
		}
		rows[i].spec_body = specs[at].body;
		rows[i].spec_size = specs[at].size;
	}
	return 0;
}

int
pg_store_queue_load(struct store *s, const char *pool, uint64_t after, struct arena *a,
    struct store_queued **ret, size_t *ret_n, uint64_t *ret_last, struct err *err)
{
	/* A literal LIMIT: as a parameter it is planned as a tenth of the table. */
	static const struct pg_statement load = {"queue_load",
	    "SELECT e.executor_id, e.session_id, s.name, e.idx, e.attempt, e.revision, q.priority,"
	    " p.driver, p.selector, p.limits_required, p.cpu_millis, p.memory_bytes, p.disk_bytes,"
	    " p.gpus, p.slots, p.accept_timeout_ms, " POSITION
	    ", (extract(epoch FROM clock_timestamp() - greatest(e.queued_at, q.not_before)) * 1e6)"
	    "::int8"
	    ", p.needs, p.spread_by, p.spread_skew, p.apart_by, p.apart_max"
	    " FROM placement_queue q JOIN executor e USING (executor_id) JOIN session s USING "
	    "(session_id)"
	    " JOIN executor_spec p ON p.session_id = e.session_id AND p.revision = e.revision"
	    " WHERE q.pool_id = (SELECT pool_id FROM pool WHERE name = $1) AND q.not_before <= "
	    "now()"
	    " AND " POSITION " > $2 ORDER BY q.priority DESC, q.enqueued LIMIT 1024"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct store_queued *rows;
	struct pg_params p;
	size_t n;

	pg_params_init(&p, a);
	pg_add_text(&p, pool);
	pg_add_int8(&p, (int64_t)after);
	if (pg_run(pg_of(s), &load, &p, &r, err) != 0)
		return -1;
	n = (size_t)PQntuples(r);
	rows = arena_calloc(a, n + 1, sizeof(*rows));
	if (!rows)
		return pg_no_room(err);
	for (size_t i = 0; i < n; i++) {
		row_read(r, (int)i, a, &rows[i]);
		if (!rows[i].session || !rows[i].driver || !rows[i].selector || !rows[i].needs ||
		    !rows[i].spread_by || !rows[i].apart_by)
			return pg_no_room(err);
	}
	*ret = rows;
	*ret_n = n;
	*ret_last = n > 0 ? (uint64_t)pg_int(r, (int)n - 1, 16) : after;
	return specs_attach(pg_of(s), rows, n, a, err);
}

static const char *
why_json(const struct store_waiting *w, struct arena *a)
{
	json_t *json = json_object();
	const char *copy = NULL;
	char *text;

	for (size_t i = 0; i < w->why_count; i++)
		json_object_set_new(
		    json, w->why[i].reason, json_integer((json_int_t)w->why[i].hosts));
	text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	if (text)
		copy = arena_strdup(a, text);
	free(text);
	json_decref(json);
	return copy;
}

int
pg_store_queue_why(struct store *s, const struct store_lease *lease, const struct store_waiting *w,
    size_t n, struct err *err)
{
	/* Rows that are being placed or cancelled need no reason: never wait for them. */
	static const struct pg_statement set = {"queue_why",
	    "WITH n AS MATERIALIZED (SELECT q.executor_id, u.why::jsonb AS why"
	    "   FROM unnest($1::uuid[], $2::text[]) AS u(id, why)"
	    "   JOIN placement_queue q ON q.executor_id = u.id WHERE q.why <> u.why::jsonb"
	    "   FOR UPDATE OF q SKIP LOCKED)"
	    "UPDATE placement_queue q SET why = n.why FROM n WHERE q.executor_id = n.executor_id"};
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct pg_params p;
	struct pg_array array;

	if (!a)
		return pg_no_room(err);
	pg_params_init(&p, a);
	pg_array_begin(&array, &p, PG_UUID, n);
	for (size_t i = 0; i < n; i++)
		pg_put_uuid(&array, &w[i].executor_id);
	pg_array_end(&array);
	pg_array_begin(&array, &p, PG_TEXT, n);
	for (size_t i = 0; i < n; i++) {
		const char *json = why_json(&w[i], a);

		pg_put_text(&array, json ? json : "{}");
	}
	pg_array_end(&array);
	return pg_run_fenced(pg_of(s), lease, &set, &p, NULL, err);
}
