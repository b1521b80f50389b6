/* kit: the life of one case. */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "streams.h"

#define POLL_MS 20

/* What all cases share. */
struct shared {
	const struct kit_options *options;
	struct nats_server *server;
	struct bus *bus;
	unsigned cases;
};
static struct shared shared;

static void
drop(void *item)
{
	bus_msg_free(item);
}

static void
on_message(void *arg, const struct bus_msg *m)
{
	struct kit *k = arg;
	struct bus_msg *copy = bus_msg_copy(m);
	struct err err;

	if (copy && mailbox_put(k->in, copy, &err) < 0)
		bus_msg_free(copy);
}

void
kit_choose(const struct kit_options *options)
{
	shared.options = options;
}

int
kit_group_setup(void **state)
{
	struct bus_options options = {.name = "conformance"};
	struct err err;

	(void)state;
	shared.server = nats_server_new(NULL);
	options.servers = nats_server_url(shared.server);
	if (bus_nats_new(&options, &shared.bus, &err) < 0 ||
	    bus_wait_connected(shared.bus, shared.options->patience_ms, &err) < 0 ||
	    streams_ensure(shared.bus, "fl", 0, &err) < 0)
		fail_msg("%s", err.text);
	return 0;
}

int
kit_group_teardown(void **state)
{
	(void)state;
	bus_free(shared.bus);
	nats_server_free(shared.server);
	return 0;
}

static void
subscribe(struct kit *k)
{
	static const struct {
		const char *before, *after;
	} subjects[] = {{"fl.req.", ".*"}, {"fl.hb.", ""}, {"fl.rpt.", ""}};
	char subject[KIT_TEXT_BYTES];
	struct err err;

	for (size_t i = 0; i < COUNT_OF(subjects); i++) {
		snprintf(subject, sizeof(subject), "%s%s%s", subjects[i].before, k->host,
		    subjects[i].after);
		if (bus_subscribe(k->bus, subject, NULL, 0, on_message, k, &k->subs[i], &err) < 0)
			fail_msg("subscribe %s: %s", subject, err.text);
	}
	if (bus_flush(k->bus, k->options->patience_ms, &err) < 0)
		fail_msg("%s", err.text);
}

int
kit_setup(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));

	assert_non_null(k);
	k->options = shared.options;
	k->server = shared.server;
	k->bus = shared.bus;
	k->in = mailbox_new(65536, drop);
	k->arena = arena_new(0);
	k->sent_arena = arena_new(0);
	k->hello.arena = arena_new(0);
	k->sync.arena = arena_new(0);
	k->heartbeat.arena = arena_new(0);
	k->seen = calloc(KIT_SEEN_MAX, sizeof(*k->seen));
	assert_non_null(k->seen);
	k->verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED;
	k->epoch = k->host_seq = k->floor = KIT_TERM;
	k->page_items = KIT_ORDERS_MAX;
	snprintf(k->host, sizeof(k->host), "kit-%u", ++shared.cases);
	snprintf(k->dir, sizeof(k->dir), "%s/fl-kit-XXXXXX", "/tmp");
	assert_non_null(mkdtemp(k->dir));
	subscribe(k);
	*state = k;
	return 0;
}

static void
question_free(struct kit_question *q)
{
	arena_free(q->arena);
	if (q->msg)
		bus_msg_free(q->msg);
}

int
kit_teardown(void **state)
{
	struct kit *k = *state;

	kit_kill(k);
	kit_sweep(k);
	for (size_t i = 0; i < COUNT_OF(k->subs); i++)
		bus_unsubscribe(k->subs[i]);
	mailbox_free(k->in);
	arena_free(k->arena);
	arena_free(k->sent_arena);
	question_free(&k->hello);
	question_free(&k->sync);
	question_free(&k->heartbeat);
	free(k->seen);
	free(k);
	return 0;
}

int64_t
kit_deadline(const struct kit *k)
{
	return clock_mono_us(clock_system()) + k->options->patience_ms * MS_US;
}

bool
kit_pump(struct kit *k, int64_t deadline_us)
{
	struct bus_msg *m = mailbox_get_wait(k->in, POLL_MS);

	if (m) {
		arena_reset(k->arena);
		kit_handle(k, m);
		bus_msg_free(m);
	}
	return clock_mono_us(clock_system()) < deadline_us;
}

void
kit_fail(struct kit *k, const char *what, const char *condition)
{
	kit_print_evidence(k);
	fail_msg("%s (not so: %s)", what, condition);
	abort(); /* fail_msg does not return, and is not declared so */
}

void
kit_settle(struct kit *k)
{
	unsigned heartbeats;

	kit_expect(k, "K3, K4: a hello, and a sync after its answer", k->accepted && k->sync.count);
	heartbeats = k->heartbeat.count;
	kit_expect(k, "K11: heartbeats carry the journaled host_seq up to what the sync brought",
	    k->heartbeat.count > heartbeats + 1 &&
		k->heartbeat.m.heartbeat->contiguous_seq >= k->host_seq);
}

void
kit_settled_start(struct kit *k)
{
	kit_start(k);
	kit_settle(k);
}

void
kit_ask_hello(struct kit *k)
{
	unsigned accepted = k->accepted, hellos = k->hello.count;

	k->hello_required = true;
	kit_expect(k, "K2: HELLO_REQUIRED is answered by a hello", k->hello.count > hellos);
	if (k->verdict == FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED)
		kit_expect(k, "K1: its hello is accepted", k->accepted > accepted);
}

void
kit_forgets(struct kit *k, const struct kit_order *o)
{
	int64_t end = kit_deadline(k);

	kit_ask_hello(k);
	while (kit_hello_names(k, o)) {
		unsigned heartbeats = k->heartbeat.count;

		kit_require(k, "K9: once GONE is acknowledged it is forgotten",
		    clock_mono_us(clock_system()) < end);
		/* Each hello begins the sync anew that covers the ABSENT: give it the time. */
		kit_expect(k, "heartbeats go on", k->heartbeat.count > heartbeats + 1);
		kit_ask_hello(k);
	}
}

void
kit_fence(struct kit *k)
{
	struct kit_order *o = kit_order(k, "exit 0");

	kit_send_one(k, o);
	kit_expect(k, "the next command is carried out",
	    kit_state(k, o) == EXECUTOR_SUCCEEDED && kit_runs(k, &o->id) == 1);
}
