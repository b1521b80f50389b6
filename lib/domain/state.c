#include "state.h"

#include <assert.h>
#include <string.h>

#include "compiler.h"

const struct executor_state_row executor_states[] = {
#define STATE(name, code, rank, text, writer)                                                      \
	{EXECUTOR_##name, (rank), (text), STATE_WRITER_##writer},
#include "executor_state.def"
};
const size_t executor_states_count = COUNT_OF(executor_states);

/* The schema stores the code alone and says rank = least(state, 90). */
#define STATE(name, code, rank, text, writer)                                                      \
	_Static_assert((rank) == ((code) < EXECUTOR_RANK_END ? (code) : EXECUTOR_RANK_END),        \
	    "the rank of " #name " does not follow from its code");
#include "executor_state.def"

struct edge {
	enum executor_state from, to;
	enum state_writer writer;
};

static const struct edge edges[] = {
#define EDGE(from, to, writer) {EXECUTOR_##from, EXECUTOR_##to, STATE_WRITER_##writer},
#include "executor_state.def"
};

/* The row of s, or NULL: codes come from databases and messages, so a miss is no programmer error.
 */
static const struct executor_state_row *
find(int code)
{
	for (size_t i = 0; i < executor_states_count; i++)
		if ((int)executor_states[i].state == code)
			return &executor_states[i];
	return NULL;
}

int
executor_state_rank(enum executor_state s)
{
	const struct executor_state_row *row = find((int)s);

	return row ? row->rank : 0;
}

const char *
executor_state_text(enum executor_state s)
{
	const struct executor_state_row *row = find((int)s);

	return row ? row->text : "none";
}

bool
executor_state_ended(enum executor_state s)
{
	return executor_state_rank(s) >= EXECUTOR_RANK_END;
}

static bool
edge_listed(enum executor_state from, enum executor_state to, enum state_writer writer)
{
	for (size_t i = 0; i < COUNT_OF(edges); i++)
		if (edges[i].from == from && edges[i].to == to && edges[i].writer == writer)
			return true;
	return false;
}

bool
executor_edge_allowed(enum executor_state from, enum executor_state to, enum state_writer writer)
{
	const struct executor_state_row *old = find((int)from), *new = find((int)to);

	if (!old || !new)
		return false;
	if (writer == STATE_WRITER_CONTROL)
		return edge_listed(from, to, writer);
	return old->rank >= executor_state_rank(EXECUTOR_PLACED) &&
	       new->writer == STATE_WRITER_HOST &&new->rank > old->rank;
}

const char *
host_state_text(enum host_state s)
{
	static const char *const texts[] = {
	    [HOST_NONE] = "none",
	    [HOST_READY] = "ready",
	    [HOST_SUSPECT] = "suspect",
	    [HOST_LOST] = "lost",
	    [HOST_RETIRED] = "retired",
	};

	return (size_t)s < COUNT_OF(texts) ? texts[s] : "none";
}

const char *
session_state_text(enum session_state s)
{
	static const char *const texts[] = {
	    [SESSION_NONE] = "none",
	    [SESSION_OPEN] = "open",
	    [SESSION_CLOSING] = "closing",
	    [SESSION_CLOSED] = "closed",
	};

	return (size_t)s < COUNT_OF(texts) ? texts[s] : "none";
}

const char *
desired_state_text(enum desired_state d)
{
	static const char *const texts[] = {
	    [DESIRED_NONE] = "none",
	    [DESIRED_RUN] = "run",
	    [DESIRED_STOP] = "stop",
	    [DESIRED_ABSENT] = "absent",
	};

	return (size_t)d < COUNT_OF(texts) ? texts[d] : "none";
}
