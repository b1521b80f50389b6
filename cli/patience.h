/* patience: whoever waits asks again over a hub, a bus or a database that is away, and says once
 * that it waits for them. */
#ifndef PATIENCE_H
#define PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct patience {
	int silent_ms;    /* so long without an answer is borne */
	int64_t heard_us; /* the last answer, CLOCK_BOOTTIME */
	bool waiting;     /* it was said that nobody answers */
};

void patience_begin(struct patience *p, int silent_ms);
/* The cell said something. */
void patience_heard(struct patience *p);
/* After a question that failed with err: ask again?  False when err is nothing that passes by
 * itself, or nothing was heard for silent_ms: err is then unavailable. */
bool patience_lasts(struct patience *p, struct err *err);

#endif
