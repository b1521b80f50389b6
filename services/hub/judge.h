/* judge: one leased hub says which hosts are SUSPECT, READY again, or LOST (K21, K23).
 *
 * Heartbeats are the truth; with a system connection the end of a host's connection makes it
 * SUSPECT at once.  A judge accuses nobody until it has listened for as long as silence must last,
 * and gives its lease back while it is cut off from the bus. */
#ifndef JUDGE_H
#define JUDGE_H

#include <stdint.h>

#include "compiler.h"

struct bus;
struct err;
struct heartbeat_service;
struct hub;
struct judge;

/* system_bus: a connection that may read the servers' own events; NULL: silence alone decides. */
MUST_USE int judge_start(struct hub *h, const struct heartbeat_service *heartbeat,
    struct bus *system_bus, struct judge **ret, struct err *err);
/* Ends of connections that this hub was too slow to hear of. */
uint64_t judge_dropped(const struct judge *j);
/* Asks the workers to end; judge_stop waits for them.  NULL is fine. */
void judge_close(struct judge *j);
void judge_stop(struct judge *j); /* NULL is fine */

#endif
