/* agent_rig: one agent under a manual clock and in-memory records, and the words to talk to it.
 * Only for tests that link module agent. */
#ifndef AGENT_RIG_H
#define AGENT_RIG_H

#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "clock.h"
#include "err.h"
#include "test.h"

#define RIG_HOST "h1"
#define RIG_TERM (UINT64_C(1) << 40)

struct rig {
	struct clock_manual clock;
	struct records *records;
	struct agent *agent;
	struct agent_effects effects;
	struct agent_config config;
	struct agent_driver drivers[2];
	int64_t cp_offset_us; /* control-plane time - host time */
};

static UNUSED struct id
rig_id(unsigned n)
{
	return id_from_parts(1000, n + 1);
}

static UNUSED void
rig_step(struct rig *r, const struct agent_event *event)
{
	effects_reset(&r->effects);
	agent_step(r->agent, event, 1, &r->effects);
}

static UNUSED void
rig_event(struct rig *r, enum agent_event_type type)
{
	struct agent_event event = {.type = type};

	rig_step(r, &event);
}

/* The n-th effect of a type in the newest step, or NULL. */
static UNUSED const struct agent_effect *
rig_nth(const struct rig *r, enum agent_effect_type type, size_t n)
{
	for (size_t i = 0; i < r->effects.count; i++)
		if (r->effects.rows[i].type == type && n-- == 0)
			return &r->effects.rows[i];
	return NULL;
}

static UNUSED const struct agent_effect *
rig_effect(const struct rig *r, enum agent_effect_type type)
{
	return rig_nth(r, type, 0);
}

/* The same where it must exist: a test that needs it fails here.  cmocka's fail is not declared to
 * stay away, abort says so to the compiler. */
static UNUSED const struct agent_effect *
rig_get_nth(const struct rig *r, enum agent_effect_type type, size_t n)
{
	const struct agent_effect *effect = rig_nth(r, type, n);

	if (effect == NULL) {
		fail_msg("the newest step has no effect %d (number %zu)", (int)type, n);
		abort();
	}
	return effect;
}

static UNUSED const struct agent_effect *
rig_get(const struct rig *r, enum agent_effect_type type)
{
	return rig_get_nth(r, type, 0);
}

static UNUSED size_t
rig_count(const struct rig *r, enum agent_effect_type type)
{
	size_t n = 0;

	while (rig_nth(r, type, n))
		n++;
	return n;
}

/* What the newest step reports about an executor, or NULL. */
static UNUSED const Fairlead__V1__ExecutorReport *
rig_report(const struct rig *r, struct id id)
{
	const Fairlead__V1__ExecutorReport *found = NULL;
	const struct agent_effect *effect;

	for (size_t i = 0; (effect = rig_nth(r, AGENT_SEND_REPORT, i)) != NULL; i++)
		for (size_t k = 0; k < effect->u.report.message->n_executors; k++)
			if (memcmp(effect->u.report.message->executors[k]->executor_id.data,
				id.bytes, ID_BYTES) == 0)
				found = effect->u.report.message->executors[k];
	return found;
}

/* NULL: no such record. */
static UNUSED const struct record *
rig_record(const struct rig *r, struct id id)
{
	return agent_record(r->agent, &id);
}

/* Agent and drivers begin again on the same records: kill -9, or a reboot. */
static UNUSED void
rig_restart(struct rig *r)
{
	struct err err;

	agent_free(r->agent);
	r->agent = NULL;
	assert_int_equal(agent_new(&r->config, r->records, &r->clock.clock, &r->agent, &err), 0);
}

static UNUSED void
rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	clock_manual_init(&r->clock, INT64_C(1700000000000000));
	r->clock.mono_us = 1000 * SECOND_US;
	r->drivers[0] = (struct agent_driver){"fake", {.usable = true}};
	r->drivers[1] = (struct agent_driver){"broken", {.usable = false}};
	r->config = (struct agent_config){
	    .host_id = RIG_HOST,
	    .pool = "default",
	    .boot_id = "boot-1",
	    .version = "0",
	    .arch = "x",
	    .kernel = "k",
	    .capacity = {4000, 1 << 30, 1 << 30, 2, 5000},
	    .drivers = r->drivers,
	    .driver_count = 2,
	    .random = 7,
	};
	r->records = records_memory_new();
	assert_non_null(r->records);
	assert_int_equal(effects_init(&r->effects), 0);
	rig_restart(r);
}

static UNUSED void
rig_done(struct rig *r)
{
	agent_free(r->agent);
	records_free(r->records);
	effects_done(&r->effects);
}

static UNUSED int64_t
rig_cp_now(const struct rig *r)
{
	return r->clock.mono_us + r->cp_offset_us;
}

static UNUSED void
rig_answer_hello(struct rig *r, Fairlead__V1__HelloAnswer *answer)
{
	const struct agent_effect *hello = rig_get(r, AGENT_SEND_HELLO);
	struct agent_event event = {.type = AGENT_HELLO_ANSWER};
	uint8_t nonce[ID_BYTES];

	memcpy(nonce, hello->u.hello->nonce_id.data, ID_BYTES);
	answer->nonce_id = (ProtobufCBinaryData){ID_BYTES, nonce};
	answer->hello_no = hello->u.hello->hello_no;
	answer->cp_now_us = rig_cp_now(r);
	event.u.hello_answer = answer;
	rig_step(r, &event);
}

/* Answers the sync request of the newest step with one last, empty page. */
static UNUSED void
rig_answer_sync(struct rig *r, Fairlead__V1__SyncAnswer *answer)
{
	const struct agent_effect *sync = rig_get(r, AGENT_SEND_SYNC);
	struct agent_event event = {.type = AGENT_SYNC_ANSWER};
	uint8_t nonce[ID_BYTES];

	memcpy(nonce, sync->u.sync->nonce_id.data, ID_BYTES);
	answer->nonce_id = (ProtobufCBinaryData){ID_BYTES, nonce};
	if (answer->verdict == FAIRLEAD__V1__SYNC_VERDICT__SYNC_VERDICT_UNSPECIFIED)
		answer->verdict = FAIRLEAD__V1__SYNC_VERDICT__SYNC_PAGE;
	answer->cp_now_us = rig_cp_now(r);
	event.u.sync_answer = answer;
	rig_step(r, &event);
}

/* start, connect, hello accepted with this floor, first sync done. */
static UNUSED void
rig_accept(struct rig *r, uint64_t epoch, uint64_t floor)
{
	Fairlead__V1__HelloAnswer answer = FAIRLEAD__V1__HELLO_ANSWER__INIT;
	Fairlead__V1__SyncAnswer page = FAIRLEAD__V1__SYNC_ANSWER__INIT;

	rig_event(r, AGENT_START);
	rig_event(r, AGENT_CONNECTED);
	answer.verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED;
	answer.epoch = epoch;
	answer.journal_floor = floor;
	rig_answer_hello(r, &answer);
	page.last = true;
	page.as_of_seq = floor;
	rig_answer_sync(r, &page);
}

/* A command item with memory of its own. */
struct rig_item {
	Fairlead__V1__CommandItem item;
	Fairlead__V1__ExecutorSpec spec;
	Fairlead__V1__Resources resources;
	char *argv[1];
	struct id id;
};

static UNUSED Fairlead__V1__CommandItem *
rig_item(struct rig_item *i, struct id id, uint64_t generation, Fairlead__V1__Desired desired,
    uint64_t host_seq)
{
	fairlead__v1__command_item__init(&i->item);
	fairlead__v1__executor_spec__init(&i->spec);
	fairlead__v1__resources__init(&i->resources);
	i->id = id;
	i->argv[0] = (char *)(uintptr_t)"true";
	i->spec.driver = (char *)(uintptr_t)"fake";
	i->spec.n_command = 1;
	i->spec.command = i->argv;
	i->spec.resources = &i->resources;
	i->resources.cpu_millis = 100;
	i->item.executor_id = (ProtobufCBinaryData){ID_BYTES, i->id.bytes};
	i->item.generation = generation;
	i->item.desired = desired;
	i->item.host_seq = host_seq;
	i->item.name = (char *)(uintptr_t)"web/0";
	if (desired == FAIRLEAD__V1__DESIRED__RUN)
		i->item.spec = &i->spec;
	return &i->item;
}

static UNUSED void
rig_send(struct rig *r, Fairlead__V1__CommandItem **items, size_t n, uint64_t host_seq,
    uint64_t stream_seq, uint64_t last_seq)
{
	Fairlead__V1__Command command = FAIRLEAD__V1__COMMAND__INIT;
	struct agent_event event = {.type = AGENT_COMMAND};
	struct id journal_id = agent_journal_id(r->agent);

	command.host_id = (char *)(uintptr_t)RIG_HOST;
	command.journal_id = (ProtobufCBinaryData){ID_BYTES, journal_id.bytes};
	command.host_seq = host_seq;
	command.items = items;
	command.n_items = n;
	event.u.command.message = &command;
	event.u.command.stream_seq = stream_seq;
	event.u.command.last_seq = last_seq;
	rig_step(r, &event);
}

/* One item in a message of its own, without stream numbers. */
static UNUSED void
rig_command(struct rig *r, struct id id, uint64_t generation, Fairlead__V1__Desired desired,
    uint64_t host_seq)
{
	struct rig_item item;
	Fairlead__V1__CommandItem *items[] = {rig_item(&item, id, generation, desired, host_seq)};

	rig_send(r, items, 1, host_seq, 0, 0);
}

/* PubAcks everything the newest step reported. */
static UNUSED void
rig_ack(struct rig *r)
{
	uint64_t counters[8];
	size_t n = 0;
	const struct agent_effect *effect;

	while (n < COUNT_OF(counters) && (effect = rig_nth(r, AGENT_SEND_REPORT, n)) != NULL)
		counters[n++] = effect->u.report.counter;
	for (size_t i = 0; i < n; i++) {
		struct agent_event event = {.type = AGENT_REPORT_ACK};

		event.u.report_ack.counter = counters[i];
		event.u.report_ack.stored = true;
		rig_step(r, &event);
	}
}

/* What a driver says about one incarnation. */
static UNUSED void
rig_driver_of(
    struct rig *r, struct id id, uint32_t incarnation, enum driver_event_type type, int exit_code)
{
	struct driver_event driver = {
	    .type = type,
	    .executor_id = id,
	    .incarnation = incarnation,
	    .started = true,
	    .exit_code = exit_code,
	    .reason = "",
	    .detail = "",
	};
	struct agent_event event = {.type = AGENT_DRIVER_EVENT, .u.driver = &driver};

	rig_step(r, &event);
}

static UNUSED void
rig_driver(struct rig *r, struct id id, enum driver_event_type type, int exit_code)
{
	rig_driver_of(r, id, 1, type, exit_code);
}

static UNUSED void
rig_advance(struct rig *r, int64_t us)
{
	clock_manual_advance(&r->clock, us);
	rig_event(r, AGENT_TICK);
}

#endif
