/* event_stream: numbered events onto FL_EVENTS, each once and in the order of their numbers (G7).
 *
 * The stream is its own mark: its last message says up to which number it has them.  There is no
 * second mark that a crash could leave behind, and what is missing comes from the rows: after a
 * crash, a change of leaders, or a wipe of the bus (K12).  Each publish names the sequence it must
 * follow, so that a publisher that was paused and believes it still leads appends nothing that
 * another has appended already.
 *
 * Threads:  one at a time.
 * Errors:   ERR_CONFLICT: somebody else appended; ERR_UNAVAILABLE, ERR_TIMEOUT: the bus is away.
 *           After any of them the end of the stream is looked for again. */
#ifndef EVENT_STREAM_H
#define EVENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct bus;
struct err;
struct event_stream;
struct store;

/* bus and prefix are borrowed.  NULL: no memory. */
struct event_stream *event_stream_new(struct bus *b, const char *prefix, int replicas);
/* After the bus, which answers what is still on its way. */
void event_stream_free(struct event_stream *e);

/* Before a leader numbers events for the first time: where does the stream end?  Does nothing when
 * it was found under this epoch. */
MUST_USE int event_stream_lead(struct event_stream *e, uint64_t epoch, struct err *err);
/* Before this round's facts the newest number in the rows was `newest`.  A stream that is further
 * holds another history - rows were restored, or a fail-over lost commits - and is made anew, to be
 * filled from the rows. */
MUST_USE int event_stream_check(struct event_stream *e, uint64_t newest, struct err *err);
/* Publishes what the rows have and the stream has not, up to about a thousand.  *ret_behind: how
 * many numbers are left.  While the bus is away it does nothing. */
MUST_USE int event_stream_fill(struct event_stream *e, struct store *s, uint64_t newest,
    size_t *ret_sent, uint64_t *ret_behind, struct err *err);

#endif
