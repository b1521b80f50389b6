/* memory_expire: a RUN that no host accepted in time (K13, K16), and what nobody answers (K8). */
#include <stdio.h>

#include "arena.h"
#include "err.h"
#include "memory.h"

#define EXPIRE_MAX 1024

static bool
command_is_late(const struct memory_cell *c, const struct memory_command *command)
{
	return memory_command_unaccepted(command) && command->desired == DESIRED_RUN &&
	       command->deadline_us > 0 && command->deadline_us < c->now_us &&
	       !executor_state_ended(command->executor->state);
}

/* Messages that want something are in the outbox: they lead to the late commands. */
static size_t
late_find(const struct memory_cell *c, const struct memory_pool *p, struct memory_target *targets)
{
	const struct memory_message *m;
	const struct memory_command *command;
	size_t n = 0;

	for (m = p ? p->outbox : NULL; m; m = m->next) {
		DL_FOREACH2(m->commands, command, m_next)
		{
			if (n < EXPIRE_MAX && command_is_late(c, command))
				targets[n++].executor = command->executor;
		}
	}
	return n;
}

static void
executor_expire(struct memory_cell *c, struct memory_executor *e)
{
	memory_executor_end(c, e, EXECUTOR_EXPIRED, "expired");
	memory_command_end(c, e->commands, MEMORY_OUTCOME_EXPIRED, "not accepted in time");
	memory_executor_event(c, e, "executor.expired", NULL, "not accepted in time");
}

int
memory_store_expire(struct store *s, const struct store_lease *lease, const char *pool,
    struct arena *a, struct store_message **ret, size_t *ret_n, size_t *ret_expired,
    struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct memory_target *targets = arena_calloc(a, EXPIRE_MAX, sizeof(*targets));
	struct id *ids = arena_calloc(a, EXPIRE_MAX, sizeof(*ids));
	size_t n, message_count = 0;

	*ret = NULL;
	*ret_n = *ret_expired = 0;
	if (!targets || !ids)
		return memory_no_room(err);
	n = late_find(c, memory_pool_find(c, pool), targets);
	if (n == 0)
		return 0;
	if (memory_fence(c, lease, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		executor_expire(c, targets[i].executor);
	memory_commands_write(c, targets, n, DESIRED_ABSENT, ids, &message_count);
	*ret_expired = n;
	return memory_messages_load(c, ids, message_count, a, ret, ret_n, err);
}

static bool
is_exhausted(const struct memory_cell *c, const struct memory_command *command,
    uint32_t deliveries_max, uint32_t answer_after_ms)
{
	return command->desired != DESIRED_RUN && command->deliveries >= deliveries_max &&
	       command->last_sent_us > 0 &&
	       command->last_sent_us <= c->now_us - (int64_t)answer_after_ms * 1000 &&
	       memory_command_unanswered(command);
}

static void
command_exhaust(struct memory_cell *c, struct memory_command *command)
{
	char reason[64];

	snprintf(reason, sizeof(reason), "sent %u times, never answered", command->deliveries);
	memory_command_end(c, command, MEMORY_OUTCOME_DEAD, reason);
	memory_executor_event(c, command->executor, "command.dead", NULL, reason);
}

int
memory_store_exhaust(struct store *s, const struct store_lease *lease, const char *pool,
    uint32_t deliveries_max, uint32_t answer_after_ms, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const struct memory_pool *p = memory_pool_find(c, pool);
	const struct memory_message *m;
	struct memory_command *command;

	*ret_n = 0;
	for (m = p ? p->outbox : NULL; m; m = m->next) {
		DL_FOREACH2(m->commands, command, m_next)
		{
			if (*ret_n == EXPIRE_MAX ||
			    !is_exhausted(c, command, deliveries_max, answer_after_ms))
				continue;
			/* As in Postgres: who leads no longer learns it only with something to do.
			 */
			if (*ret_n == 0 && memory_fence(c, lease, err) != 0)
				return -1;
			command_exhaust(c, command);
			(*ret_n)++;
		}
	}
	return 0;
}
