#include "test.h"

#include <string.h>

#include "err.h"
#include "subjects.h"

#define TEN "0123456789"
#define LONG_TOKEN "fl.cmd." TEN TEN TEN TEN TEN TEN TEN TEN TEN "012345"

static void
subjects_are_built_from_their_rows(void **state)
{
	char buffer[SUBJECT_BYTES];

	(void)state;
	assert_string_equal(subject_build(buffer, "fl", SUBJECT_CMD, "h1"), "fl.cmd.h1");
	assert_string_equal(subject_build(buffer, "fl", SUBJECT_CMD, "*"), "fl.cmd.*");
	assert_string_equal(
	    subject_build(buffer, "a.b", SUBJECT_REQ, "h1", "hello"), "a.b.req.h1.hello");
	assert_string_equal(
	    subject_build(buffer, "fl", SUBJECT_IO_CTL, "h1", "tail"), "fl.io.h1.tail.ctl");
	assert_string_equal(
	    subject_build(buffer, "fl", SUBJECT_API, "session", "list"), "fl.api.v1.session.list");
}

static void
what_was_built_parses_back(void **state)
{
	static const char *const tokens[] = {"one", "two", "three"};
	char buffer[SUBJECT_BYTES];
	struct subject_match m;
	struct err err;

	(void)state;
	for (int s = 0; s < SUBJECT_COUNT; s++) {
		enum subject subject = (enum subject)s;
		subject_build(buffer, "fl.x", subject, tokens[0], tokens[1], tokens[2]);
		assert_int_equal(subject_parse("fl.x", buffer, &m, &err), 0);
		assert_int_equal(m.subject, s);
		for (size_t i = 0; i < m.token_count; i++)
			assert_string_equal(m.tokens[i], tokens[i]);
		assert_true(subject_row(subject)->max_bytes > 0);
	}
}

static void
what_is_none_of_ours_is_refused_C7(void **state)
{
	static const char *const bad[] = {"", "fl", "fl.", "fl.cmd", "fl.cmd.", "fl.cmd.a.b",
	    "fl.nothing.h", "xfl.cmd.h", "flx.cmd.h", "fl.cmd.*", "fl.cmd.>", "fl.cmd.a b",
	    "fl.cmd.h\n", "fl.io.h.c", "fl.io.h.c.out", "fl.api.v2.a.b", "fl.req..hello",
	    LONG_TOKEN};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct subject_match m;
		struct err err = {0};
		if (subject_parse("fl", bad[i], &m, &err) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.field, "subject");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(subjects_are_built_from_their_rows),
	    cmocka_unit_test(what_was_built_parses_back),
	    cmocka_unit_test(what_is_none_of_ours_is_refused_C7),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
