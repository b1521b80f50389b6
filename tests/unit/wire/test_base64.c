#include "test.h"

#include <string.h>

#include "arena.h"
#include "base64.h"

static void
the_vectors_of_rfc_4648_go_both_ways(void **state)
{
	static const struct {
		const char *plain, *text;
	} cases[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
	    {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "+/8="}};
	struct arena *a = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		void *data = NULL;
		size_t size = 99;
		assert_string_equal(
		    base64_encode(cases[i].plain, strlen(cases[i].plain), a), cases[i].text);
		assert_int_equal(base64_decode(cases[i].text, a, &data, &size), 0);
		assert_int_equal(size, strlen(cases[i].plain));
		assert_memory_equal(data, cases[i].plain, size);
	}
	arena_free(a);
}

static void
anything_else_is_refused(void **state)
{
	static const char *const bad[] = {
	    "Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9-", "Zm9\n"};
	struct arena *a = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		void *data;
		size_t size;
		if (base64_decode(bad[i], a, &data, &size) == 0)
			fail_msg("%s was taken", bad[i]);
	}
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_vectors_of_rfc_4648_go_both_ways),
	    cmocka_unit_test(anything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
