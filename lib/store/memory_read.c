/* memory_read: what people ask about executors, and the wish to stop one. */
#include "arena.h"
#include "err.h"
#include "memory.h"

/* When the first RUN of it was acknowledged by the bus. */
static int64_t
sent_us(const struct memory_executor *e)
{
	int64_t first = 0;

	for (const struct memory_command *command = e->commands; command; command = command->older)
		if (command->desired == DESIRED_RUN && command->sent_us > 0 &&
		    (first == 0 || command->sent_us < first))
			first = command->sent_us;
	return first;
}

static int
executor_copy(
    const struct memory_executor *e, struct arena *a, struct store_executor *ret, struct err *err)
{
	*ret = (struct store_executor){.executor_id = e->executor_id,
	    .session_id = e->session->session_id,
	    .session = arena_strdup(a, e->session->name),
	    .host_id = arena_strdup(a, e->host ? e->host->host_id : ""),
	    .reason = arena_strdup(a, e->reason),
	    .detail = arena_strdup(a, e->detail),
	    .late_outcome = arena_strdup(a, e->late_outcome),
	    .stopped_for = e->stopped_for,
	    .revision = e->template->revision,
	    .index = e->index,
	    .attempt = e->attempt,
	    .incarnation = e->incarnation,
	    .state = e->state,
	    .desired = e->desired,
	    .generation = e->generation,
	    .accepted_generation = e->accepted_generation,
	    .gone_generation = e->gone_generation,
	    .exit_code = e->exit_code,
	    .signal = e->signal,
	    .oom = e->oom,
	    .started = e->started,
	    .queued_us = e->queued_us,
	    .placed_us = e->placed_us,
	    .sent_us = sent_us(e),
	    .accepted_us = e->accepted_us,
	    .starting_us = e->starting_us,
	    .running_us = e->running_us,
	    .ended_us = e->ended_us,
	    .gone_us = e->gone_us,
	    .starting_after_us = e->starting_after_us,
	    .running_after_us = e->running_after_us,
	    .ended_after_us = e->ended_after_us};
	if (!ret->session || !ret->host_id || !ret->reason || !ret->detail || !ret->late_outcome)
		return memory_no_room(err);
	return memory_why_copy(e, a, &ret->why, &ret->why_count, err);
}

/* Lists leave the spec out, it may be 200 KiB. */
static int
executor_copy_with_spec(
    const struct memory_executor *e, struct arena *a, struct store_executor *ret, struct err *err)
{
	if (executor_copy(e, a, ret, err) != 0)
		return -1;
	ret->spec_body = arena_memdup(a, e->template->body, e->template->body_size);
	ret->spec_size = e->template->body_size;
	return ret->spec_body ? 0 : memory_no_room(err);
}

static bool
executor_matches(const struct memory_executor *e, const struct store_executor_query *q)
{
	return id_compare(&e->executor_id, &q->after) > 0 &&
	       (q->all || !executor_state_ended(e->state)) &&
	       (!q->host_id || (e->host && strcmp(e->host->host_id, q->host_id) == 0));
}

/* The shortest list that holds everything asked for. */
static size_t
executors_find(struct memory_cell *c, const struct store_executor_query *q,
    const struct memory_executor **found)
{
	const struct memory_session *session =
	    q->session ? memory_session_named(c, q->session) : NULL;
	const struct memory_host *h = q->host_id ? memory_host_find(c, q->host_id) : NULL;
	const struct memory_executor *e;
	size_t n = 0;

	if (q->session) {
		for (e = session ? session->executors : NULL; e; e = e->s_next)
			if (executor_matches(e, q))
				found[n++] = e;
	} else if (q->host_id && !q->all) {
		for (e = h ? h->books : NULL; e; e = e->b_next)
			if (executor_matches(e, q))
				found[n++] = e;
	} else {
		for (e = c->executors; e; e = e->hh.next)
			if (executor_matches(e, q))
				found[n++] = e;
	}
	if (n > 0)
		qsort((void *)found, n, sizeof(*found), memory_executor_order);
	return n < q->limit ? n : q->limit;
}

int
memory_store_executor_list(struct store *s, const struct store_executor_query *q, struct arena *a,
    struct store_executor **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const struct memory_executor **found =
	    arena_calloc(a, HASH_COUNT(c->executors) + 1, sizeof(*found));
	struct store_executor *rows;
	size_t n;

	if (!found)
		return memory_no_room(err);
	n = executors_find(c, q, found);
	rows = arena_calloc(a, n + 1, sizeof(*rows));
	if (!rows)
		return memory_no_room(err);
	for (size_t i = 0; i < n; i++) {
		if (executor_copy(found[i], a, &rows[i], err) != 0)
			return -1;
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}

int
memory_store_executor_get(struct store *s, const struct id *executor_id, struct arena *a,
    struct store_executor *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const struct memory_executor *e = memory_executor_find(c, executor_id);
	char hex[ID_HEX_BYTES];

	if (!e)
		return err_set(err, ERR_NOT_FOUND, "no executor %s", id_to_hex(executor_id, hex));
	return executor_copy_with_spec(e, a, ret, err);
}

int
memory_store_executor_find(struct store *s, const char *session, uint32_t index, uint32_t attempt,
    struct arena *a, struct store_executor *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const struct memory_session *owner = memory_session_named(c, session);
	const struct memory_executor *found = NULL;

	for (const struct memory_executor *e = owner ? owner->executors : NULL; e; e = e->s_next)
		if (e->index == index && (attempt == 0 || e->attempt == attempt) &&
		    (!found || e->attempt > found->attempt))
			found = e;
	if (!found)
		return err_set(err, ERR_NOT_FOUND, "no executor %s/%u", session, index);
	return executor_copy_with_spec(found, a, ret, err);
}

/* A wish that waits already is not written again. */
static bool
stop_is_wished(const struct memory_executor *e, bool now)
{
	const struct memory_intent *i;

	DL_FOREACH(e->session->pool->intents, i)
	{
		if (i->kind == MEMORY_INTENT_END && id_equal(&i->executor_id, &e->executor_id) &&
		    i->now >= now)
			return true;
	}
	return false;
}

int
memory_store_executor_stop(
    struct store *s, const struct id *executor_id, bool now, const char *who, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const struct memory_executor *e = memory_executor_find(c, executor_id);
	struct memory_intent *i;
	char hex[ID_HEX_BYTES];

	if (!e)
		return err_set(err, ERR_NOT_FOUND, "no executor %s", id_to_hex(executor_id, hex));
	if (executor_state_ended(e->state) || stop_is_wished(e, now))
		return 0;
	i = memory_alloc(sizeof(*i));
	i->session_id = e->session->session_id;
	i->executor_id = *executor_id;
	i->now = now;
	DL_APPEND(e->session->pool->intents, i);
	memory_executor_event(c, e, "executor.stop_asked", who, now ? "now" : "graceful");
	return 0;
}
