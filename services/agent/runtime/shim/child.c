#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc_tree.h"
#include "shim.h"

/* What the child was doing when it failed; the agent's reason and the text for people. */
enum child_stage {
	STAGE_CGROUP,
	STAGE_STDIO,
	STAGE_RLIMIT,
	STAGE_USER,
	STAGE_PRIVILEGES,
	STAGE_WORKING_DIR,
	STAGE_EXEC,
	STAGES,
};

static const struct {
	const char *reason, *text;
} stage_rows[STAGES] = {
    [STAGE_CGROUP] = {"limits", "enter cgroup"},
    [STAGE_STDIO] = {"exec_failed", "stdio"},
    [STAGE_RLIMIT] = {"limits", "setrlimit"},
    [STAGE_USER] = {"exec_failed", "switch user"},
    [STAGE_PRIVILEGES] = {"exec_failed", "no_new_privs"},
    [STAGE_WORKING_DIR] = {"exec_failed", "working directory"},
    [STAGE_EXEC] = {"exec_failed", "exec"},
};

struct child_failure {
	int stage, error;
};

struct child_pipes {
	int log[2], exec[2];
};

static int
set_limit(const struct run_spec_head *spec, int resource, uint64_t value)
{
	struct rlimit old, limit = {.rlim_cur = value, .rlim_max = value};
	if (setrlimit((__rlimit_resource_t)resource, &limit) == 0)
		return 0;
	int saved = errno;
	/* Only root may raise a hard limit: then the best there is, unless the limit was required.
	 */
	if (spec->limits_required || getrlimit((__rlimit_resource_t)resource, &old)) {
		errno = saved;
		return -1;
	}
	limit.rlim_cur = limit.rlim_max = value < old.rlim_max ? value : old.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &limit);
}

static int
set_rlimits(const struct run_spec_head *spec)
{
	struct rlimit files;
	if (spec->nofile_max && set_limit(spec, RLIMIT_NOFILE, spec->nofile_max))
		return -1;
	if (!spec->nofile_max && spec->nofile_soft && getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur =
		    spec->nofile_soft < files.rlim_max ? spec->nofile_soft : files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files))
			return -1;
	}
	return set_limit(spec, RLIMIT_CORE, spec->core_max_bytes);
}

static int
set_stdio(const struct child_pipes *pipes)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0)
		return -1;
	/* One pipe for both: what is read later is in the order in which it was written. */
	return dup2(pipes->log[1], STDOUT_FILENO) < 0 || dup2(pipes->log[1], STDERR_FILENO) < 0 ? -1
												: 0;
}

static int
switch_user(const struct run_spec_head *spec)
{
	if (!spec->switch_user)
		return 0;
	gid_t groups[RUN_SPEC_GROUPS_MAX];
	for (uint32_t i = 0; i < spec->group_count; i++)
		groups[i] = spec->groups[i];
	/* Without the right to set groups only the present user can be asked for. */
	bool same = geteuid() == spec->uid && getegid() == spec->gid;
	if (setgroups(spec->group_count, groups) && !same)
		return -1;
	if (setresgid(spec->gid, spec->gid, spec->gid))
		return -1;
	return setresuid(spec->uid, spec->uid, spec->uid);
}

/* Our two variables first, so that they are found quickly, and no other values for them. */
static void
mark_environment(const struct run_spec_head *spec, char **env)
{
	static char executor[sizeof(SHIM_ENV_EXECUTOR) + 40], incarnation[48];
	char **kept = env + 2;
	snprintf(executor, sizeof(executor), SHIM_ENV_EXECUTOR "%s", spec->executor);
	snprintf(incarnation, sizeof(incarnation), SHIM_ENV_INCARNATION "%u", spec->incarnation);
	for (char **entry = env + 2; *entry; entry++)
		if (strncmp(*entry, SHIM_ENV_EXECUTOR, strlen(SHIM_ENV_EXECUTOR)) != 0 &&
		    strncmp(*entry, SHIM_ENV_INCARNATION, strlen(SHIM_ENV_INCARNATION)) != 0)
			*kept++ = *entry;
	*kept = NULL;
	env[0] = executor;
	env[1] = incarnation;
}

static enum child_stage
prepare(const struct run_spec_head *spec, bool in_cgroup, const struct child_pipes *pipes,
    const char *working_dir)
{
	if (cgroup_leaf_enter(&spec->leaf, in_cgroup))
		return STAGE_CGROUP;
	if (set_stdio(pipes))
		return STAGE_STDIO;
	if (set_rlimits(spec))
		return STAGE_RLIMIT;
	if (switch_user(spec))
		return STAGE_USER;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return STAGE_PRIVILEGES;
	if (chdir(working_dir))
		return STAGE_WORKING_DIR;
	return STAGE_EXEC;
}

static _Noreturn void
child(const struct run_spec_head *spec, bool in_cgroup, const struct child_pipes *pipes)
{
	/* Touched only here: the copies of the pages are the child's, not the shim's. */
	static char *argv[RUN_SPEC_STRINGS_MAX + 1], *env[RUN_SPEC_STRINGS_MAX + 3];
	const char *working_dir;
	sigset_t none;

	run_spec_strings(spec, &working_dir, argv, env + 2);
	mark_environment(spec, env);
	umask(022);
	setsid();
	struct child_failure failure = {.stage = (int)prepare(spec, in_cgroup, pipes, working_dir)};
	if (failure.stage == STAGE_EXEC) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		environ = env; /* the search path is the executor's own */
		execvp(argv[0], argv);
	}
	failure.error = errno;
	(void)!write(pipes->exec[1], &failure, sizeof(failure));
	_exit(127);
}

static int
clone_child(struct shim *shim, bool *ret_in_cgroup)
{
	int leaf_fd = -1;
	struct clone_args args = {.flags = CLONE_PIDFD, .exit_signal = SIGCHLD};
	args.pidfd = (uint64_t)(uintptr_t)&shim->pidfd;
	*ret_in_cgroup = false;
	if (shim->spec->leaf.unified[0])
		leaf_fd = open(shim->spec->leaf.unified, O_PATH | O_DIRECTORY | O_CLOEXEC);
	long pid = -1;
	if (leaf_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned)leaf_fd;
		*ret_in_cgroup = true;
		pid = syscall(SYS_clone3, &args, sizeof(args));
		if (pid != 0)
			close(leaf_fd);
	}
	if (pid < 0) {
		/* An older kernel, or a sandbox that refuses: the child moves itself before exec.
		 */
		args.flags = CLONE_PIDFD;
		args.cgroup = 0;
		*ret_in_cgroup = false;
		pid = syscall(SYS_clone3, &args, sizeof(args));
	}
	/* Docker's default seccomp profile says that there is no clone3, for it cannot see its
	 * flags. Stack 0 is a copy of ours, as with fork; the third argument is where the pidfd
	 * goes. */
	if (pid < 0 && errno == ENOSYS)
		pid =
		    syscall(SYS_clone, (unsigned long)CLONE_PIDFD | SIGCHLD, 0, &shim->pidfd, 0, 0);
	return (int)pid;
}

static void
close_pipes(const struct child_pipes *pipes)
{
	const int fds[] = {pipes->log[0], pipes->log[1], pipes->exec[0], pipes->exec[1]};
	for (size_t i = 0; i < COUNT_OF(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int
start_child(struct shim *shim, const struct child_pipes *pipes)
{
	bool in_cgroup;
	int pid = clone_child(shim, &in_cgroup);
	if (pid == 0)
		child(shim->spec, in_cgroup, pipes);
	if (pid < 0) {
		exit_record_explain(&shim->record, "exec_failed", "clone: %s", strerror(errno));
		return -1;
	}
	close(pipes->log[1]);
	close(pipes->exec[1]);
	shim->pid = pid;
	shim->log_fd = pipes->log[0];
	shim->exec_fd = pipes->exec[0];
	/* These descriptors were just made: watching them fails only without memory. */
	if (shim_watch(shim, shim->log_fd, SOURCE_LOG) ||
	    shim_watch(shim, shim->exec_fd, SOURCE_EXEC))
		(void)proc_pidfd_signal(shim->pidfd, SIGKILL);
	return 0;
}

int
shim_spawn(struct shim *shim)
{
	const struct run_spec_head *spec = shim->spec;
	struct child_pipes pipes = {{-1, -1}, {-1, -1}};
	const struct cgroup_limits limits = {.cpu_millis = spec->cpu_millis,
	    .memory_bytes = spec->memory_bytes,
	    .pids_max = spec->pids_max};
	char why[CGROUP_PATH_BYTES + 64];

	if (log_ring_create(SHIM_FD_DIR, &shim->ring)) {
		exit_record_explain(&shim->record, "state", "log file: %s", strerror(errno));
		return -1;
	}
	if (cgroup_leaf_make(&spec->leaf, &limits, why, sizeof(why))) {
		const char *text = strerror(errno);
		exit_record_explain(&shim->record, "limits", "%.140s: %s", why, text);
		return -1;
	}
	if (pipe2(pipes.log, O_CLOEXEC) || pipe2(pipes.exec, O_CLOEXEC) ||
	    fcntl(pipes.log[0], F_SETFL, O_NONBLOCK) || fcntl(pipes.exec[0], F_SETFL, O_NONBLOCK)) {
		exit_record_explain(&shim->record, "exec_failed", "pipe: %s", strerror(errno));
		close_pipes(&pipes);
		return -1;
	}
	if (!start_child(shim, &pipes))
		return 0;
	close_pipes(&pipes);
	return -1;
}

void
shim_exec_answered(struct shim *shim)
{
	struct child_failure failure;
	if (shim->exec_fd < 0)
		return;
	ssize_t n = read(shim->exec_fd, &failure, sizeof(failure));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	close(shim->exec_fd);
	shim->exec_fd = -1;
	if (n == (ssize_t)sizeof(failure) && failure.stage >= 0 && failure.stage < STAGES) {
		const char *name = strerrorname_np(failure.error);
		exit_record_explain(&shim->record, stage_rows[failure.stage].reason, "%s: %s (%s)",
		    stage_rows[failure.stage].text, strerror(failure.error), name ? name : "?");
		return;
	}
	/* The end of the pipe without a word: exec closed it.  A child that was killed before exec
	 * closes it too, which cannot be told apart and reads as started: the safe direction. */
	shim->record.started = true;
	if (shim->phase == PHASE_STARTING)
		shim->phase = PHASE_RUNNING;
	shim_ctl_send(shim, SHIM_STATE);
}
