/* store: where truth lives.  Every SQL statement is behind these headers, grouped by noun; two
 * implementations (Postgres: pg_*.c, memory: mem_*.c) pass one contract suite.
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
/* Shares state with every store made from the same root (root NULL: a fresh, empty cell). */
struct store *store_memory_new(struct store *root, const struct clock *clock);
void store_free(struct store *s);
DEFINE_CLEANUP(struct store *, store_free);

/* Connects if need be and asks for the time.  ERR_DENIED: wrong password; ERR_UNAVAILABLE: away. */
MUST_USE int store_ping(struct store *s, int64_t *ret_now_us, struct err *err);

/* ---- schema and cell ---- */
#define STORE_SCHEMA_VERSION 2
/* Applies what is missing, one transaction per file, under a polled advisory lock; *ret_applied
 * counts. ERR_CONFLICT: an applied file changed (checksum) or the schema is newer, naming both. */
MUST_USE int store_migrate(struct store *s, unsigned *ret_applied, struct err *err);
/* ERR_CONFLICT unless the schema is exactly STORE_SCHEMA_VERSION, naming both. */
MUST_USE int store_schema_check(struct store *s, unsigned *ret_version, struct err *err);

struct store_cell {
	const char *name;
	uint64_t term;
	unsigned schema_version;
	uint32_t hosts[5]; /* by enum host_state */
	uint32_t sessions_open;
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
#include "store_executor.h"
#include "store_schedule.h"
#include "store_event.h"

#endif
