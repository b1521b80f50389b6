#include "host_requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "bus.h"
#include "courier.h"
#include "err.h"
#include "headers.h"
#include "host_verbs.h"
#include "hub.h"
#include "hub_bounds.h"
#include "hub_metrics.h"
#include "log.h"
#include "mailbox.h"
#include "name.h"
#include "store.h"
#include "subjects.h"
#include "worker.h"

#include "fairlead/v1/host.pb-c.h"

#define REQUEST_POLL_MS 500
#define HOST_WORKERS_MAX 16
#define DRAIN_MS 5000

struct host_requests {
	struct hub *hub;
	struct bus_sub *sub;
	struct mailbox *queue; /* struct bus_msg */
	struct worker *workers[HOST_WORKERS_MAX];
	bool closed;
};

static const struct host_verb *
verb_find(const char *name)
{
	for (size_t i = 0; i < host_verb_count; i++) {
		if (strcmp(host_verbs[i].name, name) == 0)
			return &host_verbs[i];
	}
	return NULL;
}

static void
respond_error(
    struct host_requests *s, const struct bus_msg *m, const struct err *why, struct arena *a)
{
	Fairlead__V1__Error body = FAIRLEAD__V1__ERROR__INIT;
	char code[16];
	struct bus_header headers[] = {{"Nats-Service-Error-Code", code},
	    {"Nats-Service-Error", why->text}, {HEADER_CONTENT_TYPE, "application/json"}};
	struct bus_out out = {.headers = headers, .header_count = COUNT_OF(headers)};
	struct err err = {0};
	void *data;

	snprintf(code, sizeof(code), "%d", err_row(why->kind)->service_code);
	body.kind = (char *)(uintptr_t)err_row(why->kind)->name;
	body.message = (char *)(uintptr_t)why->text;
	body.field = (char *)(uintptr_t)why->field;
	body.hint = (char *)(uintptr_t)why->hint;
	if (wire_encode(&body.base, WIRE_JSON, a, &data, &out.size, &err) == 0)
		out.data = data;
	if (bus_respond(s->hub->bus, m, &out, &err) != 0)
		log_debug("host_request.respond_failed", LOG_ERR(&err));
}

static int
request_handle(struct host_requests *s, struct store *store, const struct bus_msg *m,
    struct arena *a, struct err *err)
{
	const struct host_verb *verb;
	ProtobufCMessage *question, *answer;
	struct subject_match match;
	struct host_call call = {.hub = s->hub, .store = store, .arena = a};

	if (subject_parse(s->hub->settings.prefix, bus_msg_subject(m), &match, err) != 0)
		return -1;
	verb = verb_find(match.tokens[1]);
	if (!verb) {
		err_field(err, ERR_INVALID, "verb", "unknown verb %.32s", match.tokens[1]);
		return err_hint(err, "hosts ask hello or sync");
	}
	if (courier_decode(m, verb->question, a, &question, err) != 0)
		return err_wrap(err, "%s", verb->name);
	call.host_id = match.tokens[0];
	if (verb->handle(&call, question, &answer, err) != 0)
		return -1;
	return courier_respond(s->hub->bus, m, answer,
	    wire_encoding_of(
		bus_msg_header(m, HEADER_CONTENT_TYPE), bus_msg_data(m), bus_msg_size(m)),
	    a, err);
}

/* False: Postgres did not answer in time, perhaps. */
static bool
request_serve(
    struct host_requests *s, struct store *store, const struct bus_msg *m, struct arena *a)
{
	struct err err = {0};

	if (request_handle(s, store, m, a, &err) == 0)
		return true;
	hub_metrics_refused(s->hub->metrics, "request");
	log_info("host_request.refused", LOG_STR("subject", bus_msg_subject(m)), LOG_ERR(&err));
	respond_error(s, m, &err, a);
	return err.kind != ERR_UNAVAILABLE && err.kind != ERR_TIMEOUT;
}

static void
request_worker(struct worker *w, void *arg)
{
	struct host_requests *s = arg;
	struct arena *a = arena_new(REQUEST_ARENA_BYTES_MAX);
	struct store *store = NULL;
	struct err err = {0};

	if (!a || hub_store_new(s->hub, "hosts", &store, &err) != 0) {
		log_error("host_request.worker_failed", LOG_ERR(&err));
		arena_free(a);
		return;
	}
	while (!worker_stopping(w) || mailbox_depth(s->queue) > 0) {
		struct bus_msg *m = mailbox_get_wait(s->queue, REQUEST_POLL_MS);

		bool answers;

		if (!m)
			continue;
		answers = request_serve(s, store, m, a);
		bus_msg_free(m);
		arena_reset(a);
		/* Whoever else waits asks again: another hub. */
		if (!answers && worker_stopping(w) && !hub_store_answers(store))
			break;
	}
	store_free(store);
	arena_free(a);
}

static void
drop_msg(void *item)
{
	bus_msg_free(item);
}

static void
arrived(void *arg, const struct bus_msg *m)
{
	struct host_requests *s = arg;
	struct bus_msg *copy = bus_msg_copy(m);
	struct err err = {0};

	if (copy && mailbox_put(s->queue, copy, &err) == 0)
		return;
	bus_msg_free(copy);
	/* The host asks again. */
	hub_metrics_queue_full(s->hub->metrics, HUB_QUEUE_HOST_REQUESTS);
}

int
host_requests_start(struct hub *h, struct host_requests **ret, struct err *err)
{
	struct host_requests *s = calloc(1, sizeof(*s));
	char subject[SUBJECT_BYTES];

	if (!s)
		return err_set(err, ERR_INTERNAL, "no memory for host requests");
	s->hub = h;
	s->queue = mailbox_new(REQUEST_QUEUE_MAX, drop_msg);
	if (!s->queue) {
		host_requests_stop(s);
		return err_set(err, ERR_INTERNAL, "no memory for host requests");
	}
	for (unsigned i = 0; i < h->settings.host_workers && i < HOST_WORKERS_MAX; i++) {
		s->workers[i] = worker_start("hosts", request_worker, s, err);
		if (!s->workers[i]) {
			host_requests_stop(s);
			return -1;
		}
	}
	subject_build(subject, h->settings.prefix, SUBJECT_REQ, "*", "*");
	if (bus_subscribe(h->bus, subject, "fl-hub", REQUEST_QUEUE_MAX, arrived, s, &s->sub, err) !=
	    0) {
		host_requests_stop(s);
		return -1;
	}
	*ret = s;
	return 0;
}

uint64_t
host_requests_dropped(const struct host_requests *s)
{
	return bus_sub_dropped(s->sub);
}

void
host_requests_close(struct host_requests *s)
{
	struct err err = {0};

	if (!s || s->closed)
		return;
	s->closed = true;
	if (bus_sub_drain_take(TAKE(s->sub), DRAIN_MS, &err) != 0)
		log_warn("host_request.not_drained", LOG_ERR(&err));
	if (s->queue)
		mailbox_close(s->queue);
	for (unsigned i = 0; i < HOST_WORKERS_MAX; i++) {
		if (s->workers[i])
			worker_stop(s->workers[i]);
	}
}

void
host_requests_stop(struct host_requests *s)
{
	if (!s)
		return;
	host_requests_close(s);
	for (unsigned i = 0; i < HOST_WORKERS_MAX; i++)
		worker_free(s->workers[i]);
	mailbox_free(s->queue);
	free(s);
}
