/* pace: look again until it is so, with growing pauses and a deadline. */
#ifndef PACE_H
#define PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	int64_t deadline_us; /* CLOCK_BOOTTIME; 0: none */
	int pause_ms;
};

void pace_begin(struct pace *p, int timeout_ms); /* 0: no deadline */
/* Pauses 5 ms, then longer up to 250 ms.  False when the deadline passed or a signal came. */
bool pace_again(struct pace *p);

/* Ctrl-C and SIGTERM only set a flag from now on. */
void pace_catch_signals(void);
int pace_signal(void); /* 0: none */

#endif
