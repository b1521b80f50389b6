/* The real agent and what a bus may lose, repeat or garble. */
#include "agent_fixture.h"

static void
a_command_that_never_came_is_fetched_by_sync_C2(void **state)
{
	struct fixture *f = *state;
	struct id id = id_new();
	struct cp_order *order;

	start(f);
	order = cp_order(&f->cp, id, RUN, "exit 0"); /* written, never published */
	order->driver = "fake";
	order->script = "run=1ms";
	expect_state(f, id, SUCCEEDED);
	assert_true(f->cp.syncs >= 2);
}

/* The order as the stream would republish it, had it stored it as `sequence`. */
static void
republish(struct fixture *f, struct cp_order *order, const char *sequence, const char *last)
{
	Fairlead__V1__Command m = FAIRLEAD__V1__COMMAND__INIT;
	const struct bus_header headers[] = {
	    {"Content-Type", "application/protobuf; type=fairlead.v1.Command"},
	    {"Fl-Kind", "command"}, {"Nats-Sequence", sequence}, {"Nats-Last-Sequence", last}};
	struct bus_out out = {
	    .subject = "fl.live." CP_HOST, .headers = headers, .header_count = COUNT_OF(headers)};
	Fairlead__V1__CommandItem *items[1];
	struct err err;
	void *data;

	arena_reset(f->cp.arena);
	items[0] = cp_item(&f->cp, order);
	m.host_id = (char *)(uintptr_t)CP_HOST;
	m.journal_id = (ProtobufCBinaryData){ID_BYTES, f->cp.journal_id.bytes};
	m.host_seq = order->host_seq;
	m.items = items;
	m.n_items = 1;
	assert_int_equal(
	    wire_encode(&m.base, WIRE_PROTOBUF, f->cp.arena, &data, &out.size, &err), 0);
	out.data = data;
	assert_int_equal(bus_publish(f->cp.bus, &out, &err), 0);
}

static struct cp_order *
short_order(struct fixture *f, struct id id)
{
	struct cp_order *order = cp_order(&f->cp, id, RUN, "exit 0");

	order->driver = "fake";
	order->script = "run=1ms";
	return order;
}

static bool
asked_for_sync(struct cp *cp, void *arg)
{
	return cp->syncs > *(unsigned *)arg;
}

/* The host_seq numbers have no gap: it is the stream's numbers that tell of one. */
static void
a_gap_in_nats_last_sequence_is_answered_by_a_sync_C11(void **state)
{
	struct fixture *f = *state;
	struct id ids[3] = {id_new(), id_new(), id_new()};
	unsigned syncs;

	start(f);
	republish(f, short_order(f, ids[0]), "5", "0");
	expect_state(f, ids[0], SUCCEEDED);
	expect_settled(f);
	syncs = f->cp.syncs;
	republish(f, short_order(f, ids[1]), "8", "5");
	expect_state(f, ids[1], SUCCEEDED);
	expect_settled(f);
	assert_int_equal(f->cp.syncs, syncs);
	republish(f, short_order(f, ids[2]), "12", "9");
	expect_state(f, ids[2], SUCCEEDED);
	assert_true(cp_wait(&f->cp, asked_for_sync, &syncs, PATIENCE_MS));
}

static void
the_agent_starts_before_the_bus_and_waits_A9(void **state)
{
	struct fixture *f = *state;

	cp_disconnect(&f->cp);
	nats_server_stop(f->cp.server);
	cp_agent_start(&f->agent, &f->cp, NULL);
	assert_int_equal(waitpid(f->agent.pid, NULL, WNOHANG), 0);
	assert_int_equal(nats_server_start(f->cp.server), 0);
	cp_connect(&f->cp);
	expect_hellos(f, 1);
	expect_settled(f);
}

static void
a_restarted_bus_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct id id = id_new();
	struct cp_order *order;

	start(f);
	cp_disconnect(&f->cp);
	nats_server_kill(f->cp.server);
	assert_int_equal(nats_server_start(f->cp.server), 0);
	cp_connect(&f->cp);
	order = cp_order(&f->cp, id, RUN, "exit 0");
	order->driver = "fake";
	order->script = "run=1ms";
	cp_send_one(&f->cp, order);
	expect_state(f, id, SUCCEEDED);
	assert_int_equal(f->cp.hellos, 1); /* the epoch is still good */
}

static void
garbage_on_every_subject_hurts_nobody_C7(void **state)
{
	struct fixture *f = *state;
	static const char *const subjects[] = {
	    "fl.live." CP_HOST, "fl.io." CP_HOST ".x.ctl", "fl.cmd." CP_HOST};
	struct id id = id_new();
	struct cp_order *order;
	struct err err;

	start(f);
	for (size_t i = 0; i < COUNT_OF(subjects); i++) {
		struct bus_out out = {.subject = subjects[i], .data = "\xff\x00garbage", .size = 9};

		assert_int_equal(bus_publish(f->cp.bus, &out, &err), 0);
		out.data = "{\"items\": [}";
		out.size = 12;
		assert_int_equal(bus_publish(f->cp.bus, &out, &err), 0);
		out.size = 0;
		assert_int_equal(bus_publish(f->cp.bus, &out, &err), 0);
	}
	order = cp_order(&f->cp, id, RUN, "exit 0");
	order->driver = "fake";
	order->script = "run=1ms";
	cp_send_one(&f->cp, order);
	expect_state(f, id, SUCCEEDED);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_command_that_never_came_is_fetched_by_sync_C2),
	    TEST(a_gap_in_nats_last_sequence_is_answered_by_a_sync_C11),
	    TEST(the_agent_starts_before_the_bus_and_waits_A9),
	    TEST(a_restarted_bus_loses_nothing),
	    TEST(garbage_on_every_subject_hurts_nobody_C7),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
