#include "test.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "id.h"
#include "log.h"

static int saved = -1;
static FILE *capture;

/* stderr goes to a file until captured() gives it back as text, to be freed. */
static void
capture_begin(void)
{
	capture = tmpfile();
	assert_non_null(capture);
	saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	dup2(fileno(capture), STDERR_FILENO);
}

static char *
captured(void)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	off_t size = lseek(fileno(capture), 0, SEEK_END);
	char *text = calloc(1, (size_t)size + 1);
	assert_int_equal(pread(fileno(capture), text, (size_t)size, 0), size);
	fclose(capture);
	return text;
}

static void
every_type_of_field_is_written_in_both_formats(void **state)
{
	static const struct {
		enum log_format format;
		const char *line; /* from the event on */
	} cases[] = {
	    {LOG_FORMAT_JSON,
		"\"event\":\"test.fields\",\"service\":\"hub\",\"instance\":\"a-1\",\"s\":"
		"\"plain\","
		"\"q\":\"two words \\\"x\\\"\\\\\\n\\t\\u0001\",\"none\":\"\",\"i\":-5,"
		"\"u\":18446744073709551615,\"took\":1.234,\"back\":-0.001,"
		"\"id\":\"00000000000170008000000000000000\",\"error\":\"no room\","
		"\"error_kind\":\"limit\",\"error_field\":\"cpu\",\"error_hint\":\"try later\"}\n"},
	    {LOG_FORMAT_LOGFMT, "event=test.fields service=hub instance=a-1 s=plain "
				"q=\"two words \\\"x\\\"\\\\\\n\\t\\u0001\" none=\"\" i=-5 "
				"u=18446744073709551615 took=1.234 back=-0.001 "
				"id=00000000000170008000000000000000 error=\"no room\" "
				"error_kind=limit error_field=cpu error_hint=\"try later\"\n"},
	};
	struct id id = id_from_parts(1, 0);
	struct err err;

	(void)state;
	err_field(&err, ERR_LIMIT, "cpu", "no room");
	err_hint(&err, "try later");
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		log_init(LOG_INFO_LEVEL, cases[i].format, "hub", "a-1");
		capture_begin();
		log_info("test.fields", LOG_STR("s", "plain"),
		    LOG_STR("q", "two words \"x\"\\\n\t\x01"), LOG_STR("none", NULL),
		    LOG_INT("i", -5), LOG_UINT("u", UINT64_MAX), LOG_MS("took", 1234),
		    LOG_MS("back", -1), LOG_ID("id", &id), LOG_ERR(&err));
		char *text = captured();
		const char *event =
		    strstr(text, cases[i].format == LOG_FORMAT_JSON ? "\"event\"" : "event=");
		assert_non_null(event);
		assert_string_equal(event, cases[i].line);
		free(text);
	}
}

static void
lines_below_the_level_are_not_written(void **state)
{
	(void)state;
	log_init(LOG_WARN_LEVEL, LOG_FORMAT_LOGFMT, "hub", "a-1");
	capture_begin();
	log_debug("d", LOG_INT("x", 1));
	log_info("i", LOG_INT("x", 1));
	log_warn("w", LOG_INT("x", 1));
	log_error("e", LOG_INT("x", 1));
	char *text = captured();
	assert_null(strstr(text, "event=d"));
	assert_null(strstr(text, "event=i"));
	assert_non_null(strstr(text, "level=warn event=w"));
	assert_non_null(strstr(text, "level=error event=e"));
	free(text);
}

static void
a_line_is_4_kib_at_most_and_says_that_it_was_cut(void **state)
{
	static const size_t sizes[] = {
	    3800, 3900, 3950, 3960, 3970, 3980, 3990, 4000, 4010, 4020, 4030, 4090, 5000, 100000};

	(void)state;
	for (int format = LOG_FORMAT_LOGFMT; format <= LOG_FORMAT_JSON; format++) {
		log_init(LOG_INFO_LEVEL, (enum log_format)format, "hub", "a-1");
		for (size_t i = 0; i < COUNT_OF(sizes) * 2; i++) {
			size_t size = sizes[i / 2];
			char *wide = calloc(1, size + 1);
			/* A character that is escaped, or one that is not. */
			memset(wide, i % 2 ? '\x02' : 'x', size);
			capture_begin();
			log_info("test.wide", LOG_STR("wide", wide), LOG_INT("after", 7));
			char *text = captured();
			size_t length = strlen(text);
			assert_in_range(length, 100, 4096);
			assert_int_equal(text[length - 1], '\n');
			bool cut = strstr(text, "truncated") != NULL;
			assert_true(cut == (strstr(text, "after") == NULL));
			if (i % 2 == 0)
				assert_true(size < 3900 ? !cut : size > 4000 ? cut : true);
			if (format == LOG_FORMAT_JSON) {
				json_t *json = json_loads(text, 0, NULL);
				assert_non_null(json);
				assert_true(
				    cut == json_is_true(json_object_get(json, "truncated")));
				json_decref(json);
			}
			free(text);
			free(wide);
		}
	}
}

static void
bytes_that_are_not_utf8_do_not_break_a_line(void **state)
{
	static const struct {
		const char *bytes, *seen;
	} cases[] = {
	    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
	    {"\xf0\x9f\x9a\x80", "\xf0\x9f\x9a\x80"},
	    {"a\xff"
	     "b",
		"a\xef\xbf\xbd"
		"b"},
	    {"\xc3", "\xef\xbf\xbd"},
	    {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
	    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	    {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	};

	(void)state;
	log_init(LOG_INFO_LEVEL, LOG_FORMAT_JSON, "hub", "a-1");
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		capture_begin();
		log_info("test.bytes", LOG_STR("bytes", cases[i].bytes));
		char *text = captured();
		json_t *json = json_loads(text, 0, NULL);
		assert_non_null(json);
		assert_string_equal(
		    json_string_value(json_object_get(json, "bytes")), cases[i].seen);
		json_decref(json);
		free(text);
	}
}

static void *
write_lines(void *arg)
{
	for (int i = 0; i < 300; i++)
		log_info("test.thread", LOG_STR("who", arg), LOG_INT("i", i));
	return NULL;
}

static void
lines_of_several_threads_do_not_mix(void **state)
{
	static char names[2][2000];
	pthread_t threads[2];
	int lines = 0;

	(void)state;
	log_init(LOG_INFO_LEVEL, LOG_FORMAT_JSON, "hub", "a-1");
	memset(names[0], 'a', sizeof(names[0]) - 1);
	memset(names[1], 'b', sizeof(names[1]) - 1);
	capture_begin();
	int flags = fcntl(STDERR_FILENO, F_GETFL);
	fcntl(STDERR_FILENO, F_SETFL, flags | O_APPEND);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, write_lines, names[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	char *text = captured(), *rest = text;
	for (char *line; (line = strsep(&rest, "\n")) && *line; lines++) {
		json_t *json = json_loads(line, 0, NULL);
		assert_non_null(json);
		json_decref(json);
	}
	assert_int_equal(lines, 600);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_type_of_field_is_written_in_both_formats),
	    cmocka_unit_test(lines_below_the_level_are_not_written),
	    cmocka_unit_test(a_line_is_4_kib_at_most_and_says_that_it_was_cut),
	    cmocka_unit_test(bytes_that_are_not_utf8_do_not_break_a_line),
	    cmocka_unit_test(lines_of_several_threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
