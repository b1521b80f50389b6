/* sim_host: one agent over its records; what arrives becomes events, effects are carried out in
 * their order, and a crash may come between any two of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "headers.h"
#include "sim.h"
#include "subjects.h"

#define SLOTS 12
#define STEP_CRASH 2 /* per mille of the steps with effects */

size_t
host_index(const struct sim_host *h)
{
	return (size_t)(h - h->world->hosts);
}

static int64_t
host_mono_us(void *arg)
{
	const struct sim_host *h = arg;

	return h->world->now_us + h->mono_offset_us;
}

static int64_t
host_real_us(void *arg)
{
	const struct sim_host *h = arg;

	return h->world->clock.real_us + h->real_offset_us;
}

/* ---- effects ---- */

static bool
reaches_out(const struct sim_host *h)
{
	return h->cut_up_us <= h->world->now_us;
}

static struct bus_msg *
said(struct sim_host *h, enum subject subject, const char *verb, const ProtobufCMessage *message)
{
	char text[SUBJECT_BYTES];
	struct courier_message m = {
	    .subject = verb ? subject_build(text, SIM_PREFIX, subject, h->id, verb)
			    : subject_build(text, SIM_PREFIX, subject, h->id),
	    .host = h->id,
	    .encoding = WIRE_PROTOBUF,
	    .message = message};

	return net_encode(h->world, &m);
}

static uint64_t
address(const struct sim_host *h)
{
	return (uint64_t)host_index(h) << 32 | h->life;
}

static void
ask(struct sim_host *h, const char *verb, const ProtobufCMessage *message)
{
	struct world *w = h->world;
	struct sim_hub *hub = &w->hubs[world_draw(w, SIM_HUBS)];

	world_say(w, "%s asks %s", h->id, verb);
	if (reaches_out(h))
		net_send_take(w, hub_request, hub, address(h), w->now_us,
		    said(h, SUBJECT_REQ, verb, message));
}

/* Every hub hears it, one of them answers. */
static void
beat(struct sim_host *h, Fairlead__V1__Heartbeat *m)
{
	struct world *w = h->world;
	static char empty[] = "";

	m->server = m->server_id = empty;
	if (!reaches_out(h))
		return;
	for (size_t i = 0; i < SIM_HUBS; i++)
		net_send_take(w, hub_heard, &w->hubs[i], address(h), w->now_us,
		    said(h, SUBJECT_HB, NULL, &m->base));
	net_send_take(w, hub_answer, &w->hubs[world_draw(w, SIM_HUBS)], address(h), w->now_us,
	    said(h, SUBJECT_HB, NULL, &m->base));
}

static void
report_arrives(struct world *w, struct sim_event *e)
{
	struct sim_host *h = e->who;
	struct sim_event *ack;

	stream_report_take(w, TAKE(e->msg));
	if (world_fault(w, 100))
		return;
	ack = world_at(w, world_between(w, 200, world_fault(w, 100) ? 12 * SECOND_US : 5000),
	    host_puback, h, e->number);
	ack->sent_us = e->sent_us; /* the life of the agent that waits for it */
}

static void
report(struct sim_host *h, const struct agent_effect *effect)
{
	struct world *w = h->world;

	world_say(w, "%s reports %zu executors", h->id, effect->u.report.message->n_executors);
	if (reaches_out(h))
		net_send_take(w, report_arrives, h, effect->u.report.counter, (int64_t)h->life,
		    said(h, SUBJECT_RPT, NULL, &effect->u.report.message->base));
}

static void
note(struct sim_host *h, const struct agent_effect *effect)
{
	char hex[ID_HEX_BYTES];

	world_say(h->world, "%s: %s %s %s", h->id, effect->u.note.event,
	    id_is_zero(&effect->u.note.executor_id)
		? ""
		: id_to_hex(&effect->u.note.executor_id, hex) + 20,
	    effect->u.note.detail ? effect->u.note.detail : "");
}

static void
left(struct sim_host *h)
{
	world_say(h->world, "%s leaves for good", h->id);
	h->exited = true;
}

static void
carry_one(struct sim_host *h, const struct agent_effect *e)
{
	switch (e->type) {
	case AGENT_SEND_HELLO:
		ask(h, "hello", &e->u.hello->base);
		break;
	case AGENT_SEND_SYNC:
		ask(h, "sync", &e->u.sync->base);
		break;
	case AGENT_SEND_HEARTBEAT:
		beat(h, e->u.heartbeat);
		break;
	case AGENT_SEND_REPORT:
		report(h, e);
		break;
	case AGENT_DRIVER_START:
		process_start(h, e);
		break;
	case AGENT_DRIVER_STOP:
		process_stop(h, e);
		break;
	case AGENT_DRIVER_DESTROY:
		process_destroy(h, e);
		break;
	case AGENT_EXIT:
		left(h);
		break;
	case AGENT_NOTE:
		note(h, e);
		break;
	}
}

/* ---- steps ---- */

static void
tick(struct world *w, struct sim_event *e)
{
	struct sim_host *h = e->who;
	const struct agent_event event = {.type = AGENT_TICK};

	(void)w;
	if (!h->agent || h->tick_no != e->number)
		return;
	h->tick_us = INT64_MAX;
	host_step(h, &event);
}

static void
timer_set(struct sim_host *h)
{
	int64_t at = agent_deadline(h->agent), now = host_mono_us(h);

	if (at == INT64_MAX || at == h->tick_us)
		return;
	h->tick_us = at;
	world_at(h->world, at > now ? at - now : 1, tick, h, ++h->tick_no);
}

static void
come_back(struct world *w, struct sim_event *e)
{
	struct sim_host *h = e->who;

	(void)w;
	if (!h->agent && !h->exited && h->life == e->number)
		host_start(h);
}

void
host_step(struct sim_host *h, const struct agent_event *event)
{
	struct world *w = h->world;
	size_t until = SIZE_MAX;

	agent_step(h->agent, event, 1, &h->effects);
	if (h->effects.count > 0 && world_fault(w, STEP_CRASH))
		until = world_draw(w, h->effects.count);
	for (size_t i = 0; i < h->effects.count && i < until; i++)
		carry_one(h, &h->effects.rows[i]);
	effects_reset(&h->effects);
	if (until != SIZE_MAX) {
		world_say(w, "FAULT %s dies after effect %zu", h->id, until);
		host_crash(h);
		world_at(w, world_between(w, 0, 10 * SECOND_US), come_back, h, h->life);
	} else if (h->exited) {
		host_crash(h);
	} else {
		timer_set(h);
	}
}

/* ---- arrivals ---- */

static bool
hears(const struct sim_host *h)
{
	return h->agent && h->cut_down_us <= h->world->now_us;
}

static ProtobufCMessage *
decoded(struct sim_host *h, const struct bus_msg *m, const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *message = NULL;
	struct err err = {0};

	if (courier_decode(m, d, h->world->arena, &message, &err) == 0)
		return message;
	world_violated(h->world, "%s cannot read %s: %s", h->id, bus_msg_subject(m), err.text);
	return NULL;
}

/* fl.live.<host>: commands as the stream republished them. */
void
host_live(struct world *w, struct sim_event *e)
{
	struct sim_host *h = e->who;
	struct agent_event event = {.type = AGENT_COMMAND};

	if (!hears(h) || e->number != w->streams.commands_generation)
		return;
	event.u.command.message =
	    (const Fairlead__V1__Command *)decoded(h, e->msg, &fairlead__v1__command__descriptor);
	event.u.command.stream_seq = bus_msg_stream_seq(e->msg);
	event.u.command.last_seq = bus_msg_last_seq(e->msg);
	if (!event.u.command.message)
		return;
	world_say(w, "%s hears command %llu", h->id,
	    (unsigned long long)event.u.command.message->host_seq);
	host_step(h, &event);
}

static void
contact(struct sim_host *h, int64_t sent_us)
{
	if (sent_us > h->contact_us)
		h->contact_us = sent_us;
}

/* What an answer is, is in its type; what it means for K24 is told from outside. */
void
host_answer(struct world *w, struct sim_event *e)
{
	struct sim_host *h = e->who;
	const char *type = bus_msg_header(e->msg, HEADER_CONTENT_TYPE);
	const ProtobufCMessageDescriptor *d = wire_descriptor_of(type);
	struct agent_event event = {0};
	ProtobufCMessage *m;

	if (!hears(h) || h->life != e->number)
		return;
	m = decoded(h, e->msg, d);
	if (!m)
		return;
	world_say(w, "%s hears %s", h->id, d->short_name);
	if (d == &fairlead__v1__hello_answer__descriptor) {
		event.type = AGENT_HELLO_ANSWER;
		event.u.hello_answer = (const Fairlead__V1__HelloAnswer *)m;
		if (event.u.hello_answer->verdict == FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED) {
			contact(h, e->sent_us);
			if (h->journal_since_us == INT64_MAX)
				h->journal_since_us = w->now_us;
		}
	} else if (d == &fairlead__v1__sync_answer__descriptor) {
		event.type = AGENT_SYNC_ANSWER;
		event.u.sync_answer = (const Fairlead__V1__SyncAnswer *)m;
		if (event.u.sync_answer->verdict == FAIRLEAD__V1__SYNC_VERDICT__SYNC_PAGE)
			contact(h, e->sent_us);
	} else {
		event.type = AGENT_HEARTBEAT_ANSWER;
		event.u.heartbeat_answer = (const Fairlead__V1__HeartbeatAnswer *)m;
		if (event.u.heartbeat_answer->verdict ==
		    FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK)
			contact(h, e->sent_us);
	}
	host_step(h, &event);
}

/* The same without a question: to whoever listens there. */
void
host_told(struct world *w, struct sim_event *e)
{
	const struct sim_host *h = e->who;

	e->number = h->life;
	host_answer(w, e);
}

void
host_puback(struct world *w, struct sim_event *e)
{
	struct sim_host *h = e->who;
	struct agent_event event = {.type = AGENT_REPORT_ACK};

	(void)w;
	if (!hears(h) || h->life != (uint64_t)e->sent_us)
		return;
	event.u.report_ack.counter = e->number;
	event.u.report_ack.stored = true;
	host_step(h, &event);
}

/* ---- life ---- */

static void
plain(struct sim_host *h, enum agent_event_type type)
{
	const struct agent_event event = {.type = type};

	if (h->agent)
		host_step(h, &event);
}

void
host_start(struct sim_host *h)
{
	struct world *w = h->world;
	struct err err = {0};

	if (h->agent || h->exited)
		return;
	h->life++;
	h->tick_us = INT64_MAX;
	h->up_us = w->now_us;
	h->config.random = world_draw(w, UINT32_MAX);
	if (agent_new(&h->config, h->records, &h->clock, &h->agent, &err) != 0) {
		world_violated(w, "%s does not start: %s", h->id, err.text);
		return;
	}
	world_say(w, "%s starts", h->id);
	process_adopt(h);
	plain(h, AGENT_START);
	plain(h, AGENT_CONNECTED);
}

void
host_crash(struct sim_host *h)
{
	agent_free(TAKE(h->agent));
	h->tick_no++;
}

/* Processes die; what the driver wrote of them is still there, and tells so at adoption. */
void
host_reboot(struct sim_host *h)
{
	host_crash(h);
	snprintf(h->boot_id, sizeof(h->boot_id), "boot-%u", ++h->boots);
	h->mono_offset_us = world_between(h->world, 1, 50) * SECOND_US - h->world->now_us;
	for (size_t i = 0; i < h->process_count; i++) {
		struct sim_process *p = &h->processes[i];

		if (!p->alive)
			continue; /* its end was written down */
		p->alive = false;
		p->reason = "host_reboot";
	}
}

void
host_lose_journal(struct sim_host *h)
{
	host_crash(h);
	records_free(h->records);
	h->records = records_memory_new();
	h->journal_since_us = INT64_MAX;
	if (!h->records)
		abort();
}

static void
first_start(struct world *w, struct sim_event *e)
{
	(void)w;
	host_start(e->who);
}

void
host_init(struct world *w, size_t index)
{
	struct sim_host *h = &w->hosts[index];

	*h = (struct sim_host){.world = w, .records = records_memory_new()};
	snprintf(h->id, sizeof(h->id), "h%zu", index + 1);
	snprintf(h->boot_id, sizeof(h->boot_id), "boot-0");
	h->clock = (struct clock){host_mono_us, host_real_us, h};
	h->mono_offset_us = world_between(w, 1, 100000) * SECOND_US;
	/* Nobody's idea of the time of day decides anything (K13). */
	h->real_offset_us = w->chaos ? world_between(w, -7200, 7200) * SECOND_US : 0;
	h->driver = (struct agent_driver){"fake", {.usable = true}};
	h->config = (struct agent_config){.host_id = h->id,
	    .pool = SIM_POOL,
	    .boot_id = h->boot_id,
	    .version = "0",
	    .arch = "x",
	    .kernel = "k",
	    .capacity = {.cpu_millis = 8000,
		.memory_bytes = INT64_C(1) << 33,
		.disk_bytes = INT64_C(1) << 40,
		.slots = SLOTS},
	    .drivers = &h->driver,
	    .driver_count = 1};
	if (!h->records || effects_init(&h->effects) != 0)
		abort();
	world_at(w, world_between(w, 0, 3 * SECOND_US), first_start, h, 0);
}

void
host_done(struct sim_host *h)
{
	agent_free(h->agent);
	effects_done(&h->effects);
	records_free(h->records);
}
