/* state_check: the states of the domain are the states of the wire, row by row, at compile time. */
#include "fairlead/v1/common.pb-c.h"
#include "state.h"

#define STATE(name, code, rank, text, writer)                                                      \
	_Static_assert((int)EXECUTOR_##name == (int)FAIRLEAD__V1__EXECUTOR_STATE__##name,          \
	    "executor state " #name " differs between domain and wire");
#include "executor_state.def"

#define SAME(domain, wire)                                                                         \
	_Static_assert((int)(domain) == (int)(wire), #domain " differs between domain and wire")

SAME(EXECUTOR_NONE, FAIRLEAD__V1__EXECUTOR_STATE__EXECUTOR_STATE_UNSPECIFIED);
SAME(HOST_READY, FAIRLEAD__V1__HOST_STATE__HOST_READY);
SAME(HOST_SUSPECT, FAIRLEAD__V1__HOST_STATE__HOST_SUSPECT);
SAME(HOST_LOST, FAIRLEAD__V1__HOST_STATE__HOST_LOST);
SAME(HOST_RETIRED, FAIRLEAD__V1__HOST_STATE__HOST_RETIRED);
SAME(SESSION_OPEN, FAIRLEAD__V1__SESSION_STATE__SESSION_OPEN);
SAME(SESSION_CLOSING, FAIRLEAD__V1__SESSION_STATE__SESSION_CLOSING);
SAME(SESSION_CLOSED, FAIRLEAD__V1__SESSION_STATE__SESSION_CLOSED);
SAME(DESIRED_RUN, FAIRLEAD__V1__DESIRED__RUN);
SAME(DESIRED_STOP, FAIRLEAD__V1__DESIRED__STOP);
SAME(DESIRED_ABSENT, FAIRLEAD__V1__DESIRED__ABSENT);
