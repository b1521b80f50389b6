#include "test.h"

#include <string.h>

#include "compiler.h"
#include "err.h"
#include "name.h"

#define LONGEST "a23456789012345678901234567890123456789012345678901234567890123"
#define TOO_LONG LONGEST "4"

static void
a_dns_label_is_a_name(void **state)
{
	static const char *const good[] = {"a", "0", "web", "h-1", "a--b", LONGEST};
	struct err err;

	(void)state;
	assert_int_equal(strlen(LONGEST), NAME_BYTES_MAX);
	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_int_equal(name_check(good[i], "host_id", &err), 0);
}

static void
a_bad_host_id_is_refused_with_the_rule_named_A3(void **state)
{
	static const struct {
		const char *name, *what;
	} bad[] = {{"", "is empty"}, {NULL, "is empty"}, {TOO_LONG, "longer than 63"},
	    {"a.b", "'.' at position 2"}, {"a*", "'*' at position 2"}, {">", "'>' at position 1"},
	    {"a b", "a space at position 2"}, {"aB", "upper case 'B' at position 2"},
	    {"-a", "- at the start"}, {"a-", "- at the end"}, {"a\n", "byte 0x0a"},
	    {"\xc3\xa9", "byte 0xc3"}, {"a_b", "'_'"}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct err err = {0};
		assert_int_equal(name_check(bad[i].name, "host_id", &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.field, "host_id");
		assert_non_null(strstr(err.text, bad[i].what));
		assert_non_null(strstr(err.text, "1 to 63 characters of a-z, 0-9 and -"));
	}
}

static void
an_executor_is_named_by_session_index_and_attempt_or_by_id(void **state)
{
	struct executor_name name;
	char text[EXECUTOR_NAME_BYTES], hex[ID_HEX_BYTES];
	struct err err;

	(void)state;
	assert_int_equal(executor_name_parse("web/0", &name, &err), 0);
	assert_int_equal(name.kind, EXECUTOR_NAME_INDEX);
	assert_string_equal(name.session, "web");
	assert_int_equal(name.index, 0);
	assert_int_equal(name.attempt, 0);
	assert_int_equal(executor_name_parse("a-1/4294967295#2", &name, &err), 0);
	assert_int_equal(name.index, UINT32_MAX);
	assert_int_equal(name.attempt, 2);
	assert_string_equal(
	    executor_name_format(name.session, name.index, name.attempt, text), "a-1/4294967295#2");
	assert_string_equal(executor_name_format("web", 3, 1, text), "web/3");
	assert_int_equal(executor_name_parse("000102030405060708090A0b0c0d0e0f", &name, &err), 0);
	assert_int_equal(name.kind, EXECUTOR_NAME_ID);
	assert_string_equal(id_to_hex(&name.id, hex), "000102030405060708090a0b0c0d0e0f");
	assert_int_equal(strlen(executor_name_format(LONGEST, UINT32_MAX, UINT32_MAX, text)), 85);
}

static void
what_names_no_executor_is_refused(void **state)
{
	static const char too_long[] = LONGEST "4/0";
	static const char *const bad[] = {"", "web", "web/", "/0", "web/x", "web/01", "web/0#0",
	    "web/0#", "web/0#1x", "web/4294967296", "web/-1", "WEB/0", "web/0/1", "web//0",
	    too_long, "0001020304050607", "web/ 1", "web/0#4294967296"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct executor_name name;
		struct err err = {0};
		if (executor_name_parse(bad[i], &name, &err) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.field, "name");
	}
}

static void
a_command_is_named_by_its_executor_and_generation(void **state)
{
	static const char *const bad[] = {"web/0@", "web/0@0", "web/0@01", "web/0@1x", "web/0@-1",
	    "web/0@9223372036854775808", "web/0@18446744073709551616", "web@1", "@1", "web/0@1@2"};
	struct command_name name;
	char text[COMMAND_NAME_BYTES];
	struct err err = {0};

	(void)state;
	assert_int_equal(command_name_parse("web/3#2@17", &name, &err), 0);
	assert_string_equal(name.executor.session, "web");
	assert_int_equal(name.executor.index, 3);
	assert_int_equal(name.executor.attempt, 2);
	assert_int_equal(name.generation, 17);
	assert_string_equal(command_name_format("web", 3, 2, 17, text), "web/3#2@17");
	assert_int_equal(command_name_parse("000102030405060708090a0b0c0d0e0f@1", &name, &err), 0);
	assert_int_equal(name.executor.kind, EXECUTOR_NAME_ID);
	assert_int_equal(command_name_parse("web/0", &name, &err), 0);
	assert_int_equal(name.generation, 0);
	assert_true(strlen(command_name_format(LONGEST, UINT32_MAX, UINT32_MAX, UINT64_MAX, text)) <
		    sizeof(text) - 1);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (command_name_parse(bad[i], &name, &err) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.field, "name");
		err_clear(&err);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_dns_label_is_a_name),
	    cmocka_unit_test(a_bad_host_id_is_refused_with_the_rule_named_A3),
	    cmocka_unit_test(an_executor_is_named_by_session_index_and_attempt_or_by_id),
	    cmocka_unit_test(what_names_no_executor_is_refused),
	    cmocka_unit_test(a_command_is_named_by_its_executor_and_generation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
