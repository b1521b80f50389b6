/* memory_verify: the invariants of pg_verify.c as questions to structs (O5).  What a pointer or a
 * missing field makes impossible is not asked. */
#include "arena.h"
#include "err.h"
#include "memory.h"

#define GRACE_US INT64_C(60000000)

/* One violated invariant: how often, and the example that sorts first. */
struct verify {
	const struct memory_cell *c;
	struct arena *arena;
	uint64_t rows;
	const char *example;
};

static void
violated(struct verify *v, const char *example)
{
	v->rows++;
	if (!v->example || strcmp(example, v->example) < 0)
		v->example = arena_strdup(v->arena, example);
}

static void
violated_by(struct verify *v, const struct memory_executor *e)
{
	char hex[ID_HEX_BYTES];

	violated(v, id_to_hex(&e->executor_id, hex));
}

static void
capacity_is_the_sum(struct verify *v)
{
	for (const struct memory_host *h = v->c->hosts; h; h = h->hh.next) {
		struct resources sum = {0};
		const struct memory_executor *e;

		DL_FOREACH2(h->books, e, b_next)
		{
			if (e->reserved)
				resources_add(&sum, &e->resources);
		}
		if (memcmp(&sum, &h->used, sizeof(sum)) != 0)
			violated(v, h->host_id);
	}
}

/* Counters keep the totals of executors that retention has removed. */
static void
counters_equal_a_recount(struct verify *v)
{
	for (const struct memory_session *s = v->c->sessions; s; s = s->hh.next) {
		int64_t sum[MEMORY_STATES];
		const struct memory_executor *e;

		for (int i = 0; i < MEMORY_STATES; i++)
			sum[i] = s->counters[i] + s->edges[i];
		DL_FOREACH2(s->executors, e, s_next)
		sum[e->state]--;
		for (int i = 0; i < MEMORY_STATES; i++)
			if (sum[i] < 0 || (sum[i] > 0 && i < EXECUTOR_SUCCEEDED))
				violated(v, s->name);
	}
}

#define EACH_EXECUTOR(v, e)                                                                        \
	for (const struct memory_executor *(e) = (v)->c->executors; (e); (e) = (e)->hh.next)

static void
queued_are_in_the_queue(struct verify *v)
{
	EACH_EXECUTOR(v, e)
	{
		if (e->state == EXECUTOR_QUEUED && !e->queued)
			violated_by(v, e);
	}
}

static void
the_queue_holds_queued(struct verify *v)
{
	EACH_EXECUTOR(v, e)
	{
		if (e->queued && e->state != EXECUTOR_QUEUED)
			violated_by(v, e);
	}
}

static void
placed_have_a_command(struct verify *v)
{
	EACH_EXECUTOR(v, e)
	{
		if (e->generation > 0 && (!e->commands || e->commands->generation != e->generation))
			violated_by(v, e);
	}
}

static void
living_are_on_the_books(struct verify *v)
{
	EACH_EXECUTOR(v, e)
	{
		int rank = executor_state_rank(e->state);

		if (rank >= executor_state_rank(EXECUTOR_PLACED) && rank < EXECUTOR_RANK_END &&
		    e->gone_generation < e->generation &&
		    (!e->books || e->books != e->host || !e->reserved))
			violated_by(v, e);
	}
}

static void
books_name_their_own(struct verify *v)
{
	EACH_EXECUTOR(v, e)
	{
		if (e->books && e->books != e->host)
			violated_by(v, e);
	}
}

static void
unknown_are_unknown(struct verify *v)
{
	for (const struct memory_host *h = v->c->hosts; h; h = h->hh.next) {
		const struct memory_unknown *k;

		LL_FOREACH(h->unknown, k)
		{
			const struct memory_executor *e =
			    memory_executor_find((struct memory_cell *)v->c, &k->executor_id);
			char hex[ID_HEX_BYTES];

			if ((e && e->host == h) || k->generation >= memory_floor(v->c))
				violated(v, id_to_hex(&k->executor_id, hex));
		}
	}
}

static void
host_seq_covers(struct verify *v)
{
	for (const struct memory_message *m = v->c->messages; m; m = m->hh.next) {
		if (m->commands && m->host_seq > m->host->host_seq)
			violated_by(v, m->commands->executor);
	}
}

/* After a restore hosts still tell of commands that only the lost history knew. */
static void
accepted_within_generation(struct verify *v)
{
	uint64_t floor = memory_floor(v->c);

	EACH_EXECUTOR(v, e)
	{
		uint64_t most = e->generation > floor ? e->generation : floor;

		if (e->accepted_generation > most || e->gone_generation > most)
			violated_by(v, e);
	}
}

static int
index_order(const void *a, const void *b)
{
	const struct memory_executor *const *x = a, *const *y = b;
	int order = id_compare(&(*x)->session->session_id, &(*y)->session->session_id);

	return order ? order : ((*x)->index > (*y)->index) - ((*x)->index < (*y)->index);
}

static void
one_living_attempt(struct verify *v)
{
	const struct memory_executor **living =
	    arena_calloc(v->arena, HASH_COUNT(v->c->executors) + 1, sizeof(*living));
	size_t n = 0;

	EACH_EXECUTOR(v, e)
	{
		if (living && !executor_state_ended(e->state) && !e->relieved &&
		    strcmp(e->stopped_for, "keep") != 0)
			living[n++] = e;
	}
	if (n > 0)
		qsort((void *)living, n, sizeof(*living), index_order);
	for (size_t i = 1; i < n; i++) {
		if (index_order(&living[i - 1], &living[i]) == 0)
			violated_by(v, living[i]);
	}
}

static void
work_mark(struct verify *v, const struct memory_work *list, bool marked)
{
	for (; list; list = list->next) {
		struct memory_executor *e =
		    memory_executor_find((struct memory_cell *)v->c, &list->executor_id);

		if (e)
			e->marked = marked;
	}
}

static void
works_mark(struct verify *v, bool marked)
{
	for (const struct memory_pool *p = v->c->pools; p; p = p->hh.next) {
		work_mark(v, p->ended, marked);
		work_mark(v, p->folded, marked);
	}
}

static void
ended_are_told(struct verify *v)
{
	works_mark(v, true);
	EACH_EXECUTOR(v, e)
	{
		if (executor_state_ended(e->state) && e->books && e->desired != DESIRED_ABSENT &&
		    e->books->state == HOST_READY && e->ended_us < v->c->now_us - GRACE_US &&
		    !e->marked)
			violated_by(v, e);
	}
	works_mark(v, false);
}

static void
unaccepted_expire(struct verify *v)
{
	EACH_EXECUTOR(v, e)
	{
		const struct memory_command *command = e->commands;

		if (command && command->desired == DESIRED_RUN &&
		    memory_command_unaccepted(command) && !executor_state_ended(e->state) &&
		    command->deadline_us < v->c->now_us - GRACE_US)
			violated_by(v, e);
	}
}

static void
closed_have_no_living(struct verify *v)
{
	EACH_EXECUTOR(v, e)
	{
		if (e->session->state == SESSION_CLOSED && !executor_state_ended(e->state))
			violated(v, e->session->name);
	}
}

static void
events_without_holes(struct verify *v)
{
	uint64_t next = 0;

	for (const struct memory_event *event = v->c->events; event != v->c->unpublished;
	    event = event->next) {
		if (next > 0 && event->cursor != next)
			violated(v, event->kind);
		next = event->cursor + 1;
	}
}

static const struct {
	const char *name;
	void (*look)(struct verify *v);
} invariants[] = {
    {"capacity_is_the_sum_of_reservations", capacity_is_the_sum},
    {"session_counters_equal_a_recount", counters_equal_a_recount},
    {"queued_executors_are_in_the_queue", queued_are_in_the_queue},
    {"the_queue_holds_queued_executors", the_queue_holds_queued},
    {"a_placed_executor_has_a_command", placed_have_a_command},
    {"a_living_placed_executor_is_on_its_hosts_books", living_are_on_the_books},
    {"a_hosts_books_name_known_executors", books_name_their_own},
    {"unknown_executors_are_of_an_older_term_and_on_nobodys_books", unknown_are_unknown},
    {"host_seq_covers_every_command", host_seq_covers},
    {"accepted_never_exceeds_generation", accepted_within_generation},
    {"one_living_attempt_per_index", one_living_attempt},
    {"an_ended_executor_is_told_to_be_forgotten", ended_are_told},
    {"an_unaccepted_run_expires", unaccepted_expire},
    {"a_closed_session_has_no_living_executor", closed_have_no_living},
    {"events_are_numbered_without_holes", events_without_holes},
};

int
memory_store_verify(
    struct store *s, struct arena *a, struct store_violation **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);
	struct store_violation *rows = arena_calloc(a, COUNT_OF(invariants) + 1, sizeof(*rows));

	if (!rows)
		return memory_no_room(err);
	*ret_n = 0;
	for (size_t i = 0; i < COUNT_OF(invariants); i++) {
		struct verify v = {.c = c, .arena = a};

		invariants[i].look(&v);
		if (v.rows > 0)
			rows[(*ret_n)++] = (struct store_violation){
			    .invariant = invariants[i].name, .detail = v.example, .rows = v.rows};
	}
	*ret = rows;
	return 0;
}
