/* pg_sync: the newest desired state of a host from rows, page by page (K11). */
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_item.h"

static int
head_read(struct pg *pg, const struct store_sync *q, struct arena *a, struct store_sync_page *ret,
    struct err *err)
{
	static const struct pg_statement head = {"sync_head",
	    "SELECT coalesce(h.epoch = $2 AND h.state IN (1, 2), false), h.host_seq,"
	    " clock_timestamp() FROM (SELECT) one LEFT JOIN host h ON h.host_id = $1"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;

	pg_params_init(&p, a);
	pg_add_text(&p, q->host_id);
	pg_add_int8(&p, (int64_t)q->epoch);
	if (pg_run(pg, &head, &p, &r, err) != 0)
		return -1;
	ret->hello_required = !pg_bool(r, 0, 0);
	ret->now_us = pg_time(r, 0, 2);
	if (ret->hello_required)
		return 0;
	ret->as_of_seq = q->as_of_seq ? q->as_of_seq : (uint64_t)pg_int(r, 0, 1);
	return 0;
}

static int
items_read(struct pg *pg, const struct store_sync *q, struct arena *a, struct store_sync_page *ret,
    struct err *err)
{
	/* host_executor.host_seq is the newest of its executor: one index range per host. */
	static const struct pg_statement items = {"sync_items",
	    "SELECT " PG_ITEM_COLUMNS " FROM host_executor x JOIN executor e USING (executor_id)"
	    " JOIN command c ON c.executor_id = e.executor_id AND c.generation = e.generation"
	    " JOIN session s ON s.session_id = e.session_id"
	    " JOIN executor_spec p ON p.session_id = e.session_id AND p.revision = e.revision"
	    " WHERE x.host_id = $1 AND x.host_seq > $2 AND x.executor_id > $3"
	    " ORDER BY x.executor_id LIMIT $4"};
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_params p;
	size_t n;

	pg_params_init(&p, a);
	pg_add_text(&p, q->host_id);
	pg_add_int8(&p, (int64_t)q->contiguous_seq);
	pg_add_uuid(&p, &q->after);
	pg_add_int8(&p, (int64_t)q->limit + 1);
	if (pg_run(pg, &items, &p, &r, err) != 0)
		return -1;
	n = (size_t)PQntuples(r);
	ret->last = n <= q->limit;
	ret->item_count = ret->last ? n : q->limit;
	ret->items = arena_calloc(a, ret->item_count + 1, sizeof(*ret->items));
	if (!ret->items)
		return pg_no_room(err);
	for (size_t i = 0; i < ret->item_count; i++) {
		if (pg_item_read(r, (int)i, 0, a, &ret->items[i], err) != 0)
			return -1;
	}
	return 0;
}

/* as_of_seq is read before the items, in a statement of its own: what commits in between is newer
 * than it and comes by itself. */
int
pg_store_host_sync(struct store *s, const struct store_sync *q, struct arena *a,
    struct store_sync_page *ret, struct err *err)
{
	memset(ret, 0, sizeof(*ret));
	if (head_read(pg_of(s), q, a, ret, err) != 0)
		return -1;
	return ret->hello_required ? 0 : items_read(pg_of(s), q, a, ret, err);
}
