#include "effects.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"

int
effects_init(struct agent_effects *e)
{
	memset(e, 0, sizeof(*e));
	e->arena = arena_new(0);
	return e->arena ? 0 : -1;
}

void
effects_reset(struct agent_effects *e)
{
	arena_reset(e->arena);
	e->count = 0;
}

void
effects_done(struct agent_effects *e)
{
	arena_free(e->arena);
	free(e->rows);
	memset(e, 0, sizeof(*e));
}

/* An agent that cannot allocate a few bytes has lost effects it already promised in its records:
 * its next start derives them again, so ending here is the safe answer. */
void *
effects_alloc(struct agent_effects *e, size_t size)
{
	void *memory = arena_alloc(e->arena, size ? size : 1);

	if (!memory)
		abort();
	return memory;
}

struct agent_effect *
effects_add(struct agent_effects *e, enum agent_effect_type type)
{
	struct agent_effect *row;

	if (e->count == e->capacity) {
		size_t capacity = e->capacity ? e->capacity * 2 : 16;
		struct agent_effect *rows = reallocarray(e->rows, capacity, sizeof(*rows));

		if (!rows)
			abort();
		e->rows = rows;
		e->capacity = capacity;
	}
	row = &e->rows[e->count++];
	memset(row, 0, sizeof(*row));
	row->type = type;
	return row;
}

const char *
effects_text(struct agent_effects *e, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_vprintf(e->arena, format, args);
	va_end(args);
	if (!text)
		abort();
	return text;
}

ProtobufCBinaryData
effects_id(struct agent_effects *e, const struct id *id)
{
	struct id *copy = effects_alloc(e, sizeof(*copy));

	*copy = *id;
	return (ProtobufCBinaryData){.len = ID_BYTES, .data = copy->bytes};
}

char *
effects_copy(struct agent_effects *e, const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(effects_alloc(e, size), text, size);
}
