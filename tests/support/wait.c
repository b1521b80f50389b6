#include "wait.h"

#include <stdint.h>
#include <time.h>

#define POLL_MS 2

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool
test_wait_until(bool (*condition)(void *arg), void *arg, int timeout_ms)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	int64_t deadline = now_ms() + timeout_ms;

	for (;;) {
		if (condition(arg))
			return true;
		if (now_ms() >= deadline)
			return false;
		nanosleep(&pause, NULL);
	}
}
