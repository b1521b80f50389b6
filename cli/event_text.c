#include "event_text.h"

#include <inttypes.h>

#include "arena.h"
#include "clock.h"
#include "codec.h"

static char *
line(struct cli *c, const Fairlead__V1__Event *e)
{
	char when[40];

	return arena_printf(c->arena, "%6" PRIu64 "  %s  %-20s %s%s%s%s%s\n", e->cursor,
	    clock_format(e->at_us, when, sizeof(when)), e->kind,
	    *e->executor ? e->executor : e->session, *e->host ? " on " : "", e->host,
	    *e->text ? ": " : "", e->text);
}

int
event_text(struct cli *c, const Fairlead__V1__Event *e, const char **ret, struct err *err)
{
	char *text = NULL;

	switch (c->output) {
	case CLI_TABLE:
		text = line(c, e);
		break;
	case CLI_NAME:
		text = arena_printf(c->arena, "%" PRIu64 "\n", e->cursor);
		break;
	case CLI_JSON:
		if (wire_to_json(&e->base, 0, c->arena, &text, err) != 0)
			return -1;
		text = arena_printf(c->arena, "%s\n", text);
		break;
	case CLI_YAML:
		if (wire_to_yaml(&e->base, c->arena, &text, err) != 0)
			return -1;
		text = arena_printf(c->arena, "%s%s", c->documents++ > 0 ? "---\n" : "", text);
		break;
	}
	if (!text)
		return err_set(err, ERR_LIMIT, "no memory for an event");
	*ret = text;
	return 0;
}
