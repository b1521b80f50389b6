/* memory_lost: giving up the executors of hosts that stay away: see pg_lost. */
#include <time.h>

#include "arena.h"
#include "err.h"
#include "memory.h"
#include "rules.h"

#define LOST_MAX 1024
#define MINUTE_US INT64_C(60000000)
#define WINDOW_MINUTES 10

struct lost {
	struct memory_cell *c;
	struct memory_pool *pool;
	bool judge_listens; /* for long enough */
	struct store_lost_result *result;
	struct memory_target *targets; /* room for LOST_MAX */
	size_t n;
	size_t room; /* verdicts the cap still allows */
	bool return_in_numbers;
};

static bool
judge_listens(struct memory_cell *c, uint32_t grace_ms)
{
	const struct memory_lease *l = memory_lease_find(c, LEASE_JUDGE);

	return l && l->expires_us > c->now_us &&
	       c->now_us - l->taken_us >= (int64_t)grace_ms * 1000;
}

/* ---- the cap, and hosts that come back ---- */

static size_t
verdicts_room(const struct lost *l, size_t hosts)
{
	size_t given = 0, cap = l->pool->verdicts_max;

	for (const struct memory_minute *m = l->pool->minutes; m; m = m->next) {
		if (m->minute * MINUTE_US > l->c->now_us - WINDOW_MINUTES * MINUTE_US)
			given += m->hosts;
	}
	if (hosts * l->pool->verdicts_percent / 100 > cap)
		cap = hosts * l->pool->verdicts_percent / 100;
	return cap > given ? cap - given : 0;
}

/* The pool's hosts: how many may be given up, and whether they come back in numbers. */
static void
pool_count(struct lost *l)
{
	int64_t patience_us = (int64_t)l->pool->lost_after_ms * 1000;
	size_t hosts = 0, silent = 0, returned = 0;

	for (const struct memory_host *h = l->c->hosts; h; h = h->hh.next) {
		if (h->pool != l->pool)
			continue;
		hosts += h->state != HOST_RETIRED;
		silent += h->state == HOST_SUSPECT && h->verdict_us == 0;
		returned += h->state == HOST_READY && h->returned_us > 0 &&
			    h->returned_us > l->c->now_us - patience_us;
	}
	l->room = verdicts_room(l, hosts);
	l->return_in_numbers = returned > 0 && silent + returned > l->room;
}

static void
verdicts_count(struct lost *l, size_t hosts)
{
	struct memory_minute *m = l->pool->minutes;
	int64_t minute = l->c->now_us / MINUTE_US;

	if (!m || m->minute != minute) {
		m = memory_alloc(sizeof(*m));
		m->minute = minute;
		LL_PREPEND(l->pool->minutes, m);
	}
	m->hosts += hosts;
}

static bool
executor_is_overdue(const struct lost *l, const struct memory_executor *e)
{
	const struct memory_host *h = e->books;

	return *h->verdict_by ||
	       l->c->now_us - h->suspect_since_us >= (int64_t)e->session->lost_after_ms * 1000;
}

static bool
host_is_overdue(const struct lost *l, const struct memory_host *h)
{
	const struct memory_executor *e;

	if (l->c->now_us - h->suspect_since_us >= (int64_t)l->pool->lost_after_ms * 1000)
		return true;
	DL_FOREACH2(h->books, e, b_next)
	{
		if (!executor_state_ended(e->state) &&
		    (executor_is_overdue(l, e) || memory_executor_is_early(l->c, e)))
			return true;
	}
	return false;
}

static int
longest_away(const void *a, const void *b)
{
	const struct memory_host *x = *(struct memory_host *const *)a;
	const struct memory_host *y = *(struct memory_host *const *)b;

	if (x->suspect_since_us != y->suspect_since_us)
		return x->suspect_since_us < y->suspect_since_us ? -1 : 1;
	return strcmp(x->host_id, y->host_id);
}

/* NULL: not held. */
static const char *
held_for(const struct lost *l, const struct memory_host *h, size_t place)
{
	int64_t wait_us = (int64_t)l->pool->lost_after_ms * 1000 + RULES_RETURN_MINUTES * MINUTE_US;

	if (l->return_in_numbers && h->suspect_since_us > l->c->now_us - wait_us)
		return RULES_HELD_BY_RETURN;
	return place < l->room ? NULL : RULES_HELD_BY_CAP;
}

static void
host_judge(struct lost *l, struct memory_host *h, const char *why)
{
	if (!why) {
		h->verdict_us = l->c->now_us;
		h->verdict_held_us = 0;
		l->result->granted++;
	} else if (h->verdict_held_us == 0 || strcmp(h->verdict_held_for, why) != 0) {
		h->verdict_held_us = l->c->now_us;
		h->verdict_held_for = why;
		l->result->held++;
		memory_event_add(
		    l->c, &(struct store_event){
			      .kind = "host.verdict_held", .host = h->host_id, .text = why});
	}
}

static int
verdicts_grant(struct lost *l, struct arena *a, struct err *err)
{
	struct memory_host **hosts =
	    arena_calloc(a, HASH_COUNT(l->c->hosts) + 1, sizeof(struct memory_host *));
	size_t n = 0;

	if (!hosts)
		return memory_no_room(err);
	for (struct memory_host *h = l->c->hosts; h && l->judge_listens; h = h->hh.next) {
		if (h->pool == l->pool && h->state == HOST_SUSPECT && h->verdict_us == 0 &&
		    host_is_overdue(l, h))
			hosts[n++] = h;
	}
	if (n == 0)
		return 0;
	qsort((void *)hosts, n, sizeof(struct memory_host *), longest_away);
	pool_count(l);
	for (size_t i = 0; i < n; i++)
		host_judge(l, hosts[i], held_for(l, hosts[i], i));
	if (l->result->granted > 0)
		verdicts_count(l, l->result->granted);
	return 0;
}

/* ---- executors ---- */

static void
executor_give_up(struct lost *l, struct memory_executor *e)
{
	time_t since = (time_t)(e->books->suspect_since_us / 1000000);
	bool wanted = e->desired == DESIRED_RUN || memory_executor_is_moved(e);
	char detail[64];
	struct tm tm;

	l->targets[l->n++] = (struct memory_target){.executor = e};
	memory_executor_end(l->c, e, EXECUTOR_LOST, "host_lost");
	gmtime_r(&since, &tm);
	strftime(detail, sizeof(detail), "host silent since %Y-%m-%dT%H:%M:%SZ", &tm);
	memory_text_set(&e->detail, detail);
	memory_executor_event(l->c, e, "executor.lost", NULL, e->detail);
	l->result->executors++;
	if (wanted)
		l->result->replaced += memory_replace(l->c, e);
}

static void
host_give_up(struct lost *l, struct memory_host *h)
{
	struct memory_executor *e;

	DL_FOREACH2(h->books, e, b_next)
	{
		if (l->n == LOST_MAX) {
			l->result->more = true;
			return;
		}
		if (!executor_is_overdue(l, e))
			continue;
		if (e->state == EXECUTOR_EXPIRED)
			l->result->replaced += memory_replace(l->c, e);
		else if (!executor_state_ended(e->state))
			executor_give_up(l, e);
	}
}

int
memory_store_lost(struct store *s, const struct store_lease *lease, const char *pool,
    uint32_t grace_ms, struct arena *a, struct store_lost_result *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct lost l = {.c = c,
	    .pool = memory_pool_find(c, pool),
	    .judge_listens = judge_listens(c, grace_ms),
	    .result = ret,
	    .targets = arena_calloc(a, LOST_MAX, sizeof(*l.targets))};
	struct id *ids = arena_calloc(a, LOST_MAX + MEMORY_RELIEVE_MAX, sizeof(*ids));
	size_t message_count = 0;

	memset(ret, 0, sizeof(*ret));
	if (!l.targets || !ids)
		return memory_no_room(err);
	if (memory_fence(c, lease, err) != 0)
		return -1;
	if (!l.pool)
		return 0;
	if (verdicts_grant(&l, a, err) != 0)
		return -1;
	for (struct memory_host *h = c->hosts; h; h = h->hh.next) {
		if (h->pool == l.pool && (h->state == HOST_SUSPECT || h->state == HOST_LOST) &&
		    h->verdict_us > 0 && (l.judge_listens || *h->verdict_by))
			host_give_up(&l, h);
	}
	memory_commands_write(c, l.targets, l.n, DESIRED_ABSENT, ids, &message_count);
	memory_relieve(c, l.pool, l.judge_listens, l.targets, ids, &message_count, ret);
	return memory_messages_load(
	    c, ids, message_count, a, &ret->messages, &ret->message_count, err);
}
