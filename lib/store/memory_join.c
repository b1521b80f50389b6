/* memory_join: the ingest join (K14), report by report; pg_join.c says what its columns mean. */
#include <stdio.h>

#include "arena.h"
#include "err.h"
#include "memory.h"
#include "rules.h"

/* Pools whose scheduler should look now; the others look at their next sweep. */
struct join {
	struct memory_cell *c;
	struct store_join_result *result;
	const struct memory_pool *pools[COUNT_OF(((struct store_join_result *)0)->pools)];
	size_t pool_count;
};

static void
pool_add(struct join *j, const struct memory_pool *pool)
{
	for (size_t i = 0; i < j->pool_count; i++) {
		if (j->pools[i] == pool)
			return;
	}
	if (j->pool_count < COUNT_OF(j->pools))
		j->pools[j->pool_count++] = pool;
}

/* A second, different end is kept beside the first and changes nothing else. */
static bool
is_late(const struct memory_executor *e, const struct report *n)
{
	return executor_state_ended(n->state) && executor_state_ended(e->state) &&
	       e->late_us == 0 &&
	       (n->state != e->state || n->exit_code != e->exit_code || n->signal != e->signal);
}

static void
first_time(struct memory_cell *c, int64_t *slot, bool condition)
{
	if (*slot == 0 && condition)
		*slot = c->now_us;
}

/* Of two durations of which 0 means never. */
static void
earliest(int64_t *slot, int64_t value)
{
	if (value > 0 && (*slot == 0 || value < *slot))
		*slot = value;
}

static void
counters_join(struct memory_cell *c, struct memory_executor *e, const struct report *n)
{
	if (n->accepted_generation > e->accepted_generation)
		e->accepted_generation = n->accepted_generation;
	if (n->gone_generation > e->gone_generation)
		e->gone_generation = n->gone_generation;
	first_time(c, &e->accepted_us, n->accepted_generation > 0);
	e->started = e->started || n->started;
}

static void
end_event(struct memory_cell *c, const struct memory_executor *e, const char *kind)
{
	char text[ERR_TEXT_BYTES * 2] = "";
	int size = 0;

	if (e->signal > 0)
		size = snprintf(text, sizeof(text), "signal %d", e->signal);
	else if (e->exit_code >= 0)
		size = snprintf(text, sizeof(text), "exit %d", e->exit_code);
	if (*e->reason != '\0')
		snprintf(text + size, sizeof(text) - (size_t)size, "%s%s", size > 0 ? ", " : "",
		    e->reason);
	memory_executor_event(c, e, kind, NULL, text);
}

static void
state_event(struct memory_cell *c, const struct memory_executor *e)
{
	char kind[64];

	snprintf(kind, sizeof(kind), "executor.%s", executor_state_text(e->state));
	if (executor_state_ended(e->state))
		end_event(c, e, kind);
	else if (e->state == EXECUTOR_RUNNING)
		memory_executor_event(c, e, kind, NULL, "");
}

static void
observed_join(struct memory_cell *c, struct memory_executor *e, const struct report *n)
{
	bool moved = n->state != e->state;

	first_time(c, &e->starting_us,
	    n->starting_after_us > 0 || n->started || n->state == EXECUTOR_STARTING);
	first_time(c, &e->running_us,
	    n->running_after_us > 0 || n->started || n->state == EXECUTOR_RUNNING);
	first_time(c, &e->ended_us, executor_state_ended(n->state));
	earliest(&e->starting_after_us, n->starting_after_us);
	earliest(&e->running_after_us, n->running_after_us);
	earliest(&e->ended_after_us, n->ended_after_us);
	e->incarnation = n->incarnation;
	e->exit_code = n->exit_code;
	e->signal = n->signal;
	e->oom = n->oom;
	memory_text_set(&e->reason, n->reason);
	memory_text_set(&e->detail, n->detail);
	memory_executor_move(c, e, n->state);
	if (moved)
		state_event(c, e);
}

static void
late_keep(struct memory_cell *c, struct memory_executor *e, const char *outcome)
{
	e->late_us = c->now_us;
	memory_text_set(&e->late_outcome, outcome);
	memory_executor_event(c, e, "executor.late_outcome", NULL, outcome);
}

static void
report_join(struct join *j, struct memory_executor *e, const struct report *n, const char *outcome)
{
	bool advances = report_advances(e->state, e->incarnation, n), late = is_late(e, n);
	bool ended = advances && executor_state_ended(n->state), gone;
	bool accepted = e->accepted_us == 0 && n->accepted_generation > 0;

	if (!advances && !late && n->accepted_generation <= e->accepted_generation &&
	    n->gone_generation <= e->gone_generation)
		return;
	counters_join(j->c, e, n);
	if (advances)
		observed_join(j->c, e, n);
	if (late)
		late_keep(j->c, e, outcome);
	gone = e->gone_generation >= e->generation;
	if (ended)
		memory_work_add(&e->session->pool->ended, e, j->c->now_us);
	if (gone)
		memory_work_add(&e->session->pool->gone, e, j->c->now_us);
	if (ended || gone)
		pool_add(j, e->session->pool);
	j->result->applied++;
	j->result->ended += ended;
	j->result->late += late;
	j->result->accepted += accepted;
	j->result->rejected += ended && n->state == EXECUTOR_REJECTED;
}

static void
reports_join(struct join *j, const struct report *reports, size_t n, const char *const *outcomes)
{
	for (size_t i = 0; i < n; i++) {
		struct memory_executor *e = memory_executor_find(j->c, &reports[i].executor_id);
		struct memory_host *h = memory_host_find(j->c, reports[i].host_id);

		if (h && memory_journal_superseded(h, &reports[i].journal_id))
			j->result->superseded++;
		else if (e && h && e->host == h)
			report_join(j, e, &reports[i], outcomes[i]);
		else if (h && reports[i].gone_generation > 0)
			memory_unknown_forget(h, &reports[i].executor_id);
	}
}

int
memory_store_executor_join(struct store *s, const struct report *reports, size_t n, struct arena *a,
    struct store_join_result *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const char **outcomes = arena_calloc(a, n + 1, sizeof(*outcomes));
	struct join j = {.c = c, .result = ret};

	memset(ret, 0, sizeof(*ret));
	if (rules_reports_check(reports, n, err) != 0)
		return -1;
	if (!outcomes)
		return memory_no_room(err);
	for (size_t i = 0; i < n; i++) {
		outcomes[i] = rules_outcome(&reports[i], a);
		if (!outcomes[i])
			return memory_no_room(err);
	}
	reports_join(&j, reports, n, outcomes);
	for (size_t i = 0; i < j.pool_count; i++) {
		ret->pools[i] = arena_strdup(a, j.pools[i]->name);
		if (!ret->pools[i])
			return memory_no_room(err);
		ret->pool_count++;
	}
	return 0;
}
