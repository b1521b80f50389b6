/* pg_answer: waiting for Postgres no longer than a deadline of ours.
 *
 * The timeouts of the server bound what it works on; they do not run while its process is stopped,
 * its machine stalls, or its disk hangs.  So this side has one too, longer than theirs: past it the
 * connection is given up, and the outcome is unknown. */
#include <errno.h>
#include <poll.h>

#include "clock.h"
#include "err.h"
#include "pg.h"
#include "store_bounds.h"

static int64_t
deadline_us(const struct pg *pg)
{
	if (pg->patient)
		return INT64_MAX;
	return clock_mono_us(clock_system()) + (pg->timeout_ms + PG_ANSWER_MARGIN_MS) * MS_US;
}

/* Until then; false: nothing happened on the connection. */
static bool
socket_wait(PGconn *conn, bool unsent, int64_t until_us)
{
	struct pollfd p = {
	    .fd = PQsocket(conn), .events = (short)(POLLIN | (unsent ? POLLOUT : 0))};
	int64_t left_ms = -1;
	int r;

	do {
		if (until_us != INT64_MAX) {
			left_ms = (until_us - clock_mono_us(clock_system()) + MS_US - 1) / MS_US;
			if (left_ms <= 0)
				return false;
		}
		r = poll(&p, 1, (int)left_ms);
	} while (r < 0 && errno == EINTR);
	return r != 0;
}

/* True when PQgetResult has something to tell at once, if only that the connection is lost. */
static bool
ready(struct pg *pg, int64_t until_us)
{
	for (;;) {
		int unsent = PQflush(pg->conn);

		if (unsent < 0 || !PQisBusy(pg->conn))
			return true;
		if (!socket_wait(pg->conn, unsent > 0, until_us))
			return false;
		if (!PQconsumeInput(pg->conn))
			return true;
	}
}

static int
give_up(struct pg *pg, const char *what, struct err *err)
{
	err_set(err, ERR_UNAVAILABLE, "Postgres: %s: no answer within %d ms", what,
	    pg->timeout_ms + PG_ANSWER_MARGIN_MS);
	pg_disconnect(pg);
	return -1;
}

int
pg_next(struct pg *pg, const char *what, PGresult **ret, struct err *err)
{
	*ret = NULL;
	if (!ready(pg, deadline_us(pg)))
		return give_up(pg, what, err);
	*ret = PQgetResult(pg->conn);
	return 0;
}

int
pg_answer(struct pg *pg, const char *what, PGresult **ret, struct err *err)
{
	int64_t until_us = deadline_us(pg);
	PGresult *last = NULL, *r;

	for (;;) {
		if (!ready(pg, until_us)) {
			PQclear(last);
			*ret = NULL;
			return give_up(pg, what, err);
		}
		r = PQgetResult(pg->conn);
		if (!r)
			break;
		PQclear(last);
		last = r;
		if (PQstatus(pg->conn) == CONNECTION_BAD)
			break;
	}
	*ret = last;
	return 0;
}
