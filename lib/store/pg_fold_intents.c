/* pg_fold_intents: what users wish - close a session, stop an executor, replay a command (K16:
 * CANCELLED is legal only if no command row ever existed). */
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg_fold.h"
#include "pg_lease.h"

struct intent {
	int64_t intent_id;
	struct pg_intent said;
	char kind[32];
};

static int
intents_read(struct pg_fold *f, struct intent **ret, size_t *ret_n, struct err *err)
{
	static const struct pg_statement read = {"intent_read",
	    "SELECT intent_id, kind, now, session_id, executor_id, generation, who"
	    " FROM intent WHERE pool_id = $1 ORDER BY intent_id LIMIT 256"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct intent *rows;
	struct pg_params p;

	pg_params_init(&p, f->arena);
	pg_add_int4(&p, f->pool_id);
	if (pg_run(f->pg, &read, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)PQntuples(r);
	rows = arena_calloc(f->arena, *ret_n + 1, sizeof(*rows));
	if (!rows)
		return pg_no_room(err);
	for (size_t i = 0; i < *ret_n; i++) {
		rows[i].intent_id = pg_int(r, (int)i, 0);
		snprintf(rows[i].kind, sizeof(rows[i].kind), "%.*s", PQgetlength(r, (int)i, 1),
		    PQgetvalue(r, (int)i, 1));
		rows[i].said = (struct pg_intent){.now = pg_bool(r, (int)i, 2),
		    .session_id = pg_id(r, (int)i, 3),
		    .executor_id = pg_id(r, (int)i, 4),
		    .generation = (uint64_t)pg_int(r, (int)i, 5),
		    .who = pg_text(r, (int)i, 6, f->arena)};
		if (!rows[i].said.who)
			return pg_no_room(err);
	}
	*ret = rows;
	return 0;
}

/* Of a whole session, or of one executor. */
static bool
is_close(const struct pg_intent *in)
{
	return id_is_zero(&in->executor_id);
}

static void
intent_params(struct pg_fold *f, const struct pg_intent *in, struct pg_params *p)
{
	pg_params_init(p, f->arena);
	pg_add_uuid(p, &in->session_id);
	pg_add_bool(p, is_close(in));
	pg_add_uuid(p, &in->executor_id);
}

/* Those that never had a command: nobody but us knows of them.  Like placing, it takes the queue's
 * rows before anything else: it waits for a placement in flight, whose executors are then stopped
 * below. */
static int
cancel(struct pg_fold *f, const struct pg_intent *in, size_t *ret_n, struct err *err)
{
	static const struct pg_statement write = {"intent_cancel",
	    "WITH t AS MATERIALIZED (SELECT q.executor_id FROM placement_queue q"
	    "   JOIN executor e USING (executor_id) WHERE e.session_id = $1"
	    "   AND ($2 OR e.executor_id = $3) ORDER BY q.executor_id LIMIT 1024 FOR UPDATE OF q),"
	    "q AS (DELETE FROM placement_queue q USING t WHERE q.executor_id = t.executor_id"
	    "   RETURNING q.executor_id),"
	    "u AS (UPDATE executor e SET state = 96, rank = 90, prev_state = e.state,"
	    "   prev_rank = e.rank, desired = 3, reason = 'cancelled', ended_at = "
	    "clock_timestamp(),"
	    "   gone_at = clock_timestamp() FROM q WHERE e.executor_id = q.executor_id"
	    "   AND e.rank < 40 AND e.generation = 0"
	    "   RETURNING e.executor_id, e.session_id, e.prev_state),"
	    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
	    "   SELECT array_agg(session_id), array_agg(prev_state), array_agg(96::int2) FROM u"
	    "   HAVING count(*) > 0),"
	    "v AS (INSERT INTO event_outbox (kind, executor_id) SELECT 'executor.cancelled', "
	    "executor_id"
	    "   FROM u) SELECT count(*) FROM q"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	intent_params(f, in, &p);
	if (pg_run(f->pg, &write, &p, &r, err) != 0)
		return -1;
	*ret_n = (size_t)pg_int(r, 0, 0);
	return 0;
}

/* Those that a host may have: desired STOP.  "now" also hastens what is stopping with grace; who
 * stops one executor means it to stay away, also when it was about to be moved. */
static int
stop(struct pg_fold *f, const struct pg_intent *in, bool *ret_more, struct err *err)
{
	static const struct pg_statement find = {"intent_targets",
	    "SELECT e.executor_id, e.host_id, CASE WHEN $4 THEN 0 ELSE p.stop_grace_ms END,"
	    " e.generation FROM executor e"
	    " JOIN executor_spec p ON p.session_id = e.session_id AND p.revision = e.revision"
	    " JOIN command c ON c.executor_id = e.executor_id AND c.generation = e.generation"
	    " WHERE e.session_id = $1 AND ($2 OR e.executor_id = $3) AND e.rank < 90"
	    " AND (e.desired = 1 OR (e.desired = 2 AND (($4 AND c.stop_grace_ms > 0)"
	    "   OR (NOT $2 AND e.stopped_for IN ('drain', 'roll')))))"
	    " ORDER BY e.executor_id LIMIT 1024"};
	const struct pg_target order = {
	    .desired = DESIRED_STOP, .stopped_for = is_close(in) ? "close" : "user"};
	struct pg_params p;

	intent_params(f, in, &p);
	pg_add_bool(&p, in->now);
	return pg_fold_tell(f, &find, &p, &order, ret_more, err);
}

static int
forget(struct pg_fold *f, const struct intent *in, struct err *err)
{
	static const struct pg_statement delete_row = {
	    "intent_forget", "DELETE FROM intent WHERE intent_id = $1"};
	struct pg_params p;

	pg_params_init(&p, f->arena);
	pg_add_int8(&p, in->intent_id);
	return pg_run(f->pg, &delete_row, &p, NULL, err);
}

static int
end_wished(struct pg_fold *f, const struct pg_intent *in, bool *ret_done, struct err *err)
{
	size_t cancelled = 0;
	bool more = false;

	if (cancel(f, in, &cancelled, err) != 0 || stop(f, in, &more, err) != 0)
		return -1;
	*ret_done = cancelled < PG_FOLD_LIMIT && !more;
	f->result->more = f->result->more || !*ret_done;
	return 0;
}

static int
reconcile(struct pg_fold *f, const struct pg_intent *in, bool *ret_done, struct err *err)
{
	return pg_fold_reconcile(f, &in->session_id, ret_done, err);
}

static int
replay(struct pg_fold *f, const struct pg_intent *in, bool *ret_done, struct err *err)
{
	*ret_done = true;
	return pg_fold_replay(f, in, err);
}

static const struct intent_row {
	const char *kind;
	int (*carry_out)(
	    struct pg_fold *f, const struct pg_intent *in, bool *ret_done, struct err *err);
} intent_rows[] = {
    {"session.close", end_wished},
    {"executor.stop", end_wished},
    {"session.reconcile", reconcile},
    {"command.replay", replay},
};

/* An intent stays until it finds nothing more to do, so a session of any size is stopped in bounded
 * transactions. */
static int
carry_out(struct pg_fold *f, const struct intent *in, struct err *err)
{
	bool done = false;

	for (size_t i = 0; i < COUNT_OF(intent_rows); i++) {
		if (strcmp(intent_rows[i].kind, in->kind) != 0)
			continue;
		if (intent_rows[i].carry_out(f, &in->said, &done, err) != 0)
			return -1;
		f->result->intents += done;
		return done ? forget(f, in, err) : 0;
	}
	return err_set(err, ERR_INTERNAL, "nobody carries out an intent \"%s\"", in->kind);
}

int
pg_fold_intents(struct pg_fold *f, struct err *err)
{
	struct intent *intents;
	size_t n;

	if (intents_read(f, &intents, &n, err) != 0)
		return -1;
	for (size_t i = 0; i < n && f->id_count < PG_FOLD_LIMIT; i++) {
		if (pg_begin_fenced(f->pg, f->lease, err) != 0)
			return -1;
		if (carry_out(f, &intents[i], err) != 0) {
			pg_rollback(f->pg);
			return -1;
		}
		if (pg_commit(f->pg, err) != 0)
			return -1;
	}
	return 0;
}
