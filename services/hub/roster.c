#include "roster.h"

#include <stdio.h>
#include <stdlib.h>
/* The default hash is one switch of fall-throughs, which clang refuses. */
#define HASH_FUNCTION(key, size, hash) HASH_FNV(key, size, hash)
#include <uthash.h>

#include "err.h"
#include "name.h"
#include "store.h"

struct entry {
	struct roster_host host; /* first: roster_next gets back from it */
	char id[NAME_BYTES_MAX + 1];
	uint64_t round; /* of the load that saw it last */
	UT_hash_handle hh;
};

struct roster {
	struct entry *hosts; /* by id */
	uint64_t round;
};

struct roster *
roster_new(void)
{
	return calloc(1, sizeof(struct roster));
}

static void
entry_drop(struct roster *r, struct entry *e)
{
	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not see the head move
	HASH_DEL(r->hosts, e);
	free(e);
}

void
roster_clear(struct roster *r)
{
	struct entry *e = r->hosts, *next;

	HASH_CLEAR(hh, r->hosts); /* the list of the entries outlives the table */
	for (; e; e = next) {
		next = e->hh.next;
		free(e);
	}
}

void
roster_free(struct roster *r)
{
	if (!r)
		return;
	roster_clear(r);
	free(r);
}

static void
entry_set(struct entry *e, uint64_t epoch, enum host_state state, int64_t now_us)
{
	if (e->host.epoch == epoch && e->host.state == state)
		return;
	e->host.epoch = epoch;
	e->host.state = state;
	e->host.known_since_us = now_us;
}

static struct entry *
entry_of(struct roster *r, const char *host_id)
{
	struct entry *e;

	HASH_FIND_STR(r->hosts, host_id, e);
	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	snprintf(e->id, sizeof(e->id), "%s", host_id);
	e->host.host_id = e->id;
	HASH_ADD_STR(r->hosts, id, e);
	return e;
}

int
roster_load(
    struct roster *r, const struct store_judged *rows, size_t n, int64_t now_us, struct err *err)
{
	struct entry *e, *next;

	r->round++;
	for (size_t i = 0; i < n; i++) {
		e = entry_of(r, rows[i].host_id);
		if (!e)
			return err_set(err, ERR_LIMIT, "no memory for %zu hosts", n);
		entry_set(e, rows[i].epoch, rows[i].state, now_us);
		e->round = r->round;
	}
	HASH_ITER(hh, r->hosts, e, next)
	{
		if (e->round != r->round)
			entry_drop(r, e);
	}
	return 0;
}

void
roster_set(
    struct roster *r, const char *host_id, uint64_t epoch, enum host_state state, int64_t now_us)
{
	struct entry *e;

	HASH_FIND_STR(r->hosts, host_id, e);
	if (e)
		entry_set(e, epoch, state, now_us);
}

const struct roster_host *
roster_first(const struct roster *r)
{
	return r->hosts ? &r->hosts->host : NULL;
}

const struct roster_host *
roster_next(const struct roster_host *h)
{
	const struct entry *next = ((const struct entry *)h)->hh.next;

	return next ? &next->host : NULL;
}
