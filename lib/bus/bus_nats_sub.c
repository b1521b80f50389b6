/* Subscriptions that outlive connections.
 *
 * Handlers run on a small pool of libnats' threads.  `running` is held around each call, which is
 * how nats_sub_free can promise that the handler is not running any more. */
#include <stdlib.h>
#include <string.h>

#include "bus_bounds.h"
#include "bus_nats.h"

static void
unref(struct nats_sub *s)
{
	if (atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&s->running);
	free(s->subject);
	free(s->queue);
	free(s);
}

static void
on_message(natsConnection *nc, natsSubscription *native, natsMsg *msg, void *closure)
{
	struct nats_sub *s = closure;

	(void)nc;
	(void)native;
	pthread_mutex_lock(&s->running);
	if (!s->dead) {
		struct bus_msg view = nats_msg_view(s->base.bus, msg);

		s->handler(s->arg, &view);
	}
	/* Of a dead one the bus may be gone too. */
	if (!s->dead)
		nats_msg_drop(nats_bus_of(s->base.bus), TAKE(msg));
	pthread_mutex_unlock(&s->running);
	natsMsg_Destroy(msg);
}

static void
on_complete(void *closure)
{
	unref(closure);
}

/* Under subs_lock. */
static void
detach(struct nats_sub *s)
{
	int64_t dropped = 0;

	if (!s->native)
		return;
	if (natsSubscription_GetDropped(s->native, &dropped) == NATS_OK && dropped > 0)
		s->dropped_before += (uint64_t)dropped;
	natsSubscription_Unsubscribe(s->native);
	natsSubscription_Destroy(s->native);
	s->native = NULL;
	s->conn = NULL;
}

/* Under subs_lock. */
static int
attach(struct nats_sub *s, struct nats_conn *c, struct err *err)
{
	natsStatus status;

	if (s->queue)
		status = natsConnection_QueueSubscribe(
		    &s->native, c->nc, s->subject, s->queue, on_message, s);
	else
		status = natsConnection_Subscribe(&s->native, c->nc, s->subject, on_message, s);
	if (status != NATS_OK)
		return nats_bus_error(err, status, "subscribe to", s->subject);
	s->conn = c;
	natsSubscription_SetPendingLimits(s->native, (int)s->pending_max, PENDING_BYTES_MAX);
	atomic_fetch_add(&s->refs, 1);
	status = natsSubscription_SetOnCompleteCB(s->native, on_complete, s);
	if (status == NATS_OK)
		return 0;
	/* The connection was closed meanwhile.  Whether a call of on_message is still under way is
	 * not known, so this reference is never dropped: a lost record, not a freed one in use. */
	detach(s);
	return nats_bus_error(err, status, "subscribe to", s->subject);
}

static struct nats_sub *
make(struct bus *base, const char *subject, const char *queue, unsigned pending_max,
    bus_handler *handler, void *arg)
{
	struct nats_sub *s = calloc(1, sizeof(*s));
	pthread_mutexattr_t recursive;

	if (!s)
		return NULL;
	s->subject = strdup(subject);
	s->queue = queue ? strdup(queue) : NULL;
	if (!s->subject || (queue && !s->queue)) {
		free(s->subject);
		free(s->queue);
		free(s);
		return NULL;
	}
	s->base.bus = base;
	s->pending_max = pending_max;
	s->handler = handler;
	s->arg = arg;
	atomic_init(&s->refs, 1);
	/* Recursive: a handler may end its own subscription. */
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&s->running, &recursive);
	pthread_mutexattr_destroy(&recursive);
	return s;
}

static void
unlink_sub(struct nats_bus *b, struct nats_sub *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		b->subs = s->next;
	if (s->next)
		s->next->prev = s->prev;
}

int
nats_sub_new(struct bus *base, const char *subject, const char *queue, unsigned pending_max,
    bus_handler *handler, void *arg, struct bus_sub **ret, struct err *err)
{
	struct nats_bus *b = nats_bus_of(base);
	struct nats_sub *s = make(base, subject, queue, pending_max, handler, arg);
	struct err not_connected;
	int rc = 0;

	if (!s)
		return err_set(err, ERR_INTERNAL, "no memory");
	pthread_mutex_lock(&b->subs_lock);
	s->next = b->subs;
	if (s->next)
		s->next->prev = s;
	b->subs = s;
	/* Without a connection it begins to work with the next one. */
	struct nats_conn *c = nats_bus_acquire(b, &not_connected);
	if (c) {
		rc = attach(s, c, err);
		if (rc && err->kind == ERR_UNAVAILABLE)
			rc = 0;
	}
	if (rc)
		unlink_sub(b, s);
	pthread_mutex_unlock(&b->subs_lock);
	if (c)
		nats_bus_release(c);
	if (rc) {
		unref(s);
		return -1;
	}
	*ret = &s->base;
	return 0;
}

int
nats_sub_restore(struct nats_bus *b, struct nats_conn *c, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&b->subs_lock);
	for (struct nats_sub *s = b->subs; s && !rc; s = s->next) {
		if (s->draining || (s->native && s->conn == c))
			continue;
		detach(s);
		rc = attach(s, c, err);
	}
	pthread_mutex_unlock(&b->subs_lock);
	return rc;
}

void
nats_sub_free(struct bus_sub *base)
{
	struct nats_sub *s = (struct nats_sub *)base;
	struct nats_bus *b = nats_bus_of(base->bus);

	pthread_mutex_lock(&b->subs_lock);
	unlink_sub(b, s);
	detach(s);
	pthread_mutex_unlock(&b->subs_lock);
	pthread_mutex_lock(&s->running);
	s->dead = true;
	pthread_mutex_unlock(&s->running);
	unref(s);
}

/* Nobody else ends this subscription, so it is there without the lock while libnats waits; a lost
 * connection ends the wait, and what it had not delivered is asked again elsewhere. */
int
nats_sub_drain(struct bus_sub *base, int timeout_ms, struct err *err)
{
	struct nats_sub *s = (struct nats_sub *)base;
	struct nats_bus *b = nats_bus_of(base->bus);
	natsStatus status = NATS_OK;
	natsSubscription *native;

	pthread_mutex_lock(&b->subs_lock);
	s->draining = true;
	native = s->native;
	if (native)
		status = natsSubscription_DrainTimeout(native, timeout_ms);
	pthread_mutex_unlock(&b->subs_lock);
	if (native && status == NATS_OK)
		status = natsSubscription_WaitForDrainCompletion(native, timeout_ms);
	if (status == NATS_OK || status == NATS_INVALID_SUBSCRIPTION ||
	    status == NATS_CONNECTION_CLOSED)
		return 0;
	return nats_bus_error(err, status, "drain", s->subject);
}

uint64_t
nats_sub_dropped(const struct bus_sub *base)
{
	const struct nats_sub *s = (const struct nats_sub *)base;
	struct nats_bus *b = nats_bus_of(base->bus);
	int64_t dropped = 0;

	pthread_mutex_lock(&b->subs_lock);
	if (s->native && natsSubscription_GetDropped(s->native, &dropped) != NATS_OK)
		dropped = 0;
	uint64_t sum = s->dropped_before + (uint64_t)dropped;
	pthread_mutex_unlock(&b->subs_lock);
	return sum;
}
