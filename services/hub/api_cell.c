/* api_cell: event.list and cell.status. */
#include <string.h>

#include "api.h"
#include "arena.h"
#include "convert.h"
#include "err.h"
#include "event.h"
#include "hub.h"
#include "name.h"
#include "page.h"
#include "store.h"
#include "version.h"

int
handle_event_list(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__EventListRequest *q = (const Fairlead__V1__EventListRequest *)request;
	Fairlead__V1__EventListAnswer *ret = (Fairlead__V1__EventListAnswer *)answer;
	struct store_event_query query = {.after = q->after_cursor,
	    .since_us = q->since_us,
	    .session = *q->session ? q->session : NULL,
	    .host = *q->host ? q->host : NULL};
	struct store_event *rows;
	struct store_event_bounds bounds;
	size_t n;

	if (q->after_cursor > INT64_MAX)
		return err_field(err, ERR_INVALID, "after_cursor", "no cursor is that high");
	if (*q->session && name_check(q->session, "session", err) != 0)
		return -1;
	if (*q->host && name_check(q->host, "host", err) != 0)
		return -1;
	if (page_limit(q->limit, &query.limit, err) != 0 ||
	    store_event_list(api->store, &query, api->arena, &rows, &n, &bounds, err) != 0)
		return -1;
	ret->events = arena_calloc(api->arena, n + 1, sizeof(*ret->events));
	if (!ret->events)
		return err_set(err, ERR_LIMIT, "the page is larger than this hub can hold");
	for (size_t i = 0; i < n; i++) {
		if (event_encode(&rows[i], api->arena, &ret->events[i], err) != 0)
			return -1;
	}
	ret->n_events = n;
	ret->next_cursor = n > 0 ? rows[n - 1].cursor : q->after_cursor;
	ret->gap = store_event_gap(q->after_cursor, &bounds);
	ret->oldest_cursor = bounds.oldest;
	ret->newest_cursor = bounds.newest;
	return 0;
}

static int
status_leases(const struct store_cell *cell, struct arena *a, Fairlead__V1__CellStatusAnswer *ret,
    struct err *err)
{
	ret->leases = arena_calloc(a, cell->lease_count + 1, sizeof(*ret->leases));
	if (!ret->leases)
		return err_set(err, ERR_LIMIT, "the answer is larger than this hub can hold");
	for (size_t i = 0; i < cell->lease_count; i++) {
		Fairlead__V1__Entry *e = arena_alloc(a, sizeof(*e));

		if (!e)
			return err_set(
			    err, ERR_LIMIT, "the answer is larger than this hub can hold");
		fairlead__v1__entry__init(e);
		e->key = (char *)(uintptr_t)cell->leases[i].name;
		e->value = (char *)(uintptr_t)cell->leases[i].holder;
		ret->leases[i] = e;
	}
	ret->n_leases = cell->lease_count;
	return 0;
}

int
handle_cell_status(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	Fairlead__V1__CellStatusAnswer *ret = (Fairlead__V1__CellStatusAnswer *)answer;
	struct store_cell cell;

	(void)request;
	if (store_cell_get(api->store, api->arena, &cell, err) != 0)
		return -1;
	ret->cell = (char *)(uintptr_t)cell.name;
	ret->version = (char *)(uintptr_t)FAIRLEAD_VERSION;
	ret->schema_version = cell.schema_version;
	ret->cell_term = cell.term;
	ret->commands_signed =
	    false; /* this version signs nothing: `fairlead status` says "unsigned" */
	ret->hosts_ready = cell.hosts[HOST_READY];
	ret->hosts_suspect = cell.hosts[HOST_SUSPECT];
	ret->hosts_lost = cell.hosts[HOST_LOST];
	ret->sessions_open = cell.sessions_open;
	ret->executors_unknown = cell.unknown;
	ret->queue_depth = cell.queue_depth;
	ret->outbox_unsent = cell.outbox_unsent;
	ret->executors = arena_alloc(api->arena, sizeof(*ret->executors));
	if (!ret->executors)
		return err_set(err, ERR_LIMIT, "the answer is larger than this hub can hold");
	fairlead__v1__counters__init(ret->executors);
	convert_counters(cell.executors, ret->executors);
	return status_leases(&cell, api->arena, ret, err);
}
