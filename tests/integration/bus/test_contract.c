/* The contract of subjects: publish, subscribe, request. */
#include "contract.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "wait.h"

static void
a_message_reaches_every_subscriber_with_its_headers(void **state)
{
	struct rig *rig = *state;
	struct inbox exact = INBOX, star = INBOX, all = INBOX, other = INBOX;
	struct bus_sub *subs[4];
	struct err err;
	struct bus_header headers[] = {{"Fl-Kind", "hello"}, {"Fl-Host", "h1"}};
	struct bus_out out = {.subject = "a.b.c",
	    .reply = "answer.here",
	    .data = "body",
	    .size = 4,
	    .headers = headers,
	    .header_count = 2};

	assert_ok(bus_subscribe(rig->bus, "a.b.c", NULL, 0, on_message, &exact, &subs[0], &err));
	assert_ok(bus_subscribe(rig->bus, "a.*.c", NULL, 0, on_message, &star, &subs[1], &err));
	assert_ok(bus_subscribe(rig->bus, "a.>", NULL, 0, on_message, &all, &subs[2], &err));
	assert_ok(bus_subscribe(rig->bus, "a.*", NULL, 0, on_message, &other, &subs[3], &err));
	assert_ok(bus_publish(rig->bus, &out, &err));
	inbox_wait(&exact, 1);
	inbox_wait(&star, 1);
	inbox_wait(&all, 1);
	barrier(rig);
	assert_int_equal(inbox_count(&other), 0);
	const struct bus_msg *m = star.msgs[0];
	assert_string_equal(bus_msg_subject(m), "a.b.c");
	assert_string_equal(bus_msg_reply(m), "answer.here");
	assert_text(m, "body");
	assert_string_equal(bus_msg_header(m, "Fl-Kind"), "hello");
	assert_string_equal(bus_msg_header(m, "Fl-Host"), "h1");
	assert_null(bus_msg_header(m, "Fl-Summary"));
	assert_int_equal(bus_msg_stream_seq(m), 0);
	for (size_t i = 0; i < COUNT_OF(subs); i++)
		bus_unsubscribe(subs[i]);
	inbox_done(&exact);
	inbox_done(&star);
	inbox_done(&all);
	inbox_done(&other);
}

static void
messages_arrive_in_the_order_of_publication(void **state)
{
	struct rig *rig = *state;
	struct inbox in = INBOX;
	struct bus_sub *sub;
	struct err err;
	char text[16];

	assert_ok(bus_subscribe(rig->bus, "order.*", NULL, 0, on_message, &in, &sub, &err));
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "%d", i);
		publish(rig, i % 2 ? "order.a" : "order.b", text);
	}
	inbox_wait(&in, 500);
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "%d", i);
		assert_text(in.msgs[i], text);
	}
	bus_unsubscribe(sub);
	inbox_done(&in);
}

static bool
group_has_all(void *arg)
{
	struct inbox **group = arg;

	return inbox_count(group[0]) + inbox_count(group[1]) >= 100;
}

static void
a_queue_group_gets_each_message_once(void **state)
{
	struct rig *rig = *state;
	struct inbox one = INBOX, two = INBOX, plain = INBOX;
	struct bus_sub *subs[3];
	struct err err;

	assert_ok(bus_subscribe(rig->bus, "work", "group", 0, on_message, &one, &subs[0], &err));
	assert_ok(bus_subscribe(rig->bus, "work", "group", 0, on_message, &two, &subs[1], &err));
	assert_ok(bus_subscribe(rig->bus, "work", NULL, 0, on_message, &plain, &subs[2], &err));
	for (int i = 0; i < 100; i++)
		publish(rig, "work", "x");
	inbox_wait(&plain, 100);
	struct inbox *group[2] = {&one, &two};
	assert_true(test_wait_until(group_has_all, group, WAIT_MS));
	barrier(rig);
	for (size_t i = 0; i < COUNT_OF(subs); i++)
		bus_unsubscribe(subs[i]);
	assert_int_equal(plain.n, 100);
	assert_int_equal(one.n + two.n, 100);
	assert_true(one.n > 0 && two.n > 0);
	inbox_done(&one);
	inbox_done(&two);
	inbox_done(&plain);
}

static void
a_request_is_answered(void **state)
{
	struct rig *rig = *state;
	struct inbox in = INBOX;
	struct bus_sub *sub;
	struct bus_msg *reply = NULL;
	struct err err;
	struct bus_out out = {.subject = "echo", .data = "hello", .size = 5};

	in.answer_on = rig->bus;
	assert_ok(bus_subscribe(rig->bus, "echo", "q", 0, on_message, &in, &sub, &err));
	assert_ok(bus_request(rig->bus, &out, WAIT_MS, &reply, &err));
	assert_text(reply, "hello");
	bus_msg_free(reply);
	bus_unsubscribe(sub);
	inbox_done(&in);
}

static void
a_request_without_responders_is_unavailable_at_once(void **state)
{
	struct rig *rig = *state;
	struct bus_msg *reply = NULL;
	struct err err;
	struct bus_out out = {.subject = "nobody"};
	int64_t start = clock_mono_us(clock_system());

	assert_int_equal(bus_request(rig->bus, &out, WAIT_MS, &reply, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_true(clock_mono_us(clock_system()) - start < WAIT_MS * MS_US / 2);
}

static void
a_request_nobody_answers_times_out(void **state)
{
	struct rig *rig = *state;
	struct inbox in = INBOX;
	struct bus_sub *sub;
	struct bus_msg *reply = NULL;
	struct err err;
	struct bus_out out = {.subject = "silent"};

	assert_ok(bus_subscribe(rig->bus, "silent", NULL, 0, on_message, &in, &sub, &err));
	assert_int_equal(bus_request(rig->bus, &out, 100, &reply, &err), -1);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	inbox_wait(&in, 1);
	bus_unsubscribe(sub);
	inbox_done(&in);
}

static void
an_ended_subscription_gets_nothing_more(void **state)
{
	struct rig *rig = *state;
	struct inbox in = INBOX, still = INBOX;
	struct bus_sub *sub, *other;
	struct err err;

	assert_ok(bus_subscribe(rig->bus, "ended", NULL, 0, on_message, &in, &sub, &err));
	assert_ok(bus_subscribe(rig->bus, "ended", NULL, 0, on_message, &still, &other, &err));
	publish(rig, "ended", "1");
	inbox_wait(&in, 1);
	bus_unsubscribe(sub);
	publish(rig, "ended", "2");
	inbox_wait(&still, 2);
	barrier(rig);
	assert_int_equal(inbox_count(&in), 1);
	bus_unsubscribe(other);
	inbox_done(&in);
	inbox_done(&still);
}

struct self_ending {
	struct bus_sub *sub;
	pthread_mutex_t lock; /* held until sub is known */
	atomic_uint calls;
};

static void
end_yourself(void *arg, const struct bus_msg *m)
{
	struct self_ending *s = arg;

	(void)m;
	pthread_mutex_lock(&s->lock);
	bus_unsubscribe(s->sub);
	pthread_mutex_unlock(&s->lock);
	atomic_fetch_add(&s->calls, 1);
}

static void
slow(void *arg, const struct bus_msg *m)
{
	atomic_uint *handled = arg;

	(void)m;
	usleep(2000);
	atomic_fetch_add(handled, 1);
}

static void
a_drained_subscription_handles_what_was_sent_before_R7(void **state)
{
	struct rig *rig = *state;
	const struct bus_out out = {.subject = "drain.a", .data = "x", .size = 1};
	atomic_uint handled = 0;
	struct bus_sub *sub;
	struct err err;

	assert_ok(bus_subscribe(rig->bus, "drain.*", "q", 0, slow, &handled, &sub, &err));
	assert_ok(bus_flush(rig->bus, 5000, &err));
	for (unsigned i = 0; i < 50; i++)
		assert_ok(bus_publish(rig->bus, &out, &err));
	assert_ok(bus_sub_drain_take(sub, 10000, &err));
	assert_int_equal(atomic_load(&handled), 50);
	assert_ok(bus_publish(rig->bus, &out, &err));
	assert_ok(bus_flush(rig->bus, 5000, &err));
	assert_int_equal(atomic_load(&handled), 50);
}

static void
a_handler_may_end_its_own_subscription(void **state)
{
	struct rig *rig = *state;
	struct self_ending s = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct err err;

	pthread_mutex_lock(&s.lock);
	assert_ok(bus_subscribe(rig->bus, "once", NULL, 0, end_yourself, &s, &s.sub, &err));
	publish(rig, "once", "1");
	publish(rig, "once", "2");
	pthread_mutex_unlock(&s.lock);
	for (int i = 0; i < 4 || !atomic_load(&s.calls); i++)
		barrier(rig);
	assert_int_equal(atomic_load(&s.calls), 1);
}

struct gate {
	pthread_mutex_t lock;
	struct bus_sub *sub;
};

static void
wait_at_gate(void *arg, const struct bus_msg *m)
{
	struct gate *g = arg;

	(void)m;
	pthread_mutex_lock(&g->lock);
	pthread_mutex_unlock(&g->lock);
}

static bool
has_dropped(void *arg)
{
	return bus_sub_dropped(((struct gate *)arg)->sub) > 0;
}

static void
a_subscription_that_is_too_slow_drops_and_counts(void **state)
{
	struct rig *rig = *state;
	struct gate g = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct err err;

	pthread_mutex_lock(&g.lock);
	assert_ok(bus_subscribe(rig->bus, "slow", NULL, 4, wait_at_gate, &g, &g.sub, &err));
	for (int i = 0; i < 50; i++)
		publish(rig, "slow", "x");
	assert_true(test_wait_until(has_dropped, &g, WAIT_MS));
	pthread_mutex_unlock(&g.lock);
	bus_unsubscribe(g.sub);
}

static void
what_would_break_the_protocol_is_refused(void **state)
{
	static const char *const subjects[] = {
	    "", "a b", "a..b", ".a", "a.", "a.*", "a.>", "a\r\nb"};
	struct rig *rig = *state;
	struct inbox in = INBOX;
	struct bus_header broken = {"Fl-Kind", "a\r\nb"};
	struct bus_out out = {.subject = "fine", .headers = &broken, .header_count = 1};
	struct bus_sub *sub;
	struct err err;

	assert_int_equal(bus_publish(rig->bus, &out, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	out.header_count = 0;
	for (size_t i = 0; i < COUNT_OF(subjects); i++) {
		out.subject = subjects[i];
		assert_int_equal(bus_publish(rig->bus, &out, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.field, "subject");
	}
	assert_int_equal(
	    bus_subscribe(rig->bus, "a.>.b", NULL, 0, on_message, &in, &sub, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
}

static void
a_connected_bus_describes_its_connection(void **state)
{
	struct rig *rig = *state;
	struct err err;

	assert_int_equal(bus_state(rig->bus), BUS_CONNECTED);
	assert_true(bus_connected_since_us(rig->bus) > 0);
	assert_true(bus_max_payload(rig->bus) >= 65536);
	assert_true(strlen(bus_server_name(rig->bus)) > 0);
	assert_ok(bus_flush(rig->bus, WAIT_MS, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(a_message_reaches_every_subscriber_with_its_headers),
	    BOTH(messages_arrive_in_the_order_of_publication),
	    BOTH(a_queue_group_gets_each_message_once),
	    BOTH(a_request_is_answered),
	    BOTH(a_request_without_responders_is_unavailable_at_once),
	    BOTH(a_request_nobody_answers_times_out),
	    BOTH(an_ended_subscription_gets_nothing_more),
	    BOTH(a_drained_subscription_handles_what_was_sent_before_R7),
	    BOTH(a_handler_may_end_its_own_subscription),
	    BOTH(a_subscription_that_is_too_slow_drops_and_counts),
	    BOTH(what_would_break_the_protocol_is_refused),
	    BOTH(a_connected_bus_describes_its_connection),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
