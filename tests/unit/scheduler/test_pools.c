/* scheduler_pools_read: the option `pools`. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "err.h"
#include "scheduler.h"

static void
pools_are_separated_by_commas_or_spaces(void **state)
{
	static const char *const lists[] = {"a,b-2", "a, b-2", " a  b-2 ", ",a,,b-2,"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		struct scheduler s = {.pool_count = 7};
		struct err err;

		assert_int_equal(scheduler_pools_read(&s, lists[i], &err), 0);
		assert_int_equal(s.pool_count, 2);
		assert_string_equal(s.pools[0], "a");
		assert_string_equal(s.pools[1], "b-2");
	}
}

static void
a_list_at_fault_is_refused_naming_what_is_O6(void **state)
{
	static const struct {
		const char *list, *says;
	} cases[] = {
	    {"", "no pool"},
	    {" , ", "no pool"},
	    {"a,b,a", "pool a is there twice"},
	    {"a,B!", ""},
	    {"a,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"too long"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct scheduler s = {0};
		struct err err = {0};

		assert_int_equal(scheduler_pools_read(&s, cases[i].list, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.field, "pools");
		assert_non_null(strstr(err.text, cases[i].says));
	}
}

static void
more_pools_than_there_is_room_for_are_refused(void **state)
{
	char list[SCHEDULER_POOLS_MAX * 8 + 16] = "";
	struct scheduler s = {0};
	struct err err = {0};
	size_t n = 0;

	(void)state;
	for (int i = 0; i < SCHEDULER_POOLS_MAX; i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "p%d,", i);
	assert_int_equal(scheduler_pools_read(&s, list, &err), 0);
	assert_int_equal(s.pool_count, SCHEDULER_POOLS_MAX);
	snprintf(list + n, sizeof(list) - n, "more");
	assert_int_equal(scheduler_pools_read(&s, list, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_string_equal(err.field, "pools");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pools_are_separated_by_commas_or_spaces),
	    cmocka_unit_test(a_list_at_fault_is_refused_naming_what_is_O6),
	    cmocka_unit_test(more_pools_than_there_is_room_for_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
