#include "event_stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "arena.h"
#include "bus.h"
#include "clock.h"
#include "crash.h"
#include "err.h"
#include "event_message.h"
#include "log.h"
#include "scheduler_bounds.h"
#include "store.h"
#include "streams.h"

/* Rounds publish as much as they number. */
#define WINDOWS (STORE_EVENTS_AT_ONCE / EVENTS_WINDOW + 1)
/* Somebody may have removed the last messages by hand. */
#define END_LOOK_MAX 100
/* The bus answers each publish within its own bound; twice that is nobody's doing. */
#define ANSWERS_WAIT_MS (INT64_C(2) * 3000)

struct event_stream {
	struct bus *bus;
	const char *prefix;
	int replicas;
	struct arena *arena; /* one window */
	uint64_t epoch;      /* of the leader that looked; 0: nobody */
	bool known;          /* seq and cursor are the stream's end, as far as we know */
	uint64_t seq;        /* of its last message */
	uint64_t cursor;     /* up to which it has the events; 0: from the first row on */
	int64_t looked_us;

	pthread_mutex_t lock; /* of the window in flight */
	pthread_cond_t answered;
	unsigned in_flight, stored;
	bool failed;
	struct err why; /* of the first that failed */
};

struct event_stream *
event_stream_new(struct bus *b, const char *prefix, int replicas)
{
	struct event_stream *e = calloc(1, sizeof(*e));
	pthread_condattr_t monotonic;

	if (!e)
		return NULL;
	e->bus = b;
	e->prefix = prefix;
	e->replicas = replicas;
	pthread_mutex_init(&e->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&e->answered, &monotonic);
	pthread_condattr_destroy(&monotonic);
	e->arena = arena_new(0);
	if (!e->arena) {
		event_stream_free(e);
		return NULL;
	}
	return e;
}

void
event_stream_free(struct event_stream *e)
{
	if (!e)
		return;
	arena_free(e->arena);
	pthread_cond_destroy(&e->answered);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

/* ---- where the stream ends ---- */

static void
end_set(struct event_stream *e, uint64_t seq, uint64_t cursor)
{
	e->known = true;
	e->seq = seq;
	e->cursor = cursor;
	e->looked_us = clock_mono_us(clock_system());
}

/* The number of the newest event among the last messages; 0: none of them is an event. */
static int
end_cursor(
    struct event_stream *e, const struct bus_stream_state *state, uint64_t *ret, struct err *err)
{
	uint64_t least = state->first_seq;

	if (state->last_seq - least >= END_LOOK_MAX)
		least = state->last_seq - END_LOOK_MAX + 1;
	*ret = 0;
	for (uint64_t seq = state->last_seq; seq >= least && *ret == 0; seq--) {
		CLEANUP(bus_msg_free) struct bus_msg *m = NULL;

		if (bus_stream_message(e->bus, STREAM_EVENTS, seq, &m, err) == 0)
			*ret = event_message_cursor(m);
		else if (err->kind != ERR_NOT_FOUND)
			return -1;
	}
	return 0;
}

/* Nothing in it, or nothing that we know: from the first row on. */
static int
begin_anew(struct event_stream *e, struct err *err)
{
	e->known = false;
	if (bus_stream_delete(e->bus, STREAM_EVENTS, err) != 0 && err->kind != ERR_NOT_FOUND)
		return -1;
	if (streams_ensure(e->bus, e->prefix, e->replicas, err) != 0)
		return -1;
	end_set(e, 0, 0);
	return 0;
}

static int
end_find(struct event_stream *e, struct err *err)
{
	struct bus_stream_state state;
	uint64_t cursor;

	e->known = false;
	if (bus_stream_state(e->bus, STREAM_EVENTS, &state, err) != 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		log_warn("events.stream_missing", LOG_STR("stream", STREAM_EVENTS));
		return begin_anew(e, err);
	}
	if (state.messages == 0) {
		end_set(e, state.last_seq, 0);
		return 0;
	}
	if (end_cursor(e, &state, &cursor, err) != 0)
		return -1;
	if (cursor > 0) {
		end_set(e, state.last_seq, cursor);
		return 0;
	}
	log_error("events.stream_foreign", LOG_STR("stream", STREAM_EVENTS),
	    LOG_UINT("last_seq", state.last_seq));
	return begin_anew(e, err);
}

int
event_stream_lead(struct event_stream *e, uint64_t epoch, struct err *err)
{
	if (e->epoch == epoch)
		return 0;
	if (end_find(e, err) != 0)
		return err_wrap(err, "%s", STREAM_EVENTS);
	e->epoch = epoch;
	return 0;
}

int
event_stream_check(struct event_stream *e, uint64_t newest, struct err *err)
{
	if (e->cursor <= newest)
		return 0;
	log_warn("events.stream_ahead", LOG_UINT("stream_has", e->cursor),
	    LOG_UINT("rows_have", newest));
	return begin_anew(e, err);
}

/* ---- a window ---- */

static void
answered(void *arg, const struct bus_ack *ack, const struct err *err)
{
	struct event_stream *e = arg;

	pthread_mutex_lock(&e->lock);
	if (ack && !ack->duplicate) {
		e->stored++;
	} else if (!e->failed) {
		e->failed = true;
		if (err)
			e->why = *err;
		else
			err_set(&e->why, ERR_CONFLICT, "the stream has an event already");
	}
	e->in_flight--;
	pthread_cond_signal(&e->answered);
	pthread_mutex_unlock(&e->lock);
}

/* The n-th of a window.  ERR_LIMIT: the bus takes no more for now. */
static int
event_send(
    struct event_stream *e, const struct store_event *row, uint64_t after_seq, struct err *err)
{
	struct bus_out out;
	int r;

	if (event_message_encode(row, e->prefix, after_seq, e->arena, &out, err) != 0)
		return -1;
	pthread_mutex_lock(&e->lock);
	e->in_flight++;
	pthread_mutex_unlock(&e->lock);
	r = bus_js_publish_async(e->bus, &out, answered, e, err);
	if (r == 0) {
		crash_point("scheduler.events.publishing");
		return 0;
	}
	pthread_mutex_lock(&e->lock);
	e->in_flight--;
	pthread_mutex_unlock(&e->lock);
	return r;
}

/* *ret_failed: with the reason in *err. */
static int
window_wait(struct event_stream *e, bool *ret_failed, struct err *err)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ANSWERS_WAIT_MS / 1000;
	pthread_mutex_lock(&e->lock);
	while (e->in_flight > 0 && r == 0)
		r = pthread_cond_timedwait(&e->answered, &e->lock, &until);
	if (e->in_flight > 0)
		r = err_set(err, ERR_TIMEOUT, "%u events are without an answer", e->in_flight);
	*ret_failed = e->failed;
	if (e->failed)
		*err = e->why;
	pthread_mutex_unlock(&e->lock);
	return r == 0 ? 0 : -1;
}

/* Nothing may be on its way from a window before: its answers would count for this one. */
static int
window_open(struct event_stream *e, struct err *err)
{
	bool ignored;

	if (window_wait(e, &ignored, err) != 0)
		return -1;
	e->failed = false;
	e->stored = 0;
	return 0;
}

/* *ret_sent is right also on failure: a stream that takes a publish took all before it. */
static int
window_publish(struct event_stream *e, const struct store_event *rows, size_t n, size_t *ret_sent,
    struct err *err)
{
	bool failed = false;
	size_t sent = 0;
	int r = window_open(e, err);

	*ret_sent = 0;
	for (; r == 0 && sent < n; sent++)
		r = event_send(e, &rows[sent], e->seq + sent, err);
	if (r != 0 && sent > 0)
		sent--;
	if (r != 0 && err->kind == ERR_LIMIT && sent > 0)
		r = 0; /* what it took is a window too */
	if (r != 0) {
		struct err ignored;
		bool also;

		e->known = false;
		(void)!window_wait(e, &also, &ignored);
		return -1;
	}
	if (window_wait(e, &failed, err) != 0 || failed) {
		e->known = false;
		return -1;
	}
	crash_point("scheduler.events.published");
	end_set(e, e->seq + sent, rows[sent - 1].cursor);
	*ret_sent = sent;
	return 0;
}

/* ---- filling ---- */

/* Retention was faster than the bus came back, or the stream begins anew. */
static void
say_jump(const struct event_stream *e, uint64_t first)
{
	if (e->cursor == 0)
		log_info("events.refilled", LOG_UINT("from", first));
	else if (first > e->cursor + 1)
		log_error("events.hole", LOG_UINT("after", e->cursor), LOG_UINT("before", first));
}

static int
window_fill(struct event_stream *e, struct store *s, size_t *ret_sent, struct err *err)
{
	const struct store_event_query q = {.after = e->cursor, .limit = EVENTS_WINDOW};
	struct store_event_bounds bounds;
	struct store_event *rows;
	size_t n;

	*ret_sent = 0;
	arena_reset(e->arena);
	if (store_event_list(s, &q, e->arena, &rows, &n, &bounds, err) != 0)
		return -1;
	if (n == 0) {
		/* The rows that were missing are gone: there is nothing to fill with. */
		if (bounds.newest > e->cursor)
			end_set(e, e->seq, bounds.newest);
		return 0;
	}
	say_jump(e, rows[0].cursor);
	if (window_publish(e, rows, n, ret_sent, err) != 0)
		return err_wrap(err, "%s", STREAM_EVENTS);
	return 0;
}

int
event_stream_fill(struct event_stream *e, struct store *s, uint64_t newest, size_t *ret_sent,
    uint64_t *ret_behind, struct err *err)
{
	int64_t since_us = clock_mono_us(clock_system()) - e->looked_us;
	size_t sent;

	*ret_sent = 0;
	*ret_behind = newest - e->cursor;
	if (bus_state(e->bus) != BUS_CONNECTED) {
		e->known = false;
		return 0;
	}
	if ((!e->known || since_us >= EVENTS_LOOK_MS * MS_US) && end_find(e, err) != 0)
		return err_wrap(err, "%s", STREAM_EVENTS);
	if (event_stream_check(e, newest, err) != 0)
		return -1;
	for (int i = 0; i < WINDOWS && e->cursor < newest; i++) {
		if (window_fill(e, s, &sent, err) != 0)
			return -1;
		*ret_sent += sent;
		*ret_behind = newest - (e->cursor < newest ? e->cursor : newest);
	}
	*ret_behind = e->cursor < newest ? newest - e->cursor : 0;
	return 0;
}
