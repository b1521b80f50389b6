/* outlet: output whose reader does not read (G8). */
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "outlet.h"

#define LARGE (1024 * 1024) /* more than a pipe holds */

/* Goes on so many times. */
static bool
count_down(void *arg)
{
	return --*(int *)arg > 0;
}

static void
output_that_nobody_reads_ends_when_it_is_told_to_G8(void **state)
{
	int ends[2], steps = 3;
	struct outlet o = {.go_on = count_down, .arg = &steps};
	char *text = calloc(1, LARGE);
	struct err err = {0};

	(void)state;
	assert_int_equal(pipe(ends), 0);
	o.fd = ends[1];
	assert_int_equal(outlet_write(&o, text, LARGE, &err), -1);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	assert_int_equal(steps, 0);
	assert_false(o.closed);
	close(ends[0]);
	close(ends[1]);
	free(text);
}

static void
output_is_written_whole(void **state)
{
	int ends[2], steps = 1;
	struct outlet o = {.go_on = count_down, .arg = &steps};
	char text[2000], read_back[2000];
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	assert_int_equal(pipe(ends), 0);
	o.fd = ends[1];
	assert_int_equal(outlet_write(&o, text, sizeof(text), &err), 0);
	assert_int_equal(read(ends[0], read_back, sizeof(read_back)), sizeof(text));
	assert_memory_equal(read_back, text, sizeof(text));
	close(ends[0]);
	close(ends[1]);
}

static void
a_reader_that_has_gone_is_known_as_such(void **state)
{
	int ends[2], steps = 1;
	struct outlet o = {.go_on = count_down, .arg = &steps};
	struct err err = {0};

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	o.fd = ends[1];
	assert_int_equal(outlet_write(&o, "x", 1, &err), -1);
	assert_true(o.closed);
	close(ends[1]);
}

static void
a_reader_that_goes_is_noticed_by_who_writes_nothing(void **state)
{
	struct outlet o = {0};
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	o.fd = ends[1];
	assert_true(outlet_open(&o));
	close(ends[0]);
	assert_false(outlet_open(&o));
	assert_true(o.closed);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(output_that_nobody_reads_ends_when_it_is_told_to_G8),
	    cmocka_unit_test(output_is_written_whole),
	    cmocka_unit_test(a_reader_that_has_gone_is_known_as_such),
	    cmocka_unit_test(a_reader_that_goes_is_noticed_by_who_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
