#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "proc_tree.h"
#include "process.h"

#define LEAF_WAIT_MS 200
#define STATUS_AGAIN_MS 20 /* until somebody else reaps it: an init may take seconds */
#define STATUS_TRIES 500

/* PIDFD_GET_INFO with the exit status, Linux 6.15; not in this system's headers. */
struct pidfd_exit_info {
	uint64_t mask;
	uint64_t cgroup_id;
	uint32_t ids[11]; /* pid to fsgid, not used */
	int32_t exit_code;
};
_Static_assert(sizeof(struct pidfd_exit_info) == 64, "the first published size");
#define PIDFD_EXIT_REQUEST _IOWR(0xFF, 11, struct pidfd_exit_info)
#define PIDFD_EXIT_MASK (UINT64_C(1) << 3)

/* Moves to ENDED with this record and has it said. */
static void
process_end(struct process_executor *x, const struct exit_record *record)
{
	if (x->phase == PROCESS_ENDED)
		return;
	x->phase = PROCESS_ENDED;
	x->record = *record;
	x->pid_source = process_unref(x->pid_source);
	x->log_source = process_unref(x->log_source);
	x->timer = process_unref(x->timer);
	process_close_fd(&x->pidfd);
	process_close_fd(&x->log_fd);
	log_ring_done(&x->ring);
	process_say(x, SAY_ENDED);
}

static struct exit_record
new_record(const struct process_executor *x)
{
	struct exit_record record = {.incarnation = x->incarnation, .code = -1};
	(void)id_to_hex(&x->id, record.executor);
	record.started = x->phase != PROCESS_STARTING;
	return record;
}

static void
end_and_keep(struct process_executor *x, const struct exit_record *record)
{
	int fd = instance_open(x->driver->state_fd, &x->id, x->incarnation);
	/* The event goes out even if this fails: the agent's own records are the second copy. */
	if (fd >= 0)
		(void)!instance_exit_write(fd, record);
	process_close_fd(&fd);
	process_end(x, record);
}

void
process_kill_leftovers(struct driver *d, const struct id *id, uint32_t incarnation, int dir_fd)
{
	char name[INSTANCE_NAME_BYTES], hex[ID_HEX_BYTES];
	char executor[sizeof(SHIM_ENV_EXECUTOR) + ID_HEX_BYTES], number[48];
	struct run_spec_head *spec = NULL;
	struct cgroup_leaf leaf;

	/* The leaf it was given; without a readable spec, the one it would be given now. */
	if (dir_fd >= 0 && instance_spec(dir_fd, &spec) == INSTANCE_READ)
		leaf = spec->leaf;
	else
		cgroup_base_leaf(&d->cgroups, instance_name(id, incarnation, '-', name), &leaf);
	free(spec);
	snprintf(executor, sizeof(executor), SHIM_ENV_EXECUTOR "%s", id_to_hex(id, hex));
	snprintf(number, sizeof(number), SHIM_ENV_INCARNATION "%u", incarnation);
	/* A fork bomb without a cgroup may need more than one round. */
	for (int i = 0; i < 10 && proc_kill_marked(executor, number) > 0; i++)
		;
	/* What stays populated is tried again by destroy. */
	(void)!cgroup_leaf_destroy(&leaf, LEAF_WAIT_MS);
}

static void
kill_leftovers(struct process_executor *x)
{
	int fd = instance_open(x->driver->state_fd, &x->id, x->incarnation);
	process_kill_leftovers(x->driver, &x->id, x->incarnation, fd);
	process_close_fd(&fd);
}

enum status_read { STATUS_READ, STATUS_LATER, STATUS_UNKNOWN };

/* Fills code and signal from the pidfd of an executor that ended. */
static enum status_read
exit_status(int pidfd, struct exit_record *record)
{
	siginfo_t info = {0};
	struct pidfd_exit_info exit_info = {.mask = PIDFD_EXIT_MASK};
	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
		record->code = info.si_code == CLD_EXITED ? info.si_status : -1;
		record->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
		return STATUS_READ;
	}
	/* Not our child (its shim was an older agent's): newer kernels still tell, once its parent
	 * has reaped it. */
	if (ioctl(pidfd, PIDFD_EXIT_REQUEST, &exit_info))
		return STATUS_UNKNOWN;
	if (!(exit_info.mask & PIDFD_EXIT_MASK))
		return STATUS_LATER;
	int status = exit_info.exit_code;
	record->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	record->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	return STATUS_READ;
}

/* Reads what is there, within the speed limit; false when the pipe is at its end. */
static bool
read_output(struct process_executor *x, size_t *ret_read, int64_t *ret_again_us)
{
	static char chunk[LOG_RING_CHUNK_BYTES];
	size_t allowed =
	    log_rate_allow(&x->rate, clock_mono_us(x->driver->host.clock), ret_again_us);
	*ret_read = 0;
	if (allowed == 0)
		return true;
	ssize_t n = read(x->log_fd, chunk, allowed < sizeof(chunk) ? allowed : sizeof(chunk));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	log_rate_use(&x->rate, (size_t)n);
	*ret_read = (size_t)n;
	/* A disk that fails loses output, not the executor. */
	if (n > 0 && x->ring.fd >= 0)
		(void)!log_ring_append(&x->ring, chunk, (size_t)n);
	return n > 0;
}

static void
drain_output(struct process_executor *x)
{
	size_t n = 1;
	int64_t again_us;
	/* At most one pipe full: whoever still holds it is not waited for. */
	for (int i = 0; x->log_fd >= 0 && n > 0 && i < 8; i++)
		if (!read_output(x, &n, &again_us))
			break;
}

static void
conclude_orphan(struct process_executor *x, struct exit_record *record, bool known)
{
	if (known)
		exit_record_explain(record, "", "its shim was killed before it ended");
	else
		exit_record_explain(
		    record, "lost", "its shim was killed and its exit status is not known");
	struct run_spec_head *spec = NULL;
	int dir_fd = instance_open(x->driver->state_fd, &x->id, x->incarnation);
	if (dir_fd >= 0 && instance_spec(dir_fd, &spec) == INSTANCE_READ)
		record->oom = cgroup_leaf_oom_kills(&spec->leaf) > 0;
	if (record->oom && record->signal == SIGKILL)
		exit_record_explain(record, "oom", "killed at its memory limit");
	free(spec);
	process_close_fd(&dir_fd);
	kill_leftovers(x);
	drain_output(x);
	end_and_keep(x, record);
}

static int on_status_again(struct sd_event_source *source, uint64_t usec, void *arg);

static void
look_at_status(struct process_executor *x)
{
	struct exit_record record = new_record(x);
	enum status_read found = exit_status(x->pidfd, &record);
	bool wait = found == STATUS_LATER && x->retry_ms < STATUS_TRIES * STATUS_AGAIN_MS;
	x->timer = process_unref(x->timer);
	if (wait && sd_event_add_time_relative(x->driver->host.loop, &x->timer, CLOCK_MONOTONIC,
			STATUS_AGAIN_MS * UINT64_C(1000), 1000, on_status_again, x) >= 0) {
		x->retry_ms += STATUS_AGAIN_MS;
		return;
	}
	x->retry_ms = 0;
	conclude_orphan(x, &record, found == STATUS_READ);
}

static int
on_status_again(struct sd_event_source *source UNUSED, uint64_t usec UNUSED, void *arg)
{
	look_at_status(arg);
	return 0;
}

static int
on_orphan_end(
    struct sd_event_source *source UNUSED, int fd UNUSED, uint32_t events UNUSED, void *arg)
{
	struct process_executor *x = arg;
	x->pid_source = process_unref(x->pid_source); /* it stays readable */
	look_at_status(x);
	return 0;
}

static int on_output(struct sd_event_source *source, int fd, uint32_t events, void *arg);

static int
on_output_again(struct sd_event_source *source, uint64_t usec UNUSED, void *arg)
{
	struct process_executor *x = arg;
	(void)process_unref(source);
	x->log_source = NULL;
	if (sd_event_add_io(
		x->driver->host.loop, &x->log_source, x->log_fd, EPOLLIN, on_output, x) < 0)
		process_close_fd(&x->log_fd);
	return 0;
}

static int
on_output(struct sd_event_source *source, int fd UNUSED, uint32_t events UNUSED, void *arg)
{
	struct process_executor *x = arg;
	size_t n;
	int64_t again_us;
	bool open = read_output(x, &n, &again_us);
	if (open && n > 0)
		return 0;
	(void)process_unref(source);
	x->log_source = NULL;
	int r = open ? sd_event_add_time_relative(x->driver->host.loop, &x->log_source,
			   CLOCK_MONOTONIC, LOG_RATE_REFILL_US, 1000, on_output_again, x)
		     : -1;
	if (r < 0)
		process_close_fd(&x->log_fd);
	return 0;
}

/* The executor outlived its shim: the agent takes the shim's place, as well as a parent can. */
static void
become_orphan(struct process_executor *x)
{
	struct sd_event *loop = x->driver->host.loop;
	int dir_fd = instance_open(x->driver->state_fd, &x->id, x->incarnation);
	x->phase = PROCESS_ORPHAN;
	if (dir_fd < 0 || log_ring_resume(dir_fd, &x->ring))
		x->ring.fd = -1;
	process_close_fd(&dir_fd);
	int r = sd_event_add_io(loop, &x->pid_source, x->pidfd, EPOLLIN, on_orphan_end, x);
	if (r >= 0 && x->log_fd >= 0)
		r = sd_event_add_io(loop, &x->log_source, x->log_fd, EPOLLIN, on_output, x);
	if (r < 0) /* nobody would see its end */
		(void)proc_pidfd_signal(x->pidfd, SIGKILL);
	else if (x->stopping)
		process_orphan_stop(x, x->stop_grace_ms);
}

static void
conclude_lost(struct process_executor *x, const char *detail)
{
	struct exit_record record = new_record(x);
	exit_record_explain(&record, "lost", "%s", detail);
	kill_leftovers(x);
	end_and_keep(x, &record);
}

void
process_shim_gone(struct process_executor *x)
{
	struct exit_record record;
	if (x->phase == PROCESS_ENDED || x->phase == PROCESS_ORPHAN)
		return;
	int dir_fd = instance_open(x->driver->state_fd, &x->id, x->incarnation);
	enum instance_read found = dir_fd < 0 ? INSTANCE_ABSENT : instance_exit(dir_fd, &record);
	process_close_fd(&dir_fd);
	if (found == INSTANCE_READ) {
		process_end(x, &record);
		return;
	}
	if (x->pidfd >= 0)
		become_orphan(x);
	else
		conclude_lost(x, "its shim died before it told whether the executor runs");
}

static int
on_orphan_grace(struct sd_event_source *source UNUSED, uint64_t usec UNUSED, void *arg)
{
	struct process_executor *x = arg;
	(void)proc_pidfd_signal(x->pidfd, SIGKILL);
	return 0;
}

void
process_orphan_stop(struct process_executor *x, uint32_t grace_ms)
{
	(void)proc_pidfd_signal(x->pidfd, grace_ms > 0 ? SIGTERM : SIGKILL);
	if (grace_ms == 0 || x->timer)
		return;
	if (sd_event_add_time_relative(x->driver->host.loop, &x->timer, CLOCK_MONOTONIC,
		grace_ms * UINT64_C(1000), 1000, on_orphan_grace, x) < 0)
		(void)proc_pidfd_signal(x->pidfd, SIGKILL);
}

int
process_remove_traces(struct process_executor *x)
{
	struct driver *d = x->driver;
	struct run_spec_head *spec = NULL;
	int result = 0;
	int dir_fd = instance_open(d->state_fd, &x->id, x->incarnation);
	if (dir_fd >= 0) {
		/* The shim removes its leaf before it says ENDED; this is for those that could not.
		 */
		if (instance_spec(dir_fd, &spec) == INSTANCE_READ)
			result = cgroup_leaf_destroy(&spec->leaf, 0);
		free(spec);
		close(dir_fd);
	}
	return result ? result : instance_remove(d->state_fd, &x->id, x->incarnation);
}
