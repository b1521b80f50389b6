#include "heartbeat.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "bus.h"
#include "clock.h"
#include "courier.h"
#include "dead_letter.h"
#include "err.h"
#include "heartbeat_answer.h"
#include "hub.h"
#include "hub_bounds.h"
#include "hub_metrics.h"
#include "liveness.h"
#include "log.h"
#include "mailbox.h"
#include "name.h"
#include "store.h"
#include "subjects.h"
#include "worker.h"

#include "fairlead/v1/host.pb-c.h"

#define HEARTBEAT_ARENA_BYTES_MAX (64u * 1024 * 1024)
#define HEARTBEAT_POLL_MS 1000
#define LIVENESS_BATCH 2000

struct heartbeat_service {
	struct hub *hub;
	struct bus_sub *hear, *answer;
	struct mailbox *queue; /* struct bus_msg: heartbeats that this hub answers */
	struct worker *answerer, *flusher;
};

/* A heartbeat as it is in memory: the message's own strings are gone by then. */
struct question {
	const char *host_id;
	Fairlead__V1__Heartbeat *beat;
};

static int
heartbeat_decode(const struct hub *h, const struct bus_msg *m, struct arena *a,
    struct question *ret, struct err *err)
{
	struct subject_match match;
	ProtobufCMessage *body;

	if (subject_parse(h->settings.prefix, bus_msg_subject(m), &match, err) != 0 ||
	    name_check(match.tokens[0], "host", err) != 0)
		return -1;
	if (bus_msg_size(m) > subject_row(SUBJECT_HB)->max_bytes)
		return err_set(err, ERR_LIMIT, "a heartbeat of %zu bytes, at most %zu",
		    bus_msg_size(m), (size_t)subject_row(SUBJECT_HB)->max_bytes);
	if (courier_decode(m, &fairlead__v1__heartbeat__descriptor, a, &body, err) != 0)
		return -1;
	ret->beat = (Fairlead__V1__Heartbeat *)body;
	ret->host_id = arena_strdup(a, match.tokens[0]);
	if (!ret->host_id)
		return err_set(err, ERR_LIMIT, "no room for a heartbeat");
	if (strcmp(ret->beat->host_id, ret->host_id) != 0)
		return err_field(err, ERR_DENIED, "host_id",
		    "the body names host %.64s, the subject %s", ret->beat->host_id, ret->host_id);
	return 0;
}

static struct digest
digest_of(const Fairlead__V1__Heartbeat *m)
{
	return m->digest ? (struct digest){m->digest->count, m->digest->sum}
			 : (struct digest){0, 0};
}

static struct id
nonce_of(const Fairlead__V1__Heartbeat *m)
{
	struct err ignored;
	struct id id = {{0}};

	if (wire_id(&m->nonce_id, "nonce_id", &id, &ignored) != 0)
		return (struct id){{0}};
	return id;
}

/* Plain subscription, on a bus thread: only memory. */
static void
heard(void *arg, const struct bus_msg *m)
{
	struct heartbeat_service *s = arg;
	struct arena *a = arena_new(64u * 1024);
	struct err err = {0};
	struct question q;

	if (!a)
		return;
	if (heartbeat_decode(s->hub, m, a, &q, &err) == 0) {
		const struct liveness_beat beat = {.host_id = q.host_id,
		    .server = q.beat->server,
		    .server_id = q.beat->server_id,
		    .client_id = q.beat->client_id,
		    .epoch = q.beat->epoch,
		    .digest = digest_of(q.beat),
		    .nonce_id = nonce_of(q.beat),
		    .contiguous_seq = q.beat->contiguous_seq,
		    .rtt_us = q.beat->rtt_us,
		    .real_us = clock_real_us(clock_system()),
		    .mono_us = clock_mono_us(clock_system())};

		if (beat.epoch > 0) /* before a hello there is no host that could live (A5) */
			liveness_heard(s->hub->liveness, &beat);
		hub_metrics_heartbeat(s->hub->metrics);
	} else {
		hub_metrics_refused(s->hub->metrics, "heartbeat");
		log_debug(
		    "heartbeat.refused", LOG_STR("subject", bus_msg_subject(m)), LOG_ERR(&err));
	}
	arena_free(a);
}

static void
drop_msg(void *item)
{
	bus_msg_free(item);
}

/* Queue subscription, on a bus thread. */
static void
to_answer(void *arg, const struct bus_msg *m)
{
	struct heartbeat_service *s = arg;
	struct bus_msg *copy = bus_msg_copy(m);
	struct err err = {0};

	if (copy && mailbox_put(s->queue, copy, &err) == 0)
		return;
	bus_msg_free(copy);
	hub_metrics_queue_full(s->hub->metrics, HUB_QUEUE_HEARTBEATS);
}

static void
answer_one(struct heartbeat_service *s, const struct question *q,
    const struct store_host_head *head, int64_t now_us, struct arena *a)
{
	Fairlead__V1__HeartbeatAnswer answer;
	Fairlead__V1__Signature unsigned_yet;
	char subject[SUBJECT_BYTES];
	struct courier_message m = {.host = q->host_id, .message = &answer.base};
	struct err err = {0};

	if (!heartbeat_answer_of(q->beat, head, now_us, &answer, &unsigned_yet))
		hub_metrics_stale_epoch(s->hub->metrics);
	m.encoding = head && head->encoding && strcmp(head->encoding, "json") == 0 ? WIRE_JSON
										   : WIRE_PROTOBUF;
	m.subject = subject_build(subject, s->hub->settings.prefix, SUBJECT_LIVE, q->host_id);
	if (courier_publish(s->hub->bus, &m, a, &err) != 0)
		log_debug("heartbeat.answer_failed", LOG_STR("host", q->host_id), LOG_ERR(&err));
}

static int
question_order(const void *a, const void *b)
{
	return strcmp(((const struct question *)a)->host_id, ((const struct question *)b)->host_id);
}

static int
head_order(const void *key, const void *element)
{
	return strcmp(key, ((const struct store_host_head *)element)->host_id);
}

static int
head_sort(const void *a, const void *b)
{
	return head_order(((const struct store_host_head *)a)->host_id, b);
}

/* Postgres away: no answer; hosts go on and ask again with their next heartbeat. */
static void
answer_batch(struct heartbeat_service *s, struct store *store, struct arena *a, struct question *qs,
    size_t n)
{
	const char **ids = arena_calloc(a, n, sizeof(*ids));
	struct store_host_head *heads;
	struct err err = {0};
	int64_t now_us;
	size_t head_count, unique = 0;

	if (!ids)
		return;
	qsort(qs, n, sizeof(*qs), question_order);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(qs[i].host_id, qs[i - 1].host_id) != 0)
			ids[unique++] = qs[i].host_id;
	}
	if (store_host_heads(store, ids, unique, a, &heads, &head_count, &now_us, &err) != 0) {
		log_debug("heartbeat.store_failed", LOG_ERR(&err));
		return;
	}
	if (head_count > 0)
		qsort(heads, head_count, sizeof(*heads), head_sort);
	for (size_t i = 0; i < n; i++) {
		const struct store_host_head *head =
		    head_count == 0
			? NULL
			: bsearch(qs[i].host_id, heads, head_count, sizeof(*heads), head_order);

		answer_one(s, &qs[i], head, now_us, a);
	}
}

static size_t
take_batch(struct heartbeat_service *s, struct bus_msg *first, struct arena *a, struct question *qs)
{
	struct err err = {0};
	size_t n = 0;

	for (struct bus_msg *m = first; m;
	    m = n < HEARTBEAT_BATCH_MAX ? mailbox_get(s->queue) : NULL) {
		if (heartbeat_decode(s->hub, m, a, &qs[n], &err) == 0)
			n++;
		else
			dead_letter_say(s->hub, m, &err);
		bus_msg_free(m);
	}
	return n;
}

static void
answerer(struct worker *w, void *arg)
{
	struct heartbeat_service *s = arg;
	struct arena *a = arena_new(HEARTBEAT_ARENA_BYTES_MAX);
	struct store *store = NULL;
	struct err err = {0};

	if (!a || hub_store_new(s->hub, "heartbeat", &store, &err) != 0) {
		log_error("heartbeat.worker_failed", LOG_ERR(&err));
		arena_free(a);
		return;
	}
	while (!worker_stopping(w)) {
		struct bus_msg *first = mailbox_get_wait(s->queue, HEARTBEAT_POLL_MS);
		struct question *qs;
		size_t n;

		if (!first)
			continue;
		qs = arena_calloc(a, HEARTBEAT_BATCH_MAX + 1, sizeof(*qs));
		n = qs ? take_batch(s, first, a, qs) : 0;
		if (n > 0)
			answer_batch(s, store, a, qs, n);
		arena_reset(a);
	}
	store_free(store);
	arena_free(a);
}

static void
flush(struct heartbeat_service *s, struct store *store, struct arena *a)
{
	struct store_beat *beats;
	struct err err = {0};
	size_t n;

	do {
		arena_reset(a);
		beats = arena_calloc(a, LIVENESS_BATCH, sizeof(*beats));
		n = beats ? liveness_take(s->hub->liveness, a, beats, LIVENESS_BATCH) : 0;
		if (n > 0 && store_host_liveness(store, beats, n, &err) != 0) {
			log_debug("liveness.flush_failed", LOG_ERR(&err));
			return; /* the others with the next flush */
		}
	} while (n == LIVENESS_BATCH);
}

static void
flusher(struct worker *w, void *arg)
{
	struct heartbeat_service *s = arg;
	struct arena *a = arena_new(HEARTBEAT_ARENA_BYTES_MAX);
	struct store *store = NULL;
	struct err err = {0};

	if (!a || hub_store_new(s->hub, "liveness", &store, &err) != 0)
		log_error("liveness.worker_failed", LOG_ERR(&err));
	else
		while (worker_wait(w, (int)s->hub->settings.liveness_flush_ms))
			flush(s, store, a);
	store_free(store);
	arena_free(a);
}

int
heartbeat_start(struct hub *h, struct heartbeat_service **ret, struct err *err)
{
	struct heartbeat_service *s = calloc(1, sizeof(*s));
	char subject[SUBJECT_BYTES];

	if (!s)
		return err_set(err, ERR_INTERNAL, "no memory for heartbeats");
	s->hub = h;
	s->queue = mailbox_new(HEARTBEAT_QUEUE_MAX, drop_msg);
	if (!s->queue) {
		heartbeat_stop(s);
		return err_set(err, ERR_INTERNAL, "no memory for heartbeats");
	}
	subject_build(subject, h->settings.prefix, SUBJECT_HB, "*");
	s->answerer = worker_start("heartbeat", answerer, s, err);
	s->flusher = s->answerer ? worker_start("liveness", flusher, s, err) : NULL;
	if (!s->flusher ||
	    bus_subscribe(h->bus, subject, NULL, HEARTBEAT_QUEUE_MAX, heard, s, &s->hear, err) !=
		0 ||
	    bus_subscribe(h->bus, subject, "fl-heartbeat", HEARTBEAT_QUEUE_MAX, to_answer, s,
		&s->answer, err) != 0) {
		heartbeat_stop(s);
		return -1;
	}
	*ret = s;
	return 0;
}

uint64_t
heartbeat_dropped(const struct heartbeat_service *s)
{
	return bus_sub_dropped(s->hear);
}

uint64_t
heartbeat_questions_dropped(const struct heartbeat_service *s)
{
	return bus_sub_dropped(s->answer);
}

void
heartbeat_close(struct heartbeat_service *s)
{
	if (!s)
		return;
	/* Before nobody answers: questions go to another hub. */
	bus_unsubscribe(TAKE(s->answer));
	if (s->answerer)
		worker_stop(s->answerer);
	if (s->flusher)
		worker_stop(s->flusher);
}

void
heartbeat_stop(struct heartbeat_service *s)
{
	if (!s)
		return;
	bus_unsubscribe(s->hear);
	if (s->queue)
		mailbox_close(s->queue);
	heartbeat_close(s);
	worker_free(s->answerer);
	worker_free(s->flusher);
	mailbox_free(s->queue);
	free(s);
}
