#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "bus.h"
#include "clock.h"
#include "codec.h"
#include "crash.h"
#include "err.h"
#include "fleet_cache.h"
#include "headers.h"
#include "hub.h"
#include "hub_bounds.h"
#include "hub_metrics.h"
#include "log.h"
#include "mailbox.h"
#include "micro.h"
#include "store.h"
#include "subjects.h"
#include "version.h"
#include "worker.h"

#include "fairlead/v1/api.pb-c.h"

#define API_POLL_MS 500

struct api_service;

struct api_endpoint {
	struct api_service *service;
	const struct route *route;
};

struct api_service {
	struct hub *hub;
	struct micro *micro;
	struct api_endpoint *endpoints; /* one per route */
	struct mailbox *queue;          /* struct micro_request */
	struct worker *workers[HUB_API_WORKERS_MAX];
	unsigned worker_count;
	int64_t closed_us; /* 0: open; written before the workers are told to stop */
};

static const struct route *
route_of(const struct micro_request *r)
{
	const struct api_endpoint *endpoint = micro_request_endpoint(r)->arg;

	return endpoint->route;
}

/* An answer belongs to the trace of its question.  How many headers that is: none for a value that
 * the bus would refuse, for then there were no answer at all. */
static size_t
trace_header(const struct bus_msg *m, struct bus_header *ret)
{
	*ret = (struct bus_header){HEADER_TRACE, bus_msg_header(m, HEADER_TRACE)};
	return ret->value && *ret->value && !strpbrk(ret->value, "\r\n") ? 1 : 0;
}

/* The answer to a request that failed: the error object in the encoding the client speaks. */
static void
respond_error_take(
    struct micro_request *r, enum wire_encoding encoding, const struct err *e, struct arena *arena)
{
	Fairlead__V1__Error body = FAIRLEAD__V1__ERROR__INIT;
	struct bus_header headers[2] = {{.name = HEADER_CONTENT_TYPE}};
	struct err ignored = {0};
	void *data = NULL;
	size_t size = 0, n;

	body.kind = (char *)(uintptr_t)err_row(e->kind)->name;
	body.message = (char *)(uintptr_t)e->text;
	body.field = (char *)(uintptr_t)e->field;
	body.hint = (char *)(uintptr_t)e->hint;
	if (wire_encode(&body.base, encoding, arena, &data, &size, &ignored) != 0)
		size = 0;
	headers[0].value = wire_content_type(body.base.descriptor, encoding, arena);
	n = headers[0].value ? 1 : 0;
	n += trace_header(micro_request_msg(r), &headers[n]);
	micro_respond_error_take(r, e, data, size, headers, n);
}

static int
answer_encode(const ProtobufCMessage *answer, enum wire_encoding encoding, struct arena *arena,
    void **ret_data, size_t *ret_size, struct bus_header *header, struct err *err)
{
	header->name = HEADER_CONTENT_TYPE;
	header->value = wire_content_type(answer->descriptor, encoding, arena);
	if (!header->value)
		return err_set(err, ERR_LIMIT, "answer is larger than this hub can hold");
	return wire_encode(answer, encoding, arena, ret_data, ret_size, err);
}

/* Decode, handle, encode: everything that is the same for all endpoints. */
static int
request_handle(struct api *api, const struct route *route, const struct bus_msg *m,
    enum wire_encoding encoding, void **ret_data, size_t *ret_size, struct bus_header *header,
    struct err *err)
{
	ProtobufCMessage *request, *answer;
	const char *who = bus_msg_header(m, "Fl-Who");

	api->who = "-"; /* the last request's went with the arena */
	if (bus_msg_size(m) > API_REQUEST_BYTES_MAX)
		return err_field(err, ERR_LIMIT, "body",
		    "request of %zu bytes is over the limit of %u", bus_msg_size(m),
		    API_REQUEST_BYTES_MAX);
	if (wire_decode(route->request, encoding, bus_msg_data(m), bus_msg_size(m), api->arena,
		&request, err) != 0)
		return -1;
	answer = arena_alloc(api->arena, route->answer->sizeof_message);
	if (!answer)
		return err_set(err, ERR_LIMIT, "request is larger than this hub can hold");
	protobuf_c_message_init(route->answer, answer);
	if (who && *who && !(api->who = arena_strndup(api->arena, who, 64)))
		return err_set(err, ERR_LIMIT, "request is larger than this hub can hold");
	if (route->handle(api, request, answer, err) != 0)
		return -1;
	return answer_encode(answer, encoding, api->arena, ret_data, ret_size, header, err);
}

static enum wire_encoding
encoding_of(const struct bus_msg *m)
{
	if (bus_msg_size(m) == 0)
		return WIRE_JSON;
	return wire_encoding_of(
	    bus_msg_header(m, HEADER_CONTENT_TYPE), bus_msg_data(m), bus_msg_size(m));
}

/* False: who was needed did not answer in time; Postgres perhaps. */
static bool
request_serve(struct api *api, struct micro_request *r)
{
	const struct route *route = route_of(r);
	const struct bus_msg *m = micro_request_msg(r);
	enum wire_encoding encoding = encoding_of(m);
	int64_t from = clock_mono_us(clock_system());
	struct bus_header headers[2];
	struct err err = {0};
	void *data = NULL;
	size_t size = 0;

	if (request_handle(api, route, m, encoding, &data, &size, &headers[0], &err) == 0) {
		crash_point("hub.api.before_answer");
		micro_respond_take(r, data, size, headers, 1 + trace_header(m, &headers[1]));
		hub_metrics_api(
		    api->hub->metrics, route, true, clock_mono_us(clock_system()) - from);
		return true;
	}
	log_debug("api.refused", LOG_STR("noun", route->noun), LOG_STR("verb", route->verb),
	    LOG_STR("who", api->who), LOG_ERR(&err));
	hub_metrics_api(api->hub->metrics, route, false, clock_mono_us(clock_system()) - from);
	respond_error_take(r, encoding, &err, api->arena);
	return err.kind != ERR_UNAVAILABLE && err.kind != ERR_TIMEOUT;
}

/* After a request that failed: a stop answers what it can.  Where Postgres stalls that is nothing:
 * those who wait hear so at once and ask another hub, instead of each taking its timeout. */
static bool
stop_goes_on(const struct api_service *s, struct api *api)
{
	return clock_mono_us(clock_system()) - s->closed_us < API_STOP_MS * MS_US &&
	       hub_store_answers(api->store);
}

static void
requests_refuse(struct api_service *s, struct api *api)
{
	struct micro_request *r;
	struct err err = {0};

	err_set(&err, ERR_UNAVAILABLE, "this hub stops, and Postgres does not answer it in time");
	while ((r = mailbox_get(s->queue))) {
		respond_error_take(r, encoding_of(micro_request_msg(r)), &err, api->arena);
		arena_reset(api->arena);
	}
}

static void
api_worker(struct worker *w, void *arg)
{
	struct api_service *s = arg;
	struct api api = {.hub = s->hub};
	struct err err = {0};
	struct micro_request *r;
	bool answers;

	api.arena = arena_new(API_ARENA_BYTES_MAX);
	api.fleet = fleet_cache_new();
	if (!api.arena || !api.fleet || hub_store_new(s->hub, "api", &api.store, &err) != 0) {
		log_error("api.worker_failed", LOG_ERR(&err));
	} else {
		while (!worker_stopping(w) || mailbox_depth(s->queue) > 0) {
			r = mailbox_get_wait(s->queue, API_POLL_MS);
			if (!r)
				continue;
			answers = request_serve(&api, r);
			arena_reset(api.arena);
			if (!answers && worker_stopping(w) && !stop_goes_on(s, &api))
				requests_refuse(s, &api);
		}
	}
	store_free(api.store);
	fleet_cache_free(api.fleet);
	arena_free(api.arena);
}

/* Runs on a bus thread: only queues, or says busy. */
static void
request_arrived(void *arg, struct micro_request *r)
{
	struct api_endpoint *endpoint = arg;
	struct api_service *s = endpoint->service;
	struct err err = {0};

	if (mailbox_put(s->queue, r, &err) == 0)
		return;
	hub_metrics_queue_full(s->hub->metrics, HUB_QUEUE_API);
	err_set(&err, ERR_LIMIT, "the hub's API queue is full (%d requests)", API_QUEUE_MAX);
	micro_respond_error_take(r, &err, NULL, 0, NULL, 0);
}

static int
micro_register(struct api_service *s, struct err *err)
{
	struct hub *h = s->hub;
	const struct micro_options options = {.name = "fairlead",
	    .version = FAIRLEAD_VERSION,
	    .description = "fairlead API",
	    .queue_group = "fl-api",
	    .node = h->settings.instance};
	struct micro_endpoint *rows = calloc(hub_route_count, sizeof(*rows));
	char(*names)[SUBJECT_BYTES] = calloc(hub_route_count * 2, sizeof(*names));
	int r;

	if (!rows || !names) {
		free(rows);
		free(names);
		return err_set(err, ERR_INTERNAL, "no memory for the API's endpoints");
	}
	for (size_t i = 0; i < hub_route_count; i++) {
		const struct route *route = &hub_routes[i];

		snprintf(names[2 * i], SUBJECT_BYTES, "%s-%s", route->noun, route->verb);
		subject_build(
		    names[2 * i + 1], h->settings.prefix, SUBJECT_API, route->noun, route->verb);
		s->endpoints[i] = (struct api_endpoint){s, route};
		rows[i] = (struct micro_endpoint){
		    names[2 * i], names[2 * i + 1], request_arrived, &s->endpoints[i]};
	}
	r = micro_new(h->bus, &options, rows, hub_route_count, &s->micro, err);
	free(rows);
	free(names);
	return r;
}

int
api_start(struct hub *h, struct api_service **ret, struct err *err)
{
	struct api_service *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ERR_INTERNAL, "no memory for the API");
	s->hub = h;
	s->endpoints = calloc(hub_route_count, sizeof(*s->endpoints));
	s->queue = mailbox_new(API_QUEUE_MAX, NULL);
	if (!s->endpoints || !s->queue) {
		api_stop(s);
		return err_set(err, ERR_INTERNAL, "no memory for the API's queue");
	}
	for (unsigned i = 0; i < h->settings.api_workers && i < HUB_API_WORKERS_MAX; i++) {
		s->workers[i] = worker_start("api", api_worker, s, err);
		if (!s->workers[i]) {
			api_stop(s);
			return -1;
		}
		s->worker_count++;
	}
	if (micro_register(s, err) != 0) {
		api_stop(s);
		return -1;
	}
	*ret = s;
	return 0;
}

void
api_close(struct api_service *s)
{
	if (!s || s->closed_us != 0)
		return;
	s->closed_us = clock_mono_us(clock_system());
	if (s->micro)
		micro_drain(s->micro);
	if (s->queue)
		mailbox_close(s->queue);
	for (unsigned i = 0; i < s->worker_count; i++)
		worker_stop(s->workers[i]);
}

void
api_stop(struct api_service *s)
{
	if (!s)
		return;
	api_close(s);
	for (unsigned i = 0; i < s->worker_count; i++)
		worker_free(s->workers[i]);
	micro_free(s->micro);
	mailbox_free(s->queue);
	free(s->endpoints);
	free(s);
}
