/* convert_command: a command and its history -> messages of the API. */
#include <stdlib.h>

#include "arena.h"
#include "codec.h"
#include "convert.h"
#include "err.h"
#include "name.h"

#define SAME(store, wire)                                                                          \
	_Static_assert((int)(store) == (int)(wire), #store " differs between store and wire")
SAME(COMMAND_WRITTEN, FAIRLEAD__V1__COMMAND_STATE__COMMAND_WRITTEN);
SAME(COMMAND_PUBLISHED, FAIRLEAD__V1__COMMAND_STATE__COMMAND_PUBLISHED);
SAME(COMMAND_ACCEPTED, FAIRLEAD__V1__COMMAND_STATE__COMMAND_ACCEPTED);
SAME(COMMAND_SUPERSEDED, FAIRLEAD__V1__COMMAND_STATE__COMMAND_SUPERSEDED);
SAME(COMMAND_EXPIRED, FAIRLEAD__V1__COMMAND_STATE__COMMAND_EXPIRED);
SAME(COMMAND_DEAD, FAIRLEAD__V1__COMMAND_STATE__COMMAND_DEAD);

/* protobuf-c's generated structs have no const; nobody writes through these pointers. */
static char *
text(const char *t)
{
	return (char *)(uintptr_t)t;
}

static int
no_room(struct err *err)
{
	return err_set(
	    err, ERR_LIMIT, "the answer is larger than this hub can hold: ask for a page");
}

static void
times_set(const struct store_command *row, Fairlead__V1__HostCommand *m)
{
	m->created_us = row->created_us;
	m->sent_us = row->sent_us;
	m->last_sent_us = row->last_sent_us;
	m->accepted_us = row->accepted_us;
	m->deadline_us = row->deadline_us;
	m->outcome_us = row->outcome_us;
	m->settled_us = row->settled_us;
}

int
convert_command(const struct store_command *row, struct arena *a, Fairlead__V1__HostCommand **ret,
    struct err *err)
{
	Fairlead__V1__HostCommand *m = arena_alloc(a, sizeof(*m));
	char name[COMMAND_NAME_BYTES];

	if (!m)
		return no_room(err);
	fairlead__v1__host_command__init(m);
	m->name = arena_strdup(
	    a, command_name_format(row->session, row->index, row->attempt, row->generation, name));
	if (!m->name)
		return no_room(err);
	m->executor_id = wire_bytes_of_id(&row->executor_id, a);
	m->message_id = wire_bytes_of_id(&row->message_id, a);
	m->generation = row->generation;
	m->newest_generation = row->newest_generation;
	m->session = text(row->session);
	m->index = row->index;
	m->attempt = row->attempt;
	m->host = text(row->host_id);
	m->state = (Fairlead__V1__CommandState)row->state;
	m->desired = (Fairlead__V1__Desired)row->desired;
	m->host_seq = row->host_seq;
	m->deliveries = row->deliveries;
	m->stop_grace_ms = row->stop_grace_ms;
	m->reason = text(row->reason);
	m->settled = text(row->settled);
	m->settled_by = text(row->settled_by);
	m->successor = row->successor;
	m->replay_refused = text(row->refused);
	m->executor_state = (Fairlead__V1__ExecutorState)row->executor_state;
	m->host_state = (Fairlead__V1__HostState)row->host_state;
	times_set(row, m);
	*ret = m;
	return 0;
}

/* ---- history ---- */

#define STEPS_MAX 8

struct history {
	struct arena *arena;
	Fairlead__V1__CommandStep **steps;
	size_t n;
	bool failed;
};

/* Nothing that has not happened; text NULL: no memory for it. */
static void
step_add(struct history *h, int64_t at_us, const char *what, const char *details)
{
	Fairlead__V1__CommandStep *m;

	if (at_us == 0 || h->failed)
		return;
	m = arena_alloc(h->arena, sizeof(*m));
	h->failed = !m || !details;
	if (h->failed)
		return;
	fairlead__v1__command_step__init(m);
	m->at_us = at_us;
	m->what = text(what);
	m->text = text(details);
	h->steps[h->n++] = m;
}

static int
step_order(const void *a, const void *b)
{
	const Fairlead__V1__CommandStep *const *x = a, *const *y = b;

	return ((*x)->at_us > (*y)->at_us) - ((*x)->at_us < (*y)->at_us);
}

int
convert_history(const struct store_command *row, struct arena *a, Fairlead__V1__CommandStep ***ret,
    size_t *ret_n, struct err *err)
{
	struct history h = {.arena = a, .steps = arena_calloc(a, STEPS_MAX, sizeof(*h.steps))};

	if (!h.steps)
		return no_room(err);
	step_add(&h, row->created_us, "written", arena_printf(a, "for host %s", row->host_id));
	step_add(&h, row->sent_us, "published", "the bus has it");
	if (row->deliveries > 1)
		step_add(&h, row->last_sent_us, "sent again",
		    arena_printf(a, "%u times in all", row->deliveries));
	step_add(&h, row->accepted_us, "accepted", "its host journaled it");
	step_add(&h, row->deadline_us, "deadline", "for its host to accept it");
	step_add(
	    &h, row->outcome_us, row->state == COMMAND_EXPIRED ? "expired" : "dead", row->reason);
	step_add(&h, row->settled_us, row->settled, arena_printf(a, "by %s", row->settled_by));
	if (h.failed)
		return no_room(err);
	qsort(h.steps, h.n, sizeof(Fairlead__V1__CommandStep *), step_order);
	*ret = h.steps;
	*ret_n = h.n;
	return 0;
}
