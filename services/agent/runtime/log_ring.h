/* log_ring: the last bytes of an executor's output in a file of fixed size.
 *
 * One writer (the shim, or the agent for a shim that was killed), any number of readers in other
 * processes.  It is written with pwrite and not mapped: a mapping would count as 64 KiB of the
 * shim's private memory.  The file is allocated whole at creation, so a full disk cannot stop an
 * executor that already runs.  Shared by the agent and the shim: no heap, errno on failure. */
#ifndef LOG_RING_H
#define LOG_RING_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "runtime_bounds.h"

#define LOG_RING_FILE "log"
#define LOG_RING_CHUNK_BYTES (16u * 1024) /* the largest append */
/* One chunk of slack: what a reader copies stays whole while the next chunk is being written. */
#define LOG_RING_DATA_BYTES (LOG_RING_TAIL_BYTES + LOG_RING_CHUNK_BYTES)

struct log_ring {
	int fd; /* owned; -1: closed */
	uint64_t total;
};

MUST_USE int log_ring_create(int dir_fd, struct log_ring *ret);
/* Goes on where the last writer stopped. */
MUST_USE int log_ring_resume(int dir_fd, struct log_ring *ret);
void log_ring_done(struct log_ring *ring);
/* size <= LOG_RING_CHUNK_BYTES. */
MUST_USE int log_ring_append(struct log_ring *ring, const void *data, size_t size);
/* The newest min(size, 64 KiB, total) bytes, exact also while the writer goes on. */
MUST_USE int log_ring_read(
    int dir_fd, void *buffer, size_t size, size_t *ret_size, uint64_t *ret_total);

/* The speed limit of reading: 8 MiB/s, in bursts of what 50 ms allow. */
#define LOG_RATE_REFILL_US 50000
struct log_rate {
	int64_t window_us; /* start of the running window */
	size_t used;
};
/* How many bytes may be read now; 0: nothing before *ret_again_us. */
size_t log_rate_allow(struct log_rate *rate, int64_t now_us, int64_t *ret_again_us);
void log_rate_use(struct log_rate *rate, size_t bytes);

#endif
