#include "pg_command_row.h"

#include <inttypes.h>

#include "arena.h"
#include "err.h"
#include "rules.h"

#define COLUMNS                                                                                    \
	"c.executor_id, c.message_id, c.generation, e.generation, c.host_seq, s.name, c.host_id,"  \
	" e.idx, e.attempt, x.state, c.desired, c.stop_grace_ms, c.deliveries, c.outcome_reason,"  \
	" c.settled, c.settled_by, c.created_at, c.sent_at, c.last_sent_at,"                       \
	" CASE WHEN c.desired = 1 THEN e.accepted_at END, c.deadline_at, c.outcome_at,"            \
	" c.settled_at, x.successor, e.state, s.state, h.state, e.idx < s.replicas,"               \
	" e.gone_generation >= e.generation, h.verdict_by <> ''"
/* A DEAD one that was answered after all is ACCEPTED; once there is a newer generation nobody can
 * tell whether it was this one that was answered. */
#define FROM                                                                                       \
	" FROM command c JOIN executor e ON e.executor_id = c.executor_id"                         \
	" JOIN session s ON s.session_id = e.session_id JOIN host h ON h.host_id = c.host_id"      \
	" CROSS JOIN LATERAL (SELECT CASE WHEN c.outcome = 1 THEN 5"                               \
	"   WHEN c.outcome = 2 AND (e.generation > c.generation"                                   \
	"     OR greatest(e.accepted_generation, e.gone_generation) < c.generation) THEN 6"        \
	"   WHEN greatest(e.accepted_generation, e.gone_generation) >= c.generation THEN 3"        \
	"   WHEN e.generation > c.generation THEN 4 WHEN c.sent_at IS NOT NULL THEN 2"             \
	"   ELSE 1 END AS state,"                                                                  \
	"   CASE WHEN c.outcome = 1 THEN coalesce((SELECT min(n.attempt) FROM executor n"          \
	"     WHERE n.session_id = e.session_id AND n.idx = e.idx AND n.attempt > e.attempt), 0)"  \
	"   ELSE 0 END AS successor) x"

static int
row_read(const PGresult *r, int row, struct arena *a, struct store_command *ret, struct err *err)
{
	*ret = (struct store_command){.executor_id = pg_id(r, row, 0),
	    .message_id = pg_id(r, row, 1),
	    .generation = (uint64_t)pg_int(r, row, 2),
	    .newest_generation = (uint64_t)pg_int(r, row, 3),
	    .host_seq = (uint64_t)pg_int(r, row, 4),
	    .session = pg_text(r, row, 5, a),
	    .host_id = pg_text(r, row, 6, a),
	    .index = (uint32_t)pg_int(r, row, 7),
	    .attempt = (uint32_t)pg_int(r, row, 8),
	    .state = (enum store_command_state)pg_int(r, row, 9),
	    .desired = (enum desired_state)pg_int(r, row, 10),
	    .stop_grace_ms = (uint32_t)pg_int(r, row, 11),
	    .deliveries = (uint32_t)pg_int(r, row, 12),
	    .reason = pg_text(r, row, 13, a),
	    .settled = pg_text(r, row, 14, a),
	    .settled_by = pg_text(r, row, 15, a),
	    .created_us = pg_time(r, row, 16),
	    .sent_us = pg_time(r, row, 17),
	    .last_sent_us = pg_time(r, row, 18),
	    .accepted_us = pg_time(r, row, 19),
	    .deadline_us = pg_time(r, row, 20),
	    .outcome_us = pg_time(r, row, 21),
	    .settled_us = pg_time(r, row, 22),
	    .successor = (uint32_t)pg_int(r, row, 23),
	    .executor_state = (enum executor_state)pg_int(r, row, 24),
	    .session_state = (enum session_state)pg_int(r, row, 25),
	    .host_state = (enum host_state)pg_int(r, row, 26),
	    .wanted = pg_bool(r, row, 27),
	    .gone = pg_bool(r, row, 28),
	    .host_lost = pg_bool(r, row, 29)};
	if (!ret->session || !ret->host_id || !ret->reason || !ret->settled || !ret->settled_by)
		return pg_no_room(err);
	ret->refused = rules_replay_refused(ret, a);
	return ret->refused ? 0 : pg_no_room(err);
}

int
pg_command_read(struct pg *pg, const struct id *executor_id, uint64_t generation, struct arena *a,
    struct store_command *ret, struct err *err)
{
	static const struct pg_statement get = {"command_get",
	    "SELECT " COLUMNS FROM " WHERE c.executor_id = $1 AND ($2 = 0 OR c.generation = $2)"
	    " ORDER BY c.generation DESC LIMIT 1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	char hex[ID_HEX_BYTES];
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_uuid(&p, executor_id);
	pg_add_int8(&p, (int64_t)generation);
	if (pg_run(pg, &get, &p, &r, err) != 0)
		return -1;
	if (PQntuples(r) > 0)
		return row_read(r, 0, a, ret, err);
	if (generation == 0)
		return err_set(err, ERR_NOT_FOUND, "no command was written for executor %s",
		    id_to_hex(executor_id, hex));
	return err_set(err, ERR_NOT_FOUND, "no command of generation %" PRIu64 " for executor %s",
	    generation, id_to_hex(executor_id, hex));
}

int
pg_store_command_get(struct store *s, const struct id *executor_id, uint64_t generation,
    struct arena *a, struct store_command *ret, struct err *err)
{
	return pg_command_read(pg_of(s), executor_id, generation, a, ret, err);
}

/* ---- lists ---- */

/* As rules_command_open says it. */
#define OPEN                                                                                       \
	"CASE x.state WHEN 1 THEN true WHEN 2 THEN true"                                           \
	" WHEN 5 THEN c.settled = '' AND x.successor = 0 AND s.state <> 3"                         \
	" WHEN 6 THEN c.settled = '' AND c.generation = e.generation AND h.state <> 4"             \
	" ELSE false END"
#define AND_SO                                                                                     \
	" AND (c.executor_id, c.generation) > ($2, $3) AND (1 << x.state) & $4 <> 0"               \
	" AND (NOT $5 OR " OPEN ") AND ($7 = '' OR c.host_id = $7)"                                \
	" ORDER BY c.executor_id, c.generation LIMIT $6"

/* One statement per kind of question, so that each has its own index. */
static const struct pg_statement list_executor = {
    "command_list_executor", "SELECT " COLUMNS FROM " WHERE c.executor_id = $8" AND_SO};
static const struct pg_statement list_session = {"command_list_session",
    "SELECT " COLUMNS FROM " WHERE s.session_id = (SELECT session_id FROM session"
    "   WHERE name = $1 ORDER BY (state <> 3) DESC, created_at DESC LIMIT 1)" AND_SO};
/* Whatever is open is in the outbox, or expired or died and was not settled: few rows. */
static const struct pg_statement list_open = {"command_list_open",
    "SELECT " COLUMNS FROM " WHERE (c.executor_id, c.generation) IN"
    " (SELECT q.executor_id, q.generation FROM outbox o JOIN command q USING (message_id)"
    "   UNION SELECT q.executor_id, q.generation FROM command q"
    "   WHERE q.outcome IS NOT NULL AND q.settled = '')" AND_SO};
static const struct pg_statement list_host = {
    "command_list_host", "SELECT " COLUMNS FROM " WHERE c.host_id = $7" AND_SO};
static const struct pg_statement list_all = {
    "command_list_all", "SELECT " COLUMNS FROM " WHERE true" AND_SO};

static const struct pg_statement *
list_statement(const struct store_command_query *q)
{
	if (!id_is_zero(&q->executor_id))
		return &list_executor;
	if (q->session)
		return &list_session;
	if (q->open)
		return &list_open;
	return q->host_id ? &list_host : &list_all;
}

int
pg_store_command_list(struct store *s, const struct store_command_query *q, struct arena *a,
    struct store_command **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct store_command *rows;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, q->session ? q->session : "");
	pg_add_uuid(&p, &q->after);
	pg_add_int8(&p, (int64_t)q->after_generation);
	pg_add_int4(&p, (int32_t)q->states);
	pg_add_bool(&p, q->open);
	pg_add_int8(&p, q->limit);
	pg_add_text(&p, q->host_id ? q->host_id : "");
	pg_add_uuid(&p, &q->executor_id);
	if (pg_run(pg_of(s), list_statement(q), &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)PQntuples(r);
	rows = arena_calloc(a, *ret_n + 1, sizeof(*rows));
	if (!rows)
		return pg_no_room(err);
	for (size_t i = 0; i < *ret_n; i++) {
		if (row_read(r, (int)i, a, &rows[i], err) != 0)
			return -1;
	}
	*ret = rows;
	return 0;
}
