/* bus_memory: one broker inside this process: what its files share.
 *
 * One lock for everything.  Deliveries are a queue of items in order of publication; the broker's
 * thread, or bus_memory_step, takes one and runs its handler without the lock.
 * Time comes from the clock the owner gave, so that a simulation owns redelivery and expiry; only
 * waiting (requests, fetches) uses real time, and a stepped broker never waits. */
#ifndef BUS_MEMORY_H
#define BUS_MEMORY_H

#include <pthread.h>
#include <stdlib.h>

#define uthash_fatal(why) abort() /* out of memory in a test double */
/* The default hash is one switch of fall-throughs, which clang refuses. */
#define HASH_FUNCTION(key, size, hash) HASH_FNV(key, size, hash)
#include <uthash.h>

#include "bus_internal.h"
#include "err.h"

#define MEMORY_PAYLOAD_MAX (1024 * 1024)

struct memory_bus;

/* References: the owner and each queued item.  Under the broker's lock but for running and dead. */
struct memory_sub {
	struct bus_sub base;
	struct memory_sub *prev, *next; /* of the same subject */
	struct memory_topic *topic;
	char *queue;
	unsigned pending_max, pending, refs;
	uint64_t dropped;
	bus_handler *handler;
	void *arg;
	pthread_mutex_t running; /* recursive: held while the handler runs */
	bool dead;               /* under running */
};

/* Everybody who subscribed to one subject or pattern. */
struct memory_topic {
	UT_hash_handle hh;
	bool wildcard;
	struct memory_sub *subs;
	char subject[];
};

struct memory_message {
	unsigned refs; /* under the lock */
	struct bus_msg *msg;
};

/* A delivery, or the acknowledgement of an asynchronous publish. */
struct memory_item {
	struct memory_item *next;
	struct memory_sub *sub;
	struct memory_message *message;
	bus_ack_handler *on_ack;
	void *ack_arg;
	struct bus_ack ack;
	struct err err;
	bool failed;
};

/* Messages of one subject of a stream, oldest first. */
struct memory_subject {
	UT_hash_handle hh;
	struct memory_stored *first, *last;
	size_t count;
	char subject[];
};

struct memory_stored {
	uint64_t seq;
	int64_t at_us;
	size_t size;
	struct bus_msg *msg;
	struct memory_subject *subject;
	struct memory_stored *prev, *next; /* of the same subject */
};

struct memory_seen {
	UT_hash_handle hh; /* in order of arrival */
	uint64_t seq;
	int64_t at_us;
	char msg_id[];
};

/* Delivered and not acknowledged. */
struct memory_unacked {
	UT_hash_handle hh; /* in order of the first delivery */
	uint64_t seq, delivered;
	int64_t due_us; /* delivered again from then on */
};

struct memory_consumer {
	struct memory_consumer *next;
	struct bus_consumer_view view;
	char durable[BUS_NAME_BYTES];
	uint64_t next_seq, delivered_count;
	int64_t next_due_us; /* no unacked message is due before */
	struct memory_unacked *unacked;
};

struct memory_stream {
	UT_hash_handle hh;
	struct bus_stream_view view;  /* its name is the key */
	struct memory_stored **slots; /* slots[i] holds sequence base + i, NULL when removed */
	size_t slot_count, slot_room;
	size_t head; /* nothing is left in slots before it */
	uint64_t base;
	struct memory_subject *subjects;
	struct memory_seen *seen;
	struct memory_consumer *consumers;
};

struct memory_bus {
	struct bus base;
	const struct clock *clock;
	bool stepped, closing, started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread;
	struct memory_item *first, *last;
	unsigned acks_pending;
	struct memory_topic *literals, *patterns;
	unsigned sub_count, round;   /* round robin inside queue groups */
	struct memory_sub **matched; /* scratch of memory_deliver_take, room for sub_count */
	size_t matched_room;
	struct memory_stream *streams;
	int64_t since_us, last_created_us;
};

static inline struct memory_bus *
memory_bus_of(struct bus *b)
{
	return (struct memory_bus *)b;
}

/* All of the following: the lock is held, unless said otherwise. */

/* bus_memory_topic.c; without the lock: */
int memory_sub_new(struct bus *base, const char *subject, const char *queue, unsigned pending_max,
    bus_handler *handler, void *arg, struct bus_sub **ret, struct err *err);
void memory_sub_free(struct bus_sub *base);
/* The oldest delivery there is; false: none. */
bool memory_deliver_one(struct memory_bus *b);
int memory_sub_drain(struct bus_sub *base, int timeout_ms, struct err *err);
uint64_t memory_sub_dropped(const struct bus_sub *base);
void memory_sub_unref(struct memory_sub *s);
/* Queues msg (consumed) for everybody who listens; returns how many. */
unsigned memory_deliver_take(struct memory_bus *b, struct bus_msg *msg);

/* bus_memory.c */
void memory_queue(struct memory_bus *b, struct memory_item *item);
void memory_message_unref(struct memory_message *m);
int64_t memory_now_us(const struct memory_bus *b);
/* Waits for a change, at most a few milliseconds of real time. */
void memory_wait(struct memory_bus *b);

/* bus_memory_stream.c */
struct memory_stream *memory_stream_for(struct memory_bus *b, const char *subject);
/* msg without its Msg-Id header. */
int memory_stream_store(struct memory_bus *b, struct memory_stream *s, const struct bus_msg *msg,
    const char *msg_id, struct bus_ack *ret_ack, struct err *err);
struct memory_stored *memory_stream_at(struct memory_stream *s, uint64_t seq);
uint64_t memory_stream_last_seq(const struct memory_stream *s);
void memory_stream_remove(struct memory_stream *s, struct memory_stored *stored);
void memory_stream_expire(struct memory_bus *b, struct memory_stream *s);
struct memory_stream *memory_stream_find(struct memory_bus *b, const char *name, struct err *err);
void memory_stream_free_all(struct memory_bus *b);
/* Without the lock: */
int memory_stream_get(
    struct bus *base, const char *name, struct bus_stream_view *ret, struct err *err);
int memory_stream_create(
    struct bus *base, const struct bus_stream *s, int replicas, struct err *err);
int memory_stream_message(
    struct bus *base, const char *name, uint64_t seq, struct bus_msg **ret, struct err *err);
int memory_stream_delete(struct bus *base, const char *name, struct err *err);

/* bus_memory_consumer.c */
void memory_consumer_free_all(struct memory_stream *s);
/* "+ACK", "-NAK {...}", "+TERM" for an acknowledgement subject. */
void memory_consumer_ack(struct memory_bus *b, const struct bus_msg *m);
/* Without the lock: */
int memory_consumer_get(struct bus *base, const char *stream, const char *durable,
    struct bus_consumer_view *ret, struct err *err);
int memory_consumer_state(struct bus *base, const char *stream, const char *durable,
    struct bus_consumer_state *ret, struct err *err);
int memory_consumer_create(struct bus *base, const struct bus_consumer *c, struct err *err);
int memory_pull_bind(struct bus *base, const char *stream, const char *durable,
    struct bus_pull **ret, struct err *err);
void memory_pull_free(struct bus_pull *base);
int memory_pull_fetch(struct bus_pull *base, unsigned max, int timeout_ms, struct bus_msg **msgs,
    size_t *ret_n, struct err *err);

#endif
