/* Random fleets and queues: what must hold of every plan. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "plan.h"
#include "test.h"

#define ROUNDS 400
#define HOSTS_MAX 40
#define WANTS_MAX 120
#define SHAPES_MAX 6

struct fleet {
	struct plan_host hosts[HOSTS_MAX];
	size_t host_count;
	struct plan_shape shapes[SHAPES_MAX];
	struct plan_want wants[WANTS_MAX];
	size_t want_count;
};

static uint64_t seed;

/* xorshift64: the rounds are the same on every machine. */
static unsigned
below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static struct resources
resources_random(unsigned max)
{
	return (struct resources){below(max), below(max), below(max), below(max), 1 + below(max)};
}

static void
fleet_random(struct fleet *f, uint64_t round)
{
	static const char *const drivers[] = {"process", "fake"};

	memset(f, 0, sizeof(*f));
	seed = round * 2654435761u + 1;
	f->host_count = below(HOSTS_MAX + 1);
	for (size_t i = 0; i < f->host_count; i++) {
		struct plan_host *h = &f->hosts[i];

		h->host_id = "h";
		h->state = (enum host_state)(below(5) == 0 ? 1 + below(3) : HOST_READY);
		h->cordoned = below(10) == 0;
		h->draining = below(10) == 0;
		h->capacity = resources_random(30);
		h->driver_count = below(3);
		for (size_t d = 0; d < h->driver_count; d++)
			h->drivers[d] = (struct plan_driver){
			    drivers[d], below(8) != 0, below(2) != 0, below(2) != 0};
		/* Some are overcommitted: a shrunk host takes nothing new. */
		if (below(4) == 0)
			h->used = resources_random(35);
	}
	for (size_t i = 0; i < SHAPES_MAX; i++)
		f->shapes[i] = (struct plan_shape){.driver = drivers[below(2)],
		    .limits_required = below(4) == 0,
		    .resources = resources_random(1 + below(12))};
	f->want_count = below(WANTS_MAX + 1);
	for (size_t i = 0; i < f->want_count; i++)
		f->wants[i] = (struct plan_want){
		    id_from_parts(round, i), &f->shapes[below(SHAPES_MAX)], NULL};
}

static void
plan_fleet(struct fleet *f, size_t *cursor, struct plan_result *results)
{
	struct plan_fleet image = {
	    .hosts = f->hosts, .host_count = f->host_count, .cursor = *cursor};
	struct err err;

	assert_int_equal(plan(&image, f->wants, f->want_count, results, &err), 0);
	*cursor = image.cursor;
}

static void
capacity_is_never_exceeded_P1(void **state)
{
	static struct fleet f;
	static struct plan_result results[WANTS_MAX];

	(void)state;
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		struct resources used[HOSTS_MAX];
		size_t cursor = round;

		fleet_random(&f, round);
		for (size_t i = 0; i < f.host_count; i++)
			used[i] = f.hosts[i].used;
		plan_fleet(&f, &cursor, results);
		for (size_t i = 0; i < f.want_count; i++) {
			const struct plan_shape *s = f.wants[i].shape;
			size_t at = results[i].host;
			enum resource_dimension ignored;

			if (at == PLAN_NO_HOST)
				continue;
			assert_true(at < f.host_count);
			/* Against our own sum, in order: each one fitted when it was placed. */
			assert_true(resources_fit(
			    &f.hosts[at].capacity, &used[at], &s->resources, &ignored));
			resources_add(&used[at], &s->resources);
		}
		for (size_t i = 0; i < f.host_count; i++)
			assert_memory_equal(&used[i], &f.hosts[i].used, sizeof(used[i]));
	}
}

static void
the_counts_of_reasons_add_up_to_the_hosts(void **state)
{
	static struct fleet f;
	static struct plan_result results[WANTS_MAX];

	(void)state;
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		size_t cursor = 0;

		fleet_random(&f, round);
		plan_fleet(&f, &cursor, results);
		for (size_t i = 0; i < f.want_count; i++) {
			uint64_t sum = 0;

			for (int r = 0; r < PLAN_REASON_COUNT; r++)
				sum += results[i].why[r];
			assert_int_equal(results[i].why[PLAN_OK], 0);
			assert_int_equal(sum, results[i].host == PLAN_NO_HOST ? f.host_count : 0);
		}
	}
}

/* Nobody waits while a host would take it: after the batch no refused shape fits anywhere. */
static void
what_waits_fits_nowhere(void **state)
{
	static struct fleet f;
	static struct plan_result results[WANTS_MAX];

	(void)state;
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		size_t cursor = 3 * round;

		fleet_random(&f, round);
		plan_fleet(&f, &cursor, results);
		for (size_t i = 0; i < f.want_count; i++) {
			if (results[i].host != PLAN_NO_HOST)
				continue;
			for (size_t h = 0; h < f.host_count; h++)
				assert_int_not_equal(
				    plan_check(&f.hosts[h], f.wants[i].shape), PLAN_OK);
		}
	}
}

static void
the_same_input_gives_the_same_plan(void **state)
{
	static struct fleet a, b;
	static struct plan_result first[WANTS_MAX], second[WANTS_MAX];

	(void)state;
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		size_t cursor_a = round, cursor_b = round;

		fleet_random(&a, round);
		fleet_random(&b, round);
		plan_fleet(&a, &cursor_a, first);
		plan_fleet(&b, &cursor_b, second);
		assert_int_equal(cursor_a, cursor_b);
		for (size_t i = 0; i < a.want_count; i++) {
			assert_true(first[i].host == second[i].host);
			assert_memory_equal(first[i].why, second[i].why, sizeof(first[i].why));
		}
	}
}

static void
what_is_placed_was_possible(void **state)
{
	static struct fleet f;
	static struct plan_result results[WANTS_MAX];

	(void)state;
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		size_t cursor = 0;

		fleet_random(&f, round);
		plan_fleet(&f, &cursor, results);
		for (size_t i = 0; i < f.want_count; i++)
			if (results[i].host != PLAN_NO_HOST)
				assert_true(plan_possible(f.hosts, f.host_count, f.wants[i].shape));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(capacity_is_never_exceeded_P1),
	    cmocka_unit_test(the_counts_of_reasons_add_up_to_the_hosts),
	    cmocka_unit_test(what_waits_fits_nowhere),
	    cmocka_unit_test(the_same_input_gives_the_same_plan),
	    cmocka_unit_test(what_is_placed_was_possible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
