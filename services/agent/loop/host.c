#include "host_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "courier.h"
#include "crash.h"
#include "err.h"
#include "headers.h"
#include "log.h"

#define TIMER_ACCURACY_US 2000u
#define STEPS_MAX 16

int
host_shared_init(
    struct host_shared *s, struct sd_event *loop, const struct clock *clock, struct err *err)
{
	memset(s, 0, sizeof(*s));
	s->loop = loop;
	s->clock = clock;
	s->arena = arena_new(0);
	if (!s->arena || effects_init(&s->effects) < 0) {
		arena_free(s->arena);
		return err_set(err, ERR_LIMIT, "host: no memory");
	}
	return 0;
}

void
host_shared_done(struct host_shared *s)
{
	effects_done(&s->effects);
	arena_free(s->arena);
	s->arena = NULL;
}

/* ---- what the next step will read ---- */

static void *
grown(void *rows, size_t *capacity, size_t size)
{
	size_t wanted = *capacity ? *capacity * 2 : 16;
	void *more = reallocarray(rows, wanted, size);

	if (!more)
		abort(); /* an event that is forgotten is worse than a restart that adopts */
	*capacity = wanted;
	return more;
}

struct agent_event *
host_event(struct host *h, enum agent_event_type type)
{
	struct agent_event *event;

	if (h->event_count == h->event_capacity)
		h->events = grown(h->events, &h->event_capacity, sizeof(*h->events));
	event = &h->events[h->event_count++];
	memset(event, 0, sizeof(*event));
	event->type = type;
	return event;
}

void
host_driver_word(struct host *h, const struct driver_event *event, bool start_failed)
{
	struct driver_word *word;

	if (h->word_count == h->word_capacity)
		h->words = grown(h->words, &h->word_capacity, sizeof(*h->words));
	word = &h->words[h->word_count++];
	word->event = *event;
	word->start_failed = start_failed;
	snprintf(word->reason, sizeof(word->reason), "%s", event->reason ? event->reason : "");
	snprintf(word->detail, sizeof(word->detail), "%s", event->detail ? event->detail : "");
	if (h->wake)
		(void)sd_event_source_set_enabled(h->wake, SD_EVENT_ONESHOT);
}

/* The words that are being read stay where they are while drivers say new ones. */
static void
words_to_events(struct host *h)
{
	struct driver_word *words = h->words;
	size_t n = h->word_count, capacity = h->word_capacity;

	h->words = h->words_spare;
	h->word_capacity = h->spare_capacity;
	h->words_spare = words;
	h->spare_capacity = capacity;
	h->word_count = 0;
	for (size_t i = 0; i < n; i++) {
		struct agent_event *event;

		words[i].event.reason = words[i].reason;
		words[i].event.detail = words[i].detail;
		if (words[i].start_failed) {
			event = host_event(h, AGENT_START_FAILED);
			event->u.start_failed.executor_id = words[i].event.executor_id;
			event->u.start_failed.reason = words[i].reason;
			event->u.start_failed.detail = words[i].detail;
		} else {
			event = host_event(h, AGENT_DRIVER_EVENT);
			event->u.driver = &words[i].event;
		}
	}
}

/* ---- one turn ---- */

static void
arm_timer(struct host *h)
{
	int64_t at = h->exited ? INT64_MAX : agent_deadline(h->agent);

	if (at == h->timer_us)
		return;
	h->timer_us = at;
	if (at == INT64_MAX) {
		(void)sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
		return;
	}
	(void)sd_event_source_set_time(h->timer, at > 0 ? (uint64_t)at : 1);
	(void)sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}

static void
one_step(struct host *h)
{
	struct host_shared *s = h->shared;

	words_to_events(h);
	agent_step(h->agent, h->events, h->event_count, &s->effects);
	h->event_count = 0;
	carry_out(h, &s->effects);
	effects_reset(&s->effects);
}

/* Until nothing is left to say: carrying out effects may fail at once, which is an event too. */
static void
run(struct host *h)
{
	if (h->exited)
		return;
	for (int i = 0; i < STEPS_MAX; i++) {
		one_step(h);
		if ((h->event_count == 0 && h->word_count == 0) || h->exited)
			break;
	}
	arena_reset(h->shared->arena);
	if (!h->accepted && agent_answered(h->agent)) {
		h->accepted = true;
		if (h->options.on_accepted)
			h->options.on_accepted(h->options.arg);
	}
	arm_timer(h);
}

static int
on_timer(struct sd_event_source *source, uint64_t usec, void *arg)
{
	struct host *h = arg;
	int64_t late = clock_mono_us(h->shared->clock) - (int64_t)usec;

	(void)source;
	if (late > h->lag_us)
		h->lag_us = late;
	h->timer_us = INT64_MAX;
	host_event(h, AGENT_TICK);
	run(h);
	return 0;
}

static int
on_wake(struct sd_event_source *source, void *arg)
{
	(void)source;
	run(arg);
	return 0;
}

static void
on_driver_event(void *arg, const struct driver_event *event)
{
	host_driver_word(arg, event, false);
}

/* ---- what arrives ---- */

static ProtobufCMessage *
decode(struct host *h, const struct bus_msg *m, const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *message = NULL;
	struct err err;

	if (courier_decode(m, d, h->shared->arena, &message, &err) == 0)
		return message;
	if (!h->shared->quiet)
		log_warn("message.refused", LOG_STR("subject", bus_msg_subject(m)), LOG_ERR(&err));
	return NULL;
}

/* Heartbeat answers are core messages without a stream sequence; Fl-Kind says it too. */
static bool
is_heartbeat_answer(const struct bus_msg *m)
{
	const char *kind = bus_msg_header(m, HEADER_KIND);

	return kind ? strncmp(kind, "heartbeat", strlen("heartbeat")) == 0
		    : bus_msg_stream_seq(m) == 0;
}

static void
take_live(struct host *h, const struct bus_msg *m)
{
	ProtobufCMessage *message;
	struct agent_event *event;

	if (is_heartbeat_answer(m)) {
		message = decode(h, m, &fairlead__v1__heartbeat_answer__descriptor);
		if (message)
			host_event(h, AGENT_HEARTBEAT_ANSWER)->u.heartbeat_answer =
			    (const Fairlead__V1__HeartbeatAnswer *)message;
		return;
	}
	message = decode(h, m, &fairlead__v1__command__descriptor);
	if (!message)
		return;
	event = host_event(h, AGENT_COMMAND);
	event->u.command.message = (const Fairlead__V1__Command *)message;
	event->u.command.stream_seq = bus_msg_stream_seq(m);
	event->u.command.last_seq = bus_msg_last_seq(m);
}

/* An empty answer is the server's "no responders": the agent asks again by itself. */
static void
take_answer(struct host *h, const struct link_item *item)
{
	const char *refused = bus_msg_header(item->msg, "Nats-Service-Error");
	ProtobufCMessage *message;

	if (refused && !h->shared->quiet)
		log_warn("request.refused", LOG_STR("verb", item->verb), LOG_STR("why", refused));
	if (refused || bus_msg_size(item->msg) == 0)
		return;
	if (strcmp(item->verb, "hello") == 0) {
		message = decode(h, item->msg, &fairlead__v1__hello_answer__descriptor);
		if (message)
			host_event(h, AGENT_HELLO_ANSWER)->u.hello_answer =
			    (const Fairlead__V1__HelloAnswer *)message;
	} else {
		message = decode(h, item->msg, &fairlead__v1__sync_answer__descriptor);
		if (message)
			host_event(h, AGENT_SYNC_ANSWER)->u.sync_answer =
			    (const Fairlead__V1__SyncAnswer *)message;
	}
}

static void
take_item(struct host *h, const struct link_item *item)
{
	struct agent_event *event;

	switch (item->type) {
	case LINK_CONNECTED:
		host_event(h, AGENT_CONNECTED);
		break;
	case LINK_DISCONNECTED:
		host_event(h, AGENT_DISCONNECTED);
		break;
	case LINK_OVERFLOW:
		host_event(h, AGENT_OVERFLOW);
		break;
	case LINK_LIVE:
		take_live(h, item->msg);
		break;
	case LINK_ANSWER:
		take_answer(h, item);
		break;
	case LINK_CTL:
		log_tail_answer(h, item->msg);
		break;
	case LINK_ACK:
		event = host_event(h, AGENT_REPORT_ACK);
		event->u.report_ack.counter = item->counter;
		event->u.report_ack.stored = item->stored;
		break;
	}
}

void
host_deliver(struct host *h, const struct link_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		take_item(h, &items[i]);
	if (h->started)
		run(h);
}

void
host_stop(struct host *h)
{
	host_event(h, AGENT_STOP);
	run(h);
}

/* ---- life ---- */

static int
open_drivers(struct host *h, struct err *err)
{
	struct driver_host driver_host = {
	    .loop = h->shared->loop,
	    .boot_id = h->options.agent.boot_id,
	    .shim_path = h->options.shim_path,
	    .cgroup_mode = h->options.cgroup_mode,
	    .clock = h->shared->clock,
	    .on_event = on_driver_event,
	    .arg = h,
	};

	if (drivers_open(&h->drivers, h->options.drivers, &driver_host, h->options.state_dir, err) <
	    0)
		return -1;
	h->options.agent.drivers = h->drivers.infos;
	h->options.agent.driver_count = h->drivers.count;
	return 0;
}

static int
add_sources(struct host *h, struct err *err)
{
	struct sd_event *loop = h->shared->loop;

	if (sd_event_add_time(
		loop, &h->timer, CLOCK_BOOTTIME, UINT64_MAX, TIMER_ACCURACY_US, on_timer, h) < 0 ||
	    sd_event_source_set_enabled(h->timer, SD_EVENT_OFF) < 0 ||
	    sd_event_add_defer(loop, &h->wake, on_wake, h) < 0 ||
	    sd_event_source_set_enabled(h->wake, SD_EVENT_OFF) < 0)
		return err_set(err, ERR_INTERNAL, "host: cannot add to the event loop");
	h->timer_us = INT64_MAX;
	return 0;
}

int
host_new(const struct host_options *options, struct host **ret, struct err *err)
{
	CLEANUP(host_free) struct host *h = calloc(1, sizeof(*h));

	if (!h)
		return err_set(err, ERR_LIMIT, "host: no memory");
	h->options = *options;
	h->shared = options->shared;
	if (add_sources(h, err) < 0 || open_drivers(h, err) < 0 ||
	    agent_new(&h->options.agent, options->records, h->shared->clock, &h->agent, err) < 0 ||
	    link_add_host(options->link, options->agent.host_id, &h->index, err) < 0)
		return -1;
	*ret = TAKE(h);
	return 0;
}

void
host_free(struct host *h)
{
	if (!h)
		return;
	drivers_close(&h->drivers);
	agent_free(h->agent);
	sd_event_source_disable_unref(h->timer);
	sd_event_source_disable_unref(h->wake);
	free(h->events);
	free(h->words);
	free(h->words_spare);
	free(h);
}

/* ---- adoption ---- */

static void
on_found(void *arg, const char *driver, const struct driver_found *found)
{
	struct host *h = arg;
	struct driver_found *rows = reallocarray(h->found, h->found_count + 1, sizeof(*rows));
	const char **drivers = reallocarray(h->found_drivers, h->found_count + 1, sizeof(*drivers));
	struct driver_event *ended;

	if (!rows || !drivers)
		abort(); /* to forget an executor that runs would be to start it twice */
	h->found = rows;
	h->found_drivers = drivers;
	rows[h->found_count] = *found;
	drivers[h->found_count] = driver;
	ended = &rows[h->found_count++].ended;
	ended->reason =
	    arena_strdup(h->shared->arena, found->ended.reason ? found->ended.reason : "");
	ended->detail =
	    arena_strdup(h->shared->arena, found->ended.detail ? found->ended.detail : "");
}

int
host_start(struct host *h, struct err *err)
{
	int result = drivers_adopt(&h->drivers, on_found, h, err);

	if (result == 0) {
		for (size_t i = 0; i < h->found_count; i++) {
			struct agent_event *event = host_event(h, AGENT_FOUND);

			event->u.adoption.found = &h->found[i];
			event->u.adoption.driver = h->found_drivers[i];
		}
		host_event(h, AGENT_START);
		h->started = true;
		run(h);
	}
	free(h->found);
	free(h->found_drivers);
	h->found = NULL;
	h->found_drivers = NULL;
	return result;
}

const struct agent *
host_agent(const struct host *h)
{
	return h->agent;
}

const struct agent_driver *
host_drivers(const struct host *h, size_t *ret_count)
{
	*ret_count = h->drivers.count;
	return h->drivers.infos;
}

int64_t
host_lag_us(const struct host *h)
{
	return h->lag_us;
}
