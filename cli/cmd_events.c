/* cmd_events: events, so far or from now on. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "args.h"
#include "cli.h"
#include "cli_bounds.h"
#include "clock.h"
#include "event_text.h"
#include "since.h"
#include "watch.h"

#define PAGE 1000

enum { KEY_SINCE = 0x2000, KEY_CURSOR, KEY_QUEUE };

struct events_input {
	struct args args;
	struct watch_options watch;
	bool follow, placed; /* placed: it was said where to begin */
};

static error_t
take_since(struct events_input *in, const char *value)
{
	struct err err = {0};

	in->placed = true;
	if (since_parse(value, clock_real_us(clock_system()), &in->watch.from.since_us, &err) == 0)
		return 0;
	fprintf(stderr, "fairlead: --since %s: %s\n", value, err.text);
	return EINVAL;
}

static error_t
take_cursor(struct events_input *in, const char *option, const char *value)
{
	in->placed = true;
	return args_number(option, value, 0, INT64_MAX, &in->watch.from.cursor);
}

static error_t
take_queue(struct events_input *in, const char *value)
{
	uint64_t queue = 0;
	error_t r = args_number("--queue", value, 1, WATCH_QUEUE_MAX, &queue);

	in->watch.queue = (unsigned)queue;
	return r;
}

static error_t
take(int key, char *value, void *arg)
{
	struct events_input *in = arg;

	switch (key) {
	case 's':
		in->watch.from.session = value;
		return 0;
	case 'h':
		in->watch.from.host = value;
		return 0;
	case 'f':
		in->follow = true;
		return 0;
	case 'a':
		return take_cursor(in, "--after", value);
	case KEY_CURSOR:
		return take_cursor(in, "--cursor", value);
	case KEY_SINCE:
		return take_since(in, value);
	case KEY_QUEUE:
		return take_queue(in, value);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* A page of what there is: a document, or lines. */
static int
page_print(struct cli *c, const Fairlead__V1__EventListAnswer *a, struct err *err)
{
	const char *text;

	if (c->output != CLI_TABLE)
		return cli_print(c, &a->base);
	for (size_t i = 0; i < a->n_events; i++) {
		if (event_text(c, a->events[i], &text, err) != 0)
			return cli_fail(err);
		fputs(text, stdout);
	}
	return 0;
}

static int
list(struct cli *c, struct follow *f)
{
	Fairlead__V1__EventListRequest q = FAIRLEAD__V1__EVENT_LIST_REQUEST__INIT;
	const Fairlead__V1__EventListAnswer *a;
	struct err err = {0};
	int code;

	q.session = (char *)(uintptr_t)(f->session ? f->session : "");
	q.host = (char *)(uintptr_t)(f->host ? f->host : "");
	q.since_us = f->since_us;
	q.limit = PAGE;
	do {
		ProtobufCMessage *m;

		q.after_cursor = f->cursor;
		arena_reset(c->arena);
		if (cli_call(c, "event", "list", &q.base,
			&fairlead__v1__event_list_answer__descriptor, &m, &err) != 0)
			return cli_fail(&err);
		a = (const Fairlead__V1__EventListAnswer *)m;
		if (follow_check(f, a, &err) != 0)
			return cli_fail(&err);
		code = page_print(c, a, &err);
	} while (code == 0 && follow_page_done(f, a, PAGE));
	return code;
}

int
cmd_events(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"session", 's', "SESSION", 0, "of one session", 0},
	    {"host", 'h', "HOST", 0, "of one host", 0},
	    {"since", KEY_SINCE, "WHEN", 0,
		"from then on: 10m, 36h, or a time in UTC (2026-01-31T09:30:00Z)", 0},
	    {"cursor", KEY_CURSOR, "CURSOR", 0, "what follows this one", 0},
	    {"after", 'a', "CURSOR", 0, "the same", 0},
	    {"follow", 'f', NULL, 0, "and go on; from now on, unless told where to begin", 0},
	    {"queue", KEY_QUEUE, "EVENTS", 0,
		"with --follow: end when more than so many wait to be printed (4096)", 0},
	    {0},
	};
	struct events_input in = {.args = {.usage = ""}, .watch = {.queue = WATCH_QUEUE_DEFAULT}};

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	if (!in.follow)
		return list(c, &in.watch.from);
	in.watch.from_now = !in.placed;
	return watch_run(c, &in.watch);
}
