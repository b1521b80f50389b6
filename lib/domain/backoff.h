/* backoff: growing, capped, fully jittered pauses that reset after a stable time (A9). Pure: the
 * caller gives time and randomness. */
#ifndef BACKOFF_H
#define BACKOFF_H

#include <stdint.h>

struct backoff {
	int64_t first_us, max_us, reset_after_us;
	unsigned failures;
	int64_t stable_since_us; /* 0: not stable */
};

void backoff_init(struct backoff *b, int64_t first_us, int64_t max_us, int64_t reset_after_us);
/* The next pause: uniform in 0..min(max, first << failures), at least first / 2; raises failures.
 */
int64_t backoff_next_us(struct backoff *b, int64_t now_us, uint64_t random);
/* It works since now_us; a failure later than reset_after_us starts again from the first pause. */
void backoff_stable(struct backoff *b, int64_t now_us);

#endif
