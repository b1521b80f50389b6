/* memory_relieve: a replacement before its original is given up, and which of the two stays: see
 * pg_relieve. */
#include "memory.h"

#define BACK_FOR_US (2 * INT64_C(1000000))

struct relieve {
	struct memory_cell *c;
	struct memory_target *targets; /* room for MEMORY_RELIEVE_MAX */
	size_t n;
};

bool
memory_executor_is_early(const struct memory_cell *c, const struct memory_executor *e)
{
	const struct memory_session *s = e->session;

	return s->replace_lost && s->replace_after_ms < s->lost_after_ms &&
	       s->state == SESSION_OPEN &&
	       c->now_us - e->books->suspect_since_us >= (int64_t)s->replace_after_ms * 1000;
}

/* ---- beside the original ---- */

static void
host_relieve(struct memory_cell *c, struct memory_host *h, struct store_lost_result *result)
{
	struct memory_executor *e;

	DL_FOREACH2(h->books, e, b_next)
	{
		if (executor_state_ended(e->state) || e->desired != DESIRED_RUN || e->relieved ||
		    e->index >= e->session->replicas || !memory_executor_is_early(c, e))
			continue;
		e->relieved = true;
		if (!memory_replace_early(c, e))
			continue;
		result->replaced++;
		memory_executor_event(c, e, "executor.relieved", NULL,
		    "its host is silent: a replacement runs beside it until it is back or given "
		    "up");
	}
}

/* ---- one of the two ---- */

static bool
is_over(const struct memory_executor *o)
{
	return executor_state_ended(o->state) || o->desired != DESIRED_RUN ||
	       o->session->state != SESSION_OPEN || o->index >= o->session->replicas;
}

static bool
is_back(const struct memory_cell *c, const struct memory_executor *o)
{
	return o->host->state == HOST_READY &&
	       (o->host->returned_us == 0 || c->now_us - o->host->returned_us >= BACK_FOR_US);
}

static bool
stays(const struct memory_cell *c, const struct memory_executor *o)
{
	if (o->session->state != SESSION_OPEN || o->session->keep_replacement)
		return false;
	return o->state == EXECUTOR_SUCCEEDED ||
	       (!executor_state_ended(o->state) && o->desired == DESIRED_RUN && is_back(c, o));
}

#define EACH_LATER(o, x)                                                                           \
	DL_FOREACH2((o)->session->executors, (x), s_next)                                          \
	if ((x)->index == (o)->index && (x)->attempt > (o)->attempt)

static bool
is_stoppable(const struct memory_executor *x)
{
	return !executor_state_ended(x->state) && x->state != EXECUTOR_QUEUED &&
	       x->desired == DESIRED_RUN;
}

static void
stop(struct relieve *w, struct memory_executor *x)
{
	if (w->n < MEMORY_RELIEVE_MAX && is_stoppable(x))
		w->targets[w->n++] = (struct memory_target){x, x->template->stop_grace_ms, "keep"};
}

static void
original_keep(struct relieve *w, struct memory_executor *o)
{
	struct memory_executor *x;

	o->replaced = false;
	EACH_LATER(o, x)
	{
		if (executor_state_ended(x->state)) {
			if (x->state != EXECUTOR_SUCCEEDED)
				x->stopped_for = "keep";
		} else if (x->state == EXECUTOR_QUEUED && x->generation == 0) {
			memory_executor_cancel(w->c, x, "original_kept", "keep");
			memory_executor_event(
			    w->c, x, "executor.cancelled", NULL, "the original is kept");
		} else {
			stop(w, x);
		}
	}
}

static bool
later_runs(const struct memory_executor *o)
{
	const struct memory_executor *x;

	EACH_LATER(o, x)
	{
		if (x->state == EXECUTOR_RUNNING)
			return true;
	}
	return false;
}

static bool
later_is_wanted(const struct memory_executor *o)
{
	const struct memory_executor *x;

	EACH_LATER(o, x)
	{
		if (!executor_state_ended(x->state) && x->desired == DESIRED_RUN)
			return true;
	}
	return false;
}

static void
pair_choose(struct relieve *w, struct memory_executor *o)
{
	if (stays(w->c, o))
		original_keep(w, o);
	else if (!is_over(o) && is_back(w->c, o) && later_runs(o))
		stop(w, o);
}

static void
pair_end(struct memory_cell *c, struct memory_executor *o)
{
	bool kept = stays(c, o);
	const char *text = "there is nothing to choose any more";

	if ((!is_over(o) && !kept) || (kept && later_is_wanted(o)))
		return;
	o->relieved = false;
	if (strcmp(o->stopped_for, "keep") == 0)
		text = "its host is back: the replacement is kept";
	else if (kept && !executor_state_ended(o->state))
		text = "its host is back: the original is kept";
	memory_executor_event(c, o, "executor.relief_over", NULL, text);
}

#define EACH_RELIEVED(c, pool_, s, e)                                                              \
	for (struct memory_session *s = (c)->sessions; s; s = s->hh.next)                          \
		if (s->pool == (pool_))                                                            \
			DL_FOREACH2(s->executors, e, s_next)                                       \
	if ((e)->relieved)

void
memory_relieve(struct memory_cell *c, struct memory_pool *pool, bool judge_listens,
    struct memory_target *targets, struct id *ret_ids, size_t *ret_n,
    struct store_lost_result *result)
{
	struct relieve w = {.c = c, .targets = targets};
	struct memory_executor *e;

	for (struct memory_host *h = c->hosts; h && judge_listens; h = h->hh.next) {
		if (h->pool == pool && (h->state == HOST_SUSPECT || h->state == HOST_LOST) &&
		    h->verdict_us > 0 && !*h->verdict_by)
			host_relieve(c, h, result);
	}
	EACH_RELIEVED(c, pool, s, e)
	pair_choose(&w, e);
	memory_commands_write(c, w.targets, w.n, DESIRED_STOP, ret_ids, ret_n);
	EACH_RELIEVED(c, pool, s, e)
	pair_end(c, e);
}
