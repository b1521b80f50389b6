/* dispatch: which worker looks when: nudges of the bus, leases that were taken, capacity that came
 * back. Owns the workers of every pool and of the cell. */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "compiler.h"

struct dispatch;
struct err;
struct scheduler;

MUST_USE int dispatch_start(struct scheduler *s, struct dispatch **ret, struct err *err);
/* Takes no new work and waits for what is in hand. */
void dispatch_stop(struct dispatch *d);

#endif
