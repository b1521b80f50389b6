#include "exit_record.h"

#include <string.h>

#include "test.h"

static const struct exit_record examples[] = {
    {.executor = "0123456789abcdef0123456789abcdef", .incarnation = 1, .started = true, .code = 0},
    {.executor = "0123456789abcdef0123456789abcdef",
	.incarnation = UINT32_MAX,
	.started = true,
	.oom = true,
	.code = -1,
	.signal = 9,
	.reason = "oom",
	.detail = "killed at its limit"},
    {.executor = "ffffffffffffffffffffffffffffffff",
	.code = -1,
	.reason = "exec_failed",
	.detail = "exec: No such file or directory (ENOENT)"},
    {.executor = "ffffffffffffffffffffffffffffffff",
	.started = true,
	.code = 255,
	.detail = "  blanks and = signs  "},
};

static void
decode_returns_what_was_encoded(void **state UNUSED)
{
	for (size_t i = 0; i < COUNT_OF(examples); i++) {
		char text[EXIT_RECORD_BYTES_MAX];
		struct exit_record back;
		size_t size = exit_record_encode(&examples[i], text);
		assert_int_equal(exit_record_decode(text, size, &back), 0);
		assert_string_equal(back.executor, examples[i].executor);
		assert_int_equal(back.incarnation, examples[i].incarnation);
		assert_int_equal(back.started, examples[i].started);
		assert_int_equal(back.oom, examples[i].oom);
		assert_int_equal(back.code, examples[i].code);
		assert_int_equal(back.signal, examples[i].signal);
		assert_string_equal(back.reason, examples[i].reason);
		assert_string_equal(back.detail, examples[i].detail);
	}
}

static void
every_truncation_is_refused(void **state UNUSED)
{
	char text[EXIT_RECORD_BYTES_MAX];
	struct exit_record back;
	size_t size = exit_record_encode(&examples[1], text);
	for (size_t n = 0; n < size; n++)
		assert_int_equal(exit_record_decode(text, n, &back), -1);
	text[size] = '\n';
	assert_int_equal(exit_record_decode(text, size + 1, &back), -1);
}

static void
every_changed_byte_is_refused(void **state UNUSED)
{
	char text[EXIT_RECORD_BYTES_MAX];
	struct exit_record back;
	size_t size = exit_record_encode(&examples[1], text);
	for (size_t i = 0; i < size; i++) {
		for (int bit = 0; bit < 8; bit++) {
			text[i] = (char)(text[i] ^ (1 << bit));
			assert_int_equal(exit_record_decode(text, size, &back), -1);
			text[i] = (char)(text[i] ^ (1 << bit));
		}
	}
	assert_int_equal(exit_record_decode(text, size, &back), 0);
}

static void
zeros_as_after_a_power_cut_are_refused(void **state UNUSED)
{
	char text[EXIT_RECORD_BYTES_MAX] = {0};
	struct exit_record back;
	assert_int_equal(exit_record_decode(text, sizeof(text), &back), -1);
	assert_int_equal(exit_record_decode(text, 0, &back), -1);
}

static void
a_detail_stays_one_line_of_bounded_length(void **state UNUSED)
{
	char text[EXIT_RECORD_BYTES_MAX], flood[1000];
	struct exit_record record = examples[0], back;
	memset(flood, 'x', sizeof(flood) - 1);
	flood[sizeof(flood) - 1] = '\0';
	exit_record_explain(&record, "a_reason_that_is_far_too_long_for_it", "a\nb\rc\td%s", flood);
	assert_memory_equal(record.detail, "a?b?c?dxx", 9);
	assert_int_equal(strlen(record.detail), sizeof(record.detail) - 1);
	assert_int_equal(strlen(record.reason), sizeof(record.reason) - 1);
	size_t size = exit_record_encode(&record, text);
	assert_int_equal(exit_record_decode(text, size, &back), 0);
	assert_string_equal(back.detail, record.detail);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decode_returns_what_was_encoded),
	    cmocka_unit_test(every_truncation_is_refused),
	    cmocka_unit_test(every_changed_byte_is_refused),
	    cmocka_unit_test(zeros_as_after_a_power_cut_are_refused),
	    cmocka_unit_test(a_detail_stays_one_line_of_bounded_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
