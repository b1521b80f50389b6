/* memory_restore: this cell is an older copy of itself; see store_restore. */
#include <stdio.h>

#include "memory.h"
#include "mutant.h"
#include "store_restore.h"

static void
leases_end(struct memory_cell *c)
{
	for (struct memory_lease *l = c->leases; l; l = l->hh.next) {
		l->epoch = memory_floor(c) + 1;
		l->expires_us = c->now_us;
	}
}

static void
hosts_begin(struct memory_cell *c)
{
	for (struct memory_host *h = c->hosts; h; h = h->hh.next) {
		h->epoch = memory_floor(c) + 1;
		h->host_seq = memory_floor(c);
		if (h->suspect_since_us > 0)
			h->suspect_since_us = c->now_us;
		h->verdict_us = h->verdict_held_us = 0;
		memory_text_set(&h->verdict_by, "");
	}
}

/* Who had not accepted may have: it has its time anew. */
static void
deadline_renew(const struct memory_cell *c, const struct memory_executor *e)
{
	struct memory_command *command = e->commands;

	if (command && command->generation == e->generation &&
	    e->accepted_generation < e->generation && !executor_state_ended(e->state) &&
	    command->outcome == MEMORY_OUTCOME_NONE && command->deadline_us > 0)
		command->deadline_us += c->now_us - command->message->created_us;
}

/* Without a command it may have got one in the history that is lost. */
static void
unsent_replace(struct memory_cell *c, struct memory_executor *e)
{
	struct id id;

	if (executor_state_rank(e->state) >= executor_state_rank(EXECUTOR_ACCEPTED) ||
	    e->generation > 0 || MUTANT(restore_keeps_queued))
		return;
	memory_dequeue(e);
	memory_executor_end(c, e, EXECUTOR_CANCELLED, "restored");
	memory_text_set(&e->detail, "may have been sent in the history that is lost");
	e->desired = DESIRED_ABSENT;
	e->gone_us = c->now_us;
	memory_executor_event(c, e, "executor.cancelled", NULL, "");
	if (e->session->state != SESSION_OPEN || e->index >= e->session->replicas)
		return;
	id = memory_id_new(c);
	memory_executor_new(c, e->session, &id, e->index)->attempt = e->attempt + 1;
}

void
store_memory_restore(struct store *s, uint64_t term_min)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct memory_executor *e, *next, *newest;
	char text[32];

	if (!MUTANT(restore_keeps_term))
		c->term = c->term + 1 > term_min ? c->term + 1 : term_min;
	leases_end(c);
	hosts_begin(c);
	newest =
	    c->executors ? ELMT_FROM_HH(c->executors->hh.tbl, c->executors->hh.tbl->tail) : NULL;
	for (e = c->executors; e; e = next) {
		next = e == newest ? NULL : e->hh.next; /* not those that are made here */
		deadline_renew(c, e);
		unsent_replace(c, e);
	}
	snprintf(text, sizeof(text), "term %llu", (unsigned long long)c->term);
	memory_event_add(c, &(struct store_event){.kind = "cell.restored", .text = text});
}
