/* clock: time as a dependency, so that simulation can own it.
 *
 * mono_us counts CLOCK_BOOTTIME (it goes on in suspend: K13, K24); real_us is the wall clock in
 * microseconds since 1970, for display and never for a decision. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

struct clock {
	int64_t (*mono_us)(void *arg);
	int64_t (*real_us)(void *arg);
	void *arg;
};

#define MS_US INT64_C(1000)
#define SECOND_US INT64_C(1000000)

const struct clock *clock_system(void);
int64_t clock_mono_us(const struct clock *c);
int64_t clock_real_us(const struct clock *c);

/* A clock that only moves when told to.  struct clock_manual is the caller's. */
struct clock_manual {
	int64_t mono_us, real_us;
	struct clock clock;
};
void clock_manual_init(struct clock_manual *m, int64_t real_us);
void clock_manual_advance(struct clock_manual *m, int64_t us);

/* So far from now, for pthread_cond_timedwait on CLOCK_MONOTONIC: always of the system, since no
 * other clock ends its wait. */
struct timespec clock_deadline(int64_t in_us);

/* RFC 3339 UTC with milliseconds, "2026-01-31T00:53:17.123Z".  buffer >= 32 bytes. */
char *clock_format(int64_t real_us, char *buffer, unsigned size);

#endif
