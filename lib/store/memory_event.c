/* memory_event: facts for people, numbered by one publisher. */
#include "arena.h"
#include "err.h"
#include "memory.h"
#include "name.h"

void
memory_event_add(struct memory_cell *c, const struct store_event *e)
{
	struct memory_event *v = memory_alloc(sizeof(*v));

	v->executor_id = e->executor_id;
	v->at_us = c->now_us;
	v->kind = memory_text(e->kind);
	v->session = memory_text(e->session);
	v->executor = memory_text(e->executor);
	v->host = memory_text(e->host);
	v->who = memory_text(e->who);
	v->text = memory_text(e->text);
	if (c->last_event)
		c->last_event->next = v;
	else
		c->events = v;
	c->last_event = v;
	if (!c->unpublished)
		c->unpublished = v;
}

void
memory_executor_event(struct memory_cell *c, const struct memory_executor *e, const char *kind,
    const char *who, const char *text)
{
	memory_event_add(c, &(struct store_event){.kind = kind,
				.executor_id = e->executor_id,
				.host = e->host ? e->host->host_id : "",
				.who = who,
				.text = text});
}

/* Names are found here and not where the fact was made, as in Postgres. */
static void
event_publish(struct memory_cell *c, struct memory_event *v)
{
	const struct memory_executor *e = memory_executor_find(c, &v->executor_id);
	char name[EXECUTOR_NAME_BYTES];

	v->cursor = ++c->cursor;
	if (!e)
		return;
	if (*v->session == '\0')
		memory_text_set(&v->session, e->session->name);
	memory_text_set(
	    &v->executor, executor_name_format(e->session->name, e->index, e->attempt, name));
}

/* As in Postgres: the join gives its events and running_us one time, so an event of that moment is
 * the first that says so. */
static void
run_add(struct memory_cell *c, const struct memory_event *v, struct store_first_runs *runs)
{
	const struct memory_executor *e = memory_executor_find(c, &v->executor_id);

	if (!e || v->at_us != e->running_us || e->accepted_us < e->placed_us)
		return;
	runs->accepted_us[runs->n] = e->accepted_us - e->placed_us;
	runs->running_us[runs->n++] =
	    e->running_after_us > 0 ? e->running_after_us : e->running_us - e->accepted_us;
}

static int
runs_room(struct arena *a, struct store_first_runs *runs, struct err *err)
{
	runs->n = 0;
	runs->accepted_us = arena_calloc(a, STORE_EVENTS_AT_ONCE, sizeof(*runs->accepted_us));
	runs->running_us = arena_calloc(a, STORE_EVENTS_AT_ONCE, sizeof(*runs->running_us));
	return runs->accepted_us && runs->running_us ? 0 : memory_no_room(err);
}

int
memory_store_event_publish(struct store *s, const struct store_lease *lease, struct arena *a,
    size_t *ret_n, uint64_t *ret_newest, struct store_first_runs *ret_runs, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	*ret_n = 0;
	if (memory_fence(c, lease, err) != 0 || (ret_runs && runs_room(a, ret_runs, err) != 0))
		return -1;
	for (; c->unpublished && *ret_n < STORE_EVENTS_AT_ONCE; (*ret_n)++) {
		event_publish(c, c->unpublished);
		if (ret_runs)
			run_add(c, c->unpublished, ret_runs);
		c->unpublished = c->unpublished->next;
	}
	*ret_newest = c->cursor;
	return 0;
}

static bool
event_matches(const struct memory_event *v, const struct store_event_query *q)
{
	if (v->cursor <= q->after || v->at_us < q->since_us)
		return false;
	if (q->executor_id)
		return id_equal(&v->executor_id, q->executor_id);
	if (q->session)
		return *v->session != '\0' && strcmp(v->session, q->session) == 0;
	if (q->host)
		return *v->host != '\0' && strcmp(v->host, q->host) == 0;
	return true;
}

static int
event_copy(const struct memory_event *v, struct arena *a, struct store_event *ret, struct err *err)
{
	*ret = (struct store_event){.cursor = v->cursor,
	    .at_us = v->at_us,
	    .executor_id = v->executor_id,
	    .kind = arena_strdup(a, v->kind),
	    .session = arena_strdup(a, v->session),
	    .executor = arena_strdup(a, v->executor),
	    .host = arena_strdup(a, v->host),
	    .who = arena_strdup(a, v->who),
	    .text = arena_strdup(a, v->text)};
	return ret->kind && ret->session && ret->executor && ret->host && ret->who && ret->text
		   ? 0
		   : memory_no_room(err);
}

int
memory_store_event_list(struct store *s, const struct store_event_query *q, struct arena *a,
    struct store_event **ret, size_t *ret_n, struct store_event_bounds *ret_bounds, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct store_event *rows;
	size_t n = 0;

	if (q->session && q->host)
		return err_field(
		    err, ERR_INVALID, "host", "ask for a session or for a host, not both");
	for (const struct memory_event *v = c->events; v != c->unpublished && n < q->limit;
	    v = v->next)
		n += event_matches(v, q);
	rows = arena_calloc(a, n + 1, sizeof(*rows));
	if (!rows)
		return memory_no_room(err);
	*ret_n = 0;
	for (const struct memory_event *v = c->events; *ret_n < n; v = v->next) {
		if (event_matches(v, q) && event_copy(v, a, &rows[(*ret_n)++], err) != 0)
			return -1;
	}
	*ret = rows;
	ret_bounds->newest = c->cursor;
	ret_bounds->oldest = c->events && c->events->cursor ? c->events->cursor : c->cursor + 1;
	return 0;
}

int
memory_store_event_append(struct store *s, const struct store_event *e, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	(void)err;
	memory_event_add(c, e);
	return 0;
}
