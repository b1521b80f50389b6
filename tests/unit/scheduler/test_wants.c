/* wants: rows of the queue for the planner, and its reasons for people. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "plan.h"
#include "store.h"
#include "wants.h"

static int
setup(void **state)
{
	*state = arena_new(0);
	return *state ? 0 : -1;
}

static int
teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static struct store_queued
queued_of(struct id session, uint64_t revision, const char *selector)
{
	return (struct store_queued){.executor_id = id_new(),
	    .session_id = session,
	    .session = "web",
	    .revision = revision,
	    .driver = "process",
	    .selector = selector,
	    .resources = {.cpu_millis = 100, .slots = 1}};
}

static struct plan_host
host_of(const struct label *labels, size_t n)
{
	return (struct plan_host){.host_id = "h1",
	    .state = HOST_READY,
	    .capacity = {.cpu_millis = 1000, .slots = 10},
	    .labels = labels,
	    .label_count = n,
	    .drivers = {{.name = "process", .usable = true}},
	    .driver_count = 1};
}

static void
neighbours_of_one_revision_share_a_shape(void **state)
{
	const struct id a = id_new(), b = id_new();
	const struct store_queued queued[] = {
	    queued_of(a, 1, ""), queued_of(a, 1, ""), queued_of(a, 2, ""), queued_of(b, 2, "")};
	struct plan_want *wants;
	struct err err;

	assert_int_equal(wants_of(queued, COUNT_OF(queued), *state, &wants, &err), 0);
	assert_ptr_equal(wants[0].shape, wants[1].shape);
	assert_ptr_not_equal(wants[1].shape, wants[2].shape);
	assert_ptr_not_equal(wants[2].shape, wants[3].shape);
	for (size_t i = 0; i < COUNT_OF(queued); i++)
		assert_true(id_equal(&wants[i].executor_id, &queued[i].executor_id));
}

static void
a_want_says_what_the_row_says(void **state)
{
	const struct label gold = {"tier", "gold"}, iron = {"tier", "iron"};
	const struct plan_host good = host_of(&gold, 1), bad = host_of(&iron, 1);
	struct store_queued queued = queued_of(id_new(), 1, "tier = gold");
	struct plan_want *wants;
	struct err err;

	queued.limits_required = true;
	assert_int_equal(wants_of(&queued, 1, *state, &wants, &err), 0);
	assert_true(wants[0].shape->limits_required);
	assert_int_equal(wants[0].shape->resources.cpu_millis, 100);
	assert_int_equal(plan_check(&bad, wants[0].shape), PLAN_SELECTOR);
	assert_int_equal(plan_check(&good, wants[0].shape), PLAN_LIMITS);
	queued.limits_required = false;
	assert_int_equal(wants_of(&queued, 1, *state, &wants, &err), 0);
	assert_int_equal(plan_check(&good, wants[0].shape), PLAN_OK);
}

static void
a_selector_that_does_not_parse_matches_nothing_and_holds_up_nobody(void **state)
{
	const struct plan_host host = host_of(NULL, 0);
	const struct store_queued queued[] = {
	    queued_of(id_new(), 1, "tier = = gold"), queued_of(id_new(), 1, "")};
	struct plan_want *wants;
	struct err err;

	assert_int_equal(wants_of(queued, COUNT_OF(queued), *state, &wants, &err), 0);
	assert_int_not_equal(plan_check(&host, wants[0].shape), PLAN_OK);
	assert_int_equal(plan_check(&host, wants[1].shape), PLAN_OK);
}

static void
an_empty_queue_wants_nothing(void **state)
{
	struct plan_want *wants = NULL;
	struct err err;

	assert_int_equal(wants_of(NULL, 0, *state, &wants, &err), 0);
	assert_non_null(wants);
}

static uint32_t
hosts_with(const struct store_waiting *w, const char *reason)
{
	for (size_t i = 0; i < w->why_count; i++) {
		if (strcmp(w->why[i].reason, reason) == 0)
			return w->why[i].hosts;
	}
	return 0;
}

static void
only_reasons_that_happened_are_told_with_their_hosts(void **state)
{
	const struct plan_result result = {.host = PLAN_NO_HOST,
	    .why = {[PLAN_CORDONED] = 3, [PLAN_MEMORY] = 1, [PLAN_SLOTS] = 7}};
	const struct id executor = id_new();
	struct store_waiting w;
	struct err err;

	assert_int_equal(wants_explain(&result, &executor, *state, &w, &err), 0);
	assert_true(id_equal(&w.executor_id, &executor));
	assert_int_equal(w.why_count, 3);
	assert_int_equal(hosts_with(&w, "cordoned"), 3);
	assert_int_equal(hosts_with(&w, "memory"), 1);
	assert_int_equal(hosts_with(&w, "slots"), 7);
}

static void
every_reason_at_once_is_told(void **state)
{
	struct plan_result result = {.host = PLAN_NO_HOST};
	const struct id executor = id_new();
	struct store_waiting w;
	struct err err;

	for (int r = PLAN_NOT_READY; r < PLAN_REASON_COUNT; r++)
		result.why[r] = (uint32_t)r;
	assert_int_equal(wants_explain(&result, &executor, *state, &w, &err), 0);
	assert_int_equal(w.why_count, PLAN_REASON_COUNT - 1);
	for (int r = PLAN_NOT_READY; r < PLAN_REASON_COUNT; r++)
		assert_int_equal(hosts_with(&w, plan_reason_text((enum plan_reason)r)), r);
}

static void
a_pool_without_hosts_is_told_as_such(void **state)
{
	const struct plan_result result = {.host = PLAN_NO_HOST};
	const struct id executor = id_new();
	struct store_waiting w;
	struct err err;

	assert_int_equal(wants_explain(&result, &executor, *state, &w, &err), 0);
	assert_int_equal(w.why_count, 1);
	assert_string_equal(w.why[0].reason, "no hosts");
	assert_int_equal(w.why[0].hosts, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		neighbours_of_one_revision_share_a_shape, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_want_says_what_the_row_says, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_selector_that_does_not_parse_matches_nothing_and_holds_up_nobody, setup,
		teardown),
	    cmocka_unit_test_setup_teardown(an_empty_queue_wants_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		only_reasons_that_happened_are_told_with_their_hosts, setup, teardown),
	    cmocka_unit_test_setup_teardown(every_reason_at_once_is_told, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_pool_without_hosts_is_told_as_such, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
