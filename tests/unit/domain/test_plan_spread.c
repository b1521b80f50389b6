/* Spread, anti-affinity and avoided hosts, over fleets small enough to count by hand. */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena.h"
#include "err.h"
#include "test.h"

#define HOSTS_MAX 16

struct world {
	struct arena *arena, *scratch;
	struct plan_host hosts[HOSTS_MAX];
	struct label labels[HOSTS_MAX][2];
	char names[HOSTS_MAX][8];
	struct plan_fleet fleet;
	struct plan_crowd crowd;
	struct plan_shape shape;
	struct plan_result results[64];
	struct err err;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->arena = arena_new(0);
	w->scratch = arena_new(0);
	w->fleet = (struct plan_fleet){.hosts = w->hosts, .arena = w->arena, .scratch = w->scratch};
	w->crowd.counted = true;
	w->shape =
	    (struct plan_shape){.driver = "process", .resources = {.cpu_millis = 100, .slots = 1}};
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	arena_free(w->arena);
	arena_free(w->scratch);
	free(w);
	return 0;
}

/* zone NULL: none. */
static struct plan_host *
host_add(struct world *w, const char *zone, const char *rack, int64_t slots)
{
	size_t i = w->fleet.host_count++;
	struct plan_host *h = &w->hosts[i];

	assert_true(i < HOSTS_MAX);
	snprintf(w->names[i], sizeof(w->names[i]), "h%zu", i);
	*h = (struct plan_host){.host_id = w->names[i],
	    .state = HOST_READY,
	    .capacity = {.cpu_millis = 100000, .slots = slots},
	    .drivers = {{.name = "process", .usable = true}},
	    .driver_count = 1,
	    .labels = w->labels[i]};
	if (zone)
		w->labels[i][h->label_count++] = (struct label){"zone", zone};
	if (rack)
		w->labels[i][h->label_count++] = (struct label){"rack", rack};
	return h;
}

static void
plan_more(struct world *w, size_t n)
{
	struct plan_want wants[64];

	for (size_t i = 0; i < n; i++)
		wants[i] = (struct plan_want){id_from_parts(1, i), &w->shape, &w->crowd};
	assert_int_equal(plan(&w->fleet, wants, n, w->results, &w->err), 0);
}

/* How many of the newest n went to hosts of this zone. */
static unsigned
in_zone(const struct world *w, size_t n, const char *zone)
{
	unsigned count = 0;

	for (size_t i = 0; i < n; i++) {
		const char *there = w->results[i].host == PLAN_NO_HOST
					? NULL
					: plan_label(&w->hosts[w->results[i].host], "zone");

		count += there && strcmp(there, zone) == 0;
	}
	return count;
}

static void
a_spread_gives_each_value_its_share_P3(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 5; i++)
		host_add(w, "a", NULL, 100);
	host_add(w, "b", NULL, 100);
	host_add(w, "c", NULL, 100);
	w->shape.spread_by = "zone";
	w->shape.spread_skew = 1;
	plan_more(w, 30);
	assert_int_equal(in_zone(w, 30, "a"), 10);
	assert_int_equal(in_zone(w, 30, "b"), 10);
	assert_int_equal(in_zone(w, 30, "c"), 10);
}

static void
a_spread_counts_who_is_there_already_P3(void **state)
{
	struct world *w = *state;
	const struct plan_presence there[] = {{0, 3}, {1, 1}};

	host_add(w, "a", NULL, 100);
	host_add(w, "b", NULL, 100);
	host_add(w, "c", NULL, 100);
	w->shape.spread_by = "zone";
	w->shape.spread_skew = 1;
	w->crowd.there = there;
	w->crowd.there_count = 2;
	plan_more(w, 5);
	assert_int_equal(in_zone(w, 5, "a"), 0);
	assert_int_equal(in_zone(w, 5, "b"), 2);
	assert_int_equal(in_zone(w, 5, "c"), 3);
	/* And what the plan before placed. */
	plan_more(w, 3);
	assert_int_equal(in_zone(w, 3, "a"), 1);
	assert_int_equal(in_zone(w, 3, "b"), 1);
	assert_int_equal(in_zone(w, 3, "c"), 1);
}

static void
a_full_value_holds_up_the_others_at_the_skew_and_says_so_P3(void **state)
{
	struct world *w = *state;

	host_add(w, "a", NULL, 100);
	host_add(w, "a", NULL, 100);
	host_add(w, "b", NULL, 1);
	host_add(w, NULL, NULL, 100);
	w->shape.spread_by = "zone";
	w->shape.spread_skew = 2;
	plan_more(w, 10);
	assert_int_equal(in_zone(w, 10, "b"), 1);
	assert_int_equal(in_zone(w, 10, "a"), 3);
	for (size_t i = 4; i < 10; i++) {
		assert_true(w->results[i].host == PLAN_NO_HOST);
		assert_int_equal(w->results[i].why[PLAN_SPREAD], 2);
		assert_int_equal(w->results[i].why[PLAN_SLOTS], 1);
		assert_int_equal(w->results[i].why[PLAN_LABEL], 1);
	}
}

static void
a_value_out_of_service_does_not_hold_up_the_others_P3(void **state)
{
	struct world *w = *state;
	struct plan_host *h;

	host_add(w, "a", NULL, 100);
	host_add(w, "b", NULL, 100);
	h = host_add(w, "c", NULL, 100);
	w->shape.spread_by = "zone";
	w->shape.spread_skew = 1;
	h->state = HOST_LOST;
	plan_more(w, 6);
	assert_int_equal(in_zone(w, 6, "a"), 3);
	assert_int_equal(in_zone(w, 6, "b"), 3);
	/* One that may be back in a moment does: the others go one above it. */
	h->state = HOST_SUSPECT;
	plan_more(w, 1);
	assert_true(w->results[0].host == PLAN_NO_HOST);
	assert_int_equal(w->results[0].why[PLAN_SPREAD], 2);
	assert_int_equal(w->results[0].why[PLAN_NOT_READY], 1);
	h->state = HOST_READY;
	h->cordoned = true;
	plan_more(w, 2);
	assert_int_equal(in_zone(w, 2, "a") + in_zone(w, 2, "b"), 2);
	h->cordoned = false;
	plan_more(w, 4);
	assert_int_equal(in_zone(w, 4, "c"), 4);
}

static void
values_that_the_selector_rules_out_do_not_count_P3(void **state)
{
	struct world *w = *state;
	struct selector *selector;

	host_add(w, "a", NULL, 100);
	host_add(w, "b", NULL, 100);
	host_add(w, "c", NULL, 100);
	assert_int_equal(selector_parse("zone != c", w->arena, &selector, &w->err), 0);
	w->shape.selector = selector;
	w->shape.spread_by = "zone";
	w->shape.spread_skew = 1;
	plan_more(w, 8);
	assert_int_equal(in_zone(w, 8, "a"), 4);
	assert_int_equal(in_zone(w, 8, "b"), 4);
}

static void
anti_affinity_puts_one_on_each_host_and_counts_the_rest_P3(void **state)
{
	struct world *w = *state;
	bool taken[3] = {false};

	for (int i = 0; i < 3; i++)
		host_add(w, NULL, NULL, 100);
	w->shape.apart_by = PLAN_KEY_HOST;
	w->shape.apart_max = 1;
	plan_more(w, 5);
	for (size_t i = 0; i < 3; i++) {
		assert_true(w->results[i].host < 3);
		assert_false(taken[w->results[i].host]);
		taken[w->results[i].host] = true;
	}
	for (size_t i = 3; i < 5; i++) {
		assert_true(w->results[i].host == PLAN_NO_HOST);
		assert_int_equal(w->results[i].why[PLAN_APART], 3);
	}
	/* The next plan over the same image remembers them. */
	plan_more(w, 1);
	assert_true(w->results[0].host == PLAN_NO_HOST);
}

static void
anti_affinity_by_label_counts_all_hosts_of_a_value_P3(void **state)
{
	struct world *w = *state;

	host_add(w, "a", "r1", 100);
	host_add(w, "a", "r1", 100);
	host_add(w, "b", "r2", 100);
	w->shape.apart_by = "rack";
	w->shape.apart_max = 2;
	plan_more(w, 5);
	assert_int_equal(in_zone(w, 5, "a"), 2);
	assert_int_equal(in_zone(w, 5, "b"), 2);
	assert_int_equal(w->results[4].why[PLAN_APART], 3);
}

static void
spread_and_anti_affinity_hold_together_P3(void **state)
{
	struct world *w = *state;

	host_add(w, "a", "r1", 100);
	host_add(w, "a", "r2", 100);
	host_add(w, "a", "r3", 100);
	host_add(w, "b", "r4", 100);
	host_add(w, "b", "r4", 100);
	w->shape.spread_by = "zone";
	w->shape.spread_skew = 1;
	w->shape.apart_by = "rack";
	w->shape.apart_max = 1;
	plan_more(w, 6);
	assert_int_equal(in_zone(w, 6, "a"), 2);
	assert_int_equal(in_zone(w, 6, "b"), 1);
	assert_int_equal(w->results[5].why[PLAN_SPREAD], 1);
	assert_int_equal(w->results[5].why[PLAN_APART], 4);
}

/* Two templates of one session, and another session in between. */
static void
executors_of_one_session_count_whatever_their_template_P3(void **state)
{
	struct world *w = *state;
	struct plan_shape older, other;
	struct plan_crowd others = {.counted = true};
	struct plan_want wants[6];

	for (int i = 0; i < 4; i++)
		host_add(w, NULL, NULL, 100);
	w->shape.apart_by = PLAN_KEY_HOST;
	w->shape.apart_max = 1;
	older = other = w->shape;
	for (size_t i = 0; i < 6; i++)
		wants[i] = (struct plan_want){id_from_parts(1, i), &w->shape, &w->crowd};
	wants[1].shape = wants[4].shape = &older;
	wants[2] = (struct plan_want){id_from_parts(2, 1), &other, &others};
	assert_int_equal(plan(&w->fleet, wants, 6, w->results, &w->err), 0);
	for (size_t i = 0; i < 5; i++) {
		assert_true(w->results[i].host < 4);
		for (size_t k = 0; k < i; k++)
			assert_true(i == 2 || k == 2 || w->results[i].host != w->results[k].host);
	}
	assert_true(w->results[5].host == PLAN_NO_HOST);
}

static void
an_avoided_host_is_the_last_choice_P9(void **state)
{
	struct world *w = *state;
	const struct plan_avoided avoided[] = {{0, 2000}, {2, 500}};

	for (int i = 0; i < 4; i++)
		host_add(w, NULL, NULL, 2);
	w->crowd.avoided = avoided;
	w->crowd.avoided_count = 2;
	plan_more(w, 9);
	for (size_t i = 0; i < 4; i++)
		assert_true(w->results[i].host == 1 || w->results[i].host == 3);
	/* Then the lighter of the two, then the heavier: nobody waits for a better one. */
	assert_int_equal(w->results[4].host, 2);
	assert_int_equal(w->results[5].host, 2);
	assert_int_equal(w->results[6].host, 0);
	assert_int_equal(w->results[7].host, 0);
	assert_true(w->results[8].host == PLAN_NO_HOST);
	assert_int_equal(w->results[8].why[PLAN_SLOTS], 4);
}

static void
a_spread_comes_before_avoiding_P9(void **state)
{
	struct world *w = *state;
	const struct plan_avoided avoided[] = {{1, 900}, {2, 100}};

	host_add(w, "a", NULL, 100);
	host_add(w, "b", NULL, 100);
	host_add(w, "b", NULL, 100);
	w->shape.spread_by = "zone";
	w->shape.spread_skew = 1;
	w->crowd.avoided = avoided;
	w->crowd.avoided_count = 2;
	plan_more(w, 4);
	assert_int_equal(in_zone(w, 4, "a"), 2);
	assert_int_equal(in_zone(w, 4, "b"), 2);
	for (size_t i = 0; i < 4; i++)
		assert_true(w->results[i].host != 1); /* the heavier one is not needed */
}

/* Where the skew leaves a choice, values with other hosts are taken first. */
static void
within_the_skew_other_values_come_first_P9(void **state)
{
	struct world *w = *state;
	const struct plan_avoided avoided[] = {{1, 900}};

	host_add(w, "a", NULL, 100);
	host_add(w, "b", NULL, 100);
	w->shape.spread_by = "zone";
	w->shape.spread_skew = 2;
	w->crowd.avoided = avoided;
	w->crowd.avoided_count = 1;
	plan_more(w, 3);
	assert_int_equal(w->results[0].host, 0);
	assert_int_equal(w->results[1].host, 0);
	assert_int_equal(w->results[2].host, 1);
}

/* ---- cost ---- */

#define MANY_HOSTS 50000
#define MANY_WANTS 1024

struct many {
	struct plan_host hosts[MANY_HOSTS];
	struct label labels[MANY_HOSTS][2];
	struct plan_want wants[MANY_WANTS];
	struct plan_result results[MANY_WANTS];
};

static int64_t
plan_many_ms(struct world *w, struct many *m, const struct plan_shape *shapes, size_t shape_count)
{
	struct plan_crowd *crowds = arena_calloc(w->arena, shape_count, sizeof(*crowds));
	struct plan_fleet f = {
	    .hosts = m->hosts, .host_count = MANY_HOSTS, .arena = w->arena, .scratch = w->scratch};
	struct timespec from, to;

	for (size_t i = 0; i < shape_count; i++)
		crowds[i].counted = true;
	for (size_t i = 0; i < MANY_WANTS; i++) {
		size_t k = i * shape_count / MANY_WANTS;

		m->wants[i] = (struct plan_want){id_from_parts(1, i), &shapes[k], &crowds[k]};
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	assert_int_equal(plan(&f, m->wants, MANY_WANTS, m->results, &w->err), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	for (size_t i = 0; i < MANY_WANTS; i++)
		assert_true(m->results[i].host != PLAN_NO_HOST);
	return (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
}

static void
fifty_thousand_hosts_cost_hosts_plus_executors_P3(void **state)
{
	struct world *w = *state;
	static const char *const zones[] = {"a", "b", "c"};
	static const char *const racks[] = {"r0", "r1", "r2", "r3", "r4", "r5", "r6"};
	struct many *m = calloc(1, sizeof(*m));
	struct plan_shape shapes[100];
	int64_t one_ms, hundred_ms;

	assert_non_null(m);
	for (size_t i = 0; i < MANY_HOSTS; i++) {
		m->labels[i][0] = (struct label){"zone", zones[i % 3]};
		m->labels[i][1] = (struct label){"rack", racks[i % 7]};
		m->hosts[i] = (struct plan_host){.host_id = "h",
		    .state = HOST_READY,
		    .capacity = {.cpu_millis = 100000, .slots = 100},
		    .drivers = {{.name = "process", .usable = true}},
		    .driver_count = 1,
		    .labels = m->labels[i],
		    .label_count = 2};
	}
	w->shape.spread_by = "zone";
	w->shape.spread_skew = 1;
	w->shape.apart_by = PLAN_KEY_HOST;
	w->shape.apart_max = 1;
	for (size_t i = 0; i < COUNT_OF(shapes); i++)
		shapes[i] = w->shape;
	one_ms = plan_many_ms(w, m, shapes, 1);
	hundred_ms = plan_many_ms(w, m, shapes, COUNT_OF(shapes));
	print_message("1024 executors over 50000 hosts: one session %lld ms, a hundred %lld ms\n",
	    (long long)one_ms, (long long)hundred_ms);
	/* The product would be 51 million looks; room for sanitizers. */
	assert_true(one_ms < 500 && hundred_ms < 2000);
	/* Over hosts by themselves: as many values as hosts. */
	for (size_t i = 0; i < COUNT_OF(shapes); i++)
		shapes[i].spread_by = PLAN_KEY_HOST;
	one_ms = plan_many_ms(w, m, shapes, 1);
	hundred_ms = plan_many_ms(w, m, shapes, COUNT_OF(shapes));
	print_message("over hosts by themselves: one session %lld ms, a hundred %lld ms\n",
	    (long long)one_ms, (long long)hundred_ms);
	assert_true(one_ms < 500 && hundred_ms < 10000);
	free(m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_spread_gives_each_value_its_share_P3),
	    TEST(a_spread_counts_who_is_there_already_P3),
	    TEST(a_full_value_holds_up_the_others_at_the_skew_and_says_so_P3),
	    TEST(a_value_out_of_service_does_not_hold_up_the_others_P3),
	    TEST(values_that_the_selector_rules_out_do_not_count_P3),
	    TEST(anti_affinity_puts_one_on_each_host_and_counts_the_rest_P3),
	    TEST(anti_affinity_by_label_counts_all_hosts_of_a_value_P3),
	    TEST(spread_and_anti_affinity_hold_together_P3),
	    TEST(executors_of_one_session_count_whatever_their_template_P3),
	    TEST(an_avoided_host_is_the_last_choice_P9),
	    TEST(a_spread_comes_before_avoiding_P9),
	    TEST(within_the_skew_other_values_come_first_P9),
	    TEST(fifty_thousand_hosts_cost_hosts_plus_executors_P3),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
