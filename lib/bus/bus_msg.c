/* Messages: what both implementations hand to handlers. */
#include <stdlib.h>
#include <string.h>

#include "bus_internal.h"

const char *
bus_msg_subject(const struct bus_msg *m)
{
	return m->subject;
}

const char *
bus_msg_reply(const struct bus_msg *m)
{
	return m->reply;
}

const void *
bus_msg_data(const struct bus_msg *m)
{
	return m->data;
}

size_t
bus_msg_size(const struct bus_msg *m)
{
	return m->size;
}

const char *
bus_msg_header(const struct bus_msg *m, const char *name)
{
	if (m->native)
		return m->bus->ops->msg_header(m, name);
	for (size_t i = 0; i < m->header_count; i++) {
		if (strcmp(m->headers[i].name, name) == 0)
			return m->headers[i].value;
	}
	return NULL;
}

static uint64_t
header_number(const struct bus_msg *m, const char *name)
{
	const char *text = bus_msg_header(m, name);

	return text ? strtoull(text, NULL, 10) : 0;
}

uint64_t
bus_msg_stream_seq(const struct bus_msg *m)
{
	struct bus_ack_subject ack;

	if (m->reply && bus_ack_subject_parse(m->reply, &ack))
		return ack.stream_seq;
	return header_number(m, "Nats-Sequence");
}

uint64_t
bus_msg_last_seq(const struct bus_msg *m)
{
	return header_number(m, "Nats-Last-Sequence");
}

uint64_t
bus_msg_delivered(const struct bus_msg *m)
{
	struct bus_ack_subject ack;

	if (m->reply && bus_ack_subject_parse(m->reply, &ack))
		return ack.delivered;
	return 0;
}

int64_t
bus_msg_stored_us(const struct bus_msg *m)
{
	return m->stored_us;
}

struct bus_msg *
bus_msg_copy(const struct bus_msg *m)
{
	if (m->native)
		return m->bus->ops->msg_copy(m);
	return bus_msg_flat(m->bus, m, m->reply, NULL, 0);
}

void
bus_msg_free(struct bus_msg *m)
{
	if (!m)
		return;
	if (m->native)
		m->bus->ops->msg_free(m);
	else
		free(m);
}

static char *
put_text(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	char *start = *at;

	memcpy(start, text, size);
	*at += size;
	return start;
}

static void
put_headers(char **at, struct bus_header *to, const struct bus_header *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		to[i].name = put_text(at, from[i].name);
		to[i].value = put_text(at, from[i].value);
	}
}

static size_t
headers_size(const struct bus_header *headers, size_t n)
{
	size_t size = 0;

	for (size_t i = 0; i < n; i++)
		size += strlen(headers[i].name) + strlen(headers[i].value) + 2;
	return size;
}

struct bus_msg *
bus_msg_flat(struct bus *b, const struct bus_msg *from, const char *reply,
    const struct bus_header *extra, size_t extra_count)
{
	size_t count = from->header_count + extra_count;
	size_t size = sizeof(struct bus_msg) + count * sizeof(struct bus_header) +
		      strlen(from->subject) + 1 + (reply ? strlen(reply) + 1 : 0) +
		      headers_size(from->headers, from->header_count) +
		      headers_size(extra, extra_count) + from->size + 1;
	struct bus_msg *m = calloc(1, size);

	if (!m)
		return NULL;
	struct bus_header *headers = (struct bus_header *)(m + 1);
	char *at = (char *)(headers + count);

	m->bus = b;
	m->headers = headers;
	m->header_count = count;
	put_headers(&at, headers, from->headers, from->header_count);
	put_headers(&at, headers + from->header_count, extra, extra_count);
	m->subject = put_text(&at, from->subject);
	if (reply)
		m->reply = put_text(&at, reply);
	m->data = at; /* followed by a NUL, for those who print it */
	m->size = from->size;
	m->stored_us = from->stored_us;
	if (from->size)
		memcpy(at, from->data, from->size);
	return m;
}

struct bus_msg
bus_msg_of(struct bus *b, const struct bus_out *out)
{
	return (struct bus_msg){.bus = b,
	    .subject = out->subject,
	    .reply = out->reply,
	    .data = out->data,
	    .size = out->size,
	    .headers = out->headers,
	    .header_count = out->header_count};
}
