/* pg_lease: fencing a leader's transactions. */
#ifndef PG_LEASE_H
#define PG_LEASE_H

#include "pg.h"

/* First statement of a leader's transaction.  ERR_DENIED: another epoch holds the lease. */
MUST_USE int pg_fence(struct pg *pg, const struct store_lease *l, struct err *err);
/* BEGIN and fence in one round trip; rolled back on -1. */
MUST_USE int pg_begin_fenced(struct pg *pg, const struct store_lease *l, struct err *err);
/* The same with a first statement of the transaction's own; *ret_result: PQclear it. */
MUST_USE int pg_begin_fenced_with(struct pg *pg, const struct store_lease *l,
    const struct pg_statement *st, struct pg_params *p, PGresult **ret_result, struct err *err);

#endif
