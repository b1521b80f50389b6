#include "test.h"

#include "backoff.h"
#include "clock.h"

static void
pauses_grow_to_the_cap_and_are_never_longer_A9(void **state)
{
	struct backoff b;
	int64_t ceiling = 100;

	(void)state;
	backoff_init(&b, 100, 1600, SECOND_US);
	for (int i = 0; i < 200; i++) {
		struct backoff copy = b;
		/* random % (ceiling + 1) == ceiling: the longest pause there is. */
		assert_int_equal(backoff_next_us(&copy, 0, (uint64_t)ceiling), ceiling);
		assert_int_equal(backoff_next_us(&b, 0, (uint64_t)ceiling + 1), 50);
		ceiling = ceiling * 2 > 1600 ? 1600 : ceiling * 2;
	}
}

static void
every_pause_is_at_least_half_of_the_first(void **state)
{
	struct backoff b;

	(void)state;
	backoff_init(&b, 100, 1600, SECOND_US);
	for (uint64_t random = 0; random < 5000; random += 7) {
		int64_t pause = backoff_next_us(&b, 0, random);
		assert_true(pause >= 50 && pause <= 1600);
	}
}

static void
a_failure_after_a_stable_time_starts_again_from_the_first_pause_A9(void **state)
{
	struct backoff b;

	(void)state;
	backoff_init(&b, 100, 1600, 1000);
	for (int i = 0; i < 5; i++)
		backoff_next_us(&b, 0, 0);
	backoff_stable(&b, 5000);
	backoff_stable(&b, 5900); /* still the same stable time */
	backoff_next_us(&b, 5999, 0);
	assert_int_equal(b.failures, 6);
	backoff_stable(&b, 7000);
	backoff_next_us(&b, 8000, 0);
	assert_int_equal(b.failures, 1);
	backoff_next_us(&b, 20000, 0); /* not stable in between */
	assert_int_equal(b.failures, 2);
}

static void
huge_settings_do_not_overflow(void **state)
{
	struct backoff b;

	(void)state;
	backoff_init(&b, INT64_MAX / 2, INT64_MAX, 0);
	for (int i = 0; i < 100; i++)
		assert_true(backoff_next_us(&b, 0, UINT64_MAX - 5) >= INT64_MAX / 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pauses_grow_to_the_cap_and_are_never_longer_A9),
	    cmocka_unit_test(every_pause_is_at_least_half_of_the_first),
	    cmocka_unit_test(a_failure_after_a_stable_time_starts_again_from_the_first_pause_A9),
	    cmocka_unit_test(huge_settings_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
