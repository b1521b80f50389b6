#include "memory_cell.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "memory.h"

static void *
cell_new(void)
{
	return store_memory_new(NULL, clock_system());
}

static struct store *
connect(void *cell)
{
	return store_memory_new(cell, clock_system());
}

static void
cell_free(void *cell)
{
	store_free(cell);
}

/* ---- behind the public functions ---- */

static void
executors_stand(void *cell, const struct id *ids, const enum executor_state *states, size_t n,
    uint32_t incarnation)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(cell);

	for (size_t i = 0; i < n; i++) {
		struct memory_executor *e = memory_executor_find(c, &ids[i]);

		assert_non_null(e);
		e->state = states[i];
		e->incarnation = incarnation;
		if (e->state == EXECUTOR_QUEUED)
			e->host = NULL;
	}
}

static void
host_stand(void *cell, const char *host_id, enum host_state state)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(cell);
	struct memory_host *h = memory_host_find(c, host_id);

	assert_non_null(h);
	h->state = state;
	h->suspect_since_us = c->now_us;
}

static void
avoided_age(void *cell, int64_t ms)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(cell);

	for (struct memory_executor *e = c->executors; e; e = e->hh.next) {
		if (e->blamed_us > 0)
			e->blamed_us -= ms * 1000;
	}
}

static void
hosts_age(void *cell, int64_t ms)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(cell);

	for (struct memory_host *h = c->hosts; h; h = h->hh.next) {
		if (h->suspect_since_us > 0)
			h->suspect_since_us -= ms * 1000;
		if (h->returned_us > 0)
			h->returned_us -= ms * 1000;
	}
}

static void
queue_age(void *cell, int64_t ms)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(cell);

	for (struct memory_executor *e = c->executors; e; e = e->hh.next)
		e->not_before_us -= ms * 1000;
}

static void
term_set(void *cell, uint64_t term)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(cell);

	c->term = term;
}

static void
label_set(void *cell, const char *host_id, const char *key, const char *value)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(cell);

	memory_operator_label_set(memory_host_find(c, host_id), key, value);
}

static void
work_count(void *cell, size_t *ret_ended, size_t *ret_gone)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(cell);

	*ret_ended = *ret_gone = 0;
	for (const struct memory_pool *p = c->pools; p; p = p->hh.next) {
		const struct memory_work *w;

		DL_FOREACH(p->ended, w)
		(*ret_ended)++;
		DL_FOREACH(p->folded, w)
		(*ret_ended)++;
		DL_FOREACH(p->gone, w)
		(*ret_gone)++;
	}
}

static void
executor_print(FILE *f, const struct memory_executor *e)
{
	char hex[ID_HEX_BYTES];

	fprintf(f, "%s %d %u %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %d %d %d",
	    id_to_hex(&e->executor_id, hex), (int)e->state, e->incarnation, (int)e->desired,
	    e->generation, e->accepted_generation, e->gone_generation, e->exit_code, e->signal,
	    e->oom, e->started);
	fprintf(f, " '%s' '%s' '%s' %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, e->reason,
	    e->detail, e->late_outcome, e->late_us, e->starting_after_us, e->running_after_us,
	    e->ended_after_us);
	fprintf(f,
	    " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
	    "\n",
	    e->queued_us, e->placed_us, e->accepted_us, e->starting_us, e->running_us, e->ended_us,
	    e->gone_us);
}

static char *
rows(void *cell)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(cell);
	char *text = NULL, hex[ID_HEX_BYTES];
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	const struct memory_work *w;

	assert_non_null(f);
	for (const struct memory_executor *e = c->executors; e; e = e->hh.next)
		executor_print(f, e);
	for (const struct memory_session *s = c->sessions; s; s = s->hh.next) {
		for (size_t i = 0; i < MEMORY_STATES; i++)
			fprintf(f, "%" PRId64 "+%" PRId64 " ", s->counters[i], s->edges[i]);
	}
	fprintf(f, "\nedges %" PRIu64 "\n", c->edge_count);
	DL_FOREACH(memory_pool_find(c, "default")->ended, w)
	fprintf(f, "ended %s %" PRId64 "\n", id_to_hex(&w->executor_id, hex), w->at_us);
	for (const struct memory_event *v = c->events; v; v = v->next)
		fprintf(f, "%" PRId64 " %s %s %s %s\n", v->at_us, v->kind,
		    id_to_hex(&v->executor_id, hex), v->host, v->text);
	fclose(f);
	return text;
}

/* ---- corruption ---- */

static struct memory_executor *
in_state(struct memory_cell *c, enum executor_state state)
{
	struct memory_executor *e = c->executors;

	while (e && e->state != state)
		e = e->hh.next;
	if (!e)
		fail_msg("nothing is in state %d", (int)state);
	return e;
}

static void
capacity_grow(struct memory_cell *c)
{
	c->hosts->used.slots++;
}

static void
counter_raise(struct memory_cell *c)
{
	c->sessions->counters[EXECUTOR_RUNNING]++;
}

static void
edge_invent(struct memory_cell *c)
{
	memory_edge_add(c, c->sessions, EXECUTOR_RUNNING, EXECUTOR_STOPPING);
}

static void
queue_empty(struct memory_cell *c)
{
	memory_dequeue(in_state(c, EXECUTOR_QUEUED));
}

static void
running_enqueue(struct memory_cell *c)
{
	memory_enqueue(c, in_state(c, EXECUTOR_RUNNING));
}

static void
command_skip(struct memory_cell *c)
{
	in_state(c, EXECUTOR_RUNNING)->commands->generation--;
}

static void
books_leave(struct memory_cell *c)
{
	memory_books_remove(in_state(c, EXECUTOR_RUNNING));
}

static void
host_forget(struct memory_cell *c)
{
	in_state(c, EXECUTOR_SUCCEEDED)->host = NULL;
}

static void
host_seq_lower(struct memory_cell *c)
{
	c->hosts->host_seq--;
}

static void
accepted_exceed(struct memory_cell *c)
{
	struct memory_executor *e = in_state(c, EXECUTOR_RUNNING);

	e->accepted_generation = e->generation + 1;
}

static void
attempt_double(struct memory_cell *c)
{
	in_state(c, EXECUTOR_PLACED)->index = in_state(c, EXECUTOR_RUNNING)->index;
}

static void
absent_forget(struct memory_cell *c)
{
	struct memory_executor *e = in_state(c, EXECUTOR_SUCCEEDED);

	e->desired = DESIRED_RUN;
	e->ended_us -= 61 * SECOND_US;
}

static void
deadline_pass(struct memory_cell *c)
{
	in_state(c, EXECUTOR_PLACED)->commands->deadline_us = c->now_us - 61 * SECOND_US;
}

static void
session_close(struct memory_cell *c)
{
	c->sessions->state = SESSION_CLOSED;
}

static void
event_remove(struct memory_cell *c)
{
	struct memory_event *second = c->events->next;

	c->events->next = second->next;
	memory_event_free(second);
}

static void
unknown_invent(struct memory_cell *c)
{
	struct memory_unknown *k = memory_alloc(sizeof(*k));

	k->executor_id = id_new();
	k->generation = memory_floor(c);
	k->told_by = memory_text("");
	LL_PREPEND(c->hosts->unknown, k);
}

static const struct {
	const char *invariant;
	void (*plant)(struct memory_cell *c);
} plants[] = {
    {"capacity_is_the_sum_of_reservations", capacity_grow},
    {"session_counters_equal_a_recount", counter_raise},
    {"session_counters_equal_a_recount", edge_invent},
    {"queued_executors_are_in_the_queue", queue_empty},
    {"the_queue_holds_queued_executors", running_enqueue},
    {"a_placed_executor_has_a_command", command_skip},
    {"a_living_placed_executor_is_on_its_hosts_books", books_leave},
    {"a_hosts_books_name_known_executors", host_forget},
    {"unknown_executors_are_of_an_older_term_and_on_nobodys_books", unknown_invent},
    {"host_seq_covers_every_command", host_seq_lower},
    {"accepted_never_exceeds_generation", accepted_exceed},
    {"one_living_attempt_per_index", attempt_double},
    {"an_ended_executor_is_told_to_be_forgotten", absent_forget},
    {"an_unaccepted_run_expires", deadline_pass},
    {"a_closed_session_has_no_living_executor", session_close},
    {"events_are_numbered_without_holes", event_remove},
};

static const char *
corrupt(void *cell, size_t i)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(cell);

	if (i >= COUNT_OF(plants))
		return NULL;
	plants[i].plant(c);
	return plants[i].invariant;
}

const struct store_factory memory_factory = {.name = "memory",
    .cell_new = cell_new,
    .connect = connect,
    .cell_free = cell_free,
    .executors_stand = executors_stand,
    .host_stand = host_stand,
    .term_set = term_set,
    .label_set = label_set,
    .avoided_age = avoided_age,
    .hosts_age = hosts_age,
    .queue_age = queue_age,
    .work_count = work_count,
    .rows = rows,
    .corrupt = corrupt};
