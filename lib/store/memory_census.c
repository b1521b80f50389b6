/* memory_census: what a cell holds and what waits in it. */
#include "err.h"
#include "memory.h"

static uint64_t
works_count(const struct memory_work *list)
{
	uint64_t n = 0;

	for (; list; list = list->next)
		n++;
	return n;
}

static void
outbox_count(const struct memory_cell *c, const struct memory_pool *p, struct store_census *ret)
{
	const struct memory_message *m;

	DL_FOREACH(p->outbox, m)
	{
		int64_t age_us = c->now_us - m->created_us;

		ret->backlogs[STORE_BACKLOG_outbox]++;
		if (m->sent_us != 0)
			continue;
		ret->backlogs[STORE_BACKLOG_outbox_unsent]++;
		if (age_us > ret->oldest_unsent_us)
			ret->oldest_unsent_us = age_us;
	}
}

static void
pool_count(const struct memory_cell *c, const struct memory_pool *p, struct store_census *ret)
{
	const struct memory_executor *e;

	DL_FOREACH2(p->queue, e, q_next)
	ret->backlogs[STORE_BACKLOG_queue]++;
	outbox_count(c, p, ret);
	ret->backlogs[STORE_BACKLOG_ended] += works_count(p->ended) + works_count(p->folded);
	ret->backlogs[STORE_BACKLOG_gone] += works_count(p->gone);
	for (const struct memory_intent *i = p->intents; i; i = i->next)
		ret->backlogs[STORE_BACKLOG_intents]++;
}

/* Here edges are kept by session, and not by batch. */
static bool
has_edges(const struct memory_session *s)
{
	for (size_t i = 0; i < MEMORY_STATES; i++) {
		if (s->edges[i] != 0)
			return true;
	}
	return false;
}

int
memory_store_census(struct store *s, struct store_census *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	(void)err;
	*ret = (struct store_census){0};
	for (const struct memory_host *h = c->hosts; h; h = h->hh.next)
		ret->hosts[h->state]++;
	for (const struct memory_pool *p = c->pools; p; p = p->hh.next)
		pool_count(c, p, ret);
	for (const struct memory_session *m = c->sessions; m; m = m->hh.next)
		ret->backlogs[STORE_BACKLOG_deltas] += has_edges(m);
	for (const struct memory_event *v = c->unpublished; v; v = v->next)
		ret->backlogs[STORE_BACKLOG_events]++;
	for (size_t i = 0; i < STORE_BACKLOG_COUNT; i++) {
		if (ret->backlogs[i] > STORE_CENSUS_MAX)
			ret->backlogs[i] = STORE_CENSUS_MAX;
	}
	return 0;
}
