/* stop_on_host_after (K24, L13): who is cut off for too long stops, under a manual clock. */
#include "agent_rig.h"

#include <stdio.h>

#define RUN FAIRLEAD__V1__DESIRED__RUN
#define G(n) (RIG_TERM | (n))
#define AFTER_US (30 * SECOND_US)

static int
setup(void **state)
{
	static struct rig rig;

	rig_init(&rig);
	*state = &rig;
	return 0;
}

static int
teardown(void **state)
{
	rig_done(*state);
	return 0;
}

/* A RUN that stops 30 s after the last contact, or never. */
static void
run(struct rig *r, unsigned n, bool stops, const char *policy)
{
	Fairlead__V1__RestartPolicy restart = FAIRLEAD__V1__RESTART_POLICY__INIT;
	struct rig_item item;
	Fairlead__V1__CommandItem *items[] = {rig_item(&item, rig_id(n), G(1), RUN, G(n))};

	restart.policy = (char *)(uintptr_t)policy;
	item.spec.restart = &restart;
	item.spec.stop_on_host_after_ms = stops ? (uint32_t)(AFTER_US / MS_US) : 0;
	item.spec.stop_grace_ms = 700;
	rig_send(r, items, 1, G(n), 0, 0);
}

static void
runs(struct rig *r, unsigned n, bool stops)
{
	run(r, n, stops, "always");
	rig_driver(r, rig_id(n), DRIVER_STARTING, -1);
	rig_driver(r, rig_id(n), DRIVER_RUNNING, -1);
}

static enum executor_state
state_of(const struct rig *r, unsigned n)
{
	const struct record *record = rig_record(r, rig_id(n));

	assert_non_null(record);
	return record->state;
}

/* The next heartbeat: when it was sent; its nonce. */
static int64_t
heartbeat(struct rig *r, uint8_t nonce[ID_BYTES])
{
	while (!rig_effect(r, AGENT_SEND_HEARTBEAT))
		rig_advance(r, SECOND_US / 10);
	memcpy(nonce, rig_get(r, AGENT_SEND_HEARTBEAT)->u.heartbeat->nonce_id.data, ID_BYTES);
	return r->clock.mono_us;
}

static void
answer(struct rig *r, uint8_t nonce[ID_BYTES], Fairlead__V1__HeartbeatVerdict verdict)
{
	Fairlead__V1__HeartbeatAnswer m = FAIRLEAD__V1__HEARTBEAT_ANSWER__INIT;
	struct agent_event event = {.type = AGENT_HEARTBEAT_ANSWER, .u.heartbeat_answer = &m};

	m.nonce_id = (ProtobufCBinaryData){ID_BYTES, nonce};
	m.verdict = verdict;
	m.epoch = agent_epoch(r->agent);
	m.host_seq = agent_contiguous_seq(r->agent);
	rig_step(r, &event);
}

#define OK_VERDICT FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK

/* Time passes in small steps up to this moment, the bus being away. */
static void
until(struct rig *r, int64_t mono_us)
{
	while (r->clock.mono_us < mono_us) {
		int64_t left = mono_us - r->clock.mono_us;

		rig_advance(r, left < SECOND_US ? left : SECOND_US);
	}
}

/* Runs n executors, the first of which stops when cut off; one heartbeat answered, then the bus is
 * away.  Returns when that heartbeat was sent. */
static int64_t
cut_off_with(struct rig *r, unsigned n)
{
	uint8_t nonce[ID_BYTES];
	int64_t sent;

	rig_accept(r, G(1), G(0));
	for (unsigned i = 1; i <= n; i++)
		runs(r, i, i == 1);
	sent = heartbeat(r, nonce);
	answer(r, nonce, OK_VERDICT);
	rig_event(r, AGENT_DISCONNECTED);
	return sent;
}

static void
past_it_the_host_stops_what_asked_for_it_with_the_bus_down_K24_L13(void **state)
{
	struct rig *r = *state;
	int64_t sent = cut_off_with(r, 2);

	assert_int_equal(agent_deadline(r->agent) <= sent + AFTER_US, true);
	until(r, sent + AFTER_US - 1);
	assert_int_equal(state_of(r, 1), EXECUTOR_RUNNING);
	rig_advance(r, 1);
	assert_int_equal(state_of(r, 1), EXECUTOR_STOPPING);
	assert_int_equal(rig_get(r, AGENT_DRIVER_STOP)->u.executor.grace_ms, 700);
	assert_int_equal(rig_count(r, AGENT_DRIVER_STOP), 1);
	assert_int_equal(state_of(r, 2), EXECUTOR_RUNNING);
	rig_driver(r, rig_id(1), DRIVER_EXITED, 143);
	assert_int_equal(state_of(r, 1), EXECUTOR_STOPPED); /* whatever its restart policy */
	assert_string_equal(rig_record(r, rig_id(1))->reason, "stop_on_host_after");
	assert_string_equal(
	    rig_record(r, rig_id(1))->detail, "no answer from the control plane for 30000 ms");
	assert_int_equal(rig_record(r, rig_id(1))->exit_code, 143);
	until(r, r->clock.mono_us + 3600 * SECOND_US);
	assert_int_equal(state_of(r, 2), EXECUTOR_RUNNING);
	assert_int_equal(agent_stats(r->agent)->starts, 2);
}

static void
it_counts_from_the_sending_of_the_request_not_from_the_answer_K24(void **state)
{
	struct rig *r = *state;
	uint8_t nonce[ID_BYTES];
	int64_t sent;

	rig_accept(r, G(1), G(0));
	runs(r, 1, true);
	sent = heartbeat(r, nonce);
	rig_event(r, AGENT_DISCONNECTED);
	until(r, sent + AFTER_US - 10 * SECOND_US);
	assert_int_equal(state_of(r, 1), EXECUTOR_RUNNING);
	answer(r, nonce, OK_VERDICT); /* it was on its way for 20 seconds */
	until(r, sent + AFTER_US - 1);
	assert_int_equal(state_of(r, 1), EXECUTOR_RUNNING);
	rig_advance(r, 1);
	assert_int_equal(state_of(r, 1), EXECUTOR_STOPPING);
}

static void
answers_keep_it_running_K24(void **state)
{
	struct rig *r = *state;
	uint8_t nonce[ID_BYTES];

	rig_accept(r, G(1), G(0));
	runs(r, 1, true);
	for (int i = 0; i < 100; i++) {
		(void)heartbeat(r, nonce);
		rig_advance(r, SECOND_US);
		answer(r, nonce, OK_VERDICT);
	}
	assert_int_equal(state_of(r, 1), EXECUTOR_RUNNING);
}

static void
an_answer_with_a_foreign_nonce_or_a_refusal_is_no_contact_K24(void **state)
{
	struct rig *r = *state;
	uint8_t nonce[ID_BYTES];
	int64_t sent = cut_off_with(r, 1);
	struct id foreign = rig_id(99);

	rig_event(r, AGENT_CONNECTED);
	for (int i = 0; i < 5; i++) {
		(void)heartbeat(r, nonce);
		answer(r, foreign.bytes, OK_VERDICT);
		answer(r, nonce, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED);
	}
	until(r, sent + AFTER_US - 1);
	assert_int_equal(state_of(r, 1), EXECUTOR_RUNNING);
	rig_advance(r, 1);
	assert_int_equal(state_of(r, 1), EXECUTOR_STOPPING);
}

static void
what_waits_in_backoff_is_stopped_too_K24(void **state)
{
	struct rig *r = *state;
	int64_t sent = cut_off_with(r, 1);

	until(r, sent + AFTER_US - SECOND_US / 4); /* a pause has at least half a second */
	rig_driver(r, rig_id(1), DRIVER_EXITED, 5);
	assert_int_equal(state_of(r, 1), EXECUTOR_BACKOFF);
	rig_advance(r, SECOND_US / 4);
	assert_int_equal(state_of(r, 1), EXECUTOR_STOPPED);
	assert_int_equal(rig_record(r, rig_id(1))->incarnation, 1);
	assert_string_equal(rig_record(r, rig_id(1))->reason, "stop_on_host_after");
}

static void
found(struct rig *r, unsigned n, uint32_t incarnation)
{
	struct driver_found f = {
	    .executor_id = rig_id(n), .incarnation = incarnation, .running = true};
	struct agent_event event = {
	    .type = AGENT_FOUND, .u.adoption = {.found = &f, .driver = "fake"}};

	rig_step(r, &event);
}

static void
a_killed_agent_does_not_begin_to_count_again_K24(void **state)
{
	struct rig *r = *state;
	int64_t sent = cut_off_with(r, 1);

	until(r, sent + AFTER_US - SECOND_US);
	rig_restart(r);
	found(r, 1, 1);
	rig_event(r, AGENT_START);
	until(r, sent + AFTER_US);
	assert_int_equal(state_of(r, 1), EXECUTOR_STOPPING);
}

static void
a_killed_agent_forgets_at_most_a_quarter_of_the_time_K24(void **state)
{
	struct rig *r = *state;
	uint8_t nonce[ID_BYTES];

	rig_accept(r, G(1), G(0));
	runs(r, 1, true);
	for (int i = 0; i < 50; i++) {
		(void)heartbeat(r, nonce);
		answer(r, nonce, OK_VERDICT);
	}
	rig_restart(r);
	found(r, 1, 1);
	rig_event(r, AGENT_START);
	until(r, r->clock.mono_us + AFTER_US / 2);
	assert_int_equal(state_of(r, 1), EXECUTOR_RUNNING);
}

static void
nobody_asks_for_it_then_contact_costs_no_commit(void **state)
{
	struct rig *r = *state;
	uint8_t nonce[ID_BYTES];
	uint64_t commits;

	rig_accept(r, G(1), G(0));
	runs(r, 1, false);
	rig_ack(r);
	rig_advance(r, 2 * SECOND_US);
	commits = agent_stats(r->agent)->commits;
	for (int i = 0; i < 50; i++) {
		(void)heartbeat(r, nonce);
		answer(r, nonce, OK_VERDICT);
	}
	assert_int_equal(agent_stats(r->agent)->commits, commits);
}

static void
a_stop_that_is_under_way_goes_on_after_a_restart_of_the_agent_K24(void **state)
{
	struct rig *r = *state;
	int64_t sent = cut_off_with(r, 1);

	until(r, sent + AFTER_US);
	assert_int_equal(state_of(r, 1), EXECUTOR_STOPPING);
	rig_restart(r);
	found(r, 1, 1);
	rig_event(r, AGENT_START);
	assert_non_null(rig_effect(r, AGENT_DRIVER_STOP));
	rig_driver(r, rig_id(1), DRIVER_EXITED, 143);
	assert_int_equal(state_of(r, 1), EXECUTOR_STOPPED);
	assert_string_equal(rig_record(r, rig_id(1))->reason, "stop_on_host_after");
}

static void
another_boots_clock_means_nothing_K24(void **state)
{
	struct rig *r = *state;

	(void)cut_off_with(r, 1);
	r->config.boot_id = "boot-2";
	r->clock.mono_us = 5 * SECOND_US; /* long before the contact of the other boot */
	rig_restart(r);
	rig_accept(r, G(2), G(1));
	rig_driver_of(r, rig_id(1), 2, DRIVER_STARTING, -1);
	rig_driver_of(r, rig_id(1), 2, DRIVER_RUNNING, -1);
	assert_int_equal(state_of(r, 1), EXECUTOR_RUNNING);
	rig_event(r, AGENT_DISCONNECTED);
	rig_restart(r);
	found(r, 1, 2);
	rig_event(r, AGENT_START);
	until(r, 5 * SECOND_US + AFTER_US);
	assert_int_equal(state_of(r, 1), EXECUTOR_STOPPING);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(past_it_the_host_stops_what_asked_for_it_with_the_bus_down_K24_L13),
	    TEST(it_counts_from_the_sending_of_the_request_not_from_the_answer_K24),
	    TEST(answers_keep_it_running_K24),
	    TEST(an_answer_with_a_foreign_nonce_or_a_refusal_is_no_contact_K24),
	    TEST(what_waits_in_backoff_is_stopped_too_K24),
	    TEST(a_killed_agent_does_not_begin_to_count_again_K24),
	    TEST(a_killed_agent_forgets_at_most_a_quarter_of_the_time_K24),
	    TEST(nobody_asks_for_it_then_contact_costs_no_commit),
	    TEST(a_stop_that_is_under_way_goes_on_after_a_restart_of_the_agent_K24),
	    TEST(another_boots_clock_means_nothing_K24),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
