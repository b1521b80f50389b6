/* pg: one connection to Postgres, prepared statements, binary parameters, typed results.
 *
 * Internal to lib/store.  Arrays and parameters live in the arena of the call.  Every failure is
 * translated from its SQLSTATE to an err kind in one place, in pg.c. */
#ifndef PG_H
#define PG_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "id.h"
#include "store_internal.h"

#define PG_STATEMENTS_MAX 128
#define PG_PARAMS_MAX 48

/* Prepared once per connection, on first use; the parameters' types are those of the first call. */
struct pg_statement {
	const char *name, *sql;
};

struct pg {
	struct store base;
	char *url, *application, *role;
	int timeout_ms, connect_timeout_ms;
	PGconn *conn;
	bool in_transaction, locks_ordered;
	bool patient; /* an answer may take as long as it likes: migrations, verify */
	const struct pg_statement *prepared[PG_STATEMENTS_MAX];
	unsigned prepared_count;
};

static inline struct pg *
pg_of(struct store *s)
{
	return (struct pg *)s;
}

extern const struct store_ops pg_ops;
#define PG_OP_DECLARE(name, parameters, arguments) int pg_store_##name parameters;
STORE_OPS(PG_OP_DECLARE)
#undef PG_OP_DECLARE

/* ---- parameters ---- */
struct pg_params {
	struct arena *arena;
	int count;
	bool failed; /* no memory: reported by pg_run */
	Oid types[PG_PARAMS_MAX];
	const char *values[PG_PARAMS_MAX];
	int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
};
void pg_params_init(struct pg_params *p, struct arena *a);
void pg_add_uuid(struct pg_params *p, const struct id *id); /* NULL: SQL NULL */
void pg_add_text(struct pg_params *p, const char *text);    /* NULL: SQL NULL; borrowed */
void pg_add_bytea(struct pg_params *p, const void *data, size_t size); /* borrowed */
void pg_add_int8(struct pg_params *p, int64_t v);
void pg_add_int4(struct pg_params *p, int32_t v);
void pg_add_bool(struct pg_params *p, bool v);
void pg_add_time(struct pg_params *p, int64_t us); /* since 1970; 0: SQL NULL */
void pg_add_jsonb(struct pg_params *p, const char *json);

/* Arrays of one dimension: begin, one put per element, end. */
struct pg_array {
	struct pg_params *params;
	uint8_t *data;
	size_t size, room;
	uint32_t count;
	Oid element, array;
};
enum pg_type { PG_UUID, PG_TEXT, PG_INT2, PG_INT4, PG_INT8, PG_BOOL, PG_JSONB };
void pg_array_begin(struct pg_array *a, struct pg_params *p, enum pg_type type, size_t expected);
void pg_put_uuid(struct pg_array *a, const struct id *id);
void pg_put_text(struct pg_array *a, const char *text);
void pg_put_int(struct pg_array *a, int64_t v); /* int2, int4, int8 by the array's type */
void pg_put_bool(struct pg_array *a, bool v);
void pg_array_end(struct pg_array *a);
/* The whole array at once. */
void pg_add_ids(struct pg_params *p, const struct id *ids, size_t n);

/* ---- running ---- */
/* Connects when needed.  *ret_result may be NULL when rows do not matter; else PQclear it. */
MUST_USE int pg_run(struct pg *pg, const struct pg_statement *st, struct pg_params *p,
    PGresult **ret_result, struct err *err);
struct pg_step {
	const struct pg_statement *statement;
	struct pg_params *params;
	PGresult *result; /* filled on success: PQclear it */
};
/* BEGIN and these statements in one round trip, for what needs no answer in between.  On -1 there
 * is no transaction and no result. */
MUST_USE int pg_begin_with(struct pg *pg, struct pg_step *steps, size_t n, struct err *err);
/* pg_answer.c: the result of what was sent; NULL: none, or the connection is lost.  All wait in
 * this connection is here.  ERR_UNAVAILABLE: Postgres is mute; the connection is closed. pg_next:
 * the next one, of a pipeline.  pg_answer: the last one, of a statement. */
MUST_USE int pg_next(struct pg *pg, const char *what, PGresult **ret, struct err *err);
MUST_USE int pg_answer(struct pg *pg, const char *what, PGresult **ret, struct err *err);
/* Several statements without parameters (BEGIN, SET, migrations). */
MUST_USE int pg_simple(struct pg *pg, const char *sql, struct err *err);
MUST_USE int pg_begin(struct pg *pg, struct err *err);
MUST_USE int pg_commit(struct pg *pg, struct err *err);
/* Never fails: a connection that cannot roll back is dropped. */
void pg_rollback(struct pg *pg);
MUST_USE int pg_connect(struct pg *pg, struct err *err);
void pg_disconnect(struct pg *pg);
/* Makes this connection join arrays to tables row by row, in the order of the array: only then do
 * two writers that sort their arrays lock rows in one order.  For connections that mostly do that.
 */
MUST_USE int pg_order_locks(struct pg *pg, struct err *err);

static inline void
PQclear_cleanup(PGresult **r)
{
	if (*r)
		PQclear(*r);
}

/* ---- results, binary ---- */
int64_t pg_int(const PGresult *r, int row, int column); /* int2, int4, int8 by length; NULL: 0 */
bool pg_bool(const PGresult *r, int row, int column);
struct id pg_id(const PGresult *r, int row, int column); /* NULL: zero */
int64_t pg_time(const PGresult *r, int row, int column); /* us since 1970; NULL: 0 */
/* A copy in the arena; NULL in SQL: "".  NULL: no memory. */
const char *pg_text(const PGresult *r, int row, int column, struct arena *a);
const void *pg_bytes(const PGresult *r, int row, int column, struct arena *a, size_t *ret_size);

/* Runs a statement whose column 0 is ids, and reads them. */
MUST_USE int pg_run_ids(struct pg *pg, const struct pg_statement *st, struct pg_params *p,
    struct arena *a, struct id **ret, size_t *ret_n, struct err *err);

/* "no memory for the answer" */
int pg_no_room(struct err *err);

#endif
