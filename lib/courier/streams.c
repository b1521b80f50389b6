#include "streams.h"

#include <stdint.h>
#include <string.h>

#include "arena.h"
#include "err.h"

#define HOUR_S INT64_C(3600)
#define DAY_S (24 * HOUR_S)

/* "@" stands for the prefix. */
static const struct bus_stream streams[STREAMS_COUNT] = {
    {.name = STREAM_COMMANDS,
	.subjects = {"@.cmd.*"},
	.retention = BUS_RETENTION_LIMITS,
	.max_msgs_per_subject = 64,
	.max_age_s = 7 * DAY_S,
	.max_msg_bytes = INT64_C(256) * 1024,
	.duplicate_window_s = 600,
	.allow_direct = true,
	.republish_source = "@.cmd.*",
	.republish_destination = "@.live.{{wildcard(1)}}"},
    {.name = STREAM_REPORTS,
	.subjects = {"@.rpt.*"},
	.retention = BUS_RETENTION_LIMITS,
	.max_age_s = 3 * DAY_S,
	.duplicate_window_s = 600},
    {.name = STREAM_EVENTS,
	.subjects = {"@.evt.>"},
	.retention = BUS_RETENTION_LIMITS,
	.max_age_s = 30 * DAY_S,
	.duplicate_window_s = 600,
	.allow_direct = true},
    {.name = STREAM_DEAD,
	.subjects = {"@.dead.>", "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
	    "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>"},
	.retention = BUS_RETENTION_LIMITS,
	.max_msgs_per_subject = 1000, /* of one host for one reason: it must not fill the disk */
	.max_age_s = 30 * DAY_S},
};

const struct bus_consumer streams_consumers[] = {
    {.stream = STREAM_REPORTS,
	.durable = CONSUMER_HUB_REPORTS,
	.ack_wait_s = 30,
	.max_ack_pending = 100000,
	.max_deliver = -1},
};
const size_t streams_consumers_count = COUNT_OF(streams_consumers);

static const char *
with_prefix(const char *pattern, const char *prefix, struct arena *arena)
{
	if (!pattern || *pattern != '@')
		return pattern;
	return arena_printf(arena, "%s%s", prefix, pattern + 1);
}

int
streams_table(
    const char *prefix, struct arena *arena, struct bus_stream ret[STREAMS_COUNT], struct err *err)
{
	for (size_t i = 0; i < STREAMS_COUNT; i++) {
		const struct bus_stream *row = &streams[i];
		struct bus_stream s = *row;

		for (size_t k = 0; k < COUNT_OF(s.subjects) && row->subjects[k]; k++) {
			s.subjects[k] = with_prefix(row->subjects[k], prefix, arena);
			if (!s.subjects[k])
				return err_set(err, ERR_LIMIT, "no memory for the streams' table");
		}
		s.republish_source = with_prefix(row->republish_source, prefix, arena);
		s.republish_destination = with_prefix(row->republish_destination, prefix, arena);
		if (row->republish_source && (!s.republish_source || !s.republish_destination))
			return err_set(err, ERR_LIMIT, "no memory for the streams' table");
		ret[i] = s;
	}
	return 0;
}

/* One that differs is said at the end: others may be missing, and are made. */
static bool
conflict_kept(const struct err *err, struct err *first)
{
	if (err->kind != ERR_CONFLICT)
		return false;
	if (first->kind == ERR_NONE)
		*first = *err;
	return true;
}

int
streams_ensure(struct bus *b, const char *prefix, int replicas, struct err *err)
{
	CLEANUP(arena_free) struct arena *arena = arena_new(0);
	struct bus_stream table[STREAMS_COUNT];
	struct err conflict = {0};

	if (!arena)
		return err_set(err, ERR_LIMIT, "no memory for the streams' table");
	if (streams_table(prefix, arena, table, err) != 0)
		return -1;
	for (size_t i = 0; i < STREAMS_COUNT; i++) {
		if (bus_stream_ensure(b, &table[i], replicas, err) != 0 &&
		    !conflict_kept(err, &conflict))
			return -1;
	}
	for (size_t i = 0; i < streams_consumers_count; i++) {
		if (bus_consumer_ensure(b, &streams_consumers[i], err) != 0 &&
		    !conflict_kept(err, &conflict))
			return -1;
	}
	if (conflict.kind == ERR_NONE)
		return 0;
	*err = conflict;
	return -1;
}
