#include "event_message.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "courier.h"
#include "err.h"
#include "event.h"
#include "headers.h"
#include "name.h"
#include "store.h"
#include "subjects.h"

#define NOBODY "-"

/* A token of a subject; what is no name must not become two of them. */
static const char *
token(const char *text)
{
	struct err ignored;

	return text && *text && name_check(text, "subject", &ignored) == 0 ? text : NOBODY;
}

static const char *
noun_of(const struct store_event *row, struct arena *arena)
{
	return token(arena_strndup(arena, row->kind, strcspn(row->kind, ".")));
}

static const char *
about(const struct store_event *row, const char *noun)
{
	if (*row->host && (strcmp(noun, "host") == 0 || !*row->session))
		return token(row->host);
	return token(row->session);
}

int
event_message_encode(const struct store_event *row, const char *prefix, uint64_t after_seq,
    struct arena *arena, struct bus_out *ret, struct err *err)
{
	const char *noun = noun_of(row, arena);
	char *subject = arena_alloc(arena, SUBJECT_BYTES);
	char *cursor = arena_printf(arena, "%" PRIu64, row->cursor);
	char *after = arena_printf(arena, "%" PRIu64, after_seq);
	const struct bus_header more[] = {
	    {HEADER_CURSOR, cursor}, {BUS_HEADER_EXPECTED_LAST_SEQ, after}};
	struct courier_message m = {.subject = subject,
	    .host = *row->host ? row->host : NULL,
	    .msg_id = arena_printf(arena, "event-%" PRIu64, row->cursor),
	    .encoding = WIRE_JSON,
	    .more = more,
	    .more_count = COUNT_OF(more)};
	Fairlead__V1__Event *event;

	if (!subject || !cursor || !after || !m.msg_id)
		return err_set(err, ERR_LIMIT, "no memory for an event");
	subject_build(subject, prefix, SUBJECT_EVT, noun, about(row, noun));
	if (event_encode(row, arena, &event, err) != 0)
		return -1;
	m.message = &event->base;
	return courier_encode(&m, arena, ret, err);
}

uint64_t
event_message_cursor(const struct bus_msg *m)
{
	const char *text = bus_msg_header(m, HEADER_CURSOR);
	char *end = NULL;
	uint64_t cursor = text ? strtoull(text, &end, 10) : 0;

	return end && *end == '\0' && cursor <= INT64_MAX ? cursor : 0;
}
