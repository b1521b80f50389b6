/* memory_session: sessions as users declare them. */
#include <stdio.h>

#include "arena.h"
#include "err.h"
#include "memory.h"
#include "name.h"

/* ---- reading ---- */

static int
session_copy(
    const struct memory_session *s, struct arena *a, struct store_session *ret, struct err *err)
{
	*ret = (struct store_session){.session_id = s->session_id,
	    .name = arena_strdup(a, s->name),
	    .pool = arena_strdup(a, s->pool->name),
	    .spec_json = arena_strdup(a, s->spec_json),
	    .who = arena_strdup(a, s->who),
	    .state = s->state,
	    .revision = s->revision,
	    .replicas = s->replicas,
	    .template_revision = s->template_revision,
	    .previous_spec_json = arena_strdup(a, s->previous_spec_json),
	    .rolling = s->rolling,
	    .rollout_paused = arena_strdup(a, s->rollout_paused),
	    .created_us = s->created_us,
	    .closed_us = s->closed_us};
	for (size_t i = 0; i < MEMORY_STATES; i++)
		ret->counters[i] = (uint64_t)(s->counters[i] + s->edges[i]);
	return ret->name && ret->pool && ret->spec_json && ret->who && ret->previous_spec_json &&
		       ret->rollout_paused
		   ? 0
		   : memory_no_room(err);
}

int
memory_session_read(struct memory_cell *c, const char *name, struct arena *a,
    struct store_session *ret, struct err *err)
{
	const struct memory_session *session = memory_session_named(c, name);

	if (!session)
		return err_set(err, ERR_NOT_FOUND, "no session %s", name);
	return session_copy(session, a, ret, err);
}

int
memory_store_session_get(
    struct store *s, const char *name, struct arena *a, struct store_session *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	return memory_session_read(c, name, a, ret, err);
}

static int
name_order(const void *a, const void *b)
{
	const struct memory_session *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

int
memory_store_session_list(struct store *s, const char *pool, bool all, const char *after,
    uint32_t limit, struct arena *a, struct store_session **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const struct memory_session **found =
	    arena_calloc(a, HASH_COUNT(c->names) + 1, sizeof(*found));
	struct store_session *rows;
	size_t n = 0;

	if (!found)
		return memory_no_room(err);
	for (const struct memory_name *name = c->names; name; name = name->hh.next) {
		const struct memory_session *newest = name->newest;

		if ((!pool || *pool == '\0' || strcmp(newest->pool->name, pool) == 0) &&
		    (all || newest->state != SESSION_CLOSED) &&
		    strcmp(newest->name, after ? after : "") > 0)
			found[n++] = newest;
	}
	qsort((void *)found, n, sizeof(*found), name_order);
	n = n < limit ? n : limit;
	rows = arena_calloc(a, n + 1, sizeof(*rows));
	if (!rows)
		return memory_no_room(err);
	for (size_t i = 0; i < n; i++) {
		if (session_copy(found[i], a, &rows[i], err) != 0)
			return -1;
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}

/* ---- creating ---- */

/* What Postgres refuses by its constraints. */
static int
session_check(struct memory_cell *c, const struct store_session_new *n, struct err *err)
{
	char hex[ID_HEX_BYTES];

	if (name_check(n->name, "name", err) != 0 || name_check(n->pool, "pool", err) != 0)
		return -1;
	if (memory_session_find(c, &n->session_id))
		return err_set(err, ERR_CONFLICT, "there is a session %s already",
		    id_to_hex(&n->session_id, hex));
	for (uint32_t i = 0; i < n->replicas; i++) {
		if (memory_executor_find(c, &n->executor_ids[i]))
			return err_set(err, ERR_CONFLICT, "there is an executor %s already",
			    id_to_hex(&n->executor_ids[i], hex));
	}
	return 0;
}

static struct memory_session *
session_insert(struct memory_cell *c, const struct store_session_new *n)
{
	struct memory_session *s = memory_alloc(sizeof(*s));
	struct memory_name *name = memory_name_make(c, n->name);

	s->session_id = n->session_id;
	s->pool = memory_pool_make(c, n->pool);
	s->name = memory_text(n->name);
	s->spec_json = memory_text(n->spec_json);
	s->who = memory_text(n->who);
	s->state = SESSION_OPEN;
	s->revision = 1;
	memory_policy_set(s, n);
	s->indexes = n->replicas;
	s->rollout_paused = memory_text("");
	s->previous_spec_json = memory_text("");
	s->created_us = c->now_us;
	memory_template_add(s, n);
	LL_PREPEND2(name->newest, s, older);
	memory_session_add(c, s);
	return s;
}

static void
key_insert(struct memory_cell *c, const struct store_session_new *n)
{
	struct memory_key *key;

	if (!n->key || *n->key == '\0')
		return;
	key = memory_key_make(c, n->key);
	key->session_id = n->session_id;
	key->at_us = c->now_us;
}

static int
session_by_key(struct memory_cell *c, const struct memory_key *key, struct arena *a,
    struct store_session *ret, struct err *err)
{
	const struct memory_session *session = memory_session_find(c, &key->session_id);
	char hex[ID_HEX_BYTES];

	if (!session)
		return err_set(
		    err, ERR_NOT_FOUND, "no session %s", id_to_hex(&key->session_id, hex));
	if (session_copy(session, a, ret, err) != 0)
		return -1;
	ret->by_key = true;
	return 0;
}

static int
session_declared(struct memory_cell *c, const char *name, const char *key, struct arena *a,
    struct store_session *ret, bool *ret_found, struct err *err)
{
	const struct memory_key *row = key ? memory_key_find(c, key) : NULL;
	const struct memory_session *session = memory_session_named(c, name);

	*ret_found = row || (session && session->state != SESSION_CLOSED);
	if (row)
		return session_by_key(c, row, a, ret, err);
	return *ret_found ? session_copy(session, a, ret, err) : 0;
}

int
memory_store_session_declared(struct store *s, const char *name, const char *key, struct arena *a,
    struct store_session *ret, bool *ret_found, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	return session_declared(c, name, key, a, ret, ret_found, err);
}

int
memory_store_session_create(struct store *s, const struct store_session_new *n, struct arena *a,
    struct store_session *ret, bool *ret_existed, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct memory_session *session;
	char replicas[32];

	if (session_declared(c, n->name, n->key, a, ret, ret_existed, err) != 0)
		return -1;
	if (*ret_existed)
		return 0;
	if (session_check(c, n, err) != 0)
		return -1;
	session = session_insert(c, n);
	for (uint32_t i = 0; i < n->replicas; i++)
		memory_executor_new(c, session, &n->executor_ids[i], i);
	key_insert(c, n);
	snprintf(replicas, sizeof(replicas), "%u executors", n->replicas);
	memory_event_add(
	    c, &(struct store_event){
		   .kind = "session.created", .session = n->name, .who = n->who, .text = replicas});
	return session_copy(session, a, ret, err);
}

/* ---- closing ---- */

static void
close_intent(struct memory_session *session, bool now)
{
	struct memory_intent *i = memory_alloc(sizeof(*i));

	i->session_id = session->session_id;
	i->now = now;
	DL_APPEND(session->pool->intents, i);
}

static void
session_close(struct memory_cell *c, struct memory_session *session, bool now, const char *who)
{
	session->state = SESSION_CLOSING;
	session->revision++;
	close_intent(session, now);
	memory_event_add(c, &(struct store_event){.kind = "session.closing",
				.session = session->name,
				.who = who,
				.text = now ? "now" : "graceful"});
}

/* "now" after a graceful close hastens it. */
static void
session_hasten(struct memory_session *session)
{
	const struct memory_intent *i;

	DL_FOREACH(session->pool->intents, i)
	{
		if (i->now && id_is_zero(&i->executor_id) &&
		    id_equal(&i->session_id, &session->session_id))
			return;
	}
	close_intent(session, true);
}

int
memory_store_session_close(struct store *s, const char *name, uint64_t revision, bool now,
    const char *who, struct arena *a, struct store_session *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct memory_session *session = memory_session_named(c, name);

	if (session && session->state == SESSION_OPEN && revision != 0 &&
	    session->revision != revision)
		return err_field(err, ERR_CONFLICT, "revision",
		    "session %s is at revision %llu, not %llu", name,
		    (unsigned long long)session->revision, (unsigned long long)revision);
	if (session && session->state == SESSION_OPEN)
		session_close(c, session, now, who);
	else if (session && session->state == SESSION_CLOSING && now)
		session_hasten(session);
	return memory_session_read(c, name, a, ret, err);
}

/* ---- why it waits ---- */

/* Of those that wait, the first. */
static const struct memory_executor *
first_queued(const struct memory_session *session)
{
	const struct memory_executor *e, *first = NULL;

	DL_FOREACH2(session->executors, e, s_next)
	{
		if (e->queued && (!first || e->index < first->index))
			first = e;
	}
	return first;
}

static int
why_order(const void *a, const void *b)
{
	const struct store_why *x = a, *y = b;

	if (x->hosts != y->hosts)
		return x->hosts < y->hosts ? 1 : -1;
	return strcmp(x->reason, y->reason);
}

int
memory_why_copy(const struct memory_executor *e, struct arena *a, struct store_why **ret,
    size_t *ret_n, struct err *err)
{
	const struct memory_why *w;
	struct store_why *rows;
	size_t n = 0;

	if (e)
		LL_COUNT(e->why, w, n);
	rows = arena_calloc(a, n + 1, sizeof(*rows));
	if (!rows)
		return memory_no_room(err);
	n = 0;
	for (w = e ? e->why : NULL; w; w = w->next, n++) {
		rows[n] = (struct store_why){arena_strdup(a, w->reason), w->hosts};
		if (!rows[n].reason)
			return memory_no_room(err);
	}
	if (n > 0)
		qsort(rows, n, sizeof(*rows), why_order);
	*ret = rows;
	*ret_n = n;
	return 0;
}

int
memory_store_session_why(struct store *s, const char *name, struct arena *a, struct store_why **ret,
    size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	const struct memory_session *session = memory_session_named(c, name);
	bool living = session && session->state != SESSION_CLOSED;

	return memory_why_copy(living ? first_queued(session) : NULL, a, ret, ret_n, err);
}
