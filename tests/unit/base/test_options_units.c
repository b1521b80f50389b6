#include "test.h"

#include "err.h"
#include "options.h"

struct unit_case {
	const char *text;
	int64_t value; /* -1: ERR_INVALID */
};

static void
check(const struct unit_case *cases, size_t n,
    int (*parse)(const char *text, int64_t *ret_value, struct err *err))
{
	for (size_t i = 0; i < n; i++) {
		int64_t value = -7;
		struct err err = {0};
		int result = parse(cases[i].text, &value, &err);
		if (cases[i].value < 0) {
			assert_int_equal(result, -1);
			assert_int_equal(err.kind, ERR_INVALID);
			assert_int_equal(value, -7);
		} else {
			assert_int_equal(result, 0);
			assert_int_equal(value, cases[i].value);
		}
	}
}

static void
durations_are_a_whole_number_and_one_unit(void **state)
{
	static const struct unit_case cases[] = {
	    {"0", 0},
	    {"0s", 0},
	    {"250ms", 250},
	    {"13s", 13000},
	    {"5m", 300000},
	    {"2h", 7200000},
	    {"9223372036854775807ms", INT64_MAX},
	    {"2562047788015h", INT64_C(9223372036854000000)},
	    {"9223372036854775808ms", -1},
	    {"2562047788016h", -1},
	    {"9223372036854775807s", -1},
	    {"99999999999999999999999999s", -1},
	    {"18446744073709551617s", -1},
	    {"5", -1},
	    {"", -1},
	    {"s", -1},
	    {"-1s", -1},
	    {"+1s", -1},
	    {"1.5s", -1},
	    {"1 s", -1},
	    {" 1s", -1},
	    {"1s ", -1},
	    {"1S", -1},
	    {"1m30s", -1},
	    {"1d", -1},
	};

	(void)state;
	check(cases, COUNT_OF(cases), options_parse_duration_ms);
}

static void
sizes_are_bytes_or_powers_of_1024(void **state)
{
	static const struct unit_case cases[] = {
	    {"0", 0},
	    {"1", 1},
	    {"64Ki", 65536},
	    {"256Mi", 268435456},
	    {"1Gi", 1073741824},
	    {"2Ti", INT64_C(2199023255552)},
	    {"8388607Ti", INT64_C(9223370937343148032)},
	    {"8388608Ti", -1},
	    {"9223372036854775808", -1},
	    {"64K", -1},
	    {"64k", -1},
	    {"64KiB", -1},
	    {"-1", -1},
	    {"", -1},
	    {"Ki", -1},
	    {"0x10", -1},
	};

	(void)state;
	check(cases, COUNT_OF(cases), options_parse_bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(durations_are_a_whole_number_and_one_unit),
	    cmocka_unit_test(sizes_are_bytes_or_powers_of_1024),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
