#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "options.h"

static const struct option_row rows[] = {
    {"nats_url", OPTION_STRING, "nats://127.0.0.1:4222", 0, 0, 0, "servers"},
    {"workers", OPTION_INT, "4", 0, 1, 64, "threads"},
    {"strict", OPTION_BOOL, NULL, 0, 0, 0, "refuse | accept"},
    {"lost_after", OPTION_DURATION_MS, "15s", 0, 1000, 60000, "silence"},
    {"buffer", OPTION_BYTES, "64Ki", 0, 0, 0, "memory"},
    {"password", OPTION_STRING, NULL, OPTION_SECRET, 0, 0, "for the database"},
    {"pin", OPTION_INT, NULL, OPTION_SECRET, 0, 0, "a secret number"},
    {NULL, OPTION_STRING, NULL, 0, 0, 0, NULL},
};

/* Words up to the first NULL. */
static int
count(char **words)
{
	int n = 0;

	while (words[n])
		n++;
	return n;
}

static int
load(struct options *o, char **argv, char **environment, struct err *err)
{
	return options_load(o, count(argv), argv, environment, NULL, err);
}

/* A file with this content; the name is static. */
static char *
file_with(const char *content)
{
	static char path[32];

	snprintf(path, sizeof(path), "/tmp/options-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
	return path;
}

static void
defaults_stand_where_nothing_is_said(void **state)
{
	struct options *o = options_new("FAIRLEAD_TEST", rows);
	char *argv[] = {"test", NULL}, *environment[] = {"HOME=/", "FAIRLEAD_TESTX_FOO=1", NULL};
	struct err err = {0};

	(void)state;
	assert_int_equal(load(o, argv, environment, &err), 0);
	assert_string_equal(options_string(o, "nats_url"), "nats://127.0.0.1:4222");
	assert_int_equal(options_int(o, "workers"), 4);
	assert_false(options_bool(o, "strict"));
	assert_false(options_is_set(o, "strict"));
	assert_true(options_is_set(o, "workers"));
	assert_int_equal(options_int(o, "lost_after"), 15000);
	assert_int_equal(options_int(o, "buffer"), 65536);
	assert_string_equal(options_string(o, "password"), "");
	options_free(o);
	options_free(NULL);
}

static void
a_flag_beats_the_environment_beats_the_file_beats_the_default_O6(void **state)
{
	struct options *o = options_new("FAIRLEAD_TEST", rows);
	char *path = file_with("# comment\n\nworkers: 8\n  lost_after :  20s  # why\n"
			       "nats_url: \"a # b\" # quoted\r\nstrict: yes\nbuffer: 1Ki");
	char *argv[] = {
	    "test", "--config", path, "--workers=16", "--strict", "--buffer", "3", NULL};
	char *environment[] = {"FAIRLEAD_TEST_WORKERS=12", "FAIRLEAD_TEST_LOST_AFTER=30s",
	    "FAIRLEAD_CRASH_AT=x", NULL};
	struct err err = {0};

	(void)state;
	assert_int_equal(load(o, argv, environment, &err), 0);
	assert_int_equal(options_int(o, "workers"), 16);
	assert_int_equal(options_int(o, "lost_after"), 30000);
	assert_string_equal(options_string(o, "nats_url"), "a # b");
	assert_true(options_bool(o, "strict"));
	assert_int_equal(options_int(o, "buffer"), 3);
	unlink(path);
	options_free(o);
}

static void
what_is_wrong_is_refused_by_name_and_place_O6(void **state)
{
	static const struct {
		const char *flag, *variable, *file; /* each may be NULL */
		const char *field;
		const char *says;
	} cases[] = {
	    {"--wrokers=3", NULL, NULL, "wrokers", "command line: unknown option --wrokers"},
	    {"--lost_after=3s", NULL, NULL, "lost-after", "unknown option --lost_after"},
	    {"--workers", NULL, NULL, "workers", "--workers needs a value"},
	    {"--workers=0", NULL, NULL, "workers", "command line: workers: 0 is outside 1..64"},
	    {"--workers=65", NULL, NULL, "workers", "65 is outside 1..64"},
	    {"--workers=4x", NULL, NULL, "workers", "\"4x\" is not a whole number"},
	    {"--workers= 4", NULL, NULL, "workers", "not a whole number"},
	    {"--workers=", NULL, NULL, "workers", "\"\" is not a whole number"},
	    {"--workers=99999999999999999999", NULL, NULL, "workers", "out of range"},
	    {"--strict=maybe", NULL, NULL, "strict", "not true/false"},
	    {"--lost-after=2h", NULL, NULL, "lost_after", "2h is outside 1000..60000 ms"},
	    {"--=1", NULL, NULL, "", "unknown option"},
	    {"-w", NULL, NULL, "", "unexpected argument -w"},
	    {"what", NULL, NULL, "", "unexpected argument what"},
	    {NULL, "FAIRLEAD_TEST_WROKERS=1", NULL, "wrokers",
		"environment FAIRLEAD_TEST_WROKERS: unknown option"},
	    {NULL, "FAIRLEAD_TEST_BUFFER=1K", NULL, "buffer",
		"environment FAIRLEAD_TEST_BUFFER: buffer: \"1K\" is not a size"},
	    {NULL, NULL, "workers: 3\nwrokers: 4\n", "wrokers", ":2: unknown option wrokers"},
	    {NULL, NULL, "workers: 3\n\nworkers: 3\n", "workers",
		":3: workers is set in line 1 already"},
	    {NULL, NULL, "password: 3\npassword_file: /x\n", "password_file",
		":2: password_file is set"},
	    {NULL, NULL, "workers 3\n", "", ":1: not \"key: value\""},
	    {NULL, NULL, "\n\nnats_url: \"open\n", "", ":3: the quote is not closed"},
	    {NULL, NULL, "nats_url: \"a\" b\n", "", ":1: text after the closing quote"},
	    {"--config=/no/such/file", NULL, NULL, "", "/no/such/file: No such file"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct options *o = options_new("FAIRLEAD_TEST", rows);
		char *path = file_with(cases[i].file ? cases[i].file : "");
		char flag[64], variable[64];
		snprintf(flag, sizeof(flag), "%s", cases[i].flag ? cases[i].flag : "--strict");
		snprintf(variable, sizeof(variable), "%s",
		    cases[i].variable ? cases[i].variable : "X=1");
		char *argv[] = {"test", "--config", path, flag, NULL};
		char *environment[] = {variable, NULL};
		struct err err = {0};
		assert_int_equal(load(o, argv, environment, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		if (!strstr(err.text, cases[i].says))
			fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].says);
		assert_string_equal(err.field, cases[i].field);
		unlink(path);
		options_free(o);
	}
}

static void
a_required_option_must_be_given_and_not_empty(void **state)
{
	static const struct option_row required[] = {
	    {"database", OPTION_STRING, NULL, OPTION_REQUIRED, 0, 0, "where"},
	    {NULL, OPTION_STRING, NULL, 0, 0, 0, NULL},
	};
	char *without[] = {"test", NULL}, *empty[] = {"test", "--database=", NULL};
	char *with[] = {"test", "--database", "-x", NULL}, **cases[] = {without, empty, with};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct options *o = options_new("FAIRLEAD_TEST", required);
		struct err err = {0};
		int result = load(o, cases[i], NULL, &err);
		assert_int_equal(result, i == 2 ? 0 : -1);
		assert_string_equal(err.field, i == 2 ? "" : "database");
		if (i == 2)
			assert_string_equal(options_string(o, "database"), "-x");
		options_free(o);
	}
}

static void
arguments_that_are_not_flags_are_handed_back_in_order(void **state)
{
	struct options *o = options_new("FAIRLEAD_TEST", rows);
	char *argv[] = {"test", "one", "--workers", "7", "-x", "--", "--strict", NULL};
	char **rest = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(options_load(o, count(argv), argv, NULL, &rest, &err), 0);
	assert_int_equal(count(rest), 3);
	assert_ptr_equal(rest[0], argv[1]);
	assert_ptr_equal(rest[1], argv[4]);
	assert_ptr_equal(rest[2], argv[6]);
	assert_int_equal(options_int(o, "workers"), 7);
	assert_false(options_bool(o, "strict"));
	options_free(o);
}

static char *
printed(const struct options *o, void (*print)(const struct options *o, FILE *out))
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	print(o, out);
	fclose(out);
	return text;
}

static void
a_secret_comes_from_a_file_too_and_is_never_shown_O6(void **state)
{
	struct options *o = options_new("FAIRLEAD_TEST", rows);
	char *path = file_with("hush: \"#\n"), variable[64];
	char *argv[] = {"test", NULL}, *environment[] = {variable, NULL};
	char *wrong[] = {"test", "--pin", "sesame", NULL};
	struct err err = {0};

	(void)state;
	snprintf(variable, sizeof(variable), "FAIRLEAD_TEST_PASSWORD_FILE=%s", path);
	assert_int_equal(load(o, argv, environment, &err), 0);
	assert_string_equal(options_string(o, "password"), "hush: \"#");
	char *config = printed(o, options_print_config);
	assert_non_null(strstr(config, "password: \"***\" # environment\n"));
	assert_null(strstr(config, "hush"));
	free(config);
	assert_int_equal(load(o, wrong, NULL, &err), -1);
	assert_string_equal(err.field, "pin");
	assert_null(strstr(err.text, "sesame"));
	/* Only secrets have a second name. */
	assert_int_equal(options_set(o, "workers_file", path, "here", &err), -1);
	assert_non_null(strstr(err.text, "here: unknown option workers_file"));
	unlink(path);
	options_free(o);
}

static void
the_printed_configuration_reads_back_as_itself(void **state)
{
	static const char *const urls[] = {
	    "plain", "", " blank ", "a #b", "#", "it's", "\"", "a: b", "a#b"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(urls); i++) {
		struct options *first = options_new("FAIRLEAD_TEST", rows);
		struct options *second = options_new("FAIRLEAD_TEST", rows);
		char *none[] = {"test", NULL};
		struct err err = {0};
		assert_int_equal(options_set(first, "nats_url", urls[i], "here", &err), 0);
		assert_int_equal(load(first, none, NULL, &err), 0);
		char *text = printed(first, options_print_config);
		char *path = file_with(text);
		char *argv[] = {"test", "--config", path, NULL};
		assert_int_equal(load(second, argv, NULL, &err), 0);
		assert_string_equal(options_string(second, "nats_url"), urls[i]);
		assert_int_equal(options_int(second, "lost_after"), 15000);
		assert_false(options_is_set(second, "strict"));
		unlink(path);
		free(text);
		options_free(first);
		options_free(second);
	}
}

static void
help_and_markdown_name_every_row(void **state)
{
	struct options *o = options_new("FAIRLEAD_TEST", rows);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	options_print_help(o, "fairlead-test", "Tests.", out);
	fclose(out);
	assert_non_null(strstr(text, "Usage: fairlead-test [options]\nTests.\n"));
	assert_non_null(strstr(text, "--lost-after TIME"));
	assert_non_null(strstr(text, "silence [15s]\n"));
	assert_non_null(strstr(text, "--config FILE"));
	assert_non_null(strstr(text, "FAIRLEAD_TEST_<NAME>"));
	free(text);
	text = printed(o, options_print_markdown);
	assert_non_null(strstr(text, "| `lost_after` | `--lost-after` | `FAIRLEAD_TEST_LOST_AFTER` "
				     "| TIME, 1s to 60s | `15s` | silence |\n"));
	assert_non_null(strstr(text, "| refuse \\| accept |\n"));
	assert_non_null(strstr(text, "`password_file` names a file that holds it |\n"));
	free(text);
	options_free(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults_stand_where_nothing_is_said),
	    cmocka_unit_test(a_flag_beats_the_environment_beats_the_file_beats_the_default_O6),
	    cmocka_unit_test(what_is_wrong_is_refused_by_name_and_place_O6),
	    cmocka_unit_test(a_required_option_must_be_given_and_not_empty),
	    cmocka_unit_test(arguments_that_are_not_flags_are_handed_back_in_order),
	    cmocka_unit_test(a_secret_comes_from_a_file_too_and_is_never_shown_O6),
	    cmocka_unit_test(the_printed_configuration_reads_back_as_itself),
	    cmocka_unit_test(help_and_markdown_name_every_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
