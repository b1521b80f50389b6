/* The ingest join (K14, K15, K18): the store against report_advances and report_fold. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "contract_hub.h"

#define ACTIONS 1500

/* A host h1 with n placed executors of session web. */
static struct store_hello
placed(struct rig *r, uint32_t n)
{
	struct store_hello h = host_make(r, "h1");

	session_make(r, "web", n);
	assert_int_equal(place_all(r, "h1"), n);
	return h;
}

static void
a_report_moves_an_executor_and_stamps_its_stages_K14(void **state)
{
	struct rig *r = *state;
	struct store_hello h = placed(r, 1);
	struct store_executor e = executor_of(r, "web", 0);
	struct report report = report_of(&e, &h, EXECUTOR_RUNNING);
	struct store_session s;

	report.started = true;
	report.starting_after_us = 10;
	report.running_after_us = 25;
	assert_int_equal(join_one(r, report).applied, 1);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.state, EXECUTOR_RUNNING);
	assert_int_equal(e.accepted_generation, e.generation);
	assert_true(e.started);
	assert_true(e.accepted_us >= e.placed_us && e.placed_us > 0);
	assert_true(e.starting_us > 0 && e.running_us > 0);
	assert_int_equal(e.ended_us, 0);
	assert_int_equal(e.running_after_us, 25);
	OK(r, store_session_get(r->s, "web", r->a, &s, &r->err));
	assert_int_equal(s.counters[EXECUTOR_PLACED], 0);
	assert_int_equal(s.counters[EXECUTOR_RUNNING], 1);
}

static void
what_ran_once_has_started_for_good_K30(void **state)
{
	struct rig *r = *state;
	struct store_hello h = placed(r, 1);
	struct store_executor e = executor_of(r, "web", 0);
	struct report report = report_of(&e, &h, EXECUTOR_RUNNING);

	report.started = true;
	join_one(r, report);
	join_one(r, report_of(&e, &h, EXECUTOR_BACKOFF));
	e = executor_of(r, "web", 0);
	assert_int_equal(e.state, EXECUTOR_BACKOFF);
	assert_true(e.started);
}

static void
an_end_names_its_pool_and_is_counted_once_K14(void **state)
{
	struct rig *r = *state;
	struct store_hello h = placed(r, 2);
	struct store_executor e = executor_of(r, "web", 0);
	struct report report = report_of(&e, &h, EXECUTOR_FAILED);
	struct store_join_result result;

	report.exit_code = 3;
	report.reason = "exit";
	result = join_one(r, report);
	assert_int_equal(result.ended, 1);
	assert_int_equal(result.pool_count, 1);
	assert_string_equal(result.pools[0], "default");
	result = join_one(r, report);
	assert_int_equal(result.applied, 0);
	assert_int_equal(result.ended, 0);
	assert_int_equal(result.pool_count, 0);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.exit_code, 3);
	assert_string_equal(e.reason, "exit");
	assert_true(e.ended_us > 0);
	e = executor_of(r, "web", 1);
	assert_int_equal(join_one(r, report_of(&e, &h, EXECUTOR_RUNNING)).pool_count, 0);
}

static void
counters_rise_on_their_own_also_after_the_end_K14(void **state)
{
	struct rig *r = *state;
	struct store_hello h = placed(r, 1);
	struct store_executor e = executor_of(r, "web", 0);
	struct report report = report_of(&e, &h, EXECUTOR_STOPPED);
	struct store_join_result result;

	join_one(r, report);
	report.state = EXECUTOR_NONE;
	report.gone_generation = e.generation;
	result = join_one(r, report);
	assert_int_equal(result.applied, 1);
	assert_int_equal(result.ended, 0);
	assert_int_equal(result.pool_count, 1);
	report.gone_generation = 0;
	assert_int_equal(join_one(r, report).applied, 0);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.gone_generation, e.generation);
	assert_int_equal(e.state, EXECUTOR_STOPPED);
}

static void
a_report_without_a_state_moves_nothing_whatever_its_incarnation(void **state)
{
	struct rig *r = *state;
	struct store_hello h = placed(r, 1);
	struct store_executor e = executor_of(r, "web", 0);
	struct report report = report_of(&e, &h, EXECUTOR_NONE);

	report.incarnation = 9;
	join_one(r, report);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.state, EXECUTOR_PLACED);
	assert_int_equal(e.incarnation, 0);
	assert_int_equal(e.accepted_generation, e.generation);
}

static void
a_second_different_end_is_kept_as_late_outcome_K14(void **state)
{
	struct rig *r = *state;
	struct store_hello h = placed(r, 1);
	struct store_executor e = executor_of(r, "web", 0);
	struct report first = report_of(&e, &h, EXECUTOR_FAILED), second = first;
	struct store_session s;

	first.exit_code = 3;
	second.state = EXECUTOR_SUCCEEDED;
	second.exit_code = 0;
	assert_int_equal(join_one(r, first).late, 0);
	assert_int_equal(join_one(r, second).late, 1);
	second.gone_generation = e.generation; /* said again, with news */
	assert_int_equal(join_one(r, second).late, 0);
	assert_int_equal(join_one(r, first).late, 0);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.state, EXECUTOR_FAILED);
	assert_int_equal(e.exit_code, 3);
	assert_non_null(strstr(e.late_outcome, "succeeded"));
	OK(r, store_session_get(r->s, "web", r->a, &s, &r->err));
	assert_int_equal(s.counters[EXECUTOR_FAILED], 1);
	assert_int_equal(s.counters[EXECUTOR_SUCCEEDED], 0);
}

static void
an_end_with_another_exit_code_is_a_different_end_K14(void **state)
{
	struct rig *r = *state;
	struct store_hello h = placed(r, 1);
	struct store_executor e = executor_of(r, "web", 0);
	struct report report = report_of(&e, &h, EXECUTOR_FAILED);

	report.exit_code = 3;
	join_one(r, report);
	report.exit_code = 4;
	assert_int_equal(join_one(r, report).late, 1);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.exit_code, 3);
	assert_non_null(strstr(e.late_outcome, "4"));
}

static void
a_host_reports_only_its_own_executors_K14(void **state)
{
	struct rig *r = *state;
	struct store_hello other = host_make(r, "h2");
	struct store_executor e;
	char *before;

	placed(r, 1);
	e = executor_of(r, "web", 0);
	before = dump(r);
	assert_int_equal(join_one(r, report_of(&e, &other, EXECUTOR_SUCCEEDED)).applied, 0);
	e.executor_id = id_new();
	assert_int_equal(join_one(r, report_of(&e, &other, EXECUTOR_SUCCEEDED)).applied, 0);
	assert_string_equal(before, dump(r));
}

static void
a_report_is_dropped_for_a_superseded_journal_only_K2(void **state)
{
	struct rig *r = *state;
	struct store_hello h = placed(r, 1), next = hello_of("h1", id_new());
	struct store_executor e = executor_of(r, "web", 0);
	struct store_join_result result;
	struct store_host host;

	h.start_no = 2; /* a reconnect: the epoch is another one, what was recorded stays true */
	h.instance_id = id_new();
	assert_true(hello_say(r, &h).epoch_raised);
	assert_int_equal(join_one(r, report_of(&e, &h, EXECUTOR_STARTING)).applied, 1);
	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	next.ticket = host.epoch;
	hello_say(r, &next);
	result = join_one(r, report_of(&e, &h, EXECUTOR_SUCCEEDED));
	assert_int_equal(result.applied, 0);
	assert_int_equal(result.superseded, 1);
	assert_int_equal(executor_of(r, "web", 0).state, EXECUTOR_STARTING);
}

/* One batch may hold both: what the dead journal says must not hide what the living one says. */
static void
a_superseded_report_does_not_hide_a_living_one_K2(void **state)
{
	struct rig *r = *state;
	struct store_hello h = placed(r, 8), next = hello_of("h1", id_new());
	struct store_join_result result;
	struct store_executor *rows;
	struct report reports[16];
	struct store_host host;
	size_t n;

	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	next.ticket = host.epoch;
	hello_say(r, &next);
	rows = executors_of(r, "web", &n);
	for (size_t i = 0; i < 8; i++) {
		reports[2 * i] = report_of(&rows[i], &h, EXECUTOR_FAILED);
		reports[2 * i + 1] = report_of(&rows[i], &next, EXECUTOR_RUNNING);
	}
	result = join(r, reports, 16);
	assert_int_equal(result.applied, 8);
	assert_int_equal(result.superseded, 8);
	rows = executors_of(r, "web", &n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rows[i].state, EXECUTOR_RUNNING);
}

/* Nor does what a host says of executors that are another's. */
static void
a_strangers_report_does_not_hide_the_hosts_own_K14(void **state)
{
	struct rig *r = *state;
	struct store_hello h = placed(r, 8), stranger = host_make(r, "a-stranger");
	struct store_executor *rows;
	struct report reports[16];
	size_t n;

	rows = executors_of(r, "web", &n);
	for (size_t i = 0; i < 8; i++) {
		reports[2 * i] = report_of(&rows[i], &stranger, EXECUTOR_FAILED);
		reports[2 * i + 1] = report_of(&rows[i], &h, EXECUTOR_RUNNING);
	}
	assert_int_equal(join(r, reports, 16).applied, 8);
	rows = executors_of(r, "web", &n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rows[i].state, EXECUTOR_RUNNING);
}

static void
an_empty_batch_is_a_no_op(void **state)
{
	struct rig *r = *state;
	struct store_join_result result;

	OK(r, store_executor_join(r->s, NULL, 0, r->a, &result, &r->err));
	assert_int_equal(result.applied, 0);
}

static void
a_state_of_the_control_plane_is_not_a_hosts_to_report_E1(void **state)
{
	struct rig *r = *state;
	struct store_hello h = placed(r, 1);
	struct store_executor e = executor_of(r, "web", 0);
	char *before = dump(r);

	for (size_t i = 0; i < executor_states_count; i++) {
		struct report report = report_of(&e, &h, executor_states[i].state);
		struct store_join_result result;

		if (executor_states[i].writer == STATE_WRITER_HOST)
			continue;
		report.incarnation = 3;
		FAILS(
		    r, ERR_INVALID, store_executor_join(r->s, &report, 1, r->a, &result, &r->err));
	}
	assert_string_equal(before, dump(r));
}

/* ---- random reports ---- */

struct random {
	uint64_t x;
};

static uint32_t
random_below(struct random *g, uint32_t n)
{
	g->x = g->x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(g->x >> 33) % n;
}

static enum executor_state
random_state(struct random *g)
{
	static const enum executor_state states[] = {EXECUTOR_NONE, EXECUTOR_ACCEPTED,
	    EXECUTOR_PULLING, EXECUTOR_STARTING, EXECUTOR_RUNNING, EXECUTOR_BACKOFF,
	    EXECUTOR_STOPPING, EXECUTOR_SUCCEEDED, EXECUTOR_FAILED, EXECUTOR_STOPPED,
	    EXECUTOR_REJECTED};

	/* Ends are rare, or every history would be over at once. */
	return states[random_below(g, random_below(g, 8) ? 7 : COUNT_OF(states))];
}

static struct report
random_report(
    struct random *g, const struct store_executor *rows, size_t n, const struct store_hello *h)
{
	struct report report = report_of(&rows[random_below(g, (uint32_t)n)], h, random_state(g));

	report.incarnation = random_below(g, 4);
	report.accepted_generation -= random_below(g, 2);
	report.gone_generation = random_below(g, 20) ? 0 : report.accepted_generation;
	report.exit_code = (int32_t)random_below(g, 3);
	report.signal = (int32_t)random_below(g, 2);
	report.started = executor_state_rank(report.state) >= 70;
	report.oom = random_below(g, 2);
	report.reason = random_below(g, 2) ? "exit" : "";
	return report;
}

/* The model: reports one by one, as K14 says. */
static void
model_apply(struct store_executor *e, const struct report *n)
{
	if (report_advances(e->state, e->incarnation, n)) {
		e->state = n->state;
		e->incarnation = n->incarnation;
		e->exit_code = n->exit_code;
		e->signal = n->signal;
		e->oom = n->oom;
		e->reason = n->reason;
	}
	if (n->accepted_generation > e->accepted_generation)
		e->accepted_generation = n->accepted_generation;
	if (n->gone_generation > e->gone_generation)
		e->gone_generation = n->gone_generation;
}

static void
model_compare(const struct store_executor *want, const struct store_executor *got)
{
	assert_int_equal(want->state, got->state);
	assert_int_equal(want->incarnation, got->incarnation);
	assert_int_equal(want->accepted_generation, got->accepted_generation);
	assert_int_equal(want->gone_generation, got->gone_generation);
	assert_int_equal(want->exit_code, got->exit_code);
	assert_int_equal(want->signal, got->signal);
	assert_int_equal(want->oom, got->oom);
	assert_string_equal(want->reason, got->reason);
}

static struct store_executor *
model_find(struct store_executor *rows, size_t n, const struct id *id)
{
	for (size_t i = 0; i < n; i++) {
		if (id_equal(&rows[i].executor_id, id))
			return &rows[i];
	}
	return NULL;
}

/* In batches of random size, each folded and sorted as the hub does. */
static void
join_in_batches(struct rig *r, struct random *g, const struct report *reports, size_t n)
{
	struct report batch[64];

	for (size_t at = 0; at < n;) {
		size_t size = 1 + random_below(g, COUNT_OF(batch));

		size = size < n - at ? size : n - at;
		memcpy(batch, &reports[at], size * sizeof(*batch));
		join(r, batch, size);
		at += size;
	}
}

static void
counters_equal_a_recount(struct rig *r, const struct store_executor *rows, size_t n)
{
	uint64_t counted[100] = {0};
	struct store_session s;

	for (size_t i = 0; i < n; i++)
		counted[rows[i].state]++;
	OK(r, store_session_get(r->s, "web", r->a, &s, &r->err));
	assert_memory_equal(counted, s.counters, sizeof(counted));
}

static void
random_reports_end_where_the_model_ends_and_a_replay_changes_nothing_K15_R5_E12(void **state)
{
	struct rig *r = *state;
	struct store_hello h = placed(r, 60);
	struct random g = {.x = 20261121};
	struct report *reports = arena_calloc(r->a, ACTIONS, sizeof(*reports));
	struct store_executor *model, *rows;
	size_t n, count;
	char *before;

	model = executors_of(r, "web", &n);
	for (size_t i = 0; i < ACTIONS; i++)
		reports[i] = random_report(&g, model, n, &h);
	join_in_batches(r, &g, reports, ACTIONS);
	for (size_t i = 0; i < ACTIONS; i++)
		model_apply(model_find(model, n, &reports[i].executor_id), &reports[i]);
	rows = executors_of(r, "web", &count);
	assert_int_equal(count, n);
	for (size_t i = 0; i < n; i++)
		model_compare(&model[i], &rows[i]);
	counters_equal_a_recount(r, rows, n);
	/* Late outcomes of ends that were folded away inside a batch show when they come alone. */
	join_in_batches(r, &g, reports, ACTIONS);
	for (size_t i = 0; i < ACTIONS; i++)
		join_one(r, reports[i]);
	before = dump(r);
	join_in_batches(r, &g, reports, ACTIONS);
	for (size_t i = 0; i < ACTIONS; i++)
		join_one(r, reports[i]);
	assert_string_equal(before, dump(r));
	rows = executors_of(r, "web", &count);
	for (size_t i = 0; i < n; i++)
		model_compare(&model[i], &rows[i]);
}

/* ---- two hubs ---- */

struct hub {
	struct store *s;
	const struct report *reports;
	size_t n;
	uint64_t seed, applied;
	struct err err;
	int r;
};

static void *
hub_run(void *arg)
{
	struct hub *hub = arg;
	struct random g = {.x = hub->seed};
	struct arena *a = arena_new(0);
	struct report batch[256];

	for (size_t round = 0; round < 40 && hub->r == 0; round++) {
		struct store_join_result result;
		size_t n;

		for (size_t i = 0; i < COUNT_OF(batch); i++)
			batch[i] = hub->reports[random_below(&g, (uint32_t)hub->n)];
		n = report_fold_batch(batch, COUNT_OF(batch), NULL);
		hub->r = store_executor_join(hub->s, batch, n, a, &result, &hub->err);
		hub->applied += hub->r == 0 ? result.applied : 0;
		arena_reset(a);
	}
	arena_free(a);
	return NULL;
}

static void
two_hubs_write_the_same_executors_at_once_and_agree_K15(void **state)
{
	struct rig *r = *state;
	struct store_hello h = placed(r, 300);
	struct random g = {.x = 7};
	struct report *reports = arena_calloc(r->a, 4 * ACTIONS, sizeof(*reports));
	struct store_executor *rows, *after;
	struct hub hubs[2];
	pthread_t threads[2];
	size_t n, count;

	rows = executors_of(r, "web", &n);
	for (size_t i = 0; i < 4 * (size_t)ACTIONS; i++) {
		reports[i] = random_report(&g, rows, n, &h);
		if (executor_state_ended(
			reports[i].state)) /* one end per executor: order decides (K15) */
			reports[i].state = EXECUTOR_STOPPING;
	}
	for (int i = 0; i < 2; i++) {
		hubs[i] = (struct hub){.s = i ? r->other : r->s,
		    .reports = reports,
		    .n = 4 * (size_t)ACTIONS,
		    .seed = (uint64_t)i + 1};
		assert_int_equal(pthread_create(&threads[i], NULL, hub_run, &hubs[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 2; i++) {
		if (hubs[i].r != 0)
			fail_msg("%s", hubs[i].err.text);
		assert_true(hubs[i].applied > 0);
	}
	join_in_batches(r, &g, reports, 4 * (size_t)ACTIONS); /* whatever was not drawn */
	for (size_t i = 0; i < 4 * (size_t)ACTIONS; i++)
		model_apply(model_find(rows, n, &reports[i].executor_id), &reports[i]);
	after = executors_of(r, "web", &count);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(rows[i].state, after[i].state);
		assert_int_equal(rows[i].incarnation, after[i].incarnation);
		assert_int_equal(rows[i].gone_generation, after[i].gone_generation);
	}
	counters_equal_a_recount(r, after, count);
}

const struct CMUnitTest contract_join_tests[] = {
    TEST(a_report_moves_an_executor_and_stamps_its_stages_K14),
    TEST(what_ran_once_has_started_for_good_K30),
    TEST(an_end_names_its_pool_and_is_counted_once_K14),
    TEST(counters_rise_on_their_own_also_after_the_end_K14),
    TEST(a_report_without_a_state_moves_nothing_whatever_its_incarnation),
    TEST(a_second_different_end_is_kept_as_late_outcome_K14),
    TEST(an_end_with_another_exit_code_is_a_different_end_K14),
    TEST(a_host_reports_only_its_own_executors_K14),
    TEST(a_report_is_dropped_for_a_superseded_journal_only_K2),
    TEST(a_superseded_report_does_not_hide_a_living_one_K2),
    TEST(a_strangers_report_does_not_hide_the_hosts_own_K14),
    TEST(an_empty_batch_is_a_no_op),
    TEST(a_state_of_the_control_plane_is_not_a_hosts_to_report_E1),
    TEST(random_reports_end_where_the_model_ends_and_a_replay_changes_nothing_K15_R5_E12),
    TEST(two_hubs_write_the_same_executors_at_once_and_agree_K15),
};
const size_t contract_join_count = COUNT_OF(contract_join_tests);
