#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "durable.h"
#include "proc_tree.h"
#include "shim.h"

#define KILL_LIMIT_US 5000000 /* then what cannot be killed (state D) is only said */
#define KILL_AGAIN_US 100000  /* a kill order is repeated until the executor is gone */
#define DRAIN_LIMIT_US 500000 /* something outside may hold the pipe */
#define STEP_FIRST_US 1000
#define STEP_LAST_US 64000
#define RECORD_TRIES 600 /* a full disk: a minute for somebody to make room */
#define REMOVE_TRIES 20

static void
pause_ms(int ms)
{
	const struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L};
	nanosleep(&wait, NULL);
}

void
shim_stop(struct shim *shim, uint32_t grace_ms)
{
	int64_t at_us = shim_now_us() + (int64_t)grace_ms * 1000;
	if (shim->ended)
		return;
	if (grace_ms > 0 && shim->kill_at_us == 0)
		(void)proc_pidfd_signal(shim->pidfd, SIGTERM);
	/* A second stop can only make it shorter. */
	if (shim->kill_at_us == 0 || at_us < shim->kill_at_us)
		shim->kill_at_us = at_us;
}

static void
kill_all(struct shim *shim)
{
	cgroup_leaf_kill(&shim->spec->leaf);
	/* Also with a cgroup: root may move itself out of it, but never out of our descendants. */
	if (!shim->ended)
		(void)proc_pidfd_signal(shim->pidfd, SIGKILL);
	(void)proc_kill_descendants();
}

static void
enter(struct shim *shim, enum shim_phase phase, int64_t limit_us)
{
	shim->phase = phase;
	shim->kill_at_us = 0;
	shim->step_wait_us = STEP_FIRST_US;
	shim->step_at_us = shim_now_us();
	shim->phase_end_us = shim->step_at_us + limit_us;
}

static void
note_end(struct shim *shim, const siginfo_t *info)
{
	shim_exec_answered(shim);
	shim->ended = true;
	if (shim->record.started && info->si_code == CLD_EXITED)
		shim->record.code = info->si_status;
	else if (shim->record.started)
		shim->record.signal = info->si_status;
	enter(shim, PHASE_KILLING, KILL_LIMIT_US);
}

/* Returns whether there is any child left. */
static bool
reap_all(struct shim *shim)
{
	for (;;) {
		siginfo_t info = {0};
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG))
			return errno != ECHILD;
		if (info.si_pid == 0)
			return true;
		if (info.si_pid == shim->pid && !shim->ended)
			note_end(shim, &info);
	}
}

void
shim_reap(struct shim *shim)
{
	(void)reap_all(shim);
}

static void
step_killing(struct shim *shim, int64_t now_us)
{
	bool left = reap_all(shim) || cgroup_leaf_populated(&shim->spec->leaf);
	if (!left) {
		enter(shim, PHASE_DRAINING, DRAIN_LIMIT_US);
		return;
	}
	if (now_us >= shim->phase_end_us) {
		if (!shim->record.detail[0])
			exit_record_explain(&shim->record, shim->record.reason,
			    "processes that cannot be killed were left behind");
		enter(shim, PHASE_DRAINING, DRAIN_LIMIT_US);
		return;
	}
	kill_all(shim);
	shim->step_at_us = now_us + shim->step_wait_us;
	if (shim->step_wait_us < STEP_LAST_US)
		shim->step_wait_us *= 2;
}

static void
close_log(struct shim *shim)
{
	if (shim->log_fd >= 0)
		close(shim->log_fd);
	shim->log_fd = -1;
}

/* Reads one chunk; -1 when there is nothing now. */
static int
read_chunk(struct shim *shim, size_t allowed)
{
	static char chunk[LOG_RING_CHUNK_BYTES];
	size_t size = allowed < sizeof(chunk) ? allowed : sizeof(chunk);
	ssize_t n = read(shim->log_fd, chunk, size);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -1;
	if (n <= 0) {
		close_log(shim);
		return -1;
	}
	log_rate_use(&shim->rate, (size_t)n);
	/* A disk that fails must not stop the executor: its output is lost, it is not. */
	(void)!log_ring_append(&shim->ring, chunk, (size_t)n);
	return 0;
}

void
shim_log_read(struct shim *shim)
{
	int64_t again_us;
	if (shim->log_fd < 0)
		return;
	size_t allowed = log_rate_allow(&shim->rate, shim_now_us(), &again_us);
	if (allowed > 0) {
		(void)read_chunk(shim, allowed);
		return;
	}
	/* What is not read makes the writer wait.  Off the poll entirely: a pipe without writers
	 * reports HUP whatever is asked for. */
	(void)epoll_ctl(shim->epoll_fd, EPOLL_CTL_DEL, shim->log_fd, NULL);
	shim->log_at_us = again_us;
}

static void
step_draining(struct shim *shim, int64_t now_us)
{
	while (shim->log_fd >= 0 && read_chunk(shim, LOG_RING_CHUNK_BYTES) == 0)
		if (shim_now_us() >= shim->phase_end_us)
			close_log(shim);
	if (now_us >= shim->phase_end_us)
		close_log(shim);
	if (shim->log_fd < 0)
		shim->phase = PHASE_DONE;
	shim->step_at_us = now_us + STEP_LAST_US;
}

static bool
due(int64_t *at_us, int64_t now_us)
{
	if (*at_us == 0 || now_us < *at_us)
		return false;
	*at_us = 0;
	return true;
}

void
shim_step(struct shim *shim)
{
	int64_t now_us = shim_now_us();
	if (due(&shim->log_at_us, now_us) && shim->log_fd >= 0 &&
	    shim_watch(shim, shim->log_fd, SOURCE_LOG))
		close_log(shim);
	if (due(&shim->kill_at_us, now_us)) {
		kill_all(shim);
		shim->kill_at_us = now_us + KILL_AGAIN_US;
	}
	if (shim->phase == PHASE_KILLING && due(&shim->step_at_us, now_us))
		step_killing(shim, now_us);
	if (shim->phase == PHASE_DRAINING && due(&shim->step_at_us, shim_now_us()))
		step_draining(shim, now_us);
}

int
shim_timeout_ms(const struct shim *shim)
{
	const int64_t times[] = {shim->kill_at_us, shim->step_at_us, shim->log_at_us};
	int64_t first = INT64_MAX;
	for (size_t i = 0; i < COUNT_OF(times); i++)
		if (times[i] != 0 && times[i] < first)
			first = times[i];
	if (first == INT64_MAX)
		return -1;
	int64_t wait_us = first - shim_now_us();
	return wait_us <= 0 ? 0 : (int)((wait_us + 999) / 1000);
}

static void
explain_limits(struct shim *shim)
{
	const struct run_spec_head *spec = shim->spec;
	shim->record.oom = cgroup_leaf_oom_kills(&spec->leaf) > 0;
	if (shim->record.reason[0])
		return;
	bool killed = shim->record.signal == SIGKILL || shim->record.code == 128 + SIGKILL;
	uint64_t refused = cgroup_leaf_pids_refused(&spec->leaf);
	if (shim->record.oom && killed)
		exit_record_explain(&shim->record, "oom",
		    "killed at its memory limit of %llu bytes",
		    (unsigned long long)spec->memory_bytes);
	else if (refused > 0 && !shim->record.detail[0])
		exit_record_explain(&shim->record, "",
		    "%llu forks refused at its limit of %u processes", (unsigned long long)refused,
		    spec->pids_max);
}

void
shim_finish(struct shim *shim)
{
	char text[EXIT_RECORD_BYTES_MAX];
	explain_limits(shim);
	size_t size = exit_record_encode(&shim->record, text);
	for (int i = 0; i < RECORD_TRIES; i++) {
		if (!durable_write(SHIM_FD_DIR, EXIT_RECORD_FILE, text, size))
			break;
		pause_ms(100);
	}
	for (int i = 0; i < REMOVE_TRIES && cgroup_leaf_remove(&shim->spec->leaf); i++)
		pause_ms(1);
	shim_ctl_send(shim, SHIM_ENDED);
}
