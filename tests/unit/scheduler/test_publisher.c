/* publisher: tries, bounds and ends of a flight, over a broker in memory and without Postgres, so
 * that marking fails and is given up, as it is while Postgres is away. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "clock.h"
#include "err.h"
#include "leadership.h"
#include "leases.h"
#include "metrics.h"
#include "publisher.h"
#include "scheduler.h"
#include "scheduler_metrics.h"
#include "store.h"
#include "streams.h"
#include "wait.h"

#define PATIENCE_MS 10000

struct fixture {
	struct scheduler s;
	struct metrics *metrics;
	struct store_item item;
};

/* On the heap: after a failed assertion threads still look at it. */
static struct fixture *
start(bool stepped)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	assert_non_null(f);
	f->s.settings = (struct scheduler_settings){.instance = "test",
	    .prefix = "fl",
	    .database_url = "host=/nowhere dbname=none",
	    .database_role = "",
	    .replicas = 1};
	f->item = (struct store_item){
	    .generation = 1, .host_seq = 1, .desired = DESIRED_STOP, .session = "web"};
	f->metrics = metrics_new();
	f->s.metrics = scheduler_metrics_new(f->metrics);
	f->s.bus = bus_memory_new(clock_system(), stepped);
	assert_non_null(f->s.metrics);
	assert_non_null(f->s.bus);
	assert_int_equal(leadership_start(&f->s, &f->s.leases, &err), 0);
	assert_int_equal(publisher_start(&f->s, &f->s.publisher, &err), 0);
	return f;
}

static void
stop(struct fixture *f)
{
	publisher_stop(f->s.publisher);
	bus_free(f->s.bus);
	publisher_free(f->s.publisher);
	leases_stop(f->s.leases);
	scheduler_metrics_free(f->s.metrics);
	metrics_free(f->metrics);
	free(f);
}

static struct store_message
message_of(struct fixture *f)
{
	f->item.executor_id = id_new();
	return (struct store_message){.message_id = id_new(),
	    .host_id = "h1",
	    .encoding = "protobuf",
	    .journal_id = id_new(),
	    .host_seq = 1,
	    .items = &f->item,
	    .item_count = 1};
}

static void
streams_make(struct fixture *f)
{
	struct err err;

	if (streams_ensure(f->s.bus, "fl", 1, &err) != 0)
		fail_msg("%s", err.text);
}

/* UINT64_MAX: the stream does not exist. */
static uint64_t
stored(struct fixture *f)
{
	struct bus_stream_state state;
	struct err err;

	if (bus_stream_state(f->s.bus, STREAM_COMMANDS, &state, &err) != 0)
		return UINT64_MAX;
	return state.messages;
}

static bool
nothing_is_in_flight(void *arg)
{
	struct fixture *f = arg;

	return publisher_in_flight(f->s.publisher) == 0;
}

static bool
step_until_nothing_is_in_flight(void *arg)
{
	struct fixture *f = arg;

	while (bus_memory_step(f->s.bus))
		;
	return nothing_is_in_flight(f);
}

static void
what_is_acknowledged_is_forgotten(void **state)
{
	struct fixture *f = start(false);
	struct store_message m;

	(void)state;
	streams_make(f);
	m = message_of(f);
	publisher_send(f->s.publisher, &m, 1);
	assert_true(test_wait_until(nothing_is_in_flight, f, PATIENCE_MS));
	assert_int_equal(stored(f), 1);
	assert_int_equal(metric_value(f->s.metrics->messages), 1);
	assert_int_equal(metric_value(f->s.metrics->retries), 0);
	assert_int_equal(metric_value(f->s.metrics->resent), 0);
	stop(f);
}

static void
a_missing_stream_is_made_and_the_message_arrives_once_K12(void **state)
{
	struct fixture *f = start(false);
	struct store_message m;

	(void)state;
	assert_true(stored(f) == UINT64_MAX);
	m = message_of(f);
	publisher_send(f->s.publisher, &m, 1);
	assert_true(test_wait_until(nothing_is_in_flight, f, PATIENCE_MS));
	assert_int_equal(stored(f), 1);
	assert_true(metric_value(f->s.metrics->retries) >= 1);
	assert_int_equal(metric_value(f->s.metrics->messages), 1);
	stop(f);
}

static void
one_in_flight_is_not_sent_twice(void **state)
{
	struct fixture *f = start(true);
	struct store_message m[2];

	(void)state;
	streams_make(f);
	m[0] = m[1] = message_of(f);
	m[1].resend = true; /* would get another Msg-Id, and be stored again */
	publisher_send(f->s.publisher, m, 2);
	publisher_send(f->s.publisher, &m[1], 1);
	assert_int_equal(publisher_in_flight(f->s.publisher), 1);
	assert_int_equal(stored(f), 1);
	assert_int_equal(metric_value(f->s.metrics->resent), 0);
	assert_true(test_wait_until(step_until_nothing_is_in_flight, f, PATIENCE_MS));
	/* Landed: now it is new again. */
	publisher_send(f->s.publisher, &m[1], 1);
	assert_int_equal(stored(f), 2);
	assert_int_equal(metric_value(f->s.metrics->resent), 1);
	assert_true(test_wait_until(step_until_nothing_is_in_flight, f, PATIENCE_MS));
	stop(f);
}

static void
commands_are_counted_as_published_once_O4(void **state)
{
	struct fixture *f = start(false);
	struct store_item items[3] = {f->item, f->item, f->item};
	struct store_message m;

	(void)state;
	streams_make(f);
	m = message_of(f);
	m.items = items;
	m.item_count = COUNT_OF(items);
	for (size_t i = 0; i < COUNT_OF(items); i++)
		items[i].executor_id = id_new();
	scheduler_send(&f->s, &m, 1);
	assert_true(test_wait_until(nothing_is_in_flight, f, PATIENCE_MS));
	assert_int_equal(metric_value(f->s.metrics->written), 3);
	assert_int_equal(metric_value(f->s.metrics->published), 3);
	assert_int_equal(metric_value(f->s.metrics->published_seconds), 1);
	/* Its publisher died before it was marked: the stream has it already. */
	scheduler_send_again(&f->s, &m, 1);
	assert_true(test_wait_until(nothing_is_in_flight, f, PATIENCE_MS));
	assert_int_equal(metric_value(f->s.metrics->duplicates), 1);
	assert_int_equal(metric_value(f->s.metrics->published), 3);
	/* Nobody accepted it: the same commands under another Msg-Id. */
	m.resend = true;
	scheduler_send_again(&f->s, &m, 1);
	assert_true(test_wait_until(nothing_is_in_flight, f, PATIENCE_MS));
	assert_int_equal(metric_value(f->s.metrics->resent), 1);
	assert_int_equal(metric_value(f->s.metrics->written), 3);
	assert_int_equal(metric_value(f->s.metrics->published), 3);
	assert_int_equal(metric_value(f->s.metrics->messages), 3);
	stop(f);
}

static void
what_does_not_fit_is_counted_and_left_to_the_sweep(void **state)
{
	struct fixture *f = start(true);

	(void)state;
	streams_make(f);
	for (int i = 0; i < PUBLISHER_FLIGHTS_MAX + 3; i++) {
		struct store_message m = message_of(f);

		publisher_send(f->s.publisher, &m, 1);
	}
	assert_int_equal(publisher_in_flight(f->s.publisher), PUBLISHER_FLIGHTS_MAX);
	assert_int_equal(metric_value(f->s.metrics->queues[SCHEDULER_QUEUE_FLIGHTS]), 3);
	stop(f);
}

static void
a_message_that_cannot_be_said_is_not_kept(void **state)
{
	static const uint8_t garbage[] = {0xff, 0xff, 0xff, 0xff, 0xff};
	struct fixture *f = start(false);
	struct store_message m[2];
	struct store_item bad;

	(void)state;
	streams_make(f);
	m[0] = message_of(f);
	bad = f->item;
	bad.desired = DESIRED_RUN;
	bad.spec_body = garbage;
	bad.spec_size = sizeof(garbage);
	m[0].items = &bad;
	m[1] = message_of(f);
	publisher_send(f->s.publisher, m, 2);
	assert_true(test_wait_until(nothing_is_in_flight, f, PATIENCE_MS));
	assert_int_equal(stored(f), 1);
	stop(f);
}

static void
a_drain_without_an_answer_ends_in_time(void **state)
{
	struct fixture *f = start(true);
	struct store_message m;
	int64_t from_us;

	(void)state;
	streams_make(f);
	m = message_of(f);
	publisher_send(f->s.publisher, &m, 1);
	from_us = clock_mono_us(clock_system());
	publisher_drain(f->s.publisher, 200);
	assert_true(clock_mono_us(clock_system()) - from_us >= 200 * MS_US);
	assert_true(clock_mono_us(clock_system()) - from_us < 5 * SECOND_US);
	assert_int_equal(publisher_in_flight(f->s.publisher), 1);
	stop(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_acknowledged_is_forgotten),
	    cmocka_unit_test(a_missing_stream_is_made_and_the_message_arrives_once_K12),
	    cmocka_unit_test(one_in_flight_is_not_sent_twice),
	    cmocka_unit_test(commands_are_counted_as_published_once_O4),
	    cmocka_unit_test(what_does_not_fit_is_counted_and_left_to_the_sweep),
	    cmocka_unit_test(a_message_that_cannot_be_said_is_not_kept),
	    cmocka_unit_test(a_drain_without_an_answer_ends_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
