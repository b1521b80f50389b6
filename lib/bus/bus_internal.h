/* bus_internal: the table both implementations fill, and what they share.
 *
 * An implementation embeds struct bus, bus_sub and bus_pull as the first member of its own.  The
 * public functions (bus.c, bus_js.c) check arguments, then call through the table. */
#ifndef BUS_INTERNAL_H
#define BUS_INTERNAL_H

#include "bus.h"
#include "bus_bounds.h"

#define BUS_SUBJECT_BYTES 256
#define BUS_NAME_BYTES 128
#define BUS_INBOX_PREFIX_BYTES 128

/* What exists: the fields of struct bus_stream in memory of its own. */
struct bus_stream_view {
	struct bus_stream config; /* points into the buffers below */
	char name[BUS_NAME_BYTES];
	char subjects[COUNT_OF(((struct bus_stream *)0)->subjects)][BUS_SUBJECT_BYTES];
	size_t subject_count; /* may be more than fit above */
	char republish_source[BUS_SUBJECT_BYTES], republish_destination[BUS_SUBJECT_BYTES];
	int replicas, replicas_least; /* the least that this server's default would have made */
	/* What our tables do not ask for: the words and numbers of the server. */
	char retention[16], storage[16], discard[16];
	int64_t max_msgs, max_consumers;
	bool republish_headers_only;
	const char *foreign; /* a setting that changes what a stream takes and keeps; NULL: none */
	struct bus_stream_state state;
};

struct bus_consumer_view {
	struct bus_consumer config;
	char filter[BUS_SUBJECT_BYTES];
	bool explicit_ack;
};

struct bus_ops {
	void (*free)(struct bus *b);
	int (*wait_connected)(struct bus *b, int timeout_ms, struct err *err);
	enum bus_state (*state)(struct bus *b);
	int64_t (*connected_since_us)(struct bus *b);
	int64_t (*rtt_us)(struct bus *b);
	const char *(*server_name)(struct bus *b);
	void (*connection_id)(struct bus *b, char *ret_server_id, uint64_t *ret_client_id);
	uint64_t (*max_payload)(struct bus *b);
	char *(*refusal)(struct bus *b, char *buffer, size_t size); /* NULL: it refuses nothing */
	int (*flush)(struct bus *b, int timeout_ms, struct err *err);

	int (*publish)(struct bus *b, const struct bus_out *out, struct err *err);
	int (*request)(struct bus *b, const struct bus_out *out, int timeout_ms,
	    struct bus_msg **ret_reply, struct err *err);
	int (*subscribe)(struct bus *b, const char *subject, const char *queue,
	    unsigned pending_max, bus_handler *handler, void *arg, struct bus_sub **ret,
	    struct err *err);
	void (*unsubscribe)(struct bus_sub *s);
	/* Nothing new, and what was sent is handled before it returns; unsubscribe follows. */
	int (*sub_drain)(struct bus_sub *s, int timeout_ms, struct err *err);
	uint64_t (*sub_dropped)(const struct bus_sub *s);

	int (*js_publish)(struct bus *b, const struct bus_out *out, int timeout_ms,
	    struct bus_ack *ret_ack, struct err *err);
	int (*js_publish_async)(struct bus *b, const struct bus_out *out, bus_ack_handler *handler,
	    void *arg, struct err *err);
	/* ERR_NOT_FOUND when there is none. */
	int (*stream_get)(
	    struct bus *b, const char *name, struct bus_stream_view *ret, struct err *err);
	/* ERR_CONFLICT when somebody else was first. */
	int (*stream_create)(
	    struct bus *b, const struct bus_stream *s, int replicas, struct err *err);
	int (*stream_message)(
	    struct bus *b, const char *name, uint64_t seq, struct bus_msg **ret, struct err *err);
	int (*stream_delete)(struct bus *b, const char *name, struct err *err);
	int (*consumer_get)(struct bus *b, const char *stream, const char *durable,
	    struct bus_consumer_view *ret, struct err *err);
	int (*consumer_state)(struct bus *b, const char *stream, const char *durable,
	    struct bus_consumer_state *ret, struct err *err);
	int (*consumer_create)(struct bus *b, const struct bus_consumer *c, struct err *err);
	int (*pull_bind)(struct bus *b, const char *stream, const char *durable,
	    struct bus_pull **ret, struct err *err);
	void (*pull_free)(struct bus_pull *p);
	int (*pull_fetch)(struct bus_pull *p, unsigned max, int timeout_ms, struct bus_msg **msgs,
	    size_t *ret_n, struct err *err);

	/* For messages with a native part only. */
	const char *(*msg_header)(const struct bus_msg *m, const char *name);
	struct bus_msg *(*msg_copy)(const struct bus_msg *m);
	void (*msg_free)(struct bus_msg *m);
};

struct bus {
	const struct bus_ops *ops;
	char inbox_prefix[BUS_INBOX_PREFIX_BYTES];
};
struct bus_sub {
	struct bus *bus;
};
struct bus_pull {
	struct bus *bus;
};

/* Either one block of memory with everything in it (native NULL), or a view of what the client
 * library handed over. */
struct bus_msg {
	struct bus *bus;
	const char *subject, *reply;
	const void *data;
	size_t size;
	const struct bus_header *headers;
	size_t header_count;
	int64_t stored_us;
	void *native;
};

/* One block with copies of everything; extra headers follow the first ones.  NULL: no memory. */
struct bus_msg *bus_msg_flat(struct bus *b, const struct bus_msg *from, const char *reply,
    const struct bus_header *extra, size_t extra_count);
/* out as a message on the stack: borrows everything.  The Msg-Id is not a header of it. */
struct bus_msg bus_msg_of(struct bus *b, const struct bus_out *out);

/* Deliveries and sequence out of an acknowledgement subject, "$JS.ACK...."; false: is none. */
struct bus_ack_subject {
	char stream[BUS_NAME_BYTES], consumer[BUS_NAME_BYTES];
	uint64_t delivered, stream_seq;
};
bool bus_ack_subject_parse(const char *reply, struct bus_ack_subject *ret);

/* Tokens of at least one character without spaces; "*" and a last ">" when wildcards are allowed.
 */
bool bus_subject_valid(const char *subject, bool wildcards);
bool bus_subject_match(const char *pattern, const char *subject);
/* The destination of a republish: {{wildcard(n)}} and $n stand for the n-th wildcard token of
 * source, a last ">" for the rest.  False: subject does not match or the result does not fit. */
bool bus_subject_transform(
    const char *source, const char *destination, const char *subject, char *ret, size_t size);

#endif
