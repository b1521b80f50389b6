/* follow: where somebody who reads events stands, and what the next thing to hear means (G7).
 *
 * Numbers have no holes, so one that is missing is known to be missing.  Nothing here talks to
 * anybody. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

#include "fairlead/v1/api.pb-c.h"

struct err;

struct follow {
	uint64_t cursor;            /* all up to this one was seen, or is not asked for */
	const char *session, *host; /* NULL: any */
	int64_t since_us;           /* 0: any */
};

enum follow_verdict {
	FOLLOW_KNOWN,   /* was seen already */
	FOLLOW_NEXT,    /* comes next */
	FOLLOW_MISSING, /* others come before it: the rows have them */
};
/* What an event heard from the bus is. */
enum follow_verdict follow_heard(const struct follow *f, uint64_t cursor);
/* Is it what was asked for? */
bool follow_wants(const struct follow *f, const Fairlead__V1__Event *e);

/* Before the events of a page are taken.  ERR_NOT_FOUND: some after the cursor are gone, naming the
 * oldest that is kept.  ERR_CONFLICT: the cursor is ahead of the cell. */
MUST_USE int follow_check(
    const struct follow *f, const Fairlead__V1__EventListAnswer *a, struct err *err);
/* When all of them were taken.  True: there is more in the rows. */
bool follow_page_done(struct follow *f, const Fairlead__V1__EventListAnswer *a, uint32_t limit);

#endif
