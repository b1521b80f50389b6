#include "backoff.h"

#include <assert.h>

void
backoff_init(struct backoff *b, int64_t first_us, int64_t max_us, int64_t reset_after_us)
{
	assert(first_us > 0 && max_us >= first_us && reset_after_us >= 0);
	*b = (struct backoff){
	    .first_us = first_us, .max_us = max_us, .reset_after_us = reset_after_us};
}

static int64_t
ceiling(const struct backoff *b)
{
	/* Shifting stops at the cap: the loop runs as often as the pause still doubles. */
	int64_t pause = b->first_us;

	for (unsigned i = 0; i < b->failures && pause < b->max_us; i++)
		pause = pause > b->max_us / 2 ? b->max_us : pause * 2;
	return pause;
}

int64_t
backoff_next_us(struct backoff *b, int64_t now_us, uint64_t random)
{
	int64_t least = b->first_us / 2;

	if (b->stable_since_us != 0 && now_us - b->stable_since_us >= b->reset_after_us)
		b->failures = 0;
	b->stable_since_us = 0;

	int64_t pause = (int64_t)(random % ((uint64_t)ceiling(b) + 1));
	if (b->failures < UINT32_MAX)
		b->failures++;
	return pause < least ? least : pause;
}

void
backoff_stable(struct backoff *b, int64_t now_us)
{
	if (b->stable_since_us == 0)
		b->stable_since_us = now_us != 0 ? now_us : 1; /* 0 says "not stable" */
}
