/* since: points in time as people say them. */
#include "test.h"

#include <string.h>

#include "clock.h"
#include "err.h"
#include "since.h"

#define NOW_US INT64_C(1769851797123456) /* 2026-01-31T09:29:57.123456Z */

static void
assert_since(const char *text, int64_t wanted_us)
{
	struct err err = {0};
	int64_t us = -1;

	if (since_parse(text, NOW_US, &us, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(us, wanted_us);
}

static void
assert_refused(const char *text)
{
	struct err err = {0};
	int64_t us;

	if (since_parse(text, NOW_US, &us, &err) == 0)
		fail_msg("'%s' was taken", text);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_non_null(strstr(err.text, "allowed are"));
}

static void
a_duration_counts_back_from_now_G7(void **state)
{
	(void)state;
	assert_since("10m", NOW_US - 600 * SECOND_US);
	assert_since("36h", NOW_US - INT64_C(36) * 3600 * SECOND_US);
	assert_since("0s", NOW_US);
}

static void
a_time_is_taken_in_utc_G7(void **state)
{
	(void)state;
	assert_since("2026-01-31T09:29:57Z", NOW_US - 123456);
	assert_since("2026-01-31T09:29:57.123Z", NOW_US - 456);
	assert_since("2026-01-31T09:29:57.123456789Z", NOW_US);
	assert_since("2026-01-31", NOW_US - 123456 - (9 * 3600 + 29 * 60 + 57) * SECOND_US);
}

static void
what_is_no_time_is_refused(void **state)
{
	(void)state;
	assert_refused("");
	assert_refused("soon");
	assert_refused("-5m");
	assert_refused("10");
	assert_refused("2026-02-31");
	assert_refused("2026-01-31T09:29");
	assert_refused("2026-01-31T09:29:57"); /* whose time? */
	assert_refused("2026-01-31T09:29:57+01:00");
	assert_refused("2026-01-31T09:29:57.Z");
	assert_refused("2026-01-31 09:29:57Z");
	assert_refused("999999999h");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_duration_counts_back_from_now_G7),
	    cmocka_unit_test(a_time_is_taken_in_utc_G7),
	    cmocka_unit_test(what_is_no_time_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
