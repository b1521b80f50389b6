#include "publisher.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "backoff.h"
#include "bus.h"
#include "clock.h"
#include "crash.h"
#include "err.h"
#include "flight.h"
#include "leases.h"
#include "log.h"
#include "scheduler.h"
#include "scheduler_bounds.h"
#include "scheduler_metrics.h"
#include "store.h"
#include "streams.h"
#include "worker.h"

#define WINDOW_FULL_US (5 * MS_US)
#define SENT_BATCH 1024
#define IDLE_MS 1000
#define ENSURE_EVERY_US SECOND_US

struct publisher {
	struct scheduler *scheduler;
	struct worker *worker;
	struct store *store;
	pthread_mutex_t lock;
	struct flight *flights; /* by message id */
	struct flight *due;     /* waiting for their next try */
	struct flight *acked;   /* to be marked in the outbox */
	size_t acked_count;
	bool streams_missing;
	int64_t ensured_us;
};

/* ---- flights, under the lock ---- */

static void
flight_drop(struct publisher *p, struct flight *f)
{
	HASH_DEL(p->flights, f);
	flight_free(f);
}

static void
flight_retry(struct publisher *p, struct flight *f, int64_t after_us)
{
	f->due_us = clock_mono_us(clock_system()) + after_us;
	f->next = p->due;
	p->due = f;
}

/* ---- acknowledgements, on a bus thread ---- */

static void
refused(struct publisher *p, struct flight *f, const struct err *err)
{
	struct id random = id_new();
	uint64_t bits;
	int64_t now_us = clock_mono_us(clock_system());

	memcpy(&bits, random.bytes + sizeof(random) - sizeof(bits), sizeof(bits));
	log_debug("publish.failed", LOG_ID("message", &f->message_id),
	    LOG_STR("subject", f->out.subject), LOG_ERR(err));
	metric_add(p->scheduler->metrics->retries, 1);
	f->failed = true;
	if (err->kind == ERR_UNAVAILABLE || err->kind == ERR_NOT_FOUND)
		p->streams_missing = true;
	flight_retry(p, f, backoff_next_us(&f->backoff, now_us, bits));
}

static void
acknowledged(struct scheduler_metrics *m, const struct flight *f, const struct bus_ack *ack)
{
	metric_add(m->messages, 1);
	metric_add(m->duplicates, ack->duplicate);
	/* Published before: by whoever sent it first, or by a publisher that did not mark it. After
	 * a failed try of this flight a duplicate is its own. */
	if (f->resend || (ack->duplicate && !f->failed))
		return;
	metric_add(m->published, f->commands);
	metric_observe_us(m->published_seconds, clock_mono_us(clock_system()) - f->begun_us);
}

static void
answered(void *arg, const struct bus_ack *ack, const struct err *err)
{
	struct flight *f = arg;
	struct publisher *p = f->publisher;

	pthread_mutex_lock(&p->lock);
	if (ack) {
		acknowledged(p->scheduler->metrics, f, ack);
		f->next = p->acked;
		p->acked = f;
		p->acked_count++;
	} else {
		refused(p, f, err);
	}
	pthread_mutex_unlock(&p->lock);
	worker_wake(p->worker);
}

/* ---- sending ---- */

static void
flight_publish(struct publisher *p, struct flight *f)
{
	struct err err = {0};

	crash_point("scheduler.publish.before");
	if (bus_js_publish_async(p->scheduler->bus, &f->out, answered, f, &err) == 0) {
		crash_point("scheduler.publish.after");
		return;
	}
	pthread_mutex_lock(&p->lock);
	if (err.kind == ERR_LIMIT) {
		metric_add(p->scheduler->metrics->queues[SCHEDULER_QUEUE_PUBLISH_WINDOW], 1);
		flight_retry(p, f, WINDOW_FULL_US);
	} else {
		refused(p, f, &err);
	}
	pthread_mutex_unlock(&p->lock);
	worker_wake(p->worker);
}

/* Under the lock. */
static struct flight *
flight_find(struct publisher *p, const struct id *message_id)
{
	struct flight *f;

	HASH_FIND(hh, p->flights, message_id, sizeof(*message_id), f);
	return f;
}

static bool
flight_welcome(struct publisher *p, const struct id *message_id)
{
	bool welcome;

	pthread_mutex_lock(&p->lock);
	welcome = !flight_find(p, message_id);
	if (welcome && HASH_COUNT(p->flights) >= PUBLISHER_FLIGHTS_MAX) {
		metric_add(p->scheduler->metrics->queues[SCHEDULER_QUEUE_FLIGHTS], 1);
		welcome = false;
	}
	pthread_mutex_unlock(&p->lock);
	return welcome;
}

/* NULL: in flight already, no room, or it cannot be said. */
static struct flight *
flight_open(struct publisher *p, const struct store_message *m)
{
	struct flight *f;
	struct err err = {0};

	if (!flight_welcome(p, &m->message_id))
		return NULL;
	if (flight_new(m, p->scheduler->settings.prefix,
		leases_database_now_us(p->scheduler->leases), &f, &err) != 0) {
		log_error("publish.not_encoded", LOG_ID("message", &m->message_id),
		    LOG_STR("host", m->host_id), LOG_ERR(&err));
		return NULL;
	}
	f->publisher = p;
	backoff_init(&f->backoff, PUBLISH_AGAIN_FIRST_MS * MS_US, PUBLISH_AGAIN_MAX_MS * MS_US,
	    60 * SECOND_US);
	pthread_mutex_lock(&p->lock);
	if (flight_find(p, &f->message_id)) { /* another thread was faster */
		flight_free(f);
		f = NULL;
	} else {
		HASH_ADD(hh, p->flights, message_id, sizeof(f->message_id), f);
		metric_set(p->scheduler->metrics->in_flight, (int64_t)HASH_COUNT(p->flights));
	}
	pthread_mutex_unlock(&p->lock);
	return f;
}

void
publisher_send(struct publisher *p, const struct store_message *messages, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct flight *f = flight_open(p, &messages[i]);

		if (!f)
			continue;
		if (messages[i].resend)
			metric_add(p->scheduler->metrics->resent, 1);
		flight_publish(p, f);
	}
}

size_t
publisher_in_flight(struct publisher *p)
{
	size_t n;

	pthread_mutex_lock(&p->lock);
	n = HASH_COUNT(p->flights);
	pthread_mutex_unlock(&p->lock);
	return n;
}

/* ---- the worker ---- */

/* Takes the list of those whose time has come.  *ret_wait_ms: until the next one. */
static struct flight *
due_take(struct publisher *p, int *ret_wait_ms)
{
	int64_t now_us = clock_mono_us(clock_system()), next_us = now_us + IDLE_MS * MS_US;
	struct flight *taken = NULL, *kept = NULL, *f;

	pthread_mutex_lock(&p->lock);
	while ((f = p->due) != NULL) {
		p->due = f->next;
		if (f->due_us <= now_us) {
			f->next = taken;
			taken = f;
			continue;
		}
		next_us = f->due_us < next_us ? f->due_us : next_us;
		f->next = kept;
		kept = f;
	}
	p->due = kept;
	pthread_mutex_unlock(&p->lock);
	*ret_wait_ms = (int)((next_us - now_us + MS_US - 1) / MS_US);
	return taken;
}

static void
due_send(struct publisher *p, int *ret_wait_ms)
{
	struct flight *f = due_take(p, ret_wait_ms), *next;

	for (; f; f = next) {
		next = f->next;
		flight_publish(p, f);
	}
}

/* Up to SENT_BATCH acknowledged flights, unlinked from the list but still known. */
static size_t
acked_take(struct publisher *p, struct flight **flights)
{
	size_t n = 0;

	pthread_mutex_lock(&p->lock);
	while (p->acked && n < SENT_BATCH) {
		flights[n++] = p->acked;
		p->acked = p->acked->next;
	}
	p->acked_count -= n;
	pthread_mutex_unlock(&p->lock);
	return n;
}

/* The mark may be lost (Postgres away): then the sweep publishes a duplicate, which is harmless. */
static bool
acked_mark(struct publisher *p)
{
	struct flight *flights[SENT_BATCH];
	struct id ids[SENT_BATCH];
	struct err err = {0};
	size_t n = acked_take(p, flights);

	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		ids[i] = flights[i]->message_id;
	crash_point("scheduler.sent.before_commit");
	if (store_outbox_sent(p->store, ids, n, &err) != 0) {
		metric_add(metric_of(p->scheduler->metrics->errors, "publisher"), 1);
		log_warn("publish.not_marked", LOG_UINT("messages", n), LOG_ERR(&err));
	}
	crash_point("scheduler.sent.after_commit");
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < n; i++)
		flight_drop(p, flights[i]);
	metric_set(p->scheduler->metrics->in_flight, (int64_t)HASH_COUNT(p->flights));
	pthread_mutex_unlock(&p->lock);
	return true;
}

/* "No responders" is what a missing stream looks like (K12). */
static void
streams_look(struct publisher *p)
{
	int64_t now_us = clock_mono_us(clock_system());
	struct err err = {0};
	bool missing;

	pthread_mutex_lock(&p->lock);
	missing = p->streams_missing && now_us - p->ensured_us >= ENSURE_EVERY_US;
	if (missing)
		p->streams_missing = false;
	pthread_mutex_unlock(&p->lock);
	if (!missing || bus_state(p->scheduler->bus) != BUS_CONNECTED)
		return;
	p->ensured_us = now_us;
	if (streams_ensure(p->scheduler->bus, p->scheduler->settings.prefix,
		p->scheduler->settings.replicas, &err) != 0)
		log_warn("streams.ensure_failed", LOG_ERR(&err));
}

static void
run(struct worker *w, void *arg)
{
	struct publisher *p = arg;
	int wait_ms = IDLE_MS;

	do {
		streams_look(p);
		due_send(p, &wait_ms);
		while (acked_mark(p))
			;
	} while (worker_wait(w, wait_ms));
	while (acked_mark(p))
		;
}

static void
outlet_send(void *arg, const struct store_message *messages, size_t n)
{
	publisher_send(arg, messages, n);
}

int
publisher_start(struct scheduler *s, struct publisher **ret, struct err *err)
{
	struct publisher *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(err, ERR_INTERNAL, "no memory for the publisher");
	p->scheduler = s;
	pthread_mutex_init(&p->lock, NULL);
	if (scheduler_store_new(s, "publisher", &p->store, err) != 0) {
		publisher_free(p);
		return -1;
	}
	p->worker = worker_start("publisher", run, p, err);
	if (!p->worker) {
		publisher_free(p);
		return -1;
	}
	s->outlet = (struct scheduler_outlet){outlet_send, p};
	*ret = p;
	return 0;
}

void
publisher_drain(struct publisher *p, int timeout_ms)
{
	int64_t until = clock_mono_us(clock_system()) + timeout_ms * MS_US;

	while (publisher_in_flight(p) > 0 && clock_mono_us(clock_system()) < until) {
		worker_wake(p->worker);
		if (worker_join(p->worker, 10))
			break;
	}
}

void
publisher_stop(struct publisher *p)
{
	if (!p)
		return;
	worker_stop(p->worker);
	/* Each round is bounded by the store's timeout. */
	worker_join(p->worker, 20000);
}

void
publisher_free(struct publisher *p)
{
	struct flight *f, *next;

	if (!p)
		return;
	worker_free(p->worker);
	HASH_ITER(hh, p->flights, f, next)
	{
		flight_drop(p, f);
	}
	store_free(p->store);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
