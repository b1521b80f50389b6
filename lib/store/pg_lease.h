/* pg_lease: fencing a leader's transactions. */
#ifndef PG_LEASE_H
#define PG_LEASE_H

#include "pg.h"

/* BEGIN and fence in one round trip; rolled back on -1.  ERR_DENIED: another epoch holds the lease.
 */
MUST_USE int pg_begin_fenced(struct pg *pg, const struct store_lease *l, struct err *err);
/* The same with a first statement of the transaction's own; *ret_result: PQclear it. */
MUST_USE int pg_begin_fenced_with(struct pg *pg, const struct store_lease *l,
    const struct pg_statement *st, struct pg_params *p, PGresult **ret_result, struct err *err);
/* A transaction of one statement: fenced, run and committed.  *ret_result may be NULL when rows do
 * not matter; else PQclear it. */
MUST_USE int pg_run_fenced(struct pg *pg, const struct store_lease *l,
    const struct pg_statement *st, struct pg_params *p, PGresult **ret_result, struct err *err);

#endif
