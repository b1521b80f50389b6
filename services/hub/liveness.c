#include "liveness.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* The default hash is one switch of fall-throughs, which clang refuses. */
#define HASH_FUNCTION(key, size, hash) HASH_FNV(key, size, hash)
#include <uthash.h>

#include "arena.h"
#include "store.h"

#define SERVER_BYTES 48
#define HOST_BYTES 64

struct beat {
	char host_id[HOST_BYTES];
	char server[SERVER_BYTES];
	int64_t at_us, rtt_us;
	uint64_t contiguous_seq;
	bool dirty;
	struct beat *dirty_next;
	UT_hash_handle hh;
};

struct liveness {
	pthread_mutex_t lock;
	struct beat *hosts; /* by host_id */
	struct beat *dirty; /* heard since the last flush */
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
	struct beat *b, *next;

	if (!l)
		return;
	HASH_ITER(hh, l->hosts, b, next)
	{
		HASH_DEL(l->hosts, b);
		free(b);
	}
	pthread_mutex_destroy(&l->lock);
	free(l);
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

void
liveness_heard(struct liveness *l, const char *host_id, int64_t at_us, uint64_t contiguous_seq,
    int64_t rtt_us, const char *server)
{
	struct beat *b;

	pthread_mutex_lock(&l->lock);
	b = beat_of(l, host_id);
	if (b) {
		b->at_us = at_us;
		b->rtt_us = rtt_us;
		b->contiguous_seq = contiguous_seq;
		snprintf(b->server, sizeof(b->server), "%s", server);
		if (!b->dirty) {
			b->dirty = true;
			b->dirty_next = l->dirty;
			l->dirty = b;
		}
	}
	pthread_mutex_unlock(&l->lock);
}

int64_t
liveness_heard_us(struct liveness *l, const char *host_id)
{
	struct beat *b;
	int64_t at;

	pthread_mutex_lock(&l->lock);
	HASH_FIND_STR(l->hosts, host_id, b);
	at = b ? b->at_us : 0;
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
		out->at_us = b->at_us;
		out->rtt_us = b->rtt_us;
		out->contiguous_seq = b->contiguous_seq;
		l->dirty = b->dirty_next;
		b->dirty = false;
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
