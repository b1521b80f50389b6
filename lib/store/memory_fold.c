/* memory_fold: what users wish, ended executors that give back and are forgotten, gone ones that
 * leave the books, sessions that close; counters. */
#include "arena.h"
#include "err.h"
#include "memory.h"

#define FOLD_MAX 1024 /* of each list per call */
#define INTENTS_MAX 256

struct fold {
	struct memory_cell *c;
	struct memory_pool *pool;
	int64_t absent_before_us;
	struct store_fold_result *result;
	struct memory_target *targets; /* room for FOLD_MAX */
	struct id *ids;                /* messages to publish, room for 3 * FOLD_MAX */
	size_t id_count;
};

/* ---- intents ---- */

static bool
is_meant(const struct memory_executor *e, const struct memory_intent *i)
{
	return id_is_zero(&i->executor_id) || id_equal(&e->executor_id, &i->executor_id);
}

/* Those that never had a command: nobody but us knows of them (K16). */
static size_t
cancel(struct fold *f, const struct memory_session *session, const struct memory_intent *i)
{
	struct memory_executor *e;
	size_t n = 0;

	DL_FOREACH2(session->executors, e, s_next)
	{
		if (n == FOLD_MAX || !e->queued || !is_meant(e, i))
			continue;
		n++;
		memory_dequeue(e);
		if (e->state != EXECUTOR_QUEUED || e->generation > 0)
			continue;
		memory_executor_end(f->c, e, EXECUTOR_CANCELLED, "cancelled");
		e->desired = DESIRED_ABSENT;
		e->gone_us = f->c->now_us;
		memory_executor_event(f->c, e, "executor.cancelled", NULL, "");
	}
	return n;
}

/* "now" also hastens what is stopping with grace; who stops one executor means it to stay away,
 * also when it was about to be moved. */
static bool
is_to_stop(const struct memory_executor *e, const struct memory_intent *i)
{
	if (executor_state_ended(e->state) || !e->commands)
		return false;
	if (e->desired != DESIRED_STOP)
		return e->desired == DESIRED_RUN;
	return (i->now && e->commands->stop_grace_ms > 0) ||
	       (!id_is_zero(&i->executor_id) && memory_executor_is_moved(e));
}

/* Those that a host may have: desired STOP. */
static size_t
stop(struct fold *f, const struct memory_session *session, const struct memory_intent *i)
{
	struct memory_executor *e;
	size_t n = 0;

	DL_FOREACH2(session->executors, e, s_next)
	{
		if (n < FOLD_MAX && is_meant(e, i) && is_to_stop(e, i))
			f->targets[n++] =
			    (struct memory_target){e, i->now ? 0 : e->template->stop_grace_ms,
				id_is_zero(&i->executor_id) ? "close" : "user"};
	}
	memory_commands_write(f->c, f->targets, n, DESIRED_STOP, f->ids, &f->id_count);
	return n;
}

static bool
end_wished(struct fold *f, struct memory_session *session, const struct memory_intent *i)
{
	return cancel(f, session, i) < FOLD_MAX && stop(f, session, i) < FOLD_MAX;
}

static bool
reconcile(struct fold *f, struct memory_session *session, const struct memory_intent *i)
{
	(void)i;
	return memory_reconcile(f->c, session, f->targets, f->ids, &f->id_count, f->result);
}

static bool
replay(struct fold *f, struct memory_session *session, const struct memory_intent *i)
{
	(void)session;
	memory_fold_replay(f->c, i, f->ids, &f->id_count, f->result);
	return true;
}

/* An intent stays until it finds nothing more to do.  false: it has more to do. */
static bool
carry_out(struct fold *f, const struct memory_intent *i)
{
	static bool (*const rows[])(
	    struct fold *, struct memory_session *, const struct memory_intent *) = {
	    [MEMORY_INTENT_END] = end_wished,
	    [MEMORY_INTENT_RECONCILE] = reconcile,
	    [MEMORY_INTENT_REPLAY] = replay,
	};
	struct memory_session *session = memory_session_find(f->c, &i->session_id);

	return !session || rows[i->kind](f, session, i);
}

static void
fold_intents(struct fold *f)
{
	struct memory_intent *i, *next;
	unsigned seen = 0;

	DL_FOREACH_SAFE(f->pool->intents, i, next)
	{
		if (seen++ == INTENTS_MAX || f->id_count >= FOLD_MAX)
			return;
		if (!carry_out(f, i)) {
			f->result->more = true;
			continue;
		}
		f->result->intents++;
		DL_DELETE(f->pool->intents, i);
		free(i);
	}
}

/* ---- ended, forgotten, gone ---- */

/* The next executor of a work list, taken off it; NULL: it is no more. */
static struct memory_executor *
work_take(struct fold *f, struct memory_work **list)
{
	struct memory_work *w = *list;
	struct memory_executor *e = memory_executor_find(f->c, &w->executor_id);

	DL_DELETE(*list, w);
	free(w);
	return e;
}

/* A host refused it, gave up restarting it, or was retired under it; or we stopped it to move it.
 */
static bool
is_unwished(const struct memory_executor *e)
{
	if (memory_executor_is_moved(e))
		return true;
	return e->desired == DESIRED_RUN &&
	       (e->state == EXECUTOR_FAILED || e->state == EXECUTOR_STOPPED ||
		   e->state == EXECUTOR_REJECTED || e->state == EXECUTOR_LOST);
}

/* An EXPIRED one keeps its reservation until the host has let go (K16); one that is LOST here was
 * on a host that was removed, and has none. */
static void
fold_ended(struct fold *f)
{
	size_t n = 0;

	for (; f->pool->ended && n < FOLD_MAX; n++) {
		int64_t at_us = f->pool->ended->at_us;
		struct memory_executor *e = work_take(f, &f->pool->ended);

		if (!e)
			continue;
		memory_work_add(&f->pool->folded, e, at_us);
		if (e->state < EXECUTOR_SUCCEEDED || e->state > EXECUTOR_LOST)
			continue;
		if (is_unwished(e))
			f->result->replaced += memory_replace(f->c, e);
		memory_books_free(e);
		f->result->ended++;
	}
	f->result->more = f->result->more || n == FOLD_MAX;
}

static void
fold_absent(struct fold *f)
{
	size_t n = 0;

	while (f->pool->folded && f->pool->folded->at_us <= f->absent_before_us && n < FOLD_MAX) {
		struct memory_executor *e = work_take(f, &f->pool->folded);

		if (e && e->books && e->desired != DESIRED_ABSENT)
			f->targets[n++] = (struct memory_target){.executor = e};
	}
	memory_commands_write(f->c, f->targets, n, DESIRED_ABSENT, f->ids, &f->id_count);
	f->result->more = f->result->more || n == FOLD_MAX;
}

/* Gone without an end: the host lost its journal or the executor's record (K5). */
static void
executor_leave(struct fold *f, struct memory_executor *e)
{
	int rank = executor_state_rank(e->state);
	bool wanted = e->state == EXECUTOR_EXPIRED;

	if (rank >= executor_state_rank(EXECUTOR_PLACED) && rank < EXECUTOR_RANK_END) {
		wanted = e->desired == DESIRED_RUN || memory_executor_is_moved(e);
		memory_executor_end(f->c, e, EXECUTOR_LOST, "journal_lost");
		memory_executor_event(
		    f->c, e, "executor.lost", NULL, "the host no longer knows it");
	}
	if (e->gone_us == 0)
		e->gone_us = f->c->now_us;
	if (wanted)
		f->result->replaced += memory_replace(f->c, e);
	memory_books_remove(e);
}

/* A newer generation than the one that is gone has its own GONE coming (K9). */
static void
fold_gone(struct fold *f)
{
	size_t n = 0;

	for (; f->pool->gone && n < FOLD_MAX; n++) {
		struct memory_executor *e = work_take(f, &f->pool->gone);

		/* Who is on the list twice is gone once. */
		if (!e || e->gone_generation < e->generation || e->left_us == f->c->now_us)
			continue;
		e->left_us = f->c->now_us;
		executor_leave(f, e);
		f->result->gone++;
	}
	f->result->more = f->result->more || n == FOLD_MAX;
}

/* ---- sessions ---- */

static bool
session_is_over(const struct memory_session *session)
{
	const struct memory_executor *e;
	const struct memory_intent *i;

	DL_FOREACH(session->pool->intents, i)
	{
		if (id_equal(&i->session_id, &session->session_id))
			return false;
	}
	DL_FOREACH2(session->executors, e, s_next)
	{
		if (!executor_state_ended(e->state))
			return false;
	}
	return true;
}

static void
fold_closing(struct fold *f)
{
	for (struct memory_session *s = f->c->sessions; s; s = s->hh.next) {
		if (s->pool != f->pool || s->state != SESSION_CLOSING || !session_is_over(s))
			continue;
		s->state = SESSION_CLOSED;
		s->closed_us = f->c->now_us;
		f->result->closed_sessions++;
		memory_event_add(
		    f->c, &(struct store_event){.kind = "session.closed", .session = s->name});
	}
}

static bool
absent_is_due(const struct fold *f)
{
	return f->pool->folded && f->pool->folded->at_us <= f->absent_before_us;
}

static bool
there_is_work(const struct fold *f)
{
	const struct memory_pool *p = f->pool;

	if (p->intents || p->ended || p->gone || absent_is_due(f))
		return true;
	for (const struct memory_session *s = f->c->sessions; s; s = s->hh.next) {
		if (s->pool == p && s->state == SESSION_CLOSING)
			return true;
	}
	return false;
}

/* As in Postgres, who leads no longer learns it only when there is something to do. */
int
memory_store_fold(struct store *s, const struct store_lease *lease, const char *pool,
    uint32_t absent_after_ms, struct arena *a, struct store_fold_result *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct fold f = {.c = c,
	    .pool = memory_pool_find(c, pool),
	    .absent_before_us = c->now_us - (int64_t)absent_after_ms * 1000,
	    .result = ret,
	    .targets = arena_calloc(a, FOLD_MAX, sizeof(*f.targets)),
	    .ids = arena_calloc(a, 3 * (size_t)FOLD_MAX, sizeof(*f.ids))};
	bool absent;

	memset(ret, 0, sizeof(*ret));
	if (!f.targets || !f.ids)
		return memory_no_room(err);
	if (!f.pool || !there_is_work(&f))
		return 0;
	if (memory_fence(c, lease, err) != 0)
		return -1;
	absent = absent_is_due(&f); /* as of the beginning: what ends now waits for the next call */
	fold_intents(&f);
	fold_ended(&f);
	if (absent)
		fold_absent(&f);
	fold_gone(&f);
	fold_closing(&f);
	return memory_messages_load(
	    c, f.ids, f.id_count, a, &ret->messages, &ret->message_count, err);
}

int
memory_store_fold_counters(
    struct store *s, const struct store_lease *lease, size_t *ret_folded, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	*ret_folded = 0;
	if (memory_fence(c, lease, err) != 0)
		return -1;
	for (struct memory_session *session = c->sessions; session; session = session->hh.next) {
		for (size_t i = 0; i < MEMORY_STATES; i++) {
			session->counters[i] += session->edges[i];
			session->edges[i] = 0;
		}
	}
	*ret_folded = c->edge_count;
	c->edge_count = 0;
	return 0;
}
