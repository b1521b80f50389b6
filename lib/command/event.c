#include "event.h"

#include "arena.h"
#include "codec.h"
#include "err.h"

/* protobuf-c's texts are not const, but nothing writes to them. */
static char *
text(const char *s)
{
	return (char *)(uintptr_t)s;
}

int
event_encode(
    const struct store_event *row, struct arena *arena, Fairlead__V1__Event **ret, struct err *err)
{
	Fairlead__V1__Event *m = arena_alloc(arena, sizeof(*m));

	if (!m)
		return err_set(err, ERR_LIMIT, "no memory for an event");
	fairlead__v1__event__init(m);
	m->cursor = row->cursor;
	m->at_us = row->at_us;
	m->kind = text(row->kind);
	m->session = text(row->session);
	m->executor = text(row->executor);
	m->host = text(row->host);
	m->who = text(row->who);
	m->text = text(row->text);
	if (!id_is_zero(&row->executor_id))
		m->executor_id = wire_bytes_of_id(&row->executor_id, arena);
	*ret = m;
	return 0;
}
