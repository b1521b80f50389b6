#include "test.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash.h"
#include "err.h"

static const struct crash_row rows[] = {
    {"command.after_commit", "the row is written, nothing is sent"},
    {"report.before_ack", "the report is joined, the message is not acknowledged"},
    {NULL, NULL},
};

static void
only_a_point_of_the_table_may_be_wanted(void **state)
{
	static const struct {
		const char *value;
		bool good;
	} cases[] = {
	    {NULL, true},
	    {"command.after_commit", true},
	    {"report.before_ack:1", true},
	    {"report.before_ack:1000000000", true},
	    {"report.before_ack:1000000001", false},
	    {"report.before_ack:99999999999999999999", false},
	    {"report.before_ack:0", false},
	    {"report.before_ack:", false},
	    {"report.before_ack:-1", false},
	    {"report.before_ack: 1", false},
	    {"report.before_ack:1x", false},
	    {"report.no_such_point", false},
	    {"hub.after_commit", true}, /* a point of another service */
	    {"report", false},
	    {"", false},
	    {":1", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err err = {0};
		if (cases[i].value)
			setenv(CRASH_VARIABLE, cases[i].value, 1);
		else
			unsetenv(CRASH_VARIABLE);
		/* A program without points refuses every wish. */
		bool good = cases[i].good && (crash_points_present() || !cases[i].value);
		assert_int_equal(crash_check(rows, &err), good ? 0 : -1);
		assert_int_equal(err.kind, good ? ERR_NONE : ERR_INVALID);
	}
	struct err err = {0};
	setenv(CRASH_VARIABLE, "command.after_commit", 1);
	assert_int_equal(crash_check(NULL, &err), -1);
	unsetenv(CRASH_VARIABLE);
}

/* Passes both points twice in a child and returns its exit status. */
static int
status_of_child(const char *value)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		setenv(CRASH_VARIABLE, value, 1);
		crash_point("command.after_commit");
		crash_point("report.before_ack");
		crash_point("report.before_ack");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
the_counted_passage_of_the_named_point_ends_the_process(void **state)
{
	int crash = crash_points_present() ? CRASH_EXIT_STATUS : 0;

	(void)state;
	assert_int_equal(status_of_child("command.after_commit"), crash);
	assert_int_equal(status_of_child("command.after_commit:2"), 0);
	assert_int_equal(status_of_child("report.before_ack:2"), crash);
	assert_int_equal(status_of_child("report.before_ack:3"), 0);
	assert_int_equal(status_of_child("no.such.point"), 0);
}

static void
with_a_file_named_only_the_first_process_crashes(void **state)
{
	int crash = crash_points_present() ? CRASH_EXIT_STATUS : 0;
	char path[] = "/tmp/test-crash-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	setenv(CRASH_ONCE_VARIABLE, path, 1);
	assert_int_equal(status_of_child("command.after_commit"), crash);
	assert_int_equal(status_of_child("command.after_commit"), 0);
	unsetenv(CRASH_ONCE_VARIABLE);
	unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_a_point_of_the_table_may_be_wanted),
	    cmocka_unit_test(the_counted_passage_of_the_named_point_ends_the_process),
	    cmocka_unit_test(with_a_file_named_only_the_first_process_crashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
