/* migrations: db/migrations/NNNN_name.sql, compiled in, in order. */
#ifndef MIGRATIONS_H
#define MIGRATIONS_H

#include <stddef.h>

struct migration {
	const char *name; /* "0001_cell" */
	const char *sql;
};
extern const struct migration migrations[];
extern const size_t migration_count;

#endif
