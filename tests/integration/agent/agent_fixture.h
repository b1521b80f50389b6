/* agent_fixture: the real agent, its shims and a real bus, against a scripted control plane. */
#ifndef AGENT_FIXTURE_H
#define AGENT_FIXTURE_H

#include "agent_cp.h"

#define RUN FAIRLEAD__V1__DESIRED__RUN
#define STOP FAIRLEAD__V1__DESIRED__STOP
#define ABSENT FAIRLEAD__V1__DESIRED__ABSENT
#define PATIENCE_MS 20000

enum { ACCEPTED = 40, RUNNING = 70, SUCCEEDED = 90, FAILED = 91, STOPPED = 92, REJECTED = 93 };

struct fixture {
	struct cp cp;
	struct cp_agent agent;
};

int setup(void **state);
int teardown(void **state);
void expect_hellos(struct fixture *f, unsigned n);
/* One more heartbeat than now: the newest hello was answered and taken. */
void expect_settled(struct fixture *f);
void start(struct fixture *f);
void expect_state(struct fixture *f, struct id id, int state);
void expect_gone(struct fixture *f, const struct cp_order *order);
bool file_has_line(struct cp *cp, void *arg);
long read_number(const char *path);

#endif
