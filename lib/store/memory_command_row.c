/* memory_command_row: commands with all that is asked about them, and what people do about those
 * that expired or died (K8). */
#include <inttypes.h>
#include <stdio.h>

#include "arena.h"
#include "err.h"
#include "memory.h"
#include "rules.h"

static enum store_command_state
state_of(const struct memory_command *command)
{
	const struct memory_executor *e = command->executor;
	uint64_t answered = e->accepted_generation > e->gone_generation ? e->accepted_generation
									: e->gone_generation;

	if (command->outcome == MEMORY_OUTCOME_EXPIRED)
		return COMMAND_EXPIRED;
	if (command->outcome == MEMORY_OUTCOME_DEAD &&
	    (e->generation > command->generation || answered < command->generation))
		return COMMAND_DEAD;
	if (answered >= command->generation)
		return COMMAND_ACCEPTED;
	if (e->generation > command->generation)
		return COMMAND_SUPERSEDED;
	return command->sent_us > 0 ? COMMAND_PUBLISHED : COMMAND_WRITTEN;
}

static uint32_t
successor_of(const struct memory_executor *e)
{
	const struct memory_executor *n;
	uint32_t attempt = 0;

	DL_FOREACH2(e->session->executors, n, s_next)
	{
		if (n->index == e->index && n->attempt > e->attempt &&
		    (attempt == 0 || n->attempt < attempt))
			attempt = n->attempt;
	}
	return attempt;
}

static void
facts_set(const struct memory_command *command, struct store_command *ret)
{
	const struct memory_executor *e = command->executor;
	const struct memory_host *h = command->message->host;

	if (command->outcome == MEMORY_OUTCOME_EXPIRED)
		ret->successor = successor_of(e);
	if (command->desired == DESIRED_RUN)
		ret->accepted_us = e->accepted_us;
	ret->executor_state = e->state;
	ret->session_state = e->session->state;
	ret->host_state = h->state;
	ret->wanted = e->index < e->session->replicas;
	ret->gone = e->gone_generation >= e->generation;
	ret->host_lost = h->verdict_by && *h->verdict_by != '\0';
}

static int
command_copy(const struct memory_command *command, struct arena *a, struct store_command *ret,
    struct err *err)
{
	const struct memory_executor *e = command->executor;

	*ret = (struct store_command){.executor_id = e->executor_id,
	    .message_id = command->message->message_id,
	    .generation = command->generation,
	    .newest_generation = e->generation,
	    .host_seq = command->message->host_seq,
	    .session = arena_strdup(a, e->session->name),
	    .host_id = arena_strdup(a, command->message->host->host_id),
	    .index = e->index,
	    .attempt = e->attempt,
	    .state = state_of(command),
	    .desired = command->desired,
	    .stop_grace_ms = command->stop_grace_ms,
	    .deliveries = command->deliveries,
	    .reason = arena_strdup(a, command->reason ? command->reason : ""),
	    .settled = command->settled ? command->settled : "",
	    .settled_by = arena_strdup(a, command->settled_by ? command->settled_by : ""),
	    .created_us = command->message->created_us,
	    .sent_us = command->sent_us,
	    .last_sent_us = command->last_sent_us,
	    .deadline_us = command->deadline_us,
	    .outcome_us = command->outcome_us,
	    .settled_us = command->settled_us};
	facts_set(command, ret);
	ret->refused = ret->session && ret->host_id && ret->reason && ret->settled_by
			   ? rules_replay_refused(ret, a)
			   : NULL;
	if (ret->refused)
		return 0;
	(void)memory_no_room(err);
	return -1;
}

static struct memory_command *
command_find(struct memory_cell *c, const struct id *executor_id, uint64_t generation)
{
	const struct memory_executor *e = memory_executor_find(c, executor_id);
	struct memory_command *command = e ? e->commands : NULL;

	while (command && generation > 0 && command->generation != generation)
		command = command->older;
	return command;
}

static int
command_read(struct memory_cell *c, const struct id *executor_id, uint64_t generation,
    struct arena *a, struct memory_command **ret_row, struct store_command *ret, struct err *err)
{
	char hex[ID_HEX_BYTES];

	*ret_row = command_find(c, executor_id, generation);
	if (*ret_row)
		return command_copy(*ret_row, a, ret, err);
	if (generation == 0)
		(void)err_set(err, ERR_NOT_FOUND, "no command was written for executor %s",
		    id_to_hex(executor_id, hex));
	else
		(void)err_set(err, ERR_NOT_FOUND,
		    "no command of generation %" PRIu64 " for executor %s", generation,
		    id_to_hex(executor_id, hex));
	return -1;
}

int
memory_store_command_get(struct store *s, const struct id *executor_id, uint64_t generation,
    struct arena *a, struct store_command *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct memory_command *row;

	return command_read(c, executor_id, generation, a, &row, ret, err);
}

/* ---- lists ---- */

/* Commands of one executor, oldest first; *ret_n is raised. */
static int
commands_add(const struct memory_executor *e, const struct store_command_query *q, struct arena *a,
    struct store_command *rows, size_t *ret_n, struct err *err)
{
	uint64_t after = id_equal(&e->executor_id, &q->after) ? q->after_generation : 0;

	for (;;) {
		const struct memory_command *next = NULL, *command;
		struct store_command *row = &rows[*ret_n];

		LL_FOREACH2(e->commands, command, older)
		{
			if (command->generation > after)
				next = command;
		}
		if (!next || *ret_n == q->limit)
			return 0;
		after = next->generation;
		if (command_copy(next, a, row, err) != 0)
			return -1;
		if (((1u << row->state) & q->states) && (!q->open || rules_command_open(row)) &&
		    (!q->host_id || strcmp(row->host_id, q->host_id) == 0))
			(*ret_n)++;
	}
}

static bool
executor_is_asked_for(const struct memory_executor *e, const struct store_command_query *q,
    const struct memory_session *session)
{
	if (id_compare(&e->executor_id, &q->after) < 0)
		return false;
	if (!id_is_zero(&q->executor_id))
		return id_equal(&e->executor_id, &q->executor_id);
	return !q->session || e->session == session;
}

int
memory_store_command_list(struct store *s, const struct store_command_query *q, struct arena *a,
    struct store_command **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const struct memory_session *session =
	    q->session ? memory_session_named(c, q->session) : NULL;
	size_t n = 0, room = HASH_COUNT(c->executors);
	struct memory_executor **sorted = arena_calloc(a, room + 1, sizeof(*sorted));

	*ret = arena_calloc(a, q->limit + (size_t)1, sizeof(**ret));
	*ret_n = 0;
	if (!sorted || !*ret)
		return memory_no_room(err);
	for (struct memory_executor *e = c->executors; e; e = e->hh.next) {
		if (executor_is_asked_for(e, q, session))
			sorted[n++] = e;
	}
	if (n > 0)
		qsort(sorted, n, sizeof(struct memory_executor *), memory_executor_order);
	for (size_t i = 0; i < n; i++) {
		if (commands_add(sorted[i], q, a, *ret, ret_n, err) != 0)
			return -1;
	}
	return 0;
}

/* ---- what people do ---- */

static void
command_event(struct memory_cell *c, const struct memory_command *command, const char *kind,
    const char *who, const char *text)
{
	char line[160];

	snprintf(line, sizeof(line), "generation %" PRIu64 "%s%s", command->generation,
	    text ? ": " : "", text ? text : "");
	memory_executor_event(c, command->executor, kind, who, line);
}

static bool
replay_is_wished(const struct memory_command *command)
{
	const struct memory_intent *i;

	DL_FOREACH(command->executor->session->pool->intents, i)
	{
		if (i->kind == MEMORY_INTENT_REPLAY && i->generation == command->generation &&
		    id_equal(&i->executor_id, &command->executor->executor_id))
			return true;
	}
	return false;
}

int
memory_store_command_replay(struct store *s, const struct id *executor_id, uint64_t generation,
    const char *who, struct arena *a, struct store_command *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct memory_command *row;
	struct memory_intent *i;

	if (command_read(c, executor_id, generation, a, &row, ret, err) != 0)
		return -1;
	if (rules_command_replayed(ret))
		return 0;
	if (rules_replay_check(ret, err) != 0)
		return -1;
	if (replay_is_wished(row))
		return 0;
	i = memory_alloc(sizeof(*i));
	i->kind = MEMORY_INTENT_REPLAY;
	i->session_id = row->executor->session->session_id;
	i->executor_id = *executor_id;
	i->generation = row->generation;
	snprintf(i->who, sizeof(i->who), "%s", who);
	DL_APPEND(row->executor->session->pool->intents, i);
	command_event(c, row, "command.replay_asked", who, NULL);
	return 0;
}

static void
settle(struct memory_cell *c, struct memory_command *row, const char *how, const char *who)
{
	if (row->settled)
		return;
	row->settled = how;
	row->settled_us = c->now_us;
	memory_text_set(&row->settled_by, who);
}

int
memory_store_command_drop(struct store *s, const struct id *executor_id, uint64_t generation,
    const char *who, struct arena *a, struct store_command *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct memory_command *row;

	if (command_read(c, executor_id, generation, a, &row, ret, err) != 0 ||
	    rules_drop_check(ret, err) != 0)
		return -1;
	if (!row->settled)
		command_event(c, row, "command.dropped", who, NULL);
	settle(c, row, "dropped", who);
	return command_copy(row, a, ret, err);
}

/* true: there is somebody to say it to. */
static bool
replay_apply(struct memory_cell *c, struct memory_command *row, struct id *ret_ids, size_t *ret_n,
    struct store_fold_result *result)
{
	struct memory_target target = {row->executor, row->stop_grace_ms, NULL};
	size_t before = *ret_n;

	if (row->outcome == MEMORY_OUTCOME_EXPIRED) {
		bool replaced = memory_replace_asked(c, row->executor);

		result->replaced += replaced;
		return replaced;
	}
	memory_commands_write(c, &target, 1, row->desired, ret_ids, ret_n);
	return *ret_n > before;
}

void
memory_fold_replay(struct memory_cell *c, const struct memory_intent *i, struct id *ret_ids,
    size_t *ret_n, struct store_fold_result *result)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct memory_command *row;
	struct store_command now;
	struct err err = {0};

	if (!a || command_read(c, &i->executor_id, i->generation, a, &row, &now, &err) != 0)
		return; /* retention was faster */
	if (rules_command_replayed(&now))
		return;
	if (*now.refused) {
		command_event(c, row, "command.replay_refused", i->who, now.refused);
		return;
	}
	if (!replay_apply(c, row, ret_ids, ret_n, result)) {
		command_event(
		    c, row, "command.replay_refused", i->who, "nobody is left to say it to");
		return;
	}
	settle(c, row, "replayed", i->who);
	command_event(c, row, "command.replayed", i->who,
	    now.state == COMMAND_EXPIRED ? "another attempt follows"
					 : "said again as the next generation");
}
