/* What the answer to a hello asks of the host. */
#include "session_rig.h"

/* A heartbeat is answered HELLO_REQUIRED; the hello that follows is on the wire. */
static void
until_hello_required(struct rig *r)
{
	until_heartbeat(r);
	heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED, 0);
	if (!rig_effect(r, AGENT_SEND_HELLO))
		rig_advance(r, SECOND_US);
}

static void
stale_stops_executors_and_exits_with_zero_A6(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	until_hello_required(r);
	answer(r, FAIRLEAD__V1__HELLO_VERDICT__HELLO_STALE, 0);
	assert_non_null(rig_effect(r, AGENT_DRIVER_STOP));
	assert_null(rig_effect(r, AGENT_EXIT));
	rig_driver(r, rig_id(1), DRIVER_EXITED, 143);
	assert_non_null(rig_effect(r, AGENT_EXIT));
	assert_int_equal(rig_get(r, AGENT_EXIT)->u.exit_code, 0);
}

static void
retired_kills_what_ignores_its_grace(void **state)
{
	struct rig *r = *state;
	struct rig_item item;
	Fairlead__V1__CommandItem *items[] = {rig_item(&item, rig_id(1), G(1), RUN, G(1))};
	bool killed = false, left = false;

	rig_accept(r, G(1), G(0));
	item.spec.stop_grace_ms = 60000;
	rig_send(r, items, 1, G(1), 0, 0);
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	until_hello_required(r);
	answer(r, FAIRLEAD__V1__HELLO_VERDICT__HELLO_RETIRED, 0);
	assert_int_equal(rig_get(r, AGENT_DRIVER_STOP)->u.executor.grace_ms, 5000);
	for (int i = 0; i < 150 && !left; i++) {
		rig_advance(r, SECOND_US / 10);
		if (rig_effect(r, AGENT_DRIVER_STOP))
			killed = rig_get(r, AGENT_DRIVER_STOP)->u.executor.grace_ms == 0;
		left = rig_effect(r, AGENT_EXIT) != NULL;
	}
	assert_true(killed);
	assert_true(left); /* even when nothing ever says EXITED */
}

static void
hello_required_is_answered_by_a_hello_A5(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	clock_manual_advance(&r->clock, 10 * SECOND_US);
	rig_event(r, AGENT_TICK);
	heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED, 0);
	assert_non_null(rig_effect(r, AGENT_SEND_HELLO));
}

static void
a_rejected_hello_is_tried_again_A7_A9(void **state)
{
	struct rig *r = *state;

	hello_on_wire(r);
	answer(r, FAIRLEAD__V1__HELLO_VERDICT__HELLO_REJECTED, 0);
	assert_null(rig_effect(r, AGENT_EXIT));
	for (int i = 0; i < 120 && !rig_effect(r, AGENT_SEND_HELLO); i++)
		rig_advance(r, SECOND_US / 10);
	assert_non_null(rig_effect(r, AGENT_SEND_HELLO));
}

static void
the_floor_raises_contiguous_seq_and_a_sync_follows_K4(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;

	hello_on_wire(r);
	m.verdict = ACCEPTED;
	m.epoch = G(1);
	m.journal_floor = G(44);
	rig_answer_hello(r, &m);
	assert_int_equal(agent_contiguous_seq(r->agent), G(44));
	assert_int_equal(rig_get(r, AGENT_SEND_SYNC)->u.sync->contiguous_seq, G(44));
}

static void
absent_of_a_hello_answer_is_forgotten_only_after_the_sync_K6(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;
	Fairlead__V1__AbsentItem absent = FAIRLEAD__V1__ABSENT_ITEM__INIT;
	Fairlead__V1__AbsentItem *list[] = {&absent};
	Fairlead__V1__SyncAnswer page = FAIRLEAD__V1__SYNC_ANSWER__INIT;
	struct agent_effects kept;
	struct id id = rig_id(1);

	rig_accept(r, G(1), G(0));
	rig_command(r, id, G(1), STOP, G(1));
	rig_ack(r);
	rig_restart(r);
	hello_on_wire(r);
	absent.executor_id = (ProtobufCBinaryData){ID_BYTES, id.bytes};
	absent.generation = G(2);
	m.verdict = ACCEPTED;
	m.epoch = G(2);
	m.absent = list;
	m.n_absent = 1;
	rig_answer_hello(r, &m);
	assert_non_null(rig_effect(r, AGENT_DRIVER_DESTROY) ? rig_effect(r, AGENT_DRIVER_DESTROY)
							    : rig_effect(r, AGENT_SEND_SYNC));
	kept = r->effects; /* the sync request must survive the steps in between */
	assert_int_equal(effects_init(&r->effects), 0);
	rig_driver(r, id, DRIVER_GONE, 0);
	rig_advance(r, 1);
	for (uint64_t counter = 1; counter < 5; counter++) {
		struct agent_event ack = {.type = AGENT_REPORT_ACK};

		ack.u.report_ack.counter = counter;
		ack.u.report_ack.stored = true;
		rig_step(r, &ack);
	}
	assert_int_equal(
	    agent_record_count(r->agent), 1); /* an older RUN may still be on its way */
	effects_done(&r->effects);
	r->effects = kept;
	page.last = true;
	page.as_of_seq = G(1);
	rig_answer_sync(r, &page);
	rig_advance(r, 1);
	assert_int_equal(agent_record_count(r->agent), 0);
}

static void
report_all_says_every_record_again_K3(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), STOP, G(1));
	rig_ack(r);
	rig_restart(r);
	hello_on_wire(r);
	m.verdict = ACCEPTED;
	m.epoch = G(2);
	m.report_all = true;
	rig_answer_hello(r, &m);
	assert_non_null(rig_report(r, rig_id(1)));
}

static void
absence_is_never_an_order_K4(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	rig_event(r, AGENT_OVERFLOW);
	/* an empty sync page names nothing: what runs goes on */
	Fairlead__V1__SyncAnswer page = FAIRLEAD__V1__SYNC_ANSWER__INIT;
	page.last = true;
	page.as_of_seq = G(9);
	rig_answer_sync(r, &page);
	assert_null(rig_effect(r, AGENT_DRIVER_STOP));
	assert_int_equal(rig_record(r, rig_id(1))->state, EXECUTOR_RUNNING);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(stale_stops_executors_and_exits_with_zero_A6),
	    TEST(retired_kills_what_ignores_its_grace),
	    TEST(hello_required_is_answered_by_a_hello_A5),
	    TEST(a_rejected_hello_is_tried_again_A7_A9),
	    TEST(the_floor_raises_contiguous_seq_and_a_sync_follows_K4),
	    TEST(absent_of_a_hello_answer_is_forgotten_only_after_the_sync_K6),
	    TEST(report_all_says_every_record_again_K3),
	    TEST(absence_is_never_an_order_K4),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
