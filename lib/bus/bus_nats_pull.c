/* Pulling from a durable consumer, by hand.
 *
 * A fetch asks twice: first without waiting for what is there, then, if that is nothing, for one
 * message with an expiry, and again without waiting for those that came with it.  So no request is
 * outstanding when it returns, and no other reader starves on messages that lie here unread.  What
 * comes late anyway is in the inbox for the next fetch: nothing that was delivered is dropped.
 *
 * One thread at a time per pull. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_nats.h"
#include "clock.h"

#define CHUNK_MS 100 /* how long a closing bus or a lost connection may go unnoticed */
#define NO_WAIT_ANSWER_MS 2000
#define REST_ANSWER_MS 200
#define FLUSH_MS 100
#define EXPIRE_EARLY_MS 10 /* the server lets go before the client stops listening */

struct nats_pull {
	struct bus_pull base;
	char stream[BUS_NAME_BYTES], durable[BUS_NAME_BYTES];
	char inbox[BUS_INBOX_PREFIX_BYTES + 64];
	char request_subject[BUS_SUBJECT_BYTES + 64];
	struct nats_conn *conn; /* a reference: where sub lives */
	natsSubscription *sub;
	unsigned requests; /* the last token of the inbox of the newest request */
};

struct batch {
	struct bus_msg **msgs;
	size_t n, max;
};

/* What ended a request. */
enum ending {
	END_FULL,    /* all it asked for */
	END_EMPTY,   /* the server has no more, or let it expire */
	END_TIMEOUT, /* no word from the server in time */
	END_ERROR,
};

static int64_t
now_ms(void)
{
	return clock_mono_us(clock_system()) / MS_US;
}

static void
drop_sub(struct nats_pull *p)
{
	if (!p->conn)
		return;
	natsSubscription_Destroy(p->sub);
	p->sub = NULL;
	nats_bus_release(TAKE(p->conn));
}

/* The inbox, on the connection of today. */
static int
prepare(struct nats_pull *p, struct err *err)
{
	CLEANUP(nats_bus_release)
	struct nats_conn *c = nats_bus_acquire(nats_bus_of(p->base.bus), err);
	char pattern[sizeof(p->inbox) + 2];

	if (!c)
		return -1;
	if (p->conn == c)
		return 0;
	drop_sub(p);
	snprintf(pattern, sizeof(pattern), "%s.*", p->inbox);
	natsStatus s = natsConnection_SubscribeSync(&p->sub, c->nc, pattern);
	if (s != NATS_OK)
		return nats_bus_error(err, s, "subscribe to", pattern);
	natsSubscription_SetPendingLimits(p->sub, -1, -1); /* bounded by max of each fetch */
	p->conn = TAKE(c);
	return 0;
}

static int
ask(struct nats_pull *p, size_t batch, bool no_wait, int64_t expires_ms, struct err *err)
{
	char body[128], reply[sizeof(p->inbox) + 16];
	int n;

	if (no_wait)
		n = snprintf(body, sizeof(body), "{\"batch\":%zu,\"no_wait\":true}", batch);
	else
		n = snprintf(body, sizeof(body), "{\"batch\":%zu,\"expires\":%" PRId64 "}", batch,
		    expires_ms * 1000000);
	snprintf(reply, sizeof(reply), "%s.%u", p->inbox, ++p->requests);
	natsStatus s =
	    natsConnection_PublishRequest(p->conn->nc, p->request_subject, reply, body, n);
	/* Somebody waits for the answer: not for the flusher thread's millisecond as well.  Without
	 * a pong the request is on its way all the same. */
	if (s == NATS_OK && nats_bus_of(p->base.bus)->lazy_flush)
		(void)natsConnection_FlushTimeout(p->conn->nc, FLUSH_MS);
	return s == NATS_OK ? 0 : nats_bus_error(err, s, "pull from", p->stream);
}

static bool
is_newest(const struct nats_pull *p, const struct bus_msg *m)
{
	const char *token = strrchr(m->subject, '.');

	return token && strtoul(token + 1, NULL, 10) == p->requests;
}

/* Nobody listens for this consumer: it is gone, or its leader is away. */
static int
explain_silence(struct nats_pull *p, struct err *err)
{
	struct bus_consumer_view view;

	if (nats_js_consumer_get(p->base.bus, p->stream, p->durable, &view, err))
		return -1;
	return err_set(
	    err, ERR_UNAVAILABLE, "consumer %s of %s has no leader", p->durable, p->stream);
}

static enum ending
read_status(struct nats_pull *p, const struct bus_msg *m, int status, struct err *err)
{
	const char *text = bus_msg_header(m, "Description");

	if (!text)
		text = "";
	if (status == 404 || status == 408)
		return END_EMPTY;
	if (strcasestr(text, "consumer deleted")) {
		err_set(err, ERR_NOT_FOUND, "consumer %s of %s was deleted", p->durable, p->stream);
		return END_ERROR;
	}
	if (strcasestr(text, "maxackpending"))
		return END_EMPTY;
	if (strcasestr(text, "leadership") || strcasestr(text, "shutdown")) {
		err_set(err, ERR_UNAVAILABLE, "consumer %s of %s: %s", p->durable, p->stream, text);
		return END_ERROR;
	}
	err_set(err, ERR_LIMIT, "consumer %s of %s: %d %s", p->durable, p->stream, status, text);
	return END_ERROR;
}

/* One more message into the batch, or what its status says.  END_TIMEOUT: go on. */
static enum ending
take_in(struct nats_pull *p, natsMsg *native, struct batch *batch, struct err *err)
{
	struct bus_msg view = nats_msg_view(p->base.bus, native);
	int status = nats_msg_status(&view);
	enum ending end = END_TIMEOUT;

	if (status == 0) {
		struct bus_msg *m = nats_msg_own(p->base.bus, native);

		if (m) {
			batch->msgs[batch->n++] = m;
			return END_TIMEOUT;
		}
		err_set(err, ERR_INTERNAL, "no memory");
		end = END_ERROR; /* it is delivered again after its ack wait */
	} else if (status != 100 && is_newest(p, &view)) {
		end = read_status(p, &view, status, err);
	}
	natsMsg_Destroy(native);
	return end;
}

/* Until the batch is full, the request has ended, or deadline_ms; at least what is in the inbox. */
static enum ending
collect(struct nats_pull *p, struct batch *batch, int64_t deadline_ms, struct err *err)
{
	while (batch->n < batch->max) {
		int64_t left = deadline_ms - now_ms();
		natsMsg *native = NULL;

		/* libnats may wake up early by some milliseconds: our clock decides. */
		natsStatus s = natsSubscription_NextMsg(&native, p->sub,
		    left > CHUNK_MS ? CHUNK_MS
		    : left > 0      ? left
				    : 0);
		if (s == NATS_OK) {
			enum ending end = take_in(p, native, batch, err);

			if (end != END_TIMEOUT)
				return end;
			continue;
		}
		if (s == NATS_NO_RESPONDERS) { /* how libnats reports status 503 here */
			explain_silence(p, err);
			return END_ERROR;
		}
		if (s != NATS_TIMEOUT) {
			nats_bus_error(err, s, "pull from", p->stream);
			return END_ERROR;
		}
		if (left <= 0)
			return END_TIMEOUT;
		if (natsConnection_Status(p->conn->nc) != NATS_CONN_STATUS_CONNECTED) {
			err_set(err, ERR_UNAVAILABLE, "pull from %s: disconnected", p->stream);
			return END_ERROR;
		}
	}
	return END_FULL;
}

/* At most this many: a second look at a smaller batch, which must not fill the rest of it. */
static enum ending
wait_for_one(struct nats_pull *p, struct batch *batch, int64_t deadline_ms, struct err *err)
{
	int64_t expires = deadline_ms - now_ms() - EXPIRE_EARLY_MS;
	struct batch one = {.msgs = batch->msgs, .max = 1};

	if (ask(p, 1, false, expires > 1 ? expires : 1, err))
		return END_ERROR;
	enum ending end = collect(p, &one, deadline_ms, err);
	batch->n = one.n;
	return end;
}

static enum ending
fetch(struct nats_pull *p, struct batch *batch, int timeout_ms, struct err *err)
{
	int64_t deadline = now_ms() + timeout_ms;
	int64_t answer_by = now_ms() + NO_WAIT_ANSWER_MS;

	collect(p, batch, 0, err); /* what came after the last fetch had returned */
	if (batch->n)
		return END_FULL;
	if (ask(p, batch->max, true, 0, err))
		return END_ERROR;
	enum ending end = collect(p, batch, answer_by < deadline ? answer_by : deadline, err);
	if (batch->n || end != END_EMPTY || now_ms() >= deadline)
		return end;
	end = wait_for_one(p, batch, deadline, err);
	if (!batch->n || batch->max == 1)
		return end;
	if (ask(p, batch->max - batch->n, true, 0, err))
		return END_ERROR;
	return collect(p, batch, now_ms() + REST_ANSWER_MS, err);
}

int
nats_pull_fetch(struct bus_pull *base, unsigned max, int timeout_ms, struct bus_msg **msgs,
    size_t *ret_n, struct err *err)
{
	struct nats_pull *p = (struct nats_pull *)base;
	struct batch batch = {.msgs = msgs, .max = max};

	if (prepare(p, err))
		return -1;
	enum ending end = fetch(p, &batch, timeout_ms, err);
	/* Messages win over an error: that will be seen again. */
	if (end == END_ERROR && !batch.n)
		return -1;
	*ret_n = batch.n;
	return 0;
}

int
nats_pull_bind(struct bus *base, const char *stream, const char *durable, struct bus_pull **ret,
    struct err *err)
{
	struct bus_consumer_view view;

	if (nats_js_consumer_get(base, stream, durable, &view, err))
		return -1;
	struct nats_pull *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(err, ERR_INTERNAL, "no memory");
	p->base.bus = base;
	snprintf(p->stream, sizeof(p->stream), "%s", stream);
	snprintf(p->durable, sizeof(p->durable), "%s", durable);
	bus_new_inbox(base, p->inbox, sizeof(p->inbox));
	snprintf(p->request_subject, sizeof(p->request_subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s",
	    stream, durable);
	*ret = &p->base;
	return 0;
}

void
nats_pull_free(struct bus_pull *base)
{
	struct nats_pull *p = (struct nats_pull *)base;

	drop_sub(p);
	free(p);
}
