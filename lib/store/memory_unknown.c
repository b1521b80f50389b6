/* memory_unknown: executors of older terms that hosts run and the cell does not know (K6). */
#include "arena.h"
#include "err.h"
#include "memory.h"
#include "rules.h"

static int
row_order(const struct memory_unknown *a, const struct memory_unknown *b)
{
	return id_compare(&a->executor_id, &b->executor_id);
}

static struct memory_unknown *
row_find(const struct memory_host *h, const struct id *executor_id)
{
	struct memory_unknown *k;

	LL_FOREACH(h->unknown, k)
	{
		if (id_equal(&k->executor_id, executor_id))
			return k;
	}
	return NULL;
}

/* at: what points at the row. */
static void
row_free(struct memory_unknown **at)
{
	struct memory_unknown *k = *at;

	*at = k->next;
	free(k->told_by);
	free(k);
}

void
memory_unknown_forget(struct memory_host *h, const struct id *executor_id)
{
	struct memory_unknown **at = &h->unknown;

	while (*at && !id_equal(&(*at)->executor_id, executor_id))
		at = &(*at)->next;
	if (*at)
		row_free(at);
}

void
memory_unknown_clear(struct memory_host *h)
{
	while (h->unknown)
		row_free(&h->unknown);
}

int
memory_unknown_say(struct memory_cell *c, const char *host_id, const char *kind, const char *who,
    const struct store_absent *rows, size_t n, struct arena *a, struct err *err)
{
	const char *text = n > 0 ? rules_unknown_event(rows, n, a) : "";

	if (!text)
		return memory_no_room(err);
	if (n > 0)
		memory_event_add(c,
		    &(struct store_event){.kind = kind, .host = host_id, .who = who, .text = text});
	return 0;
}

/* ---- a hello ---- */

static bool
is_named(const struct store_hello_answer *answer, const struct id *executor_id)
{
	for (size_t i = 0; i < answer->unknown_count; i++) {
		if (id_equal(&answer->unknown[i].executor_id, executor_id))
			return true;
	}
	return false;
}

static void
unnamed_drop(struct memory_host *h, const struct store_hello_answer *answer)
{
	struct memory_unknown **at = &h->unknown;

	while (*at) {
		if (is_named(answer, &(*at)->executor_id))
			at = &(*at)->next;
		else
			row_free(at);
	}
}

/* The row of what the hello names; *ret_made: there was none. */
static const struct memory_unknown *
row_keep(const struct memory_cell *c, struct memory_host *h, const struct store_absent *named,
    bool *ret_made)
{
	struct memory_unknown *k = row_find(h, &named->executor_id);

	*ret_made = !k;
	if (!k) {
		k = memory_alloc(sizeof(*k));
		k->executor_id = named->executor_id;
		k->since_us = c->now_us;
		k->told_by = memory_text("");
		LL_INSERT_INORDER(h->unknown, k, row_order);
	}
	k->generation = named->generation;
	return k;
}

int
memory_unknown_refresh(struct memory_cell *c, struct memory_host *h,
    struct store_hello_answer *answer, struct arena *a, struct err *err)
{
	struct store_absent *fresh = arena_calloc(a, answer->unknown_count + 1, sizeof(*fresh));
	size_t fresh_count = 0, kept = 0;

	if (!fresh)
		return memory_no_room(err);
	unnamed_drop(h, answer);
	for (size_t i = 0; i < answer->unknown_count; i++) {
		struct store_absent row = answer->unknown[i];
		bool made;

		if (row_keep(c, h, &row, &made)->told_us > 0) {
			row.generation++;
			answer->absent[answer->absent_count++] = row;
			continue;
		}
		answer->unknown[kept++] = row;
		if (made)
			fresh[fresh_count++] = row;
	}
	answer->unknown_count = kept;
	rules_absent_sort(answer->absent, answer->absent_count);
	return memory_unknown_say(
	    c, h->host_id, RULES_EVENT_UNKNOWN_KEPT, "", fresh, fresh_count, a, err);
}

/* ---- people ---- */

int
memory_store_unknown_list(struct store *s, const char *host_id, uint32_t limit, struct arena *a,
    struct store_unknown **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const struct memory_host *h = memory_host_find(c, host_id);
	const struct memory_unknown *k = h ? h->unknown : NULL;
	struct store_unknown *rows = arena_calloc(a, (size_t)limit + 1, sizeof(*rows));
	size_t n = 0;

	if (!rows)
		return memory_no_room(err);
	for (; k && n < limit; k = k->next) {
		rows[n] = (struct store_unknown){.executor_id = k->executor_id,
		    .generation = k->generation,
		    .since_us = k->since_us,
		    .told_us = k->told_us,
		    .told_by = arena_strdup(a, k->told_by)};
		if (!rows[n++].told_by)
			return memory_no_room(err);
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}

static size_t
row_count(const struct memory_host *h)
{
	const struct memory_unknown *k;
	size_t n = 0;

	LL_COUNT(h->unknown, k, n);
	return n;
}

int
memory_store_unknown_stop(
    struct store *s, const char *host_id, const char *who, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct memory_host *h = memory_host_find(c, host_id);
	struct store_absent *rows;
	struct memory_unknown *k;
	size_t n = 0;

	if (!h)
		return err_set(err, ERR_NOT_FOUND, "no host %s", host_id);
	*ret_n = row_count(h);
	rows = a ? arena_calloc(a, *ret_n + 1, sizeof(*rows)) : NULL;
	if (!rows)
		return memory_no_room(err);
	LL_FOREACH(h->unknown, k)
	{
		if (k->told_us > 0)
			continue;
		k->told_us = c->now_us;
		memory_text_set(&k->told_by, who);
		rows[n++] = (struct store_absent){k->executor_id, k->generation};
	}
	if (n > 0)
		h->epoch = memory_raise(c, h->epoch);
	return memory_unknown_say(c, host_id, RULES_EVENT_UNKNOWN_STOPPING, who, rows, n, a, err);
}
