/* Streams and consumers: ensure compares what exists field by field (K12); acknowledgements are
 * publishes to the reply subject, in both implementations. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus_internal.h"
#include "err.h"

#define MAX_DELIVER_FOREVER (-1)

static int
differs_text(
    struct err *err, const char *what, const char *field, const char *have, const char *want)
{
	return err_field(err, ERR_CONFLICT, field, "%s differs in %s: it has '%s', expected '%s'",
	    what, field, have ? have : "", want ? want : "");
}

static int
check_number(struct err *err, const char *what, const char *field, int64_t have, int64_t want)
{
	if (have == want)
		return 0;
	return err_field(err, ERR_CONFLICT, field,
	    "%s differs in %s: it has %" PRId64 ", expected %" PRId64, what, field, have, want);
}

static int
check_text(struct err *err, const char *what, const char *field, const char *have, const char *want)
{
	if (strcmp(have ? have : "", want ? want : "") == 0)
		return 0;
	return differs_text(err, what, field, have, want);
}

/* "No limit" is 0 in our tables and -1 on the server. */
static int64_t
limit(int64_t value)
{
	return value < 0 ? 0 : value;
}

static size_t
subject_count(const struct bus_stream *s)
{
	size_t n = 0;

	while (n < COUNT_OF(s->subjects) && s->subjects[n])
		n++;
	return n;
}

static int
check_subjects(struct err *err, const char *what, const struct bus_stream_view *have,
    const struct bus_stream *want)
{
	size_t n = subject_count(want);

	if (have->subject_count != n)
		return check_number(
		    err, what, "subjects", (int64_t)have->subject_count, (int64_t)n);
	for (size_t i = 0; i < n; i++) {
		if (check_text(err, what, "subjects", have->config.subjects[i], want->subjects[i]))
			return -1;
	}
	return 0;
}

/* What every stream of ours is alike in (stream_config of bus_nats_js.c). */
static int
check_common(
    struct err *err, const char *what, const struct bus_stream_view *view, enum bus_retention want)
{
	if (check_text(err, what, "retention", view->retention,
		want == BUS_RETENTION_WORKQUEUE ? "workqueue" : "limits") ||
	    check_text(err, what, "storage", view->storage, "file") ||
	    check_text(err, what, "discard", view->discard, "old") ||
	    check_number(err, what, "max_msgs", limit(view->max_msgs), 0) ||
	    check_number(err, what, "max_consumers", limit(view->max_consumers), 0))
		return -1;
	if (view->republish_headers_only)
		return differs_text(err, what, "republish_headers_only", "true", "false");
	if (view->foreign)
		return differs_text(err, what, view->foreign, "set", "not set");
	return 0;
}

/* replicas 0: what exists may have more than this server's default, never less. */
static int
check_replicas(struct err *err, const char *what, const struct bus_stream_view *view, int replicas)
{
	if (replicas)
		return check_number(err, what, "replicas", view->replicas, replicas);
	if (view->replicas >= view->replicas_least)
		return 0;
	return check_number(err, what, "replicas", view->replicas, view->replicas_least);
}

static int
check_stream(const struct bus_stream_view *view, const struct bus_stream *want, int replicas,
    struct err *err)
{
	const struct bus_stream *have = &view->config;
	char what[BUS_NAME_BYTES + 16];
	/* Servers switch direct access on by themselves for streams with a limit per subject. */
	bool direct_implied = have->allow_direct && want->max_msgs_per_subject > 0;

	snprintf(what, sizeof(what), "stream %s", want->name);
	if (check_subjects(err, what, view, want) || check_common(err, what, view, want->retention))
		return -1;
	if (check_number(err, what, "max_msgs_per_subject", limit(have->max_msgs_per_subject),
		limit(want->max_msgs_per_subject)) ||
	    check_number(err, what, "max_age_s", limit(have->max_age_s), limit(want->max_age_s)) ||
	    check_number(err, what, "max_msg_bytes", limit(have->max_msg_bytes),
		limit(want->max_msg_bytes)) ||
	    check_number(err, what, "max_bytes", limit(have->max_bytes), limit(want->max_bytes)))
		return -1;
	if (want->duplicate_window_s && check_number(err, what, "duplicate_window_s",
					    have->duplicate_window_s, want->duplicate_window_s))
		return -1;
	if (have->allow_direct != want->allow_direct && !direct_implied)
		return differs_text(err, what, "allow_direct",
		    have->allow_direct ? "true" : "false", want->allow_direct ? "true" : "false");
	if (check_text(
		err, what, "republish_source", have->republish_source, want->republish_source) ||
	    check_text(err, what, "republish_destination", have->republish_destination,
		want->republish_destination))
		return -1;
	return check_replicas(err, what, view, replicas);
}

int
bus_stream_ensure(struct bus *b, const struct bus_stream *s, int replicas, struct err *err)
{
	struct bus_stream_view have;

	assert(s->name && subject_count(s) > 0);
	assert(!s->republish_source == !s->republish_destination);
	if (b->ops->stream_get(b, s->name, &have, err) == 0)
		return check_stream(&have, s, replicas, err);
	if (err->kind != ERR_NOT_FOUND)
		return -1;
	if (b->ops->stream_create(b, s, replicas, err) == 0)
		return 0;
	if (err->kind != ERR_CONFLICT)
		return -1;
	/* Somebody else created it meanwhile, or its subjects belong to another stream. */
	struct err conflict = *err;
	if (b->ops->stream_get(b, s->name, &have, err) == 0)
		return check_stream(&have, s, replicas, err);
	if (err->kind == ERR_NOT_FOUND)
		*err = conflict;
	return -1;
}

static int
check_consumer(
    const struct bus_consumer_view *view, const struct bus_consumer *want, struct err *err)
{
	const struct bus_consumer *have = &view->config;
	char what[2 * BUS_NAME_BYTES + 16];
	int64_t max_deliver = want->max_deliver ? want->max_deliver : MAX_DELIVER_FOREVER;

	snprintf(what, sizeof(what), "consumer %s of %s", want->durable, want->stream);
	if (!view->explicit_ack)
		return differs_text(err, what, "ack_policy", "another", "explicit");
	if (check_text(err, what, "filter", have->filter, want->filter))
		return -1;
	if (want->ack_wait_s &&
	    check_number(err, what, "ack_wait_s", have->ack_wait_s, want->ack_wait_s))
		return -1;
	if (want->max_ack_pending && check_number(err, what, "max_ack_pending",
					 have->max_ack_pending, want->max_ack_pending))
		return -1;
	return check_number(err, what, "max_deliver",
	    have->max_deliver ? have->max_deliver : MAX_DELIVER_FOREVER, max_deliver);
}

int
bus_consumer_ensure(struct bus *b, const struct bus_consumer *c, struct err *err)
{
	struct bus_consumer_view have;

	assert(c->stream && c->durable);
	if (b->ops->consumer_get(b, c->stream, c->durable, &have, err) == 0)
		return check_consumer(&have, c, err);
	if (err->kind != ERR_NOT_FOUND)
		return -1;
	if (b->ops->consumer_create(b, c, err) == 0)
		return 0;
	if (err->kind != ERR_CONFLICT)
		return -1;
	if (b->ops->consumer_get(b, c->stream, c->durable, &have, err) == 0)
		return check_consumer(&have, c, err);
	return -1;
}

int
bus_consumer_state(struct bus *b, const char *stream, const char *durable,
    struct bus_consumer_state *ret, struct err *err)
{
	assert(stream && durable);
	return b->ops->consumer_state(b, stream, durable, ret, err);
}

int
bus_stream_state(struct bus *b, const char *name, struct bus_stream_state *ret, struct err *err)
{
	struct bus_stream_view view;

	if (b->ops->stream_get(b, name, &view, err))
		return -1;
	*ret = view.state;
	return 0;
}

int
bus_stream_message(
    struct bus *b, const char *name, uint64_t seq, struct bus_msg **ret, struct err *err)
{
	return b->ops->stream_message(b, name, seq, ret, err);
}

int
bus_stream_delete(struct bus *b, const char *name, struct err *err)
{
	return b->ops->stream_delete(b, name, err);
}

int
bus_pull_bind(
    struct bus *b, const char *stream, const char *durable, struct bus_pull **ret, struct err *err)
{
	return b->ops->pull_bind(b, stream, durable, ret, err);
}

void
bus_pull_free(struct bus_pull *p)
{
	if (p)
		p->bus->ops->pull_free(p);
}

int
bus_pull_fetch(struct bus_pull *p, unsigned max, int timeout_ms, struct bus_msg **msgs,
    size_t *ret_n, struct err *err)
{
	assert(max > 0);
	*ret_n = 0;
	return p->bus->ops->pull_fetch(p, max, timeout_ms, msgs, ret_n, err);
}

static int
acknowledge(struct bus_msg *m, const char *verb, struct err *err)
{
	struct bus_ack_subject parsed;

	if (!m->reply || !bus_ack_subject_parse(m->reply, &parsed))
		return err_set(err, ERR_INVALID, "%s was not pulled from a stream", m->subject);
	struct bus_out out = {.subject = m->reply, .data = verb, .size = strlen(verb)};
	return m->bus->ops->publish(m->bus, &out, err);
}

int
bus_msg_ack(struct bus_msg *m, struct err *err)
{
	return acknowledge(m, "+ACK", err);
}

int
bus_msg_nak(struct bus_msg *m, int64_t delay_ms, struct err *err)
{
	char verb[64];

	if (delay_ms <= 0)
		return acknowledge(m, "-NAK", err);
	snprintf(verb, sizeof(verb), "-NAK {\"delay\": %" PRId64 "}", delay_ms * 1000000);
	return acknowledge(m, verb, err);
}

int
bus_msg_term(struct bus_msg *m, struct err *err)
{
	return acknowledge(m, "+TERM", err);
}
