#include "log_ring.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

struct place {
	char path[64];
	int fd;
};

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	assert_non_null(p);
	strcpy(p->path, "/tmp/fl-ring-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	unlinkat(p->fd, LOG_RING_FILE, 0);
	close(p->fd);
	rmdir(p->path);
	free(p);
	return 0;
}

/* The byte that was written as number i. */
static char
byte_at(uint64_t i)
{
	return (char)(i * 2654435761u >> 13);
}

static void
append(struct log_ring *ring, size_t size)
{
	char chunk[LOG_RING_CHUNK_BYTES];
	for (size_t i = 0; i < size; i++)
		chunk[i] = byte_at(ring->total + i);
	assert_int_equal(log_ring_append(ring, chunk, size), 0);
}

static void
check_tail(const struct place *p, uint64_t total, size_t size)
{
	static char buffer[LOG_RING_TAIL_BYTES + 64];
	size_t n;
	uint64_t said;
	assert_int_equal(log_ring_read(p->fd, buffer, size, &n, &said), 0);
	assert_int_equal(said, total);
	size_t want = size < LOG_RING_TAIL_BYTES ? size : LOG_RING_TAIL_BYTES;
	assert_int_equal(n, total < want ? total : want);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buffer[i], byte_at(total - n + i));
}

static void
the_tail_is_exact_at_every_fill_level(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 16384, 7, 16384, 16383, 1, 16384, 16384, 16384,
	    16384, 5, 16384, 9999, 16384, 16384, 16384, 16384, 16384, 3, 1};
	const struct place *p = *state;
	struct log_ring ring;
	assert_int_equal(log_ring_create(p->fd, &ring), 0);
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		append(&ring, sizes[i]);
		check_tail(p, ring.total, LOG_RING_TAIL_BYTES);
		check_tail(p, ring.total, LOG_RING_TAIL_BYTES + 64);
		check_tail(p, ring.total, 10);
	}
	log_ring_done(&ring);
}

static void
another_writer_goes_on_where_the_first_stopped(void **state)
{
	const struct place *p = *state;
	struct log_ring ring;
	assert_int_equal(log_ring_create(p->fd, &ring), 0);
	for (int i = 0; i < 9; i++)
		append(&ring, 10000);
	log_ring_done(&ring);
	assert_int_equal(log_ring_resume(p->fd, &ring), 0);
	assert_int_equal(ring.total, 90000);
	append(&ring, 12345);
	check_tail(p, 102345, LOG_RING_TAIL_BYTES);
	log_ring_done(&ring);
}

static void
a_file_that_is_no_ring_is_refused(void **state)
{
	const struct place *p = *state;
	struct log_ring ring;
	char byte;
	size_t n;
	uint64_t total;
	assert_int_equal(log_ring_read(p->fd, &byte, 1, &n, &total), -1);
	int fd = openat(p->fd, LOG_RING_FILE, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "short", 5), 5);
	assert_int_equal(log_ring_read(p->fd, &byte, 1, &n, &total), -1);
	assert_int_equal(log_ring_resume(p->fd, &ring), -1);
	assert_int_equal(write(fd, "and long enough for a head", 26), 26);
	close(fd);
	assert_int_equal(log_ring_resume(p->fd, &ring), -1);
}

static void
the_rate_is_bounded_over_any_time(void **state UNUSED)
{
	struct log_rate rate = {0};
	int64_t again_us;
	uint64_t read_bytes = 0;
	const int64_t begin_us = 1000000000, seconds = 3;
	for (int64_t now_us = begin_us; now_us < begin_us + seconds * 1000000;) {
		size_t allowed = log_rate_allow(&rate, now_us, &again_us);
		if (allowed > LOG_RING_CHUNK_BYTES)
			allowed = LOG_RING_CHUNK_BYTES;
		log_rate_use(&rate, allowed);
		read_bytes += allowed;
		assert_true(allowed > 0 || again_us > now_us);
		now_us = allowed ? now_us + 10 : again_us;
	}
	const uint64_t cap = (uint64_t)LOG_RATE_BYTES_PER_S * (uint64_t)seconds;
	assert_true(read_bytes <= cap + LOG_RATE_BYTES_PER_S / 20);
	assert_true(read_bytes >= cap - LOG_RATE_BYTES_PER_S / 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		the_tail_is_exact_at_every_fill_level, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		another_writer_goes_on_where_the_first_stopped, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_file_that_is_no_ring_is_refused, set_up, tear_down),
	    cmocka_unit_test(the_rate_is_bounded_over_any_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
