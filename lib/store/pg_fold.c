#include "pg_fold.h"

#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg_command.h"
#include "pg_item.h"
#include "pg_lease.h"

/* What there is to do, in one look: an idle cell pays one statement. */
struct work {
	bool intents, ended, absent, gone, closing;
};

static int
work_look(struct pg_fold *f, const char *pool, struct work *ret, struct err *err)
{
	static const struct pg_statement look = {"fold_look",
	    "SELECT p.pool_id, EXISTS (SELECT 1 FROM intent i WHERE i.pool_id = p.pool_id),"
	    " EXISTS (SELECT 1 FROM executor_ended x WHERE x.pool_id = p.pool_id AND folded_at IS "
	    "NULL),"
	    " EXISTS (SELECT 1 FROM executor_ended x WHERE x.pool_id = p.pool_id"
	    "   AND x.folded_at IS NOT NULL"
	    "   AND x.ended_at <= clock_timestamp() - $2 * interval '1 millisecond'),"
	    " EXISTS (SELECT 1 FROM executor_gone x WHERE x.pool_id = p.pool_id),"
	    " EXISTS (SELECT 1 FROM session s WHERE s.pool_id = p.pool_id AND s.state = 2)"
	    " FROM pool p WHERE p.name = $1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	memset(ret, 0, sizeof(*ret));
	pg_params_init(&p, f->arena);
	pg_add_text(&p, pool);
	pg_add_int4(&p, (int32_t)f->absent_after_ms);
	if (pg_run(f->pg, &look, &p, &r, err) != 0)
		return -1;
	if (PQntuples(r) == 0)
		return 0;
	f->pool_id = (int32_t)pg_int(r, 0, 0);
	*ret = (struct work){pg_bool(r, 0, 1), pg_bool(r, 0, 2), pg_bool(r, 0, 3), pg_bool(r, 0, 4),
	    pg_bool(r, 0, 5)};
	return 0;
}

void
pg_fold_add_ids(struct pg_fold *f, const struct id *ids, size_t n)
{
	for (size_t i = 0; i < n && f->id_count < sizeof(f->ids) / sizeof(f->ids[0]); i++)
		f->ids[f->id_count++] = ids[i];
}

int
pg_fold_tell(struct pg_fold *f, const struct pg_statement *st, struct pg_params *p,
    const struct pg_target *order, bool *ret_more, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_target *targets = NULL;
	struct id *ids = NULL;
	size_t n = 0, found, messages = 0;

	if (pg_run(f->pg, st, p, &r, err) != 0 ||
	    pg_targets_read(r, order, f->arena, &targets, &n, err) != 0)
		return -1;
	found = n;
	if (pg_commands_write(f->pg, targets, &n, f->arena, &ids, &messages, err) != 0)
		return -1;
	pg_fold_add_ids(f, ids, messages);
	*ret_more = found == PG_FOLD_LIMIT || n < found;
	return 0;
}

static int
fold_steps(struct pg_fold *f, const struct work *w, struct err *err)
{
	if (w->intents && pg_fold_intents(f, err) != 0)
		return -1;
	if (w->ended && pg_fold_ended(f, err) != 0)
		return -1;
	if (w->absent && pg_fold_absent(f, err) != 0)
		return -1;
	if (w->gone && pg_fold_gone(f, err) != 0)
		return -1;
	if (w->closing && pg_fold_closing(f, err) != 0)
		return -1;
	return 0;
}

int
pg_store_fold(struct store *s, const struct store_lease *lease, const char *pool,
    uint32_t absent_after_ms, struct arena *a, struct store_fold_result *ret, struct err *err)
{
	struct pg_fold *f = arena_alloc(a, sizeof(*f));
	struct work work;

	memset(ret, 0, sizeof(*ret));
	if (!f)
		return pg_no_room(err);
	f->pg = pg_of(s);
	f->lease = lease;
	f->arena = a;
	f->absent_after_ms = absent_after_ms;
	f->result = ret;
	if (work_look(f, pool, &work, err) != 0 || fold_steps(f, &work, err) != 0)
		return -1;
	/* A message that cannot be loaded now is not lost: the sweep finds it in the outbox. */
	return pg_messages_load(
	    f->pg, f->ids, f->id_count, a, &ret->messages, &ret->message_count, err);
}

/* ---- counters: one wide row per session, fed from the arrays ---- */

int
pg_store_fold_counters(
    struct store *s, const struct store_lease *lease, size_t *ret_folded, struct err *err)
{
	static const struct pg_statement fold = {"fold_counters",
	    "WITH d AS (DELETE FROM session_delta WHERE delta_id IN"
	    "   (SELECT delta_id FROM session_delta ORDER BY delta_id LIMIT 500)"
	    "   RETURNING sessions, from_states, to_states),"
	    "x AS (SELECT u.s, u.f, u.t FROM d, unnest(d.sessions, d.from_states, d.to_states) "
	    "u(s, f, t)),"
	    "v AS (SELECT s, t AS state, 1 AS n FROM x UNION ALL SELECT s, f, -1 FROM x WHERE f > "
	    "0),"
	    "m AS (SELECT s,"
	    " sum(n) FILTER (WHERE state = 10) q, sum(n) FILTER (WHERE state = 20) p,"
	    " sum(n) FILTER (WHERE state = 40) a, sum(n) FILTER (WHERE state = 50) pu,"
	    " sum(n) FILTER (WHERE state = 60) st, sum(n) FILTER (WHERE state = 70) r,"
	    " sum(n) FILTER (WHERE state = 75) b, sum(n) FILTER (WHERE state = 80) sp,"
	    " sum(n) FILTER (WHERE state = 90) su, sum(n) FILTER (WHERE state = 91) f,"
	    " sum(n) FILTER (WHERE state = 92) sd, sum(n) FILTER (WHERE state = 93) rj,"
	    " sum(n) FILTER (WHERE state = 94) l, sum(n) FILTER (WHERE state = 95) e,"
	    " sum(n) FILTER (WHERE state = 96) c FROM v GROUP BY s ORDER BY s),"
	    "w AS (UPDATE session_counter k SET queued = queued + coalesce(q, 0),"
	    " placed = placed + coalesce(p, 0), accepted = accepted + coalesce(a, 0),"
	    " pulling = pulling + coalesce(pu, 0), starting = starting + coalesce(st, 0),"
	    " running = running + coalesce(r, 0), backoff = backoff + coalesce(b, 0),"
	    " stopping = stopping + coalesce(sp, 0), succeeded = succeeded + coalesce(su, 0),"
	    " failed = failed + coalesce(f, 0), stopped = stopped + coalesce(sd, 0),"
	    " rejected = rejected + coalesce(rj, 0), lost = lost + coalesce(l, 0),"
	    " expired = expired + coalesce(e, 0), cancelled = cancelled + coalesce(c, 0)"
	    " FROM m WHERE k.session_id = m.s) SELECT count(*) FROM d"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg *pg = pg_of(s);

	*ret_folded = 0;
	if (pg_run_fenced(pg, lease, &fold, NULL, &r, err) != 0)
		return -1;
	*ret_folded = (size_t)pg_int(r, 0, 0);
	return 0;
}
