/* pg_command_row: commands with all that is asked about them. */
#ifndef PG_COMMAND_ROW_H
#define PG_COMMAND_ROW_H

#include "pg.h"

/* ERR_NOT_FOUND: none of that generation (0: of any) was written. */
MUST_USE int pg_command_read(struct pg *pg, const struct id *executor_id, uint64_t generation,
    struct arena *a, struct store_command *ret, struct err *err);

#endif
