#include "clock.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static int64_t
read_us(clockid_t which)
{
	struct timespec now;
	int failed = clock_gettime(which, &now);

	assert(!failed);
	(void)failed;
	return (int64_t)now.tv_sec * SECOND_US + now.tv_nsec / 1000;
}

static int64_t
system_mono_us(void *arg)
{
	(void)arg;
	return read_us(CLOCK_BOOTTIME);
}

static int64_t
system_real_us(void *arg)
{
	(void)arg;
	return read_us(CLOCK_REALTIME);
}

const struct clock *
clock_system(void)
{
	static const struct clock system = {system_mono_us, system_real_us, NULL};

	return &system;
}

int64_t
clock_mono_us(const struct clock *c)
{
	return c->mono_us(c->arg);
}

int64_t
clock_real_us(const struct clock *c)
{
	return c->real_us(c->arg);
}

struct timespec
clock_deadline(int64_t in_us)
{
	struct timespec at;
	int failed = clock_gettime(CLOCK_MONOTONIC, &at);

	assert(!failed);
	(void)failed;
	assert(in_us >= 0);
	at.tv_sec += in_us / SECOND_US;
	at.tv_nsec += in_us % SECOND_US * 1000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	return at;
}

/* Atomic, because a test moves the clock while the threads under test read it. */
static int64_t
manual_mono_us(void *arg)
{
	struct clock_manual *m = arg;

	return __atomic_load_n(&m->mono_us, __ATOMIC_ACQUIRE);
}

static int64_t
manual_real_us(void *arg)
{
	struct clock_manual *m = arg;

	return __atomic_load_n(&m->real_us, __ATOMIC_ACQUIRE);
}

void
clock_manual_init(struct clock_manual *m, int64_t real_us)
{
	/* Not 0: code may keep 0 for "never". */
	m->mono_us = SECOND_US;
	m->real_us = real_us;
	m->clock = (struct clock){manual_mono_us, manual_real_us, m};
}

void
clock_manual_advance(struct clock_manual *m, int64_t us)
{
	assert(us >= 0);
	__atomic_add_fetch(&m->mono_us, us, __ATOMIC_ACQ_REL);
	__atomic_add_fetch(&m->real_us, us, __ATOMIC_ACQ_REL);
}

char *
clock_format(int64_t real_us, char *buffer, unsigned size)
{
	int64_t seconds = real_us / SECOND_US, us = real_us % SECOND_US;
	struct tm tm = {0};

	assert(size >= 32);
	if (us < 0) {
		us += SECOND_US;
		seconds--;
	}
	time_t when = (time_t)seconds;
	if (!gmtime_r(&when, &tm) || tm.tm_year > 9999 - 1900 || tm.tm_year < -1900) {
		snprintf(buffer, size, "out-of-range");
		return buffer;
	}
	char date[24];
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	/* strftime does not pad years below 1000: do it here. */
	snprintf(buffer, size, "%04d%s.%03dZ", tm.tm_year + 1900, date + strcspn(date, "-"),
	    (int)(us / MS_US));
	return buffer;
}
