/* One contract, two implementations: every test runs over memory and over a real server. */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "clock.h"
#include "err.h"
#include "nats_server.h"
#include "wait.h"

#define WAIT_MS 10000
#define INBOX_MAX 600

static struct nats_server *server;

struct rig {
	struct bus *bus;
	bool memory;
	atomic_uint since_changes;
};

#define assert_ok(call)                                                                            \
	do {                                                                                       \
		if (call)                                                                          \
			fail_msg("%s: %s", #call, err.text);                                       \
	} while (0)

/* ---- what arrived ---- */

struct inbox {
	pthread_mutex_t lock;
	struct bus_msg *msgs[INBOX_MAX];
	size_t n, want;
	struct bus *answer_on; /* NULL: do not answer */
};

static void
on_message(void *arg, const struct bus_msg *m)
{
	struct inbox *in = arg;
	struct err err;

	pthread_mutex_lock(&in->lock);
	if (in->n < INBOX_MAX)
		in->msgs[in->n++] = bus_msg_copy(m);
	pthread_mutex_unlock(&in->lock);
	if (in->answer_on) {
		struct bus_out out = {.data = bus_msg_data(m), .size = bus_msg_size(m)};

		assert_ok(bus_respond(in->answer_on, m, &out, &err));
	}
}

static size_t
inbox_count(struct inbox *in)
{
	pthread_mutex_lock(&in->lock);
	size_t n = in->n;
	pthread_mutex_unlock(&in->lock);
	return n;
}

static bool
has_enough(void *arg)
{
	struct inbox *in = arg;

	return inbox_count(in) >= in->want;
}

static void
inbox_wait(struct inbox *in, size_t n)
{
	in->want = n;
	if (!test_wait_until(has_enough, in, WAIT_MS))
		fail_msg("%zu messages instead of %zu", inbox_count(in), n);
}

static void
inbox_done(struct inbox *in)
{
	for (size_t i = 0; i < in->n; i++)
		bus_msg_free(in->msgs[i]);
	pthread_mutex_destroy(&in->lock);
}

#define INBOX {.lock = PTHREAD_MUTEX_INITIALIZER}

static void
publish(struct rig *rig, const char *subject, const char *text)
{
	struct bus_out out = {.subject = subject, .data = text, .size = strlen(text)};
	struct err err;

	assert_ok(bus_publish(rig->bus, &out, &err));
}

static void
assert_text(const struct bus_msg *m, const char *text)
{
	assert_int_equal(bus_msg_size(m), strlen(text));
	assert_memory_equal(bus_msg_data(m), text, strlen(text));
}

/* Everything published before has been delivered when this one has. */
static void
barrier(struct rig *rig)
{
	struct inbox in = INBOX;
	struct bus_sub *sub;
	struct err err;
	char subject[200];

	bus_new_inbox(rig->bus, subject, sizeof(subject));
	assert_ok(bus_subscribe(rig->bus, subject, NULL, 0, on_message, &in, &sub, &err));
	publish(rig, subject, "barrier");
	inbox_wait(&in, 1);
	bus_unsubscribe(sub);
	inbox_done(&in);
}

/* ---- core ---- */

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

/* ---- streams ---- */

static void
ensure(struct rig *rig, const struct bus_stream *s)
{
	struct err err;

	assert_ok(bus_stream_ensure(rig->bus, s, 0, &err));
}

static struct bus_ack
store(struct rig *rig, const char *subject, const char *text, const char *msg_id)
{
	struct bus_out out = {
	    .subject = subject, .data = text, .size = strlen(text), .msg_id = msg_id};
	struct bus_ack ack;
	struct err err;

	assert_ok(bus_js_publish(rig->bus, &out, WAIT_MS, &ack, &err));
	return ack;
}

static struct bus_pull *
bind_consumer(struct rig *rig, const struct bus_consumer *c)
{
	struct bus_pull *p = NULL;
	struct err err;

	assert_ok(bus_consumer_ensure(rig->bus, c, &err));
	assert_ok(bus_pull_bind(rig->bus, c->stream, c->durable, &p, &err));
	return p;
}

static size_t
fetch(struct bus_pull *p, unsigned max, int timeout_ms, struct bus_msg **msgs)
{
	size_t n = 0;
	struct err err;

	assert_ok(bus_pull_fetch(p, max, timeout_ms, msgs, &n, &err));
	return n;
}

static struct bus_msg *
fetch_one(struct bus_pull *p)
{
	struct bus_msg *m = NULL;

	assert_int_equal(fetch(p, 1, WAIT_MS, &m), 1);
	return m;
}

static void
drop(struct rig *rig, const char *stream)
{
	struct err err;

	assert_ok(bus_stream_delete(rig->bus, stream, &err));
}

static void
a_repeated_message_id_is_stored_once_K10(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {
	    .name = "DEDUPE", .subjects = {"dedupe.*"}, .duplicate_window_s = 600};
	struct bus_stream_state info;
	struct err err;

	ensure(rig, &s);
	struct bus_ack first = store(rig, "dedupe.a", "1", "id-1");
	struct bus_ack again = store(rig, "dedupe.a", "1", "id-1");
	struct bus_ack other = store(rig, "dedupe.a", "1", "id-2");
	assert_false(first.duplicate);
	assert_true(again.duplicate);
	assert_int_equal(again.stream_seq, first.stream_seq);
	assert_false(other.duplicate);
	assert_int_equal(other.stream_seq, first.stream_seq + 1);
	assert_ok(bus_stream_state(rig->bus, "DEDUPE", &info, &err));
	assert_int_equal(info.messages, 2);
	assert_int_equal(info.last_seq, other.stream_seq);
	drop(rig, "DEDUPE");
}

/* Publishes as the message that follows `after`. */
static int
store_after(struct rig *rig, const char *msg_id, const char *after, struct bus_ack *ret_ack,
    struct err *err)
{
	const struct bus_header expected = {BUS_HEADER_EXPECTED_LAST_SEQ, after};
	const struct bus_out out = {.subject = "row.a",
	    .data = msg_id,
	    .size = strlen(msg_id),
	    .headers = &expected,
	    .header_count = 1,
	    .msg_id = msg_id};

	return bus_js_publish(rig->bus, &out, WAIT_MS, ret_ack, err);
}

static void
a_message_out_of_its_row_is_a_conflict_G7(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {
	    .name = "ROW", .subjects = {"row.*"}, .duplicate_window_s = 600};
	struct bus_stream_state info;
	struct bus_ack ack;
	struct err err;

	ensure(rig, &s);
	assert_ok(store_after(rig, "one", "0", &ack, &err));
	assert_ok(store_after(rig, "two", "1", &ack, &err));
	assert_int_equal(ack.stream_seq, 2);
	/* What another appended already, and what would leave a hole. */
	assert_int_equal(store_after(rig, "late", "1", &ack, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_int_equal(store_after(rig, "early", "3", &ack, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	/* A repetition is known by its id, wherever it says it belongs. */
	assert_ok(store_after(rig, "two", "1", &ack, &err));
	assert_true(ack.duplicate);
	assert_int_equal(ack.stream_seq, 2);
	assert_ok(bus_stream_state(rig->bus, "ROW", &info, &err));
	assert_int_equal(info.messages, 2);
	drop(rig, "ROW");
}

static void
a_stored_message_is_read_by_its_sequence(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "READ", .subjects = {"read.*"}};
	CLEANUP(bus_msg_free) struct bus_msg *m = NULL;
	struct bus_msg *none = NULL;
	struct err err;

	ensure(rig, &s);
	store(rig, "read.a", "first", "id-1");
	store(rig, "read.b", "second", "id-2");
	assert_ok(bus_stream_message(rig->bus, "READ", 2, &m, &err));
	assert_string_equal(bus_msg_subject(m), "read.b");
	assert_int_equal(bus_msg_size(m), strlen("second"));
	assert_memory_equal(bus_msg_data(m), "second", strlen("second"));
	assert_string_equal(bus_msg_header(m, "Nats-Msg-Id"), "id-2");
	assert_in_range(bus_msg_stored_us(m), clock_real_us(clock_system()) - 60 * SECOND_US,
	    clock_real_us(clock_system()) + SECOND_US);
	assert_int_equal(bus_stream_message(rig->bus, "READ", 3, &none, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	drop(rig, "READ");
	assert_int_equal(bus_stream_message(rig->bus, "READ", 1, &none, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

struct acks {
	atomic_uint calls, stored, duplicates, errors;
	_Atomic enum err_kind kind;
	unsigned want;
};

static void
on_ack(void *arg, const struct bus_ack *ack, const struct err *err)
{
	struct acks *a = arg;

	if (err) {
		atomic_store(&a->kind, err->kind);
		atomic_fetch_add(&a->errors, 1);
	} else if (ack->duplicate) {
		atomic_fetch_add(&a->duplicates, 1);
	} else {
		atomic_fetch_add(&a->stored, 1);
	}
	atomic_fetch_add(&a->calls, 1);
}

static bool
all_called(void *arg)
{
	struct acks *a = arg;

	return atomic_load(&a->calls) >= a->want;
}

static void
every_asynchronous_publish_is_answered_once_K10(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {
	    .name = "ASYNC", .subjects = {"async.*"}, .duplicate_window_s = 600};
	struct acks acks = {.want = 400};
	struct err err;
	char id[16];

	ensure(rig, &s);
	for (int i = 0; i < 400; i++) {
		struct bus_out out = {.subject = "async.x", .data = "x", .size = 1, .msg_id = id};

		snprintf(id, sizeof(id), "m-%d", i % 200);
		assert_ok(bus_js_publish_async(rig->bus, &out, on_ack, &acks, &err));
	}
	assert_true(test_wait_until(all_called, &acks, WAIT_MS));
	barrier(rig);
	assert_int_equal(atomic_load(&acks.calls), 400);
	assert_int_equal(atomic_load(&acks.stored), 200);
	assert_int_equal(atomic_load(&acks.duplicates), 200);
	drop(rig, "ASYNC");
}

static void
a_publish_that_no_stream_takes_is_unavailable_K12(void **state)
{
	struct rig *rig = *state;
	struct acks acks = {.want = 1};
	struct bus_out out = {.subject = "nostream.x", .data = "x", .size = 1};
	struct bus_ack ack;
	struct err err;

	assert_int_equal(bus_js_publish(rig->bus, &out, WAIT_MS, &ack, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_ok(bus_js_publish_async(rig->bus, &out, on_ack, &acks, &err));
	assert_true(test_wait_until(all_called, &acks, WAIT_MS));
	assert_int_equal(atomic_load(&acks.errors), 1);
	assert_int_equal(atomic_load(&acks.kind), ERR_UNAVAILABLE);
}

static void
a_message_above_the_limit_of_its_stream_is_refused(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "SMALL", .subjects = {"small.*"}, .max_msg_bytes = 16};
	struct bus_out out = {.subject = "small.x", .data = "0123456789abcdef0", .size = 17};
	struct bus_ack ack;
	struct err err;

	ensure(rig, &s);
	assert_int_equal(bus_js_publish(rig->bus, &out, WAIT_MS, &ack, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	store(rig, "small.x", "fits", NULL);
	drop(rig, "SMALL");
}

static void
a_republished_message_shows_a_gap_K11(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "CMD",
	    .subjects = {"t.cmd.*"},
	    .max_msgs_per_subject = 2,
	    .duplicate_window_s = 600,
	    .allow_direct = true,
	    .republish_source = "t.cmd.*",
	    .republish_destination = "t.live.{{wildcard(1)}}"};
	struct inbox in = INBOX;
	struct bus_sub *sub;
	struct bus_stream_state info;
	struct err err;

	ensure(rig, &s);
	assert_ok(bus_subscribe(rig->bus, "t.live.h1", NULL, 0, on_message, &in, &sub, &err));
	store(rig, "t.cmd.h1", "a", "c1");
	store(rig, "t.cmd.h2", "other", "c2");
	store(rig, "t.cmd.h1", "b", "c3");
	store(rig, "t.cmd.h1", "b", "c3"); /* a duplicate is not republished */
	store(rig, "t.cmd.h1", "c", "c4");
	inbox_wait(&in, 3);
	barrier(rig);
	assert_int_equal(inbox_count(&in), 3);
	assert_string_equal(bus_msg_subject(in.msgs[0]), "t.live.h1");
	assert_text(in.msgs[1], "b");
	assert_int_equal(bus_msg_stream_seq(in.msgs[0]), 1);
	assert_int_equal(bus_msg_last_seq(in.msgs[0]), 0);
	assert_int_equal(bus_msg_stream_seq(in.msgs[1]), 3);
	assert_int_equal(bus_msg_last_seq(in.msgs[1]), 1);
	assert_int_equal(bus_msg_stream_seq(in.msgs[2]), 4);
	assert_int_equal(bus_msg_last_seq(in.msgs[2]), 3);
	assert_string_equal(bus_msg_header(in.msgs[1], "Nats-Subject"), "t.cmd.h1");
	assert_string_equal(bus_msg_header(in.msgs[1], "Nats-Stream"), "CMD");
	assert_string_equal(bus_msg_header(in.msgs[1], "Nats-Msg-Id"), "c3");
	/* Two of h1 (the oldest went), one of h2. */
	assert_ok(bus_stream_state(rig->bus, "CMD", &info, &err));
	assert_int_equal(info.messages, 3);
	assert_int_equal(info.first_seq, 2);
	bus_unsubscribe(sub);
	inbox_done(&in);
	drop(rig, "CMD");
}

static void
a_pulled_message_is_delivered_until_it_is_acknowledged_K18(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "RPT", .subjects = {"t.rpt.*"}};
	const struct bus_consumer c = {
	    .stream = "RPT", .durable = "hub", .ack_wait_s = 1, .max_ack_pending = 1000};
	struct bus_msg *msgs[10];
	struct err err;

	ensure(rig, &s);
	struct bus_pull *p = bind_consumer(rig, &c);
	store(rig, "t.rpt.h1", "one", NULL);
	store(rig, "t.rpt.h2", "two", NULL);
	store(rig, "t.rpt.h1", "three", NULL);
	assert_int_equal(fetch(p, 10, WAIT_MS, msgs), 3);
	assert_text(msgs[0], "one");
	assert_text(msgs[2], "three");
	assert_string_equal(bus_msg_subject(msgs[1]), "t.rpt.h2");
	assert_int_equal(bus_msg_stream_seq(msgs[1]), 2);
	assert_int_equal(bus_msg_delivered(msgs[1]), 1);
	assert_ok(bus_msg_ack(msgs[0], &err));
	assert_ok(bus_msg_term(msgs[2], &err));
	for (int i = 0; i < 3; i++)
		bus_msg_free(msgs[i]);
	/* Only the one in the middle comes back, after its ack wait. */
	struct bus_msg *again = fetch_one(p);
	assert_text(again, "two");
	assert_int_equal(bus_msg_delivered(again), 2);
	assert_ok(bus_msg_ack(again, &err));
	bus_msg_free(again);
	assert_int_equal(fetch(p, 10, 1500, msgs), 0);
	bus_pull_free(p);
	drop(rig, "RPT");
}

static void
a_nak_delays_the_next_delivery(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "NAK", .subjects = {"t.nak"}};
	const struct bus_consumer c = {.stream = "NAK", .durable = "d", .ack_wait_s = 30};
	struct err err;

	ensure(rig, &s);
	struct bus_pull *p = bind_consumer(rig, &c);
	store(rig, "t.nak", "x", NULL);
	struct bus_msg *m = fetch_one(p);
	int64_t start = clock_mono_us(clock_system());
	assert_ok(bus_msg_nak(m, 300, &err));
	bus_msg_free(m);
	m = fetch_one(p);
	int64_t took = clock_mono_us(clock_system()) - start;
	assert_true(took >= 250 * MS_US);
	assert_true(took < 20 * SECOND_US);
	assert_int_equal(bus_msg_delivered(m), 2);
	assert_ok(bus_msg_nak(m, 0, &err));
	bus_msg_free(m);
	m = fetch_one(p);
	assert_int_equal(bus_msg_delivered(m), 3);
	assert_ok(bus_msg_ack(m, &err));
	bus_msg_free(m);
	bus_pull_free(p);
	drop(rig, "NAK");
}

static void
a_fetch_of_nothing_takes_its_timeout(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "IDLE", .subjects = {"t.idle"}};
	const struct bus_consumer c = {.stream = "IDLE", .durable = "d"};
	struct bus_msg *m;

	ensure(rig, &s);
	struct bus_pull *p = bind_consumer(rig, &c);
	int64_t start = clock_mono_us(clock_system());
	assert_int_equal(fetch(p, 1, 300, &m), 0);
	int64_t took = clock_mono_us(clock_system()) - start;
	assert_true(took >= 250 * MS_US);
	assert_true(took < 2000 * MS_US);
	bus_pull_free(p);
	drop(rig, "IDLE");
}

static void *
store_one(void *arg)
{
	store(arg, "t.wake", "x", NULL);
	return NULL;
}

static void
a_fetch_returns_as_soon_as_there_is_something(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "WAKE", .subjects = {"t.wake"}};
	const struct bus_consumer c = {.stream = "WAKE", .durable = "d"};
	pthread_t thread;
	struct bus_msg *m;
	struct err err;

	ensure(rig, &s);
	struct bus_pull *p = bind_consumer(rig, &c);
	int64_t start = clock_mono_us(clock_system());
	assert_int_equal(pthread_create(&thread, NULL, store_one, rig), 0);
	assert_int_equal(fetch(p, 100, WAIT_MS, &m), 1);
	assert_true(clock_mono_us(clock_system()) - start < WAIT_MS * MS_US / 2);
	assert_ok(bus_msg_ack(m, &err));
	bus_msg_free(m);
	pthread_join(thread, NULL);
	bus_pull_free(p);
	drop(rig, "WAKE");
}

static void
two_readers_of_one_consumer_share_its_messages(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "SHARE", .subjects = {"t.share"}};
	const struct bus_consumer c = {.stream = "SHARE", .durable = "d", .ack_wait_s = 30};
	struct bus_msg *msgs[10];
	struct bus_pull *p[2];
	struct err err;
	size_t n[2];

	ensure(rig, &s);
	p[0] = bind_consumer(rig, &c);
	p[1] = bind_consumer(rig, &c);
	for (int i = 0; i < 10; i++)
		store(rig, "t.share", "x", NULL);
	for (int i = 0; i < 2; i++) {
		n[i] = fetch(p[i], 5, WAIT_MS, msgs);
		for (size_t k = 0; k < n[i]; k++) {
			assert_ok(bus_msg_ack(msgs[k], &err));
			bus_msg_free(msgs[k]);
		}
	}
	assert_int_equal(n[0], 5);
	assert_int_equal(n[1], 5);
	assert_int_equal(fetch(p[0], 10, 100, msgs), 0);
	bus_pull_free(p[0]);
	bus_pull_free(p[1]);
	drop(rig, "SHARE");
}

struct backlog {
	struct rig *rig;
	uint64_t waiting, unacked;
	struct bus_consumer_state seen;
};

static bool
backlog_is_as_expected(void *arg)
{
	struct backlog *b = arg;
	struct err err;

	assert_ok(bus_consumer_state(b->rig->bus, "LAG", "d", &b->seen, &err));
	return b->seen.waiting == b->waiting && b->seen.unacked == b->unacked;
}

static int64_t
backlog_oldest_us(struct rig *rig, uint64_t waiting, uint64_t unacked)
{
	struct backlog b = {.rig = rig, .waiting = waiting, .unacked = unacked};

	if (!test_wait_until(backlog_is_as_expected, &b, WAIT_MS))
		fail_msg("%ju waiting and %ju unacknowledged", (uintmax_t)b.seen.waiting,
		    (uintmax_t)b.seen.unacked);
	return b.seen.oldest_us;
}

static void
a_consumer_says_what_it_has_not_acknowledged_and_since_when_O4(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "LAG", .subjects = {"t.lag.*"}};
	const struct bus_consumer c = {.stream = "LAG", .durable = "d"};
	struct bus_consumer_state none;
	struct bus_msg *msgs[2];
	int64_t before_us = clock_real_us(clock_system()), first_us, second_us;
	struct err err;

	ensure(rig, &s);
	assert_int_equal(bus_consumer_state(rig->bus, "LAG", "d", &none, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	struct bus_pull *p = bind_consumer(rig, &c);
	assert_int_equal(backlog_oldest_us(rig, 0, 0), 0);
	store(rig, "t.lag.a", "x", NULL);
	first_us = backlog_oldest_us(rig, 1, 0);
	assert_true(first_us >= before_us && first_us <= clock_real_us(clock_system()));
	store(rig, "t.lag.a", "y", NULL);
	assert_int_equal(fetch(p, 2, WAIT_MS, msgs), 2);
	/* Two readings of two clocks, in memory. */
	assert_true(llabs(backlog_oldest_us(rig, 0, 2) - first_us) < 1000);
	assert_ok(bus_msg_ack(msgs[0], &err));
	second_us = backlog_oldest_us(rig, 0, 1);
	assert_true(second_us > first_us - 1000);
	assert_ok(bus_msg_ack(msgs[1], &err));
	assert_int_equal(backlog_oldest_us(rig, 0, 0), 0);
	bus_msg_free(msgs[0]);
	bus_msg_free(msgs[1]);
	bus_pull_free(p);
	drop(rig, "LAG");
}

static bool
stream_is_empty(void *arg)
{
	struct rig *rig = arg;
	struct bus_stream_state info;
	struct err err;

	return bus_stream_state(rig->bus, "QUEUE", &info, &err) == 0 && info.messages == 0;
}

static void
a_work_queue_forgets_what_was_acknowledged(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {
	    .name = "QUEUE", .subjects = {"t.task.*"}, .retention = BUS_RETENTION_WORKQUEUE};
	const struct bus_consumer c = {.stream = "QUEUE", .durable = "d", .filter = "t.task.*"};
	struct bus_msg *msgs[4];
	struct err err;

	ensure(rig, &s);
	struct bus_pull *p = bind_consumer(rig, &c);
	store(rig, "t.task.a", "x", NULL);
	store(rig, "t.task.b", "y", NULL);
	assert_int_equal(fetch(p, 4, WAIT_MS, msgs), 2);
	for (int i = 0; i < 2; i++) {
		assert_ok(bus_msg_ack(msgs[i], &err));
		bus_msg_free(msgs[i]);
	}
	assert_true(test_wait_until(stream_is_empty, rig, WAIT_MS));
	bus_pull_free(p);
	drop(rig, "QUEUE");
}

static void
ensure_is_idempotent_and_a_difference_names_its_field_K12(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "ENSURE",
	    .subjects = {"t.en.*", "t.sure.>"},
	    .max_msgs_per_subject = 64,
	    .max_age_s = 3600,
	    .max_msg_bytes = 1024,
	    .max_bytes = 1048576,
	    .duplicate_window_s = 600,
	    .republish_source = "t.en.*",
	    .republish_destination = "t.out.{{wildcard(1)}}"};
	const struct bus_consumer c = {.stream = "ENSURE",
	    .durable = "d",
	    .filter = "t.en.*",
	    .ack_wait_s = 30,
	    .max_ack_pending = 100000,
	    .max_deliver = -1};
	struct err err;

	for (int i = 0; i < 2; i++) {
		ensure(rig, &s);
		assert_ok(bus_consumer_ensure(rig->bus, &c, &err));
	}
#define DIFFERENT(type, base, member, value, name, call)                                           \
	do {                                                                                       \
		type different = base;                                                             \
		different.member = value;                                                          \
		assert_int_equal(call, -1);                                                        \
		assert_int_equal(err.kind, ERR_CONFLICT);                                          \
		assert_string_equal(err.field, name);                                              \
		assert_non_null(strstr(err.text, "ENSURE"));                                       \
		assert_non_null(strstr(err.text, name));                                           \
	} while (0)
#define DIFFERENT_STREAM(member, value, name)                                                      \
	DIFFERENT(struct bus_stream, s, member, value, name,                                       \
	    bus_stream_ensure(rig->bus, &different, 0, &err))
#define DIFFERENT_CONSUMER(member, value, name)                                                    \
	DIFFERENT(struct bus_consumer, c, member, value, name,                                     \
	    bus_consumer_ensure(rig->bus, &different, &err))
	DIFFERENT_STREAM(max_age_s, 7200, "max_age_s");
	assert_non_null(strstr(err.text, "3600"));
	assert_non_null(strstr(err.text, "7200"));
	DIFFERENT_STREAM(subjects[1], NULL, "subjects");
	DIFFERENT_STREAM(max_msgs_per_subject, 1, "max_msgs_per_subject");
	DIFFERENT_STREAM(max_msg_bytes, 0, "max_msg_bytes");
	DIFFERENT_STREAM(max_bytes, 4096, "max_bytes");
	DIFFERENT_STREAM(duplicate_window_s, 60, "duplicate_window_s");
	DIFFERENT_STREAM(retention, BUS_RETENTION_WORKQUEUE, "retention");
	DIFFERENT_STREAM(republish_destination, "t.other.{{wildcard(1)}}", "republish_destination");
	DIFFERENT_CONSUMER(filter, NULL, "filter");
	DIFFERENT_CONSUMER(ack_wait_s, 31, "ack_wait_s");
	DIFFERENT_CONSUMER(max_ack_pending, 5, "max_ack_pending");
	DIFFERENT_CONSUMER(max_deliver, 3, "max_deliver");
	drop(rig, "ENSURE");
}

static void
subjects_of_another_stream_are_a_conflict(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "OWNER", .subjects = {"t.own.*"}};
	const struct bus_stream thief = {.name = "THIEF", .subjects = {"t.own.a"}};
	struct err err;

	ensure(rig, &s);
	assert_int_equal(bus_stream_ensure(rig->bus, &thief, 0, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	drop(rig, "OWNER");
}

static void
what_does_not_exist_is_not_found(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "HERE", .subjects = {"t.here"}};
	struct bus_stream_state info;
	struct bus_pull *p = NULL;
	struct err err;

	ensure(rig, &s);
	assert_int_equal(bus_pull_bind(rig->bus, "HERE", "nobody", &p, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	drop(rig, "HERE");
	assert_int_equal(bus_pull_bind(rig->bus, "HERE", "nobody", &p, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(bus_stream_state(rig->bus, "HERE", &info, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(bus_stream_delete(rig->bus, "HERE", &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void
wipe(struct rig *rig)
{
	struct err err;

	if (rig->memory) {
		bus_memory_wipe(rig->bus);
		return;
	}
	nats_server_stop(server);
	nats_server_wipe(server);
	assert_int_equal(nats_server_start(server), 0);
	assert_ok(bus_wait_connected(rig->bus, WAIT_MS, &err));
}

static bool
reports_not_found(void *arg)
{
	struct bus_msg *m = NULL;
	size_t n = 0;
	struct err err;

	if (bus_pull_fetch(arg, 1, 50, &m, &n, &err) == 0) {
		assert_int_equal(n, 0);
		return false;
	}
	/* Reconnecting is no verdict about the consumer. */
	assert_true(
	    err.kind == ERR_NOT_FOUND || err.kind == ERR_UNAVAILABLE || err.kind == ERR_TIMEOUT);
	return err.kind == ERR_NOT_FOUND;
}

static bool
can_ensure(void *arg)
{
	const struct bus_stream s = {.name = "WIPED", .subjects = {"t.wiped"}};
	const struct bus_consumer c = {.stream = "WIPED", .durable = "d"};
	struct rig *rig = arg;
	struct err err;

	return bus_stream_ensure(rig->bus, &s, 0, &err) == 0 &&
	       bus_consumer_ensure(rig->bus, &c, &err) == 0;
}

static void
a_wiped_bus_is_rebuilt_from_the_table_K12(void **state)
{
	struct rig *rig = *state;
	struct bus_stream_state before, after;
	struct bus_pull *p = NULL;
	struct err err;

	assert_true(can_ensure(rig));
	assert_ok(bus_pull_bind(rig->bus, "WIPED", "d", &p, &err));
	assert_ok(bus_stream_state(rig->bus, "WIPED", &before, &err));
	wipe(rig);
	assert_true(test_wait_until(reports_not_found, p, 2 * WAIT_MS));
	assert_true(test_wait_until(can_ensure, rig, 2 * WAIT_MS));
	assert_ok(bus_stream_state(rig->bus, "WIPED", &after, &err));
	assert_int_equal(after.messages, 0);
	assert_true(after.created_us != before.created_us);
	store(rig, "t.wiped", "x", NULL);
	/* The old binding works as well: it only has the name. */
	struct bus_msg *m = fetch_one(p);
	assert_ok(bus_msg_ack(m, &err));
	bus_msg_free(m);
	bus_pull_free(p);
	assert_ok(bus_pull_bind(rig->bus, "WIPED", "d", &p, &err));
	bus_pull_free(p);
	drop(rig, "WIPED");
}

/* ---- both ---- */

static int
setup_memory(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig->memory = true;
	rig->bus = bus_memory_new(clock_system(), false);
	*state = rig;
	return rig->bus ? 0 : -1;
}

static int
setup_nats(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct bus_options options = {.servers = nats_server_url(server), .name = "contract"};
	struct err err;

	*state = rig;
	if (bus_nats_new(&options, &rig->bus, &err) == 0 &&
	    bus_wait_connected(rig->bus, WAIT_MS, &err) == 0)
		return 0;
	print_error("%s\n", err.text);
	return -1;
}

static int
teardown(void **state)
{
	struct rig *rig = *state;

	bus_free(rig->bus);
	free(rig);
	return 0;
}

static int
start_server(void **state)
{
	(void)state;
	server = nats_server_new(NULL);
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	nats_server_free(server);
	return 0;
}

#define BOTH(test)                                                                                 \
	{#test " (memory)", test, setup_memory, teardown, NULL},                                   \
	{                                                                                          \
		#test " (nats)", test, setup_nats, teardown, NULL                                  \
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
	    BOTH(a_repeated_message_id_is_stored_once_K10),
	    BOTH(a_message_out_of_its_row_is_a_conflict_G7),
	    BOTH(a_stored_message_is_read_by_its_sequence),
	    BOTH(every_asynchronous_publish_is_answered_once_K10),
	    BOTH(a_publish_that_no_stream_takes_is_unavailable_K12),
	    BOTH(a_message_above_the_limit_of_its_stream_is_refused),
	    BOTH(a_republished_message_shows_a_gap_K11),
	    BOTH(a_pulled_message_is_delivered_until_it_is_acknowledged_K18),
	    BOTH(a_nak_delays_the_next_delivery),
	    BOTH(a_fetch_of_nothing_takes_its_timeout),
	    BOTH(a_fetch_returns_as_soon_as_there_is_something),
	    BOTH(two_readers_of_one_consumer_share_its_messages),
	    BOTH(a_work_queue_forgets_what_was_acknowledged),
	    BOTH(a_consumer_says_what_it_has_not_acknowledged_and_since_when_O4),
	    BOTH(ensure_is_idempotent_and_a_difference_names_its_field_K12),
	    BOTH(subjects_of_another_stream_are_a_conflict),
	    BOTH(what_does_not_exist_is_not_found),
	    BOTH(a_wiped_bus_is_rebuilt_from_the_table_K12),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
