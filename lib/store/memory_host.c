/* memory_host: what is asked and said about hosts, but for hello and sync. */
#include "arena.h"
#include "err.h"
#include "memory.h"

/* ---- reading ---- */

static size_t
label_put(struct label *labels, size_t n, const struct label *label)
{
	size_t i = 0;

	while (i < n && strcmp(labels[i].key, label->key) != 0)
		i++;
	labels[i] = *label;
	return i == n ? n + 1 : n;
}

/* Operators' labels over those of the host (A8). */
static int
labels_copy(const struct memory_host *h, struct arena *a, struct store_host *ret, struct err *err)
{
	size_t n = 0;

	ret->labels =
	    arena_calloc(a, h->label_count + h->operator_label_count + 1, sizeof(*ret->labels));
	if (!ret->labels)
		return memory_no_room(err);
	for (size_t i = 0; i < h->label_count; i++)
		n = label_put(ret->labels, n, &h->labels[i]);
	for (size_t i = 0; i < h->operator_label_count; i++)
		n = label_put(ret->labels, n, &h->operator_labels[i]);
	return memory_labels_dup(ret->labels, ret->label_count = n, a) ? 0 : memory_no_room(err);
}

static int
drivers_copy(const struct memory_host *h, struct arena *a, struct store_host *ret, struct err *err)
{
	ret->drivers = memory_drivers_dup(h->drivers, h->driver_count, a);
	ret->driver_count = h->driver_count;
	return ret->drivers ? 0 : memory_no_room(err);
}

static int
host_copy(struct memory_cell *c, const struct memory_host *h, struct arena *a,
    struct store_host *ret, struct err *err)
{
	const struct memory_beat *beat = memory_beat_find(c, h->host_id);
	const struct resources nothing = {0};
	const struct memory_executor *e;
	const struct memory_unknown *k;
	enum resource_dimension ignored;

	*ret = (struct store_host){.host_id = arena_strdup(a, h->host_id),
	    .pool = arena_strdup(a, h->pool->name),
	    .boot_id = arena_strdup(a, h->boot_id),
	    .agent_version = arena_strdup(a, h->agent_version),
	    .arch = arena_strdup(a, h->arch),
	    .kernel = arena_strdup(a, h->kernel),
	    .server = arena_strdup(a, beat ? beat->server : ""),
	    .state = h->state,
	    .epoch = h->epoch,
	    .host_seq = h->host_seq,
	    .contiguous_seq = beat ? beat->contiguous_seq : 0,
	    .protocol_revision = h->protocol_revision,
	    .capabilities = arena_strdup(a, h->capabilities),
	    .capacity = h->capacity,
	    .used = h->used,
	    .overcommitted = !resources_fit(&h->capacity, &h->used, &nothing, &ignored),
	    .cordoned = h->cordoned_us > 0,
	    .cordoned_us = h->cordoned_us,
	    .cordoned_by = arena_strdup(a, h->cordoned_by),
	    .cordon_reason = arena_strdup(a, h->cordon_reason),
	    .first_seen_us = h->first_seen_us,
	    .last_hello_us = h->last_hello_us,
	    .last_heartbeat_us = beat ? beat->at_us : 0,
	    .rtt_us = beat ? beat->rtt_us : 0,
	    .suspect_since_us = h->suspect_since_us,
	    .suspect_reason = arena_strdup(a, h->suspect_reason),
	    .verdict_held = h->verdict_held_us > 0,
	    .lost_confirmed_by = arena_strdup(a, h->verdict_by),
	    .draining_us = h->draining_us,
	    .drain_deadline_us = h->drain_deadline_us,
	    .drained_by = arena_strdup(a, h->drained_by)};
	DL_FOREACH2(h->books, e, b_next)
	ret->executors += e->reserved;
	LL_FOREACH(h->unknown, k)
	ret->unknown++;
	if (!ret->host_id || !ret->pool || !ret->boot_id || !ret->agent_version || !ret->arch ||
	    !ret->capabilities || !ret->kernel || !ret->server || !ret->cordoned_by ||
	    !ret->cordon_reason || !ret->suspect_reason || !ret->lost_confirmed_by ||
	    !ret->drained_by)
		return memory_no_room(err);
	if (labels_copy(h, a, ret, err) != 0)
		return -1;
	return drivers_copy(h, a, ret, err);
}

static int
host_read(struct memory_cell *c, const char *host_id, struct arena *a, struct store_host *ret,
    struct err *err)
{
	const struct memory_host *h = memory_host_find(c, host_id);

	if (!h)
		return err_set(err, ERR_NOT_FOUND, "no host %s", host_id);
	return host_copy(c, h, a, ret, err);
}

int
memory_store_host_get(
    struct store *s, const char *host_id, struct arena *a, struct store_host *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	return host_read(c, host_id, a, ret, err);
}

static int
host_order(const void *a, const void *b)
{
	const struct memory_host *const *x = a, *const *y = b;

	return strcmp((*x)->host_id, (*y)->host_id);
}

/* pool "": all. */
static int
hosts_copy(struct memory_cell *c, const char *pool, bool all, const char *after, size_t limit,
    struct arena *a, struct store_host **ret, size_t *ret_n, struct err *err)
{
	const struct memory_host **found =
	    arena_calloc(a, HASH_COUNT(c->hosts) + 1, sizeof(*found));
	struct store_host *rows;
	size_t n = 0;

	if (!found)
		return memory_no_room(err);
	for (const struct memory_host *h = c->hosts; h; h = h->hh.next) {
		if ((*pool == '\0' || strcmp(h->pool->name, pool) == 0) &&
		    (all || h->state != HOST_RETIRED) && strcmp(h->host_id, after) > 0)
			found[n++] = h;
	}
	qsort((void *)found, n, sizeof(*found), host_order);
	n = n < limit ? n : limit;
	rows = arena_calloc(a, n + 1, sizeof(*rows));
	if (!rows)
		return memory_no_room(err);
	for (size_t i = 0; i < n; i++) {
		if (host_copy(c, found[i], a, &rows[i], err) != 0)
			return -1;
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}

int
memory_store_host_list(struct store *s, const char *pool, bool all, const char *after,
    uint32_t limit, struct arena *a, struct store_host **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	return hosts_copy(c, pool ? pool : "", all, after ? after : "", limit, a, ret, ret_n, err);
}

int
memory_store_fleet_load(struct store *s, const char *pool, struct arena *a, struct store_host **ret,
    size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	return hosts_copy(c, pool, false, "", SIZE_MAX, a, ret, ret_n, err);
}

int
memory_store_host_heads(struct store *s, const char *const *host_ids, size_t n, struct arena *a,
    struct store_host_head **ret, size_t *ret_n, int64_t *ret_now_us, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct store_host_head *rows = arena_calloc(a, n + 1, sizeof(*rows));

	if (!rows)
		return memory_no_room(err);
	for (size_t i = 0; i < n; i++) {
		const struct memory_host *h = memory_host_find(c, host_ids[i]);

		rows[i].host_id = arena_strdup(a, host_ids[i]);
		rows[i].encoding = arena_strdup(a, h ? h->encoding : "");
		if (!rows[i].host_id || !rows[i].encoding)
			return memory_no_room(err);
		if (!h)
			continue;
		rows[i].state = h->state;
		rows[i].epoch = h->epoch;
		rows[i].host_seq = h->host_seq;
	}
	*ret = rows;
	*ret_n = n;
	*ret_now_us = n > 0 ? c->now_us : 0;
	return 0;
}

/* ---- writing ---- */

int
memory_store_host_liveness(
    struct store *s, const struct store_beat *beats, size_t n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	(void)err;
	for (size_t i = 0; i < n; i++) {
		struct memory_beat *b = memory_beat_make(c, beats[i].host_id);

		if (b->server && b->at_us >= beats[i].at_us)
			continue;
		memory_text_set(&b->server, beats[i].server);
		b->at_us = beats[i].at_us;
		b->contiguous_seq = beats[i].contiguous_seq;
		b->rtt_us = beats[i].rtt_us;
	}
	return 0;
}

int
memory_store_host_cordon(struct store *s, const char *host_id, bool cordon, const char *reason,
    const char *who, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct memory_host *h = memory_host_find(c, host_id);

	if (!h)
		return err_set(err, ERR_NOT_FOUND, "no host %s", host_id);
	if (h->state == HOST_RETIRED || (h->cordoned_us > 0) == cordon)
		return 0;
	h->cordoned_us = cordon ? c->now_us : 0;
	if (!cordon)
		h->draining_us = h->drain_deadline_us = 0;
	memory_text_set(&h->cordoned_by, cordon ? who : "");
	memory_text_set(&h->cordon_reason, cordon ? reason : "");
	memory_event_add(
	    c, &(struct store_event){.kind = cordon ? "host.cordoned" : "host.uncordoned",
		   .host = host_id,
		   .who = who,
		   .text = reason});
	return 0;
}

/* Retired on purpose: what lived there ends LOST, the rows go with it (K16). */
static void
executor_retire(struct memory_cell *c, struct memory_executor *e, const char *who)
{
	memory_books_remove(e);
	e->gone_us = c->now_us;
	if (executor_state_ended(e->state))
		return;
	memory_executor_end(c, e, EXECUTOR_LOST, "host_retired");
	memory_work_add(&e->session->pool->ended, e, c->now_us);
	memory_executor_event(c, e, "executor.lost", who, "host_retired");
}

/* What was still to be said to it, nobody will hear. */
static void
commands_bury(struct memory_cell *c, const struct memory_host *h, const char *who)
{
	const struct memory_message *m;
	struct memory_command *command;

	for (m = h->pool->outbox; m; m = m->next) {
		DL_FOREACH2(m->commands, command, m_next)
		{
			if (m->host != h || !memory_command_unanswered(command))
				continue;
			memory_command_end(c, command, MEMORY_OUTCOME_DEAD, "its host was removed");
			memory_executor_event(
			    c, command->executor, "command.dead", who, "its host was removed");
		}
	}
}

int
memory_store_host_remove(
    struct store *s, const char *host_id, bool confirm, const char *who, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct memory_host *h = memory_host_find(c, host_id);
	struct memory_executor *e, *next;
	unsigned count = 0;

	if (!h)
		return err_set(err, ERR_NOT_FOUND, "no host %s", host_id);
	if (h->state == HOST_RETIRED)
		return 0;
	DL_COUNT2(h->books, e, count, b_next);
	if (count > 0 && !confirm) {
		err_set(err, ERR_CONFLICT, "host %s has %u executors", host_id, count);
		return err_hint(err, "stop them first, or --confirm: they end lost");
	}
	h->state = HOST_RETIRED;
	h->retired_us = c->now_us;
	memory_event_add(
	    c, &(struct store_event){.kind = "host.retired", .host = host_id, .who = who});
	DL_FOREACH_SAFE2(h->books, e, next, b_next)
	executor_retire(c, e, who);
	commands_bury(c, h, who);
	memory_unknown_clear(h); /* it stops everything, known here or not (K2) */
	return 0;
}
