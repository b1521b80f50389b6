#include "proc_tree.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* Field 22 of stat by the plainest way; the command of a test has no blanks. */
static uint64_t
start_time_of_self(void)
{
	char text[1024] = "", *save = NULL;
	FILE *file = fopen("/proc/self/stat", "re");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	const char *field = strtok_r(text, " ", &save);
	for (int i = 1; i < 22; i++)
		field = strtok_r(NULL, " ", &save);
	assert_non_null(field);
	return strtoull(field, NULL, 10);
}

static void
a_process_is_found_again_by_pid_and_start_time(void **state UNUSED)
{
	uint64_t start;
	assert_int_equal(proc_start_time(getpid(), &start), 0);
	assert_int_equal(start, start_time_of_self());
	int fd = proc_pidfd_open_exact(getpid(), start);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(proc_pidfd_open_exact(getpid(), start + 1), -1);
	assert_int_equal(proc_pidfd_open_exact(0, 0), -1);
}

/* A tree of four: this one, its child, and that one's two children of which one is deaf. */
static pid_t
make_tree(int ready)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	for (int i = 0; i < 2; i++) {
		if (fork() == 0) {
			signal(SIGTERM, SIG_IGN);
			setsid();
			(void)!write(ready, "x", 1);
			for (;;)
				pause();
		}
	}
	(void)!write(ready, "x", 1);
	for (;;)
		pause();
}

static void
all_descendants_die_wherever_they_are(void **state UNUSED)
{
	int pipes[2];
	char byte;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	assert_int_equal(pipe(pipes), 0);
	pid_t pid = make_tree(pipes[1]);
	assert_true(pid > 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(read(pipes[0], &byte, 1), 1);
	assert_int_equal(proc_kill_descendants(), 3);
	/* As a subreaper every one of them comes here. */
	for (int i = 0; i < 3; i++) {
		siginfo_t info = {0};
		assert_int_equal(waitid(P_ALL, 0, &info, WEXITED), 0);
		assert_int_equal(info.si_status, SIGKILL);
	}
	siginfo_t info = {0};
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED), -1);
	assert_int_equal(proc_kill_descendants(), 0);
	close(pipes[0]);
	close(pipes[1]);
}

static pid_t
sleeper(const char *first, const char *second)
{
	char *const argv[] = {(char[]){"sleep"}, (char[]){"1000"}, NULL};
	char one[64], two[64];
	int pipes[2];
	char byte;
	snprintf(one, sizeof(one), "%s", first);
	snprintf(two, sizeof(two), "%s", second);
	char *const env[] = {one, two, NULL};
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		execve("/bin/sleep", argv, env);
		_exit(127);
	}
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &byte, 1), 0); /* exec closed it */
	close(pipes[0]);
	return pid;
}

static bool
has_ended(pid_t pid)
{
	siginfo_t info = {0};
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) != 0 || info.si_pid == pid;
}

static void
only_what_carries_both_marks_is_killed(void **state UNUSED)
{
	char mark[64], other[64];
	snprintf(mark, sizeof(mark), "FAIRLEAD_TEST=%d", getpid());
	snprintf(other, sizeof(other), "FAIRLEAD_TEST=%d0", getpid());
	pid_t ours = sleeper(mark, "N=1"), next = sleeper(mark, "N=12"),
	      longer = sleeper(other, "N=1");
	assert_int_equal(proc_kill_marked(mark, "N=1"), 1);
	assert_true(has_ended(ours));
	assert_false(has_ended(next));
	assert_false(has_ended(longer));
	kill(next, SIGKILL);
	kill(longer, SIGKILL);
	waitpid(next, NULL, 0);
	waitpid(longer, NULL, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_process_is_found_again_by_pid_and_start_time),
	    cmocka_unit_test(all_descendants_die_wherever_they_are),
	    cmocka_unit_test(only_what_carries_both_marks_is_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
