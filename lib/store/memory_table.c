/* memory_table: rows are found, made and unlinked here and nowhere else. */
#include <string.h>

#include "arena.h"
#include "memory.h"

/* As a row of table pool begins. */
#define POOL_LOST_AFTER_MS 60000
#define POOL_VERDICTS_MAX 10
#define POOL_VERDICTS_PERCENT 10

/* uthash macros are large functions to the linter, and their table a mystery to the analyzer. */
/* NOLINTBEGIN(readability-function-size,clang-analyzer-*) */

#define FIND_BY_TEXT(type, table, function)                                                        \
	struct type *function(struct memory_cell *c, const char *key)                              \
	{                                                                                          \
		struct type *row = NULL;                                                           \
                                                                                                   \
		HASH_FIND_STR(c->table, key, row);                                                 \
		return row;                                                                        \
	}
#define FIND_BY_ID(type, table, function)                                                          \
	struct type *function(struct memory_cell *c, const struct id *id)                          \
	{                                                                                          \
		struct type *row = NULL;                                                           \
                                                                                                   \
		HASH_FIND(hh, c->table, id, sizeof(*id), row);                                     \
		return row;                                                                        \
	}
/* The row that is there, or a new one. */
#define MAKE_BY_TEXT(type, table, field, find, function)                                           \
	struct type *function(struct memory_cell *c, const char *key)                              \
	{                                                                                          \
		struct type *row = find(c, key);                                                   \
                                                                                                   \
		if (row)                                                                           \
			return row;                                                                \
		row = memory_alloc(sizeof(*row) + strlen(key) + 1);                                \
		memcpy(row->field, key, strlen(key) + 1);                                          \
		HASH_ADD_STR(c->table, field, row);                                                \
		return row;                                                                        \
	}
#define ADD_BY_ID(type, table, field, function)                                                    \
	void function(struct memory_cell *c, struct type *row)                                     \
	{                                                                                          \
		HASH_ADD(hh, c->table, field, sizeof(row->field), row);                            \
	}

static struct memory_pool *pool_row(struct memory_cell *c, const char *key);

FIND_BY_TEXT(memory_pool, pools, memory_pool_find)
FIND_BY_TEXT(memory_lease, leases, memory_lease_find)
FIND_BY_TEXT(memory_host, hosts, memory_host_find)
FIND_BY_TEXT(memory_beat, beats, memory_beat_find)
FIND_BY_TEXT(memory_name, names, memory_name_find)
FIND_BY_TEXT(memory_key, keys, memory_key_find)
MAKE_BY_TEXT(memory_pool, pools, name, memory_pool_find, pool_row)
MAKE_BY_TEXT(memory_lease, leases, name, memory_lease_find, memory_lease_make)
MAKE_BY_TEXT(memory_host, hosts, host_id, memory_host_find, memory_host_make)
MAKE_BY_TEXT(memory_beat, beats, host_id, memory_beat_find, memory_beat_make)
MAKE_BY_TEXT(memory_name, names, name, memory_name_find, memory_name_make)
MAKE_BY_TEXT(memory_key, keys, key, memory_key_find, memory_key_make)
FIND_BY_ID(memory_session, sessions, memory_session_find)
FIND_BY_ID(memory_executor, executors, memory_executor_find)
FIND_BY_ID(memory_message, messages, memory_message_find)
ADD_BY_ID(memory_session, sessions, session_id, memory_session_add)
ADD_BY_ID(memory_executor, executors, executor_id, memory_executor_add)
ADD_BY_ID(memory_message, messages, message_id, memory_message_add)

struct memory_pool *
memory_pool_make(struct memory_cell *c, const char *name)
{
	struct memory_pool *p = pool_row(c, name);

	if (p->lost_after_ms > 0)
		return p;
	p->lost_after_ms = POOL_LOST_AFTER_MS;
	p->verdicts_max = POOL_VERDICTS_MAX;
	p->verdicts_percent = POOL_VERDICTS_PERCENT;
	return p;
}

struct memory_session *
memory_session_named(struct memory_cell *c, const char *name)
{
	struct memory_name *row = memory_name_find(c, name);

	return row ? row->newest : NULL;
}

void
memory_key_free(struct memory_cell *c, struct memory_key *key)
{
	HASH_DEL(c->keys, key);
	free(key);
}

static void
message_free(struct memory_cell *c, struct memory_message *m)
{
	HASH_DEL(c->messages, m);
	free(m);
}

void
memory_message_drop(struct memory_cell *c, struct memory_message *m)
{
	if (m->waiting)
		DL_DELETE(m->pool->outbox, m);
	m->waiting = false;
	if (!m->commands)
		message_free(c, m);
}

static void
command_free(struct memory_cell *c, struct memory_command *command)
{
	struct memory_message *m = command->message;

	DL_DELETE2(m->commands, command, m_prev, m_next);
	m->command_count--;
	if (!m->commands && !m->waiting)
		message_free(c, m);
	free(command->reason);
	free(command->settled_by);
	free(command);
}

void
memory_executor_free(struct memory_cell *c, struct memory_executor *e)
{
	struct memory_command *command, *older;

	memory_dequeue(e);
	memory_books_remove(e);
	LL_FOREACH_SAFE2(e->commands, command, older, older)
	command_free(c, command);
	DL_DELETE2(e->session->executors, e, s_prev, s_next);
	HASH_DEL(c->executors, e);
	free(e->reason);
	free(e->detail);
	free(e->late_outcome);
	free(e);
}

void
memory_session_free(struct memory_cell *c, struct memory_session *s)
{
	struct memory_name *name = memory_name_find(c, s->name);
	struct memory_template *t, *older;
	struct memory_displaced *d, *next;

	LL_DELETE2(name->newest, s, older);
	if (!name->newest) {
		HASH_DEL(c->names, name);
		free(name);
	}
	HASH_DEL(c->sessions, s);
	free(s->name);
	free(s->spec_json);
	free(s->who);
	free(s->rollout_paused);
	free(s->previous_spec_json);
	LL_FOREACH_SAFE2(s->templates, t, older, older)
	{
		free(t->body);
		free(t->driver);
		free(t->selector);
		free(t->needs);
		free(t->spread_by);
		free(t->apart_by);
		free(t);
	}
	LL_FOREACH_SAFE(s->displaced, d, next)
	free(d);
	free(s);
}

void
memory_event_free(struct memory_event *v)
{
	free(v->kind);
	free(v->session);
	free(v->executor);
	free(v->host);
	free(v->who);
	free(v->text);
	free(v);
}

/* ---- the end ---- */

static void
work_free(struct memory_work **list)
{
	struct memory_work *w, *next;

	DL_FOREACH_SAFE(*list, w, next)
	free(w);
	*list = NULL;
}

static void
pools_free(struct memory_cell *c)
{
	struct memory_pool *p, *next;
	struct memory_message *m, *next_message;
	struct memory_intent *i, *next_intent;
	struct memory_minute *minute, *next_minute;

	HASH_ITER(hh, c->pools, p, next)
	{
		DL_FOREACH_SAFE(p->outbox, m, next_message)
		memory_message_drop(c, m);
		DL_FOREACH_SAFE(p->intents, i, next_intent)
		free(i);
		work_free(&p->ended);
		work_free(&p->folded);
		work_free(&p->gone);
		LL_FOREACH_SAFE(p->minutes, minute, next_minute)
		free(minute);
		HASH_DEL(c->pools, p);
		free(p);
	}
}

static void
host_free(struct memory_cell *c, struct memory_host *h)
{
	struct memory_journal *j, *next;

	LL_FOREACH_SAFE(h->superseded, j, next)
	free(j);
	memory_unknown_clear(h);
	arena_free(h->facts);
	arena_free(h->operator_facts);
	free(h->cordoned_by);
	free(h->cordon_reason);
	free(h->suspect_reason);
	free(h->verdict_by);
	free(h->drained_by);
	HASH_DEL(c->hosts, h);
	free(h);
}

static void
hosts_free(struct memory_cell *c)
{
	struct memory_host *h, *next;
	struct memory_beat *b, *next_beat;

	HASH_ITER(hh, c->hosts, h, next)
	host_free(c, h);
	HASH_ITER(hh, c->beats, b, next_beat)
	{
		HASH_DEL(c->beats, b);
		free(b->server);
		free(b);
	}
}

static void
leases_free(struct memory_cell *c)
{
	struct memory_lease *l, *next;
	struct memory_key *k, *next_key;

	HASH_ITER(hh, c->leases, l, next)
	{
		HASH_DEL(c->leases, l);
		free(l->holder);
		free(l);
	}
	HASH_ITER(hh, c->keys, k, next_key)
	memory_key_free(c, k);
}

void
memory_cell_clear(struct memory_cell *c)
{
	struct memory_executor *e, *next;
	struct memory_session *s, *next_session;
	struct memory_event *v, *next_event;

	HASH_ITER(hh, c->executors, e, next)
	memory_executor_free(c, e);
	HASH_ITER(hh, c->sessions, s, next_session)
	memory_session_free(c, s);
	pools_free(c);
	hosts_free(c);
	leases_free(c);
	LL_FOREACH_SAFE(c->events, v, next_event)
	memory_event_free(v);
}

/* NOLINTEND(readability-function-size,clang-analyzer-*) */
