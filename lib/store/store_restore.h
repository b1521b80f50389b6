/* store_restore: what becomes of a cell whose rows are an older copy of it.
 *
 * Hosts have moved on since: they hold numbers that the copy would give again, and run executors it
 * does not know.  A new cell_term puts every counter of the control plane above all that were ever
 * given.  The statements run in the transaction that puts the copy in place, by psql: pg_restore
 * cannot be part of a transaction of ours. */
#ifndef STORE_RESTORE_H
#define STORE_RESTORE_H

#include <stdint.h>

#include "compiler.h"

struct arena;
struct err;

/* Tells Postgres' own programs, through the environment of this process, what `url` says: a
 * password does not belong into the list of processes. */
MUST_USE int store_tools_environment(const char *url, struct err *err);

/* Before the copy: ends the transaction when hubs or schedulers are connected. */
extern const char store_restore_before[];
/* After it: the schema is ours, the term rises to at least `term_min`, all that follows from that.
 * NULL: no memory. */
const char *store_restore_after(struct arena *a, uint64_t term_min);

/* The same for a cell in memory that somebody kept. */
struct store;
void store_memory_restore(struct store *s, uint64_t term_min);

#endif
