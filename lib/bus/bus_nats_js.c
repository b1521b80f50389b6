/* Streams and consumers on a NATS server: our tables to the API's JSON and back. */
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus_nats.h"
#include "clock.h"

#define SECOND_NS INT64_C(1000000000)
#define REPLICAS_CLUSTER 3

#define CODE_NOT_CLUSTERED 10074 /* replicas > 1 not supported in non-clustered mode */
#define CODE_NO_PEERS 10005      /* no suitable peers for placement */
#define CODE_NO_STORE 10049      /* error creating store for stream */

#define REMOVED_LOOK_MS 20

static void
json_free(json_t *j)
{
	json_decref(j);
}
DEFINE_CLEANUP(json_t *, json_free);

/* ---- reading ---- */

static int64_t
number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool
text(const json_t *object, const char *key, char *ret, size_t size)
{
	const char *value = json_string_value(json_object_get(object, key));

	snprintf(ret, size, "%s", value ? value : "");
	return ret[0] != 0;
}

/* "2026-01-31T00:53:17.123456789Z"; 0 when it is not. */
static int64_t
time_us(const char *rfc3339)
{
	struct tm tm = {0};
	const char *rest = rfc3339 ? strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t fraction = 0, unit = 100000;

	if (!rest)
		return 0;
	if (*rest == '.') {
		for (rest++; *rest >= '0' && *rest <= '9'; rest++) {
			fraction += (*rest - '0') * unit;
			unit /= 10;
		}
	}
	return (int64_t)timegm(&tm) * 1000000 + fraction;
}

static void
read_republish(const json_t *config, struct bus_stream_view *ret)
{
	const json_t *republish = json_object_get(config, "republish");

	if (!json_is_object(republish))
		return;
	if (text(republish, "src", ret->republish_source, sizeof(ret->republish_source)))
		ret->config.republish_source = ret->republish_source;
	if (text(republish, "dest", ret->republish_destination, sizeof(ret->republish_destination)))
		ret->config.republish_destination = ret->republish_destination;
	ret->republish_headers_only = json_is_true(json_object_get(republish, "headers_only"));
}

/* What we never set.  Present and false, null or empty is not set. */
static const char *
foreign_setting(const json_t *config)
{
	static const char *const keys[] = {"sealed", "no_ack", "discard_new_per_subject", "mirror",
	    "sources", "subject_transform"};

	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		const json_t *value = json_object_get(config, keys[i]);

		if (json_is_true(value) || json_is_object(value) || json_array_size(value) > 0)
			return keys[i];
	}
	return NULL;
}

static void
read_stream(const json_t *reply, struct bus_stream_view *ret)
{
	const json_t *config = json_object_get(reply, "config");
	const json_t *state = json_object_get(reply, "state");
	const json_t *subjects = json_object_get(config, "subjects");

	memset(ret, 0, sizeof(*ret));
	text(config, "name", ret->name, sizeof(ret->name));
	ret->config.name = ret->name;
	ret->subject_count = json_array_size(subjects);
	for (size_t i = 0; i < ret->subject_count && i < COUNT_OF(ret->subjects); i++) {
		const char *subject = json_string_value(json_array_get(subjects, i));

		snprintf(ret->subjects[i], sizeof(ret->subjects[i]), "%s", subject ? subject : "");
		ret->config.subjects[i] = ret->subjects[i];
	}
	text(config, "retention", ret->retention, sizeof(ret->retention));
	text(config, "storage", ret->storage, sizeof(ret->storage));
	text(config, "discard", ret->discard, sizeof(ret->discard));
	ret->max_msgs = number(config, "max_msgs");
	ret->max_consumers = number(config, "max_consumers");
	ret->foreign = foreign_setting(config);
	ret->config.retention = strcmp(ret->retention, "workqueue") == 0 ? BUS_RETENTION_WORKQUEUE
									 : BUS_RETENTION_LIMITS;
	ret->config.max_msgs_per_subject = number(config, "max_msgs_per_subject");
	ret->config.max_age_s = number(config, "max_age") / SECOND_NS;
	ret->config.max_msg_bytes = number(config, "max_msg_size");
	ret->config.max_bytes = number(config, "max_bytes");
	ret->config.duplicate_window_s = number(config, "duplicate_window") / SECOND_NS;
	ret->config.allow_direct = json_is_true(json_object_get(config, "allow_direct"));
	read_republish(config, ret);
	ret->replicas = (int)number(config, "num_replicas");
	ret->state = (struct bus_stream_state){.messages = (uint64_t)number(state, "messages"),
	    .bytes = (uint64_t)number(state, "bytes"),
	    .first_seq = (uint64_t)number(state, "first_seq"),
	    .last_seq = (uint64_t)number(state, "last_seq"),
	    .created_us = time_us(json_string_value(json_object_get(reply, "created")))};
}

/* Servers of the cluster as far as this client can know: configured, or told by the server. */
static unsigned
known_servers(struct nats_bus *b)
{
	struct err ignored;
	CLEANUP(nats_bus_release) struct nats_conn *c = nats_bus_acquire(b, &ignored);
	char **urls = NULL;
	int n = 0;

	if (c && natsConnection_GetServers(c->nc, &urls, &n) == NATS_OK) {
		for (int i = 0; i < n; i++)
			free(urls[i]);
		free((void *)urls);
	}
	return (unsigned)n > b->configured_servers ? (unsigned)n : b->configured_servers;
}

/* As nats_js_stream_create chooses.  A server of a cluster names it with every stream. */
static int
replicas_least(struct nats_bus *b, const json_t *reply)
{
	bool clustered =
	    json_string_value(json_object_get(json_object_get(reply, "cluster"), "name")) != NULL;

	return clustered && known_servers(b) >= REPLICAS_CLUSTER ? REPLICAS_CLUSTER : 1;
}

int
nats_js_stream_get(struct bus *base, const char *name, struct bus_stream_view *ret, struct err *err)
{
	CLEANUP(json_free) json_t *reply = NULL;
	char subject[BUS_SUBJECT_BYTES];

	snprintf(subject, sizeof(subject), "$JS.API.STREAM.INFO.%s", name);
	if (nats_api_call(nats_bus_of(base), subject, NULL, &reply, NULL, err))
		return -1;
	read_stream(reply, ret);
	ret->replicas_least = replicas_least(nats_bus_of(base), reply);
	return 0;
}

/* ---- creating ---- */

static void
set_limit(json_t *config, const char *key, int64_t value, int64_t none)
{
	json_object_set_new(config, key, json_integer(value > 0 ? value : none));
}

static json_t *
stream_config(const struct bus_stream *s, int replicas)
{
	json_t *config = json_object();
	json_t *subjects = json_array();

	for (size_t i = 0; i < COUNT_OF(s->subjects) && s->subjects[i]; i++)
		json_array_append_new(subjects, json_string(s->subjects[i]));
	json_object_set_new(config, "name", json_string(s->name));
	json_object_set_new(config, "subjects", subjects);
	json_object_set_new(config, "retention",
	    json_string(s->retention == BUS_RETENTION_WORKQUEUE ? "workqueue" : "limits"));
	json_object_set_new(config, "storage", json_string("file"));
	json_object_set_new(config, "discard", json_string("old"));
	json_object_set_new(config, "num_replicas", json_integer(replicas));
	set_limit(config, "max_msgs", 0, -1);
	set_limit(config, "max_consumers", 0, -1);
	set_limit(config, "max_msgs_per_subject", s->max_msgs_per_subject, -1);
	set_limit(config, "max_bytes", s->max_bytes, -1);
	set_limit(config, "max_age", s->max_age_s * SECOND_NS, 0);
	json_object_set_new(
	    config, "max_msg_size", json_integer(s->max_msg_bytes > 0 ? s->max_msg_bytes : -1));
	set_limit(config, "duplicate_window", s->duplicate_window_s * SECOND_NS, 0);
	json_object_set_new(config, "allow_direct", json_boolean(s->allow_direct));
	if (s->republish_source)
		json_object_set_new(config, "republish",
		    json_pack(
			"{s:s,s:s}", "src", s->republish_source, "dest", s->republish_destination));
	return config;
}

static int
create_with(
    struct nats_bus *b, const struct bus_stream *s, int replicas, int *ret_code, struct err *err)
{
	CLEANUP(json_free) json_t *reply = NULL;
	CLEANUP(json_free) json_t *config = stream_config(s, replicas);
	char subject[BUS_SUBJECT_BYTES];

	snprintf(subject, sizeof(subject), "$JS.API.STREAM.CREATE.%s", s->name);
	return nats_api_call(b, subject, config, &reply, ret_code, err);
}

/* The server answers that a stream is deleted and removes its directory afterwards; meanwhile it
 * now and then refuses to make one of the same name. */
static int
create_beside_removal(
    struct nats_bus *b, const struct bus_stream *s, int replicas, int *ret_code, struct err *err)
{
	int64_t until_us = clock_mono_us(clock_system()) + NATS_REMOVAL_MS * MS_US;

	while (create_with(b, s, replicas, ret_code, err) != 0) {
		if (*ret_code != CODE_NO_STORE || clock_mono_us(clock_system()) > until_us)
			return -1;
		poll(NULL, 0, REMOVED_LOOK_MS);
	}
	return 0;
}

/* Replicas 0 asks for three first and lets the server judge: it knows its peers, while a client
 * sees only the addresses it was given.  A server without a cluster refuses by its own code; "no
 * suitable peers" is a cluster that is too small, or one with servers away.  Of those the second
 * must not end in a stream with one replica for ever, so one replica is taken only when no three
 * servers are known; else it is ERR_UNAVAILABLE, to be tried again. */
int
nats_js_stream_create(struct bus *base, const struct bus_stream *s, int replicas, struct err *err)
{
	struct nats_bus *b = nats_bus_of(base);
	int code;

	if (replicas)
		return create_beside_removal(b, s, replicas, &code, err);
	if (create_beside_removal(b, s, REPLICAS_CLUSTER, &code, err) == 0)
		return 0;
	bool alone = code == CODE_NOT_CLUSTERED ||
		     (code == CODE_NO_PEERS && known_servers(b) < REPLICAS_CLUSTER);
	return alone ? create_beside_removal(b, s, 1, &code, err) : -1;
}

/* By the library: the answer carries headers and body in base64. */
int
nats_js_stream_message(
    struct bus *base, const char *name, uint64_t seq, struct bus_msg **ret, struct err *err)
{
	struct nats_bus *b = nats_bus_of(base);
	CLEANUP(nats_bus_release) struct nats_conn *c = nats_bus_acquire(b, err);
	jsOptions options;
	jsCtx *js = NULL;
	natsMsg *native = NULL;
	jsErrCode code = JSNotEnabledErr; /* the call sets it */

	if (!c)
		return -1;
	jsOptions_Init(&options);
	options.Wait = NATS_API_TIMEOUT_MS;
	natsStatus s = natsConnection_JetStream(&js, c->nc, &options);
	if (s == NATS_OK)
		s = js_GetMsg(&native, js, name, seq, NULL, &code);
	jsCtx_Destroy(js);
	if (s == NATS_NOT_FOUND || code == JSStreamNotFoundErr)
		return err_set(err, ERR_NOT_FOUND, "stream %s has no message %" PRIu64, name, seq);
	if (s != NATS_OK)
		return nats_bus_error(err, s, "get a message of", name);
	*ret = nats_msg_own(base, native);
	if (*ret) {
		(*ret)->stored_us = natsMsg_GetTime(native) / 1000;
		return 0;
	}
	natsMsg_Destroy(native);
	return err_set(err, ERR_INTERNAL, "no memory");
}

int
nats_js_stream_delete(struct bus *base, const char *name, struct err *err)
{
	CLEANUP(json_free) json_t *reply = NULL;
	char subject[BUS_SUBJECT_BYTES];

	snprintf(subject, sizeof(subject), "$JS.API.STREAM.DELETE.%s", name);
	return nats_api_call(nats_bus_of(base), subject, NULL, &reply, NULL, err);
}

/* ---- consumers ---- */

int
nats_js_consumer_get(struct bus *base, const char *stream, const char *durable,
    struct bus_consumer_view *ret, struct err *err)
{
	CLEANUP(json_free) json_t *reply = NULL;
	char subject[BUS_SUBJECT_BYTES];

	snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.INFO.%s.%s", stream, durable);
	if (nats_api_call(nats_bus_of(base), subject, NULL, &reply, NULL, err))
		return -1;
	const json_t *config = json_object_get(reply, "config");
	const char *policy = json_string_value(json_object_get(config, "ack_policy"));
	memset(ret, 0, sizeof(*ret));
	if (text(config, "filter_subject", ret->filter, sizeof(ret->filter)))
		ret->config.filter = ret->filter;
	ret->explicit_ack = policy && strcmp(policy, "explicit") == 0;
	ret->config.ack_wait_s = number(config, "ack_wait") / SECOND_NS;
	ret->config.max_ack_pending = number(config, "max_ack_pending");
	ret->config.max_deliver = number(config, "max_deliver");
	return 0;
}

/* When the first message from seq on was stored; it may be gone by now, as may all after it. */
static int
stored_us(struct nats_bus *b, const char *stream, int64_t seq, int64_t *ret, struct err *err)
{
	CLEANUP(json_free) json_t *reply = NULL;
	CLEANUP(json_free)
	json_t *request = json_pack("{s:I,s:s}", "seq", (json_int_t)seq, "next_by_subj", ">");
	char subject[BUS_SUBJECT_BYTES];

	*ret = 0;
	if (!request)
		return err_set(err, ERR_INTERNAL, "no memory");
	snprintf(subject, sizeof(subject), "$JS.API.STREAM.MSG.GET.%s", stream);
	if (nats_api_call(b, subject, request, &reply, NULL, err))
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	*ret =
	    time_us(json_string_value(json_object_get(json_object_get(reply, "message"), "time")));
	return 0;
}

int
nats_js_consumer_state(struct bus *base, const char *stream, const char *durable,
    struct bus_consumer_state *ret, struct err *err)
{
	CLEANUP(json_free) json_t *reply = NULL;
	char subject[BUS_SUBJECT_BYTES];

	snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.INFO.%s.%s", stream, durable);
	if (nats_api_call(nats_bus_of(base), subject, NULL, &reply, NULL, err))
		return -1;
	*ret = (struct bus_consumer_state){.waiting = (uint64_t)number(reply, "num_pending"),
	    .unacked = (uint64_t)number(reply, "num_ack_pending")};
	if (ret->waiting + ret->unacked == 0)
		return 0;
	return stored_us(nats_bus_of(base), stream,
	    number(json_object_get(reply, "ack_floor"), "stream_seq") + 1, &ret->oldest_us, err);
}

int
nats_js_consumer_create(struct bus *base, const struct bus_consumer *c, struct err *err)
{
	CLEANUP(json_free) json_t *reply = NULL;
	json_t *config = json_object();
	char subject[BUS_SUBJECT_BYTES];

	json_object_set_new(config, "name", json_string(c->durable));
	json_object_set_new(config, "durable_name", json_string(c->durable));
	json_object_set_new(config, "ack_policy", json_string("explicit"));
	json_object_set_new(config, "deliver_policy", json_string("all"));
	json_object_set_new(config, "replay_policy", json_string("instant"));
	json_object_set_new(
	    config, "max_deliver", json_integer(c->max_deliver ? c->max_deliver : -1));
	if (c->filter)
		json_object_set_new(config, "filter_subject", json_string(c->filter));
	if (c->ack_wait_s)
		json_object_set_new(config, "ack_wait", json_integer(c->ack_wait_s * SECOND_NS));
	if (c->max_ack_pending)
		json_object_set_new(config, "max_ack_pending", json_integer(c->max_ack_pending));
	CLEANUP(json_free)
	json_t *request = json_pack(
	    "{s:s,s:o,s:s}", "stream_name", c->stream, "config", config, "action", "create");
	if (!request)
		return err_set(err, ERR_INTERNAL, "no memory");
	if (c->filter)
		snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.CREATE.%s.%s.%s", c->stream,
		    c->durable, c->filter);
	else
		snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.CREATE.%s.%s", c->stream,
		    c->durable);
	return nats_api_call(nats_bus_of(base), subject, request, &reply, NULL, err);
}
