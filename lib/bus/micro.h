/* micro: a NATS micro service (ADR-32) by hand: $SRV.PING, $SRV.INFO and $SRV.STATS answered from
 * memory, endpoints as queue subscriptions.  libnats' own prints statistics the CLI cannot read.
 *
 * The handler runs on a bus thread; to answer later it copies the message and calls
 * micro_respond/micro_respond_error from anywhere.  Each request must be answered exactly once. */
#ifndef MICRO_H
#define MICRO_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct bus;
struct bus_msg;
struct bus_header;
struct err;
struct micro;
struct micro_request;

struct micro_endpoint {
	const char *name;    /* one word: "session-list" */
	const char *subject; /* "fl.api.v1.session.list" */
	/* Owns the request until it is answered (micro_respond*), on this thread or another. */
	void (*handler)(void *arg, struct micro_request *r);
	void *arg;
};

struct micro_options {
	const char *name, *version, *description, *queue_group;
	const char *node; /* metadata "node" */
};

/* endpoints: copied. */
MUST_USE int micro_new(struct bus *b, const struct micro_options *options,
    const struct micro_endpoint *endpoints, size_t n, struct micro **ret, struct err *err);
/* Stops taking requests; those not answered yet may still be. */
void micro_drain(struct micro *m);
void micro_free(struct micro *m);
DEFINE_CLEANUP(struct micro *, micro_free);

const struct bus_msg *micro_request_msg(const struct micro_request *r);
const struct micro_endpoint *micro_request_endpoint(const struct micro_request *r);
/* Both consume the request and count it. */
void micro_respond_take(struct micro_request *r, const void *data, size_t size,
    const struct bus_header *headers, size_t header_count);
/* body: what the client reads, JSON or protobuf; e: code and text for the service headers. */
void micro_respond_error_take(struct micro_request *r, const struct err *e, const void *body,
    size_t size, const struct bus_header *headers, size_t header_count);

#endif
