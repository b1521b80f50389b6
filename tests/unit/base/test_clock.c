#include "test.h"

#include <time.h>

#include "clock.h"
#include "compiler.h"

static void
times_are_written_as_utc_with_milliseconds(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
	    {0, "1970-01-01T00:00:00.000Z"},
	    {999, "1970-01-01T00:00:00.000Z"},
	    {1000, "1970-01-01T00:00:00.001Z"},
	    {-1, "1969-12-31T23:59:59.999Z"},
	    {INT64_C(1769820797123999), "2026-01-31T00:53:17.123Z"},
	    {INT64_C(951782400000000), "2000-02-29T00:00:00.000Z"},
	    {INT64_C(-30610224000000000), "1000-01-01T00:00:00.000Z"},
	    {INT64_C(-30641760000000001), "0998-12-31T23:59:59.999Z"},
	    {INT64_C(253402300799999999), "9999-12-31T23:59:59.999Z"},
	    {INT64_C(253402300800000000), "out-of-range"},
	    {INT64_MAX, "out-of-range"},
	    {INT64_MIN, "out-of-range"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char buffer[32];
		assert_string_equal(
		    clock_format(cases[i].us, buffer, sizeof(buffer)), cases[i].text);
	}
}

static void
the_system_clock_is_boot_time_and_wall_time(void **state)
{
	struct timespec boot;
	int64_t mono = clock_mono_us(clock_system());
	int64_t real = clock_real_us(clock_system());

	(void)state;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	int64_t after = (int64_t)boot.tv_sec * SECOND_US + boot.tv_nsec / 1000;
	assert_true(mono > 0 && mono <= after && after - mono < 10 * SECOND_US);
	/* time() reads a clock that lags by a tick: it may say the second before. */
	assert_true(real / SECOND_US <= time(NULL) + 1 && time(NULL) - real / SECOND_US < 10);
	assert_true(clock_mono_us(clock_system()) >= mono);
}

static void
a_manual_clock_moves_only_when_told_to(void **state)
{
	struct clock_manual m;

	(void)state;
	clock_manual_init(&m, 5000);
	int64_t mono = clock_mono_us(&m.clock);
	assert_true(mono > 0);
	assert_int_equal(clock_real_us(&m.clock), 5000);
	assert_int_equal(clock_mono_us(&m.clock), mono);
	clock_manual_advance(&m, 7 * MS_US);
	assert_int_equal(clock_mono_us(&m.clock), mono + 7000);
	assert_int_equal(clock_real_us(&m.clock), 12000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times_are_written_as_utc_with_milliseconds),
	    cmocka_unit_test(the_system_clock_is_boot_time_and_wall_time),
	    cmocka_unit_test(a_manual_clock_moves_only_when_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
