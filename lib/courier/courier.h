/* courier: protobuf messages over a bus: encode, readable headers, publish; decode what arrived.
 * The only place where wire and bus meet. */
#ifndef COURIER_H
#define COURIER_H

#include <stddef.h>
#include <protobuf-c/protobuf-c.h>

#include "bus.h"
#include "codec.h"
#include "compiler.h"

struct arena;
struct err;

struct courier_message {
	const char *subject;
	const char *reply;  /* NULL: none */
	const char *host;   /* Fl-Host; NULL: none */
	const char *msg_id; /* NULL: none */
	const char *trace;  /* NULL: none */
	const char *who;    /* Fl-Who, said by the caller and not verified; NULL: none */
	enum wire_encoding encoding;
	const ProtobufCMessage *message;
	const struct bus_header *more; /* headers beside those, borrowed; NULL: none */
	size_t more_count;             /* at most COURIER_MORE_MAX */
};
#define COURIER_MORE_MAX 4

/* Builds a bus_out whose parts live in the arena.  ERR_LIMIT: larger than the subject's row allows.
 */
MUST_USE int courier_encode(
    const struct courier_message *m, struct arena *arena, struct bus_out *ret, struct err *err);
MUST_USE int courier_publish(
    struct bus *b, const struct courier_message *m, struct arena *arena, struct err *err);
MUST_USE int courier_respond(struct bus *b, const struct bus_msg *to, const ProtobufCMessage *m,
    enum wire_encoding encoding, struct arena *arena, struct err *err);
/* Decodes as d by the message's Content-Type. */
MUST_USE int courier_decode(const struct bus_msg *m, const ProtobufCMessageDescriptor *d,
    struct arena *arena, ProtobufCMessage **ret, struct err *err);
/* Request and decode; a service error answer becomes *err with its kind, message, field and hint.
 */
MUST_USE int courier_request(struct bus *b, const struct courier_message *m, int timeout_ms,
    const ProtobufCMessageDescriptor *answer, struct arena *arena, ProtobufCMessage **ret,
    struct err *err);

#endif
