/* publisher: committed messages onto the bus (K10, invariant 1).
 *
 * Asynchronous, from any thread.  The same Msg-Id again, 50 ms..2 s apart with jitter, until the
 * stream acknowledges; then the outbox is told, in batches.  Bounded: what does not fit is left to
 * the sweep. */
#ifndef PUBLISHER_H
#define PUBLISHER_H

#include <stddef.h>

#include "compiler.h"

struct err;
struct publisher;
struct scheduler;
struct store_message;

MUST_USE int publisher_start(struct scheduler *s, struct publisher **ret, struct err *err);
/* Waits up to timeout_ms for what is in flight; what is left is found by another's sweep. */
void publisher_drain(struct publisher *p, int timeout_ms);
/* Before the bus is freed the handlers may still run: bus_free comes first, then this. */
void publisher_stop(struct publisher *p);
void publisher_free(struct publisher *p);

/* Takes nothing: everything needed is copied.  One that is in flight already is not sent twice. */
void publisher_send(struct publisher *p, const struct store_message *messages, size_t n);
size_t publisher_in_flight(struct publisher *p);

#endif
