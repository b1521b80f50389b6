/* pg_command_settle: what people do about commands that expired or died: say them again, or drop
 * them (K8).  A hub writes the wish; the pool's scheduler carries it out under locks. */
#include "arena.h"
#include "err.h"
#include "pg_command.h"
#include "pg_command_row.h"
#include "pg_fold.h"
#include "pg_replace.h"
#include "rules.h"

/* ---- hubs ---- */

static void
key_params(struct pg_params *p, const struct store_command *c, const char *who, struct arena *a)
{
	pg_params_init(p, a);
	pg_add_uuid(p, &c->executor_id);
	pg_add_int8(p, (int64_t)c->generation);
	pg_add_text(p, who);
}

int
pg_store_command_replay(struct store *s, const struct id *executor_id, uint64_t generation,
    const char *who, struct arena *a, struct store_command *ret, struct err *err)
{
	/* A wish that waits already is not written again. */
	static const struct pg_statement wish = {"command_replay",
	    "WITH i AS (INSERT INTO intent (pool_id, kind, session_id, executor_id, generation, "
	    "who)"
	    "   SELECT e.pool_id, 'command.replay', e.session_id, $1, $2, $3 FROM executor e"
	    "   WHERE e.executor_id = $1 AND NOT EXISTS (SELECT 1 FROM intent n WHERE"
	    "     n.kind = 'command.replay' AND n.executor_id = $1 AND n.generation = $2)"
	    "   RETURNING executor_id)"
	    "INSERT INTO event_outbox (kind, executor_id, host, who, text)"
	    " SELECT 'command.replay_asked', $1, c.host_id, $3, 'generation ' || $2"
	    " FROM command c, i WHERE c.executor_id = $1 AND c.generation = $2"};
	struct pg_params p;

	if (pg_command_read(pg_of(s), executor_id, generation, a, ret, err) != 0)
		return -1;
	if (rules_command_replayed(ret))
		return 0;
	if (rules_replay_check(ret, err) != 0)
		return -1;
	key_params(&p, ret, who, a);
	return pg_run(pg_of(s), &wish, &p, NULL, err);
}

int
pg_store_command_drop(struct store *s, const struct id *executor_id, uint64_t generation,
    const char *who, struct arena *a, struct store_command *ret, struct err *err)
{
	/* Whoever was faster, a replay included, stays. */
	static const struct pg_statement drop = {"command_drop",
	    "WITH u AS (UPDATE command SET settled = 'dropped', settled_by = $3,"
	    "   settled_at = clock_timestamp() WHERE executor_id = $1 AND generation = $2"
	    "   AND outcome IS NOT NULL AND settled = '' RETURNING executor_id, host_id)"
	    "INSERT INTO event_outbox (kind, executor_id, host, who, text)"
	    " SELECT 'command.dropped', executor_id, host_id, $3, 'generation ' || $2 FROM u"};
	struct pg_params p;

	if (pg_command_read(pg_of(s), executor_id, generation, a, ret, err) != 0 ||
	    rules_drop_check(ret, err) != 0)
		return -1;
	key_params(&p, ret, who, a);
	if (pg_run(pg_of(s), &drop, &p, NULL, err) != 0 ||
	    pg_command_read(pg_of(s), executor_id, ret->generation, a, ret, err) != 0)
		return -1;
	return rules_drop_check(ret, err);
}

/* ---- the pool's scheduler ---- */

/* In the order of locks: a hello takes the host first, a join the executor. */
static int
replay_lock(struct pg_fold *f, const struct pg_intent *in, struct err *err)
{
	static const struct pg_statement host = {"replay_host",
	    "SELECT 1 FROM host WHERE host_id = (SELECT host_id FROM command"
	    "   WHERE executor_id = $1 AND generation = $2) FOR NO KEY UPDATE"};
	static const struct pg_statement executor = {
	    "replay_executor", "SELECT 1 FROM executor WHERE executor_id = $1 FOR NO KEY UPDATE"};
	struct pg_params p, of_executor;

	pg_params_init(&p, f->arena);
	pg_add_uuid(&p, &in->executor_id);
	pg_add_int8(&p, (int64_t)in->generation);
	pg_params_init(&of_executor, f->arena);
	pg_add_uuid(&of_executor, &in->executor_id);
	if (pg_run(f->pg, &host, &p, NULL, err) != 0 ||
	    pg_replace_lock(f->pg, &in->executor_id, 1, f->arena, err) != 0)
		return -1;
	return pg_run(f->pg, &executor, &of_executor, NULL, err);
}

/* *ret_text: what was done; NULL: nothing could be. */
static int
replay_apply(
    struct pg_fold *f, const struct store_command *c, const char **ret_text, struct err *err)
{
	struct pg_target target = {.executor_id = c->executor_id,
	    .host_id = c->host_id,
	    .desired = c->desired,
	    .stop_grace_ms = c->stop_grace_ms};
	struct id *ids = NULL;
	size_t n = 0, one = 1;

	if (c->state == COMMAND_EXPIRED) {
		if (pg_replace_asked(f->pg, &c->executor_id, f->arena, &n, err) != 0)
			return -1;
		f->result->replaced += n;
		*ret_text = n > 0 ? "another attempt follows" : NULL;
		return 0;
	}
	if (pg_commands_write(f->pg, &target, &one, f->arena, &ids, &n, err) != 0)
		return -1;
	pg_fold_add_ids(f, ids, n);
	*ret_text = n > 0 ? "said again as the next generation" : NULL;
	return 0;
}

static int
replay_note(struct pg_fold *f, const struct store_command *c, const struct pg_intent *in,
    const char *kind, const char *text, struct err *err)
{
	static const struct pg_statement note = {"replay_note",
	    "WITH u AS (UPDATE command SET settled = 'replayed', settled_by = $3,"
	    "   settled_at = clock_timestamp() WHERE $4 = 'command.replayed'"
	    "   AND executor_id = $1 AND generation = $2 AND settled = '')"
	    "INSERT INTO event_outbox (kind, executor_id, host, who, text)"
	    " VALUES ($4, $1, $5, $3, 'generation ' || $2 || ': ' || $6)"};
	struct pg_params p;

	key_params(&p, c, in->who, f->arena);
	pg_add_text(&p, kind);
	pg_add_text(&p, c->host_id);
	pg_add_text(&p, text);
	return pg_run(f->pg, &note, &p, NULL, err);
}

int
pg_fold_replay(struct pg_fold *f, const struct pg_intent *in, struct err *err)
{
	const char *text = NULL;
	struct store_command c;

	if (replay_lock(f, in, err) != 0)
		return -1;
	if (pg_command_read(f->pg, &in->executor_id, in->generation, f->arena, &c, err) != 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(err); /* retention was faster */
		return 0;
	}
	if (rules_command_replayed(&c))
		return 0;
	if (*c.refused)
		return replay_note(f, &c, in, "command.replay_refused", c.refused, err);
	if (replay_apply(f, &c, &text, err) != 0)
		return -1;
	return replay_note(f, &c, in, text ? "command.replayed" : "command.replay_refused",
	    text ? text : "nobody is left to say it to", err);
}
