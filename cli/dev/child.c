#include "child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

#define WAIT_STEP_MS 10
#define EXEC_FAILED 127

void
child_init(struct child *c, const char *name, int stop_signal)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->stop_signal = stop_signal;
	c->keeps_fd = -1;
}

void
child_done(struct child *c)
{
	for (unsigned i = 0; i < c->owned_count; i++)
		free(c->owned[i]);
	c->owned_count = 0;
	c->argc = 0;
}

void
child_arg(struct child *c, const char *format, ...)
{
	va_list args;
	char *text = NULL;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	assert(n >= 0 && c->argc + 1 < CHILD_ARGS_MAX);
	c->owned[c->owned_count++] = text;
	c->argv[c->argc++] = text;
	c->argv[c->argc] = NULL;
}

/* Debian installs servers where the path of an ordinary user does not look. */
static void
exec_program(char *const argv[])
{
	char path[256];

	execvp(argv[0], argv);
	if (errno == ENOENT && !strchr(argv[0], '/')) {
		snprintf(path, sizeof(path), "/usr/sbin/%s", argv[0]);
		execv(path, argv);
	}
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
}

/* In the new process: nothing but system calls until exec. */
static void
become(const struct child *c, int log_fd)
{
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, c->stop_signal);
	if (log_fd >= 0) {
		dup2(log_fd, STDOUT_FILENO);
		dup2(log_fd, STDERR_FILENO);
	}
	if (c->keeps_fd >= 0)
		fcntl(c->keeps_fd, F_SETFD, 0);
	if (c->gid && (setgroups(0, NULL) != 0 || setgid(c->gid) != 0))
		_exit(EXEC_FAILED);
	if (c->uid && setuid(c->uid) != 0)
		_exit(EXEC_FAILED);
	/* A change of user forgets the death signal. */
	prctl(PR_SET_PDEATHSIG, c->stop_signal);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	exec_program((char *const *)(uintptr_t)c->argv);
	_exit(EXEC_FAILED);
}

int
child_start(struct child *c, const char *log_path, struct err *err)
{
	int log_fd = -1;
	pid_t pid;

	if (log_path) {
		log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (log_fd < 0)
			return err_set(err, ERR_INTERNAL, "%s: %s", log_path, strerror(errno));
	}
	/* This program has no bus connection and no second thread: fork is safe here. */
	pid = fork();
	if (pid == 0)
		become(c, log_fd);
	if (log_fd >= 0)
		close(log_fd);
	if (pid < 0)
		return err_set(err, ERR_INTERNAL, "start %s: %s", c->name, strerror(errno));
	c->pid = pid;
	c->stop_asked = false;
	c->started_us = clock_mono_us(clock_system());
	return 0;
}

int
child_wait(struct child *c, int timeout_ms, struct err *err)
{
	int64_t deadline = clock_mono_us(clock_system()) + timeout_ms * MS_US;

	while (c->pid) {
		pid_t r = waitpid(c->pid, &c->status, WNOHANG);

		if (r == c->pid || (r < 0 && errno == ECHILD)) {
			c->pid = 0;
			break;
		}
		if (clock_mono_us(clock_system()) >= deadline)
			return err_set(
			    err, ERR_TIMEOUT, "%s did not end within %d ms", c->name, timeout_ms);
		poll(NULL, 0, WAIT_STEP_MS);
	}
	return 0;
}

void
child_ask_stop(struct child *c)
{
	if (c->pid && !c->stop_asked)
		kill(c->pid, c->stop_signal);
	c->stop_asked = true;
}

void
child_stop(struct child *c, int timeout_ms)
{
	struct err err = {0};

	if (!c->pid)
		return;
	child_ask_stop(c);
	if (child_wait(c, timeout_ms, &err) == 0)
		return;
	fprintf(stderr, "fairlead dev: %s: killed\n", err.text);
	kill(c->pid, SIGKILL);
	if (child_wait(c, timeout_ms, &err) != 0)
		fprintf(stderr, "fairlead dev: %s\n", err.text);
}

int
child_run(struct child *c, const char *log_path, int timeout_ms, struct err *err)
{
	if (child_start(c, log_path, err) != 0)
		return -1;
	if (child_wait(c, timeout_ms, err) != 0) {
		child_stop(c, timeout_ms);
		return -1;
	}
	if (WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0)
		return 0;
	if (WIFEXITED(c->status) && WEXITSTATUS(c->status) == EXEC_FAILED)
		return err_set(err, ERR_NOT_FOUND, "%s: cannot be started", c->argv[0]);
	return err_set(
	    err, ERR_INTERNAL, "%s failed; see %s", c->name, log_path ? log_path : "above");
}
