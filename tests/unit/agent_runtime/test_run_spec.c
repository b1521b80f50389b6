#include "run_spec.h"

#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "durable.h"
#include "test.h"

static const char *const argv_in[] = {"/bin/sh", "-c", "", "last", NULL};
static const char *const env_in[] = {"A=1", "B=", NULL};

/* Aligned as malloc and mmap align. */
static void *
encode(size_t *ret_size)
{
	struct run_spec_head head = {.incarnation = 3, .uid = 7, .boot = "boot"};
	void *data = calloc(1, 8192);
	assert_non_null(data);
	memset(head.executor, 'a', 32);
	*ret_size = run_spec_encode(&head, "/srv", argv_in, env_in, data, 8192);
	assert_true(*ret_size > sizeof(head));
	return data;
}

static void
strings_come_back_in_order(void **state UNUSED)
{
	size_t size;
	const char *dir;
	char *argv[8], *env[8];
	void *data = encode(&size);
	assert_int_equal(run_spec_check(data, size), 0);
	const struct run_spec_head *spec = data;
	run_spec_strings(spec, &dir, argv, env);
	assert_string_equal(dir, "/srv");
	assert_int_equal(spec->argc, 4);
	assert_int_equal(spec->envc, 2);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(argv[i], argv_in[i]);
	assert_null(argv[4]);
	assert_string_equal(env[1], "B=");
	assert_null(env[2]);
	assert_int_equal(spec->uid, 7);
	free(data);
}

static void
truncated_and_changed_specs_are_refused(void **state UNUSED)
{
	size_t size;
	unsigned char *data = encode(&size);
	for (size_t n = 0; n < size; n++)
		assert_int_equal(run_spec_check(data, n), -1);
	for (size_t i = 0; i < size; i++) {
		data[i] ^= 0x40;
		assert_int_equal(run_spec_check(data, size), -1);
		data[i] ^= 0x40;
	}
	assert_int_equal(run_spec_check(data, size), 0);
	free(data);
}

/* What a checksum does not catch: a wrong writer.  Counts and ends are checked as well. */
static void
a_spec_with_wrong_counts_is_refused(void **state UNUSED)
{
	static const struct {
		size_t offset;
		uint32_t value;
	} cases[] = {
	    {offsetof(struct run_spec_head, argc), 0},
	    {offsetof(struct run_spec_head, argc), 5},
	    {offsetof(struct run_spec_head, argc), UINT32_MAX},
	    {offsetof(struct run_spec_head, envc), 1},
	    {offsetof(struct run_spec_head, group_count), RUN_SPEC_GROUPS_MAX + 1},
	    {offsetof(struct run_spec_head, executor), 0},
	};
	const size_t from = offsetof(struct run_spec_head, executor);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		size_t size;
		struct run_spec_head *spec = encode(&size);
		char *data = (char *)spec;
		memcpy(data + cases[i].offset, &cases[i].value, sizeof(cases[i].value));
		spec->checksum = durable_checksum(data + from, size - from);
		assert_int_equal(run_spec_check(data, size), -1);
		free(data);
	}
}

static void
what_does_not_fit_is_said(void **state UNUSED)
{
	static const char *many[RUN_SPEC_STRINGS_MAX + 2];
	struct run_spec_head head = {0};
	char small[sizeof(head) + 8];
	for (size_t i = 0; i < RUN_SPEC_STRINGS_MAX + 1; i++)
		many[i] = "";
	void *data = malloc(64 * 1024);
	assert_int_equal(run_spec_encode(&head, "/", argv_in, env_in, small, sizeof(small)), 0);
	assert_int_equal(run_spec_encode(&head, "/", argv_in, env_in, small, 4), 0);
	assert_int_equal(run_spec_encode(&head, "/", many, env_in, data, 64 * 1024), 0);
	many[RUN_SPEC_STRINGS_MAX] = NULL;
	assert_int_not_equal(run_spec_encode(&head, "/", many, NULL, data, 64 * 1024), 0);
	free(data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(strings_come_back_in_order),
	    cmocka_unit_test(truncated_and_changed_specs_are_refused),
	    cmocka_unit_test(a_spec_with_wrong_counts_is_refused),
	    cmocka_unit_test(what_does_not_fit_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
