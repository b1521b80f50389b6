#include "records.h"

#include <assert.h>

int
records_load(struct records *r, struct records_meta *ret_meta,
    int (*each)(void *arg, const struct record *record), void *arg, struct err *err)
{
	return r->ops->load(r, ret_meta, each, arg, err);
}

int
records_commit(struct records *r, const struct records_batch *batch, struct err *err)
{
	assert(!batch->meta || batch->meta->pending_count <= RECORDS_PENDING_MAX);
	return r->ops->commit(r, batch, err);
}

int
records_spec(struct records *r, const struct id *executor_id, void **ret_spec, size_t *ret_size,
    struct err *err)
{
	return r->ops->spec(r, executor_id, ret_spec, ret_size, err);
}

void
records_free(struct records *r)
{
	if (r)
		r->ops->free(r);
}
