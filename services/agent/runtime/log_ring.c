#include "log_ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define RING_MAGIC UINT64_C(0x31676e697266) /* "fring1" */
#define READ_TRIES 8

struct ring_head {
	uint64_t magic;
	uint64_t total;
};
#define DATA_OFFSET 64

static int
write_at(int fd, const void *data, size_t size, uint64_t offset)
{
	const char *bytes = data;
	while (size > 0) {
		ssize_t n = pwrite(fd, bytes, size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		bytes += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

static int
read_at(int fd, void *data, size_t size, uint64_t offset)
{
	char *bytes = data;
	while (size > 0) {
		ssize_t n = pread(fd, bytes, size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? EIO : errno;
			return -1;
		}
		bytes += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

static int
read_head(int fd, struct ring_head *ret)
{
	if (read_at(fd, ret, sizeof(*ret), 0))
		return -1;
	if (ret->magic == RING_MAGIC)
		return 0;
	errno = EBADMSG;
	return -1;
}

int
log_ring_create(int dir_fd, struct log_ring *ret)
{
	int fd = openat(dir_fd, LOG_RING_FILE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	const struct ring_head head = {.magic = RING_MAGIC};
	int failed = posix_fallocate(fd, 0, DATA_OFFSET + LOG_RING_DATA_BYTES);
	if (!failed && !write_at(fd, &head, sizeof(head), 0)) {
		*ret = (struct log_ring){.fd = fd};
		return 0;
	}
	int saved = failed ? failed : errno;
	close(fd);
	errno = saved;
	return -1;
}

int
log_ring_resume(int dir_fd, struct log_ring *ret)
{
	int fd = openat(dir_fd, LOG_RING_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	struct ring_head head;
	if (!read_head(fd, &head)) {
		*ret = (struct log_ring){.fd = fd, .total = head.total};
		return 0;
	}
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

void
log_ring_done(struct log_ring *ring)
{
	if (ring->fd >= 0)
		close(ring->fd);
	ring->fd = -1;
}

int
log_ring_append(struct log_ring *ring, const void *data, size_t size)
{
	assert(size <= LOG_RING_CHUNK_BYTES);
	uint64_t at = ring->total % LOG_RING_DATA_BYTES;
	size_t first = size;
	if (at + size > LOG_RING_DATA_BYTES)
		first = (size_t)(LOG_RING_DATA_BYTES - at);
	if (write_at(ring->fd, data, first, DATA_OFFSET + at) ||
	    write_at(ring->fd, (const char *)data + first, size - first, DATA_OFFSET))
		return -1;
	/* The data first: a reader never sees a total whose bytes are not there. */
	uint64_t total = ring->total + size;
	if (write_at(ring->fd, &total, sizeof(total), offsetof(struct ring_head, total)))
		return -1;
	ring->total = total;
	return 0;
}

static int
copy_tail(int fd, uint64_t total, void *buffer, size_t size)
{
	uint64_t at = (total - size) % LOG_RING_DATA_BYTES;
	size_t first = size;
	if (at + size > LOG_RING_DATA_BYTES)
		first = (size_t)(LOG_RING_DATA_BYTES - at);
	if (read_at(fd, buffer, first, DATA_OFFSET + at))
		return -1;
	return read_at(fd, (char *)buffer + first, size - first, DATA_OFFSET);
}

static int
read_tail(int fd, void *buffer, size_t size, size_t *ret_size, uint64_t *ret_total)
{
	for (int i = 0; i < READ_TRIES; i++) {
		struct ring_head before, after;
		if (read_head(fd, &before))
			return -1;
		size_t n = size < LOG_RING_TAIL_BYTES ? size : LOG_RING_TAIL_BYTES;
		if (before.total < n)
			n = (size_t)before.total;
		if (copy_tail(fd, before.total, buffer, n) || read_head(fd, &after))
			return -1;
		/* Bytes below this may be overwritten by the chunk behind after.total. */
		uint64_t reach = after.total + LOG_RING_CHUNK_BYTES;
		uint64_t safe = reach > LOG_RING_DATA_BYTES ? reach - LOG_RING_DATA_BYTES : 0;
		if (before.total - n >= safe) {
			*ret_size = n;
			*ret_total = before.total;
			return 0;
		}
	}
	errno = EAGAIN;
	return -1;
}

int
log_ring_read(int dir_fd, void *buffer, size_t size, size_t *ret_size, uint64_t *ret_total)
{
	int fd = openat(dir_fd, LOG_RING_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	int result = read_tail(fd, buffer, size, ret_size, ret_total);
	int saved = errno;
	close(fd);
	errno = saved;
	return result;
}

size_t
log_rate_allow(struct log_rate *rate, int64_t now_us, int64_t *ret_again_us)
{
	const size_t burst = LOG_RATE_BYTES_PER_S / (1000000 / LOG_RATE_REFILL_US);
	if (now_us - rate->window_us >= LOG_RATE_REFILL_US)
		*rate = (struct log_rate){.window_us = now_us};
	*ret_again_us = rate->window_us + LOG_RATE_REFILL_US;
	return rate->used >= burst ? 0 : burst - rate->used;
}

void
log_rate_use(struct log_rate *rate, size_t bytes)
{
	rate->used += bytes;
}
