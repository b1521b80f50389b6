/* memory_retain: what is over is kept for a while, then removed in batches; no executor goes before
 * its host has let go of it (K6). */
#include "err.h"
#include "memory.h"

static uint64_t
executors_remove(struct memory_cell *c, int64_t before_us, uint32_t batch)
{
	struct memory_executor *e, *next;
	uint64_t n = 0;

	for (e = c->executors; e && n < batch; e = next) {
		next = e->hh.next;
		if (!executor_state_ended(e->state) || e->gone_us == 0 || e->gone_us >= before_us)
			continue;
		memory_executor_free(c, e);
		n++;
	}
	return n;
}

static uint64_t
sessions_remove(struct memory_cell *c, int64_t before_us, uint32_t batch)
{
	struct memory_session *s, *next;
	uint64_t n = 0;

	for (s = c->sessions; s && n < batch; s = next) {
		next = s->hh.next;
		if (s->state != SESSION_CLOSED || s->closed_us >= before_us || s->executors)
			continue;
		memory_session_free(c, s);
		n++;
	}
	return n;
}

static uint64_t
events_remove(struct memory_cell *c, int64_t before_us, uint32_t batch)
{
	uint64_t n = 0;

	for (; c->events != c->unpublished && c->events->at_us < before_us && n < batch; n++) {
		struct memory_event *v = c->events;

		c->events = v->next;
		if (c->last_event == v)
			c->last_event = NULL;
		memory_event_free(v);
	}
	return n;
}

static uint64_t
keys_remove(struct memory_cell *c, int64_t before_us, uint32_t batch)
{
	struct memory_key *k, *next;
	uint64_t n = 0;

	for (k = c->keys; k && n < batch; k = next) {
		next = k->hh.next;
		if (k->at_us >= before_us)
			continue;
		memory_key_free(c, k);
		n++;
	}
	return n;
}

int
memory_store_retain(struct store *s, const struct store_lease *lease,
    const struct store_retention *r, uint64_t *ret_removed, bool *ret_more, struct err *err)
{
	static uint64_t (*const steps[])(struct memory_cell *, int64_t, uint32_t) = {
	    executors_remove, sessions_remove, events_remove, keys_remove};
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	int64_t before_us = c->now_us - r->keep_ms * 1000;

	*ret_removed = 0;
	*ret_more = false;
	if (memory_fence(c, lease, err) != 0)
		return -1;
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		uint64_t removed = steps[i](c, before_us, r->batch);

		*ret_removed += removed;
		*ret_more = *ret_more || removed >= r->batch;
	}
	return 0;
}
