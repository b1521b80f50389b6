#include "liveness.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* The default hash is one switch of fall-throughs, which clang refuses. */
#define HASH_FUNCTION(key, size, hash) HASH_FNV(key, size, hash)
#include <uthash.h>
#include <utlist.h>

#include "arena.h"
#include "store.h"

#define SERVER_BYTES 48
#define HOST_BYTES 64
#define CONNECTION_BYTES 96

struct connection {
	char key[CONNECTION_BYTES]; /* "server id/client id" */
	struct beat *beats;         /* of hosts that spoke over it last: a fleet may share one */
	UT_hash_handle hh;
};

struct beat {
	char host_id[HOST_BYTES];
	char server[SERVER_BYTES];
	int64_t real_us, mono_us, rtt_us;
	uint64_t contiguous_seq, epoch;
	struct digest digest;
	struct id nonce_id;
	int64_t digest_since_us, taken_us;
	bool dirty;
	bool cut; /* by the end of connection cut_key */
	char cut_key[CONNECTION_BYTES];
	struct beat *dirty_next;
	struct connection *connection; /* NULL: unknown, or gone */
	struct beat *prev, *next;      /* of the connection */
	UT_hash_handle hh;
};

struct liveness {
	pthread_mutex_t lock;
	struct beat *hosts;             /* by host_id */
	struct connection *connections; /* by key */
	struct beat *dirty;             /* heard since the last flush */
	size_t hosts_max;
	uint64_t forgotten;
};

struct liveness *
liveness_new(size_t hosts_max)
{
	struct liveness *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->hosts_max = hosts_max;
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void
liveness_free(struct liveness *l)
{
	struct connection *c, *next_connection;
	struct beat *b, *next;

	if (!l)
		return;
	c = l->connections;
	HASH_CLEAR(hh, l->connections); /* the list of the entries outlives the table */
	for (; c; c = next_connection) {
		next_connection = c->hh.next;
		free(c);
	}
	b = l->hosts;
	HASH_CLEAR(hh, l->hosts);
	for (; b; b = next) {
		next = b->hh.next;
		free(b);
	}
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static void
connection_leave(struct liveness *l, struct beat *b)
{
	struct connection *c = b->connection;

	if (!c)
		return;
	b->connection = NULL;
	DL_DELETE(c->beats, b);
	if (c->beats)
		return;
	// NOLINTNEXTLINE(clang-analyzer-core.NullDereference): what was added has a table
	HASH_DEL(l->connections, c);
	free(c);
}

/* No memory for the connection: its end will go unseen, and silence decides. */
static void
connection_join(struct liveness *l, struct beat *b, const char *key)
{
	struct connection *c;

	HASH_FIND_STR(l->connections, key, c);
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return;
		snprintf(c->key, sizeof(c->key), "%s", key);
		HASH_ADD_STR(l->connections, key, c);
	}
	DL_APPEND(c->beats, b);
	b->connection = c;
}

static void
connection_key(char key[CONNECTION_BYTES], const char *server_id, uint64_t client_id)
{
	snprintf(key, CONNECTION_BYTES, "%.64s/%" PRIu64, server_id, client_id);
}

/* A heartbeat that was under way when its connection ended says nothing new: only another
 * connection makes a cut host whole. */
static void
connection_set(struct liveness *l, struct beat *b, const struct liveness_beat *heard)
{
	char key[CONNECTION_BYTES];

	connection_key(key, heard->server_id, heard->client_id);
	if (heard->client_id == 0) {
		connection_leave(l, b);
		b->cut = false;
	} else if (b->cut && strcmp(b->cut_key, key) == 0) {
		return;
	} else if (!b->connection || strcmp(b->connection->key, key) != 0) {
		connection_leave(l, b);
		connection_join(l, b, key);
		b->cut = false;
	}
}

/* The host's entry, made when there is room; NULL when there is none.  Under the lock. */
static struct beat *
beat_of(struct liveness *l, const char *host_id)
{
	struct beat *b;

	HASH_FIND_STR(l->hosts, host_id, b);
	if (b)
		return b;
	b = HASH_COUNT(l->hosts) < l->hosts_max ? calloc(1, sizeof(*b)) : NULL;
	if (!b) {
		l->forgotten++;
		return NULL;
	}
	snprintf(b->host_id, sizeof(b->host_id), "%s", host_id);
	HASH_ADD_STR(l->hosts, host_id, b);
	return b;
}

static void
digest_note(struct beat *b, const struct liveness_beat *heard)
{
	b->nonce_id = heard->nonce_id;
	if (b->digest_since_us > 0 && b->digest.count == heard->digest.count &&
	    b->digest.sum == heard->digest.sum)
		return;
	b->digest = heard->digest;
	b->digest_since_us = heard->mono_us;
}

void
liveness_heard(struct liveness *l, const struct liveness_beat *heard)
{
	struct beat *b;

	pthread_mutex_lock(&l->lock);
	b = beat_of(l, heard->host_id);
	if (b && heard->epoch >= b->epoch) {
		b->real_us = heard->real_us;
		b->mono_us = heard->mono_us;
		b->rtt_us = heard->rtt_us;
		b->epoch = heard->epoch;
		b->contiguous_seq = heard->contiguous_seq;
		digest_note(b, heard);
		snprintf(b->server, sizeof(b->server), "%s", heard->server);
		connection_set(l, b, heard);
		if (!b->dirty) {
			b->dirty = true;
			b->dirty_next = l->dirty;
			l->dirty = b;
		}
	}
	pthread_mutex_unlock(&l->lock);
}

size_t
liveness_connection_lost(struct liveness *l, const char *server_id, uint64_t client_id)
{
	char key[CONNECTION_BYTES];
	struct connection *c;
	size_t n = 0;

	connection_key(key, server_id, client_id);
	pthread_mutex_lock(&l->lock);
	HASH_FIND_STR(l->connections, key, c);
	for (struct beat *b = c ? c->beats : NULL, *next; b; b = next, n++) {
		next = b->next;
		b->cut = true;
		snprintf(b->cut_key, sizeof(b->cut_key), "%s", key);
		connection_leave(l, b);
	}
	pthread_mutex_unlock(&l->lock);
	return n;
}

struct liveness_view
liveness_look(struct liveness *l, const char *host_id)
{
	struct liveness_view view = {0};
	struct beat *b;

	pthread_mutex_lock(&l->lock);
	HASH_FIND_STR(l->hosts, host_id, b);
	if (b)
		view =
		    (struct liveness_view){.mono_us = b->mono_us, .epoch = b->epoch, .cut = b->cut};
	pthread_mutex_unlock(&l->lock);
	return view;
}

int64_t
liveness_heard_us(struct liveness *l, const char *host_id)
{
	struct beat *b;
	int64_t at;

	pthread_mutex_lock(&l->lock);
	HASH_FIND_STR(l->hosts, host_id, b);
	at = b ? b->real_us : 0;
	pthread_mutex_unlock(&l->lock);
	return at;
}

size_t
liveness_take(struct liveness *l, struct arena *a, struct store_beat *beats, size_t limit)
{
	size_t n = 0;

	pthread_mutex_lock(&l->lock);
	while (l->dirty && n < limit) {
		struct beat *b = l->dirty;
		struct store_beat *out = &beats[n];

		out->host_id = arena_strdup(a, b->host_id);
		out->server = arena_strdup(a, b->server);
		if (!out->host_id || !out->server)
			break;
		out->at_us = b->real_us;
		out->rtt_us = b->rtt_us;
		out->contiguous_seq = b->contiguous_seq;
		l->dirty = b->dirty_next;
		b->dirty = false;
		n++;
	}
	pthread_mutex_unlock(&l->lock);
	return n;
}

static bool
is_settled(const struct beat *b, int64_t now_us, int64_t settle_us, int64_t again_us)
{
	return !b->cut && b->mono_us - b->digest_since_us >= settle_us &&
	       (b->taken_us == 0 || now_us - b->taken_us >= again_us);
}

size_t
liveness_take_settled(struct liveness *l, int64_t now_us, int64_t settle_us, int64_t again_us,
    struct arena *a, struct liveness_settled *ret, size_t limit)
{
	size_t n = 0;

	pthread_mutex_lock(&l->lock);
	for (struct beat *b = l->hosts; b && n < limit; b = b->hh.next) {
		if (!is_settled(b, now_us, settle_us, again_us))
			continue;
		ret[n] = (struct liveness_settled){.host_id = arena_strdup(a, b->host_id),
		    .epoch = b->epoch,
		    .digest = b->digest,
		    .nonce_id = b->nonce_id};
		if (!ret[n].host_id)
			break;
		b->taken_us = now_us;
		n++;
	}
	pthread_mutex_unlock(&l->lock);
	return n;
}

size_t
liveness_count(struct liveness *l)
{
	size_t n;

	pthread_mutex_lock(&l->lock);
	n = HASH_COUNT(l->hosts);
	pthread_mutex_unlock(&l->lock);
	return n;
}

uint64_t
liveness_forgotten(struct liveness *l)
{
	uint64_t n;

	pthread_mutex_lock(&l->lock);
	n = l->forgotten;
	pthread_mutex_unlock(&l->lock);
	return n;
}
