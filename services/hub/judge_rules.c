#include "judge_rules.h"

#include <stdbool.h>

/* A heartbeat of an older start of the host says nothing about the present one (K2). */
static bool
speaks_now(const struct judge_case *c)
{
	return c->heard.mono_us > 0 && c->heard.epoch >= c->epoch;
}

int64_t
judge_silence_us(const struct judge_case *c)
{
	int64_t since = c->known_since_us;

	if (c->listening_since_us > since)
		since = c->listening_since_us;
	if (speaks_now(c) && c->heard.mono_us > since)
		since = c->heard.mono_us;
	return c->now_us - since;
}

enum judge_finding
judge_find(const struct judge_case *c)
{
	bool may_accuse =
	    c->listening_since_us > 0 && c->now_us - c->listening_since_us >= c->silent_after_us;

	switch (c->state) {
	case HOST_SUSPECT:
		return speaks_now(c) && !c->heard.cut && c->heard.mono_us > c->known_since_us
			   ? JUDGE_HEARD
			   : JUDGE_NOTHING;
	case HOST_READY:
		if (!may_accuse)
			return JUDGE_NOTHING;
		if (speaks_now(c) && c->heard.cut)
			return JUDGE_CUT;
		return judge_silence_us(c) > c->silent_after_us ? JUDGE_SILENT : JUDGE_NOTHING;
	case HOST_NONE:
	case HOST_LOST:
	case HOST_RETIRED:
	default:
		return JUDGE_NOTHING;
	}
}

bool
judge_was_away(const struct judge_presence *p, int64_t now_us, int64_t silent_after_us)
{
	if (p->due_us == 0)
		return false;
	return now_us - p->due_us > silent_after_us / JUDGE_AWAY_PART ||
	       now_us - p->began_us > silent_after_us;
}
