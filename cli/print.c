/* print: an answer of the API for programs: JSON, YAML, or the names in it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "codec.h"
#include "name.h"
#include "output.h"

static const char *const forms[] = {
    [CLI_TABLE] = "table", [CLI_JSON] = "json", [CLI_YAML] = "yaml", [CLI_NAME] = "name"};

int
cli_output_find(const char *name, enum cli_output *ret)
{
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		if (strcmp(name, forms[i]) == 0) {
			*ret = (enum cli_output)i;
			return 0;
		}
	}
	return -1;
}

/* ---- names ---- */

static void
session_name(const ProtobufCMessage *m)
{
	puts(((const Fairlead__V1__Session *)m)->name);
}

static void
executor_name(const ProtobufCMessage *m)
{
	char name[EXECUTOR_NAME_BYTES];

	puts(output_executor_name((const Fairlead__V1__Executor *)m, name));
}

static void
host_name(const ProtobufCMessage *m)
{
	puts(((const Fairlead__V1__Host *)m)->host_id);
}

static void
command_name(const ProtobufCMessage *m)
{
	puts(((const Fairlead__V1__HostCommand *)m)->name);
}

/* As `nats stream get FL_DEAD 7` counts them. */
static void
letter_name(const ProtobufCMessage *m)
{
	printf("FL_DEAD/%" PRIu64 "\n", ((const Fairlead__V1__DeadLetter *)m)->seq);
}

/* What --after takes. */
static void
event_name(const ProtobufCMessage *m)
{
	printf("%" PRIu64 "\n", ((const Fairlead__V1__Event *)m)->cursor);
}

/* What has a name, and how it is printed. */
static const struct {
	const ProtobufCMessageDescriptor *of;
	void (*print)(const ProtobufCMessage *m);
} named[] = {
    {&fairlead__v1__session__descriptor, session_name},
    {&fairlead__v1__executor__descriptor, executor_name},
    {&fairlead__v1__host__descriptor, host_name},
    {&fairlead__v1__host_command__descriptor, command_name},
    {&fairlead__v1__dead_letter__descriptor, letter_name},
    {&fairlead__v1__event__descriptor, event_name},
};

static void
print_names(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
    void (*print)(const ProtobufCMessage *m))
{
	const void *at = (const char *)m + f->offset;
	const ProtobufCMessage *one;

	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		size_t n;

		memcpy(&n, (const char *)m + f->quantifier_offset, sizeof(n));
		for (size_t i = 0; i < n; i++)
			print((*(const ProtobufCMessage *const *const *)at)[i]);
		return;
	}
	one = *(const ProtobufCMessage *const *)at;
	if (one) /* a dry run made nothing that has a name */
		print(one);
}

/* The first field of an answer with a name is what the answer is about. */
static void
print_name(const ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		for (size_t k = 0; k < COUNT_OF(named); k++) {
			if (f->descriptor != named[k].of)
				continue;
			print_names(m, f, named[k].print);
			return;
		}
	}
}

/* ---- documents ---- */

int
cli_print(struct cli *c, const ProtobufCMessage *m)
{
	struct err err = {0};
	char *text = NULL;

	if (c->output == CLI_NAME) {
		print_name(m);
		return 0;
	}
	if ((c->output == CLI_YAML ? wire_to_yaml(m, c->arena, &text, &err)
				   : wire_to_json(m, 2, c->arena, &text, &err)) != 0)
		return cli_fail(&err);
	if (c->output == CLI_YAML)
		printf("%s%s", c->documents++ > 0 ? "---\n" : "", text);
	else
		puts(text);
	return 0;
}
