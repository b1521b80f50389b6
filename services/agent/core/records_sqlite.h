/* records_sqlite: what its two files share; nobody else includes it. */
#ifndef RECORDS_SQLITE_H
#define RECORDS_SQLITE_H

#include <sqlite3.h>

#include "records.h"

enum statement {
	STATEMENT_BEGIN,
	STATEMENT_COMMIT,
	STATEMENT_ROLLBACK,
	STATEMENT_PUT,
	STATEMENT_DELETE,
	STATEMENT_META,
	STATEMENT_PENDING_CLEAR,
	STATEMENT_PENDING_PUT,
	STATEMENT_SPEC,
	STATEMENT_COUNT
};

struct records_sqlite {
	struct records base;
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENT_COUNT];
	char path[RECORDS_PATH_BYTES];
	/* what table pending holds, so that an unchanged set is not written again */
	uint64_t pending[RECORDS_PENDING_MAX];
	size_t pending_count;
};

extern const struct records_ops records_sqlite_ops;

int records_sqlite_error(struct records_sqlite *s, int code, const char *what, struct err *err);
void records_sqlite_close(struct records_sqlite *s);

#endif
