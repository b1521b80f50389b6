/* JetStream publishes.  The asynchronous ones are a table of slots and one inbox for all answers:
 * a slot is taken exactly once, by the answer, by its deadline, or by the end of the bus, and
 * whoever takes it calls the handler. */
#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_nats.h"
#include "clock.h"

#define NO_SLOT (-1)
#define ACK_SUB_ROOM 64 /* beyond the window: answers that come after their deadline */

/* ---- slots, under pending_lock ---- */

static int
slot_take_free(struct nats_bus *b)
{
	int slot = b->pending_free;

	if (slot == NO_SLOT)
		return NO_SLOT;
	struct nats_pending *p = &b->pending[slot];
	b->pending_free = p->next;
	p->next = NO_SLOT;
	p->prev = b->pending_last;
	if (p->prev == NO_SLOT)
		b->pending_first = slot;
	else
		b->pending[p->prev].next = slot;
	b->pending_last = slot;
	return slot;
}

/* What was in the slot; its handler is NULL when somebody else took it first. */
static struct nats_pending
slot_finish(struct nats_bus *b, int slot, uint32_t generation)
{
	struct nats_pending *p = &b->pending[slot];
	struct nats_pending was = *p;

	if (!p->handler || p->generation != generation)
		return (struct nats_pending){.handler = NULL};
	if (p->prev == NO_SLOT)
		b->pending_first = p->next;
	else
		b->pending[p->prev].next = p->next;
	if (p->next == NO_SLOT)
		b->pending_last = p->prev;
	else
		b->pending[p->next].prev = p->prev;
	p->handler = NULL;
	p->generation++;
	p->next = b->pending_free;
	b->pending_free = slot;
	return was;
}

/* ---- answers ---- */

static int
parse_ack(const struct bus_msg *m, const char *subject, struct bus_ack *ret, struct err *err)
{
	json_error_t syntax;

	if (nats_msg_status(m) == 503)
		return nats_bus_error(err, NATS_NO_RESPONDERS, "publish to", subject);
	json_t *ack = json_loadb(bus_msg_data(m), bus_msg_size(m), 0, &syntax);
	if (!ack || !json_is_object(ack)) {
		json_decref(ack);
		return err_set(
		    err, ERR_INTERNAL, "publish to %s: what answered is not a stream", subject);
	}
	int rc = nats_api_check(ack, subject, NULL, err);
	if (!rc && !json_is_integer(json_object_get(ack, "seq")))
		rc = err_set(
		    err, ERR_INTERNAL, "publish to %s: the answer has no sequence", subject);
	if (!rc) {
		ret->stream_seq = (uint64_t)json_integer_value(json_object_get(ack, "seq"));
		ret->duplicate = json_is_true(json_object_get(ack, "duplicate"));
	}
	json_decref(ack);
	return rc;
}

/* <slot>-<generation>, both hexadecimal, as publish wrote it. */
static bool
parse_token(const char *text, unsigned slots, uint32_t *ret_slot, uint32_t *ret_generation)
{
	char *end;
	unsigned long slot = strtoul(text, &end, 16);

	if (end == text || *end != '-' || slot >= slots)
		return false;
	text = end + 1;
	unsigned long generation = strtoul(text, &end, 16);
	if (end == text || *end || generation > UINT32_MAX)
		return false;
	*ret_slot = (uint32_t)slot;
	*ret_generation = (uint32_t)generation;
	return true;
}

static void
on_ack(void *arg, const struct bus_msg *m)
{
	struct nats_bus *b = arg;
	const char *token = strrchr(m->subject, '.');
	struct bus_ack ack = {0};
	uint32_t slot, generation;
	struct err err;

	if (!token || !parse_token(token + 1, b->pending_max, &slot, &generation))
		return;
	pthread_mutex_lock(&b->pending_lock);
	struct nats_pending p = slot_finish(b, (int)slot, generation);
	pthread_mutex_unlock(&b->pending_lock);
	if (!p.handler)
		return;
	if (parse_ack(m, "a stream", &ack, &err))
		p.handler(p.arg, NULL, &err);
	else
		p.handler(p.arg, &ack, NULL);
}

int64_t
nats_publish_expire(struct nats_bus *b, int64_t now_us)
{
	for (;;) {
		struct err err;

		pthread_mutex_lock(&b->pending_lock);
		int slot = b->pending_first;
		if (slot == NO_SLOT || b->pending[slot].deadline_us > now_us) {
			int64_t next = slot == NO_SLOT ? INT64_MAX : b->pending[slot].deadline_us;
			pthread_mutex_unlock(&b->pending_lock);
			return next;
		}
		struct nats_pending p = slot_finish(b, slot, b->pending[slot].generation);
		pthread_mutex_unlock(&b->pending_lock);
		assert(p.handler); /* what is in the list waits */
		err_set(&err, ERR_TIMEOUT,
		    "no stream acknowledged within %d ms, the outcome is unknown", BUS_ACK_WAIT_MS);
		p.handler(p.arg, NULL, &err);
	}
}

/* ---- life ---- */

int
nats_publish_init(struct nats_bus *b, unsigned pending_max, struct err *err)
{
	char inbox[BUS_SUBJECT_BYTES - 32], pattern[BUS_SUBJECT_BYTES];

	b->pending_max = pending_max ? pending_max : BUS_PENDING_MAX_DEFAULT;
	b->pending = calloc(b->pending_max, sizeof(*b->pending));
	if (!b->pending)
		return err_set(err, ERR_INTERNAL, "no memory");
	for (unsigned i = 0; i < b->pending_max; i++)
		b->pending[i].next = i + 1 < b->pending_max ? (int)i + 1 : NO_SLOT;
	b->pending_first = b->pending_last = NO_SLOT;
	snprintf(b->ack_inbox, sizeof(b->ack_inbox), "%s",
	    bus_new_inbox(&b->base, inbox, sizeof(inbox)));
	snprintf(pattern, sizeof(pattern), "%s.*", inbox);
	return nats_sub_new(
	    &b->base, pattern, NULL, b->pending_max + ACK_SUB_ROOM, on_ack, b, &b->ack_sub, err);
}

void
nats_publish_done(struct nats_bus *b)
{
	nats_sub_free(b->ack_sub);
	b->ack_sub = NULL;
	for (;;) {
		struct err err;

		pthread_mutex_lock(&b->pending_lock);
		int slot = b->pending_first;
		struct nats_pending p = {.handler = NULL};
		if (slot != NO_SLOT)
			p = slot_finish(b, slot, b->pending[slot].generation);
		pthread_mutex_unlock(&b->pending_lock);
		if (!p.handler)
			return;
		err_set(&err, ERR_TIMEOUT, "the bus was closed, the outcome is unknown");
		p.handler(p.arg, NULL, &err);
	}
}

/* ---- publishing ---- */

int
nats_publish_sync(struct bus *base, const struct bus_out *out, int timeout_ms,
    struct bus_ack *ret_ack, struct err *err)
{
	CLEANUP(bus_msg_free) struct bus_msg *answer = NULL;
	struct bus_ack ack = {0};

	if (nats_core_request(base, out, timeout_ms, &answer, err) ||
	    parse_ack(answer, out->subject, &ack, err))
		return -1;
	*ret_ack = ack;
	return 0;
}

int
nats_publish_async(struct bus *base, const struct bus_out *out, bus_ack_handler *handler, void *arg,
    struct err *err)
{
	struct nats_bus *b = nats_bus_of(base);
	struct bus_out message = *out;
	char reply[BUS_SUBJECT_BYTES + 32];

	pthread_mutex_lock(&b->pending_lock);
	int slot = slot_take_free(b);
	if (slot == NO_SLOT) {
		pthread_mutex_unlock(&b->pending_lock);
		return err_set(err, ERR_LIMIT,
		    "%u publishes wait for acknowledgement (max_pending)", b->pending_max);
	}
	bool first = b->pending_first == slot;
	struct nats_pending *p = &b->pending[slot];
	uint32_t generation = p->generation;
	p->handler = handler;
	p->arg = arg;
	p->deadline_us = clock_mono_us(clock_system()) + BUS_ACK_WAIT_MS * MS_US;
	pthread_mutex_unlock(&b->pending_lock);
	if (first)
		nats_bus_wake(b); /* the keeper had no deadline to wait for */

	snprintf(reply, sizeof(reply), "%s.%x-%" PRIx32, b->ack_inbox, (unsigned)slot, generation);
	message.reply = reply;
	if (nats_core_publish(base, &message, err) == 0)
		return 0;
	pthread_mutex_lock(&b->pending_lock);
	struct nats_pending mine = slot_finish(b, slot, generation);
	pthread_mutex_unlock(&b->pending_lock);
	/* Taken meanwhile by its deadline: then the handler has been told, and that once is all. */
	return mine.handler ? -1 : 0;
}
