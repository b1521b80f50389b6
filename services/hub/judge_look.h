/* judge_look: once over the roster: what was heard and what rows say becomes verdicts (K21, K23).
 *
 * No thread of its own: judge.c calls it from a worker, the simulation step by step. */
#ifndef JUDGE_LOOK_H
#define JUDGE_LOOK_H

#include <stdatomic.h>
#include <stdint.h>

#include "compiler.h"
#include "store.h"

struct arena;
struct err;
struct hub;
struct roster;

struct judge_look {
	struct hub *hub; /* what was heard, how long silence must last */
	struct store *store;
	struct arena *arena; /* the caller resets it between looks */
	struct roster *roster;
	struct store_lease lease; /* of the judge, held */
	atomic_bool cut;          /* a connection of some host ended since the last look */
	int64_t roster_us;        /* when it was loaded; 0: never */
};

/* listening_since_us: since when everything has been heard, with this lease; 0: it is not.  Times
 * are CLOCK_BOOTTIME.  ERR_DENIED: the lease is lost. */
MUST_USE int judge_look(
    struct judge_look *l, int64_t now_us, int64_t listening_since_us, struct err *err);
/* A new lease: what the roster knew of hosts is older than this judge. */
void judge_look_forget(struct judge_look *l);

#endif
