/* bus: publish, subscribe, request, streams.  Two implementations behind one table: NATS
 * (bus_nats.c) and memory (bus_memory.c); both pass tests/integration/bus/test_contract*.c.
 *
 * Threads:  every function may be called from any thread.  Subscription handlers run on a thread of
 *           the bus: they must not block for longer than a few milliseconds, and they own nothing:
 *           the message they are given is borrowed and dies when they return (bus_msg_copy).
 * Errors:   ERR_UNAVAILABLE: not connected, or nobody answers ("no responders"): try again later.
 *           ERR_TIMEOUT: the outcome is unknown; a publish with a Msg-Id may be repeated (K10).
 *           ERR_CONFLICT: a stream or consumer exists and differs, the text names the field (K12).
 *           ERR_LIMIT: too large, or the pending window is full. */
#ifndef BUS_H
#define BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct bus;
struct bus_sub;
struct bus_pull;
struct err;
struct clock;

struct bus_header {
	const char *name, *value;
};

/* What is sent.  Everything is borrowed for the call. */
struct bus_out {
	const char *subject;
	const char *reply; /* NULL: none */
	const void *data;
	size_t size;
	const struct bus_header *headers;
	size_t header_count;
	const char *msg_id; /* Nats-Msg-Id; NULL: none */
};
/* A header of what is published to a stream: the stream takes it only while this is its last
 * sequence, else ERR_CONFLICT.  A repeated Msg-Id is found before that is looked at. */
#define BUS_HEADER_EXPECTED_LAST_SEQ "Nats-Expected-Last-Sequence"

/* What arrived. */
struct bus_msg;
const char *bus_msg_subject(const struct bus_msg *m);
const char *bus_msg_reply(const struct bus_msg *m); /* NULL: none */
const void *bus_msg_data(const struct bus_msg *m);
size_t bus_msg_size(const struct bus_msg *m);
const char *bus_msg_header(const struct bus_msg *m, const char *name); /* NULL: absent */
/* Stream sequence of a pulled or republished message (Nats-Sequence), 0 when it has none. */
uint64_t bus_msg_stream_seq(const struct bus_msg *m);
/* Nats-Last-Sequence of a republished message, 0 when it has none. */
uint64_t bus_msg_last_seq(const struct bus_msg *m);
/* How often it was delivered (1 the first time); pulled messages only. */
uint64_t bus_msg_delivered(const struct bus_msg *m);
/* Real time when its stream stored it; 0 unless bus_stream_message read it. */
int64_t bus_msg_stored_us(const struct bus_msg *m);
/* A copy that outlives the handler; free it with bus_msg_free.  NULL: no memory. */
struct bus_msg *bus_msg_copy(const struct bus_msg *m);
void bus_msg_free(struct bus_msg *m);
DEFINE_CLEANUP(struct bus_msg *, bus_msg_free);

enum bus_state { BUS_CONNECTING, BUS_CONNECTED, BUS_DISCONNECTED, BUS_CLOSED };

struct bus_options {
	const char *servers; /* comma separated urls */
	const char *name;    /* shown by `nats server report connections` */
	const char *user, *password, *creds_file, *tls_ca_file; /* NULL: not used */
	const char *inbox_prefix;                               /* NULL: "_INBOX" */
	int64_t reconnect_buffer_bytes;                         /* 0: 64 KiB */
	bool lazy_flush;      /* true: no send-asap (bulk acknowledgements) */
	unsigned max_pending; /* async publishes in flight, 0: 512 */
	/* Told about every change of state; may be NULL.  Runs on a bus thread. */
	void (*on_state)(void *arg, enum bus_state state, const char *why);
	/* Told about every attempt to connect that failed, first or later; denied: the server
	 * refused the credentials.  May be NULL.  Runs on a bus thread, one call at a time. */
	void (*on_failure)(void *arg, bool denied, const char *why);
	void *arg;
};

#define BUS_SERVERS_SAID_BYTES 1024 /* room for a list as people write them */
/* The servers without users and passwords, for logs and errors; cut to size.  Returns buffer. */
char *bus_servers_said(const char *servers, char *buffer, size_t size);

/* Connects in the background and goes on for ever with full jitter, 0.5..20 s, reset after a stable
 * minute; two authentication errors close a NATS connection for good, so it is rebuilt inside, and
 * subscriptions with it.  Returns at once; bus_wait_connected waits.  ERR_INVALID: bad url. */
MUST_USE int bus_nats_new(const struct bus_options *options, struct bus **ret, struct err *err);
/* One broker inside this process.  Handlers run on its one thread, in order of publication, unless
 * stepped: with stepped true nothing is delivered until bus_memory_step, which delivers one message
 * and returns false when there is none (for deterministic simulation): a fetch then never waits,
 * and a request steps the broker until it is answered or nothing is left.  clock is borrowed. */
struct bus *bus_memory_new(const struct clock *clock, bool stepped);
bool bus_memory_step(struct bus *b);
/* Drops all messages, streams, and consumers, as a wiped JetStream directory does. */
void bus_memory_wipe(struct bus *b);

/* Unsubscribe everything and free pulls first.  Asynchronous publishes still in flight are answered
 * (ERR_TIMEOUT) before it returns. */
void bus_free(struct bus *b);
DEFINE_CLEANUP(struct bus *, bus_free);

/* ERR_TIMEOUT with the last reason (wrong password, refused, ...) in the text;
 * ERR_DENIED at once when the server refused the credentials. */
MUST_USE int bus_wait_connected(struct bus *b, int timeout_ms, struct err *err);
enum bus_state bus_state(struct bus *b);
/* CLOCK_BOOTTIME microseconds since when it has been connected without a break; 0: is not (K21,
 * K23). */
int64_t bus_connected_since_us(struct bus *b);
/* Round trip of the last ping in microseconds, and the url of the server; "" when unknown. */
int64_t bus_rtt_us(struct bus *b);
const char *bus_server_name(struct bus *b);
#define BUS_SERVER_ID_BYTES 64
/* How the server's own events name this connection: its id and the server's.  The id is 0 while
 * nothing is connected. */
void bus_connection_id(
    struct bus *b, char ret_server_id[BUS_SERVER_ID_BYTES], uint64_t *ret_client_id);
uint64_t bus_max_payload(struct bus *b);
/* What the server last refused on this connection ("Permissions Violation for Publish to ..."), ""
 * for nothing; after bus_flush it covers all that was sent before.  Returns buffer. */
char *bus_refusal(struct bus *b, char *buffer, size_t size);
MUST_USE int bus_flush(struct bus *b, int timeout_ms, struct err *err);

/* 0 says that it was handed over, not that it arrived: while a lost connection is being restored,
 * messages wait in the reconnect buffer, and ERR_UNAVAILABLE comes when that is full. */
MUST_USE int bus_publish(struct bus *b, const struct bus_out *out, struct err *err);
/* Waits for one answer; *ret_reply is the caller's. */
MUST_USE int bus_request(struct bus *b, const struct bus_out *out, int timeout_ms,
    struct bus_msg **ret_reply, struct err *err);
/* Sends to m's reply subject; nothing happens when it has none. */
MUST_USE int bus_respond(
    struct bus *b, const struct bus_msg *m, const struct bus_out *out, struct err *err);
/* A fresh subject below the inbox prefix.  Writes up to size bytes, returns buffer. */
char *bus_new_inbox(struct bus *b, char *buffer, size_t size);

typedef void bus_handler(void *arg, const struct bus_msg *m);
/* queue NULL: every subscriber gets every message.  pending_max: the bound of undelivered messages
 * (0: 65536); beyond it messages are dropped and counted in bus_sub_dropped. */
MUST_USE int bus_subscribe(struct bus *b, const char *subject, const char *queue,
    unsigned pending_max, bus_handler *handler, void *arg, struct bus_sub **ret, struct err *err);
/* After it returns the handler does not run and will not run again. */
void bus_unsubscribe(struct bus_sub *s);
/* The same, but what the server had sent before is still handled: nothing that was asked is lost.
 * Waits for that up to timeout_ms; ERR_TIMEOUT: the rest was dropped.  The subscription is gone
 * either way.  Not from a handler. */
int bus_sub_drain_take(struct bus_sub *s, int timeout_ms, struct err *err);
DEFINE_CLEANUP(struct bus_sub *, bus_unsubscribe);
uint64_t bus_sub_dropped(const struct bus_sub *s);

/* ---- JetStream ---- */

struct bus_ack {
	uint64_t stream_seq;
	bool duplicate;
};
/* Synchronous publish; waits for the acknowledgement. */
MUST_USE int bus_js_publish(struct bus *b, const struct bus_out *out, int timeout_ms,
    struct bus_ack *ret_ack, struct err *err);
/* err is NULL on success; else ack is NULL.  Runs on a bus thread, exactly once per publish, also
 * when the connection is lost (ERR_TIMEOUT after 3 s: MaxWait). */
typedef void bus_ack_handler(void *arg, const struct bus_ack *ack, const struct err *err);
/* Copies everything.  ERR_LIMIT when max_pending are in flight: then the handler is not called. */
MUST_USE int bus_js_publish_async(
    struct bus *b, const struct bus_out *out, bus_ack_handler *handler, void *arg, struct err *err);

enum bus_retention { BUS_RETENTION_LIMITS, BUS_RETENTION_WORKQUEUE };

/* One row of the stream table (protocol.md).  Zero means: the server's default. */
struct bus_stream {
	const char *name;
	const char *subjects[4]; /* NULL-terminated unless full */
	enum bus_retention retention;
	int64_t max_msgs_per_subject;
	int64_t max_age_s;
	int64_t max_msg_bytes;
	int64_t max_bytes;
	int64_t duplicate_window_s;
	bool allow_direct;
	const char *republish_source, *republish_destination; /* NULL: none */
};
struct bus_consumer {
	const char *stream, *durable;
	const char *filter; /* NULL: all */
	int64_t ack_wait_s;
	int64_t max_ack_pending;
	int64_t max_deliver; /* -1: for ever */
};
/* Creates what is missing; replicas 0: 1 on a single server, 3 in a cluster of three or more.
 * What exists must be equal in every field above, in what all streams are alike in (storage file,
 * discard old, no limit of messages or consumers), and have as many replicas, with 0 at least as
 * many; or ERR_CONFLICT names the stream, the field and both values. */
MUST_USE int bus_stream_ensure(
    struct bus *b, const struct bus_stream *s, int replicas, struct err *err);
MUST_USE int bus_consumer_ensure(struct bus *b, const struct bus_consumer *c, struct err *err);

struct bus_stream_state {
	uint64_t messages, bytes, first_seq, last_seq;
	int64_t created_us; /* real time: another value means another stream of the same name */
};
MUST_USE int bus_stream_state(
    struct bus *b, const char *name, struct bus_stream_state *ret, struct err *err);
/* The message at a sequence, as the stream's leader has it; the caller's.  ERR_NOT_FOUND: it was
 * removed, or there is no such stream. */
MUST_USE int bus_stream_message(
    struct bus *b, const char *name, uint64_t seq, struct bus_msg **ret, struct err *err);
MUST_USE int bus_stream_delete(struct bus *b, const char *name, struct err *err);

/* What a consumer has not acknowledged. */
struct bus_consumer_state {
	uint64_t waiting, unacked; /* not delivered yet; delivered and not acknowledged */
	int64_t oldest_us; /* real time when the oldest of both was stored; 0: there is none */
};
MUST_USE int bus_consumer_state(struct bus *b, const char *stream, const char *durable,
    struct bus_consumer_state *ret, struct err *err);

/* Binds to an existing durable.  A binding is a name: it also finds the consumer that was made
 * anew. One thread at a time per pull; several pulls of one durable share its messages.
 * ERR_NOT_FOUND: it is gone, ensure it and bind again. */
MUST_USE int bus_pull_bind(
    struct bus *b, const char *stream, const char *durable, struct bus_pull **ret, struct err *err);
void bus_pull_free(struct bus_pull *p);
DEFINE_CLEANUP(struct bus_pull *, bus_pull_free);
/* Up to max messages; returns as soon as there are some, or after timeout_ms with *ret_n 0 and 0.
 * ERR_NOT_FOUND: the consumer vanished.  Messages are the caller's (bus_msg_free). */
MUST_USE int bus_pull_fetch(struct bus_pull *p, unsigned max, int timeout_ms, struct bus_msg **msgs,
    size_t *ret_n, struct err *err);
/* Does not wait for the server.  The message stays the caller's. */
MUST_USE int bus_msg_ack(struct bus_msg *m, struct err *err);
MUST_USE int bus_msg_nak(struct bus_msg *m, int64_t delay_ms, struct err *err);
MUST_USE int bus_msg_term(struct bus_msg *m, struct err *err);

#endif
