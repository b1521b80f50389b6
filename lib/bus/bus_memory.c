/* The broker in memory: its queue of deliveries, publish, request. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "bus_memory.h"
#include "clock.h"

#define WAIT_US (5 * MS_US) /* a clock that is moved by hand wakes nobody */

int64_t
memory_now_us(const struct memory_bus *b)
{
	return clock_mono_us(b->clock);
}

void
memory_wait(struct memory_bus *b)
{
	struct timespec deadline = clock_deadline(WAIT_US);

	pthread_cond_timedwait(&b->changed, &b->lock, &deadline);
}

/* ---- the queue ---- */

void
memory_message_unref(struct memory_message *m)
{
	if (--m->refs)
		return;
	bus_msg_free(m->msg);
	free(m);
}

void
memory_queue(struct memory_bus *b, struct memory_item *item)
{
	if (b->last)
		b->last->next = item;
	else
		b->first = item;
	b->last = item;
	pthread_cond_broadcast(&b->changed);
}

static struct memory_item *
take_item(struct memory_bus *b)
{
	struct memory_item *item = b->first;

	if (!item)
		return NULL;
	b->first = item->next;
	if (!b->first)
		b->last = NULL;
	return item;
}

static void
free_item(struct memory_item *item)
{
	if (item->sub) {
		item->sub->pending--;
		memory_message_unref(item->message);
		memory_sub_unref(item->sub);
	}
	free(item);
}

/* Without the lock. */
static void
run_item(struct memory_item *item)
{
	struct memory_sub *s = item->sub;

	if (!s) {
		item->on_ack(item->ack_arg, item->failed ? NULL : &item->ack,
		    item->failed ? &item->err : NULL);
		return;
	}
	pthread_mutex_lock(&s->running);
	if (!s->dead)
		s->handler(s->arg, item->message->msg);
	pthread_mutex_unlock(&s->running);
}

bool
memory_deliver_one(struct memory_bus *b)
{
	pthread_mutex_lock(&b->lock);
	struct memory_item *item = take_item(b);
	if (item && !item->sub)
		b->acks_pending--;
	pthread_mutex_unlock(&b->lock);
	if (!item)
		return false;
	run_item(item);
	pthread_mutex_lock(&b->lock);
	free_item(item);
	pthread_mutex_unlock(&b->lock);
	return true;
}

bool
bus_memory_step(struct bus *base)
{
	struct memory_bus *b = memory_bus_of(base);

	assert(b->stepped);
	return memory_deliver_one(b);
}

static void *
broker_main(void *arg)
{
	struct memory_bus *b = arg;

	for (;;) {
		while (memory_deliver_one(b))
			;
		pthread_mutex_lock(&b->lock);
		while (!b->first && !b->closing)
			pthread_cond_wait(&b->changed, &b->lock);
		bool done = b->closing;
		pthread_mutex_unlock(&b->lock);
		if (done)
			return NULL;
	}
}

/* ---- publish and request ---- */

static int
check_size(const struct bus_out *out, struct err *err)
{
	if (out->size <= MEMORY_PAYLOAD_MAX)
		return 0;
	return err_set(err, ERR_LIMIT, "message for %s has %zu bytes, the broker takes %d",
	    out->subject, out->size, MEMORY_PAYLOAD_MAX);
}

/* Under the lock.  A publish into a stream that asks for an answer gets its acknowledgement. */
static void
answer_publish(struct memory_bus *b, const struct bus_out *out, struct memory_stream *s,
    const struct bus_ack *ack)
{
	char body[BUS_NAME_BYTES + 64];
	struct bus_out answer = {.subject = out->reply, .data = body};

	if (!out->reply)
		return;
	answer.size =
	    (size_t)snprintf(body, sizeof(body), "{\"stream\":\"%s\",\"seq\":%llu%s}", s->view.name,
		(unsigned long long)ack->stream_seq, ack->duplicate ? ",\"duplicate\":true" : "");
	struct bus_msg view = bus_msg_of(&b->base, &answer);
	memory_deliver_take(b, bus_msg_flat(&b->base, &view, NULL, NULL, 0));
}

/* Under the lock.  How many listen, streams included. */
static unsigned
route(struct memory_bus *b, const struct bus_out *out)
{
	struct bus_header id = {"Nats-Msg-Id", out->msg_id};
	struct bus_msg view = bus_msg_of(&b->base, out);
	struct bus_ack ack;
	struct err refused;
	unsigned n = 0;

	if (strncmp(out->subject, "$JS.ACK.", 8) == 0) {
		memory_consumer_ack(b, &view);
		return 1;
	}
	struct memory_stream *s = memory_stream_for(b, out->subject);
	if (s && memory_stream_store(b, s, &view, out->msg_id, &ack, &refused) == 0)
		answer_publish(b, out, s, &ack);
	if (s)
		n++;
	return n + memory_deliver_take(
		       b, bus_msg_flat(&b->base, &view, out->reply, &id, out->msg_id ? 1 : 0));
}

static int
publish(struct bus *base, const struct bus_out *out, struct err *err)
{
	struct memory_bus *b = memory_bus_of(base);

	if (check_size(out, err))
		return -1;
	pthread_mutex_lock(&b->lock);
	route(b, out);
	pthread_mutex_unlock(&b->lock);
	return 0;
}

struct waiter {
	struct memory_bus *bus;
	struct bus_msg *reply;
};

static void
on_reply(void *arg, const struct bus_msg *m)
{
	struct waiter *w = arg;
	struct bus_msg *copy = bus_msg_copy(m);

	pthread_mutex_lock(&w->bus->lock);
	if (!w->reply)
		w->reply = TAKE(copy);
	pthread_cond_broadcast(&w->bus->changed);
	pthread_mutex_unlock(&w->bus->lock);
	bus_msg_free(copy);
}

/* A stepped broker, or a handler that asks a question, delivers for itself meanwhile. */
static void
wait_for_reply(struct memory_bus *b, struct waiter *w, int timeout_ms)
{
	bool own = b->stepped || pthread_equal(pthread_self(), b->thread);
	int64_t deadline = clock_mono_us(clock_system()) + timeout_ms * MS_US;

	pthread_mutex_lock(&b->lock);
	while (!w->reply && clock_mono_us(clock_system()) < deadline) {
		if (!own) {
			memory_wait(b);
			continue;
		}
		pthread_mutex_unlock(&b->lock);
		bool delivered = memory_deliver_one(b);
		pthread_mutex_lock(&b->lock);
		if (!delivered && b->stepped)
			break;
		if (!delivered && !w->reply)
			memory_wait(b);
	}
	pthread_mutex_unlock(&b->lock);
}

static int
request(struct bus *base, const struct bus_out *out, int timeout_ms, struct bus_msg **ret_reply,
    struct err *err)
{
	struct memory_bus *b = memory_bus_of(base);
	struct waiter w = {.bus = b};
	struct bus_out question = *out;
	struct bus_sub *sub = NULL;
	char inbox[BUS_SUBJECT_BYTES];

	question.reply = bus_new_inbox(base, inbox, sizeof(inbox));
	if (check_size(out, err) || memory_sub_new(base, inbox, NULL, 1, on_reply, &w, &sub, err))
		return -1;
	pthread_mutex_lock(&b->lock);
	unsigned responders = route(b, &question);
	pthread_mutex_unlock(&b->lock);
	if (responders)
		wait_for_reply(b, &w, timeout_ms);
	memory_sub_free(sub);
	if (w.reply) {
		*ret_reply = w.reply;
		return 0;
	}
	if (!responders)
		return err_set(
		    err, ERR_UNAVAILABLE, "request to %s: nobody answers there", out->subject);
	return err_set(
	    err, ERR_TIMEOUT, "request to %s: no answer within %d ms", out->subject, timeout_ms);
}

/* ---- JetStream publishes ---- */

/* Under the lock. */
static int
store(struct memory_bus *b, const struct bus_out *out, struct bus_ack *ret_ack, struct err *err)
{
	struct bus_msg view = bus_msg_of(&b->base, out);
	struct memory_stream *s = memory_stream_for(b, out->subject);

	if (!s)
		return err_set(
		    err, ERR_UNAVAILABLE, "publish to %s: nobody answers there", out->subject);
	if (memory_stream_store(b, s, &view, out->msg_id, ret_ack, err))
		return -1;
	struct bus_header id = {"Nats-Msg-Id", out->msg_id};
	memory_deliver_take(b, bus_msg_flat(&b->base, &view, NULL, &id, out->msg_id ? 1 : 0));
	return 0;
}

static int
js_publish(struct bus *base, const struct bus_out *out, int timeout_ms, struct bus_ack *ret_ack,
    struct err *err)
{
	struct memory_bus *b = memory_bus_of(base);

	(void)timeout_ms;
	if (check_size(out, err))
		return -1;
	pthread_mutex_lock(&b->lock);
	int rc = store(b, out, ret_ack, err);
	pthread_mutex_unlock(&b->lock);
	return rc;
}

static int
js_publish_async(struct bus *base, const struct bus_out *out, bus_ack_handler *handler, void *arg,
    struct err *err)
{
	struct memory_bus *b = memory_bus_of(base);
	struct memory_item *item = calloc(1, sizeof(*item));

	if (!item)
		return err_set(err, ERR_INTERNAL, "no memory");
	if (check_size(out, err)) {
		free(item);
		return -1;
	}
	item->on_ack = handler;
	item->ack_arg = arg;
	pthread_mutex_lock(&b->lock);
	bool full = b->acks_pending >= BUS_PENDING_MAX_DEFAULT;
	if (!full) {
		b->acks_pending++;
		item->failed = store(b, out, &item->ack, &item->err) != 0;
		memory_queue(b, item);
	}
	pthread_mutex_unlock(&b->lock);
	if (!full)
		return 0;
	free(item);
	return err_set(err, ERR_LIMIT, "%d publishes wait for acknowledgement (max_pending)",
	    BUS_PENDING_MAX_DEFAULT);
}

/* ---- life ---- */

static int
wait_connected(struct bus *b, int timeout_ms, struct err *err)
{
	(void)b;
	(void)timeout_ms;
	(void)err;
	return 0;
}

static enum bus_state
state(struct bus *b)
{
	(void)b;
	return BUS_CONNECTED;
}

static int64_t
connected_since_us(struct bus *base)
{
	return memory_bus_of(base)->since_us;
}

static int64_t
rtt_us(struct bus *b)
{
	(void)b;
	return 0;
}

static const char *
server_name(struct bus *b)
{
	(void)b;
	return "memory";
}

static void
connection_id(struct bus *b, char *ret_server_id, uint64_t *ret_client_id)
{
	(void)b;
	ret_server_id[0] = 0;
	*ret_client_id = 0;
}

static uint64_t
max_payload(struct bus *b)
{
	(void)b;
	return MEMORY_PAYLOAD_MAX;
}

static int
flush(struct bus *b, int timeout_ms, struct err *err)
{
	return wait_connected(b, timeout_ms, err);
}

void
bus_memory_wipe(struct bus *base)
{
	struct memory_bus *b = memory_bus_of(base);
	struct memory_item *item, *acks = NULL, **tail = &acks;

	pthread_mutex_lock(&b->lock);
	/* Publishers are told all the same: each exactly once. */
	while ((item = take_item(b))) {
		item->next = NULL;
		if (item->sub) {
			free_item(item);
			continue;
		}
		*tail = item;
		tail = &item->next;
	}
	while ((item = acks)) {
		acks = item->next;
		item->next = NULL;
		memory_queue(b, item);
	}
	memory_stream_free_all(b);
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

static void
memory_bus_free(struct bus *base)
{
	struct memory_bus *b = memory_bus_of(base);

	pthread_mutex_lock(&b->lock);
	b->closing = true;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	if (b->started)
		pthread_join(b->thread, NULL);
	bus_memory_wipe(base);
	while (memory_deliver_one(b)) /* the acknowledgements that are left */
		;
	assert(!b->sub_count); /* unsubscribe first */
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->lock);
	free((void *)b->matched);
	free(b);
}

static const struct bus_ops memory_ops = {
    .free = memory_bus_free,
    .wait_connected = wait_connected,
    .state = state,
    .connected_since_us = connected_since_us,
    .rtt_us = rtt_us,
    .server_name = server_name,
    .connection_id = connection_id,
    .max_payload = max_payload,
    .flush = flush,
    .publish = publish,
    .request = request,
    .subscribe = memory_sub_new,
    .unsubscribe = memory_sub_free,
    .sub_drain = memory_sub_drain,
    .sub_dropped = memory_sub_dropped,
    .js_publish = js_publish,
    .js_publish_async = js_publish_async,
    .stream_get = memory_stream_get,
    .stream_create = memory_stream_create,
    .stream_message = memory_stream_message,
    .stream_delete = memory_stream_delete,
    .consumer_get = memory_consumer_get,
    .consumer_state = memory_consumer_state,
    .consumer_create = memory_consumer_create,
    .pull_bind = memory_pull_bind,
    .pull_free = memory_pull_free,
    .pull_fetch = memory_pull_fetch,
};

struct bus *
bus_memory_new(const struct clock *clock, bool stepped)
{
	struct memory_bus *b = calloc(1, sizeof(*b));
	pthread_condattr_t monotonic;

	if (!b)
		return NULL;
	b->base.ops = &memory_ops;
	strcpy(b->base.inbox_prefix, "_INBOX");
	b->clock = clock;
	b->stepped = stepped;
	b->since_us = memory_now_us(b) > 0 ? memory_now_us(b) : 1;
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&b->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (stepped)
		return &b->base;
	b->started = pthread_create(&b->thread, NULL, broker_main, b) == 0;
	if (b->started)
		return &b->base;
	memory_bus_free(&b->base);
	return NULL;
}
