#include "plan.h"

#include <string.h>
#include <time.h>

#include "arena.h"
#include "err.h"
#include "test.h"

static const struct resources big = {4000, 8000, 8000, 2, 10};
static const struct resources small = {1000, 1000, 0, 0, 1};

static struct plan_host
host_ready(const char *host_id)
{
	struct plan_host h = {.host_id = host_id, .state = HOST_READY, .capacity = big};

	h.drivers[0] = (struct plan_driver){"process", true, true, true};
	h.driver_count = 1;
	return h;
}

/* What spread and anti-affinity do not need. */
static void
plan_plain(struct plan_host *hosts, size_t host_count, const struct plan_want *wants, size_t n,
    size_t *cursor, struct plan_result *results)
{
	struct plan_fleet f = {.hosts = hosts, .host_count = host_count, .cursor = *cursor};
	struct err err;

	assert_int_equal(plan(&f, wants, n, results, &err), 0);
	*cursor = f.cursor;
}

static struct plan_shape
shape_small(void)
{
	return (struct plan_shape){.driver = "process", .resources = small};
}

static void
a_ready_host_with_room_takes_it(void **state)
{
	struct plan_host h = host_ready("h1");
	struct plan_shape s = shape_small();

	(void)state;
	assert_int_equal(plan_check(&h, &s), PLAN_OK);
}

static void
each_refusal_names_its_reason(void **state)
{
	struct plan_host h;
	struct plan_shape s = shape_small();

	(void)state;
	h = host_ready("h1");
	h.state = HOST_SUSPECT;
	assert_int_equal(plan_check(&h, &s), PLAN_NOT_READY);
	h.state = HOST_LOST;
	assert_int_equal(plan_check(&h, &s), PLAN_NOT_READY);
	h = host_ready("h1");
	h.cordoned = true;
	assert_int_equal(plan_check(&h, &s), PLAN_CORDONED);
	h = host_ready("h1");
	h.draining = true;
	assert_int_equal(plan_check(&h, &s), PLAN_DRAINING);
	h = host_ready("h1");
	h.drivers[0].usable = false;
	assert_int_equal(plan_check(&h, &s), PLAN_DRIVER_UNUSABLE);
	h = host_ready("h1");
	s.driver = "container";
	assert_int_equal(plan_check(&h, &s), PLAN_DRIVER_MISSING);
}

static void
suspect_lost_cordoned_and_draining_hosts_take_nothing_L5(void **state)
{
	struct plan_host hosts[] = {host_ready("suspect"), host_ready("lost"),
	    host_ready("cordoned"), host_ready("draining"), host_ready("retired")};
	struct plan_shape s = shape_small();
	struct plan_want want = {id_new(), &s, NULL};
	struct plan_result result;

	(void)state;
	hosts[0].state = HOST_SUSPECT;
	hosts[1].state = HOST_LOST;
	hosts[2].cordoned = true;
	hosts[3].cordoned = hosts[3].draining = true;
	hosts[4].state = HOST_RETIRED;
	for (size_t cursor = 0, start = 0; start < COUNT_OF(hosts); start++) {
		cursor = start;
		plan_plain(hosts, COUNT_OF(hosts), &want, 1, &cursor, &result);
		assert_true(result.host == PLAN_NO_HOST);
		assert_int_equal(result.why[PLAN_NOT_READY], 3);
		assert_int_equal(result.why[PLAN_CORDONED], 1);
		assert_int_equal(result.why[PLAN_DRAINING], 1);
	}
}

static void
capabilities_that_are_needed_must_all_be_there_P3(void **state)
{
	struct plan_host h = host_ready("h1");
	struct plan_shape s = shape_small();

	(void)state;
	s.needs = "restart stop_on_host_after";
	assert_int_equal(plan_check(&h, &s), PLAN_CAPABILITY);
	h.capabilities = "";
	assert_int_equal(plan_check(&h, &s), PLAN_CAPABILITY);
	h.capabilities = "stop_on_host_after other";
	assert_int_equal(plan_check(&h, &s), PLAN_CAPABILITY);
	h.capabilities = "restarts stop_on_host_after";
	assert_int_equal(plan_check(&h, &s), PLAN_CAPABILITY);
	assert_false(plan_possible(&h, 1, &s));
	h.capabilities = "other stop_on_host_after restart";
	assert_int_equal(plan_check(&h, &s), PLAN_OK);
	assert_true(plan_possible(&h, 1, &s));
	s.needs = "";
	h.capabilities = NULL;
	assert_int_equal(plan_check(&h, &s), PLAN_OK);
}

static void
a_host_without_the_label_of_a_spread_is_refused_P3(void **state)
{
	const struct label labels[] = {{"rack", "r1"}};
	struct plan_host h = host_ready("h1");
	struct plan_shape s = shape_small();

	(void)state;
	s.spread_by = "rack";
	assert_int_equal(plan_check(&h, &s), PLAN_LABEL);
	assert_false(plan_possible(&h, 1, &s));
	h.labels = labels;
	h.label_count = 1;
	assert_int_equal(plan_check(&h, &s), PLAN_OK);
	s.apart_by = "zone";
	assert_int_equal(plan_check(&h, &s), PLAN_LABEL);
	s.apart_by = PLAN_KEY_HOST;
	assert_int_equal(plan_check(&h, &s), PLAN_OK);
}

static void
required_limits_need_a_driver_that_enforces_them(void **state)
{
	struct plan_host h = host_ready("h1");
	struct plan_shape s = shape_small();

	(void)state;
	h.drivers[0].enforces_memory = false;
	assert_int_equal(plan_check(&h, &s), PLAN_OK);
	s.limits_required = true;
	assert_int_equal(plan_check(&h, &s), PLAN_LIMITS);
	s.resources.memory_bytes = 0;
	assert_int_equal(plan_check(&h, &s), PLAN_OK);
}

static void
a_selector_decides_by_labels(void **state)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	const struct label labels[] = {{"zone", "a"}};
	struct plan_host h = host_ready("h1");
	struct plan_shape s = shape_small();
	struct selector *selector;
	struct err err;

	(void)state;
	assert_int_equal(selector_parse("zone = b", a, &selector, &err), 0);
	s.selector = selector;
	h.labels = labels;
	h.label_count = 1;
	assert_int_equal(plan_check(&h, &s), PLAN_SELECTOR);
	assert_int_equal(selector_parse("zone in (a,b)", a, &selector, &err), 0);
	s.selector = selector;
	assert_int_equal(plan_check(&h, &s), PLAN_OK);
}

static void
full_is_said_per_dimension_and_too_small_for_ever(void **state)
{
	static const enum plan_reason full[] = {
	    PLAN_CPU, PLAN_MEMORY, PLAN_DISK, PLAN_GPUS, PLAN_SLOTS};
	struct plan_shape s = shape_small();

	(void)state;
	s.resources = (struct resources){1, 1, 1, 1, 1};
	for (enum resource_dimension d = RESOURCE_CPU; d < RESOURCE_COUNT; d++) {
		struct plan_host h = host_ready("h1");
		int64_t *used[] = {&h.used.cpu_millis, &h.used.memory_bytes, &h.used.disk_bytes,
		    &h.used.gpus, &h.used.slots};
		int64_t *capacity[] = {&h.capacity.cpu_millis, &h.capacity.memory_bytes,
		    &h.capacity.disk_bytes, &h.capacity.gpus, &h.capacity.slots};

		*used[d] = *capacity[d];
		assert_int_equal(plan_check(&h, &s), full[d]);
		*capacity[d] = 0;
		assert_int_equal(plan_check(&h, &s), PLAN_TOO_SMALL);
	}
}

static void
a_batch_fills_hosts_and_says_why_the_rest_waits(void **state)
{
	struct plan_host hosts[] = {host_ready("h1"), host_ready("h2"), host_ready("h3")};
	struct plan_shape s = shape_small();
	struct plan_want wants[10];
	struct plan_result results[10];
	unsigned placed[3] = {0};
	size_t cursor = 0;

	(void)state;
	hosts[2].cordoned = true;
	for (size_t i = 0; i < 10; i++)
		wants[i] = (struct plan_want){.executor_id = id_new(), .shape = &s};
	plan_plain(hosts, 3, wants, 10, &cursor, results);
	for (size_t i = 0; i < 8; i++) {
		assert_true(results[i].host < 2);
		placed[results[i].host]++;
	}
	assert_int_equal(placed[0], 4);
	assert_int_equal(placed[1], 4);
	for (size_t i = 8; i < 10; i++) {
		assert_true(results[i].host == PLAN_NO_HOST);
		assert_int_equal(results[i].why[PLAN_CPU], 2);
		assert_int_equal(results[i].why[PLAN_CORDONED], 1);
	}
}

static void
a_refused_shape_does_not_hold_up_another(void **state)
{
	struct plan_host hosts[] = {host_ready("h1")};
	struct plan_shape large = shape_small(), little = shape_small();
	struct plan_want wants[] = {
	    {id_new(), &large, NULL}, {id_new(), &little, NULL}, {id_new(), &large, NULL}};
	struct plan_result results[3];
	size_t cursor = 0;

	(void)state;
	large.resources.cpu_millis = 4001;
	plan_plain(hosts, 1, wants, 3, &cursor, results);
	assert_true(results[0].host == PLAN_NO_HOST);
	assert_int_equal(results[0].why[PLAN_TOO_SMALL], 1);
	assert_int_equal(results[1].host, 0);
	assert_true(results[2].host == PLAN_NO_HOST);
}

static void
no_hosts_is_no_reason_and_no_crash(void **state)
{
	struct plan_shape s = shape_small();
	struct plan_want want = {id_new(), &s, NULL};
	struct plan_result result;
	size_t cursor = 7;

	(void)state;
	plan_plain(NULL, 0, &want, 1, &cursor, &result);
	assert_true(result.host == PLAN_NO_HOST);
	for (int i = 0; i < PLAN_REASON_COUNT; i++)
		assert_int_equal(result.why[i], 0);
}

static void
the_cursor_spreads_over_calls(void **state)
{
	struct plan_host hosts[] = {host_ready("h1"), host_ready("h2"), host_ready("h3")};
	struct plan_shape s = shape_small();
	struct plan_want want = {id_new(), &s, NULL};
	struct plan_result result;
	size_t cursor = 1;

	(void)state;
	plan_plain(hosts, 3, &want, 1, &cursor, &result);
	assert_int_equal(result.host, 1);
	plan_plain(hosts, 3, &want, 1, &cursor, &result);
	assert_int_equal(result.host, 2);
	plan_plain(hosts, 3, &want, 1, &cursor, &result);
	assert_int_equal(result.host, 0);
}

static void
possible_ignores_the_moment_but_not_the_nature_E16(void **state)
{
	struct plan_host hosts[] = {host_ready("h1")};
	struct plan_shape s = shape_small();

	(void)state;
	hosts[0].state = HOST_LOST;
	hosts[0].cordoned = true;
	hosts[0].used = big;
	assert_true(plan_possible(hosts, 1, &s));
	hosts[0].state = HOST_RETIRED;
	assert_false(plan_possible(hosts, 1, &s));
	hosts[0].state = HOST_READY;
	s.resources.gpus = 3;
	assert_false(plan_possible(hosts, 1, &s));
	assert_false(plan_possible(NULL, 0, &s));
}

static void
every_reason_has_a_different_text(void **state)
{
	(void)state;
	for (int a = 0; a < PLAN_REASON_COUNT; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(plan_reason_text((enum plan_reason)a),
			    plan_reason_text((enum plan_reason)b));
}

static void
a_thousand_onto_a_thousand_is_fast(void **state)
{
	static struct plan_host hosts[1000];
	static struct plan_want wants[1000];
	static struct plan_result results[1000];
	struct plan_shape s = shape_small();
	struct timespec from, to;
	size_t cursor = 0;

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		hosts[i] = host_ready("h");
		wants[i] = (struct plan_want){id_from_parts(1, i), &s, NULL};
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	plan_plain(hosts, 1000, wants, 1000, &cursor, results);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	for (size_t i = 0; i < 1000; i++)
		assert_true(results[i].host != PLAN_NO_HOST);
	/* Measured: well under 1 ms; bound with room for sanitizers. */
	assert_true((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 < 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_ready_host_with_room_takes_it),
	    cmocka_unit_test(each_refusal_names_its_reason),
	    cmocka_unit_test(suspect_lost_cordoned_and_draining_hosts_take_nothing_L5),
	    cmocka_unit_test(capabilities_that_are_needed_must_all_be_there_P3),
	    cmocka_unit_test(a_host_without_the_label_of_a_spread_is_refused_P3),
	    cmocka_unit_test(required_limits_need_a_driver_that_enforces_them),
	    cmocka_unit_test(a_selector_decides_by_labels),
	    cmocka_unit_test(full_is_said_per_dimension_and_too_small_for_ever),
	    cmocka_unit_test(a_batch_fills_hosts_and_says_why_the_rest_waits),
	    cmocka_unit_test(a_refused_shape_does_not_hold_up_another),
	    cmocka_unit_test(no_hosts_is_no_reason_and_no_crash),
	    cmocka_unit_test(the_cursor_spreads_over_calls),
	    cmocka_unit_test(possible_ignores_the_moment_but_not_the_nature_E16),
	    cmocka_unit_test(every_reason_has_a_different_text),
	    cmocka_unit_test(a_thousand_onto_a_thousand_is_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
