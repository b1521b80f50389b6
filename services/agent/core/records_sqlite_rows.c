/* records_sqlite_rows: rows in and out of the journal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "records_sqlite.h"

static struct records_sqlite *
self(struct records *r)
{
	return (struct records_sqlite *)r;
}

static int
run(struct records_sqlite *s, enum statement which, struct err *err)
{
	int code = sqlite3_step(s->statements[which]);

	sqlite3_reset(s->statements[which]);
	sqlite3_clear_bindings(s->statements[which]);
	return code == SQLITE_DONE || code == SQLITE_ROW
		   ? 0
		   : records_sqlite_error(s, code, "commit", err);
}

static void
bind_record(sqlite3_stmt *t, const struct record *r)
{
	const int64_t numbers[] = {
	    r->attempt,
	    r->stop_grace_ms,
	    r->reserved.cpu_millis,
	    r->reserved.memory_bytes,
	    r->reserved.disk_bytes,
	    r->reserved.gpus,
	    r->reserved.slots,
	    r->desired,
	    (int64_t)r->accepted_generation,
	    (int64_t)r->gone_generation,
	    (int64_t)r->absent_seq,
	    r->state,
	    r->incarnation,
	    r->started,
	    r->oom,
	    r->exit_code,
	    r->signal,
	};
	const int64_t after[] = {r->at_us, r->accepted_at_us, r->starting_after_us,
	    r->running_after_us, r->ended_after_us, (int64_t)r->change_no, (int64_t)r->acked_no};

	const int64_t policies[] = {r->restart.mode, r->restart.max, r->restart.backoff_ms,
	    r->restart.backoff_max_ms, r->restart.reset_after_ms, r->stop_on_host_after_ms,
	    r->restarts, r->restart_at_us, r->running_at_us};

	sqlite3_bind_blob(t, 1, r->executor_id.bytes, ID_BYTES, SQLITE_STATIC);
	sqlite3_bind_text(t, 2, r->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(t, 3, r->driver, -1, SQLITE_STATIC);
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		sqlite3_bind_int64(t, 4 + (int)i, numbers[i]);
	sqlite3_bind_text(t, 21, r->reason, -1, SQLITE_STATIC);
	sqlite3_bind_text(t, 22, r->detail, -1, SQLITE_STATIC);
	for (size_t i = 0; i < COUNT_OF(after); i++)
		sqlite3_bind_int64(t, 23 + (int)i, after[i]);
	for (size_t i = 0; i < COUNT_OF(policies); i++)
		sqlite3_bind_int64(t, 31 + (int)i, policies[i]);
}

static int
put(struct records_sqlite *s, const struct records_put *put, struct err *err)
{
	sqlite3_stmt *t = s->statements[STATEMENT_PUT];

	bind_record(t, put->record);
	if (put->spec)
		sqlite3_bind_blob(t, 30, put->spec, (int)put->spec_size, SQLITE_STATIC);
	return run(s, STATEMENT_PUT, err);
}

static int
put_pending(struct records_sqlite *s, const struct records_meta *meta, struct err *err)
{
	if (meta->pending_count == s->pending_count &&
	    memcmp(meta->pending, s->pending, s->pending_count * sizeof(uint64_t)) == 0)
		return 0;
	if (run(s, STATEMENT_PENDING_CLEAR, err) < 0)
		return -1;
	for (size_t i = 0; i < meta->pending_count; i++) {
		sqlite3_bind_int64(
		    s->statements[STATEMENT_PENDING_PUT], 1, (int64_t)meta->pending[i]);
		if (run(s, STATEMENT_PENDING_PUT, err) < 0)
			return -1;
	}
	return 0;
}

static int
put_meta(struct records_sqlite *s, const struct records_meta *meta, struct err *err)
{
	sqlite3_stmt *t = s->statements[STATEMENT_META];

	sqlite3_bind_int64(t, 1, (int64_t)meta->start_no);
	sqlite3_bind_int64(t, 2, (int64_t)meta->hello_no);
	sqlite3_bind_int64(t, 3, (int64_t)meta->contiguous_seq);
	sqlite3_bind_int64(t, 4, (int64_t)meta->change_no);
	sqlite3_bind_text(t, 5, meta->boot_id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(t, 6, meta->contact_us);
	if (run(s, STATEMENT_META, err) < 0)
		return -1;
	return put_pending(s, meta, err);
}

static int
write_batch(struct records_sqlite *s, const struct records_batch *batch, struct err *err)
{
	if (run(s, STATEMENT_BEGIN, err) < 0)
		return -1;
	for (size_t i = 0; i < batch->delete_count; i++) {
		sqlite3_bind_blob(s->statements[STATEMENT_DELETE], 1, batch->deletes[i].bytes,
		    ID_BYTES, SQLITE_STATIC);
		if (run(s, STATEMENT_DELETE, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < batch->put_count; i++)
		if (put(s, &batch->puts[i], err) < 0)
			return -1;
	if (batch->meta && put_meta(s, batch->meta, err) < 0)
		return -1;
	return run(s, STATEMENT_COMMIT, err);
}

static int
sqlite_commit(struct records *r, const struct records_batch *batch, struct err *err)
{
	struct records_sqlite *s = self(r);
	struct err ignored;

	if (write_batch(s, batch, err) < 0) {
		if (!sqlite3_get_autocommit(s->db))
			(void)run(s, STATEMENT_ROLLBACK, &ignored);
		return -1;
	}
	if (batch->meta) {
		s->pending_count = batch->meta->pending_count;
		memcpy(s->pending, batch->meta->pending, s->pending_count * sizeof(uint64_t));
	}
	return 0;
}

static void
column_text(sqlite3_stmt *t, int column, char *to, size_t size)
{
	const unsigned char *text = sqlite3_column_text(t, column);

	snprintf(to, size, "%s", text ? (const char *)text : "");
}

static int
read_record(sqlite3_stmt *t, struct record *r, struct err *err)
{
	memset(r, 0, sizeof(*r));
	if (id_from_bytes(sqlite3_column_blob(t, 0), (size_t)sqlite3_column_bytes(t, 0),
		&r->executor_id, err) < 0)
		return err_wrap(err, "records: executor_id");
	column_text(t, 1, r->name, sizeof(r->name));
	column_text(t, 2, r->driver, sizeof(r->driver));
	r->attempt = (uint32_t)sqlite3_column_int64(t, 3);
	r->stop_grace_ms = (uint32_t)sqlite3_column_int64(t, 4);
	r->reserved = (struct resources){sqlite3_column_int64(t, 5), sqlite3_column_int64(t, 6),
	    sqlite3_column_int64(t, 7), sqlite3_column_int64(t, 8), sqlite3_column_int64(t, 9)};
	r->desired = (enum desired_state)sqlite3_column_int(t, 10);
	r->accepted_generation = (uint64_t)sqlite3_column_int64(t, 11);
	r->gone_generation = (uint64_t)sqlite3_column_int64(t, 12);
	r->absent_seq = (uint64_t)sqlite3_column_int64(t, 13);
	r->state = (enum executor_state)sqlite3_column_int(t, 14);
	r->incarnation = (uint32_t)sqlite3_column_int64(t, 15);
	r->started = sqlite3_column_int(t, 16) != 0;
	r->oom = sqlite3_column_int(t, 17) != 0;
	r->exit_code = sqlite3_column_int(t, 18);
	r->signal = sqlite3_column_int(t, 19);
	column_text(t, 20, r->reason, sizeof(r->reason));
	column_text(t, 21, r->detail, sizeof(r->detail));
	r->at_us = sqlite3_column_int64(t, 22);
	r->accepted_at_us = sqlite3_column_int64(t, 23);
	r->starting_after_us = sqlite3_column_int64(t, 24);
	r->running_after_us = sqlite3_column_int64(t, 25);
	r->ended_after_us = sqlite3_column_int64(t, 26);
	r->change_no = (uint64_t)sqlite3_column_int64(t, 27);
	r->acked_no = (uint64_t)sqlite3_column_int64(t, 28);
	/* 29 is the spec */
	r->restart = (struct record_restart){(enum restart_mode)sqlite3_column_int(t, 30),
	    (uint32_t)sqlite3_column_int64(t, 31), (uint32_t)sqlite3_column_int64(t, 32),
	    (uint32_t)sqlite3_column_int64(t, 33), (uint32_t)sqlite3_column_int64(t, 34)};
	r->stop_on_host_after_ms = (uint32_t)sqlite3_column_int64(t, 35);
	r->restarts = (uint32_t)sqlite3_column_int64(t, 36);
	r->restart_at_us = sqlite3_column_int64(t, 37);
	r->running_at_us = sqlite3_column_int64(t, 38);
	return 0;
}

/* Calls row for each result of a query without parameters. */
static int
query(struct records_sqlite *s, const char *sql,
    int (*row)(sqlite3_stmt *t, void *arg, struct err *err), void *arg, struct err *err)
{
	sqlite3_stmt *t = NULL;
	int code = sqlite3_prepare_v2(s->db, sql, -1, &t, NULL);
	int result = 0;

	while (code == SQLITE_OK && result == 0) {
		int step = sqlite3_step(t);

		if (step == SQLITE_ROW)
			result = row(t, arg, err);
		else
			code = step;
	}
	sqlite3_finalize(t);
	if (result == 0 && code != SQLITE_DONE)
		return records_sqlite_error(s, code, "load", err);
	return result;
}

static int
meta_row(sqlite3_stmt *t, void *arg, struct err *err)
{
	struct records_meta *meta = arg;

	meta->start_no = (uint64_t)sqlite3_column_int64(t, 1);
	meta->hello_no = (uint64_t)sqlite3_column_int64(t, 2);
	meta->contiguous_seq = (uint64_t)sqlite3_column_int64(t, 3);
	meta->change_no = (uint64_t)sqlite3_column_int64(t, 4);
	column_text(t, 5, meta->boot_id, sizeof(meta->boot_id));
	meta->contact_us = sqlite3_column_int64(t, 6);
	return id_from_bytes(
	    sqlite3_column_blob(t, 0), (size_t)sqlite3_column_bytes(t, 0), &meta->journal_id, err);
}

static int
pending_row(sqlite3_stmt *t, void *arg, struct err *err)
{
	struct records_meta *meta = arg;

	if (meta->pending_count == RECORDS_PENDING_MAX)
		return err_set(err, ERR_INTERNAL, "records: too many pending numbers");
	meta->pending[meta->pending_count++] = (uint64_t)sqlite3_column_int64(t, 0);
	return 0;
}

struct each {
	int (*call)(void *arg, const struct record *record);
	void *arg;
};

static int
record_row(sqlite3_stmt *t, void *arg, struct err *err)
{
	const struct each *each = arg;
	struct record record;

	if (read_record(t, &record, err) < 0)
		return -1;
	return each->call(each->arg, &record);
}

static int
sqlite_load(struct records *r, struct records_meta *ret_meta,
    int (*call)(void *arg, const struct record *record), void *arg, struct err *err)
{
	struct records_sqlite *s = self(r);
	struct records_meta meta = {0};
	struct each each = {call, arg};

	if (query(s,
		"SELECT journal_id, start_no, hello_no, contiguous_seq, change_no, boot_id,"
		" contact_us FROM journal",
		meta_row, &meta, err) < 0 ||
	    query(s, "SELECT host_seq FROM pending ORDER BY host_seq", pending_row, &meta, err) < 0)
		return -1;
	s->pending_count = meta.pending_count;
	memcpy(s->pending, meta.pending, sizeof(s->pending));
	*ret_meta = meta;
	return query(s, "SELECT * FROM record ORDER BY executor_id", record_row, &each, err);
}

static int
sqlite_spec(struct records *r, const struct id *executor_id, void **ret_spec, size_t *ret_size,
    struct err *err)
{
	struct records_sqlite *s = self(r);
	sqlite3_stmt *t = s->statements[STATEMENT_SPEC];
	int code, result = 0;
	void *copy = NULL;

	sqlite3_bind_blob(t, 1, executor_id->bytes, ID_BYTES, SQLITE_STATIC);
	code = sqlite3_step(t);
	if (code == SQLITE_DONE ||
	    (code == SQLITE_ROW && sqlite3_column_type(t, 0) == SQLITE_NULL)) {
		result = err_set(err, ERR_NOT_FOUND, "records: no spec");
	} else if (code != SQLITE_ROW) {
		result = records_sqlite_error(s, code, "spec", err);
	} else {
		size_t size = (size_t)sqlite3_column_bytes(t, 0);

		copy = malloc(size ? size : 1);
		if (copy) {
			if (size)
				memcpy(copy, sqlite3_column_blob(t, 0), size);
			*ret_spec = copy;
			*ret_size = size;
		} else {
			result = err_set(err, ERR_LIMIT, "records: no memory");
		}
	}
	sqlite3_reset(t);
	sqlite3_clear_bindings(t);
	return result;
}

static void
sqlite_free(struct records *r)
{
	records_sqlite_close(self(r));
}

const struct records_ops records_sqlite_ops = {
    .load = sqlite_load,
    .commit = sqlite_commit,
    .spec = sqlite_spec,
    .free = sqlite_free,
};
