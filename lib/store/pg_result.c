/* pg_result: typed readers of binary results. */
#include <endian.h>
#include <string.h>

#include "arena.h"
#include "pg.h"

#define US_1970_TO_2000 INT64_C(946684800000000)

int64_t
pg_int(const PGresult *r, int row, int column)
{
	const char *v = PQgetvalue(r, row, column);
	uint64_t w8;
	uint32_t w4;
	uint16_t w2;

	if (PQgetisnull(r, row, column))
		return 0;
	switch (PQgetlength(r, row, column)) {
	case 8:
		memcpy(&w8, v, sizeof(w8));
		return (int64_t)be64toh(w8);
	case 4:
		memcpy(&w4, v, sizeof(w4));
		return (int32_t)be32toh(w4);
	case 2:
		memcpy(&w2, v, sizeof(w2));
		return (int16_t)be16toh(w2);
	default:
		return *v;
	}
}

bool
pg_bool(const PGresult *r, int row, int column)
{
	return !PQgetisnull(r, row, column) && *PQgetvalue(r, row, column) != 0;
}

struct id
pg_id(const PGresult *r, int row, int column)
{
	struct id id = {{0}};

	if (!PQgetisnull(r, row, column) && PQgetlength(r, row, column) == ID_BYTES)
		memcpy(id.bytes, PQgetvalue(r, row, column), ID_BYTES);
	return id;
}

int64_t
pg_time(const PGresult *r, int row, int column)
{
	return PQgetisnull(r, row, column) ? 0 : pg_int(r, row, column) + US_1970_TO_2000;
}

const char *
pg_text(const PGresult *r, int row, int column, struct arena *a)
{
	if (PQgetisnull(r, row, column))
		return "";
	return arena_strndup(a, PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column));
}

const void *
pg_bytes(const PGresult *r, int row, int column, struct arena *a, size_t *ret_size)
{
	*ret_size = (size_t)PQgetlength(r, row, column);
	return arena_memdup(a, PQgetvalue(r, row, column), *ret_size);
}

int
pg_run_ids(struct pg *pg, const struct pg_statement *st, struct pg_params *p, struct arena *a,
    struct id **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct id *ids;
	size_t n;

	if (pg_run(pg, st, p, &r, err) != 0)
		return -1;
	n = (size_t)PQntuples(r);
	ids = arena_calloc(a, n + 1, sizeof(*ids));
	if (!ids)
		return pg_no_room(err);
	for (size_t i = 0; i < n; i++)
		ids[i] = pg_id(r, (int)i, 0);
	*ret = ids;
	*ret_n = n;
	return 0;
}
