/* pg_unknown: table host_unknown, for hellos (K6). */
#ifndef PG_UNKNOWN_H
#define PG_UNKNOWN_H

#include "pg.h"

/* Under the host's row lock: the rows are what answer->unknown names.  Those that somebody wants
 * stopped go from there to answer->absent (which has room); of the others, those that are new are
 * said by an event. */
MUST_USE int pg_unknown_refresh(struct pg *pg, const char *host_id, struct arena *a,
    struct store_hello_answer *answer, struct err *err);
/* An event of the host that names them; none for no rows. */
MUST_USE int pg_unknown_say(struct pg *pg, const char *host_id, const char *kind, const char *who,
    const struct store_absent *rows, size_t n, struct arena *a, struct err *err);

#endif
