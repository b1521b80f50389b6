/* call: one request to the API over the bus. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "bus.h"
#include "cli.h"
#include "codec.h"
#include "courier.h"
#include "subjects.h"

int
cli_connect(struct cli *c, struct err *err)
{
	const struct bus_options o = {.servers = c->servers,
	    .name = c->who,
	    .user = c->user,
	    .password = c->password,
	    .creds_file = c->creds,
	    .tls_ca_file = c->ca};

	if (!c->bus && bus_nats_new(&o, &c->bus, err) != 0)
		return err_wrap(err, "bus %s", c->servers);
	if (bus_wait_connected(c->bus, c->timeout_ms, err) == 0)
		return 0;
	if (err->kind == ERR_TIMEOUT)
		err->kind = ERR_UNAVAILABLE;
	err_wrap(err, "bus %s", c->servers);
	return err_hint(err, "is the cell up? --server or FAIRLEAD_NATS_SERVERS names the bus");
}

int
cli_call(struct cli *c, const char *noun, const char *verb, const ProtobufCMessage *request,
    const ProtobufCMessageDescriptor *answer, ProtobufCMessage **ret, struct err *err)
{
	char subject[SUBJECT_BYTES];
	struct courier_message m = {.encoding = WIRE_PROTOBUF, .message = request, .who = c->who};

	if (cli_connect(c, err) != 0)
		return -1;
	m.subject = subject_build(subject, c->prefix, SUBJECT_API, noun, verb);
	if (courier_request(c->bus, &m, c->timeout_ms, answer, c->arena, ret, err) == 0)
		return 0;
	if (err->kind == ERR_UNAVAILABLE && !*err->hint)
		err_hint(err, "ask again; `nats micro ls` shows which hubs answer");
	return -1;
}

int
cli_ask(struct cli *c, const char *noun, const char *verb, const ProtobufCMessage *request,
    const ProtobufCMessageDescriptor *answer, const char *format, ...)
{
	struct err err = {0};
	ProtobufCMessage *m;
	va_list ap;

	if (cli_call(c, noun, verb, request, answer, &m, &err) != 0)
		return cli_fail(&err);
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	return 0;
}
