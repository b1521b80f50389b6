#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "err.h"
#include "proc_tree.h"
#include "process.h"
#include "run_spec.h"

#define SPEC_FIRST_BYTES (16u * 1024)

/* Here and not in the shim: a static program has no name service. */
static int
resolve_user(const char *user, struct run_spec_head *head, struct err *err)
{
	char buffer[4096], *end;
	struct passwd entry, *found = NULL;
	unsigned long number = strtoul(user, &end, 10);
	bool numeric = *user >= '0' && *user <= '9' && !*end && number < UINT32_MAX;

	int r = numeric ? getpwuid_r((uid_t)number, &entry, buffer, sizeof(buffer), &found)
			: getpwnam_r(user, &entry, buffer, sizeof(buffer), &found);
	if (!found && !numeric)
		return err_field(err, ERR_INVALID, "user",
		    "user '%s' is not known on this host%s%s", user, r ? ": " : "",
		    r ? strerror(r) : "");
	head->switch_user = 1;
	head->uid = found ? found->pw_uid : (uint32_t)number;
	head->gid = found ? found->pw_gid : (uint32_t)number;
	if (!found)
		return 0;
	gid_t groups[RUN_SPEC_GROUPS_MAX];
	int n = RUN_SPEC_GROUPS_MAX;
	if (getgrouplist(found->pw_name, found->pw_gid, groups, &n) < 0)
		return err_field(err, ERR_LIMIT, "user", "user '%s' is in more than %d groups",
		    user, RUN_SPEC_GROUPS_MAX);
	head->group_count = (uint32_t)n;
	for (int i = 0; i < n; i++)
		head->groups[i] = groups[i];
	return 0;
}

/* Which limits the spec asks for and this host cannot enforce, as words in text. */
static void
missing_limits(const struct driver *d, const struct driver_spec *spec, char *text, size_t size)
{
	const bool asked[CGROUP_CONTROLLERS] = {[CGROUP_CPU] = spec->cpu_millis > 0,
	    [CGROUP_MEMORY] = spec->memory_bytes > 0,
	    [CGROUP_PIDS] = spec->pids_max > 0};
	size_t used = 0;
	text[0] = '\0';
	for (enum cgroup_controller i = 0; i < CGROUP_CONTROLLERS; i++)
		if (asked[i] && !cgroup_base_enforces(&d->cgroups, i))
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? " " : "",
			    cgroup_controller_names[i]);
}

static int
fill_head(struct process_executor *x, const struct driver_spec *spec, struct run_spec_head *head,
    struct err *err)
{
	struct driver *d = x->driver;
	char missing[32], name[INSTANCE_NAME_BYTES];

	missing_limits(d, spec, missing, sizeof(missing));
	if (missing[0] && spec->limits_required)
		return err_set(err, ERR_DENIED, "limits required and not enforceable here: %s (%s)",
		    missing, d->cgroups.detail);
	if (missing[0])
		snprintf(x->note, sizeof(x->note), "limits not enforced: %s (cgroup %s)", missing,
		    d->cgroups.mode);
	if (spec->user && resolve_user(spec->user, head, err))
		return -1;
	(void)id_to_hex(&x->id, head->executor);
	head->incarnation = x->incarnation;
	head->limits_required = spec->limits_required;
	head->cpu_millis = spec->cpu_millis;
	head->memory_bytes = spec->memory_bytes;
	head->pids_max = spec->pids_max;
	head->nofile_max = spec->nofile_max;
	head->nofile_soft = d->nofile_soft;
	head->core_max_bytes = spec->core_max_bytes;
	snprintf(head->boot, sizeof(head->boot), "%s", d->host.boot_id);
	cgroup_base_leaf(
	    &d->cgroups, instance_name(&x->id, x->incarnation, '-', name), &head->leaf);
	cgroup_leaf_narrow(&head->leaf, &(struct cgroup_limits){.cpu_millis = spec->cpu_millis,
					    .memory_bytes = spec->memory_bytes,
					    .pids_max = spec->pids_max});
	return 0;
}

/* Not synced: after a power cut the driver's "boot" file tells that nothing runs any more. */
static int
write_spec(int dir_fd, const void *data, size_t size, struct err *err)
{
	int fd = openat(dir_fd, RUN_SPEC_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, ERR_UNAVAILABLE, "spec: %s", strerror(errno));
	ssize_t n = write(fd, data, size);
	int saved = n < 0 ? errno : ENOSPC;
	close(fd);
	return n == (ssize_t)size ? 0 : err_set(err, ERR_UNAVAILABLE, "spec: %s", strerror(saved));
}

static int
prepare_spec(
    struct process_executor *x, int dir_fd, const struct driver_spec *spec, struct err *err)
{
	struct run_spec_head head = {0};
	const char *working_dir = spec->working_dir ? spec->working_dir : "/";
	if (!spec->argv || !spec->argv[0])
		return err_field(err, ERR_INVALID, "argv", "nothing to run");
	if (fill_head(x, spec, &head, err))
		return -1;
	for (size_t size = SPEC_FIRST_BYTES; size <= RUN_SPEC_BYTES_MAX; size *= 4) {
		void *buffer = malloc(size);
		if (!buffer)
			return err_set(err, ERR_UNAVAILABLE, "no memory");
		size_t used =
		    run_spec_encode(&head, working_dir, spec->argv, spec->env, buffer, size);
		int result = used ? write_spec(dir_fd, buffer, used, err) : 0;
		free(buffer);
		if (used)
			return result;
	}
	return err_set(err, ERR_LIMIT,
	    "arguments and environment: at most %u KiB in all, %d arguments and %d variables",
	    RUN_SPEC_BYTES_MAX / 1024, RUN_SPEC_STRINGS_MAX, RUN_SPEC_STRINGS_MAX);
}

/* Locked here and handed on: between two agents there is no moment in which it looks abandoned. */
static int
open_lock(int dir_fd, struct err *err)
{
	int fd = openat(dir_fd, SHIM_LOCK_FILE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, ERR_UNAVAILABLE, "lock: %s", strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	close(fd);
	return err_set(err, ERR_CONFLICT, "a shim holds this executor's lock");
}

static int
add_descriptors(posix_spawn_file_actions_t *actions, int ctl_fd, int dir_fd, int lock_fd)
{
	const int from[] = {ctl_fd, dir_fd, lock_fd};
	int r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	r = r ? r : posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDOUT_FILENO);
	r = r ? r : posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDERR_FILENO);
	for (int i = 0; i < SHIM_FD_END - SHIM_FD_CTL; i++)
		r = r ? r : posix_spawn_file_actions_adddup2(actions, from[i], SHIM_FD_CTL + i);
	return r ? r : posix_spawn_file_actions_addclosefrom_np(actions, SHIM_FD_END);
}

static int
set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	int r = posix_spawnattr_setflags(
	    attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = r ? r : posix_spawnattr_setsigmask(attributes, &none);
	return r ? r : posix_spawnattr_setsigdefault(attributes, &all);
}

static int
spawn_shim(struct process_executor *x, int ctl_fd, int dir_fd, int lock_fd, struct err *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char name[INSTANCE_NAME_BYTES], program[] = "fairlead-shim";
	char *const argv[] = {program, instance_name(&x->id, x->incarnation, '/', name), NULL};
	char *const env[] = {NULL};

	int r = posix_spawn_file_actions_init(&actions);
	if (r)
		return err_set(err, ERR_UNAVAILABLE, "spawn: %s", strerror(r));
	r = posix_spawnattr_init(&attributes);
	if (!r) {
		r = set_attributes(&attributes);
		r = r ? r : add_descriptors(&actions, ctl_fd, dir_fd, lock_fd);
		r = r ? r
		      : pidfd_spawn(&x->shim_pidfd, x->driver->host.shim_path, &actions,
			    &attributes, argv, env);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return r ? err_set(
		       err, ERR_UNAVAILABLE, "spawn %s: %s", x->driver->host.shim_path, strerror(r))
		 : 0;
}

/* Duplicates above the shim's own numbers, so that placing one does not overwrite another. */
static int
lift(int *fd, struct err *err)
{
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, SHIM_FD_END);
	if (high < 0)
		return err_set(err, ERR_UNAVAILABLE, "descriptors: %s", strerror(errno));
	close(*fd);
	*fd = high;
	return 0;
}

static int
start_in(struct process_executor *x, int *dir_fd, const struct driver_spec *spec, struct err *err)
{
	int pair[2], result = -1;
	if (prepare_spec(x, *dir_fd, spec, err))
		return -1;
	int lock_fd = open_lock(*dir_fd, err);
	if (lock_fd < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		close(lock_fd);
		return err_set(err, ERR_UNAVAILABLE, "socketpair: %s", strerror(errno));
	}
	x->ctl_fd = pair[0];
	if (!lift(&pair[1], err) && !lift(dir_fd, err) && !lift(&lock_fd, err))
		result = spawn_shim(x, pair[1], *dir_fd, lock_fd, err);
	close(pair[1]);
	close(lock_fd);
	return result ? -1 : process_watch(x, err);
}

/* Makes room: 1 when this very instance lives already. */
static int
replace_old(struct driver *d, const struct id *id, uint32_t incarnation, struct err *err)
{
	struct process_executor *old = process_find(d, id);
	if (!old)
		return 0;
	if (old->phase != PROCESS_ENDED && old->incarnation == incarnation && !old->destroying)
		return 1;
	if (old->phase != PROCESS_ENDED || old->say || old->destroying ||
	    old->incarnation >= incarnation)
		return err_set(err, ERR_CONFLICT, "incarnation %u of this executor is still here",
		    old->incarnation);
	if (process_remove_traces(old))
		return err_set(
		    err, ERR_UNAVAILABLE, "incarnation %u is not removed yet", old->incarnation);
	process_free(old);
	return 0;
}

/* State that nobody adopted: never touched while a shim lives, never mixed with the new start. */
static int
clear_stale(struct driver *d, const struct id *id, uint32_t incarnation, struct err *err)
{
	int fd = instance_open(d->state_fd, id, incarnation);
	if (fd < 0)
		return 0;
	bool held = instance_lock_held(fd);
	close(fd);
	if (held)
		return err_set(
		    err, ERR_CONFLICT, "a shim of this incarnation lives and was not adopted");
	if (instance_remove(d->state_fd, id, incarnation))
		return err_set(err, ERR_UNAVAILABLE, "old state: %s", strerror(errno));
	return 0;
}

/* Nothing was started, so nothing may stay that a later agent would take for a start. */
static void
undo_start(struct process_executor *x)
{
	struct driver *d = x->driver;
	siginfo_t info = {0};
	if (x->shim_pidfd >= 0) {
		(void)proc_pidfd_signal(x->shim_pidfd, SIGKILL);
		(void)waitid(P_PIDFD, (id_t)x->shim_pidfd, &info, WEXITED);
		process_kill_leftovers(d, &x->id, x->incarnation, -1);
	}
	(void)!instance_remove(d->state_fd, &x->id, x->incarnation);
	process_free(x);
}

int
process_start(struct driver *d, const struct id *executor_id, uint32_t incarnation,
    const struct driver_spec *spec, struct err *err)
{
	int dir_fd = -1;
	int r = replace_old(d, executor_id, incarnation, err);
	if (r)
		return r > 0 ? 0 : -1;
	if (clear_stale(d, executor_id, incarnation, err) || process_note_boot(d, err))
		return -1;
	struct process_executor *x = process_new(d, executor_id, incarnation);
	if (!x)
		return err_set(err, ERR_UNAVAILABLE, "no memory");
	if (instance_create(d->state_fd, executor_id, incarnation, &dir_fd))
		r = err_set(err, ERR_UNAVAILABLE, "state directory: %s", strerror(errno));
	else
		r = start_in(x, &dir_fd, spec, err);
	process_close_fd(&dir_fd);
	if (!r) {
		process_say(x, SAY_STARTING);
		return 0;
	}
	undo_start(x);
	return -1;
}
