#include "crowds.h"

#include <stdlib.h>

/* The default hash is one switch of fall-throughs, which clang refuses. */
#define uthash_fatal(why) abort()
#define HASH_FUNCTION(key, size, hash) HASH_FNV(key, size, hash)
#include <uthash.h>

#include "arena.h"
#include "err.h"
#include "fleet.h"
#include "store.h"

struct entry {
	UT_hash_handle hh;
	struct id session_id;
	struct plan_crowd crowd;
};

/* Entries live in the image's arena, the table in the heap. */
struct crowds {
	struct entry *entries;
};

/* What one call has to read. */
struct reading {
	struct fleet *fleet;
	struct store *store;
	struct arena *arena;
	struct id *unknown, *uncounted;
	size_t unknown_count, uncounted_count;
};

struct crowds *
crowds_new(void)
{
	return calloc(1, sizeof(struct crowds));
}

/* uthash macros are large functions to the linter, and their table a mystery to the analyzer. */
/* NOLINTBEGIN(readability-function-*,clang-analyzer-*) */
void
crowds_clear(struct crowds *c)
{
	HASH_CLEAR(hh, c->entries);
}

static struct entry *
entry_find(struct crowds *c, const struct id *session_id)
{
	struct entry *e = NULL;

	HASH_FIND(hh, c->entries, session_id, sizeof(*session_id), e);
	return e;
}

static struct entry *
entry_new(struct crowds *c, const struct id *session_id, struct arena *a)
{
	struct entry *e = arena_alloc(a, sizeof(*e));

	if (!e)
		return NULL;
	e->session_id = *session_id;
	HASH_ADD(hh, c->entries, session_id, sizeof(e->session_id), e);
	return e;
}
/* NOLINTEND(readability-function-*,clang-analyzer-*) */

void
crowds_free(struct crowds *c)
{
	if (!c)
		return;
	crowds_clear(c);
	free(c);
}

/* ---- who has to be read ---- */

static bool
is_counted(const struct plan_shape *shape)
{
	return shape->spread_by || shape->apart_by;
}

static int
entries_make(struct crowds *c, struct reading *r, const struct store_queued *queued,
    struct plan_want *wants, size_t n, struct err *err)
{
	struct entry *e = NULL;

	r->unknown = arena_calloc(r->arena, n + 1, sizeof(*r->unknown));
	r->uncounted = arena_calloc(r->arena, n + 1, sizeof(*r->uncounted));
	if (!r->unknown || !r->uncounted)
		return err_set(err, ERR_LIMIT, "no memory to count %zu executors", n);
	for (size_t i = 0; i < n; i++) {
		/* Executors of one session mostly stand together. */
		if (!e || !id_equal(&e->session_id, &queued[i].session_id))
			e = entry_find(c, &queued[i].session_id);
		if (!e) {
			e = entry_new(c, &queued[i].session_id, r->arena);
			if (!e)
				return err_set(err, ERR_LIMIT, "no memory for a session");
			r->unknown[r->unknown_count++] = e->session_id;
		}
		if (is_counted(wants[i].shape) && !e->crowd.counted) {
			e->crowd.counted = true;
			r->uncounted[r->uncounted_count++] = e->session_id;
		}
		wants[i].crowd = &e->crowd;
	}
	return 0;
}

/* ---- what is read ---- */

/* Rows of one session stand together.  A host that the image does not hold (another pool's, one
 * that is retired) is of no interest. */
static int
presence_read(struct crowds *c, const struct reading *r, struct err *err)
{
	struct store_presence *rows;
	struct plan_presence *there;
	struct entry *e = NULL;
	size_t n, kept = 0;
	uint32_t host;

	if (r->uncounted_count == 0)
		return 0;
	if (store_presence_load(
		r->store, r->uncounted, r->uncounted_count, r->arena, &rows, &n, err) != 0)
		return -1;
	there = arena_calloc(r->arena, n + 1, sizeof(*there));
	if (!there)
		return err_set(err, ERR_LIMIT, "no memory to count executors");
	for (size_t i = 0; i < n; i++) {
		if (!e || !id_equal(&e->session_id, &rows[i].session_id)) {
			e = entry_find(c, &rows[i].session_id);
			if (!e)
				continue;
			e->crowd.there = &there[kept];
		}
		if (!fleet_find(r->fleet, rows[i].host_id, &host))
			continue;
		there[kept++] = (struct plan_presence){host, rows[i].count};
		e->crowd.there_count++;
	}
	return 0;
}

static int
host_order(const void *a, const void *b)
{
	const struct plan_avoided *x = a, *y = b;

	return (x->host > y->host) - (x->host < y->host);
}

/* The same, and by host. */
static int
avoided_read(struct crowds *c, const struct reading *r, struct err *err)
{
	struct store_avoided *rows;
	struct plan_avoided *avoided;
	size_t n, kept = 0;
	uint32_t host;

	if (r->unknown_count == 0)
		return 0;
	if (store_avoided_load(r->store, r->unknown, r->unknown_count, r->arena, &rows, &n, err) !=
	    0)
		return -1;
	avoided = arena_calloc(r->arena, n + 1, sizeof(*avoided));
	if (!avoided)
		return err_set(err, ERR_LIMIT, "no memory for hosts to avoid");
	for (size_t i = 0, end; i < n; i = end) {
		struct entry *e = entry_find(c, &rows[i].session_id);
		size_t from = kept;

		for (end = i; end < n && id_equal(&rows[end].session_id, &rows[i].session_id);
		    end++) {
			if (rows[end].weight > 0 && fleet_find(r->fleet, rows[end].host_id, &host))
				avoided[kept++] = (struct plan_avoided){host, rows[end].weight};
		}
		if (!e || kept == from)
			continue;
		qsort(&avoided[from], kept - from, sizeof(*avoided), host_order);
		e->crowd.avoided = &avoided[from];
		e->crowd.avoided_count = kept - from;
	}
	return 0;
}

int
crowds_attach(struct crowds *c, struct fleet *f, struct store *s, const struct store_queued *queued,
    struct plan_want *wants, size_t n, struct err *err)
{
	struct reading r = {.fleet = f, .store = s, .arena = fleet_image(f)->arena};

	if (entries_make(c, &r, queued, wants, n, err) != 0)
		return -1;
	if (presence_read(c, &r, err) != 0)
		return -1;
	return avoided_read(c, &r, err);
}
