/* intake: reports from their stream into Postgres, and what it does where one of both is away. */
#include "test.h"

#include "arena.h"
#include "bus.h"
#include "courier.h"
#include "err.h"
#include "hub_bounds.h"
#include "hub_rig.h"
#include "id.h"
#include "intake.h"
#include "streams.h"
#include "wait.h"

#include "fairlead/v1/host.pb-c.h"

#define PATIENCE_MS 10000

static bool
reports_are_there(void *arg)
{
	struct hub_rig *r = arg;
	struct bus_stream_state s;

	return bus_stream_state(r->hub.bus, STREAM_REPORTS, &s, &r->err) == 0;
}

static void
a_stream_that_is_made_again_has_the_replicas_of_the_setting_K12(void **state)
{
	struct hub_rig *r = *state;
	struct intake *s;

	r->hub.settings.replicas = 3;
	assert_int_equal(intake_start(&r->hub, &s, &r->err), 0);
	assert_true(test_wait_until(reports_are_there, r, PATIENCE_MS));
	assert_int_equal(streams_ensure(r->hub.bus, "fl", 3, &r->err), 0);
	assert_int_equal(streams_ensure(r->hub.bus, "fl", 1, &r->err), -1);
	assert_string_equal(r->err.field, "replicas");
	intake_stop(s);
}

static void
report_put(struct hub_rig *r, uint32_t number)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	uint8_t id[ID_BYTES] = {1};
	Fairlead__V1__ExecutorReport e = FAIRLEAD__V1__EXECUTOR_REPORT__INIT, *rows[] = {&e};
	Fairlead__V1__Report m = FAIRLEAD__V1__REPORT__INIT;
	const struct courier_message out = {
	    .subject = "fl.rpt.h1", .encoding = WIRE_PROTOBUF, .message = &m.base};
	struct bus_out encoded;
	struct bus_ack ack;

	id[1] = (uint8_t)number;
	e.executor_id = m.journal_id = (ProtobufCBinaryData){sizeof(id), id};
	e.accepted_generation = 1;
	m.host_id = "h1";
	m.executors = rows;
	m.n_executors = 1;
	assert_int_equal(courier_encode(&out, a, &encoded, &r->err), 0);
	assert_int_equal(bus_js_publish(r->hub.bus, &encoded, 1000, &ack, &r->err), 0);
}

/* More than the commit threads and the queue before them can hold: the fetcher waits for room. */
static bool
the_intake_is_full(void *arg)
{
	struct hub_rig *r = arg;
	struct bus_consumer_state s;

	return bus_consumer_state(r->hub.bus, STREAM_REPORTS, CONSUMER_HUB_REPORTS, &s, &r->err) ==
		   0 &&
	       s.unacked > COMMITTERS + UNITS_AHEAD;
}

static void
a_stop_does_not_wait_for_a_postgres_that_stalls_R7(void **state)
{
	struct hub_rig *r = *state;
	struct bus_consumer_state left;
	struct intake *s;

	assert_int_equal(streams_ensure(r->hub.bus, "fl", 1, &r->err), 0);
	for (uint32_t i = 0; i < 4 * (COMMITTERS + UNITS_AHEAD); i++)
		report_put(r, i);
	assert_int_equal(intake_start(&r->hub, &s, &r->err), 0);
	assert_true(test_wait_until(the_intake_is_full, r, PATIENCE_MS));
	intake_stop(s);
	/* Nothing was acknowledged: another hub commits it. */
	assert_int_equal(
	    bus_consumer_state(r->hub.bus, STREAM_REPORTS, CONSUMER_HUB_REPORTS, &left, &r->err),
	    0);
	assert_int_equal(left.waiting + left.unacked, 4 * (COMMITTERS + UNITS_AHEAD));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, hub_rig_setup, hub_rig_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_stream_that_is_made_again_has_the_replicas_of_the_setting_K12),
	    TEST(a_stop_does_not_wait_for_a_postgres_that_stalls_R7),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
