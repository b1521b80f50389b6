/* judge_rules: what a judge may conclude about one host from what it heard.  Pure (K21, K23). */
#ifndef JUDGE_RULES_H
#define JUDGE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "liveness.h"
#include "state.h"

/* All times are CLOCK_BOOTTIME of the judge. */
struct judge_case {
	int64_t now_us;
	int64_t silent_after_us; /* no heartbeat for so long: SUSPECT */
	/* Since when it has listened without a break: to the bus, with the lease, dropping nothing.
	 */
	int64_t listening_since_us;
	/* The host as the database has it, and since when the judge knows it to be so. */
	enum host_state state;
	uint64_t epoch;
	int64_t known_since_us;
	struct liveness_view heard;
};

enum judge_finding {
	JUDGE_NOTHING,
	JUDGE_SILENT, /* READY and not heard for too long */
	JUDGE_CUT,    /* READY and its connection is gone */
	JUDGE_HEARD   /* SUSPECT and heard again */
};

enum judge_finding judge_find(const struct judge_case *c);
/* How long it has been silent, as far as this judge can tell. */
int64_t judge_silence_us(const struct judge_case *c);

/* When the judge itself ran: when its last look began, and when the next one is due. */
struct judge_presence {
	int64_t began_us, due_us; /* 0: none yet */
};

/* A judge that did not run - its process stopped, its machine stalled - finds heartbeats of that
 * time still unread, so it has not listened.  Away: a look that comes later than it was due by a
 * fourth of silent_after, or all of it after the last one began, however long Postgres took (K21).
 */
#define JUDGE_AWAY_PART 4
bool judge_was_away(const struct judge_presence *p, int64_t now_us, int64_t silent_after_us);

#endif
