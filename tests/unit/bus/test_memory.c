/* What only the broker in memory does: steps, and time that moves by hand. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "clock.h"
#include "err.h"

#define assert_ok(call)                                                                            \
	do {                                                                                       \
		if (call)                                                                          \
			fail_msg("%s: %s", #call, err.text);                                       \
	} while (0)

struct rig {
	struct clock_manual clock;
	struct bus *bus;
	char log[256]; /* what handlers saw, in order */
};

static int
setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	clock_manual_init(&rig->clock, 1000000);
	rig->bus = bus_memory_new(&rig->clock.clock, true);
	*state = rig;
	return rig->bus ? 0 : -1;
}

static int
teardown(void **state)
{
	struct rig *rig = *state;

	bus_free(rig->bus);
	free(rig);
	return 0;
}

static void
note(struct rig *rig, const char *text, size_t size)
{
	size_t used = strlen(rig->log);

	snprintf(rig->log + used, sizeof(rig->log) - used, "%.*s,", (int)size, text);
}

static void
on_message(void *arg, const struct bus_msg *m)
{
	note(arg, bus_msg_data(m), bus_msg_size(m));
}

static void
publish(struct rig *rig, const char *subject, const char *text)
{
	struct bus_out out = {.subject = subject, .data = text, .size = strlen(text)};
	struct err err;

	assert_ok(bus_publish(rig->bus, &out, &err));
}

static void
a_stepped_broker_delivers_one_message_per_step_in_order(void **state)
{
	struct rig *rig = *state;
	struct bus_sub *a, *b;
	struct err err;

	assert_ok(bus_subscribe(rig->bus, "x.>", NULL, 0, on_message, rig, &a, &err));
	assert_ok(bus_subscribe(rig->bus, "x.b", NULL, 0, on_message, rig, &b, &err));
	publish(rig, "x.a", "1");
	publish(rig, "x.b", "2");
	assert_string_equal(rig->log, "");
	assert_true(bus_memory_step(rig->bus));
	assert_string_equal(rig->log, "1,");
	assert_true(bus_memory_step(rig->bus));
	assert_true(bus_memory_step(rig->bus));
	assert_string_equal(rig->log, "1,2,2,");
	assert_false(bus_memory_step(rig->bus));
	bus_unsubscribe(a);
	bus_unsubscribe(b);
}

static void
on_question(void *arg, const struct bus_msg *m)
{
	struct rig *rig = arg;
	struct bus_out out = {.data = "yes", .size = 3};
	struct err err;

	assert_ok(bus_respond(rig->bus, m, &out, &err));
}

static void
a_request_steps_the_broker_until_it_is_answered(void **state)
{
	struct rig *rig = *state;
	struct bus_out out = {.subject = "q"};
	struct bus_msg *reply = NULL;
	struct bus_sub *sub;
	struct err err;

	assert_ok(bus_subscribe(rig->bus, "q", NULL, 0, on_question, rig, &sub, &err));
	assert_ok(bus_request(rig->bus, &out, 60000, &reply, &err));
	assert_int_equal(bus_msg_size(reply), 3);
	bus_msg_free(reply);
	bus_unsubscribe(sub);
	/* A listener that never answers: nothing is left to deliver, so nothing to wait for. */
	assert_ok(bus_subscribe(rig->bus, "q", NULL, 0, on_message, rig, &sub, &err));
	assert_int_equal(bus_request(rig->bus, &out, 60000, &reply, &err), -1);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	bus_unsubscribe(sub);
}

static void
on_ack(void *arg, const struct bus_ack *ack, const struct err *err)
{
	unsigned *calls = arg;

	assert_true(!ack == !!err);
	(*calls)++;
}

static void
the_window_of_asynchronous_publishes_is_bounded(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "S", .subjects = {"s"}};
	struct bus_out out = {.subject = "s", .data = "x", .size = 1};
	unsigned calls = 0, sent = 0;
	struct err err;

	assert_ok(bus_stream_ensure(rig->bus, &s, 0, &err));
	while (bus_js_publish_async(rig->bus, &out, on_ack, &calls, &err) == 0)
		sent++;
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(sent, 512);
	assert_int_equal(calls, 0);
	assert_true(bus_memory_step(rig->bus));
	assert_ok(bus_js_publish_async(rig->bus, &out, on_ack, &calls, &err));
	/* A wipe loses messages, not answers. */
	bus_memory_wipe(rig->bus);
	while (bus_memory_step(rig->bus))
		;
	assert_int_equal(calls, 513);
}

static size_t
fetch(struct bus_pull *p, struct bus_msg **msgs, unsigned max)
{
	size_t n = 0;
	struct err err;

	assert_ok(bus_pull_fetch(p, max, 60000, msgs, &n, &err));
	return n;
}

static void
store(struct rig *rig, const char *subject, const char *msg_id, bool duplicate)
{
	struct bus_out out = {.subject = subject, .data = "x", .size = 1, .msg_id = msg_id};
	struct bus_ack ack;
	struct err err;

	assert_ok(bus_js_publish(rig->bus, &out, 1000, &ack, &err));
	assert_int_equal(ack.duplicate, duplicate);
}

static void
the_ack_wait_is_measured_by_the_clock_of_the_owner_K18(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "S", .subjects = {"s"}};
	const struct bus_consumer c = {
	    .stream = "S", .durable = "d", .ack_wait_s = 30, .max_ack_pending = 2};
	struct bus_pull *p;
	struct bus_msg *msgs[4];
	struct err err;

	assert_ok(bus_stream_ensure(rig->bus, &s, 0, &err));
	assert_ok(bus_consumer_ensure(rig->bus, &c, &err));
	assert_ok(bus_pull_bind(rig->bus, "S", "d", &p, &err));
	for (int i = 0; i < 3; i++)
		store(rig, "s", NULL, false);
	assert_int_equal(fetch(p, msgs, 4), 2); /* max_ack_pending */
	bus_msg_free(msgs[0]);
	bus_msg_free(msgs[1]);
	clock_manual_advance(&rig->clock, 29 * SECOND_US);
	assert_int_equal(fetch(p, msgs, 4), 0);
	clock_manual_advance(&rig->clock, 2 * SECOND_US);
	assert_int_equal(fetch(p, msgs, 4), 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bus_msg_delivered(msgs[i]), 2);
		assert_ok(bus_msg_ack(msgs[i], &err));
		bus_msg_free(msgs[i]);
	}
	assert_int_equal(fetch(p, msgs, 4), 1);
	assert_int_equal(bus_msg_stream_seq(msgs[0]), 3);
	assert_ok(bus_msg_nak(msgs[0], 5000, &err));
	bus_msg_free(msgs[0]);
	assert_int_equal(fetch(p, msgs, 4), 0);
	clock_manual_advance(&rig->clock, 5 * SECOND_US);
	assert_int_equal(fetch(p, msgs, 4), 1);
	bus_msg_free(msgs[0]);
	bus_pull_free(p);
}

static void
old_messages_and_old_message_ids_are_forgotten(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {
	    .name = "S", .subjects = {"s"}, .max_age_s = 60, .duplicate_window_s = 10};
	struct bus_stream_state info;
	struct err err;

	assert_ok(bus_stream_ensure(rig->bus, &s, 0, &err));
	store(rig, "s", "id", false);
	store(rig, "s", "id", true);
	clock_manual_advance(&rig->clock, 11 * SECOND_US);
	store(rig, "s", "id", false);
	clock_manual_advance(&rig->clock, 55 * SECOND_US);
	assert_ok(bus_stream_state(rig->bus, "S", &info, &err));
	assert_int_equal(info.messages, 1);
	assert_int_equal(info.first_seq, 2);
	clock_manual_advance(&rig->clock, 10 * SECOND_US);
	assert_ok(bus_stream_state(rig->bus, "S", &info, &err));
	assert_int_equal(info.messages, 0);
	assert_int_equal(info.last_seq, 2);
}

static void
limits_per_subject_hold_over_many_messages(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "S", .subjects = {"s.*"}, .max_msgs_per_subject = 3};
	struct bus_stream_state info;
	char subject[16];
	struct err err;

	assert_ok(bus_stream_ensure(rig->bus, &s, 0, &err));
	for (int i = 0; i < 5000; i++) {
		snprintf(subject, sizeof(subject), "s.%d", i % 7);
		store(rig, subject, NULL, false);
	}
	assert_ok(bus_stream_state(rig->bus, "S", &info, &err));
	assert_int_equal(info.messages, 21);
	assert_int_equal(info.last_seq, 5000);
	assert_int_equal(info.first_seq, 5000 - 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		a_stepped_broker_delivers_one_message_per_step_in_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_request_steps_the_broker_until_it_is_answered, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		the_window_of_asynchronous_publishes_is_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		the_ack_wait_is_measured_by_the_clock_of_the_owner_K18, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		old_messages_and_old_message_ids_are_forgotten, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		limits_per_subject_hold_over_many_messages, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
