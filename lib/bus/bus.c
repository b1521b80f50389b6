#include "bus.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "bus_internal.h"
#include "err.h"
#include "id.h"

void
bus_free(struct bus *b)
{
	if (b)
		b->ops->free(b);
}

int
bus_wait_connected(struct bus *b, int timeout_ms, struct err *err)
{
	return b->ops->wait_connected(b, timeout_ms, err);
}

enum bus_state
bus_state(struct bus *b)
{
	return b->ops->state(b);
}

int64_t
bus_connected_since_us(struct bus *b)
{
	return b->ops->connected_since_us(b);
}

int64_t
bus_rtt_us(struct bus *b)
{
	return b->ops->rtt_us(b);
}

const char *
bus_server_name(struct bus *b)
{
	return b->ops->server_name(b);
}

void
bus_connection_id(struct bus *b, char ret_server_id[BUS_SERVER_ID_BYTES], uint64_t *ret_client_id)
{
	b->ops->connection_id(b, ret_server_id, ret_client_id);
}

uint64_t
bus_max_payload(struct bus *b)
{
	return b->ops->max_payload(b);
}

char *
bus_refusal(struct bus *b, char *buffer, size_t size)
{
	buffer[0] = '\0';
	return b->ops->refusal ? b->ops->refusal(b, buffer, size) : buffer;
}

int
bus_flush(struct bus *b, int timeout_ms, struct err *err)
{
	return b->ops->flush(b, timeout_ms, err);
}

/* A line break in a header or a space in a subject would be read as protocol by the server. */
static int
check_out(const struct bus_out *out, struct err *err)
{
	if (!out->subject || !bus_subject_valid(out->subject, false))
		return err_field(err, ERR_INVALID, "subject", "not a subject to publish to: '%s'",
		    out->subject ? out->subject : "");
	if (out->reply && !bus_subject_valid(out->reply, false))
		return err_field(
		    err, ERR_INVALID, "reply", "not a reply subject: '%s'", out->reply);
	if (out->msg_id && (!out->msg_id[0] || strpbrk(out->msg_id, "\r\n")))
		return err_field(err, ERR_INVALID, "msg_id", "not a message id");
	for (size_t i = 0; i < out->header_count; i++) {
		const struct bus_header *h = &out->headers[i];

		if (!h->name || !h->name[0] || strpbrk(h->name, ": \r\n"))
			return err_field(err, ERR_INVALID, "headers", "not a header name: '%s'",
			    h->name ? h->name : "");
		if (!h->value || strpbrk(h->value, "\r\n"))
			return err_field(
			    err, ERR_INVALID, "headers", "header %s has a line break", h->name);
	}
	assert(out->data || !out->size);
	return 0;
}

int
bus_publish(struct bus *b, const struct bus_out *out, struct err *err)
{
	if (check_out(out, err))
		return -1;
	return b->ops->publish(b, out, err);
}

int
bus_request(struct bus *b, const struct bus_out *out, int timeout_ms, struct bus_msg **ret_reply,
    struct err *err)
{
	assert(!out->reply);
	if (check_out(out, err))
		return -1;
	return b->ops->request(b, out, timeout_ms, ret_reply, err);
}

int
bus_respond(struct bus *b, const struct bus_msg *m, const struct bus_out *out, struct err *err)
{
	struct bus_out answer = *out;

	answer.subject = bus_msg_reply(m);
	if (!answer.subject)
		return 0;
	return bus_publish(b, &answer, err);
}

char *
bus_new_inbox(struct bus *b, char *buffer, size_t size)
{
	char hex[ID_HEX_BYTES];
	struct id id = id_new();
	int n = snprintf(buffer, size, "%s.%s", b->inbox_prefix, id_to_hex(&id, hex));

	assert(n > 0 && (size_t)n < size);
	(void)n;
	return buffer;
}

int
bus_subscribe(struct bus *b, const char *subject, const char *queue, unsigned pending_max,
    bus_handler *handler, void *arg, struct bus_sub **ret, struct err *err)
{
	assert(handler);
	if (!bus_subject_valid(subject, true))
		return err_field(err, ERR_INVALID, "subject", "not a subject: '%s'", subject);
	if (queue && !bus_subject_valid(queue, false))
		return err_field(err, ERR_INVALID, "queue", "not a queue group: '%s'", queue);
	if (!pending_max)
		pending_max = BUS_SUB_PENDING_DEFAULT;
	return b->ops->subscribe(b, subject, queue, pending_max, handler, arg, ret, err);
}

void
bus_unsubscribe(struct bus_sub *s)
{
	if (s)
		s->bus->ops->unsubscribe(s);
}

int
bus_sub_drain_take(struct bus_sub *s, int timeout_ms, struct err *err)
{
	int r;

	if (!s)
		return 0;
	r = s->bus->ops->sub_drain(s, timeout_ms, err);
	bus_unsubscribe(s);
	return r;
}

uint64_t
bus_sub_dropped(const struct bus_sub *s)
{
	return s->bus->ops->sub_dropped(s);
}

int
bus_js_publish(struct bus *b, const struct bus_out *out, int timeout_ms, struct bus_ack *ret_ack,
    struct err *err)
{
	assert(!out->reply);
	if (check_out(out, err))
		return -1;
	return b->ops->js_publish(b, out, timeout_ms, ret_ack, err);
}

int
bus_js_publish_async(
    struct bus *b, const struct bus_out *out, bus_ack_handler *handler, void *arg, struct err *err)
{
	assert(handler && !out->reply);
	if (check_out(out, err))
		return -1;
	return b->ops->js_publish_async(b, out, handler, arg, err);
}
