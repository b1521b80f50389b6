#include "pace.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>

#include "clock.h"

#define PAUSE_FIRST_MS 5
#define PAUSE_MAX_MS 250

static volatile sig_atomic_t caught;

static void
on_signal(int number)
{
	caught = number;
}

void
pace_catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int
pace_signal(void)
{
	return caught;
}

void
pace_begin(struct pace *p, int timeout_ms)
{
	p->pause_ms = PAUSE_FIRST_MS;
	p->deadline_us = timeout_ms > 0 ? clock_mono_us(clock_system()) + timeout_ms * MS_US : 0;
}

bool
pace_again(struct pace *p)
{
	int64_t left_us = p->deadline_us - clock_mono_us(clock_system());
	int pause = p->pause_ms;

	if (caught || (p->deadline_us && left_us <= 0))
		return false;
	if (p->deadline_us && left_us < pause * MS_US)
		pause = (int)(left_us / MS_US) + 1;
	poll(NULL, 0, pause); /* a signal ends it early */
	p->pause_ms = p->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : p->pause_ms * 2;
	return caught == 0;
}
