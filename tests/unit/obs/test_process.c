#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metrics.h"
#include "process.h"

static int64_t
value_of(struct metrics *m, const char *name)
{
	size_t size;
	char *text = metrics_text(m, &size), wanted[80];

	snprintf(wanted, sizeof(wanted), "\n%s ", name);
	const char *line = strstr(text, wanted);
	assert_non_null(line);
	int64_t value = atoll(line + strlen(wanted));
	free(text);
	return value;
}

static void
the_process_describes_itself_as_it_is_now_O4(void **state)
{
	struct metrics *m = metrics_new();

	(void)state;
	process_metrics_add(m);
	assert_true(value_of(m, "process_resident_memory_bytes") > 100 * 1024);
	assert_true(value_of(m, "process_threads") >= 1);
	assert_true(value_of(m, "process_cpu_milliseconds") >= 0);
	int64_t before = value_of(m, "process_open_fds");
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(value_of(m, "process_open_fds"), before + 1);
	close(fd);
	assert_int_equal(value_of(m, "process_open_fds"), before);
	metrics_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_process_describes_itself_as_it_is_now_O4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
