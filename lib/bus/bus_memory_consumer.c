/* Durable pull consumers in memory: delivery, acknowledgement, redelivery. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus_memory.h"
#include "clock.h"

/* The server's defaults. */
#define ACK_WAIT_S 30
#define ACK_PENDING_MAX 1000

struct memory_pull {
	struct bus_pull base;
	char stream[BUS_NAME_BYTES], durable[BUS_NAME_BYTES];
};

static struct memory_consumer *
find(struct memory_stream *s, const char *durable)
{
	struct memory_consumer *c = s ? s->consumers : NULL;

	while (c && strcmp(c->durable, durable) != 0)
		c = c->next;
	return c;
}

static struct memory_consumer *
get(struct memory_bus *b, const char *stream, const char *durable,
    struct memory_stream **ret_stream, struct err *err)
{
	struct memory_stream *s = memory_stream_find(b, stream, err);
	struct memory_consumer *c = find(s, durable);

	if (s && !c)
		err_set(err, ERR_NOT_FOUND, "stream %s has no consumer %s", stream, durable);
	*ret_stream = s;
	return c;
}

static void
forget(struct memory_consumer *c, struct memory_unacked *u)
{
	HASH_DEL(c->unacked, u);
	free(u);
}

void
memory_consumer_free_all(struct memory_stream *s)
{
	while (s->consumers) {
		struct memory_consumer *c = s->consumers;
		struct memory_unacked *u, *next;

		HASH_ITER(hh, c->unacked, u, next)
		{
			forget(c, u);
		}
		s->consumers = c->next;
		free(c);
	}
}

/* ---- delivering ---- */

static struct bus_msg *
deliver(struct memory_bus *b, struct memory_stream *s, struct memory_consumer *c,
    struct memory_stored *m, struct memory_unacked *u)
{
	char reply[2 * BUS_NAME_BYTES + 128];
	int64_t now = memory_now_us(b);

	u->delivered++;
	u->due_us = now + c->view.config.ack_wait_s * SECOND_US;
	if (u->due_us < c->next_due_us)
		c->next_due_us = u->due_us;
	snprintf(reply, sizeof(reply),
	    "$JS.ACK.%s.%s.%" PRIu64 ".%" PRIu64 ".%" PRIu64 ".%" PRId64 ".%" PRIu64, s->view.name,
	    c->durable, u->delivered, m->seq, ++c->delivered_count, now * 1000,
	    memory_stream_last_seq(s) - (c->next_seq - 1));
	return bus_msg_flat(&b->base, m->msg, reply, NULL, 0);
}

/* What was not acknowledged in time, or was refused. */
static size_t
redeliver(struct memory_bus *b, struct memory_stream *s, struct memory_consumer *c,
    struct bus_msg **msgs, size_t max)
{
	int64_t now = memory_now_us(b), soonest = INT64_MAX;
	struct memory_unacked *u, *next;
	size_t n = 0;

	if (now < c->next_due_us)
		return 0;
	c->next_due_us = INT64_MAX;
	HASH_ITER(hh, c->unacked, u, next)
	{
		struct memory_stored *m = memory_stream_at(s, u->seq);
		int64_t max_deliver = c->view.config.max_deliver;

		if (u->due_us <= now &&
		    (!m || (max_deliver > 0 && u->delivered >= (uint64_t)max_deliver))) {
			forget(c, u);
			continue;
		}
		if (u->due_us <= now && n < max) {
			msgs[n] = deliver(b, s, c, m, u);
			n += msgs[n] != NULL;
		}
		if (u->due_us < soonest)
			soonest = u->due_us;
	}
	c->next_due_us = soonest;
	return n;
}

static size_t
deliver_new(struct memory_bus *b, struct memory_stream *s, struct memory_consumer *c,
    struct bus_msg **msgs, size_t max)
{
	const struct bus_consumer *config = &c->view.config;
	size_t n = 0;

	for (; n < max && c->next_seq <= memory_stream_last_seq(s) &&
	       HASH_COUNT(c->unacked) < (uint64_t)config->max_ack_pending;
	    c->next_seq++) {
		struct memory_stored *m = memory_stream_at(s, c->next_seq);

		if (!m || (config->filter && !bus_subject_match(config->filter, m->msg->subject)))
			continue;
		struct memory_unacked *u = calloc(1, sizeof(*u));
		if (!u)
			break;
		u->seq = m->seq;
		HASH_ADD(hh, c->unacked, seq, sizeof(u->seq), u);
		msgs[n] = deliver(b, s, c, m, u);
		n += msgs[n] != NULL;
	}
	return n;
}

int
memory_pull_fetch(struct bus_pull *base, unsigned max, int timeout_ms, struct bus_msg **msgs,
    size_t *ret_n, struct err *err)
{
	struct memory_pull *p = (struct memory_pull *)base;
	struct memory_bus *b = memory_bus_of(base->bus);
	int64_t deadline = clock_mono_us(clock_system()) + timeout_ms * MS_US;
	struct memory_stream *s;
	struct memory_consumer *c;
	size_t n = 0;

	pthread_mutex_lock(&b->lock);
	for (;;) {
		c = get(b, p->stream, p->durable, &s, err);
		if (!c)
			break;
		memory_stream_expire(b, s);
		n = redeliver(b, s, c, msgs, max);
		n += deliver_new(b, s, c, msgs + n, max - n);
		if (n || b->stepped || clock_mono_us(clock_system()) >= deadline)
			break;
		memory_wait(b);
	}
	pthread_mutex_unlock(&b->lock);
	*ret_n = n;
	return c ? 0 : -1;
}

/* ---- acknowledging ---- */

static bool
starts_with(const struct bus_msg *m, const char *verb)
{
	return m->size >= strlen(verb) && memcmp(m->data, verb, strlen(verb)) == 0;
}

static int64_t
nak_delay_us(const struct bus_msg *m)
{
	char text[64];
	int64_t ns = 0;

	snprintf(text, sizeof(text), "%.*s", (int)m->size, (const char *)m->data);
	const char *delay = strstr(text, "\"delay\":");
	if (delay)
		ns = strtoll(delay + strlen("\"delay\":"), NULL, 10);
	return ns / 1000;
}

void
memory_consumer_ack(struct memory_bus *b, const struct bus_msg *m)
{
	struct bus_ack_subject ack;
	struct memory_unacked *u = NULL;
	struct memory_stream *s;
	struct err gone;

	if (!bus_ack_subject_parse(m->subject, &ack))
		return;
	struct memory_consumer *c = get(b, ack.stream, ack.consumer, &s, &gone);
	if (c)
		HASH_FIND(hh, c->unacked, &ack.stream_seq, sizeof(ack.stream_seq), u);
	if (!u)
		return; /* acknowledged before, or the stream was wiped: as the server, say nothing
			 */
	if (starts_with(m, "-NAK")) {
		u->due_us = memory_now_us(b) + nak_delay_us(m);
		if (u->due_us < c->next_due_us)
			c->next_due_us = u->due_us;
		pthread_cond_broadcast(&b->changed);
		return;
	}
	forget(c, u);
	struct memory_stored *stored = memory_stream_at(s, ack.stream_seq);
	if (stored && s->view.config.retention == BUS_RETENTION_WORKQUEUE)
		memory_stream_remove(s, stored);
	pthread_cond_broadcast(&b->changed);
}

/* ---- the table of consumers ---- */

int
memory_consumer_get(struct bus *base, const char *stream, const char *durable,
    struct bus_consumer_view *ret, struct err *err)
{
	struct memory_bus *b = memory_bus_of(base);
	struct memory_stream *s;

	pthread_mutex_lock(&b->lock);
	struct memory_consumer *c = get(b, stream, durable, &s, err);
	if (c) {
		*ret = c->view;
		ret->config.filter = c->view.config.filter ? ret->filter : NULL;
	}
	pthread_mutex_unlock(&b->lock);
	return c ? 0 : -1;
}

static bool
waits(const struct memory_consumer *c, const struct memory_stored *m)
{
	const char *filter = c->view.config.filter;

	return m && (!filter || bus_subject_match(filter, m->msg->subject));
}

/* The oldest message it still wants; NULL: none. */
static const struct memory_stored *
state_count(
    struct memory_stream *s, const struct memory_consumer *c, struct bus_consumer_state *ret)
{
	const struct memory_stored *first = NULL;
	const struct memory_unacked *u;

	for (u = c->unacked; u; u = u->hh.next) {
		const struct memory_stored *m = memory_stream_at(s, u->seq);

		ret->unacked++;
		if (m && (!first || m->seq < first->seq))
			first = m;
	}
	for (uint64_t seq = c->next_seq; seq <= memory_stream_last_seq(s); seq++) {
		const struct memory_stored *m = memory_stream_at(s, seq);

		if (!waits(c, m))
			continue;
		ret->waiting++;
		first = first ? first : m;
	}
	return first;
}

int
memory_consumer_state(struct bus *base, const char *stream, const char *durable,
    struct bus_consumer_state *ret, struct err *err)
{
	struct memory_bus *b = memory_bus_of(base);
	struct memory_stream *s;

	*ret = (struct bus_consumer_state){0};
	pthread_mutex_lock(&b->lock);
	struct memory_consumer *c = get(b, stream, durable, &s, err);
	if (c) {
		const struct memory_stored *first = state_count(s, c, ret);

		if (first)
			ret->oldest_us =
			    clock_real_us(b->clock) - (memory_now_us(b) - first->at_us);
	}
	pthread_mutex_unlock(&b->lock);
	return c ? 0 : -1;
}

int
memory_consumer_create(struct bus *base, const struct bus_consumer *want, struct err *err)
{
	struct memory_bus *b = memory_bus_of(base);
	struct memory_consumer *c = calloc(1, sizeof(*c));
	size_t durable_bytes = strlen(want->durable) + 1;
	size_t filter_bytes = want->filter ? strlen(want->filter) + 1 : 0;

	assert(durable_bytes <= sizeof(c->durable) && filter_bytes <= sizeof(c->view.filter));
	if (!c)
		return err_set(err, ERR_INTERNAL, "no memory");
	memcpy(c->durable, want->durable, durable_bytes);
	c->view.config = *want;
	c->view.config.stream = c->view.config.durable = NULL;
	c->view.explicit_ack = true;
	if (want->filter)
		c->view.config.filter = memcpy(c->view.filter, want->filter, filter_bytes);
	if (!want->ack_wait_s)
		c->view.config.ack_wait_s = ACK_WAIT_S;
	if (!want->max_ack_pending)
		c->view.config.max_ack_pending = ACK_PENDING_MAX;
	c->next_seq = 1;
	c->next_due_us = INT64_MAX;
	pthread_mutex_lock(&b->lock);
	struct memory_stream *s = memory_stream_find(b, want->stream, err);
	bool exists = s && find(s, want->durable);
	bool created = s && !exists;
	if (created) {
		c->next = s->consumers;
		s->consumers = c;
	}
	pthread_mutex_unlock(&b->lock);
	if (created)
		return 0;
	free(c);
	if (exists)
		return err_set(
		    err, ERR_CONFLICT, "consumer %s of %s exists", want->durable, want->stream);
	return -1;
}

int
memory_pull_bind(struct bus *base, const char *stream, const char *durable, struct bus_pull **ret,
    struct err *err)
{
	struct bus_consumer_view view;

	if (memory_consumer_get(base, stream, durable, &view, err))
		return -1;
	struct memory_pull *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(err, ERR_INTERNAL, "no memory");
	p->base.bus = base;
	snprintf(p->stream, sizeof(p->stream), "%s", stream);
	snprintf(p->durable, sizeof(p->durable), "%s", durable);
	*ret = &p->base;
	return 0;
}

void
memory_pull_free(struct bus_pull *base)
{
	free(base);
}
