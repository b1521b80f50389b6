#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "err.h"
#include "kept_logs.h"
#include "process.h"

void
process_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

struct sd_event_source *
process_unref(struct sd_event_source *source)
{
	return sd_event_source_disable_unref(source);
}

/* uthash macros are large functions to the linter, and their table a mystery to the analyzer. */
/* NOLINTBEGIN(readability-function-size,clang-analyzer-*) */
struct process_executor *
process_find(struct driver *d, const struct id *id)
{
	struct process_executor *x = NULL;
	HASH_FIND(hh, d->executors, id, sizeof(*id), x);
	return x;
}

struct process_executor *
process_new(struct driver *d, const struct id *id, uint32_t incarnation)
{
	struct process_executor *x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->id = *id;
	x->incarnation = incarnation;
	x->driver = d;
	x->ctl_fd = x->shim_pidfd = x->pidfd = x->log_fd = x->ring.fd = -1;
	HASH_ADD(hh, d->executors, id, sizeof(x->id), x);
	return x;
}

static void
forget(struct process_executor *x)
{
	HASH_DELETE(hh, x->driver->executors, x);
}
/* NOLINTEND(readability-function-size,clang-analyzer-*) */

static void
leave_work(struct process_executor *x)
{
	struct driver *d = x->driver;
	struct process_executor **link = &d->work_head, *before = NULL;
	if (!x->queued)
		return;
	while (*link != x) {
		before = *link;
		link = &before->next_work;
	}
	*link = x->next_work;
	if (d->work_tail == x)
		d->work_tail = before;
	x->queued = false;
}

void
process_free(struct process_executor *x)
{
	if (!x)
		return;
	leave_work(x);
	x->ctl_source = process_unref(x->ctl_source);
	x->shim_source = process_unref(x->shim_source);
	x->pid_source = process_unref(x->pid_source);
	x->log_source = process_unref(x->log_source);
	x->timer = process_unref(x->timer);
	process_close_fd(&x->ctl_fd);
	process_close_fd(&x->shim_pidfd);
	process_close_fd(&x->pidfd);
	process_close_fd(&x->log_fd);
	log_ring_done(&x->ring);
	forget(x);
	free(x);
}

void
process_say(struct process_executor *x, uint8_t what)
{
	struct driver *d = x->driver;
	x->say |= what;
	if (!x->queued) {
		x->queued = true;
		x->next_work = NULL;
		if (d->work_tail)
			d->work_tail->next_work = x;
		else
			d->work_head = x;
		d->work_tail = x;
	}
	int r = sd_event_source_set_enabled(d->work_source, SD_EVENT_ONESHOT);
	assert(r >= 0);
	(void)r;
}

struct driver_event
process_ended_event(const struct process_executor *x, const struct exit_record *record)
{
	return (struct driver_event){.type = DRIVER_EXITED,
	    .executor_id = x->id,
	    .incarnation = x->incarnation,
	    .started = record->started,
	    .exit_code = record->code,
	    .signal = record->signal,
	    .oom = record->oom,
	    .reason = record->reason,
	    .detail = record->detail};
}

static int
on_retry(struct sd_event_source *source UNUSED, uint64_t usec UNUSED, void *arg)
{
	process_say(arg, SAY_GONE);
	return 0;
}

/* GONE is true or not said: what is in the way is waited for. */
static void
remove_later(struct process_executor *x)
{
	x->retry_ms = x->retry_ms == 0 ? 5 : x->retry_ms < 500 ? x->retry_ms * 2 : 1000;
	x->timer = process_unref(x->timer);
	if (sd_event_add_time_relative(x->driver->host.loop, &x->timer, CLOCK_MONOTONIC,
		x->retry_ms * UINT64_C(1000), 1000, on_retry, x) < 0)
		process_say(
		    x, SAY_GONE); /* without memory for a timer: at the next turn of the loop */
}

/* Says one thing.  The callback may start, stop or destroy anything, also *x: it is not touched
 * after it. */
static void
say_one(struct process_executor *x)
{
	const struct driver_host *host = &x->driver->host;
	struct driver_event event = {.executor_id = x->id,
	    .incarnation = x->incarnation,
	    .exit_code = -1,
	    .reason = "",
	    .detail = ""};

	if (x->say & SAY_STARTING) {
		x->say &= (uint8_t)~SAY_STARTING;
		event.type = DRIVER_STARTING;
	} else if (x->say & SAY_ENDED) {
		struct exit_record record = x->record;
		x->say &= (uint8_t)~SAY_ENDED;
		event = process_ended_event(x, &record);
		if (x->say || x->destroying)
			process_say(x, x->destroying ? SAY_GONE : 0);
		host->on_event(host->arg, &event);
		return;
	} else {
		x->say = 0;
		if (x->phase != PROCESS_ENDED)
			return;
		kept_logs_save(x->driver->state_fd, &x->id, x->incarnation);
		if (process_remove_traces(x)) {
			remove_later(x);
			return;
		}
		event.type = DRIVER_GONE;
		process_free(x);
		host->on_event(host->arg, &event);
		return;
	}
	if (x->say)
		process_say(x, 0);
	host->on_event(host->arg, &event);
}

static int
on_work(struct sd_event_source *source UNUSED, void *arg)
{
	struct driver *d = arg;
	/* One per turn, so that a burst does not keep the loop from its timers. */
	struct process_executor *x = d->work_head;
	if (!x)
		return 0;
	leave_work(x);
	if (d->work_head)
		(void)sd_event_source_set_enabled(d->work_source, SD_EVENT_ONESHOT);
	say_one(x);
	return 0;
}

int
process_loop_open(struct driver *d, struct err *err)
{
	int r = sd_event_add_defer(d->host.loop, &d->work_source, on_work, d);
	if (r < 0)
		return err_set(err, ERR_INTERNAL, "event loop: %s", strerror(-r));
	(void)sd_event_source_set_enabled(d->work_source, SD_EVENT_OFF);
	return 0;
}

void
process_loop_close(struct driver *d)
{
	struct process_executor *x, *next;
	HASH_ITER(hh, d->executors, x, next)
	{
		process_free(x);
	}
	d->work_source = process_unref(d->work_source);
}

static bool
is_dead(int pidfd)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};
	return pidfd < 0 || poll(&ended, 1, 0) != 0;
}

int
process_send_stop(struct process_executor *x, uint32_t grace_ms, struct err *err)
{
	const struct shim_message message = {.magic = SHIM_MAGIC,
	    .type = SHIM_STOP,
	    .grace_ms = grace_ms,
	    .incarnation = x->incarnation};
	if (!x->stopping || grace_ms < x->stop_grace_ms)
		x->stop_grace_ms = grace_ms;
	x->stopping = true;
	if (x->ctl_fd >= 0 &&
	    send(x->ctl_fd, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	if (is_dead(x->shim_pidfd))
		return 0;
	return err_set(err, ERR_UNAVAILABLE, "the shim lives and does not listen");
}

int
process_receive(int ctl_fd, struct shim_message *ret, int *ret_pidfd, int *ret_log_fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
	struct iovec part = {.iov_base = ret, .iov_len = sizeof(*ret)};
	struct msghdr header = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof(control)};
	int fds[2] = {-1, -1};

	ssize_t n = recvmsg(ctl_fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return (int)n;
	struct cmsghdr *item = CMSG_FIRSTHDR(&header);
	if (item && item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS &&
	    item->cmsg_len <= CMSG_LEN(sizeof(fds)))
		memcpy(fds, CMSG_DATA(item), item->cmsg_len - CMSG_LEN(0));
	*ret_pidfd = fds[0];
	*ret_log_fd = fds[1];
	if (n != (ssize_t)sizeof(*ret) || ret->magic != SHIM_MAGIC)
		ret->type = 0;
	return 1;
}

void
process_take_state(
    struct process_executor *x, const struct shim_message *message, int pidfd, int log_fd)
{
	process_close_fd(&x->pidfd);
	process_close_fd(&x->log_fd);
	x->pidfd = pidfd;
	x->log_fd = log_fd;
	x->pid = message->pid;
	if (message->running)
		x->phase = PROCESS_RUNNING;
}

static void
handle_state(struct process_executor *x, const struct shim_message *message, int pidfd, int log_fd)
{
	const struct driver_host *host = &x->driver->host;
	enum process_phase before = x->phase;
	if (before > PROCESS_RUNNING) {
		process_close_fd(&pidfd);
		process_close_fd(&log_fd);
		return;
	}
	process_take_state(x, message, pidfd, log_fd);
	if (before != PROCESS_STARTING || x->phase != PROCESS_RUNNING)
		return;
	bool starting = x->say & SAY_STARTING;
	char note[sizeof(x->note)];
	memcpy(note, x->note, sizeof(note));
	struct driver_event event = {.type = DRIVER_RUNNING,
	    .executor_id = x->id,
	    .incarnation = x->incarnation,
	    .started = true,
	    .exit_code = -1,
	    .reason = "",
	    .detail = note,
	    .pid = x->pid};
	if (starting) {
		/* The shim was quicker than the loop: both are said, in order. */
		struct driver_event first = {.type = DRIVER_STARTING,
		    .executor_id = x->id,
		    .incarnation = x->incarnation,
		    .exit_code = -1,
		    .reason = "",
		    .detail = ""};
		x->say &= (uint8_t)~SAY_STARTING;
		host->on_event(host->arg, &first);
	}
	host->on_event(host->arg, &event);
}

static int
on_ctl(struct sd_event_source *source UNUSED, int fd, uint32_t events UNUSED, void *arg)
{
	struct process_executor *x = arg;
	struct shim_message message;
	int pidfd = -1, log_fd = -1;

	int r = process_receive(fd, &message, &pidfd, &log_fd);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (r > 0 && message.type == SHIM_STATE) {
		handle_state(x, &message, pidfd, log_fd);
		return 0;
	}
	process_close_fd(&pidfd);
	process_close_fd(&log_fd);
	if (r > 0 && message.type != SHIM_ENDED)
		return 0;
	if (r <= 0) {
		x->ctl_source = process_unref(x->ctl_source);
		process_close_fd(&x->ctl_fd);
	}
	/* The end of the socket alone proves nothing while the shim can be watched. */
	if (r > 0 || x->shim_pidfd < 0)
		process_shim_gone(x);
	return 0;
}

static int
on_shim(struct sd_event_source *source UNUSED, int fd, uint32_t events UNUSED, void *arg)
{
	struct process_executor *x = arg;
	siginfo_t info = {0};
	/* Only a child can be reaped; an adopted one is somebody else's. */
	(void)waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG);
	x->shim_source = process_unref(x->shim_source);
	process_close_fd(&x->shim_pidfd);
	process_shim_gone(x);
	return 0;
}

int
process_watch(struct process_executor *x, struct err *err)
{
	struct sd_event *loop = x->driver->host.loop;
	int r = sd_event_add_io(loop, &x->ctl_source, x->ctl_fd, EPOLLIN, on_ctl, x);
	/* What the shim said comes before that it is gone. */
	if (r >= 0)
		r = sd_event_source_set_priority(x->ctl_source, SD_EVENT_PRIORITY_NORMAL - 1);
	if (r >= 0 && x->shim_pidfd >= 0)
		r = sd_event_add_io(loop, &x->shim_source, x->shim_pidfd, EPOLLIN, on_shim, x);
	return r < 0 ? err_set(err, ERR_INTERNAL, "event loop: %s", strerror(-r)) : 0;
}
