/* memory_hello: who is who, and membership (K1-K6). */
#include "arena.h"
#include "digest.h"
#include "err.h"
#include "memory.h"
#include "name.h"
#include "rules.h"

bool
memory_journal_superseded(const struct memory_host *h, const struct id *journal_id)
{
	for (const struct memory_journal *j = h->superseded; j; j = j->next) {
		if (id_equal(&j->journal_id, journal_id))
			return true;
	}
	return false;
}

static struct rules_host
host_now(struct memory_cell *c, const struct memory_host *h, const struct store_hello *hello)
{
	if (!h)
		return (struct rules_host){0};
	return (struct rules_host){.exists = true,
	    .state = h->state,
	    .epoch = h->epoch,
	    .host_seq = h->host_seq,
	    .journal_floor = h->journal_floor,
	    .start_no = h->start_no,
	    .hello_no = h->hello_no,
	    .term_floor = memory_floor(c),
	    .journal_id = h->journal_id,
	    .instance_id = h->instance_id,
	    .same_pool = strcmp(h->pool->name, hello->pool) == 0,
	    .has_executors = h->books != NULL,
	    .journal_superseded = memory_journal_superseded(h, &hello->journal_id)};
}

/* ---- what an accepted hello writes ---- */

static void
identity_set(struct memory_cell *c, struct memory_host *h, const struct store_hello *hello)
{
	h->pool = memory_pool_make(c, hello->pool);
	if (h->state == HOST_SUSPECT || h->state == HOST_LOST)
		h->returned_us = c->now_us;
	h->state = HOST_READY;
	h->retired_us = 0;
	memory_verdict_clear(h);
	h->journal_id = hello->journal_id;
	h->instance_id = hello->instance_id;
	h->start_no = hello->start_no;
	h->hello_no = hello->hello_no;
	h->last_hello_us = c->now_us;
	memory_host_facts_set(h, hello);
}

static struct memory_host *
host_insert(struct memory_cell *c, const struct store_hello *hello)
{
	struct memory_host *h = memory_host_make(c, hello->host_id);

	h->epoch = memory_floor(c) + 1;
	h->host_seq = h->journal_floor = memory_floor(c);
	h->drained_by = memory_text("");
	h->cordoned_by = memory_text("");
	h->cordon_reason = memory_text("");
	h->first_seen_us = c->now_us;
	identity_set(c, h, hello);
	memory_event_add(c,
	    &(struct store_event){.kind = "host.ready", .host = h->host_id, .text = "first hello"});
	return h;
}

/* Host facts are replaced, operators' labels survive (A8); journal_floor is fixed when a journal is
 * first accepted and stays the same on retries (K4). */
static void
host_update(struct memory_cell *c, struct memory_host *h, const struct store_hello *hello,
    const struct rules_host *now, const struct rules_ruling *ruling)
{
	const char *text = rules_hello_event(now, ruling);

	if (ruling->raise_epoch)
		h->epoch = memory_raise(c, h->epoch);
	if (h->host_seq < memory_floor(c))
		h->host_seq = memory_floor(c);
	if (ruling->new_journal) {
		struct memory_journal *j = memory_alloc(sizeof(*j));

		j->journal_id = h->journal_id;
		LL_PREPEND(h->superseded, j);
		h->journal_floor = h->host_seq;
	}
	identity_set(c, h, hello);
	if (*text != '\0')
		memory_event_add(
		    c, &(struct store_event){
			   .kind = now->state == HOST_READY ? "host.hello" : "host.ready",
			   .host = h->host_id,
			   .text = text});
}

/* ---- membership ---- */

static int
id_order(const void *a, const void *b)
{
	return id_compare(a, b);
}

/* K5: what the host should have and does not name is gone; the scheduler draws the conclusion. */
static void
mark_gone(struct memory_host *h, const struct store_hello *hello, const struct id *named)
{
	uint64_t seen =
	    hello->contiguous_seq > h->journal_floor ? hello->contiguous_seq : h->journal_floor;
	struct memory_executor *e;

	DL_FOREACH2(h->books, e, b_next)
	{
		if (e->host_seq > seen || e->gone_generation >= e->generation ||
		    (hello->record_count > 0 && bsearch(&e->executor_id, named, hello->record_count,
						    sizeof(*named), id_order)))
			continue;
		e->gone_generation = e->generation;
		memory_work_add(&e->session->pool->gone, e, 0);
	}
}

/* K6: ids the cell does not know on this host; those of an older term keep running. */
static void
find_absent(struct memory_cell *c, const struct store_hello *hello, struct store_hello_answer *ret)
{
	for (size_t i = 0; i < hello->record_count; i++) {
		const struct memory_executor *e = memory_executor_find(c, &hello->record_ids[i]);
		uint64_t generation = hello->record_generations[i];

		if (e && e->host && strcmp(e->host->host_id, hello->host_id) == 0)
			continue;
		if (generation >> MEMORY_TERM_BITS < c->term)
			ret->unknown[ret->unknown_count++] =
			    (struct store_absent){hello->record_ids[i], generation};
		else
			ret->absent[ret->absent_count++] =
			    (struct store_absent){hello->record_ids[i], generation + 1};
	}
	rules_absent_sort(ret->absent, ret->absent_count);
	rules_absent_sort(ret->unknown, ret->unknown_count);
}

/* K19, the control plane's side. */
static struct digest
digest_of(const struct memory_host *h)
{
	struct digest d = {0, 0};
	const struct memory_executor *e;

	DL_FOREACH2(h->books, e, b_next)
	{
		if (e->accepted_generation > 0 && e->gone_generation < e->generation)
			digest_add(&d, &e->executor_id, e->accepted_generation, e->incarnation,
			    executor_state_rank(e->state));
	}
	return d;
}

static bool
digest_differs(const struct memory_host *h, const struct store_hello *hello)
{
	struct digest d = digest_of(h);

	return d.count != hello->digest_count || d.sum != hello->digest_sum;
}

int
memory_store_host_digests(
    struct store *s, const char *const *host_ids, size_t n, struct digest *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	(void)err;
	for (size_t i = 0; i < n; i++) {
		const struct memory_host *h = memory_host_find(c, host_ids[i]);

		ret[i] = h ? digest_of(h) : (struct digest){0, 0};
	}
	return 0;
}

static int
hello_accept(struct memory_cell *c, struct memory_host *h, const struct store_hello *hello,
    const struct rules_host *now, const struct rules_ruling *ruling, const struct id *named,
    struct arena *a, struct store_hello_answer *ret, struct err *err)
{
	if (!h)
		h = host_insert(c, hello);
	else if (!ruling->late)
		host_update(c, h, hello, now, ruling);
	ret->first_seen = !now->exists;
	ret->epoch = h->epoch;
	ret->journal_floor = h->journal_floor;
	ret->now_us = c->now_us;
	find_absent(c, hello, ret);
	/* What is gone is out of the digest on both sides, so it is marked first. */
	if (!ruling->late)
		mark_gone(h, hello, named);
	ret->report_all = digest_differs(h, hello);
	if (ruling->late)
		return 0;
	if (memory_unknown_refresh(c, h, ret, a, err) != 0)
		return -1;
	return memory_unknown_say(
	    c, h->host_id, RULES_EVENT_UNKNOWN_STOPPED, "", ret->absent, ret->absent_count, a, err);
}

int
memory_store_host_hello(struct store *s, const struct store_hello *hello, struct arena *a,
    struct store_hello_answer *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct memory_host *h = memory_host_find(c, hello->host_id);
	struct rules_host now = host_now(c, h, hello);
	struct rules_ruling ruling = rules_hello(&now, hello);
	struct id *named = arena_calloc(a, hello->record_count + 1, sizeof(*named));

	if (name_check(hello->host_id, "host_id", err) != 0 ||
	    name_check(hello->pool, "pool", err) != 0)
		return -1;
	*ret = (struct store_hello_answer){.verdict = ruling.verdict,
	    .reason = ruling.reason,
	    .epoch_raised = ruling.raise_epoch,
	    .ticket = ruling.verdict == STORE_HELLO_TICKET ? now.epoch : 0,
	    .absent = arena_calloc(a, hello->record_count + 1, sizeof(*ret->absent)),
	    .unknown = arena_calloc(a, hello->record_count + 1, sizeof(*ret->unknown))};
	if (!named || !ret->absent || !ret->unknown)
		return memory_no_room(err);
	if (hello->record_count > 0) {
		memcpy(named, hello->record_ids, hello->record_count * sizeof(*named));
		qsort(named, hello->record_count, sizeof(*named), id_order);
	}
	if (ruling.verdict != STORE_HELLO_ACCEPTED)
		return 0;
	return hello_accept(c, h, hello, &now, &ruling, named, a, ret, err);
}
