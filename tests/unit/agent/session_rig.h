/* session_rig: what the tests of hello, heartbeat and sync share. */
#ifndef SESSION_RIG_H
#define SESSION_RIG_H

#include "agent_rig.h"

#define RUN FAIRLEAD__V1__DESIRED__RUN
#define STOP FAIRLEAD__V1__DESIRED__STOP
#define ABSENT FAIRLEAD__V1__DESIRED__ABSENT
#define ACCEPTED FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED
#define G(n) (RIG_TERM | (n))

int setup(void **state);
int teardown(void **state);
void hello_on_wire(struct rig *r);
void answer(struct rig *r, Fairlead__V1__HelloVerdict verdict, uint64_t epoch);
void heartbeat_answer(struct rig *r, Fairlead__V1__HeartbeatVerdict verdict, uint64_t host_seq);
void until_heartbeat(struct rig *r);

#endif
