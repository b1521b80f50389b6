/* memory_outbox: messages between their write and the acceptance of every item (K8, K10). */
#include "arena.h"
#include "err.h"
#include "memory.h"

int
memory_store_outbox_sent(struct store *s, const struct id *message_ids, size_t n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	(void)err;
	for (size_t i = 0; i < n; i++) {
		struct memory_message *m = memory_message_find(c, &message_ids[i]);
		struct memory_command *command;

		if (!m)
			continue;
		if (m->sent_us == 0)
			m->sent_us = c->now_us;
		DL_FOREACH2(m->commands, command, m_next)
		{
			if (command->sent_us == 0)
				command->sent_us = c->now_us;
			command->last_sent_us = c->now_us;
			command->deliveries++;
		}
	}
	return 0;
}

static bool
message_is_wanted(const struct memory_message *m)
{
	const struct memory_command *command;

	if (m->host->state == HOST_RETIRED)
		return false;
	DL_FOREACH2(m->commands, command, m_next)
	{
		if (memory_command_unanswered(command))
			return true;
	}
	return false;
}

/* What has been accepted, superseded, expired, or is meant for a host that was removed. */
static void
outbox_clean(struct memory_cell *c, struct memory_pool *p)
{
	struct memory_message *m, *next;

	DL_FOREACH_SAFE(p->outbox, m, next)
	{
		if (!message_is_wanted(m))
			memory_message_drop(c, m);
	}
}

static bool
message_is_due(const struct memory_cell *c, const struct memory_message *m,
    uint32_t unsent_after_ms, uint32_t resend_after_ms)
{
	int64_t since_us = m->sent_us ? m->sent_us : m->created_us;
	int64_t wait_us = (int64_t)(m->sent_us ? resend_after_ms : unsent_after_ms) * 1000;

	return m->next_look_us <= c->now_us && since_us + wait_us <= c->now_us;
}

int
memory_store_outbox_sweep(struct store *s, const char *pool, uint32_t unsent_after_ms,
    uint32_t resend_after_ms, uint32_t limit, struct arena *a, struct store_message **ret,
    size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct memory_pool *p = memory_pool_find(c, pool);
	struct id ids[STORE_MESSAGE_ITEMS_MAX];
	struct memory_message *m;
	size_t n = 0;

	if (limit > COUNT_OF(ids))
		limit = COUNT_OF(ids);
	if (p)
		outbox_clean(c, p);
	/* The oldest first: message ids rise.  next_look_us keeps the next round away from them. */
	for (m = p ? p->outbox : NULL; m && n < limit; m = m->next) {
		if (!message_is_due(c, m, unsent_after_ms, resend_after_ms))
			continue;
		m->next_look_us = c->now_us + (int64_t)resend_after_ms * 1000;
		ids[n++] = m->message_id;
	}
	return memory_messages_load(c, ids, n, a, ret, ret_n, err);
}
