/* memory_crowd: what placement wants to know of a session: where its executors are, which hosts
 * failed it. */
#include <math.h>

#include "arena.h"
#include "err.h"
#include "memory.h"
#include "store_bounds.h"

/* Of one session; several may be of one host until they are merged. */
struct found {
	const struct memory_host *host;
	struct id session_id;
	uint32_t count;
	double weight;
	int64_t last_us;
};

static int
found_order(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int order = id_compare(&x->session_id, &y->session_id);

	return order ? order : strcmp(x->host->host_id, y->host->host_id);
}

static size_t
found_merge(struct found *found, size_t n)
{
	size_t kept = 0;

	if (n > 0)
		qsort(found, n, sizeof(*found), found_order);
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && found_order(&found[kept - 1], &found[i]) == 0) {
			struct found *f = &found[kept - 1];

			f->count += found[i].count;
			f->weight += found[i].weight;
			f->last_us = f->last_us > found[i].last_us ? f->last_us : found[i].last_us;
		} else {
			found[kept++] = found[i];
		}
	}
	return kept;
}

typedef bool look(const struct memory_cell *c, const struct memory_executor *e, struct found *ret);

/* Living, or on a host that could have let go of it and did not. */
static bool
is_there(const struct memory_cell *c, const struct memory_executor *e, struct found *ret)
{
	(void)c;
	if (!e->books || !e->reserved ||
	    (executor_state_ended(e->state) && e->books->state != HOST_READY))
		return false;
	*ret = (struct found){e->books, e->session->session_id, 1, 0, 0};
	return true;
}

static bool
is_avoided(const struct memory_cell *c, const struct memory_executor *e, struct found *ret)
{
	int64_t age_us = c->now_us - e->blamed_us;

	if (e->blamed_us == 0 || age_us >= (int64_t)AVOID_FORGET_MS * 1000)
		return false;
	*ret = (struct found){e->host, e->session->session_id, 1,
	    1000 * exp2(-(double)age_us / ((double)AVOID_HALF_LIFE_MS * 1000)), e->blamed_us};
	return true;
}

/* NULL: no room. */
static struct found *
sessions_look(struct memory_cell *c, const struct id *session_ids, size_t n, look *at,
    struct arena *a, size_t *ret_n)
{
	struct found *found;
	size_t room = 0, count = 0;

	for (size_t i = 0; i < n; i++) {
		const struct memory_session *s = memory_session_find(c, &session_ids[i]);
		const struct memory_executor *e;

		for (e = s ? s->executors : NULL; e; e = e->s_next)
			room++;
	}
	found = arena_calloc(a, room + 1, sizeof(*found));
	for (size_t i = 0; found && i < n; i++) {
		const struct memory_session *s = memory_session_find(c, &session_ids[i]);
		const struct memory_executor *e;

		for (e = s ? s->executors : NULL; e; e = e->s_next)
			count += at(c, e, &found[count]);
	}
	*ret_n = found ? found_merge(found, count) : 0;
	return found;
}

int
memory_store_presence_load(struct store *s, const struct id *session_ids, size_t n, struct arena *a,
    struct store_presence **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const struct found *found = sessions_look(c, session_ids, n, is_there, a, ret_n);
	struct store_presence *rows = arena_calloc(a, *ret_n + 1, sizeof(*rows));

	if (!found || !rows)
		return memory_no_room(err);
	for (size_t i = 0; i < *ret_n; i++) {
		rows[i] = (struct store_presence){
		    found[i].session_id, arena_strdup(a, found[i].host->host_id), found[i].count};
		if (!rows[i].host_id)
			return memory_no_room(err);
	}
	*ret = rows;
	return 0;
}

int
memory_store_avoided_load(struct store *s, const struct id *session_ids, size_t n, struct arena *a,
    struct store_avoided **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const struct found *found = sessions_look(c, session_ids, n, is_avoided, a, ret_n);
	struct store_avoided *rows = arena_calloc(a, *ret_n + 1, sizeof(*rows));

	if (!found || !rows)
		return memory_no_room(err);
	for (size_t i = 0; i < *ret_n; i++) {
		rows[i] = (struct store_avoided){.session_id = found[i].session_id,
		    .host_id = arena_strdup(a, found[i].host->host_id),
		    .weight = llround(found[i].weight),
		    .ends = found[i].count,
		    .last_us = found[i].last_us};
		if (!rows[i].host_id)
			return memory_no_room(err);
	}
	*ret = rows;
	return 0;
}
