/* The keeper: the thread that connects, rebuilds a connection that libnats closed for good, times
 * out asynchronous publishes, and measures the round trip; and the callbacks that tell it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_bounds.h"
#include "bus_nats.h"
#include "clock.h"
#include "log.h"

#define STABLE_US (60 * SECOND_US)
#define PING_EVERY_US (20 * SECOND_US)
#define PING_TIMEOUT_MS 1000

static int64_t
now_us(void)
{
	return clock_mono_us(clock_system());
}

/* Under lock.  Full jitter: anything from the minimum up to a ceiling that doubles. */
static int64_t
backoff_ms(struct nats_bus *b)
{
	int64_t ceiling = BACKOFF_MAX_MS;

	if (b->attempts < 5)
		ceiling = (int64_t)(2 * BACKOFF_MIN_MS) << b->attempts;
	b->attempts++;
	return BACKOFF_MIN_MS + arc4random_uniform((uint32_t)(ceiling - BACKOFF_MIN_MS + 1));
}

/* Under lock: a connection that lasted a minute earns a fresh start. */
static void
note_break(struct nats_bus *b)
{
	if (b->since_us && now_us() - b->since_us >= STABLE_US)
		b->attempts = 0;
	b->since_us = 0;
	b->rtt_us = 0;
}

/* Under lock.  Names are kept until the bus is freed, because callers hold pointers to them; there
 * are no more of them than servers. */
static void
note_server(struct nats_bus *b, natsConnection *nc)
{
	char url[NATS_TEXT_BYTES] = "";

	b->client_id = 0;
	if (natsConnection_GetConnectedServerId(nc, b->server_id, sizeof(b->server_id)) !=
		NATS_OK ||
	    natsConnection_GetClientID(nc, &b->client_id) != NATS_OK)
		b->server_id[0] = 0;
	if (natsConnection_GetConnectedUrl(nc, url, sizeof(url)) != NATS_OK)
		return;
	for (struct nats_server_name *n = b->names; n; n = n->next) {
		if (strcmp(n->name, url) == 0) {
			b->server_name = n->name;
			return;
		}
	}
	size_t bytes = strlen(url) + 1;
	struct nats_server_name *n = malloc(sizeof(*n) + bytes);
	if (!n)
		return;
	memcpy(n->name, url, bytes);
	n->next = b->names;
	b->names = n;
	b->server_name = n->name;
}

/* Tells the owner, if the state is another one.  No lock is held. */
static void
state_set(struct nats_bus *b, enum bus_state state, const char *why)
{
	pthread_mutex_lock(&b->notify_lock);
	pthread_mutex_lock(&b->lock);
	bool changed = b->state != state;
	if (state == BUS_CONNECTED) {
		b->since_us = now_us();
		b->ping_at_us = 0;
		b->why[0] = 0;
		b->denied = false;
	} else {
		note_break(b);
		if (why && why[0])
			snprintf(b->why, sizeof(b->why), "%s", why);
	}
	b->state = state;
	bool closing = b->closing;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	if (changed && !closing && b->on_state)
		b->on_state(b->on_state_arg, state, why ? why : "");
	pthread_mutex_unlock(&b->notify_lock);
}

/* ---- callbacks of libnats, all from one thread of it; closure is the struct nats_conn ---- */

static natsStatus
read_error(natsConnection *nc, char *text, size_t size)
{
	text[0] = 0;
	natsStatus s = natsConnection_ReadLastError(nc, text, size);
	if (!text[0])
		snprintf(text, size, "%s",
		    s == NATS_OK ? "the connection was lost" : natsStatus_GetText(s));
	return s;
}

static void
on_down(natsConnection *nc, void *closure)
{
	struct nats_conn *c = closure;
	struct nats_bus *b = c->bus;
	char why[NATS_TEXT_BYTES];

	read_error(nc, why, sizeof(why));
	pthread_mutex_lock(&b->lock);
	c->down = true;
	bool current = b->conn == c && b->ready;
	pthread_mutex_unlock(&b->lock);
	if (current)
		state_set(b, BUS_DISCONNECTED, why);
}

static void
on_up(natsConnection *nc, void *closure)
{
	struct nats_conn *c = closure;
	struct nats_bus *b = c->bus;

	pthread_mutex_lock(&b->lock);
	c->down = false;
	bool current = b->conn == c && b->ready;
	if (current)
		note_server(b, nc);
	pthread_mutex_unlock(&b->lock);
	if (current)
		state_set(b, BUS_CONNECTED, "");
}

static void
on_closed(natsConnection *nc, void *closure)
{
	struct nats_conn *c = closure;
	struct nats_bus *b = c->bus;
	char why[NATS_TEXT_BYTES];

	natsStatus last = read_error(nc, why, sizeof(why));
	pthread_mutex_lock(&b->lock);
	c->closed = true;
	bool current = b->conn == c && b->ready && !b->closing;
	if (current) {
		/* Destroying it here, on libnats' own thread, would be too early: the keeper does.
		 */
		note_break(b);
		b->ready = false;
		b->denied = last == NATS_CONNECTION_AUTH_FAILED;
		b->connect_wanted = true;
		b->connect_at_us = now_us() + backoff_ms(b) * MS_US;
	}
	pthread_mutex_unlock(&b->lock);
	if (current)
		state_set(b, BUS_DISCONNECTED, why);
	nats_bus_release(c);
}

static void
on_error(natsConnection *nc, natsSubscription *sub, natsStatus e, void *closure)
{
	/* Without a handler libnats prints to stderr.  Slow consumers are counted where they are
	 * (bus_sub_dropped); the rest is remembered as the reason of what will be noticed soon. */
	struct nats_conn *c = closure;
	struct nats_bus *b = c->bus;
	char why[NATS_TEXT_BYTES];

	(void)sub;
	if (e == NATS_SLOW_CONSUMER)
		return;
	read_error(nc, why, sizeof(why));
	log_debug("bus.error", LOG_STR("status", natsStatus_GetText(e)), LOG_STR("why", why));
	pthread_mutex_lock(&b->lock);
	snprintf(b->why, sizeof(b->why), "%s", why);
	pthread_mutex_unlock(&b->lock);
}

static int64_t
reconnect_delay(natsConnection *nc, int attempts, void *closure)
{
	struct nats_conn *c = closure;
	struct nats_bus *b = c->bus;

	(void)nc;
	(void)attempts; /* counts from zero each time; ours remembers connections that flap */
	pthread_mutex_lock(&b->lock);
	int64_t delay = backoff_ms(b);
	pthread_mutex_unlock(&b->lock);
	return delay;
}

/* ---- connecting ---- */

static natsStatus
set_callbacks(struct nats_bus *b, struct nats_conn *c)
{
	natsOptions *o = b->options;
	natsStatus s = natsOptions_SetDisconnectedCB(o, on_down, c);

	if (s == NATS_OK)
		s = natsOptions_SetReconnectedCB(o, on_up, c);
	if (s == NATS_OK)
		s = natsOptions_SetClosedCB(o, on_closed, c);
	if (s == NATS_OK)
		s = natsOptions_SetErrorHandler(o, on_error, c);
	if (s == NATS_OK)
		s = natsOptions_SetCustomReconnectDelay(o, reconnect_delay, c);
	return s;
}

static void
connect_failed(struct nats_bus *b, natsStatus s)
{
	const char *last = nats_GetLastError(NULL);
	bool denied = s == NATS_CONNECTION_AUTH_FAILED;
	char why[NATS_TEXT_BYTES];

	snprintf(why, sizeof(why), "%s%s%s", natsStatus_GetText(s), last && last[0] ? ": " : "",
	    last && last[0] ? last : "");
	pthread_mutex_lock(&b->lock);
	b->denied = denied;
	b->connect_wanted = true;
	b->connect_at_us = now_us() + backoff_ms(b) * MS_US;
	enum bus_state state = b->state;
	bool closing = b->closing;
	pthread_mutex_unlock(&b->lock);
	state_set(b, state, why);
	if (b->on_failure && !closing)
		b->on_failure(b->on_state_arg, denied, why);
}

/* Connected and with every subscription at the server: only now others are told. */
static void
adopt(struct nats_bus *b, struct nats_conn *c)
{
	struct err err;

	pthread_mutex_lock(&b->lock);
	b->conn = c;
	pthread_mutex_unlock(&b->lock);
	int rc = nats_sub_restore(b, c, &err);
	if (!rc)
		natsConnection_FlushTimeout(c->nc, PING_TIMEOUT_MS);
	pthread_mutex_lock(&b->lock);
	bool lost = rc || c->closed;
	bool down = c->down;
	b->ready = !lost;
	if (lost) {
		b->connect_wanted = true;
		b->connect_at_us = now_us() + backoff_ms(b) * MS_US;
	} else if (!down) {
		note_server(b, c->nc);
	}
	pthread_mutex_unlock(&b->lock);
	if (lost)
		state_set(b, BUS_DISCONNECTED, rc ? err.text : "closed at once");
	else
		state_set(b, down ? BUS_DISCONNECTED : BUS_CONNECTED, "");
}

static void
drop_connection(struct nats_bus *b)
{
	pthread_mutex_lock(&b->lock);
	struct nats_conn *old = TAKE(b->conn);
	pthread_mutex_unlock(&b->lock);
	if (!old)
		return;
	natsConnection_Close(old->nc);
	nats_bus_release(old);
}

/* Blocks up to the connect timeout per server.  The first connect is not left to libnats' "retry on
 * failed connect": that gives up when the first accepted connection is closed by a proxy, and would
 * hide the reason from bus_wait_connected. */
static void
connect_once(struct nats_bus *b)
{
	struct nats_conn *c = calloc(1, sizeof(*c));

	drop_connection(b);
	if (!c) {
		connect_failed(b, NATS_NO_MEMORY);
		return;
	}
	c->bus = b;
	atomic_init(&c->refs, 2); /* the bus and the closed callback */
	pthread_mutex_lock(&b->lock);
	b->conns++;
	pthread_mutex_unlock(&b->lock);
	natsStatus s = set_callbacks(b, c);
	if (s == NATS_OK)
		s = natsConnection_Connect(&c->nc, b->options);
	if (s == NATS_OK) {
		adopt(b, c);
		return;
	}
	connect_failed(b, s);
	/* It never was a connection, so there will be no closed callback. */
	atomic_store(&c->refs, 1);
	nats_bus_release(c);
}

static void
ping(struct nats_bus *b)
{
	struct err ignored;
	CLEANUP(nats_bus_release) struct nats_conn *c = nats_bus_acquire(b, &ignored);

	if (!c)
		return;
	int64_t start = now_us();
	if (natsConnection_FlushTimeout(c->nc, PING_TIMEOUT_MS) != NATS_OK)
		return;
	pthread_mutex_lock(&b->lock);
	if (b->state == BUS_CONNECTED)
		b->rtt_us = now_us() - start;
	pthread_mutex_unlock(&b->lock);
}

/* Under lock. */
static void
wait_until(struct nats_bus *b, int64_t at_us)
{
	struct timespec deadline;
	int64_t left = at_us - now_us();

	if (left <= 0)
		return;
	if (left > PING_EVERY_US)
		left = PING_EVERY_US;
	deadline = clock_deadline(left);
	pthread_cond_timedwait(&b->changed, &b->lock, &deadline);
}

void *
nats_keeper_main(void *arg)
{
	struct nats_bus *b = arg;

	for (;;) {
		int64_t next = nats_publish_expire(b, now_us());

		pthread_mutex_lock(&b->lock);
		int64_t now = now_us();
		bool closing = b->closing;
		bool connect = b->connect_wanted && now >= b->connect_at_us;
		bool due = b->state == BUS_CONNECTED && now >= b->ping_at_us;
		if (connect)
			b->connect_wanted = false;
		if (due)
			b->ping_at_us = now + PING_EVERY_US;
		if (!closing && !connect && !due && !b->woken) {
			if (b->connect_wanted && b->connect_at_us < next)
				next = b->connect_at_us;
			if (b->state == BUS_CONNECTED && b->ping_at_us < next)
				next = b->ping_at_us;
			wait_until(b, next);
		}
		b->woken = false;
		pthread_mutex_unlock(&b->lock);
		if (closing)
			break;
		if (connect)
			connect_once(b);
		else if (due)
			ping(b);
	}
	nats_ReleaseThreadMemory();
	return NULL;
}
