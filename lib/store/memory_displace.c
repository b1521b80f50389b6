/* memory_displace: replicas, rollouts and drains; see pg_reconcile and pg_displace. */
#include <stdio.h>

#include "arena.h"
#include "err.h"
#include "memory.h"
#include "name.h"

#define DISPLACE_MAX 1024

/* ---- replicas ---- */

void
memory_executor_cancel(
    struct memory_cell *c, struct memory_executor *e, const char *why, const char *stopped_for)
{
	memory_dequeue(e);
	memory_executor_end(c, e, EXECUTOR_CANCELLED, why);
	e->desired = DESIRED_ABSENT;
	e->stopped_for = stopped_for;
	e->gone_us = c->now_us;
}

static bool
is_movable(const struct memory_executor *e)
{
	int rank = executor_state_rank(e->state);

	return rank >= executor_state_rank(EXECUTOR_PLACED) &&
	       rank < executor_state_rank(EXECUTOR_STOPPING) && e->desired == DESIRED_RUN;
}

static bool
surplus_stop(struct memory_cell *c, struct memory_session *s, struct memory_target *targets,
    struct id *ret_ids, size_t *ret_n)
{
	struct memory_executor *e;
	size_t n = 0, cancelled = 0;

	DL_FOREACH2(s->executors, e, s_next)
	{
		if (e->index < s->replicas || executor_state_ended(e->state))
			continue;
		if (e->state == EXECUTOR_QUEUED && e->generation == 0 && cancelled < DISPLACE_MAX) {
			memory_executor_cancel(c, e, "scaled_down", "scale");
			memory_executor_event(c, e, "executor.cancelled", NULL, "scaled down");
			cancelled++;
		} else if (e->desired == DESIRED_RUN && e->host && n < DISPLACE_MAX) {
			targets[n++] =
			    (struct memory_target){e, e->template->stop_grace_ms, "scale"};
		}
	}
	memory_commands_write(c, targets, n, DESIRED_STOP, ret_ids, ret_n);
	return n < DISPLACE_MAX && cancelled < DISPLACE_MAX;
}

static const struct memory_executor *
newest_at(const struct memory_session *s, uint32_t index)
{
	const struct memory_executor *e, *newest = NULL;

	DL_FOREACH2(s->executors, e, s_next)
	{
		if (e->index == index && (!newest || e->attempt > newest->attempt))
			newest = e;
	}
	return newest;
}

/* false: something is to end at one of these indexes still. */
static bool
indexes_are_free(const struct memory_session *s, uint32_t to)
{
	const struct memory_executor *e;

	DL_FOREACH2(s->executors, e, s_next)
	{
		if (e->index >= s->indexes && e->index < to && !executor_state_ended(e->state) &&
		    e->desired != DESIRED_RUN)
			return false;
	}
	return true;
}

static bool
missing_insert(struct memory_cell *c, struct memory_session *s, uint32_t to)
{
	if (!indexes_are_free(s, to))
		return false;
	for (uint32_t i = s->indexes; i < to; i++) {
		const struct memory_executor *newest = newest_at(s, i);
		uint32_t attempt = newest ? newest->attempt + 1 : 1;
		struct id id;

		if (newest && !executor_state_ended(newest->state))
			continue; /* a successor of what was being moved */
		id = memory_id_new(c);
		memory_executor_new(c, s, &id, i)->attempt = attempt;
	}
	return true;
}

bool
memory_reconcile(struct memory_cell *c, struct memory_session *s, struct memory_target *targets,
    struct id *ret_ids, size_t *ret_n, struct store_fold_result *result)
{
	uint32_t to = s->replicas;

	if (s->state != SESSION_OPEN || s->indexes == s->replicas)
		return true;
	if (s->indexes > s->replicas) {
		if (!surplus_stop(c, s, targets, ret_ids, ret_n))
			return false;
		s->indexes = s->replicas;
		return true;
	}
	if (to - s->indexes > DISPLACE_MAX)
		to = s->indexes + DISPLACE_MAX;
	if (!missing_insert(c, s, to))
		return false;
	result->replaced += to - s->indexes;
	s->indexes = to;
	return to == s->replicas;
}

/* ---- budgets ---- */

struct displace {
	struct memory_cell *c;
	struct memory_pool *pool;
	struct store_displace_result *result;
	struct memory_target *targets; /* room for DISPLACE_MAX */
	size_t n;
};

static bool
is_settled(const struct memory_session *s, const struct memory_displaced *d)
{
	const struct memory_executor *n = newest_at(s, d->index);

	if (s->state != SESSION_OPEN || d->index >= s->replicas)
		return true;
	if (!n)
		return false;
	if (n->attempt > d->attempt)
		return n->state == EXECUTOR_RUNNING || executor_state_ended(n->state);
	return n->state == EXECUTOR_SUCCEEDED ||
	       (executor_state_ended(n->state) && !memory_executor_is_moved(n));
}

static void
session_settle(struct displace *w, struct memory_session *s)
{
	struct memory_displaced **at = &s->displaced, *d;

	while ((d = *at) != NULL) {
		if (!is_settled(s, d)) {
			at = &d->next;
			continue;
		}
		*at = d->next;
		free(d);
		w->result->settled++;
	}
}

static void
session_pause(struct displace *w, struct memory_session *s)
{
	const struct memory_executor *e, *bad = NULL;
	char name[EXECUTOR_NAME_BYTES], text[512];

	if (!s->rolling || *s->rollout_paused || s->state != SESSION_OPEN)
		return;
	DL_FOREACH2(s->executors, e, s_next)
	{
		if (e->template->revision == s->template_revision &&
		    e->queued_us >= s->rollout_since_us &&
		    (e->state == EXECUTOR_BACKOFF || e->state == EXECUTOR_FAILED ||
			e->state == EXECUTOR_REJECTED) &&
		    (!bad || e->index < bad->index))
			bad = e;
	}
	if (!bad)
		return;
	executor_name_format(s->name, bad->index, bad->attempt, name);
	snprintf(text, sizeof(text), "%s %s%s%s", name,
	    bad->state == EXECUTOR_BACKOFF  ? "is in backoff"
	    : bad->state == EXECUTOR_FAILED ? "failed"
					    : "was refused",
	    bad->state == EXECUTOR_BACKOFF ? "" : ": ",
	    bad->state == EXECUTOR_BACKOFF ? "" : bad->reason);
	memory_text_set(&s->rollout_paused, text);
	w->result->paused++;
	memory_event_add(w->c,
	    &(struct store_event){
		.kind = "session.rollout_paused", .session = s->name, .text = s->rollout_paused});
}

/* Who waits for a host with the old template has run nowhere: another takes its place. */
static void
session_requeue(struct displace *w, struct memory_session *s)
{
	struct memory_executor *e;
	size_t n = 0;

	DL_FOREACH2(s->executors, e, s_next)
	{
		if (!e->queued || e->generation > 0 ||
		    e->template->revision == s->template_revision || n == DISPLACE_MAX)
			continue;
		memory_executor_cancel(w->c, e, "another_template", "roll");
		memory_replace(w->c, e);
		n++;
	}
	w->result->stopped += n;
}

static void
displace_one(struct displace *w, struct memory_session *s, struct memory_executor *e, bool roll)
{
	struct memory_displaced *d = memory_alloc(sizeof(*d));

	d->executor_id = e->executor_id;
	d->index = e->index;
	d->attempt = e->attempt;
	d->roll = roll;
	LL_APPEND(s->displaced, d);
	w->targets[w->n++] =
	    (struct memory_target){e, e->template->stop_grace_ms, roll ? "roll" : "drain"};
	memory_executor_event(w->c, e, "executor.displaced", NULL, roll ? "roll" : "drain");
}

static int
by_index(const void *a, const void *b)
{
	const struct memory_executor *x = *(struct memory_executor *const *)a;
	const struct memory_executor *y = *(struct memory_executor *const *)b;

	return (x->index > y->index) - (x->index < y->index);
}

/* Drains come first; past a deadline no budget counts. */
static void
session_displace(struct displace *w, struct memory_session *s)
{
	struct memory_executor *e, **all;
	struct memory_displaced *d;
	size_t n = 0, used = 0;

	DL_COUNT2(s->executors, e, n, s_next);
	all = memory_alloc((n + 1) * sizeof(struct memory_executor *));
	n = 0;
	DL_FOREACH2(s->executors, e, s_next)
	if (is_movable(e))
		all[n++] = e;
	if (n > 0)
		qsort((void *)all, n, sizeof(struct memory_executor *), by_index);
	LL_COUNT(s->displaced, d, used);
	for (int roll = 0; roll < 2; roll++) {
		for (size_t i = 0; i < n && w->n < DISPLACE_MAX; i++) {
			const struct memory_host *h = all[i]->host;
			bool drains = h->draining_us > 0;
			bool late = drains && h->drain_deadline_us > 0 &&
				    h->drain_deadline_us <= w->c->now_us;
			bool old = s->rolling && !*s->rollout_paused &&
				   all[i]->template->revision != s->template_revision;

			if ((roll ? old && !drains : drains) &&
			    (late || used < s->max_unavailable)) {
				used++;
				displace_one(w, s, all[i], roll);
			}
		}
	}
	free((void *)all);
}

static void
session_finish(struct displace *w, struct memory_session *s)
{
	const struct memory_executor *e;
	const struct memory_displaced *d;
	char text[64];

	if (!s->rolling)
		return;
	DL_FOREACH2(s->executors, e, s_next)
	{
		if (e->template->revision != s->template_revision &&
		    !executor_state_ended(e->state))
			return;
	}
	LL_FOREACH(s->displaced, d)
	{
		if (d->roll)
			return;
	}
	s->rolling = false;
	memory_text_set(&s->rollout_paused, "");
	w->result->finished++;
	snprintf(text, sizeof(text), "template of revision %llu",
	    (unsigned long long)s->template_revision);
	memory_event_add(w->c,
	    &(struct store_event){.kind = "session.rolled_out", .session = s->name, .text = text});
}

int
memory_store_displace(struct store *store, const struct store_lease *lease, const char *pool,
    struct arena *a, struct store_displace_result *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(store);
	struct displace w = {.c = c,
	    .pool = memory_pool_find(c, pool),
	    .result = ret,
	    .targets = arena_calloc(a, DISPLACE_MAX, sizeof(*w.targets))};
	struct id *ids = arena_calloc(a, DISPLACE_MAX, sizeof(*ids));
	size_t messages = 0;

	memset(ret, 0, sizeof(*ret));
	if (!w.targets || !ids)
		return memory_no_room(err);
	if (!w.pool)
		return 0;
	if (memory_fence(c, lease, err) != 0)
		return -1;
	for (struct memory_session *s = c->sessions; s; s = s->hh.next) {
		if (s->pool != w.pool)
			continue;
		session_settle(&w, s);
		session_pause(&w, s);
		if (s->state != SESSION_OPEN)
			continue;
		if (s->rolling)
			session_requeue(&w, s);
		session_displace(&w, s);
		session_finish(&w, s);
	}
	ret->stopped += w.n;
	ret->more = w.n == DISPLACE_MAX;
	memory_commands_write(c, w.targets, w.n, DESIRED_STOP, ids, &messages);
	return memory_messages_load(c, ids, messages, a, &ret->messages, &ret->message_count, err);
}
