/* memory_replace: new executors: those of a session, and successors of those it lost. */
#include <stdio.h>

#include "memory.h"

#define PAUSE_MAX_US (60 * INT64_C(1000000))
#define DOUBLINGS_MAX 10

bool
memory_executor_is_moved(const struct memory_executor *e)
{
	return strcmp(e->stopped_for, "drain") == 0 || strcmp(e->stopped_for, "roll") == 0;
}

struct memory_executor *
memory_executor_new(
    struct memory_cell *c, struct memory_session *s, const struct id *id, uint32_t index)
{
	struct memory_executor *e = memory_alloc(sizeof(*e));

	e->executor_id = *id;
	e->session = s;
	e->index = index;
	e->attempt = 1;
	e->template = s->templates;
	e->stopped_for = "";
	e->desired = DESIRED_RUN;
	e->exit_code = -1;
	e->reason = memory_text("");
	e->detail = memory_text("");
	e->late_outcome = memory_text("");
	e->queued_us = c->now_us;
	DL_APPEND2(s->executors, e, s_prev, s_next);
	memory_executor_add(c, e);
	memory_executor_move(c, e, EXECUTOR_QUEUED);
	memory_enqueue(c, e);
	return e;
}

/* Half a second after the first attempt, twice as long after each more. */
static int64_t
pause_us(uint32_t attempt)
{
	uint32_t doublings = attempt < DOUBLINGS_MAX ? attempt : DOUBLINGS_MAX;
	int64_t pause = (INT64_C(500000)) << doublings;

	return pause < PAUSE_MAX_US ? pause : PAUSE_MAX_US;
}

/* See pg_replace: what we moved follows unless it succeeded; else it depends on the end. */
static bool
end_is_replaced(const struct memory_executor *e)
{
	if (memory_executor_is_moved(e))
		return e->state != EXECUTOR_SUCCEEDED;
	if (e->state == EXECUTOR_LOST || e->state == EXECUTOR_STOPPED)
		return e->session->replace_lost;
	if (e->state == EXECUTOR_FAILED)
		return e->session->replace_failed;
	return e->state == EXECUTOR_REJECTED || e->state == EXECUTOR_EXPIRED;
}

enum how { ENDED, ASKED, EARLY };

/* Attempts that were not kept count as if they had never been. */
static uint32_t
next_attempt(const struct memory_executor *e)
{
	const struct memory_executor *k;
	uint32_t last = e->attempt;

	DL_FOREACH2(e->session->executors, k, s_next)
	{
		if (k->index == e->index && k->attempt > last &&
		    strcmp(k->stopped_for, "keep") == 0)
			last = k->attempt;
	}
	return last + 1;
}

/* Reconciling made it already: the index was wanted again before this one had ended. */
static bool
has_next(const struct memory_executor *e)
{
	const struct memory_executor *other;
	uint32_t next = next_attempt(e);

	DL_FOREACH2(e->session->executors, other, s_next)
	{
		if (other->index == e->index && other->attempt == next)
			return true;
	}
	return false;
}

/* By itself: not lost with its host, and not because somebody stopped it. */
static bool
has_failed(const struct memory_executor *e)
{
	return (e->state == EXECUTOR_FAILED || e->state == EXECUTOR_REJECTED ||
		   e->state == EXECUTOR_EXPIRED) &&
	       !*e->stopped_for;
}

static bool
has_tries_left(const struct memory_executor *e)
{
	const struct memory_executor *k;
	uint32_t failures = 0;

	if (e->session->replacements_max == 0 || !has_failed(e))
		return true;
	DL_FOREACH2(e->session->executors, k, s_next)
	{
		if (k->index == e->index && k->attempt <= e->attempt && has_failed(k))
			failures++;
	}
	return failures <= e->session->replacements_max;
}

static bool
is_wanted(const struct memory_executor *e, enum how how)
{
	const struct memory_session *s = e->session;

	return s->state == SESSION_OPEN && e->index < s->replicas && !e->replaced &&
	       strcmp(e->stopped_for, "keep") != 0 && (how == ASKED || has_tries_left(e)) &&
	       (how == EARLY || end_is_replaced(e)) && !has_next(e);
}

/* A session may want to wait longer for a successor than for the end. */
static int64_t
lost_due_us(const struct memory_executor *e)
{
	const struct memory_session *s = e->session;
	const struct memory_host *h = e->host;

	if (s->replace_after_ms <= s->lost_after_ms || !h || *h->verdict_by ||
	    (h->state != HOST_SUSPECT && h->state != HOST_LOST))
		return 0;
	return h->suspect_since_us + (int64_t)s->replace_after_ms * 1000;
}

static int64_t
due_us(const struct memory_cell *c, const struct memory_executor *e, enum how how)
{
	if (how != ENDED || e->state == EXECUTOR_CANCELLED)
		return 0;
	if (e->state == EXECUTOR_LOST)
		return lost_due_us(e);
	if (e->state == EXECUTOR_STOPPED && memory_executor_is_moved(e))
		return 0;
	return c->now_us + pause_us(e->attempt);
}

/* An end that nobody wished counts against its host. */
static void
host_blame(const struct memory_cell *c, struct memory_executor *e)
{
	if (e->host && !*e->stopped_for && e->blamed_us == 0 && e->state >= EXECUTOR_FAILED &&
	    e->state <= EXECUTOR_EXPIRED)
		e->blamed_us = c->now_us;
}

static bool
replace(struct memory_cell *c, struct memory_executor *e, enum how how)
{
	struct memory_executor *successor;
	struct id id;
	uint32_t attempt = next_attempt(e);
	char text[64];

	host_blame(c, e);
	if (!is_wanted(e, how))
		return false;
	id = memory_id_new(c);
	e->replaced = true;
	successor = memory_executor_new(c, e->session, &id, e->index);
	successor->attempt = attempt;
	successor->not_before_us = due_us(c, e, how);
	if (how == EARLY)
		snprintf(
		    text, sizeof(text), "attempt %u runs beside attempt %u", attempt, e->attempt);
	else
		snprintf(text, sizeof(text), "attempt %u follows", attempt);
	memory_event_add(c, &(struct store_event){.kind = "executor.replaced",
				.session = e->session->name,
				.executor_id = id,
				.text = text});
	return true;
}

bool
memory_replace(struct memory_cell *c, struct memory_executor *e)
{
	return replace(c, e, ENDED);
}

bool
memory_replace_asked(struct memory_cell *c, struct memory_executor *e)
{
	return replace(c, e, ASKED);
}

bool
memory_replace_early(struct memory_cell *c, struct memory_executor *e)
{
	return replace(c, e, EARLY);
}
