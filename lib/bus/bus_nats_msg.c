/* Messages of libnats seen as bus messages, and the way back. */
#include <stdlib.h>
#include <string.h>

#include "bus_nats.h"

#define HEADERS_MAX 64

struct bus_msg
nats_msg_view(struct bus *b, natsMsg *native)
{
	return (struct bus_msg){.bus = b,
	    .subject = natsMsg_GetSubject(native),
	    .reply = natsMsg_GetReply(native),
	    .data = natsMsg_GetData(native),
	    .size = (size_t)natsMsg_GetDataLength(native),
	    .native = native};
}

const char *
nats_msg_header(const struct bus_msg *m, const char *name)
{
	const char *value = NULL;

	if (natsMsgHeader_Get(m->native, name, &value) != NATS_OK)
		return NULL;
	return value;
}

struct bus_msg *
nats_msg_copy(const struct bus_msg *m)
{
	struct bus_header headers[HEADERS_MAX];
	struct bus_msg plain = *m;
	const char **keys = NULL;
	int n = 0;

	plain.native = NULL;
	plain.headers = headers;
	plain.header_count = 0;
	if (natsMsgHeader_Keys(m->native, &keys, &n) == NATS_OK) {
		for (int i = 0; i < n && plain.header_count < HEADERS_MAX; i++) {
			const char *value = nats_msg_header(m, keys[i]);

			headers[plain.header_count++] =
			    (struct bus_header){keys[i], value ? value : ""};
		}
	}
	struct bus_msg *copy = bus_msg_flat(m->bus, &plain, m->reply, NULL, 0);
	free((void *)keys);
	return copy;
}

struct bus_msg *
nats_msg_own(struct bus *b, natsMsg *native)
{
	struct bus_msg *m = malloc(sizeof(*m));

	if (m)
		*m = nats_msg_view(b, native);
	return m;
}

/* Empties the pile into an array of the caller's; under its lock. */
static unsigned
pile_take(struct nats_pile *p, natsMsg *msgs[NATS_PILE_MAX])
{
	unsigned n = p->n;

	memcpy(msgs, p->msgs, n * sizeof(*msgs));
	p->n = 0;
	p->bytes = 0;
	return n;
}

void
nats_msg_drop_all(struct nats_bus *b)
{
	natsMsg *msgs[NATS_PILE_MAX];

	pthread_mutex_lock(&b->pile.lock);
	unsigned n = pile_take(&b->pile, msgs);
	pthread_mutex_unlock(&b->pile.lock);
	for (unsigned i = 0; i < n; i++)
		natsMsg_Destroy(msgs[i]);
}

void
nats_msg_drop(struct nats_bus *b, natsMsg *native)
{
	struct nats_pile *p = &b->pile;
	natsMsg *msgs[NATS_PILE_MAX];
	unsigned n = 0;

	pthread_mutex_lock(&p->lock);
	p->msgs[p->n++] = native;
	p->bytes += (size_t)natsMsg_GetDataLength(native);
	if (p->n == NATS_PILE_MAX || p->bytes > NATS_PILE_BYTES_MAX)
		n = pile_take(p, msgs);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < n; i++)
		natsMsg_Destroy(msgs[i]);
}

void
nats_msg_free(struct bus_msg *m)
{
	nats_msg_drop(nats_bus_of(m->bus), m->native);
	free(m);
}

int
nats_msg_make(const struct bus_out *out, const char *reply, natsMsg **ret, struct err *err)
{
	natsMsg *m = NULL;
	natsStatus s = natsMsg_Create(&m, out->subject, reply, out->data, (int)out->size);

	for (size_t i = 0; s == NATS_OK && i < out->header_count; i++)
		s = natsMsgHeader_Set(m, out->headers[i].name, out->headers[i].value);
	if (s == NATS_OK && out->msg_id)
		s = natsMsgHeader_Set(m, "Nats-Msg-Id", out->msg_id);
	if (s != NATS_OK) {
		natsMsg_Destroy(m);
		return nats_bus_error(err, s, "make a message for", out->subject);
	}
	*ret = m;
	return 0;
}

int
nats_msg_status(const struct bus_msg *m)
{
	const char *text = m->size ? NULL : bus_msg_header(m, "Status");

	return text ? (int)strtol(text, NULL, 10) : 0;
}
