/* memory_command: desired state, messages of up to 64 items, and the outbox's answers. */
#include "arena.h"
#include "err.h"
#include "memory.h"

struct memory_message *
memory_message_new(struct memory_cell *c, struct memory_host *h)
{
	struct memory_message *m = memory_alloc(sizeof(*m));

	h->host_seq = memory_raise(c, h->host_seq);
	m->message_id = memory_id_new(c);
	m->pool = h->pool;
	m->host = h;
	m->host_seq = h->host_seq;
	m->waiting = true;
	m->created_us = m->next_look_us = c->now_us;
	DL_APPEND(m->pool->outbox, m);
	memory_message_add(c, m);
	return m;
}

struct memory_command *
memory_command_add(struct memory_cell *c, struct memory_executor *e, struct memory_message *m,
    enum desired_state desired)
{
	struct memory_command *command = memory_alloc(sizeof(*command));

	e->desired = desired;
	e->generation = memory_raise(c, e->generation);
	e->host_seq = m->host_seq;
	command->executor = e;
	command->message = m;
	command->generation = e->generation;
	command->desired = desired;
	LL_PREPEND2(e->commands, command, older);
	DL_APPEND2(m->commands, command, m_prev, m_next);
	m->command_count++;
	return command;
}

static int
target_order(const void *a, const void *b)
{
	const struct memory_target *x = a, *y = b;

	return id_compare(&x->executor->executor_id, &y->executor->executor_id);
}

void
memory_commands_write(struct memory_cell *c, struct memory_target *targets, size_t n,
    enum desired_state desired, struct id *ret_ids, size_t *ret_n)
{
	if (n > 0)
		qsort(targets, n, sizeof(*targets), target_order);
	for (size_t i = 0; i < n; i++) {
		struct memory_executor *e = targets[i].executor;
		struct memory_host *h = e->host;

		if (!h || h->state == HOST_RETIRED)
			continue;
		if (!h->open || h->open->command_count == STORE_MESSAGE_ITEMS_MAX) {
			h->open = memory_message_new(c, h);
			ret_ids[(*ret_n)++] = h->open->message_id;
		}
		memory_command_add(c, e, h->open, desired)->stop_grace_ms =
		    targets[i].stop_grace_ms;
		if (targets[i].stopped_for)
			e->stopped_for = targets[i].stopped_for;
	}
	for (size_t i = 0; i < n; i++) {
		if (targets[i].executor->host)
			targets[i].executor->host->open = NULL;
	}
}

/* Is it the newest word about its executor, without an outcome? */
static bool
counts(const struct memory_command *command)
{
	return command->generation == command->executor->generation &&
	       command->outcome == MEMORY_OUTCOME_NONE;
}

bool
memory_command_unaccepted(const struct memory_command *command)
{
	const struct memory_executor *e = command->executor;

	return counts(command) && e->accepted_generation < command->generation;
}

bool
memory_command_unanswered(const struct memory_command *command)
{
	return memory_command_unaccepted(command) &&
	       command->executor->gone_generation < command->generation;
}

void
memory_command_end(struct memory_cell *c, struct memory_command *command,
    enum memory_outcome outcome, const char *reason)
{
	command->outcome = outcome;
	command->outcome_us = c->now_us;
	memory_text_set(&command->reason, reason);
}

const void *
memory_body_copy(const struct memory_template *t, struct memory_body *last, struct arena *a)
{
	if (!last->body || last->template != t) {
		last->template = t;
		last->body = arena_memdup(a, t->body, t->body_size);
	}
	return last->body;
}

int
memory_item_copy(const struct memory_command *command, struct memory_body *last, struct arena *a,
    struct store_item *ret, struct err *err)
{
	const struct memory_executor *e = command->executor;

	*ret = (struct store_item){.executor_id = e->executor_id,
	    .generation = command->generation,
	    .host_seq = command->message->host_seq,
	    .desired = command->desired,
	    .deadline_us = command->deadline_us,
	    .session = arena_strdup(a, e->session->name),
	    .index = e->index,
	    .attempt = e->attempt,
	    .stop_grace_ms = command->stop_grace_ms};
	if (!ret->session)
		return memory_no_room(err);
	if (command->desired != DESIRED_RUN)
		return 0;
	ret->spec_body = memory_body_copy(e->template, last, a);
	ret->spec_size = e->template->body_size;
	return ret->spec_body ? 0 : memory_no_room(err);
}

/* ret->item_count is 0 when nothing of it is to be said. */
static int
message_copy(struct memory_cell *c, const struct memory_message *m, struct memory_body *last,
    struct arena *a, struct store_message *ret, struct err *err)
{
	struct memory_command *command;

	*ret = (struct store_message){.message_id = m->message_id,
	    .host_id = arena_strdup(a, m->host->host_id),
	    .encoding = arena_strdup(a, m->host->encoding),
	    .journal_id = m->host->journal_id,
	    .host_seq = m->host_seq,
	    .items = arena_calloc(a, m->command_count, sizeof(*ret->items)),
	    .resend = m->sent_us > 0,
	    .age_us = c->now_us - m->created_us};
	if (!ret->host_id || !ret->encoding || !ret->items)
		return memory_no_room(err);
	DL_FOREACH2(m->commands, command, m_next)
	{
		if (counts(command) &&
		    memory_item_copy(command, last, a, &ret->items[ret->item_count++], err) != 0)
			return -1;
	}
	return 0;
}

int
memory_messages_load(struct memory_cell *c, const struct id *ids, size_t n, struct arena *a,
    struct store_message **ret, size_t *ret_n, struct err *err)
{
	struct store_message *messages = arena_calloc(a, n + 1, sizeof(*messages));
	struct memory_body last = {0};
	size_t count = 0;

	if (!messages)
		return memory_no_room(err);
	for (size_t i = 0; i < n; i++) {
		const struct memory_message *m = memory_message_find(c, &ids[i]);

		if (!m || !m->waiting || !m->commands || m->host->state == HOST_RETIRED)
			continue;
		if (message_copy(c, m, &last, a, &messages[count], err) != 0)
			return -1;
		count += messages[count].item_count > 0;
	}
	*ret = messages;
	*ret_n = count;
	return 0;
}
