/* agent_report: the records are the outbox (K18).  A few messages of up to 64 records each are in
 * flight; what changes meanwhile goes into the next one, so a backlog coalesces by itself. */
#include "agent_bounds.h"
#include "agent_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "crash.h"

#define LAZY_COMMIT_US SECOND_US

static struct loose *
loose_find(struct agent *a, const struct id *executor_id)
{
	for (size_t i = 0; i < a->loose_count; i++)
		if (id_equal(&a->loose[i].executor_id, executor_id))
			return &a->loose[i];
	return NULL;
}

static bool
loose_grow(struct agent *a)
{
	size_t capacity = a->loose_capacity ? a->loose_capacity * 2 : 8;
	struct loose *rows;

	if (a->loose_count < a->loose_capacity)
		return true;
	if (a->loose_count == LOOSE_MAX)
		return false;
	rows = reallocarray(a->loose, capacity, sizeof(*rows));
	if (!rows)
		return false;
	a->loose = rows;
	a->loose_capacity = capacity;
	return true;
}

/* When the list is full the newest is not kept: the control plane asks again. */
void
report_loose(struct agent *a, const struct id *executor_id, uint64_t generation, bool rejected)
{
	struct loose *row = loose_find(a, executor_id);

	a->scan = true;
	if (row) {
		if (generation < row->generation)
			return;
	} else {
		if (!loose_grow(a)) {
			a->stats.overflows++;
			return;
		}
		assert(a->loose);
		row = &a->loose[a->loose_count++];
	}
	*row = (struct loose){*executor_id, generation, rejected, 0};
}

void
report_all(struct agent *a)
{
	for (struct entry *e = a->entries; e; e = e->hh.next)
		table_touch(a, e);
}

static struct report_flight *
flight_find(struct agent *a, uint64_t counter)
{
	for (size_t i = 0; i < REPORT_WINDOW; i++)
		if (a->flights[i].counter == counter)
			return &a->flights[i];
	return NULL;
}

static void
stored(struct agent *a, const struct report_flight *f)
{
	size_t kept = 0;

	crash_point("agent.after_report_ack");
	for (size_t i = 0; i < f->count; i++) {
		struct entry *e = table_find(a, &f->items[i].executor_id);

		if (!e || f->items[i].change_no <= e->r.acked_no)
			continue;
		e->r.acked_no = f->items[i].change_no;
		e->dirty =
		    true; /* durable with the next commit; without it, it is only said again */
		if (a->lazy_us == NEVER)
			a->lazy_us = agent_now(a) + LAZY_COMMIT_US;
	}
	for (size_t i = 0; i < a->loose_count; i++)
		if (a->loose[i].sent_in != f->counter)
			a->loose[kept++] = a->loose[i];
	a->loose_count = kept;
	a->stats.reports_acked++;
}

static void
not_stored(struct agent *a, const struct report_flight *f)
{
	int64_t now = agent_now(a);

	for (size_t i = 0; i < f->count; i++) {
		struct entry *e = table_find(a, &f->items[i].executor_id);

		if (e && e->sent_no == f->items[i].change_no)
			e->sent_no = e->r.acked_no;
	}
	for (size_t i = 0; i < a->loose_count; i++)
		if (a->loose[i].sent_in == f->counter)
			a->loose[i].sent_in = 0;
	a->report_at_us = now + backoff_next_us(&a->report_backoff, now, agent_random(a));
}

void
report_ack(struct agent *a, uint64_t counter, bool was_stored)
{
	struct report_flight *f = counter ? flight_find(a, counter) : NULL;

	if (!f)
		return;
	if (was_stored)
		stored(a, f);
	else
		not_stored(a, f);
	f->counter = 0;
	if (was_stored) {
		a->report_at_us = NEVER;
		backoff_init(&a->report_backoff, a->report_backoff.first_us,
		    a->report_backoff.max_us, a->report_backoff.reset_after_us);
	}
	a->scan = true;
}

void
report_due(struct agent *a)
{
	int64_t now = agent_now(a);

	for (size_t i = 0; i < REPORT_WINDOW; i++)
		if (a->flights[i].counter && now >= a->flights[i].deadline_us)
			report_ack(a, a->flights[i].counter, false);
	if (now >= a->report_at_us) {
		a->report_at_us = NEVER;
		a->scan = true;
	}
}

int64_t
report_deadline(const struct agent *a)
{
	int64_t at = a->report_at_us;

	for (size_t i = 0; i < REPORT_WINDOW; i++)
		if (a->flights[i].counter && a->flights[i].deadline_us < at)
			at = a->flights[i].deadline_us;
	return at;
}

static Fairlead__V1__ExecutorReport *
add_row(struct agent *a, Fairlead__V1__Report *m, const struct id *executor_id)
{
	Fairlead__V1__ExecutorReport *row = effects_alloc(a->out, sizeof(*row));

	fairlead__v1__executor_report__init(row);
	row->executor_id = effects_id(a->out, executor_id);
	row->exit_code = -1;
	m->executors[m->n_executors++] = row;
	return row;
}

static void
add_record(struct agent *a, Fairlead__V1__Report *m, const struct record *r)
{
	Fairlead__V1__ExecutorReport *row = add_row(a, m, &r->executor_id);

	row->name = effects_copy(a->out, r->name);
	row->accepted_generation = r->accepted_generation;
	row->gone_generation = r->gone_generation;
	row->incarnation = r->incarnation;
	row->state = (Fairlead__V1__ExecutorState)r->state;
	row->started = r->started;
	row->exit_code = r->exit_code;
	row->signal = r->signal;
	row->oom = r->oom;
	row->reason = effects_copy(a->out, r->reason);
	row->detail = effects_copy(a->out, r->detail);
	row->at_us = r->at_us;
	row->starting_after_us = r->starting_after_us;
	row->running_after_us = r->running_after_us;
	row->ended_after_us = r->ended_after_us;
	row->change_no = r->change_no;
}

static void
add_loose(struct agent *a, Fairlead__V1__Report *m, const struct loose *loose)
{
	Fairlead__V1__ExecutorReport *row = add_row(a, m, &loose->executor_id);

	row->accepted_generation = loose->generation;
	row->gone_generation = loose->generation;
	row->at_us = clock_real_us(a->clock);
	if (!loose->rejected)
		return;
	row->incarnation = 1;
	row->state = FAIRLEAD__V1__EXECUTOR_STATE__REJECTED;
	row->reason = effects_copy(a->out, "limit");
	row->detail = (char *)(uintptr_t)effects_text(
	    a->out, "this host holds %u records, its limit", RECORDS_MAX);
}

static Fairlead__V1__Report *
new_message(struct agent *a)
{
	Fairlead__V1__Report *m = effects_alloc(a->out, sizeof(*m));

	fairlead__v1__report__init(m);
	m->host_id = effects_copy(a->out, a->config.host_id);
	m->journal_id = effects_id(a->out, &a->meta.journal_id);
	m->instance_id = effects_id(a->out, &a->instance_id);
	m->executors = effects_alloc(a->out, REPORT_ITEMS_MAX * sizeof(*m->executors));
	return m;
}

static bool
unsent(const struct entry *e)
{
	return e->r.change_no > e->r.acked_no && e->r.change_no > e->sent_no;
}

/* Fills one message from where the last one stopped; false when there is nothing to say. */
static bool
fill(struct agent *a, struct report_flight *f, struct entry **next)
{
	Fairlead__V1__Report *m = NULL;
	struct agent_effect *effect;
	char hex[ID_HEX_BYTES];
	uint64_t counter = a->report_counter + 1;

	f->count = 0;
	for (size_t i = 0; i < a->loose_count; i++) {
		if (a->loose[i].sent_in || (m && m->n_executors == REPORT_ITEMS_MAX))
			continue;
		m = m ? m : new_message(a);
		add_loose(a, m, &a->loose[i]);
		a->loose[i].sent_in = counter;
	}
	for (; *next && (!m || m->n_executors < REPORT_ITEMS_MAX); *next = (*next)->hh.next) {
		struct entry *e = *next;

		if (!unsent(e))
			continue;
		m = m ? m : new_message(a);
		add_record(a, m, &e->r);
		e->sent_no = e->r.change_no;
		f->items[f->count].executor_id = e->r.executor_id;
		f->items[f->count++].change_no = e->r.change_no;
	}
	if (!m)
		return false;
	a->report_counter = f->counter = counter;
	f->deadline_us = agent_now(a) + REPORT_TIMEOUT_MS * MS_US;
	effect = effects_add(a->out, AGENT_SEND_REPORT);
	effect->u.report.message = m;
	effect->u.report.counter = counter;
	effect->u.report.msg_id =
	    effects_text(a->out, "%s:%" PRIu64, id_to_hex(&a->instance_id, hex), counter);
	a->stats.reports++;
	a->stats.executors_reported += m->n_executors;
	return true;
}

void
report_emit(struct agent *a)
{
	struct entry *next = a->entries;

	if (!a->connected || !a->answered || a->report_at_us != NEVER)
		return;
	for (size_t i = 0; i < REPORT_WINDOW; i++)
		if (!a->flights[i].counter && !fill(a, &a->flights[i], &next))
			return;
}
