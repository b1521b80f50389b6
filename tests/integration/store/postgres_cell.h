/* postgres_cell: contract cells on a private Postgres; one server per test program. */
#ifndef POSTGRES_CELL_H
#define POSTGRES_CELL_H

#include "contract_hub.h"

/* Between start and stop, every cell is a clone of a migrated template. */
void postgres_cells_start(void);
void postgres_cells_stop(void);
extern const struct store_factory postgres_factory;

/* A value of the cell's database, as text; and a statement on it. */
const char *cell_query(const struct rig *r, const char *sql);
struct store *postgres_connect(const char *url, const char *role);

#endif
