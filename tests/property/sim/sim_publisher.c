/* sim_publisher: committed messages to the stream: the same Msg-Id again until it acknowledges,
 * then the outbox is told.  A leader may be paused before, or die between. */
#include <stdlib.h>

#include "err.h"
#include "flight.h"
#include "sim.h"

#define AGAIN_FIRST_US (50 * MS_US)
#define AGAIN_MAX_US (2 * SECOND_US)

struct sim_flight {
	struct sim_flight *next;
	struct flight *flight;
	uint64_t number; /* of its life */
	size_t host;
	unsigned tries;
};

static struct sim_flight **
flight_at(struct sim_scheduler *s, uint64_t number)
{
	struct sim_flight **at = &s->flights;

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

static void
flight_drop(struct sim_flight **at)
{
	struct sim_flight *f = *at;

	*at = f->next;
	flight_free(f->flight);
	free(f);
}

void
publisher_drop(struct sim_scheduler *s)
{
	while (s->flights)
		flight_drop(&s->flights);
}

static void
sent(struct world *w, struct sim_event *e)
{
	struct sim_scheduler *s = e->who;
	struct sim_flight **at = flight_at(s, e->number);
	struct err err = {0};

	if (!*at)
		return;
	if (store_outbox_sent(s->store, &(*at)->flight->message_id, 1, &err) != 0)
		sim_store_failed(w, "outbox", &err); /* the sweep publishes it again */
	flight_drop(at);
}

static void
publish(struct world *w, struct sim_event *e)
{
	struct sim_scheduler *s = e->who;
	struct sim_flight *f = *flight_at(s, e->number);
	int64_t again_us;

	if (!f)
		return;
	if (!world_fault(w, 100)) {
		stream_command(w, &f->flight->out, f->host);
		if (!world_fault(w, 100))
			world_at(w,
			    world_between(w, 200, world_fault(w, 100) ? 3 * SECOND_US : 5000), sent,
			    s, e->number);
	}
	again_us = AGAIN_FIRST_US << (f->tries < 6 ? f->tries : 6);
	f->tries++;
	world_at(w, again_us < AGAIN_MAX_US ? again_us : AGAIN_MAX_US, publish, s, e->number);
}

static size_t
host_named(const struct world *w, const char *id)
{
	for (size_t i = 0; i < w->host_count; i++) {
		if (strcmp(w->hosts[i].id, id) == 0)
			return i;
	}
	abort();
}

static bool
in_flight(const struct sim_scheduler *s, const struct id *message_id)
{
	for (const struct sim_flight *f = s->flights; f; f = f->next) {
		if (id_equal(&f->flight->message_id, message_id))
			return true;
	}
	return false;
}

static void
open_flight(struct sim_scheduler *s, const struct store_message *m)
{
	struct world *w = s->world;
	struct sim_flight *f = calloc(1, sizeof(*f));
	struct err err = {0};

	if (!f)
		abort();
	if (flight_new(m, SIM_PREFIX, world_store_now_us(w), &f->flight, &err) != 0) {
		world_violated(w, "a command cannot be encoded: %s", err.text);
		free(f);
		return;
	}
	f->number = ++w->event_count;
	f->host = host_named(w, m->host_id);
	f->next = s->flights;
	s->flights = f;
	world_say(w, "%s sends %llu to %s%s", s->instance, (unsigned long long)m->host_seq,
	    m->host_id, m->resend ? " again" : "");
	world_at(w,
	    world_fault(w, 50) ? world_between(w, 5 * SECOND_US, 150 * SECOND_US)
			       : world_between(w, 100, 5000),
	    publish, s, f->number);
}

void
publisher_take(void *arg, const struct store_message *messages, size_t n)
{
	struct sim_scheduler *s = arg;

	if (n > 0 && world_fault(s->world, 30))
		scheduler_crash(s); /* committed, and it never says so */
	if (s->paused_until_us > s->world->now_us)
		return;
	for (size_t i = 0; i < n; i++) {
		if (!in_flight(s, &messages[i].message_id))
			open_flight(s, &messages[i]);
	}
}
