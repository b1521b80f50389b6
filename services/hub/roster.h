/* roster: the hosts a judge looks at, and since when it knows each to be as it is.  One thread. */
#ifndef ROSTER_H
#define ROSTER_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "state.h"

struct err;
struct roster;
struct store_judged;

struct roster_host {
	const char *host_id;
	enum host_state state;
	uint64_t epoch;
	int64_t known_since_us; /* this state at this epoch */
};

struct roster *roster_new(void); /* NULL: no memory */
void roster_free(struct roster *r);
void roster_clear(struct roster *r);

/* Makes the roster what the rows say: newcomers are known since now, who is not among them goes.
 * ERR_LIMIT: no memory for all of them; the rest are as they were. */
MUST_USE int roster_load(
    struct roster *r, const struct store_judged *rows, size_t n, int64_t now_us, struct err *err);
/* Changes one host that is there; nothing happens when it is not. */
void roster_set(
    struct roster *r, const char *host_id, uint64_t epoch, enum host_state state, int64_t now_us);

/* In no order; valid until the roster changes. */
const struct roster_host *roster_first(const struct roster *r);
const struct roster_host *roster_next(const struct roster_host *h);

#endif
