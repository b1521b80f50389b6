/* Heartbeats, and the end of a session. */
#include "session_rig.h"

static void
heartbeats_come_every_interval_with_jitter(void **state)
{
	struct rig *r = *state;
	int64_t last, least = INT64_MAX, most = 0;

	rig_accept(r, G(1), G(0));
	until_heartbeat(r);
	last = r->clock.mono_us;
	for (int n = 0; n < 50; n++) {
		int64_t gap;

		heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK, G(0));
		clock_manual_advance(&r->clock, agent_deadline(r->agent) - r->clock.mono_us);
		rig_event(r, AGENT_TICK);
		assert_non_null(rig_effect(r, AGENT_SEND_HEARTBEAT));
		gap = r->clock.mono_us - last;
		last = r->clock.mono_us;
		least = gap < least ? gap : least;
		most = gap > most ? gap : most;
	}
	assert_true(least >= 4500 * MS_US && most <= 5500 * MS_US);
	assert_true(most - least > 100 * MS_US);
}

static void
an_idle_agent_wakes_for_heartbeats_only(void **state)
{
	struct rig *r = *state;
	unsigned wakes = 0;
	int64_t end;

	rig_accept(r, G(1), G(0));
	until_heartbeat(r);
	heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK, G(0));
	rig_advance(r, 2 * SECOND_US); /* what was acknowledged is written once */
	end = r->clock.mono_us + 60 * SECOND_US;
	while (agent_deadline(r->agent) < end) {
		clock_manual_advance(&r->clock, agent_deadline(r->agent) - r->clock.mono_us);
		rig_event(r, AGENT_TICK);
		wakes++;
		if (rig_effect(r, AGENT_SEND_HEARTBEAT))
			heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK, G(0));
	}
	assert_true(wakes <= 14);
}

static void
an_answer_with_an_unknown_nonce_is_ignored_K25(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__HeartbeatAnswer m = FAIRLEAD__V1__HEARTBEAT_ANSWER__INIT;
	struct agent_event event = {.type = AGENT_HEARTBEAT_ANSWER, .u.heartbeat_answer = &m};
	struct id other = rig_id(5);

	rig_accept(r, G(1), G(0));
	until_heartbeat(r);
	m.verdict = FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED;
	m.nonce_id = (ProtobufCBinaryData){ID_BYTES, other.bytes};
	rig_step(r, &event);
	m.nonce_id = (ProtobufCBinaryData){0};
	rig_step(r, &event);
	rig_advance(r, 2 * SECOND_US);
	assert_null(rig_effect(r, AGENT_SEND_HELLO));
}

static void
unanswered_heartbeats_lead_to_a_hello_L11(void **state)
{
	struct rig *r = *state;
	bool hello = false;

	rig_accept(r, G(1), G(0));
	for (int i = 0; i < 300 && !hello; i++) {
		rig_advance(r, SECOND_US / 10);
		hello = rig_effect(r, AGENT_SEND_HELLO) != NULL;
	}
	assert_true(hello);
}

static void
sigterm_leaves_executors_running(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	rig_event(r, AGENT_STOP);
	assert_null(rig_effect(r, AGENT_DRIVER_STOP));
	assert_int_equal(rig_get(r, AGENT_EXIT)->u.exit_code, 0);
}

static void
sigterm_stops_executors_when_told_to_and_reports_their_ends(void **state)
{
	struct rig *r = *state;

	r->config.stop_executors_on_exit = true;
	rig_restart(r);
	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	rig_event(r, AGENT_STOP);
	assert_non_null(rig_effect(r, AGENT_DRIVER_STOP));
	rig_driver(r, rig_id(1), DRIVER_EXITED, 0);
	assert_int_equal(rig_record(r, rig_id(1))->state, EXECUTOR_STOPPED);
	for (int i = 0; i < 25 && !rig_effect(r, AGENT_EXIT); i++)
		rig_advance(r, SECOND_US / 10);
	assert_non_null(rig_effect(r, AGENT_EXIT));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(heartbeats_come_every_interval_with_jitter),
	    TEST(an_idle_agent_wakes_for_heartbeats_only),
	    TEST(an_answer_with_an_unknown_nonce_is_ignored_K25),
	    TEST(unanswered_heartbeats_lead_to_a_hello_L11),
	    TEST(sigterm_leaves_executors_running),
	    TEST(sigterm_stops_executors_when_told_to_and_reports_their_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
