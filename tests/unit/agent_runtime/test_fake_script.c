#include "fake_script.h"

#include <stdio.h>
#include <string.h>

#include "err.h"
#include "test.h"

static void
words_set_what_they_name(void **state UNUSED)
{
	static const struct {
		const char *text;
		struct fake_script want;
	} cases[] = {
	    {NULL, {.run_us = FAKE_NEVER}},
	    {"", {.run_us = FAKE_NEVER}},
	    {" \t ", {.run_us = FAKE_NEVER}},
	    {"start=10ms run=50ms exit=3", {.start_us = 10000, .run_us = 50000, .exit_code = 3}},
	    {"run=forever", {.run_us = FAKE_NEVER}},
	    {"run=2s stop=7us signal=11", {.run_us = 2000000, .stop_us = 7, .signal = 11}},
	    {"run=1m stop=ignore", {.run_us = 60000000, .stop_us = FAKE_NEVER}},
	    {"run=0ms oom", {.signal = 9, .oom = true}},
	    {"run=1us lost", {.run_us = 1, .lost = true}},
	    {"fail=prepare", {.run_us = FAKE_NEVER, .failure = FAKE_FAILS_PREPARE}},
	    {"fail=start", {.run_us = FAKE_NEVER, .failure = FAKE_FAILS_START}},
	    {"exec_fail", {.run_us = FAKE_NEVER, .failure = FAKE_FAILS_EXEC}},
	    {"exit=1 exit=255 run=1s run=3s", {.run_us = 3000000, .exit_code = 255}},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct fake_script script;
		struct err err;
		assert_int_equal(fake_script_parse(cases[i].text, &script, &err), 0);
		assert_int_equal(script.start_us, cases[i].want.start_us);
		assert_int_equal(script.run_us, cases[i].want.run_us);
		assert_int_equal(script.stop_us, cases[i].want.stop_us);
		assert_int_equal(script.exit_code, cases[i].want.exit_code);
		assert_int_equal(script.signal, cases[i].want.signal);
		assert_int_equal(script.oom, cases[i].want.oom);
		assert_int_equal(script.lost, cases[i].want.lost);
		assert_int_equal(script.failure, cases[i].want.failure);
	}
}

static void
a_wrong_word_is_named(void **state UNUSED)
{
	static const char *const cases[] = {"start", "start=", "start=10", "start=ms", "start=-1ms",
	    "run=99999999999999999999s", "run=10000000m", "run=never", "exit=256", "exit=-1",
	    "exit=1x", "signal=0", "signal=65", "fail=later", "fail", "oom=1", "x=y", "=",
	    "start=forever", "run=1ms,exit=2",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1ms"};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct fake_script script = {.exit_code = 99};
		struct err err;
		char text[128];
		snprintf(text, sizeof(text), "run=1ms %s", cases[i]);
		assert_int_equal(fake_script_parse(text, &script, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.field, "fake_script");
		assert_int_equal(
		    strncmp(err.text + 1, cases[i], strlen(cases[i]) < 40 ? strlen(cases[i]) : 40),
		    0);
		assert_int_equal(script.exit_code, 99);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_set_what_they_name),
	    cmocka_unit_test(a_wrong_word_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
