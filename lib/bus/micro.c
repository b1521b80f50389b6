#include "micro.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus.h"
#include "clock.h"
#include "err.h"
#include "id.h"
#include "log.h"

#define VERBS 3
#define SCOPES 3 /* everybody, this name, this instance */
#define SUBJECT_BYTES 256
#define HEADERS_MAX 32
#define DRAIN_FLUSH_MS 1000
#define DRAIN_MS 5000 /* what was asked before is handed to the endpoints */
#define DRAIN_LEAST_MS 10

static const char *const verbs[VERBS] = {"PING", "INFO", "STATS"};
static const char *const types[VERBS] = {"io.nats.micro.v1.ping_response",
    "io.nats.micro.v1.info_response", "io.nats.micro.v1.stats_response"};

struct served {
	struct micro_endpoint endpoint; /* with strings of its own */
	struct micro *micro;
	struct bus_sub *sub;
	pthread_mutex_t lock;
	uint64_t requests, errors;
	int64_t processing_us;
	char last_error[ERR_TEXT_BYTES + 16];
};

struct verb_arg {
	struct micro *micro;
	int verb;
};

/* References: the owner and each request that is not answered yet. */
struct micro {
	struct bus *bus;
	atomic_int refs;
	char *name, *version, *description, *queue_group, *node;
	char id[ID_HEX_BYTES];
	char started[32];
	struct verb_arg verb_args[VERBS];
	struct bus_sub *verb_subs[VERBS * SCOPES];
	struct served *served;
	size_t served_count;
};

struct micro_request {
	struct served *served;
	struct bus_msg *msg;
	int64_t start_us;
};

static int64_t
now_us(void)
{
	return clock_mono_us(clock_system());
}

/* ---- life ---- */

static void
unref(struct micro *m)
{
	if (atomic_fetch_sub(&m->refs, 1) != 1)
		return;
	for (size_t i = 0; i < m->served_count; i++) {
		free((char *)(uintptr_t)m->served[i].endpoint.name);
		free((char *)(uintptr_t)m->served[i].endpoint.subject);
		pthread_mutex_destroy(&m->served[i].lock);
	}
	free(m->served);
	free(m->name);
	free(m->version);
	free(m->description);
	free(m->queue_group);
	free(m->node);
	free(m);
}

void
micro_drain(struct micro *m)
{
	int64_t end_us = now_us() + DRAIN_MS * MS_US;
	struct err err;

	for (size_t i = 0; i < COUNT_OF(m->verb_subs); i++)
		bus_unsubscribe(TAKE(m->verb_subs[i]));
	for (size_t i = 0; i < m->served_count; i++) {
		int64_t left_ms = (end_us - now_us()) / MS_US;

		if (bus_sub_drain_take(TAKE(m->served[i].sub),
			left_ms > DRAIN_LEAST_MS ? (int)left_ms : DRAIN_LEAST_MS, &err) != 0)
			log_warn("micro.not_drained", LOG_STR("service", m->name), LOG_ERR(&err));
	}
	/* From here on the server gives requests to other instances of the queue group. */
	if (bus_flush(m->bus, DRAIN_FLUSH_MS, &err))
		log_debug("micro.drain_unflushed", LOG_STR("service", m->name), LOG_ERR(&err));
}

void
micro_free(struct micro *m)
{
	if (!m)
		return;
	micro_drain(m);
	unref(m);
}

/* ---- $SRV ---- */

static json_t *
stats_of(struct served *s, json_t *row)
{
	pthread_mutex_lock(&s->lock);
	int64_t total_ns = s->processing_us * 1000;
	int64_t average = s->requests ? total_ns / (int64_t)s->requests : 0;
	json_object_set_new(row, "num_requests", json_integer((json_int_t)s->requests));
	json_object_set_new(row, "num_errors", json_integer((json_int_t)s->errors));
	json_object_set_new(row, "last_error", json_string(s->last_error));
	/* Integers of nanoseconds: a text here makes the CLI show nothing for the whole service. */
	json_object_set_new(row, "processing_time", json_integer(total_ns));
	json_object_set_new(row, "average_processing_time", json_integer(average));
	pthread_mutex_unlock(&s->lock);
	return row;
}

static json_t *
endpoints_of(struct micro *m, bool stats)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->served_count; i++) {
		struct served *s = &m->served[i];
		json_t *row = json_pack("{s:s,s:s,s:s}", "name", s->endpoint.name, "subject",
		    s->endpoint.subject, "queue_group", m->queue_group);

		json_array_append_new(list, stats ? stats_of(s, row) : row);
	}
	return list;
}

static void
on_verb(void *arg, const struct bus_msg *msg)
{
	const struct verb_arg *v = arg;
	struct micro *m = v->micro;
	struct err err;
	json_t *answer = json_pack("{s:s,s:s,s:s,s:s,s:{s:s}}", "type", types[v->verb], "name",
	    m->name, "id", m->id, "version", m->version, "metadata", "node", m->node);

	if (strcmp(verbs[v->verb], "INFO") == 0) {
		json_object_set_new(answer, "description", json_string(m->description));
		json_object_set_new(answer, "endpoints", endpoints_of(m, false));
	} else if (strcmp(verbs[v->verb], "STATS") == 0) {
		json_object_set_new(answer, "started", json_string(m->started));
		json_object_set_new(answer, "endpoints", endpoints_of(m, true));
	}
	char *body = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	if (!body)
		return;
	struct bus_out out = {.data = body, .size = strlen(body)};
	if (bus_respond(m->bus, msg, &out, &err)) /* who asked will ask again */
		log_debug("micro.answer_lost", LOG_STR("service", m->name), LOG_ERR(&err));
	free(body);
}

static int
subscribe_verbs(struct micro *m, struct err *err)
{
	char subject[SUBJECT_BYTES];

	for (int v = 0; v < VERBS; v++) {
		m->verb_args[v] = (struct verb_arg){m, v};
		for (int scope = 0; scope < SCOPES; scope++) {
			if (scope == 0)
				snprintf(subject, sizeof(subject), "$SRV.%s", verbs[v]);
			else if (scope == 1)
				snprintf(subject, sizeof(subject), "$SRV.%s.%s", verbs[v], m->name);
			else
				snprintf(subject, sizeof(subject), "$SRV.%s.%s.%s", verbs[v],
				    m->name, m->id);
			if (bus_subscribe(m->bus, subject, NULL, 0, on_verb, &m->verb_args[v],
				&m->verb_subs[v * SCOPES + scope], err))
				return -1;
		}
	}
	return 0;
}

/* ---- requests ---- */

static void
count(struct served *s, int64_t took_us, const char *error)
{
	pthread_mutex_lock(&s->lock);
	s->requests++;
	s->processing_us += took_us;
	if (error) {
		s->errors++;
		snprintf(s->last_error, sizeof(s->last_error), "%s", error);
	}
	pthread_mutex_unlock(&s->lock);
}

static void
on_request(void *arg, const struct bus_msg *msg)
{
	struct served *s = arg;
	struct micro_request *r = calloc(1, sizeof(*r));

	if (r)
		r->msg = bus_msg_copy(msg);
	if (!r || !r->msg) {
		free(r);
		count(s, 0, "500:no memory");
		return;
	}
	r->served = s;
	r->start_us = now_us();
	atomic_fetch_add(&s->micro->refs, 1);
	s->endpoint.handler(s->endpoint.arg, r);
}

const struct bus_msg *
micro_request_msg(const struct micro_request *r)
{
	return r->msg;
}

const struct micro_endpoint *
micro_request_endpoint(const struct micro_request *r)
{
	return &r->served->endpoint;
}

static void
finish(struct micro_request *r, const struct bus_out *out, const char *error)
{
	struct micro *m = r->served->micro;
	struct err err;

	/* Counted before the answer leaves: who reads it finds itself in the statistics. */
	count(r->served, now_us() - r->start_us, error);
	if (bus_respond(m->bus, r->msg, out, &err) && !error) {
		char text[ERR_TEXT_BYTES + 16];

		snprintf(text, sizeof(text), "%d:answer: %.200s", err_row(err.kind)->service_code,
		    err.text);
		pthread_mutex_lock(&r->served->lock);
		r->served->errors++;
		snprintf(r->served->last_error, sizeof(r->served->last_error), "%s", text);
		pthread_mutex_unlock(&r->served->lock);
	}
	bus_msg_free(r->msg);
	free(r);
	unref(m);
}

void
micro_respond_take(struct micro_request *r, const void *data, size_t size,
    const struct bus_header *headers, size_t header_count)
{
	struct bus_out out = {
	    .data = data, .size = size, .headers = headers, .header_count = header_count};

	finish(r, &out, NULL);
}

void
micro_respond_error_take(struct micro_request *r, const struct err *e, const void *body,
    size_t size, const struct bus_header *headers, size_t header_count)
{
	struct bus_header all[HEADERS_MAX];
	char code[16], both[ERR_TEXT_BYTES + 16];

	assert(e->kind != ERR_NONE && header_count + 2 <= HEADERS_MAX);
	snprintf(code, sizeof(code), "%d", err_row(e->kind)->service_code);
	snprintf(both, sizeof(both), "%s:%s", code, e->text);
	all[0] = (struct bus_header){"Nats-Service-Error-Code", code};
	all[1] = (struct bus_header){"Nats-Service-Error", e->text};
	for (size_t i = 0; i < header_count; i++)
		all[2 + i] = headers[i];
	struct bus_out out = {
	    .data = body, .size = size, .headers = all, .header_count = header_count + 2};
	finish(r, &out, both);
}

/* ---- making one ---- */

static int
copy_text(char **ret, const char *text, struct err *err)
{
	*ret = strdup(text ? text : "");
	return *ret ? 0 : err_set(err, ERR_INTERNAL, "no memory");
}

static int
copy_options(struct micro *m, const struct micro_options *o, struct err *err)
{
	assert(o->name && o->version && o->queue_group);
	return copy_text(&m->name, o->name, err) || copy_text(&m->version, o->version, err) ||
		       copy_text(&m->description, o->description, err) ||
		       copy_text(&m->queue_group, o->queue_group, err) ||
		       copy_text(&m->node, o->node, err)
		   ? -1
		   : 0;
}

static int
copy_endpoints(struct micro *m, const struct micro_endpoint *endpoints, size_t n, struct err *err)
{
	m->served = calloc(n ? n : 1, sizeof(*m->served));
	if (!m->served)
		return err_set(err, ERR_INTERNAL, "no memory");
	for (size_t i = 0; i < n; i++) {
		struct served *s = &m->served[m->served_count++];
		char *name = NULL, *subject = NULL;

		pthread_mutex_init(&s->lock, NULL);
		s->micro = m;
		s->endpoint = endpoints[i];
		int rc = copy_text(&name, endpoints[i].name, err) ||
			 copy_text(&subject, endpoints[i].subject, err);
		s->endpoint.name = name;
		s->endpoint.subject = subject;
		if (rc)
			return -1;
	}
	return 0;
}

static void
note_start(struct micro *m)
{
	struct id id = id_new();
	struct tm tm;
	time_t now = time(NULL);

	id_to_hex(&id, m->id);
	gmtime_r(&now, &tm);
	strftime(m->started, sizeof(m->started), "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int
micro_new(struct bus *b, const struct micro_options *options,
    const struct micro_endpoint *endpoints, size_t n, struct micro **ret, struct err *err)
{
	struct micro *m = calloc(1, sizeof(*m));

	if (!m)
		return err_set(err, ERR_INTERNAL, "no memory");
	m->bus = b;
	atomic_init(&m->refs, 1);
	note_start(m);
	int rc = copy_options(m, options, err) || copy_endpoints(m, endpoints, n, err) ||
		 subscribe_verbs(m, err);
	for (size_t i = 0; !rc && i < n; i++)
		rc = bus_subscribe(b, m->served[i].endpoint.subject, m->queue_group, 0, on_request,
		    &m->served[i], &m->served[i].sub, err);
	if (rc) {
		micro_free(m);
		return -1;
	}
	*ret = m;
	return 0;
}
