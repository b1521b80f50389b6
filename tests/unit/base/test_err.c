#include "test.h"

#include <stdio.h>
#include <string.h>

#include "err.h"

static void
every_kind_has_a_row_of_its_own(void **state)
{
	static const struct {
		enum err_kind kind;
		const char *name;
		int exit_code, service_code;
	} cases[] = {
	    {ERR_NONE, "ok", 0, 0},
	    {ERR_INVALID, "invalid", 2, 400},
	    {ERR_NOT_FOUND, "not_found", 3, 404},
	    {ERR_CONFLICT, "conflict", 4, 409},
	    {ERR_DENIED, "denied", 5, 403},
	    {ERR_LIMIT, "limit", 7, 429},
	    {ERR_UNAVAILABLE, "unavailable", 6, 503},
	    {ERR_TIMEOUT, "timeout", 124, 504},
	    {ERR_INTERNAL, "internal", 1, 500},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct err_row *row = err_row(cases[i].kind);
		assert_string_equal(row->name, cases[i].name);
		assert_int_equal(row->exit_code, cases[i].exit_code);
		assert_int_equal(row->service_code, cases[i].service_code);
		assert_int_equal(err_kind_from_name(cases[i].name), cases[i].kind);
	}
	assert_int_equal(err_kind_from_name("no such kind"), ERR_INTERNAL);
}

static void
what_an_error_quotes_cannot_break_its_line_C7(void **state)
{
	struct err e;

	(void)state;
	err_field(&e, ERR_INVALID, "host_id", "not '%s'", "a\r\nNats-Rollup: all\x1b[2J\x7f");
	assert_string_equal(e.text, "not 'a  Nats-Rollup: all [2J '");
	err_wrap(&e, "from %s", "h\n1");
	assert_string_equal(e.text, "from h 1: not 'a  Nats-Rollup: all [2J '");
	err_hint(&e, "ask\t%s", "\n");
	assert_string_equal(e.hint, "ask  ");
}

static void
setting_an_error_replaces_what_was_there(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(err_field(&e, ERR_INVALID, "resources.cpu", "%d is too much", 7), -1);
	assert_int_equal(err_hint(&e, "at most %d", 4), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_string_equal(e.field, "resources.cpu");
	assert_string_equal(e.text, "7 is too much");
	assert_string_equal(e.hint, "at most 4");
	assert_int_equal(err_set(&e, ERR_LIMIT, "full"), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_string_equal(e.text, "full");
	assert_string_equal(e.field, "");
	assert_string_equal(e.hint, "");
	err_clear(&e);
	assert_int_equal(e.kind, ERR_NONE);
	assert_string_equal(e.text, "");
}

static void
wrapping_keeps_kind_field_and_hint(void **state)
{
	struct err e;

	(void)state;
	err_field(&e, ERR_CONFLICT, "epoch", "row moved");
	err_hint(&e, "reread");
	assert_int_equal(err_wrap(&e, "claim executor %s/%d", "web", 0), -1);
	assert_string_equal(e.text, "claim executor web/0: row moved");
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_string_equal(e.field, "epoch");
	assert_string_equal(e.hint, "reread");
}

static void
a_text_may_be_built_from_the_text_it_replaces(void **state)
{
	struct err e;

	(void)state;
	err_field(&e, ERR_INVALID, "cpu", "inner");
	err_field(&e, ERR_LIMIT, e.field, "outer(%s)", e.text);
	assert_string_equal(e.text, "outer(inner)");
	assert_string_equal(e.field, "cpu");
	err_wrap(&e, "again %s", e.text);
	assert_string_equal(e.text, "again outer(inner): outer(inner)");
}

static void
a_text_that_does_not_fit_ends_in_three_dots(void **state)
{
	char wide[ERR_TEXT_BYTES + 50];
	struct err e;

	(void)state;
	memset(wide, 'x', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	err_set(&e, ERR_INVALID, "%s", wide);
	assert_int_equal(strlen(e.text), ERR_TEXT_BYTES - 1);
	assert_string_equal(e.text + ERR_TEXT_BYTES - 5, "x...");
	err_hint(&e, "%s", wide);
	assert_int_equal(strlen(e.hint), ERR_HINT_BYTES - 1);
	assert_string_equal(e.hint + ERR_HINT_BYTES - 5, "x...");
	err_set(&e, ERR_INVALID, "short");
	err_wrap(&e, "%s", wide);
	assert_int_equal(strlen(e.text), ERR_TEXT_BYTES - 1);
	/* Exactly full is not cut. */
	wide[ERR_TEXT_BYTES - 1] = '\0';
	err_set(&e, ERR_INVALID, "%s", wide);
	assert_string_equal(e.text, wide);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_kind_has_a_row_of_its_own),
	    cmocka_unit_test(what_an_error_quotes_cannot_break_its_line_C7),
	    cmocka_unit_test(setting_an_error_replaces_what_was_there),
	    cmocka_unit_test(wrapping_keeps_kind_field_and_hint),
	    cmocka_unit_test(a_text_may_be_built_from_the_text_it_replaces),
	    cmocka_unit_test(a_text_that_does_not_fit_ends_in_three_dots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
