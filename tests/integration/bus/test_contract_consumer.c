/* The contract of consumers: what is fetched, and until when. */
#include "contract.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "wait.h"

static struct bus_pull *
bind_consumer(struct rig *rig, const struct bus_consumer *c)
{
	struct bus_pull *p = NULL;
	struct err err;

	assert_ok(bus_consumer_ensure(rig->bus, c, &err));
	assert_ok(bus_pull_bind(rig->bus, c->stream, c->durable, &p, &err));
	return p;
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(a_pulled_message_is_delivered_until_it_is_acknowledged_K18),
	    BOTH(a_nak_delays_the_next_delivery),
	    BOTH(a_fetch_of_nothing_takes_its_timeout),
	    BOTH(a_fetch_returns_as_soon_as_there_is_something),
	    BOTH(two_readers_of_one_consumer_share_its_messages),
	    BOTH(a_work_queue_forgets_what_was_acknowledged),
	    BOTH(a_consumer_says_what_it_has_not_acknowledged_and_since_when_O4),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
