#include "bench.h"

#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

int64_t
bench_now_us(void)
{
	return clock_mono_us(clock_system());
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double
bench_quantile(double *figures, size_t n, double p)
{
	size_t at = (size_t)(p * (double)n);

	qsort(figures, n, sizeof(*figures), by_size);
	return n == 0 ? 0 : figures[at < n ? at : n - 1];
}

double
bench_median(double *figures, size_t n)
{
	double upper = bench_quantile(figures, n, 0.5); /* sorts */

	return n > 0 && n % 2 == 0 ? (figures[n / 2 - 1] + upper) / 2 : upper;
}

bool
bench_say(const char *claim, const char *measured, const char *baseline, double value,
    bool at_least, double goal)
{
	bool met = at_least ? value >= goal : value <= goal;

	printf("%s\t%s\t%s\t%.2f\t%s %.2f\t%s\n", claim, measured, baseline, value,
	    at_least ? ">=" : "<=", goal, met ? "met" : "MISSED");
	fflush(stdout);
	return met;
}

void
bench_fail(const struct err *err, const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, err ? err->text : "failed");
	exit(2); /* handlers registered with atexit clean up */
}

long
bench_option(int argc, char **argv, const char *name, long fallback)
{
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], name) == 0)
			return strtol(argv[i + 1], NULL, 10);
	}
	return fallback;
}

const char *
bench_bin_dir(void)
{
	static char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	bench_must(n > 0 ? 0 : -1, NULL, "/proc/self/exe");
	self[n] = '\0';
	return dirname(self);
}

pid_t
bench_spawn(const char *const *argv, const char *log)
{
	pid_t parent = getpid(), pid = fork();

	bench_must(pid < 0 ? -1 : 0, NULL, "fork");
	if (pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
		if (fd >= 0) {
			dup2(fd, STDOUT_FILENO);
			dup2(fd, STDERR_FILENO);
		}
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return pid;
}

void
bench_stop(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}
