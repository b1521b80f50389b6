/* Publish, request, flush. */
#include <stdlib.h>

#include "bus_nats.h"

static int
check_size(natsConnection *nc, const struct bus_out *out, struct err *err)
{
	int64_t max = natsConnection_GetMaxPayload(nc);

	if (max > 0 && out->size > (size_t)max)
		return err_set(err, ERR_LIMIT,
		    "message for %s has %zu bytes, the server takes %lld (max_payload)",
		    out->subject, out->size, (long long)max);
	return 0;
}

int
nats_core_publish(struct bus *base, const struct bus_out *out, struct err *err)
{
	CLEANUP(nats_bus_release) struct nats_conn *c = nats_bus_acquire(nats_bus_of(base), err);
	natsMsg *m = NULL;
	natsStatus s;

	if (!c || check_size(c->nc, out, err))
		return -1;
	if (!out->header_count && !out->msg_id) {
		s = out->reply
			? natsConnection_PublishRequest(
			      c->nc, out->subject, out->reply, out->data, (int)out->size)
			: natsConnection_Publish(c->nc, out->subject, out->data, (int)out->size);
	} else {
		if (nats_msg_make(out, out->reply, &m, err))
			return -1;
		s = natsConnection_PublishMsg(c->nc, m);
		nats_msg_drop(c->bus, m);
	}
	return s == NATS_OK ? 0 : nats_bus_error(err, s, "publish to", out->subject);
}

int
nats_core_request(struct bus *base, const struct bus_out *out, int timeout_ms,
    struct bus_msg **ret_reply, struct err *err)
{
	CLEANUP(nats_bus_release) struct nats_conn *c = nats_bus_acquire(nats_bus_of(base), err);
	natsMsg *m = NULL, *reply = NULL;

	if (!c || check_size(c->nc, out, err) || nats_msg_make(out, NULL, &m, err))
		return -1;
	bool sent = natsConnection_Status(c->nc) == NATS_CONN_STATUS_CONNECTED;
	natsStatus s = natsConnection_RequestMsg(&reply, c->nc, m, timeout_ms);
	nats_msg_drop(c->bus, m);
	if (sent && (s == NATS_CONNECTION_DISCONNECTED || s == NATS_CONNECTION_CLOSED))
		return err_set(err, ERR_TIMEOUT,
		    "request to %s: the connection was lost, the outcome is unknown", out->subject);
	if (s != NATS_OK)
		return nats_bus_error(err, s, "request to", out->subject);
	struct bus_msg *owned = nats_msg_own(base, reply);
	if (!owned) {
		natsMsg_Destroy(reply);
		return err_set(err, ERR_INTERNAL, "no memory");
	}
	*ret_reply = owned;
	return 0;
}

int
nats_core_flush(struct bus *base, int timeout_ms, struct err *err)
{
	CLEANUP(nats_bus_release) struct nats_conn *c = nats_bus_acquire(nats_bus_of(base), err);

	if (!c)
		return -1;
	/* libnats waits for the reconnect otherwise. */
	if (natsConnection_Status(c->nc) != NATS_CONN_STATUS_CONNECTED)
		return err_set(err, ERR_UNAVAILABLE, "flush: not connected to NATS");
	natsStatus s = natsConnection_FlushTimeout(c->nc, timeout_ms);
	return s == NATS_OK ? 0 : nats_bus_error(err, s, "flush", "");
}
