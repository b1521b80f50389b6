/* store: where truth lives.  Every SQL statement is behind these headers, grouped by noun; two
 * implementations (Postgres: pg*.c, memory: memory*.c) pass one contract suite.
 *
 * Threads:  one struct store per thread; functions block, bounded by timeout_ms.
 * Errors:   ERR_UNAVAILABLE: Postgres is away or the transaction must be repeated (serialisation,
 *           deadlock, shutdown): nothing happened or the outcome is unknown, repeat it.
 *           ERR_CONFLICT: the row moved first: reread.  ERR_DENIED: the lease is lost.
 *           ERR_INVALID: the data itself is refused (SQLSTATE 22, 23).
 * Ownership: results live in the arena that was passed; inputs are borrowed for the call.
 * Times:    database clock, microseconds since 1970, 0: not yet. */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "digest.h"
#include "id.h"
#include "report.h"
#include "resources.h"
#include "selector.h"
#include "state.h"

struct arena;
struct clock;
struct err;
struct store;

struct store_options {
	const char *url;         /* libpq connection string or uri */
	const char *application; /* application_name: "fairlead-hub/h1" */
	const char *role;        /* SET ROLE after connecting: "fairlead_hub"; NULL: none */
	int timeout_ms;          /* statement bound; 0: 5000 */
	int connect_timeout_ms;  /* 0: 5000 */
};
/* Connects lazily and again after a loss; ERR_INVALID only for a bad url. */
MUST_USE int store_pg_new(const struct store_options *o, struct store **ret, struct err *err);
/* A cell inside this process, for simulation, tests and development: gone with the last store that
 * shares it, and aborts when memory is short.  root NULL: a fresh, empty cell on `clock`, which
 * must outlive it; else the cell of that store, on its clock.  Time is the wall clock's as the cell
 * was made, moved by the monotonic one, and never the same for two operations.  Threads of one cell
 * take turns.  The same calls at the same times give the same answers: nothing is drawn at random.
 */
struct store *store_memory_new(struct store *root, const struct clock *clock);
void store_free(struct store *s);
DEFINE_CLEANUP(struct store *, store_free);

/* Connects if need be and asks for the time.  ERR_DENIED: wrong password; ERR_UNAVAILABLE: away. */
MUST_USE int store_ping(struct store *s, int64_t *ret_now_us, struct err *err);

/* ---- schema and cell ---- */
#define STORE_SCHEMA_VERSION 11
/* Applies what is missing, one transaction per file, under a polled advisory lock; *ret_applied
 * counts. ERR_CONFLICT: an applied file changed (checksum) or the schema is newer, naming both. */
MUST_USE int store_migrate(struct store *s, unsigned *ret_applied, struct err *err);
/* ERR_CONFLICT unless the schema is exactly STORE_SCHEMA_VERSION, naming both. */
MUST_USE int store_schema_check(struct store *s, unsigned *ret_version, struct err *err);

struct store_cell {
	const char *name;
	uint64_t term;
	unsigned schema_version;
	uint32_t hosts[5];               /* by enum host_state */
	uint32_t sessions_open, unknown; /* unknown: executors of older terms (K6) */
	uint64_t queue_depth, outbox_unsent;
	uint64_t executors[100]; /* by enum executor_state, from the session counters */
	struct store_lease_row *leases;
	size_t lease_count;
};
struct store_lease_row {
	const char *name, *holder;
	uint64_t epoch;
	int64_t expires_us;
};
MUST_USE int store_cell_get(
    struct store *s, struct arena *a, struct store_cell *ret, struct err *err);

/* What a cell holds and what waits in it, for gauges: cheap enough to be asked every few seconds.
 */
#define STORE_CENSUS_MAX 100000
#define STORE_BACKLOGS(X)                                                                          \
	X(queue, "placement_queue", "executors that want a host")                                  \
	X(outbox, "outbox", "messages that still want something")                                  \
	X(outbox_unsent, "outbox_unsent", "of these, those the stream has not acknowledged")       \
	X(ended, "executor_ended", "ends to be folded, or told to be forgotten")                   \
	X(gone, "executor_gone", "gone executors to be folded")                                    \
	X(intents, "intent", "wishes of users to be carried out")                                  \
	X(deltas, "session_delta", "batches of edges to be folded into counters")                  \
	X(events, "event_outbox", "facts, or batches of them, to be numbered")
enum store_backlog {
#define STORE_BACKLOG(field, name, what) STORE_BACKLOG_##field,
	STORE_BACKLOGS(STORE_BACKLOG)
#undef STORE_BACKLOG
	    STORE_BACKLOG_COUNT
};
struct store_census {
	uint64_t hosts[5];                      /* by enum host_state */
	uint64_t backlogs[STORE_BACKLOG_COUNT]; /* STORE_CENSUS_MAX: so many or more */
	int64_t oldest_unsent_us;               /* age of the oldest message nobody acknowledged */
};
MUST_USE int store_census(struct store *s, struct store_census *ret, struct err *err);

/* `admin verify`: every invariant from the rows (O5).  One row per violated invariant. */
struct store_violation {
	const char *invariant, *detail;
	uint64_t rows;
};
MUST_USE int store_verify(
    struct store *s, struct arena *a, struct store_violation **ret, size_t *ret_n, struct err *err);

/* ---- lease (K26) ---- */
struct store_lease {
	char name[64];
	uint64_t epoch; /* 0: not held */
};
#define STORE_LEASE_TTL_MS 6000
#define STORE_LEASE_RENEW_MS 2000
/* Takes a free or expired lease (epoch + 1) or renews one held at l->epoch (expires_at only).
 * *ret_held false: another holder; 0 is returned all the same. */
MUST_USE int store_lease_hold(
    struct store *s, struct store_lease *l, const char *holder, bool *ret_held, struct err *err);
MUST_USE int store_lease_release(struct store *s, struct store_lease *l, struct err *err);

#include "store_session.h"
#include "store_host.h"
#include "store_unknown.h"
#include "store_executor.h"
#include "store_command.h"
#include "store_schedule.h"
#include "store_verdict.h"
#include "store_event.h"

#endif
