/* api_executor: executor.list, get, stop, logs. */
#include <string.h>

#include "api.h"
#include "arena.h"
#include "bus.h"
#include "convert.h"
#include "courier.h"
#include "crash.h"
#include "err.h"
#include "event.h"
#include "hub.h"
#include "hub_bounds.h"
#include "name.h"
#include "page.h"
#include "store.h"
#include "subjects.h"

#include "fairlead/v1/host.pb-c.h"

#define TIMELINE_EVENTS_MAX 200

static int
executor_by_name(struct api *api, const char *name, struct store_executor *ret, struct err *err)
{
	struct executor_name parsed;

	if (executor_name_parse(name, &parsed, err) != 0)
		return -1;
	if (parsed.kind == EXECUTOR_NAME_ID)
		return store_executor_get(api->store, &parsed.id, api->arena, ret, err);
	return store_executor_find(
	    api->store, parsed.session, parsed.index, parsed.attempt, api->arena, ret, err);
}

int
handle_executor_list(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__ExecutorListRequest *q =
	    (const Fairlead__V1__ExecutorListRequest *)request;
	Fairlead__V1__ExecutorListAnswer *ret = (Fairlead__V1__ExecutorListAnswer *)answer;
	struct store_executor_query query = {.session = *q->session ? q->session : NULL,
	    .host_id = *q->host ? q->host : NULL,
	    .all = q->all};
	struct store_executor *rows;
	size_t n;

	if (*q->session && name_check(q->session, "session", err) != 0)
		return -1;
	if (*q->host && name_check(q->host, "host", err) != 0)
		return -1;
	if (*q->after && id_from_hex(q->after, &query.after, err) != 0)
		return err_wrap(err, "after");
	if (page_limit(q->limit, &query.limit, err) != 0 ||
	    store_executor_list(api->store, &query, api->arena, &rows, &n, err) != 0)
		return -1;
	ret->executors = arena_calloc(api->arena, n + 1, sizeof(*ret->executors));
	if (!ret->executors)
		return err_set(err, ERR_LIMIT, "the page is larger than this hub can hold");
	for (size_t i = 0; i < n; i++) {
		if (convert_executor(&rows[i], false, api->arena, &ret->executors[i], err) != 0)
			return -1;
	}
	ret->n_executors = n;
	if (n == query.limit) {
		char *next = arena_alloc(api->arena, ID_HEX_BYTES);

		if (!next)
			return err_set(err, ERR_LIMIT, "the page is larger than this hub can hold");
		ret->next = id_to_hex(&rows[n - 1].executor_id, next);
	}
	return 0;
}

static int
timeline(struct api *api, const struct store_executor *row, Fairlead__V1__ExecutorGetAnswer *ret,
    struct err *err)
{
	struct store_event_query query = {
	    .executor_id = &row->executor_id, .limit = TIMELINE_EVENTS_MAX};
	struct store_event *events;
	struct store_event_bounds bounds;
	size_t n;

	if (store_event_list(api->store, &query, api->arena, &events, &n, &bounds, err) != 0)
		return -1;
	ret->events = arena_calloc(api->arena, n + 1, sizeof(*ret->events));
	if (!ret->events)
		return err_set(err, ERR_LIMIT, "the timeline is larger than this hub can hold");
	for (size_t i = 0; i < n; i++) {
		if (event_encode(&events[i], api->arena, &ret->events[i], err) != 0)
			return -1;
	}
	ret->n_events = n;
	return 0;
}

int
handle_executor_get(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__ExecutorGetRequest *q =
	    (const Fairlead__V1__ExecutorGetRequest *)request;
	Fairlead__V1__ExecutorGetAnswer *ret = (Fairlead__V1__ExecutorGetAnswer *)answer;
	struct store_executor row;

	if (executor_by_name(api, q->name, &row, err) != 0 || timeline(api, &row, ret, err) != 0)
		return -1;
	return convert_executor(&row, true, api->arena, &ret->executor, err);
}

int
handle_executor_stop(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__ExecutorStopRequest *q =
	    (const Fairlead__V1__ExecutorStopRequest *)request;
	Fairlead__V1__ExecutorStopAnswer *ret = (Fairlead__V1__ExecutorStopAnswer *)answer;
	struct store_session session;
	struct store_executor row;

	if (executor_by_name(api, q->name, &row, err) != 0 ||
	    store_executor_stop(api->store, &row.executor_id, q->now, api->who, err) != 0)
		return -1;
	crash_point("hub.executor_stop.after_commit");
	if (store_session_get(api->store, row.session, api->arena, &session, err) != 0)
		return -1;
	hub_nudge(api->hub, session.pool);
	return convert_executor(&row, false, api->arena, &ret->executor, err);
}

/* NULL with *err set. */
static Fairlead__V1__LogTailAnswer *
logs_from_host(
    struct api *api, const struct store_executor *row, uint32_t bytes_max, struct err *err)
{
	Fairlead__V1__LogTailRequest question = FAIRLEAD__V1__LOG_TAIL_REQUEST__INIT;
	char subject[SUBJECT_BYTES], channel[ID_HEX_BYTES];
	struct id channel_id = id_new();
	struct courier_message m = {
	    .host = row->host_id, .encoding = WIRE_PROTOBUF, .message = &question.base};
	ProtobufCMessage *answer;

	question.executor_id = wire_bytes_of_id(&row->executor_id, api->arena);
	question.bytes_max = bytes_max;
	question.name = arena_printf(api->arena, "%s/%u", row->session, row->index);
	if (!question.name) {
		(void)err_set(err, ERR_LIMIT, "no memory");
		return NULL;
	}
	m.subject = subject_build(subject, api->hub->settings.prefix, SUBJECT_IO_CTL, row->host_id,
	    id_to_hex(&channel_id, channel));
	if (courier_request(api->hub->bus, &m, LOGS_TIMEOUT_MS,
		&fairlead__v1__log_tail_answer__descriptor, api->arena, &answer, err) != 0) {
		err_wrap(err, "ask host %s for the output of %s/%u", row->host_id, row->session,
		    row->index);
		return NULL;
	}
	return (Fairlead__V1__LogTailAnswer *)answer;
}

int
handle_executor_logs(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__ExecutorLogsRequest *q =
	    (const Fairlead__V1__ExecutorLogsRequest *)request;
	Fairlead__V1__ExecutorLogsAnswer *ret = (Fairlead__V1__ExecutorLogsAnswer *)answer;
	Fairlead__V1__LogTailAnswer *tail;
	struct store_executor row;

	if (q->bytes_max > LOGS_BYTES_MAX)
		return err_field(
		    err, ERR_LIMIT, "bytes_max", "a host keeps the last %u bytes", LOGS_BYTES_MAX);
	if (executor_by_name(api, q->name, &row, err) != 0)
		return -1;
	if (!*row.host_id)
		return err_set(err, ERR_NOT_FOUND, "%s/%u was not placed on a host yet",
		    row.session, row.index);
	tail = logs_from_host(api, &row, q->bytes_max ? q->bytes_max : LOGS_BYTES_MAX, err);
	if (!tail)
		return -1;
	if (tail->error)
		return err_set(err, err_kind_from_name(tail->error->kind), "host %s: %s",
		    row.host_id, tail->error->message);
	ret->data = tail->data;
	ret->total_bytes = tail->total_bytes;
	return 0;
}
