/* memory_queue: who wants a host, and why they still wait. */
#include "arena.h"
#include "err.h"
#include "memory.h"

/* (priority descending, age) in one number; priorities beyond +-1000 count as that. */
static uint64_t
position(const struct memory_executor *e)
{
	int32_t priority = e->session->priority;

	priority = priority > 1000 ? 1000 : priority < -1000 ? -1000 : priority;
	return (uint64_t)(1000 - priority) << 48 | e->enqueued;
}

static int
position_order(const void *a, const void *b)
{
	const struct memory_executor *const *x = a, *const *y = b;
	uint64_t p = position(*x), q = position(*y);

	return (p > q) - (p < q);
}

static int
queued_copy(const struct memory_executor *e, int64_t now_us, struct arena *a,
    struct memory_body *last, struct store_queued *ret, struct err *err)
{
	const struct memory_session *s = e->session;
	const struct memory_template *t = e->template;

	*ret = (struct store_queued){.executor_id = e->executor_id,
	    .session_id = s->session_id,
	    .session = arena_strdup(a, s->name),
	    .index = e->index,
	    .attempt = e->attempt,
	    .revision = t->revision,
	    .priority = s->priority,
	    .driver = arena_strdup(a, t->driver),
	    .selector = arena_strdup(a, t->selector),
	    .needs = arena_strdup(a, t->needs),
	    .spread_by = arena_strdup(a, t->spread_by),
	    .apart_by = arena_strdup(a, t->apart_by),
	    .spread_skew = t->spread_skew,
	    .apart_max = t->apart_max,
	    .limits_required = t->limits_required,
	    .resources = t->resources,
	    .accept_timeout_ms = t->accept_timeout_ms,
	    .waited_us =
		now_us - (e->not_before_us > e->queued_us ? e->not_before_us : e->queued_us),
	    .spec_body = memory_body_copy(t, last, a),
	    .spec_size = t->body_size};
	return ret->session && ret->driver && ret->selector && ret->spec_body && ret->needs &&
		       ret->spread_by && ret->apart_by
		   ? 0
		   : memory_no_room(err);
}

int
memory_store_queue_load(struct store *s, const char *pool, uint64_t after, struct arena *a,
    struct store_queued **ret, size_t *ret_n, uint64_t *ret_last, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const struct memory_pool *p = memory_pool_find(c, pool);
	const struct memory_executor **found, *e;
	struct memory_body last = {0};
	struct store_queued *rows;
	size_t n = 0;

	found = arena_calloc(a, HASH_COUNT(c->executors) + 1, sizeof(*found));
	if (!found)
		return memory_no_room(err);
	for (e = p ? p->queue : NULL; e; e = e->q_next) {
		if (e->not_before_us <= c->now_us && position(e) > after)
			found[n++] = e;
	}
	if (n > 0)
		qsort((void *)found, n, sizeof(*found), position_order);
	n = n < STORE_QUEUE_LIMIT ? n : STORE_QUEUE_LIMIT;
	rows = arena_calloc(a, n + 1, sizeof(*rows));
	if (!rows)
		return memory_no_room(err);
	for (size_t i = 0; i < n; i++) {
		if (queued_copy(found[i], c->now_us, a, &last, &rows[i], err) != 0)
			return -1;
	}
	*ret = rows;
	*ret_n = n;
	*ret_last = n > 0 ? position(found[n - 1]) : after;
	return 0;
}

static void
why_set(struct memory_executor *e, const struct store_waiting *w)
{
	memory_why_clear(e);
	for (size_t i = 0; i < w->why_count; i++) {
		size_t size = strlen(w->why[i].reason) + 1;
		struct memory_why *why = memory_alloc(sizeof(*why) + size);

		memcpy(why->reason, w->why[i].reason, size);
		why->hosts = w->why[i].hosts;
		LL_PREPEND(e->why, why);
	}
}

int
memory_store_queue_why(struct store *s, const struct store_lease *lease,
    const struct store_waiting *w, size_t n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	if (memory_fence(c, lease, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct memory_executor *e = memory_executor_find(c, &w[i].executor_id);

		if (e && e->queued)
			why_set(e, &w[i]);
	}
	return 0;
}
