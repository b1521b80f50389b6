/* streams: the table of streams and consumers (protocol.md), made at start and again when they
 * vanish (K12), by services and by `fairlead admin bus-init`. */
#ifndef STREAMS_H
#define STREAMS_H

#include <stddef.h>

#include "bus.h"
#include "compiler.h"

struct arena;
struct err;

#define STREAM_COMMANDS "FL_COMMANDS"
#define STREAM_REPORTS "FL_REPORTS"
#define STREAM_EVENTS "FL_EVENTS"
#define STREAM_DEAD "FL_DEAD"
#define CONSUMER_HUB_REPORTS "fl-hub-reports"

#define STREAMS_COUNT 4

/* Creates what is missing.  replicas 0: as the cluster allows.  ERR_CONFLICT: one exists and
 * differs, and the others are there; the text names the stream, the field and both values. */
MUST_USE int streams_ensure(struct bus *b, const char *prefix, int replicas, struct err *err);

/* The table itself, with the prefix filled in; strings live in the arena.  ERR_LIMIT: no memory. */
MUST_USE int streams_table(
    const char *prefix, struct arena *arena, struct bus_stream ret[STREAMS_COUNT], struct err *err);

/* The consumers of these streams; made with them. */
extern const struct bus_consumer streams_consumers[];
extern const size_t streams_consumers_count;

#endif
