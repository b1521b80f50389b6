#include "courier.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "fairlead/v1/common.pb-c.h"
#include "headers.h"
#include "subjects.h"

#define HEADER_WHO "Fl-Who"
#define HEADER_ERROR_CODE "Nats-Service-Error-Code"
#define HEADER_ERROR_TEXT "Nats-Service-Error"

/* The bound of the subject's row.  The prefix is a setting that we do not know here, so every way
 * to split one off is tried, the shortest first.  Inboxes have no row: the codec's bound is theirs.
 */
static size_t
bytes_max_of(const char *subject)
{
	char prefix[SUBJECT_BYTES];
	struct subject_match match;
	struct err ignored;

	for (const char *dot = strchr(subject, '.'); dot; dot = strchr(dot + 1, '.')) {
		size_t length = (size_t)(dot - subject);
		if (length >= sizeof(prefix))
			break;
		memcpy(prefix, subject, length);
		prefix[length] = '\0';
		if (subject_parse(prefix, subject, &match, &ignored) == 0)
			return subject_row(match.subject)->max_bytes;
	}
	return WIRE_BYTES_MAX;
}

/* Body and headers; subject, reply and msg_id are the caller's. */
static int
encode(const struct courier_message *m, struct arena *arena, struct bus_out *ret, struct err *err)
{
	struct bus_header *headers =
	    arena_calloc(arena, HEADERS_MAX + 1 + COURIER_MORE_MAX, sizeof(*headers));
	struct bus_out out = {.headers = headers};
	struct wire_headers readable;
	void *data = NULL;

	if (!headers)
		return err_set(err, ERR_LIMIT, "message needs more memory than there is for it");
	if (wire_encode(m->message, m->encoding, arena, &data, &out.size, err) != 0)
		return -1;
	out.data = data;
	wire_headers_of(&readable, m->message, m->encoding, m->host, m->trace, arena);
	for (size_t i = 0; i < readable.count; i++)
		headers[out.header_count++] =
		    (struct bus_header){readable.rows[i].name, readable.rows[i].value};
	if (m->who && *m->who)
		headers[out.header_count++] = (struct bus_header){HEADER_WHO, m->who};
	assert(m->more_count <= COURIER_MORE_MAX);
	for (size_t i = 0; i < m->more_count; i++)
		headers[out.header_count++] = m->more[i];
	*ret = out;
	return 0;
}

int
courier_encode(
    const struct courier_message *m, struct arena *arena, struct bus_out *ret, struct err *err)
{
	size_t bytes_max = bytes_max_of(m->subject);
	struct bus_out out = {0};

	if (encode(m, arena, &out, err) != 0)
		return err_wrap(err, "%s", m->subject);
	if (out.size > bytes_max)
		return err_set(err, ERR_LIMIT, "%s of %zu bytes on %s is over the limit of %zu",
		    m->message->descriptor->short_name, out.size, m->subject, bytes_max);
	out.subject = m->subject;
	out.reply = m->reply;
	out.msg_id = m->msg_id;
	*ret = out;
	return 0;
}

int
courier_publish(
    struct bus *b, const struct courier_message *m, struct arena *arena, struct err *err)
{
	struct bus_out out = {0};

	if (courier_encode(m, arena, &out, err) != 0)
		return -1;
	return bus_publish(b, &out, err);
}

int
courier_respond(struct bus *b, const struct bus_msg *to, const ProtobufCMessage *m,
    enum wire_encoding encoding, struct arena *arena, struct err *err)
{
	struct courier_message message = {.encoding = encoding, .message = m};
	struct bus_out out = {0};

	if (encode(&message, arena, &out, err) != 0)
		return -1;
	return bus_respond(b, to, &out, err);
}

int
courier_decode(const struct bus_msg *m, const ProtobufCMessageDescriptor *d, struct arena *arena,
    ProtobufCMessage **ret, struct err *err)
{
	const char *type = bus_msg_header(m, HEADER_CONTENT_TYPE);
	const ProtobufCMessageDescriptor *said = wire_descriptor_of(type);

	if (said && said != d)
		return err_field(err, ERR_INVALID, HEADER_CONTENT_TYPE,
		    "a %s came where a %s was expected", said->short_name, d->short_name);
	return wire_decode(d, wire_encoding_of(type, bus_msg_data(m), bus_msg_size(m)),
	    bus_msg_data(m), bus_msg_size(m), arena, ret, err);
}

static enum err_kind
kind_of_code(const char *code)
{
	long number = strtol(code, NULL, 10);

	for (int kind = ERR_INVALID; kind <= ERR_INTERNAL; kind++)
		if (err_row((enum err_kind)kind)->service_code == number)
			return (enum err_kind)kind;
	return ERR_INTERNAL;
}

/* A service error as the error it was there.  Without a body that we understand the headers say
 * the code and the text. */
static int
error_of(const struct bus_msg *reply, const char *code, struct arena *arena, struct err *err)
{
	const char *text = bus_msg_header(reply, HEADER_ERROR_TEXT);
	const Fairlead__V1__Error *e;
	ProtobufCMessage *body = NULL;
	struct err ignored;

	if (bus_msg_size(reply) > 0 &&
	    courier_decode(reply, &fairlead__v1__error__descriptor, arena, &body, &ignored) != 0)
		body = NULL;
	if (!body)
		return err_set(err, kind_of_code(code), "%s", text ? text : "refused");
	e = (const Fairlead__V1__Error *)body;
	enum err_kind kind = err_kind_from_name(e->kind);
	err_field(err, kind == ERR_NONE ? ERR_INTERNAL : kind, e->field, "%s", e->message);
	return *e->hint ? err_hint(err, "%s", e->hint) : -1;
}

int
courier_request(struct bus *b, const struct courier_message *m, int timeout_ms,
    const ProtobufCMessageDescriptor *answer, struct arena *arena, ProtobufCMessage **ret,
    struct err *err)
{
	CLEANUP(bus_msg_free) struct bus_msg *reply = NULL;
	struct bus_out out = {0};
	const char *code;

	if (courier_encode(m, arena, &out, err) != 0 ||
	    bus_request(b, &out, timeout_ms, &reply, err) != 0)
		return -1;
	code = bus_msg_header(reply, HEADER_ERROR_CODE);
	if (code)
		return error_of(reply, code, arena, err);
	if (courier_decode(reply, answer, arena, ret, err) != 0)
		return err_wrap(err, "answer to %s", m->subject);
	return 0;
}
