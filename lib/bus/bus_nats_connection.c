/* A bus over NATS: options, references to the connection, and what is asked about it. */
#include "bus.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_bounds.h"
#include "bus_nats.h"
#include "clock.h"

#define RECONNECT_BUFFER_BYTES (64 * 1024) /* libnats' own default is 8 MiB per connection */
#define DELIVERY_THREADS 4                 /* of the process, not one per subscription */
#define CLOSE_FLUSH_MS 500
#define CLOSE_WAIT_MS 10000

int
nats_bus_error(struct err *err, natsStatus status, const char *what, const char *subject)
{
	enum err_kind kind = ERR_INTERNAL;

	switch ((int)status) {
	case NATS_TIMEOUT:
		kind = ERR_TIMEOUT;
		break;
	case NATS_NO_RESPONDERS:
		return err_set(err, ERR_UNAVAILABLE, "%s %s: nobody answers there", what, subject);
	case NATS_INSUFFICIENT_BUFFER:
		return err_set(err, ERR_UNAVAILABLE, "%s %s: disconnected, and the buffer is full",
		    what, subject);
	case NATS_CONNECTION_CLOSED:
	case NATS_CONNECTION_DISCONNECTED:
	case NATS_STALE_CONNECTION:
	case NATS_NO_SERVER:
	case NATS_NOT_YET_CONNECTED:
	case NATS_IO_ERROR:
	case NATS_DRAINING:
	case NATS_INVALID_SUBSCRIPTION: /* its connection was closed */
		kind = ERR_UNAVAILABLE;
		break;
	case NATS_MAX_PAYLOAD:
	case NATS_SLOW_CONSUMER:
		kind = ERR_LIMIT;
		break;
	case NATS_CONNECTION_AUTH_FAILED:
	case NATS_NOT_PERMITTED:
		kind = ERR_DENIED;
		break;
	case NATS_INVALID_ARG:
	case NATS_INVALID_SUBJECT:
	case NATS_ADDRESS_MISSING:
		kind = ERR_INVALID;
		break;
	default:
		break;
	}
	return err_set(err, kind, "%s %s: %s", what, subject, natsStatus_GetText(status));
}

struct nats_conn *
nats_bus_acquire(struct nats_bus *b, struct err *err)
{
	pthread_mutex_lock(&b->lock);
	struct nats_conn *c = b->conn && b->conn->nc && !b->closing ? b->conn : NULL;
	if (c)
		atomic_fetch_add(&c->refs, 1);
	else
		err_set(err, ERR_UNAVAILABLE, "not connected to NATS: %s",
		    b->why[0] ? b->why : "connecting");
	pthread_mutex_unlock(&b->lock);
	return c;
}

void
nats_bus_release(struct nats_conn *c)
{
	struct nats_bus *b = c->bus;

	if (atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	natsConnection_Destroy(c->nc);
	free(c);
	pthread_mutex_lock(&b->lock);
	b->conns--;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

void
nats_bus_wake(struct nats_bus *b)
{
	pthread_mutex_lock(&b->lock);
	b->woken = true;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

/* ---- making one ---- */

/* [scheme://][user[:password]@]host[:port]; libnats would only find out when it connects. */
static bool
is_url(const char *url)
{
	static const char *const schemes[] = {"nats://", "tls://"};
	const char *host = url, *at;

	for (size_t i = 0; i < COUNT_OF(schemes); i++) {
		if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
			host = url + strlen(schemes[i]);
	}
	if ((at = strrchr(host, '@')))
		host = at + 1;
	if (strpbrk(host, "/ \t"))
		return false;
	const char *end = *host == '[' ? strchr(host, ']') : host + strcspn(host, ":");
	if (!end || end == host)
		return false;
	if (*end == ']')
		end++;
	if (!*end)
		return true;
	char *rest = NULL;
	long port = *end == ':' ? strtol(end + 1, &rest, 10) : 0;
	return port > 0 && port < 65536 && !*rest;
}

/* libnats takes a list of urls, not one text with commas. */
static int
set_servers(struct nats_bus *b, const char *servers, struct err *err)
{
	const char *urls[NATS_SERVERS_MAX];
	char *copy = strdup(servers), *save = NULL, said[ERR_TEXT_BYTES];
	unsigned n = 0;
	bool valid = true;

	if (!copy)
		return err_set(err, ERR_INTERNAL, "no memory");
	for (char *url = strtok_r(copy, ", ", &save); url; url = strtok_r(NULL, ", ", &save)) {
		if (n == NATS_SERVERS_MAX) {
			free(copy);
			return err_field(
			    err, ERR_INVALID, "servers", "more than %d servers", NATS_SERVERS_MAX);
		}
		valid = valid && is_url(url);
		urls[n++] = url;
	}
	natsStatus s =
	    n && valid ? natsOptions_SetServers(b->options, urls, (int)n) : NATS_INVALID_ARG;
	free(copy);
	if (s != NATS_OK)
		return err_field(err, ERR_INVALID, "servers",
		    "'%s' is not a list of urls like nats://host:4222",
		    bus_servers_said(servers, said, sizeof(said)));
	b->configured_servers = n;
	return 0;
}

static natsStatus
set_behaviour(natsOptions *n, const struct bus_options *o)
{
	int64_t buffer =
	    o->reconnect_buffer_bytes ? o->reconnect_buffer_bytes : RECONNECT_BUFFER_BYTES;
	natsStatus s = natsOptions_SetTimeout(n, CONNECT_TIMEOUT_MS);

	/* Reconnecting for ever; the delay comes from the keeper. */
	if (s == NATS_OK)
		s = natsOptions_SetMaxReconnect(n, -1);
	if (s == NATS_OK)
		s = natsOptions_SetReconnectBufSize(n, (int)buffer);
	if (s == NATS_OK)
		s = natsOptions_SetPingInterval(n, PING_INTERVAL_MS);
	if (s == NATS_OK)
		s = natsOptions_SetMaxPingsOut(n, PINGS_OUT_MAX);
	if (s == NATS_OK)
		s = natsOptions_SetWriteDeadline(n, WRITE_DEADLINE_MS);
	if (s == NATS_OK)
		s = natsOptions_SetFailRequestsOnDisconnect(n, true);
	/* Otherwise each write waits up to a millisecond for the flusher thread. */
	if (s == NATS_OK)
		s = natsOptions_SetSendAsap(n, !o->lazy_flush);
	if (s == NATS_OK)
		s = natsOptions_UseGlobalMessageDelivery(n, true);
	return s;
}

static natsStatus
set_identity(natsOptions *n, const struct bus_options *o)
{
	natsStatus s = NATS_OK;

	if (o->name)
		s = natsOptions_SetName(n, o->name);
	if (s == NATS_OK && o->user)
		s = natsOptions_SetUserInfo(n, o->user, o->password ? o->password : "");
	if (s == NATS_OK && o->creds_file)
		s = natsOptions_SetUserCredentialsFromFiles(n, o->creds_file, NULL);
	if (s == NATS_OK && o->tls_ca_file)
		s = natsOptions_LoadCATrustedCertificates(n, o->tls_ca_file);
	if (s == NATS_OK && o->tls_ca_file)
		s = natsOptions_SetSecure(n, true);
	if (s == NATS_OK && o->inbox_prefix)
		s = natsOptions_SetCustomInboxPrefix(n, o->inbox_prefix);
	return s;
}

static int
set_options(struct nats_bus *b, const struct bus_options *o, struct err *err)
{
	natsStatus s = natsOptions_Create(&b->options);

	if (s != NATS_OK)
		return nats_bus_error(err, s, "make options for", o->servers);
	if (set_servers(b, o->servers, err))
		return -1;
	s = set_behaviour(b->options, o);
	if (s == NATS_OK)
		s = set_identity(b->options, o);
	if (s != NATS_OK)
		return err_set(
		    err, ERR_INVALID, "NATS options are refused: %s", natsStatus_GetText(s));
	return 0;
}

static void
init_locks(struct nats_bus *b)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&b->lock, NULL);
	pthread_mutex_init(&b->notify_lock, NULL);
	pthread_mutex_init(&b->subs_lock, NULL);
	pthread_mutex_init(&b->pending_lock, NULL);
	pthread_mutex_init(&b->pile.lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&b->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static void
destroy(struct nats_bus *b)
{
	while (b->names) {
		struct nats_server_name *next = b->names->next;

		free(b->names);
		b->names = next;
	}
	nats_msg_drop_all(b);
	natsOptions_Destroy(b->options);
	free(b->pending);
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->lock);
	pthread_mutex_destroy(&b->notify_lock);
	pthread_mutex_destroy(&b->subs_lock);
	pthread_mutex_destroy(&b->pending_lock);
	pthread_mutex_destroy(&b->pile.lock);
	free(b);
}

static void
init_library(void)
{
	nats_Open(-1);
	nats_SetMessageDeliveryPoolSize(DELIVERY_THREADS);
}

int
bus_nats_new(const struct bus_options *options, struct bus **ret, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const char *prefix = options->inbox_prefix ? options->inbox_prefix : "_INBOX";
	size_t prefix_bytes = strlen(prefix) + 1;

	pthread_once(&once, init_library);
	if (!options->servers || !options->servers[0])
		return err_field(err, ERR_INVALID, "servers", "no NATS server is named");
	if (prefix_bytes > BUS_INBOX_PREFIX_BYTES || !bus_subject_valid(prefix, false))
		return err_field(err, ERR_INVALID, "inbox_prefix", "not a subject: '%s'", prefix);
	struct nats_bus *b = calloc(1, sizeof(*b));
	if (!b)
		return err_set(err, ERR_INTERNAL, "no memory");
	b->base.ops = &bus_nats_ops;
	memcpy(b->base.inbox_prefix, prefix, prefix_bytes);
	b->on_state = options->on_state;
	b->on_failure = options->on_failure;
	b->on_state_arg = options->arg;
	b->lazy_flush = options->lazy_flush;
	b->server_name = "";
	b->state = BUS_CONNECTING;
	b->connect_wanted = true;
	init_locks(b);
	if (set_options(b, options, err) || nats_publish_init(b, options->max_pending, err)) {
		destroy(b);
		return -1;
	}
	if (pthread_create(&b->keeper, NULL, nats_keeper_main, b)) {
		nats_publish_done(b);
		destroy(b);
		return err_set(err, ERR_INTERNAL, "cannot start a thread");
	}
	*ret = &b->base;
	return 0;
}

/* ---- the end of one ---- */

static void
wait_for_callbacks(struct nats_bus *b)
{
	struct timespec deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += CLOSE_WAIT_MS / 1000;
	pthread_mutex_lock(&b->lock);
	while (b->conns && pthread_cond_timedwait(&b->changed, &b->lock, &deadline) == 0)
		;
	unsigned left = b->conns;
	pthread_mutex_unlock(&b->lock);
	/* A callback that is still to come would touch freed memory: rather lose the memory. */
	if (!left)
		destroy(b);
}

static void
nats_bus_free(struct bus *base)
{
	struct nats_bus *b = nats_bus_of(base);
	struct err ignored;

	(void)nats_core_flush(base, CLOSE_FLUSH_MS, &ignored);
	pthread_mutex_lock(&b->lock);
	b->closing = true;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->keeper, NULL);
	nats_publish_done(b);
	assert(!b->subs); /* unsubscribe first */

	pthread_mutex_lock(&b->lock);
	struct nats_conn *c = TAKE(b->conn);
	b->state = BUS_CLOSED;
	pthread_mutex_unlock(&b->lock);
	if (c) {
		natsConnection_Close(c->nc);
		nats_bus_release(c);
	}
	wait_for_callbacks(b);
}

/* ---- questions ---- */

static int
wait_connected(struct bus *base, int timeout_ms, struct err *err)
{
	struct nats_bus *b = nats_bus_of(base);
	struct timespec deadline;
	int rc = 0, waited = 0;

	deadline = clock_deadline(timeout_ms * MS_US);
	pthread_mutex_lock(&b->lock);
	while (b->state != BUS_CONNECTED && !b->denied && !waited)
		waited = pthread_cond_timedwait(&b->changed, &b->lock, &deadline);
	if (b->state == BUS_CONNECTED)
		rc = 0;
	else if (b->denied)
		rc = err_set(err, ERR_DENIED, "NATS refuses the credentials: %s", b->why);
	else
		rc = err_set(err, ERR_TIMEOUT, "not connected to NATS within %d ms: %s", timeout_ms,
		    b->why[0] ? b->why : "no answer yet");
	pthread_mutex_unlock(&b->lock);
	return rc;
}

static enum bus_state
state(struct bus *base)
{
	struct nats_bus *b = nats_bus_of(base);

	pthread_mutex_lock(&b->lock);
	enum bus_state s = b->state;
	pthread_mutex_unlock(&b->lock);
	return s;
}

static int64_t
connected_since_us(struct bus *base)
{
	struct nats_bus *b = nats_bus_of(base);

	pthread_mutex_lock(&b->lock);
	int64_t since = b->since_us;
	pthread_mutex_unlock(&b->lock);
	return since;
}

static int64_t
rtt_us(struct bus *base)
{
	struct nats_bus *b = nats_bus_of(base);

	pthread_mutex_lock(&b->lock);
	int64_t rtt = b->rtt_us;
	pthread_mutex_unlock(&b->lock);
	return rtt;
}

static const char *
server_name(struct bus *base)
{
	struct nats_bus *b = nats_bus_of(base);

	pthread_mutex_lock(&b->lock);
	const char *name = b->server_name;
	pthread_mutex_unlock(&b->lock);
	return name;
}

static void
connection_id(struct bus *base, char *ret_server_id, uint64_t *ret_client_id)
{
	struct nats_bus *b = nats_bus_of(base);

	pthread_mutex_lock(&b->lock);
	memcpy(ret_server_id, b->server_id, sizeof(b->server_id));
	*ret_client_id = b->since_us ? b->client_id : 0;
	pthread_mutex_unlock(&b->lock);
}

static uint64_t
max_payload(struct bus *base)
{
	struct err ignored;
	CLEANUP(nats_bus_release)
	struct nats_conn *c = nats_bus_acquire(nats_bus_of(base), &ignored);

	return c ? (uint64_t)natsConnection_GetMaxPayload(c->nc) : 0;
}

/* The reading thread notes a refusal before it reads what follows, so before the answer to a flush.
 */
static char *
refusal(struct bus *base, char *buffer, size_t size)
{
	struct err ignored;
	CLEANUP(nats_bus_release)
	struct nats_conn *c = nats_bus_acquire(nats_bus_of(base), &ignored);

	if (!c || natsConnection_ReadLastError(c->nc, buffer, size) == NATS_OK)
		buffer[0] = '\0';
	return buffer;
}

const struct bus_ops bus_nats_ops = {
    .free = nats_bus_free,
    .wait_connected = wait_connected,
    .state = state,
    .connected_since_us = connected_since_us,
    .rtt_us = rtt_us,
    .server_name = server_name,
    .connection_id = connection_id,
    .max_payload = max_payload,
    .refusal = refusal,
    .flush = nats_core_flush,
    .publish = nats_core_publish,
    .request = nats_core_request,
    .subscribe = nats_sub_new,
    .unsubscribe = nats_sub_free,
    .sub_drain = nats_sub_drain,
    .sub_dropped = nats_sub_dropped,
    .js_publish = nats_publish_sync,
    .js_publish_async = nats_publish_async,
    .stream_get = nats_js_stream_get,
    .stream_create = nats_js_stream_create,
    .stream_message = nats_js_stream_message,
    .stream_delete = nats_js_stream_delete,
    .consumer_get = nats_js_consumer_get,
    .consumer_state = nats_js_consumer_state,
    .consumer_create = nats_js_consumer_create,
    .pull_bind = nats_pull_bind,
    .pull_free = nats_pull_free,
    .pull_fetch = nats_pull_fetch,
    .msg_header = nats_msg_header,
    .msg_copy = nats_msg_copy,
    .msg_free = nats_msg_free,
};
