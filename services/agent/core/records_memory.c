/* records_memory: the journal of a simulated host.  A commit is all or nothing, as on disk: what
 * it needs is allocated before anything is changed. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "hash.h"
#include "records.h"

struct row {
	UT_hash_handle hh;
	struct record record;
	void *spec;
	size_t spec_size;
};

struct records_memory {
	struct records base;
	struct records_meta meta;
	struct row *rows;
};

static struct records_memory *
self(struct records *r)
{
	return (struct records_memory *)r;
}

static struct row *
row_find(struct records_memory *m, const struct id *id)
{
	struct row *row;

	HASH_FIND(hh, m->rows, id, sizeof(*id), row);
	return row;
}

static void
row_free(struct row *row)
{
	free(row->spec);
	free(row);
}

static void
row_delete(struct records_memory *m, struct row *row)
{
	HASH_DEL(m->rows, row);
	row_free(row);
}

static int
memory_load(struct records *r, struct records_meta *ret_meta,
    int (*each)(void *arg, const struct record *record), void *arg, struct err *err)
{
	struct records_memory *m = self(r);

	(void)err;
	*ret_meta = m->meta;
	for (struct row *row = m->rows; row; row = row->hh.next)
		if (each(arg, &row->record) < 0)
			return -1;
	return 0;
}

static struct row *
row_prepare(const struct records_put *put)
{
	struct row *row = calloc(1, sizeof(*row));

	if (!row)
		return NULL;
	row->record = *put->record;
	if (!put->spec)
		return row;
	row->spec = malloc(put->spec_size ? put->spec_size : 1);
	if (!row->spec) {
		free(row);
		return NULL;
	}
	memcpy(row->spec, put->spec, put->spec_size);
	row->spec_size = put->spec_size;
	return row;
}

static void
row_replace(struct records_memory *m, struct row *row, bool keep_spec)
{
	struct row *old = row_find(m, &row->record.executor_id);

	if (old && keep_spec) {
		row->spec = TAKE(old->spec);
		row->spec_size = old->spec_size;
	}
	if (old)
		row_delete(m, old);
	HASH_ADD(hh, m->rows, record.executor_id, sizeof(struct id), row);
}

static int
memory_commit(struct records *r, const struct records_batch *batch, struct err *err)
{
	struct records_memory *m = self(r);
	struct row **rows = calloc(batch->put_count + 1, sizeof(struct row *));

	if (!rows)
		return err_set(err, ERR_LIMIT, "records: no memory");
	for (size_t i = 0; i < batch->put_count; i++) {
		rows[i] = row_prepare(&batch->puts[i]);
		if (rows[i])
			continue;
		while (i > 0)
			row_free(rows[--i]);
		free(rows);
		return err_set(err, ERR_LIMIT, "records: no memory");
	}
	for (size_t i = 0; i < batch->delete_count; i++) {
		struct row *row = row_find(m, &batch->deletes[i]);

		if (row)
			row_delete(m, row);
	}
	for (size_t i = 0; i < batch->put_count; i++)
		row_replace(m, rows[i], !batch->puts[i].spec);
	free(rows);
	if (batch->meta)
		m->meta = *batch->meta;
	return 0;
}

static int
memory_spec(struct records *r, const struct id *executor_id, void **ret_spec, size_t *ret_size,
    struct err *err)
{
	struct row *row = row_find(self(r), executor_id);
	void *copy;

	if (!row || !row->spec)
		return err_set(err, ERR_NOT_FOUND, "records: no spec");
	copy = malloc(row->spec_size ? row->spec_size : 1);
	if (!copy)
		return err_set(err, ERR_LIMIT, "records: no memory");
	memcpy(copy, row->spec, row->spec_size);
	*ret_spec = copy;
	*ret_size = row->spec_size;
	return 0;
}

static void
memory_free(struct records *r)
{
	struct records_memory *m = self(r);
	struct row *row = m->rows, *next;

	HASH_CLEAR(hh, m->rows); /* the list of the rows outlives the table */
	for (; row; row = next) {
		next = row->hh.next;
		row_free(row);
	}
	free(m);
}

static const struct records_ops memory_ops = {
    .load = memory_load,
    .commit = memory_commit,
    .spec = memory_spec,
    .free = memory_free,
};

struct records *
records_memory_new(void)
{
	struct records_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->base.ops = &memory_ops;
	m->meta.journal_id = id_new();
	return &m->base;
}
