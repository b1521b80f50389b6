#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

#define SHIM_VERSION_TEXT "fairlead-shim 1\n"
#define STOP_GRACE_MS 10000 /* for a SIGTERM to the shim itself, as a host's shutdown sends */

/* Exit codes tell the agent where a shim without an exit record failed. */
enum { EXIT_OK = 0, EXIT_USAGE = 64, EXIT_SPEC = 65, EXIT_SETUP = 71 };

int64_t
shim_now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int
shim_watch(struct shim *shim, int fd, enum shim_source source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = source};
	return epoll_ctl(shim->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int
map_spec(struct shim *shim)
{
	struct stat stat;
	int fd = open(RUN_SPEC_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	void *data = MAP_FAILED;
	if (fstat(fd, &stat) == 0 && stat.st_size > 0 && stat.st_size <= RUN_SPEC_BYTES_MAX)
		data = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (data == MAP_FAILED || run_spec_check(data, (size_t)stat.st_size))
		return -1;
	shim->spec = data;
	shim->record.incarnation = shim->spec->incarnation;
	memcpy(shim->record.executor, shim->spec->executor, sizeof(shim->record.executor));
	return 0;
}

static int
set_up(struct shim *shim)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	if (sigprocmask(SIG_SETMASK, &signals, NULL))
		return -1;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return -1;
	shim->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	shim->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (shim->epoll_fd < 0 || shim->signal_fd < 0)
		return -1;
	if (shim_watch(shim, shim->signal_fd, SOURCE_SIGNAL) || shim_ctl_listen(shim))
		return -1;
	return shim_watch(shim, shim->client_fd, SOURCE_CLIENT);
}

static void
read_signals(struct shim *shim)
{
	struct signalfd_siginfo info;
	while (read(shim->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			shim_stop(shim, STOP_GRACE_MS);
	shim_reap(shim);
}

static void
handle(struct shim *shim, enum shim_source source)
{
	switch (source) {
	case SOURCE_LISTEN:
		shim_ctl_accept(shim);
		break;
	case SOURCE_CLIENT:
		shim_ctl_receive(shim);
		break;
	case SOURCE_SIGNAL:
		read_signals(shim);
		break;
	case SOURCE_LOG:
		shim_log_read(shim);
		break;
	case SOURCE_EXEC:
		shim_exec_answered(shim);
		break;
	}
}

static void
run(struct shim *shim)
{
	while (shim->phase != PHASE_DONE) {
		struct epoll_event event;
		int n = epoll_wait(shim->epoll_fd, &event, 1, shim_timeout_ms(shim));
		if (n < 0 && errno != EINTR)
			break;
		if (n == 1)
			handle(shim, (enum shim_source)event.data.u32);
		shim_step(shim);
	}
}

/* The agent gives three descriptors; everything else it may have open is not ours. */
static int
take_descriptors(void)
{
	for (int fd = SHIM_FD_CTL; fd < SHIM_FD_END; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC))
			return -1;
	if (close_range(SHIM_FD_END, ~0u, 0) && errno != ENOSYS)
		return -1;
	if (fcntl(SHIM_FD_CTL, F_SETFL, O_NONBLOCK))
		return -1;
	return fchdir(SHIM_FD_DIR);
}

int
main(int argc, char **argv)
{
	struct shim shim = {.client_fd = SHIM_FD_CTL,
	    .pidfd = -1,
	    .log_fd = -1,
	    .exec_fd = -1,
	    .listen_fd = -1,
	    .ring.fd = -1,
	    .record.code = -1};

	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return write(STDOUT_FILENO, SHIM_VERSION_TEXT, strlen(SHIM_VERSION_TEXT)) > 0
			   ? EXIT_OK
			   : EXIT_SETUP;
	if (take_descriptors()) {
		static const char usage[] =
		    "fairlead-shim: started by fairlead-agent only (docs/operations.md)\n";
		(void)!write(STDERR_FILENO, usage, sizeof(usage) - 1);
		return EXIT_USAGE;
	}
	(void)setsid(); /* fails when the agent's spawn did it already */
	if (map_spec(&shim))
		return EXIT_SPEC;
	if (set_up(&shim))
		return EXIT_SETUP;
	shim_lock_write(&shim);
	if (shim_spawn(&shim)) {
		shim_finish(&shim);
		return EXIT_OK;
	}
	shim_lock_write(&shim);
	run(&shim);
	shim_finish(&shim);
	return EXIT_OK;
}
