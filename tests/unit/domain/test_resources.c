#include "test.h"

#include <string.h>

#include "resources.h"

static const struct resources host = {4000, 1000, 1000, 2, 10};

static void
what_fits_exactly_fits_P1(void **state)
{
	struct resources used = {1000, 400, 0, 1, 3}, want = {3000, 600, 1000, 1, 7};
	enum resource_dimension dimension = RESOURCE_COUNT;

	(void)state;
	assert_true(resources_fit(&host, &used, &want, &dimension));
	assert_int_equal(dimension, RESOURCE_COUNT);
}

static void
one_unit_too_much_in_any_dimension_names_it_P1(void **state)
{
	static const struct resources none;
	int64_t *fields;

	(void)state;
	for (int d = 0; d < RESOURCE_COUNT; d++) {
		struct resources want = host;
		enum resource_dimension dimension = RESOURCE_COUNT;
		fields = &want.cpu_millis;
		assert_true(resources_fit(&host, &none, &want, NULL));
		fields[d]++;
		assert_false(resources_fit(&host, &none, &want, &dimension));
		assert_int_equal(dimension, d);
		assert_int_equal(resource_get(&want, dimension), fields[d]);
	}
	assert_string_equal(resource_name(RESOURCE_CPU), "cpu");
	assert_string_equal(resource_name(RESOURCE_SLOTS), "slots");
}

static void
an_overcommitted_host_takes_nothing_not_even_nothing_P1(void **state)
{
	static const struct resources none;
	struct resources used = {5000, 0, 0, 0, 0};
	enum resource_dimension dimension;

	(void)state;
	assert_false(resources_fit(&host, &used, &none, &dimension));
	assert_int_equal(dimension, RESOURCE_CPU);
}

static void
adding_and_subtracting_undo_each_other_and_never_wrap(void **state)
{
	struct resources sum = host, huge = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};

	(void)state;
	resources_add(&sum, &host);
	assert_int_equal(sum.cpu_millis, 8000);
	resources_subtract(&sum, &host);
	assert_memory_equal(&sum, &host, sizeof(sum));
	resources_add(&sum, &huge);
	assert_int_equal(sum.slots, INT64_MAX);
	assert_false(resources_fit(&host, &sum, &host, NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_fits_exactly_fits_P1),
	    cmocka_unit_test(one_unit_too_much_in_any_dimension_names_it_P1),
	    cmocka_unit_test(an_overcommitted_host_takes_nothing_not_even_nothing_P1),
	    cmocka_unit_test(adding_and_subtracting_undo_each_other_and_never_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
