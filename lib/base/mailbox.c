#include "mailbox.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

struct mailbox {
	pthread_mutex_t lock;
	pthread_cond_t not_empty, not_full;
	void (*drop)(void *item);
	int fd; /* holds a count exactly while depth > 0 or closed */
	bool closed;
	unsigned capacity, depth, head;
	uint64_t full_count;
	void *items[];
};

struct mailbox *
mailbox_new(unsigned capacity, void (*drop)(void *item))
{
	pthread_condattr_t attributes;

	assert(capacity >= 1);
	struct mailbox *m = calloc(1, sizeof(*m) + (size_t)capacity * sizeof(m->items[0]));
	if (!m)
		return NULL;
	m->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->fd < 0) {
		free(m);
		return NULL;
	}
	m->capacity = capacity;
	m->drop = drop;
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&m->not_empty, &attributes);
	pthread_cond_init(&m->not_full, &attributes);
	pthread_condattr_destroy(&attributes);
	return m;
}

void
mailbox_free(struct mailbox *m)
{
	if (!m)
		return;
	for (unsigned i = 0; m->drop && i < m->depth; i++)
		m->drop(m->items[(m->head + i) % m->capacity]);
	pthread_cond_destroy(&m->not_empty);
	pthread_cond_destroy(&m->not_full);
	pthread_mutex_destroy(&m->lock);
	close(m->fd);
	free(m);
}

static void
raise_fd(struct mailbox *m)
{
	int failed = eventfd_write(m->fd, 1);

	assert(!failed);
	(void)failed;
}

static void
lower_fd(struct mailbox *m)
{
	eventfd_t count;
	int failed = eventfd_read(m->fd, &count);

	assert(!failed);
	(void)failed;
}

/* One wait of a loop that rechecks its condition.  False: the deadline has passed. */
static bool
wait_on(
    struct mailbox *m, pthread_cond_t *condition, int timeout_ms, const struct timespec *deadline)
{
	if (timeout_ms < 0) {
		pthread_cond_wait(condition, &m->lock);
		return true;
	}
	return pthread_cond_timedwait(condition, &m->lock, deadline) != ETIMEDOUT;
}

/* With the lock held and room. */
static void
push(struct mailbox *m, void *item)
{
	assert(m->depth < m->capacity);
	m->items[(m->head + m->depth) % m->capacity] = item;
	if (m->depth++ == 0)
		raise_fd(m);
	pthread_cond_signal(&m->not_empty);
}

/* With the lock held and something inside. */
static void *
pop(struct mailbox *m)
{
	void *item = m->items[m->head];

	assert(m->depth > 0);
	m->head = (m->head + 1) % m->capacity;
	if (--m->depth == 0 && !m->closed)
		lower_fd(m);
	pthread_cond_signal(&m->not_full);
	return item;
}

int
mailbox_put(struct mailbox *m, void *item, struct err *err)
{
	int result = 0;

	assert(item);
	pthread_mutex_lock(&m->lock);
	if (m->closed) {
		result = err_set(err, ERR_UNAVAILABLE, "the mailbox is closed");
	} else if (m->depth == m->capacity) {
		m->full_count++;
		result = err_set(err, ERR_LIMIT, "the mailbox is full (%u items)", m->capacity);
	} else {
		push(m, item);
	}
	pthread_mutex_unlock(&m->lock);
	return result;
}

int
mailbox_put_wait(struct mailbox *m, void *item, int timeout_ms, struct err *err)
{
	struct timespec deadline = clock_deadline(timeout_ms < 0 ? 0 : timeout_ms * MS_US);
	bool in_time = true;
	int result = 0;

	assert(item);
	pthread_mutex_lock(&m->lock);
	if (!m->closed && m->depth == m->capacity)
		m->full_count++;
	while (!m->closed && m->depth == m->capacity && in_time)
		in_time = wait_on(m, &m->not_full, timeout_ms, &deadline);
	if (m->closed) {
		result = err_set(err, ERR_UNAVAILABLE, "the mailbox is closed");
	} else if (m->depth == m->capacity) {
		result = err_set(err, ERR_TIMEOUT, "the mailbox stayed full (%u items) for %d ms",
		    m->capacity, timeout_ms);
	} else {
		push(m, item);
	}
	pthread_mutex_unlock(&m->lock);
	return result;
}

void *
mailbox_get(struct mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	void *item = m->depth ? pop(m) : NULL;
	pthread_mutex_unlock(&m->lock);
	return item;
}

void *
mailbox_get_wait(struct mailbox *m, int timeout_ms)
{
	struct timespec deadline = clock_deadline(timeout_ms < 0 ? 0 : timeout_ms * MS_US);
	bool in_time = true;

	pthread_mutex_lock(&m->lock);
	while (!m->depth && !m->closed && in_time)
		in_time = wait_on(m, &m->not_empty, timeout_ms, &deadline);
	void *item = m->depth ? pop(m) : NULL;
	pthread_mutex_unlock(&m->lock);
	return item;
}

int
mailbox_fd(const struct mailbox *m)
{
	return m->fd;
}

void
mailbox_close(struct mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	if (!m->closed) {
		m->closed = true;
		if (m->depth == 0)
			raise_fd(m);
		pthread_cond_broadcast(&m->not_empty);
		pthread_cond_broadcast(&m->not_full);
	}
	pthread_mutex_unlock(&m->lock);
}

unsigned
mailbox_depth(struct mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	unsigned depth = m->depth;
	pthread_mutex_unlock(&m->lock);
	return depth;
}

uint64_t
mailbox_full_count(struct mailbox *m)
{
	pthread_mutex_lock(&m->lock);
	uint64_t count = m->full_count;
	pthread_mutex_unlock(&m->lock);
	return count;
}
