/* pg_host: what is asked and said about hosts, but for hello and sync. */
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_host_row.h"

int
pg_store_host_get(
    struct store *s, const char *host_id, struct arena *a, struct store_host *ret, struct err *err)
{
	static const struct pg_statement get = {
	    "host_get", "SELECT " PG_HOST_COLUMNS PG_HOST_FROM " WHERE h.host_id = $1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, host_id);
	if (pg_run(pg_of(s), &get, &p, &r, err) != 0)
		return -1;
	if (PQntuples(r) == 0)
		return err_set(err, ERR_NOT_FOUND, "no host %s", host_id);
	return pg_host_row(r, 0, a, ret, err);
}

int
pg_store_host_list(struct store *s, const char *pool, bool all, const char *after, uint32_t limit,
    struct arena *a, struct store_host **ret, size_t *ret_n, struct err *err)
{
	static const struct pg_statement list = {"host_list",
	    "SELECT " PG_HOST_COLUMNS PG_HOST_FROM
	    " WHERE ($1 = '' OR p.name = $1) AND ($2 OR h.state <> 4) AND h.host_id > $3"
	    " ORDER BY h.host_id LIMIT $4"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, pool ? pool : "");
	pg_add_bool(&p, all);
	pg_add_text(&p, after ? after : "");
	pg_add_int8(&p, limit);
	if (pg_run(pg_of(s), &list, &p, &r, err) != 0)
		return -1;
	return pg_host_rows(r, a, ret, ret_n, err);
}

int
pg_store_fleet_load(struct store *s, const char *pool, struct arena *a, struct store_host **ret,
    size_t *ret_n, struct err *err)
{
	static const struct pg_statement load = {"fleet_load",
	    "SELECT " PG_HOST_COLUMNS PG_HOST_FROM
	    " WHERE p.name = $1 AND h.state <> 4 ORDER BY h.host_id"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, pool);
	if (pg_run(pg_of(s), &load, &p, &r, err) != 0)
		return -1;
	return pg_host_rows(r, a, ret, ret_n, err);
}

int
pg_store_host_heads(struct store *s, const char *const *host_ids, size_t n, struct arena *a,
    struct store_host_head **ret, size_t *ret_n, int64_t *ret_now_us, struct err *err)
{
	static const struct pg_statement heads = {"host_heads",
	    "SELECT u.id, coalesce(h.state, 0::int2), h.epoch, h.host_seq, h.encoding,"
	    " clock_timestamp() FROM unnest($1::text[]) u(id) LEFT JOIN host h ON h.host_id = "
	    "u.id"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct store_host_head *rows;
	struct pg_params p;
	struct pg_array ids;

	pg_params_init(&p, a);
	pg_array_begin(&ids, &p, PG_TEXT, n);
	for (size_t i = 0; i < n; i++)
		pg_put_text(&ids, host_ids[i]);
	pg_array_end(&ids);
	if (pg_run(pg_of(s), &heads, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)PQntuples(r);
	rows = arena_calloc(a, *ret_n + 1, sizeof(*rows));
	if (!rows)
		return pg_no_room(err);
	for (int i = 0; i < PQntuples(r); i++)
		rows[i] = (struct store_host_head){.host_id = pg_text(r, i, 0, a),
		    .state = (enum host_state)pg_int(r, i, 1),
		    .epoch = (uint64_t)pg_int(r, i, 2),
		    .host_seq = (uint64_t)pg_int(r, i, 3),
		    .encoding = pg_text(r, i, 4, a)};
	*ret_now_us = *ret_n > 0 ? pg_time(r, 0, 5) : 0;
	*ret = rows;
	return 0;
}

int
pg_store_host_liveness(struct store *s, const struct store_beat *beats, size_t n, struct err *err)
{
	static const struct pg_statement flush = {"host_liveness",
	    "INSERT INTO host_liveness (host_id, server, last_heartbeat_at, contiguous_seq, rtt_us)"
	    " SELECT h, s, to_timestamp(t / 1e6), c, r"
	    " FROM unnest($1::text[], $2::text[], $3::int8[], $4::int8[], $5::int8[])"
	    "   AS u(h, s, t, c, r) ORDER BY h"
	    " ON CONFLICT (host_id) DO UPDATE SET server = excluded.server,"
	    "   last_heartbeat_at = excluded.last_heartbeat_at,"
	    "   contiguous_seq = excluded.contiguous_seq, rtt_us = excluded.rtt_us"
	    " WHERE host_liveness.last_heartbeat_at < excluded.last_heartbeat_at"};
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct pg_params p;
	struct pg_array array;

	if (!a)
		return pg_no_room(err);
	pg_params_init(&p, a);
	pg_array_begin(&array, &p, PG_TEXT, n);
	for (size_t i = 0; i < n; i++)
		pg_put_text(&array, beats[i].host_id);
	pg_array_end(&array);
	pg_array_begin(&array, &p, PG_TEXT, n);
	for (size_t i = 0; i < n; i++)
		pg_put_text(&array, beats[i].server);
	pg_array_end(&array);
	pg_array_begin(&array, &p, PG_INT8, n);
	for (size_t i = 0; i < n; i++)
		pg_put_int(&array, beats[i].at_us);
	pg_array_end(&array);
	pg_array_begin(&array, &p, PG_INT8, n);
	for (size_t i = 0; i < n; i++)
		pg_put_int(&array, (int64_t)beats[i].contiguous_seq);
	pg_array_end(&array);
	pg_array_begin(&array, &p, PG_INT8, n);
	for (size_t i = 0; i < n; i++)
		pg_put_int(&array, beats[i].rtt_us);
	pg_array_end(&array);
	return pg_run(pg_of(s), &flush, &p, NULL, err);
}

/* Did the statement touch a row?  If not, is it because there is no such host? */
static int
host_touched(
    const PGresult *r, struct pg *pg, const char *host_id, struct arena *a, struct err *err)
{
	struct store_host row;

	if (PQntuples(r) > 0)
		return 0;
	return pg_store_host_get(&pg->base, host_id, a, &row, err);
}

int
pg_store_host_cordon(struct store *s, const char *host_id, bool cordon, const char *reason,
    const char *who, struct err *err)
{
	static const struct pg_statement set = {"host_cordon",
	    "WITH u AS (UPDATE host SET cordoned_at = CASE WHEN $2 THEN clock_timestamp() END,"
	    "   cordoned_by = CASE WHEN $2 THEN $4 ELSE '' END,"
	    "   cordon_reason = CASE WHEN $2 THEN $3 ELSE '' END,"
	    "   draining_at = CASE WHEN $2 THEN draining_at END,"
	    "   drain_deadline_at = CASE WHEN $2 THEN drain_deadline_at END"
	    "   WHERE host_id = $1 AND state <> 4 AND (cordoned_at IS NOT NULL) <> $2"
	    "   RETURNING host_id),"
	    "v AS (INSERT INTO event_outbox (kind, host, who, text)"
	    "   SELECT CASE WHEN $2 THEN 'host.cordoned' ELSE 'host.uncordoned' END, host_id, $4, "
	    "$3"
	    "   FROM u) SELECT 1 FROM u"};
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	if (!a)
		return pg_no_room(err);
	pg_params_init(&p, a);
	pg_add_text(&p, host_id);
	pg_add_bool(&p, cordon);
	pg_add_text(&p, reason);
	pg_add_text(&p, who);
	if (pg_run(pg_of(s), &set, &p, &r, err) != 0)
		return -1;
	return host_touched(r, pg_of(s), host_id, a, err);
}

/* ---- removal ---- */

static int
remove_lock(struct pg *pg, const char *host_id, struct arena *a, bool *ret_retired,
    int64_t *ret_rows, struct err *err)
{
	static const struct pg_statement lock = {"host_remove_lock",
	    "SELECT state = 4, (SELECT count(*) FROM host_executor x WHERE x.host_id = h.host_id)"
	    " FROM host h WHERE host_id = $1 FOR UPDATE"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, host_id);
	if (pg_run(pg, &lock, &p, &r, err) != 0)
		return -1;
	if (PQntuples(r) == 0)
		return err_set(err, ERR_NOT_FOUND, "no host %s", host_id);
	*ret_retired = pg_bool(r, 0, 0);
	*ret_rows = pg_int(r, 0, 1);
	return 0;
}

/* Retired on purpose: what lived there ends LOST, the rows go with it (K16). */
static int
remove_apply(struct pg *pg, const char *host_id, const char *who, struct arena *a, struct err *err)
{
	static const struct pg_statement capacity = {"host_remove_capacity",
	    "UPDATE host_capacity SET cpu_millis = 0, memory_bytes = 0, disk_bytes = 0, gpus = 0,"
	    " slots = 0 WHERE host_id = $1"};
	static const struct pg_statement executors = {"host_remove_executors",
	    "WITH x AS (SELECT e.executor_id FROM host_executor h JOIN executor e USING "
	    "(executor_id)"
	    "   WHERE h.host_id = $1 ORDER BY e.executor_id FOR NO KEY UPDATE OF e),"
	    "u AS (UPDATE executor e SET state = 94, rank = 90, prev_state = e.state,"
	    "   prev_rank = e.rank, reason = 'host_retired', ended_at = clock_timestamp(),"
	    "   gone_at = clock_timestamp()"
	    "   FROM x WHERE e.executor_id = x.executor_id AND e.rank < 90"
	    "   RETURNING e.executor_id, e.session_id, e.prev_state, e.pool_id),"
	    "h AS (DELETE FROM host_executor WHERE host_id = $1 RETURNING executor_id),"
	    "g AS (UPDATE executor e SET gone_at = clock_timestamp() FROM h"
	    "   WHERE e.executor_id = h.executor_id AND e.rank = 90),"
	    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
	    "   SELECT array_agg(session_id), array_agg(prev_state), array_agg(94::int2) FROM u"
	    "   HAVING count(*) > 0),"
	    "n AS (INSERT INTO executor_ended (executor_id, pool_id)"
	    "   SELECT executor_id, pool_id FROM u),"
	    "v AS (INSERT INTO event_outbox (kind, executor_id, host, who, text)"
	    "   SELECT 'executor.lost', executor_id, $1, $2, 'host_retired' FROM u)"
	    "SELECT count(*) FROM u"};
	/* It stops everything, known here or not (K2). */
	static const struct pg_statement unknown = {
	    "host_remove_unknown", "DELETE FROM host_unknown WHERE host_id = $1"};
	/* What was still to be said to it, nobody will hear. */
	static const struct pg_statement commands = {"host_remove_commands",
	    "WITH u AS (UPDATE command c SET outcome = 2, outcome_at = clock_timestamp(),"
	    "   outcome_reason = 'its host was removed' FROM outbox o, executor e"
	    "   WHERE o.host_id = $1 AND c.message_id = o.message_id"
	    "   AND e.executor_id = c.executor_id AND e.generation = c.generation"
	    "   AND greatest(e.accepted_generation, e.gone_generation) < c.generation"
	    "   AND c.outcome IS NULL RETURNING c.executor_id, c.outcome_reason)"
	    "INSERT INTO event_outbox (kind, executor_id, host, who, text)"
	    " SELECT 'command.dead', executor_id, $1, $2, outcome_reason FROM u"};
	static const struct pg_statement retire = {"host_retire",
	    "WITH u AS (UPDATE host SET state = 4, retired_at = clock_timestamp() WHERE host_id = "
	    "$1"
	    "   RETURNING host_id)"
	    "INSERT INTO event_outbox (kind, host, who) SELECT 'host.retired', host_id, $2 FROM u"};
	struct pg_params p, by;

	pg_params_init(&p, a);
	pg_add_text(&p, host_id);
	pg_params_init(&by, a);
	pg_add_text(&by, host_id);
	pg_add_text(&by, who);
	if (pg_run(pg, &retire, &by, NULL, err) != 0 || pg_run(pg, &capacity, &p, NULL, err) != 0)
		return -1;
	if (pg_run(pg, &executors, &by, NULL, err) != 0 || pg_run(pg, &unknown, &p, NULL, err) != 0)
		return -1;
	return pg_run(pg, &commands, &by, NULL, err);
}

int
pg_store_host_remove(
    struct store *s, const char *host_id, bool confirm, const char *who, struct err *err)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct pg *pg = pg_of(s);
	bool retired = false;
	int64_t rows = 0;

	if (!a)
		return pg_no_room(err);
	if (pg_begin(pg, err) != 0)
		return -1;
	if (remove_lock(pg, host_id, a, &retired, &rows, err) != 0) {
		pg_rollback(pg);
		return -1;
	}
	if (!retired && rows > 0 && !confirm) {
		pg_rollback(pg);
		err_set(err, ERR_CONFLICT, "host %s has %lld executors", host_id, (long long)rows);
		return err_hint(err, "stop them first, or --confirm: they end lost");
	}
	if (!retired && remove_apply(pg, host_id, who, a, err) != 0) {
		pg_rollback(pg);
		return -1;
	}
	return pg_commit(pg, err);
}
