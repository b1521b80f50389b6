#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

#define KERNEL_NAME_BYTES 16

struct worker {
	char name[48];
	void (*run)(struct worker *w, void *arg);
	void *arg;
	pthread_t thread;
	int fd; /* holds a count while woken, and for good once stopped */
	atomic_bool stopping;
	pthread_mutex_t lock; /* guards done */
	pthread_cond_t ended;
	bool done;
};

static void *
enter(void *arg)
{
	struct worker *w = arg;
	char name[KERNEL_NAME_BYTES];

	snprintf(name, sizeof(name), "%.15s", w->name);
	pthread_setname_np(pthread_self(), name);
	w->run(w, w->arg);
	pthread_mutex_lock(&w->lock);
	w->done = true;
	pthread_cond_broadcast(&w->ended);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* With all signals blocked, so that they go to the thread that waits for them. */
static int
start_thread(struct worker *w)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int status = pthread_create(&w->thread, NULL, enter, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return status;
}

static void
release(struct worker *w)
{
	pthread_cond_destroy(&w->ended);
	pthread_mutex_destroy(&w->lock);
	close(w->fd);
	free(w);
}

struct worker *
worker_start(const char *name, void (*run)(struct worker *w, void *arg), void *arg, struct err *err)
{
	pthread_condattr_t attributes;
	struct worker *w = calloc(1, sizeof(*w));

	if (!w) {
		err_set(err, ERR_INTERNAL, "worker %s: no memory", name);
		return NULL;
	}
	snprintf(w->name, sizeof(w->name), "%s", name);
	w->run = run;
	w->arg = arg;
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0) {
		err_set(err, ERR_INTERNAL, "worker %s: eventfd: %s", name, strerror(errno));
		free(w);
		return NULL;
	}
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->ended, &attributes);
	pthread_condattr_destroy(&attributes);
	int status = start_thread(w);
	if (status != 0) {
		err_set(err, ERR_INTERNAL, "worker %s: no thread: %s", name, strerror(status));
		release(w);
		return NULL;
	}
	return w;
}

void
worker_wake(struct worker *w)
{
	const uint64_t one = 1;
	ssize_t n = write(w->fd, &one, sizeof(one));

	/* Refused only when the count is full, and then it is readable anyway. */
	(void)n;
}

void
worker_stop(struct worker *w)
{
	atomic_store(&w->stopping, true);
	worker_wake(w);
}

void
worker_free(struct worker *w)
{
	if (!w)
		return;
	assert(!pthread_equal(pthread_self(), w->thread));
	worker_stop(w);
	pthread_join(w->thread, NULL);
	release(w);
}

bool
worker_join(struct worker *w, int timeout_ms)
{
	struct timespec deadline;
	int status = 0;

	assert(timeout_ms >= 0);
	deadline = clock_deadline(timeout_ms * MS_US);
	pthread_mutex_lock(&w->lock);
	while (!w->done && status != ETIMEDOUT)
		status = pthread_cond_timedwait(&w->ended, &w->lock, &deadline);
	bool done = w->done;
	pthread_mutex_unlock(&w->lock);
	return done;
}

bool
worker_stopping(const struct worker *w)
{
	return atomic_load(&w->stopping);
}

int
worker_fd(const struct worker *w)
{
	return w->fd;
}

/* poll that goes on after a signal handler of a debugger or profiler. */
static void
poll_until(struct pollfd *fd, int timeout_ms)
{
	const struct clock *clock = clock_system();
	int64_t deadline = clock_mono_us(clock) + timeout_ms * MS_US;
	int left = timeout_ms;

	while (poll(fd, 1, left) < 0 && errno == EINTR) {
		int64_t left_us = deadline - clock_mono_us(clock);
		if (timeout_ms >= 0)
			left = left_us > 0 ? (int)(left_us / MS_US) : 0;
	}
}

bool
worker_wait(struct worker *w, int timeout_ms)
{
	struct pollfd fd = {.fd = w->fd, .events = POLLIN};
	uint64_t count;

	if (worker_stopping(w))
		return false;
	poll_until(&fd, timeout_ms);
	if (worker_stopping(w))
		return false; /* the count stays: worker_fd remains readable */
	ssize_t n = read(w->fd, &count, sizeof(count));
	(void)n;
	/* A stop between the two lines above has had its count taken: put it back. */
	if (worker_stopping(w)) {
		worker_wake(w);
		return false;
	}
	return true;
}
