#include "follow.h"

#include <inttypes.h>
#include <string.h>

#include "err.h"

enum follow_verdict
follow_heard(const struct follow *f, uint64_t cursor)
{
	if (cursor <= f->cursor)
		return FOLLOW_KNOWN;
	return cursor == f->cursor + 1 ? FOLLOW_NEXT : FOLLOW_MISSING;
}

/* As the hub's question to the rows. */
bool
follow_wants(const struct follow *f, const Fairlead__V1__Event *e)
{
	if (e->at_us < f->since_us)
		return false;
	if (f->session && strcmp(e->session, f->session) != 0)
		return false;
	return !f->host || strcmp(e->host, f->host) == 0;
}

int
follow_check(const struct follow *f, const Fairlead__V1__EventListAnswer *a, struct err *err)
{
	if (a->gap) {
		err_set(err, ERR_NOT_FOUND,
		    "events after cursor %" PRIu64 " are gone: the oldest that is kept is %" PRIu64,
		    f->cursor, a->oldest_cursor);
		return err_hint(
		    err, "--cursor %" PRIu64 " reads what is left", a->oldest_cursor - 1);
	}
	if (f->cursor > a->newest_cursor) {
		err_set(err, ERR_CONFLICT,
		    "cursor %" PRIu64 " is ahead of the newest event, %" PRIu64
		    ": it is another cell's, or older rows were restored",
		    f->cursor, a->newest_cursor);
		return err_hint(err, "--cursor %" PRIu64 " goes on from here", a->newest_cursor);
	}
	return 0;
}

bool
follow_page_done(struct follow *f, const Fairlead__V1__EventListAnswer *a, uint32_t limit)
{
	bool more = a->n_events >= limit;
	uint64_t up_to = a->n_events > 0 ? a->events[a->n_events - 1]->cursor : 0;

	/* Less than a full page: up to the newest there was nothing else to find. */
	if (!more && a->newest_cursor > up_to)
		up_to = a->newest_cursor;
	if (up_to > f->cursor)
		f->cursor = up_to;
	return more;
}
