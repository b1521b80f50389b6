#include "test.h"

#include <stdalign.h>
#include <string.h>

#include "arena.h"

static void
memory_is_zeroed_and_aligned_for_any_type(void **state)
{
	static const size_t sizes[] = {0, 1, 7, 15, 16, 17, 4095, 4096, 4097, 100000, 3000000};
	struct arena *a = arena_new(0);

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT_OF(sizes); i++) {
			unsigned char *p = arena_alloc(a, sizes[i]);
			assert_non_null(p);
			assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
			for (size_t k = 0; k < sizes[i]; k++)
				assert_int_equal(p[k], 0);
			memset(p, 0xa5, sizes[i]);
		}
		arena_reset(a);
		assert_int_equal(arena_used(a), 0);
	}
	arena_free(a);
}

static void
objects_do_not_overlap(void **state)
{
	struct arena *a = arena_new(0);
	unsigned char *p[500];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(p); i++) {
		p[i] = arena_alloc(a, i);
		memset(p[i], (int)(i & 0xff), i);
	}
	for (size_t i = 0; i < COUNT_OF(p); i++)
		for (size_t k = 0; k < i; k++)
			assert_int_equal(p[i][k], i & 0xff);
	assert_ptr_not_equal(arena_alloc(a, 0), arena_alloc(a, 0));
	arena_free(a);
}

static void
a_bounded_arena_says_no_past_its_limit_and_recovers_at_reset(void **state)
{
	struct arena *a = arena_new(10000);
	size_t given = 0;

	(void)state;
	assert_null(arena_alloc(a, 10001));
	while (arena_alloc(a, 100))
		given += 100;
	assert_in_range(given, 8000, 10000);
	assert_in_range(arena_used(a), given, 10000);
	assert_null(arena_alloc(a, 100));
	arena_reset(a);
	assert_non_null(arena_alloc(a, 9000));
	arena_free(a);
}

static void
sizes_that_overflow_are_refused(void **state)
{
	struct arena *a = arena_new(0);

	(void)state;
	assert_null(arena_calloc(a, SIZE_MAX / 2, 3));
	assert_null(arena_alloc(a, SIZE_MAX));
	assert_null(arena_alloc(a, SIZE_MAX - 64));
	assert_non_null(arena_calloc(a, 3, 5));
	arena_free(a);
}

static void
copies_are_copies(void **state)
{
	struct arena *a = arena_new(0);
	char text[] = "executor";

	(void)state;
	char *whole = arena_strdup(a, text);
	char *part = arena_strndup(a, text, 4);
	char *all = arena_strndup(a, text, 100);
	char *bytes = arena_memdup(a, text, 3);
	char *printed = arena_printf(a, "%s/%d", text, 12);
	memset(text, '-', sizeof(text) - 1);
	assert_string_equal(whole, "executor");
	assert_string_equal(part, "exec");
	assert_string_equal(all, "executor");
	assert_memory_equal(bytes, "exe", 3);
	assert_string_equal(printed, "executor/12");
	assert_string_equal(arena_strdup(a, ""), "");
	assert_non_null(arena_memdup(a, NULL, 0));
	arena_free(a);
	arena_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memory_is_zeroed_and_aligned_for_any_type),
	    cmocka_unit_test(objects_do_not_overlap),
	    cmocka_unit_test(a_bounded_arena_says_no_past_its_limit_and_recovers_at_reset),
	    cmocka_unit_test(sizes_that_overflow_are_refused),
	    cmocka_unit_test(copies_are_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
