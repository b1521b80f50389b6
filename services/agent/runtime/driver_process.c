/* driver process: argv on the host, each executor under a shim of its own. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver.h"
#include "durable.h"
#include "err.h"
#include "kept_logs.h"
#include "proc_tree.h"
#include "process.h"

#define PROBE_MS 1000
#define BOOT_FILE "boot"

/* Runs the shim once: a missing library, a noexec mount or a wrong machine shows here. */
static int
probe_shim(const char *path, char *why, size_t size)
{
	char program[] = "fairlead-shim", option[] = "--version";
	char *const argv[] = {program, option, NULL}, *const env[] = {NULL};
	posix_spawn_file_actions_t actions;
	siginfo_t info = {0};
	int pidfd = -1;

	int r = posix_spawn_file_actions_init(&actions);
	if (!r) {
		r = posix_spawn_file_actions_addopen(
		    &actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
		r = r ? r : pidfd_spawn(&pidfd, path, &actions, NULL, argv, env);
		posix_spawn_file_actions_destroy(&actions);
	}
	if (r) {
		snprintf(why, size, "%s: %s", path, strerror(r));
		return -1;
	}
	struct pollfd wait = {.fd = pidfd, .events = POLLIN};
	if (poll(&wait, 1, PROBE_MS) != 1)
		(void)proc_pidfd_signal(pidfd, SIGKILL);
	r = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
	close(pidfd);
	if (r == 0 && info.si_code == CLD_EXITED && info.si_status == 0)
		return 0;
	snprintf(why, size, "%s --version failed", path);
	return -1;
}

static void
process_probe(const struct driver_host *host, struct driver_probe *ret)
{
	struct cgroup_base cgroups;
	struct err err;
	char key[PATH_MAX + 8];
	memset(ret, 0, sizeof(*ret));
	/* Another place than an open driver's, which may be in use. */
	snprintf(key, sizeof(key), "probe:%s", host->state_dir);
	if (probe_shim(host->shim_path, ret->detail, sizeof(ret->detail)))
		return;
	if (cgroup_base_open(host->cgroup_mode, key, &cgroups, &err)) {
		snprintf(ret->detail, sizeof(ret->detail), "%.159s", err.text);
		return;
	}
	ret->usable = true;
	ret->enforces_cpu = cgroup_base_enforces(&cgroups, CGROUP_CPU);
	ret->enforces_memory = cgroup_base_enforces(&cgroups, CGROUP_MEMORY);
	ret->enforces_pids = cgroup_base_enforces(&cgroups, CGROUP_PIDS);
	snprintf(ret->detail, sizeof(ret->detail), "%s", cgroups.detail);
	cgroup_base_close(&cgroups);
}

/* Four descriptors per executor do not fit the usual soft limit; executors still get that one. */
static void
raise_descriptors(struct driver *d)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	static uint64_t soft_at_first; /* of the process: a second driver finds it raised */
	if (soft_at_first == 0)
		soft_at_first = limit.rlim_cur;
	d->nofile_soft = soft_at_first;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void
read_boot(struct driver *d)
{
	char text[RUN_SPEC_BOOT_BYTES];
	ssize_t n = durable_read(d->state_fd, BOOT_FILE, text, sizeof(text) - 1);
	/* Without the file the directory is new, or older than any boot that matters. */
	text[n > 0 ? n : 0] = '\0';
	d->same_boot = strcmp(text, d->host.boot_id) == 0;
}

int
process_note_boot(struct driver *d, struct err *err)
{
	if (d->same_boot)
		return 0;
	if (durable_write(d->state_fd, BOOT_FILE, d->host.boot_id, strlen(d->host.boot_id)))
		return err_set(err, ERR_UNAVAILABLE, "%s/%s: %s", d->host.state_dir, BOOT_FILE,
		    strerror(errno));
	d->same_boot = true;
	return 0;
}

static int
open_parts(struct driver *d, struct err *err)
{
	const struct driver_host *host = &d->host;
	if (strlen(host->boot_id) >= RUN_SPEC_BOOT_BYTES)
		return err_set(
		    err, ERR_INVALID, "boot id is longer than %d bytes", RUN_SPEC_BOOT_BYTES - 1);
	/* Executors of a killed shim become our children, with their exit codes. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return err_set(err, ERR_INTERNAL, "child subreaper: %s", strerror(errno));
	d->state_fd = open(host->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->state_fd < 0)
		return err_set(err, ERR_UNAVAILABLE, "%s: %s", host->state_dir, strerror(errno));
	if (cgroup_base_open(host->cgroup_mode, host->state_dir, &d->cgroups, err))
		return -1;
	return process_loop_open(d, err);
}

static void
process_close(struct driver *d)
{
	if (!d)
		return;
	process_loop_close(d);
	cgroup_base_close(&d->cgroups);
	process_close_fd(&d->state_fd);
	free(d);
}

static int
process_open(const struct driver_host *host, struct driver **ret, struct err *err)
{
	struct driver *d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(err, ERR_UNAVAILABLE, "no memory");
	d->host = *host;
	d->state_fd = -1;
	if (open_parts(d, err)) {
		process_close(d);
		return -1;
	}
	raise_descriptors(d);
	read_boot(d);
	*ret = d;
	return 0;
}

static int
process_stop(struct driver *d, const struct id *executor_id, uint32_t grace_ms, struct err *err)
{
	struct process_executor *x = process_find(d, executor_id);
	if (!x || x->phase == PROCESS_ENDED)
		return 0;
	if (x->phase == PROCESS_ORPHAN) {
		process_orphan_stop(x, grace_ms);
		return 0;
	}
	return process_send_stop(x, grace_ms, err);
}

static int
process_destroy(struct driver *d, const struct id *executor_id, struct err *err)
{
	struct process_executor *x = process_find(d, executor_id);
	if (!x) {
		x = process_new(d, executor_id, 0);
		if (!x)
			return err_set(err, ERR_UNAVAILABLE, "no memory");
		x->phase = PROCESS_ENDED;
	}
	x->destroying = true;
	if (x->phase != PROCESS_ENDED)
		return process_stop(d, executor_id, 0, err);
	process_say(x, SAY_GONE);
	return 0;
}

static int
process_logs(struct driver *d, const struct id *executor_id, void *buffer, size_t size,
    size_t *ret_size, uint64_t *ret_total, struct err *err)
{
	const struct process_executor *x = process_find(d, executor_id);
	int dir_fd = x ? instance_open(d->state_fd, executor_id, x->incarnation) : -1;
	if (dir_fd < 0) {
		if (kept_logs_read(d->state_fd, executor_id, buffer, size, ret_size, ret_total) ==
		    0)
			return 0;
		return err_set(err, ERR_NOT_FOUND, "this host does not have its output (any more)");
	}
	int result = log_ring_read(dir_fd, buffer, size, ret_size, ret_total);
	int saved = errno;
	close(dir_fd);
	if (!result)
		return 0;
	if (saved != ENOENT)
		return err_set(err, ERR_UNAVAILABLE, "log: %s", strerror(saved));
	/* The shim has not come to make it yet. */
	*ret_size = 0;
	*ret_total = 0;
	return 0;
}

const struct driver_ops driver_process_ops = {
    .name = "process",
    .probe = process_probe,
    .open = process_open,
    .adopt = process_adopt,
    .start = process_start,
    .stop = process_stop,
    .destroy = process_destroy,
    .logs = process_logs,
    .close = process_close,
};
