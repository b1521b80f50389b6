/* memory_verdict: what the judge writes about hosts, and what an operator may (K21-K23). */
#include "arena.h"
#include "err.h"
#include "memory.h"

void
memory_verdict_clear(struct memory_host *h)
{
	h->suspect_since_us = h->verdict_us = h->verdict_held_us = 0;
	memory_text_set(&h->suspect_reason, "");
	memory_text_set(&h->verdict_by, "");
}

static int
judged_order(const void *a, const void *b)
{
	return strcmp(
	    ((const struct store_judged *)a)->host_id, ((const struct store_judged *)b)->host_id);
}

int
memory_store_judge_roster(
    struct store *s, struct arena *a, struct store_judged **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct store_judged *rows = arena_calloc(a, HASH_COUNT(c->hosts) + 1, sizeof(*rows));
	size_t n = 0;

	if (!rows)
		return memory_no_room(err);
	for (const struct memory_host *h = c->hosts; h; h = h->hh.next) {
		if (h->state == HOST_RETIRED)
			continue;
		rows[n] = (struct store_judged){
		    .host_id = arena_strdup(a, h->host_id), .state = h->state, .epoch = h->epoch};
		if (!rows[n++].host_id)
			return memory_no_room(err);
	}
	if (n > 0)
		qsort(rows, n, sizeof(*rows), judged_order);
	*ret = rows;
	*ret_n = n;
	return 0;
}

static void
host_event(struct memory_cell *c, const struct memory_host *h, const char *kind, const char *who,
    const char *text)
{
	memory_event_add(
	    c, &(struct store_event){.kind = kind, .host = h->host_id, .who = who, .text = text});
}

/* The host, if it still is as the judge believes. */
static struct memory_host *
judged_find(struct memory_cell *c, const struct store_verdict *v, enum host_state state)
{
	struct memory_host *h = memory_host_find(c, v->host_id);

	return h && h->state == state && h->epoch == v->epoch ? h : NULL;
}

int
memory_store_host_suspect(struct store *s, const struct store_lease *lease,
    const struct store_verdict *verdicts, size_t n, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	*ret_n = 0;
	if (n > 0 && memory_fence(c, lease, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct memory_host *h = judged_find(c, &verdicts[i], HOST_READY);

		if (!h)
			continue;
		h->state = HOST_SUSPECT;
		h->suspect_since_us = c->now_us;
		memory_text_set(&h->suspect_reason, verdicts[i].reason);
		host_event(c, h, "host.suspect", NULL, verdicts[i].reason);
		(*ret_n)++;
	}
	return 0;
}

int
memory_store_host_heard(struct store *s, const struct store_lease *lease,
    const struct store_verdict *verdicts, size_t n, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	*ret_n = 0;
	if (n > 0 && memory_fence(c, lease, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct memory_host *h = judged_find(c, &verdicts[i], HOST_SUSPECT);

		if (!h)
			continue;
		h->state = HOST_READY;
		h->returned_us = c->now_us;
		memory_verdict_clear(h);
		host_event(c, h, "host.ready", NULL, verdicts[i].reason);
		(*ret_n)++;
	}
	return 0;
}

int
memory_store_host_lost(
    struct store *s, const struct store_lease *lease, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	*ret_n = 0;
	if (memory_fence(c, lease, err) != 0)
		return -1;
	for (struct memory_host *h = c->hosts; h; h = h->hh.next) {
		int64_t patience_us = (int64_t)h->pool->lost_after_ms * 1000;

		if (h->state != HOST_SUSPECT || h->verdict_us == 0 ||
		    (*h->verdict_by == '\0' && c->now_us - h->suspect_since_us < patience_us))
			continue;
		h->state = HOST_LOST;
		host_event(c, h, "host.lost", h->verdict_by, "suspect for too long");
		(*ret_n)++;
	}
	return 0;
}

int
memory_store_host_confirm_lost(
    struct store *s, const char *host_id, const char *who, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct memory_host *h = memory_host_find(c, host_id);

	if (!h)
		return err_set(err, ERR_NOT_FOUND, "no host %s", host_id);
	if (h->state != HOST_SUSPECT && h->state != HOST_LOST) {
		err_set(err, ERR_CONFLICT, "host %s is %s", host_id, host_state_text(h->state));
		return err_hint(err, "only a suspect or lost host can be confirmed lost");
	}
	if (*h->verdict_by)
		return 0;
	h->verdict_us = c->now_us;
	h->verdict_held_us = 0;
	memory_text_set(&h->verdict_by, *who ? who : "operator");
	host_event(c, h, "host.lost_confirmed", h->verdict_by, "an operator is sure");
	return 0;
}
