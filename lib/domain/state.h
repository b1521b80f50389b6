/* state: the executor's state machine as data (executor_state.def), host and session states, and
 * the join of observed state (K14).  Pure. */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum executor_state {
	EXECUTOR_NONE = 0, /* no state: a report that only raises counters */
#define STATE(name, code, rank, text, writer) EXECUTOR_##name = (code),
#include "executor_state.def"
};

enum state_writer { STATE_WRITER_CONTROL, STATE_WRITER_HOST };

struct executor_state_row {
	enum executor_state state;
	int rank;
	const char *text;
	enum state_writer writer;
};
extern const struct executor_state_row executor_states[];
extern const size_t executor_states_count;

#define EXECUTOR_RANK_END 90

int executor_state_rank(enum executor_state s);         /* 0 for NONE */
const char *executor_state_text(enum executor_state s); /* "none" for NONE */
bool executor_state_ended(enum executor_state s);
/* May `writer` move an executor from one state to the other, incarnation unchanged?  CONTROL: only
 * the listed edges.  HOST: PLACED or later, to a HOST state of higher rank. */
bool executor_edge_allowed(
    enum executor_state from, enum executor_state to, enum state_writer writer);

enum host_state {
	HOST_NONE = 0,
	HOST_READY = 1,
	HOST_SUSPECT = 2,
	HOST_LOST = 3,
	HOST_RETIRED = 4
};
const char *host_state_text(enum host_state s);

enum session_state { SESSION_NONE = 0, SESSION_OPEN = 1, SESSION_CLOSING = 2, SESSION_CLOSED = 3 };
const char *session_state_text(enum session_state s);

enum desired_state { DESIRED_NONE = 0, DESIRED_RUN = 1, DESIRED_STOP = 2, DESIRED_ABSENT = 3 };
const char *desired_state_text(enum desired_state d);

#endif
