/* headers: what a person can read of a message without its schema.
 * Content-Type, Fl-Kind, Fl-Host, Fl-Summary, traceparent (Nats-Msg-Id is the bus's). */
#ifndef HEADERS_H
#define HEADERS_H

#include <stddef.h>
#include <protobuf-c/protobuf-c.h>

#include "codec.h"

struct arena;

#define HEADER_KIND "Fl-Kind"
#define HEADER_HOST "Fl-Host"
#define HEADER_SUMMARY "Fl-Summary"
#define HEADER_CONTENT_TYPE "Content-Type"
#define HEADER_TRACE "traceparent"
#define HEADER_CURSOR "Fl-Cursor" /* of an event; added by who publishes it */
#define HEADERS_MAX 8

struct wire_header {
	const char *name, *value;
};
struct wire_headers {
	struct wire_header rows[HEADERS_MAX];
	size_t count;
};

/* Kind ("command", "report", "hello", ...) and summary ("run web/0", "report web/0 running",
 * "heartbeat h1 seq 4") are derived from the message by one table of functions per descriptor.
 * host may be NULL, trace may be NULL.  Strings live in the arena or are the given ones. */
void wire_headers_of(struct wire_headers *h, const ProtobufCMessage *m, enum wire_encoding e,
    const char *host, const char *trace, struct arena *arena);

#endif
