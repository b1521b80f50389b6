/* pg_session_update: another spec for a session that is there.  A hub writes the wish; the pool's
 * scheduler makes it so (intent session.reconcile, store_displace). */
#include "arena.h"
#include "err.h"
#include "pg.h"

static void
update_params(struct pg_params *p, const struct store_session_new *n, uint64_t revision,
    bool template_changed, struct arena *a)
{
	pg_params_init(p, a);
	pg_add_text(p, n->name);
	pg_add_int8(p, (int64_t)revision);
	pg_add_bool(p, template_changed);
	pg_add_jsonb(p, n->spec_json);
	pg_add_int4(p, (int32_t)n->replicas);
	pg_add_int4(p, n->priority);
	pg_add_int4(p, (int32_t)n->lost_after_ms);
	pg_add_bool(p, n->replace_lost);
	pg_add_int4(p, (int32_t)n->replace_after_ms);
	pg_add_int4(p, (int32_t)n->replacements_max);
	pg_add_bool(p, n->replace_failed);
	pg_add_int4(p, (int32_t)n->max_unavailable);
	pg_add_bytea(p, n->executor_body, n->executor_body_size);
	pg_add_text(p, n->driver);
	pg_add_text(p, n->selector);
	pg_add_bool(p, n->limits_required);
	pg_add_int8(p, n->resources.cpu_millis);
	pg_add_int8(p, n->resources.memory_bytes);
	pg_add_int8(p, n->resources.disk_bytes);
	pg_add_int8(p, n->resources.gpus);
	pg_add_int8(p, n->resources.slots);
	pg_add_int4(p, (int32_t)n->stop_grace_ms);
	pg_add_int4(p, (int32_t)n->accept_timeout_ms);
	pg_add_text(p, n->who);
	pg_add_text(p, n->needs ? n->needs : "");
	pg_add_text(p, n->spread_by ? n->spread_by : "");
	pg_add_int4(p, (int32_t)n->spread_skew);
	pg_add_text(p, n->apart_by ? n->apart_by : "");
	pg_add_int4(p, (int32_t)n->apart_max);
	pg_add_bool(p, n->keep_replacement);
}

/* Why was no row touched? */
static int
explain(const struct store_session *now, uint64_t revision, struct err *err)
{
	if (now->state != SESSION_OPEN)
		return err_set(err, ERR_CONFLICT, "session %s is %s", now->name,
		    session_state_text(now->state));
	return err_field(err, ERR_CONFLICT, "revision", "session %s is at revision %llu, not %llu",
	    now->name, (unsigned long long)now->revision, (unsigned long long)revision);
}

int
pg_store_session_update(struct store *s, const struct store_session_new *n, uint64_t revision,
    bool template_changed, struct arena *a, struct store_session *ret, struct err *err)
{
	static const struct pg_statement update = {"session_update",
	    "WITH u AS (UPDATE session SET revision = revision + 1, spec = $4, replicas = $5,"
	    "   priority = $6, lost_after_ms = $7, replace_lost = $8, replace_after_ms = $9,"
	    "   replacements_max = $10, replace_failed = $11, max_unavailable = $12, "
	    "keep_replacement = $30,"
	    "   previous_spec = CASE WHEN $3 THEN spec ELSE previous_spec END,"
	    "   template_revision = CASE WHEN $3 THEN revision + 1 ELSE template_revision END,"
	    "   rolling = rolling OR $3,"
	    "   rollout_since = CASE WHEN $3 THEN clock_timestamp() ELSE rollout_since END,"
	    "   rollout_paused = CASE WHEN $3 THEN '' ELSE rollout_paused END"
	    "   WHERE name = $1 AND state = 1 AND ($2 = 0 OR revision = $2)"
	    "   RETURNING session_id, pool_id, name, revision, replicas),"
	    "sp AS (INSERT INTO executor_spec (session_id, revision, body, driver, selector,"
	    "     limits_required, cpu_millis, memory_bytes, disk_bytes, gpus, slots,"
	    "     stop_grace_ms, accept_timeout_ms, needs, spread_by, spread_skew, apart_by,"
	    "     apart_max)"
	    "   SELECT session_id, revision, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,"
	    "     $25, $26, $27, $28, $29"
	    "   FROM u WHERE $3),"
	    "i AS (INSERT INTO intent (pool_id, kind, session_id, who)"
	    "   SELECT pool_id, 'session.reconcile', session_id, $24 FROM u),"
	    "v AS (INSERT INTO event_outbox (kind, session, who, text)"
	    "   SELECT 'session.updated', name, $24, 'revision ' || revision || ', ' || replicas"
	    "     || ' executors' || CASE WHEN $3 THEN ', another template' ELSE '' END FROM u)"
	    "SELECT 1 FROM u"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	update_params(&p, n, revision, template_changed, a);
	if (pg_run(pg_of(s), &update, &p, &r, err) != 0 ||
	    pg_store_session_get(s, n->name, a, ret, err) != 0)
		return -1;
	return PQntuples(r) > 0 ? 0 : explain(ret, revision, err);
}

int
pg_store_session_resume(struct store *s, const char *name, const char *who, struct arena *a,
    struct store_session *ret, struct err *err)
{
	/* What failed so far is forgiven: only later failures pause it again. */
	static const struct pg_statement resume = {"session_resume",
	    "WITH u AS (UPDATE session SET rollout_paused = '', revision = revision + 1,"
	    "   rollout_since = clock_timestamp()"
	    "   WHERE name = $1 AND state = 1 AND rollout_paused <> '' RETURNING name),"
	    "v AS (INSERT INTO event_outbox (kind, session, who, text)"
	    "   SELECT 'session.resumed', name, $2, 'the rollout goes on' FROM u) SELECT 1 FROM u"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, name);
	pg_add_text(&p, who);
	if (pg_run(pg_of(s), &resume, &p, &r, err) != 0 ||
	    pg_store_session_get(s, name, a, ret, err) != 0)
		return -1;
	if (PQntuples(r) > 0)
		return 0;
	return err_set(err, ERR_CONFLICT, "session %s has no paused rollout", name);
}
