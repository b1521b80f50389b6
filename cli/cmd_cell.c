/* cmd_cell: status, events, decode, version. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "args.h"
#include "cli.h"
#include "clock.h"
#include "codec.h"
#include "output.h"
#include "subjects.h"
#include "version.h"

#include "fairlead/v1/api.pb-c.h"

#define BODY_BYTES_MAX (4u * 1024 * 1024)

int
cmd_version(struct cli *c, int argc, char **argv)
{
	(void)c;
	(void)argc;
	(void)argv;
	printf("fairlead %s\n", FAIRLEAD_VERSION);
	return 0;
}

static void
status_print(const Fairlead__V1__CellStatusAnswer *a)
{
	const Fairlead__V1__Counters *n = a->executors;

	printf("cell        %s, version %s, schema %u, term %" PRIu64 "\n", a->cell, a->version,
	    a->schema_version, a->cell_term);
	printf("commands    %s\n", a->commands_signed ? "signed" : "unsigned");
	printf("hosts       %u ready, %u suspect, %u lost\n", a->hosts_ready, a->hosts_suspect,
	    a->hosts_lost);
	printf("sessions    %u open\n", a->sessions_open);
	printf("executors   %u queued, %u placed, %u starting, %u running, %u stopping\n",
	    n->queued, n->placed, n->accepted + n->pulling + n->starting, n->running, n->stopping);
	printf("ended       %" PRIu64 " succeeded, %" PRIu64 " failed, %" PRIu64
	       " stopped, %" PRIu64 " rejected, %" PRIu64 " lost, %" PRIu64 " expired, %" PRIu64
	       " cancelled\n",
	    n->succeeded, n->failed, n->stopped, n->rejected, n->lost, n->expired, n->cancelled);
	printf("waiting     %" PRIu64 " for a host, %" PRIu64 " messages unsent\n", a->queue_depth,
	    a->outbox_unsent);
	for (size_t i = 0; i < a->n_leases; i++)
		printf("lease       %s: %s\n", a->leases[i]->key, a->leases[i]->value);
	if (a->n_leases == 0)
		printf("lease       none: no scheduler leads a pool, nothing is placed\n");
}

int
cmd_status(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = ""};
	Fairlead__V1__CellStatusRequest q = FAIRLEAD__V1__CELL_STATUS_REQUEST__INIT;
	struct err err = {0};
	ProtobufCMessage *m;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	if (cli_call(c, "cell", "status", &q.base, &fairlead__v1__cell_status_answer__descriptor,
		&m, &err) != 0)
		return cli_fail(&err);
	if (c->output == CLI_JSON)
		return cli_print_json(c, m);
	status_print((Fairlead__V1__CellStatusAnswer *)m);
	return 0;
}

struct events_input {
	struct args args;
	const char *session, *host;
	uint64_t after;
};

static error_t
events_take(int key, char *value, void *arg)
{
	struct events_input *in = arg;

	switch (key) {
	case 's':
		in->session = value;
		return 0;
	case 'h':
		in->host = value;
		return 0;
	case 'a':
		in->after = strtoull(value, NULL, 10);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void
event_print(const Fairlead__V1__Event *e)
{
	char when[40];

	printf("%6" PRIu64 "  %s  %-20s %s%s%s%s%s\n", e->cursor,
	    clock_format(e->at_us, when, sizeof(when)), e->kind,
	    *e->executor ? e->executor : e->session, *e->host ? " on " : "", e->host,
	    *e->text ? ": " : "", e->text);
}

int
cmd_events(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"session", 's', "NAME", 0, "of one session", 0},
	    {"host", 'h', "HOST", 0, "of one host", 0},
	    {"after", 'a', "CURSOR", 0, "only newer ones", 0},
	    {0},
	};
	struct events_input in = {.args = {.usage = ""}};
	Fairlead__V1__EventListRequest q = FAIRLEAD__V1__EVENT_LIST_REQUEST__INIT;
	Fairlead__V1__EventListAnswer *a;
	struct err err = {0};

	if (args_parse(c, argc, argv, &in.args, options, events_take, &in) != 0)
		return CLI_EXIT_USAGE;
	q.session = (char *)(uintptr_t)(in.session ? in.session : "");
	q.host = (char *)(uintptr_t)(in.host ? in.host : "");
	q.after_cursor = in.after;
	q.limit = 1000;
	do {
		ProtobufCMessage *m;

		if (cli_call(c, "event", "list", &q.base,
			&fairlead__v1__event_list_answer__descriptor, &m, &err) != 0)
			return cli_fail(&err);
		a = (Fairlead__V1__EventListAnswer *)m;
		if (a->gap)
			fprintf(stderr, "fairlead: events after %" PRIu64 " were already removed\n",
			    q.after_cursor);
		if (c->output == CLI_JSON && cli_print_json(c, m) != 0)
			return CLI_EXIT_FAILED;
		for (size_t i = 0; i < a->n_events && c->output == CLI_TABLE; i++)
			event_print(a->events[i]);
		q.after_cursor = a->next_cursor;
	} while (a->n_events == q.limit);
	return 0;
}

struct decode_input {
	struct args args;
	const char *type, *subject;
};

static error_t
decode_take(int key, char *value, void *arg)
{
	struct decode_input *in = arg;

	switch (key) {
	case 't':
		in->type = value;
		return 0;
	case 's':
		in->subject = value;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Which message types a subject may carry: the table of subjects says it ("Command,
 * HeartbeatAnswer"). */
static const char *
types_of(const struct cli *c, const struct decode_input *in, struct arena *a)
{
	struct subject_match match;
	struct err err = {0};

	if (in->type)
		return in->type;
	if (!in->subject || subject_parse(c->prefix, in->subject, &match, &err) != 0)
		return "Command, Report, Heartbeat, Hello, HelloAnswer, SyncRequest, SyncAnswer";
	if (match.subject == SUBJECT_REQ)
		return strcmp(match.tokens[1], "sync") == 0 ? "SyncRequest" : "Hello";
	return arena_strdup(a, subject_row(match.subject)->message);
}

/* Tries each type in turn; the first that decodes without unknown fields wins. */
static int
decode_print(struct cli *c, const char *types, const void *body, size_t size, struct err *err)
{
	char *list = arena_strdup(c->arena, types), *save = NULL, *json;

	if (!list)
		return err_set(err, ERR_LIMIT, "no room");
	err_set(err, ERR_INVALID, "no type given");
	for (char *t = strtok_r(list, ", ", &save); t; t = strtok_r(NULL, ", ", &save)) {
		const ProtobufCMessageDescriptor *d = wire_descriptor_find(t);
		ProtobufCMessage *m;

		if (!d)
			return err_set(err, ERR_NOT_FOUND, "no message type %s", t);
		if (wire_decode(d, wire_encoding_of(NULL, body, size), body, size, c->arena, &m,
			err) != 0 ||
		    m->n_unknown_fields > 0)
			continue;
		if (wire_to_json(m, 2, c->arena, &json, err) != 0)
			return -1;
		printf("%s %s\n", d->short_name, json);
		return 0;
	}
	return err_wrap(err, "decode as %s", types);
}

int
cmd_decode(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"type", 't', "TYPE", 0, "Command, Report, Hello, ...", 0},
	    {"subject", 's', "SUBJECT", 0, "derive the type from where it was sent", 0},
	    {0},
	};
	struct decode_input in = {.args = {.usage = ""}};
	char *body = arena_alloc(c->arena, BODY_BYTES_MAX);
	struct err err = {0};
	size_t size;

	if (args_parse(c, argc, argv, &in.args, options, decode_take, &in) != 0 || !body)
		return CLI_EXIT_USAGE;
	size = fread(body, 1, BODY_BYTES_MAX, stdin);
	if (decode_print(c, types_of(c, &in, c->arena), body, size, &err) != 0)
		return cli_fail(&err);
	return 0;
}
