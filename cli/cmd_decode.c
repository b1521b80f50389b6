/* cmd_decode: a message body on stdin, for people.  The type comes from --type, from the subject,
 * or is guessed among what hosts and the control plane say to each other. */
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "args.h"
#include "cli.h"
#include "codec.h"
#include "output.h"
#include "subjects.h"

/* Bodies on the bus are bounded by WIRE_BYTES_MAX: one byte more shows that there is more. */
#define BODY_BYTES (WIRE_BYTES_MAX + 1)

/* Without a type the first of these that fits.  The API's messages are not among them: most of them
 * hold one name, and a guess would be wrong more often than right. */
#define GUESSED                                                                                    \
	"Command, Report, Hello, HelloAnswer, Heartbeat, HeartbeatAnswer, SyncRequest, SyncAnswer"

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

/* "session", "create" -> "SessionCreateRequest"; NULL when the API has no such endpoint. */
static const char *
type_of_endpoint(const char *noun, const char *verb)
{
	for (size_t i = 0; wire_descriptor_at(i); i++) {
		const char *name = wire_descriptor_at(i)->short_name;
		size_t n = strlen(noun), v = strlen(verb);
		if (strncasecmp(name, noun, n) == 0 && strncasecmp(name + n, verb, v) == 0 &&
		    strcmp(name + n + v, "Request") == 0)
			return name;
	}
	return NULL;
}

/* Which types a subject may carry: the table of subjects says it ("Command, HeartbeatAnswer").  A
 * dead letter may be anything that a host sends; an inbox, any answer. */
static int
types_of(const struct cli *c, const struct decode_input *in, const char **ret, struct err *err)
{
	struct subject_match match;

	*ret = in->type ? in->type : GUESSED;
	if (in->type || !in->subject || subject_parse(c->prefix, in->subject, &match, err) != 0 ||
	    match.subject == SUBJECT_DEAD)
		return 0;
	if (match.subject == SUBJECT_REQ)
		*ret = strcmp(match.tokens[1], "sync") == 0 ? "SyncRequest" : "Hello";
	else if (match.subject == SUBJECT_API)
		*ret = type_of_endpoint(match.tokens[0], match.tokens[1]);
	else
		*ret = subject_row(match.subject)->message;
	if (*ret && **ret)
		return 0;
	return err_field(err, ERR_INVALID, "subject", "%s carries no message", in->subject);
}

static int
print_as(struct cli *c, const ProtobufCMessageDescriptor *d, const void *body, size_t size,
    struct err *err)
{
	ProtobufCMessage *m;
	char *json;

	if (wire_decode(d, wire_encoding_of(NULL, body, size), body, size, c->arena, &m, err) != 0)
		return -1;
	if (m->n_unknown_fields > 0)
		return err_set(err, ERR_INVALID, "it has fields that %s does not", d->short_name);
	if (wire_to_json(m, 2, c->arena, &json, err) != 0)
		return -1;
	printf("%s %s\n", d->short_name, json);
	return 0;
}

/* Tries each type in turn; the first that fits wins. */
static int
print_first(struct cli *c, const char *types, const void *body, size_t size, struct err *err)
{
	char *list = arena_strdup(c->arena, types), *save = NULL;
	size_t tried = 0;

	if (!list)
		return err_set(err, ERR_LIMIT, "no memory");
	for (char *t = strtok_r(list, ", ", &save); t; t = strtok_r(NULL, ", ", &save)) {
		const ProtobufCMessageDescriptor *d = wire_descriptor_find(t);

		if (!d)
			return err_field(err, ERR_INVALID, "type", "no message is called %s", t);
		err_clear(err);
		if (print_as(c, d, body, size, err) == 0)
			return 0;
		tried++;
	}
	if (tried == 1)
		return err_wrap(err, "%zu bytes are no %s", size, types);
	err_clear(err);
	return err_field(err, ERR_INVALID, "type",
	    "%zu bytes are none of %s; name another with --type or --subject", size, types);
}

int
cmd_decode(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"type", 't', "TYPE", 0, "Command, Report, Hello, SessionCreateRequest, ...", 0},
	    {"subject", 's', "SUBJECT", 0, "derive the type from where it was sent", 0},
	    {0},
	};
	struct decode_input in = {.args = {.usage = ""}};
	char *body = arena_alloc(c->arena, BODY_BYTES);
	struct err err = {0};
	const char *types;
	size_t size;

	if (args_parse(c, argc, argv, &in.args, options, decode_take, &in) != 0 || !body)
		return CLI_EXIT_USAGE;
	size = fread(body, 1, BODY_BYTES, stdin);
	if (size == 0 && !in.type) {
		puts("no body");
		return 0;
	}
	if (types_of(c, &in, &types, &err) != 0 || print_first(c, types, body, size, &err) != 0)
		return cli_fail(&err);
	return 0;
}
