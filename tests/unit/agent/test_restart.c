/* Restarting in place (E10), under a manual clock. */
#include "agent_rig.h"

#include <stdio.h>

#define RUN FAIRLEAD__V1__DESIRED__RUN
#define STOP FAIRLEAD__V1__DESIRED__STOP
#define G(n) (RIG_TERM | (n))
#define X rig_id(1)

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

static const struct record *
record_of(const struct rig *r)
{
	const struct record *record = rig_record(r, X);

	assert_non_null(record);
	return record;
}

/* A RUN with backoff 1 s to 8 s, reset after 60 s. */
static void
run_with(struct rig *r, const char *policy, uint32_t max)
{
	Fairlead__V1__RestartPolicy restart = FAIRLEAD__V1__RESTART_POLICY__INIT;
	struct rig_item item;
	Fairlead__V1__CommandItem *items[] = {rig_item(&item, X, G(1), RUN, G(1))};

	restart.policy = (char *)(uintptr_t)policy;
	restart.max = max;
	restart.backoff_ms = 1000;
	restart.backoff_max_ms = 8000;
	restart.reset_after_ms = 60000;
	item.spec.restart = &restart;
	rig_send(r, items, 1, G(1), 0, 0);
}

static void
accept_and_run(struct rig *r, const char *policy, uint32_t max)
{
	rig_accept(r, G(1), G(0));
	run_with(r, policy, max);
	assert_int_equal(rig_get(r, AGENT_DRIVER_START)->u.executor.incarnation, 1);
}

static void
runs(struct rig *r, uint32_t incarnation)
{
	rig_driver_of(r, X, incarnation, DRIVER_STARTING, -1);
	assert_int_equal(record_of(r)->state, EXECUTOR_STARTING);
	assert_int_equal(record_of(r)->incarnation, incarnation);
	rig_driver_of(r, X, incarnation, DRIVER_RUNNING, -1);
	assert_int_equal(record_of(r)->state, EXECUTOR_RUNNING);
}

/* Lets time pass until the agent starts it again; how long it took. */
static int64_t
until_started(struct rig *r, uint32_t incarnation)
{
	int64_t from = r->clock.mono_us;

	while (!rig_effect(r, AGENT_DRIVER_START) && r->clock.mono_us - from < 3600 * SECOND_US) {
		int64_t wait = agent_deadline(r->agent) - r->clock.mono_us;

		rig_advance(r, wait > 0 ? wait : 0);
	}
	assert_int_equal(rig_get(r, AGENT_DRIVER_START)->u.executor.incarnation, incarnation);
	assert_non_null(rig_get(r, AGENT_DRIVER_START)->u.executor.spec);
	return r->clock.mono_us - from;
}

static void
a_failure_is_reported_as_backoff_and_starts_again_as_the_next_incarnation_E10(void **state)
{
	struct rig *r = *state;
	const Fairlead__V1__ExecutorReport *report;
	int64_t pause;

	accept_and_run(r, "on-failure", 0);
	runs(r, 1);
	rig_ack(r);
	rig_driver_of(r, X, 1, DRIVER_EXITED, 3);
	report = rig_report(r, X);
	assert_int_equal(report->state, FAIRLEAD__V1__EXECUTOR_STATE__BACKOFF);
	assert_int_equal(report->incarnation, 1);
	assert_int_equal(report->exit_code, 3);
	assert_int_equal(report->ended_after_us, 0);
	assert_null(rig_effect(r, AGENT_DRIVER_START));
	rig_ack(r);
	pause = until_started(r, 2);
	assert_in_range(pause, SECOND_US / 2, SECOND_US);
	assert_int_equal(record_of(r)->incarnation, 1); /* until the driver says so */
	rig_driver_of(r, X, 2, DRIVER_STARTING, -1);
	report = rig_report(r, X);
	assert_int_equal(report->state, FAIRLEAD__V1__EXECUTOR_STATE__STARTING);
	assert_int_equal(report->incarnation, 2);
	assert_int_equal(report->exit_code, -1);
	assert_true(report->started); /* once it ran it stays so (K30) */
	rig_driver_of(r, X, 2, DRIVER_RUNNING, -1);
	rig_driver_of(r, X, 2, DRIVER_EXITED, 0);
	assert_int_equal(record_of(r)->state, EXECUTOR_SUCCEEDED);
	assert_int_equal(record_of(r)->exit_code, 0);
}

static void
never_and_success_and_always_are_told_apart_E10(void **state)
{
	static const struct {
		const char *policy;
		int exit_code;
		enum executor_state then;
	} rows[] = {
	    {"never", 0, EXECUTOR_SUCCEEDED},
	    {"never", 1, EXECUTOR_FAILED},
	    {"on-failure", 0, EXECUTOR_SUCCEEDED},
	    {"on-failure", 1, EXECUTOR_BACKOFF},
	    {"always", 0, EXECUTOR_BACKOFF},
	    {"always", 1, EXECUTOR_BACKOFF},
	};
	struct rig *r = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		accept_and_run(r, rows[i].policy, 0);
		runs(r, 1);
		rig_driver_of(r, X, 1, DRIVER_EXITED, rows[i].exit_code);
		assert_int_equal(record_of(r)->state, rows[i].then);
		rig_done(r);
		rig_init(r);
	}
}

static void
an_unknown_policy_is_rejected_not_ignored(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	run_with(r, "on-tuesdays", 0);
	assert_int_equal(record_of(r)->state, EXECUTOR_REJECTED);
	assert_string_equal(record_of(r)->reason, "invalid");
	assert_null(rig_effect(r, AGENT_DRIVER_START));
}

/* One failure after running for so long; the pause that follows. */
static int64_t
fail_after(struct rig *r, uint32_t incarnation, int64_t ran_us)
{
	runs(r, incarnation);
	rig_ack(r);
	rig_advance(r, ran_us);
	rig_driver_of(r, X, incarnation, DRIVER_EXITED, 1);
	rig_ack(r);
	assert_int_equal(record_of(r)->state, EXECUTOR_BACKOFF);
	return until_started(r, incarnation + 1);
}

static void
pauses_grow_to_their_bound_and_begin_again_after_a_stable_time_E10(void **state)
{
	struct rig *r = *state;
	int64_t longest = 0;

	accept_and_run(r, "always", 0);
	for (uint32_t i = 1; i <= 12; i++) {
		int64_t pause = fail_after(r, i, 0);

		assert_in_range(pause, SECOND_US / 2, 8 * SECOND_US);
		longest = pause > longest ? pause : longest;
		assert_int_equal(record_of(r)->restarts, i);
	}
	assert_true(longest > 4 * SECOND_US); /* the first pause has at most one second */
	assert_in_range(fail_after(r, 13, 60 * SECOND_US), SECOND_US / 2, SECOND_US);
	assert_int_equal(record_of(r)->restarts, 1);
	(void)fail_after(r, 14, 60 * SECOND_US - 1);
	assert_int_equal(record_of(r)->restarts, 2);
}

static void
max_restarts_in_a_row_end_it_with_its_last_exit_code_E10(void **state)
{
	struct rig *r = *state;

	accept_and_run(r, "always", 2);
	(void)fail_after(r, 1, 0);
	(void)fail_after(r, 2, 0);
	runs(r, 3);
	rig_driver_of(r, X, 3, DRIVER_EXITED, 7);
	assert_int_equal(record_of(r)->state, EXECUTOR_FAILED);
	assert_int_equal(record_of(r)->exit_code, 7);
	assert_int_equal(record_of(r)->incarnation, 3);
	assert_string_equal(record_of(r)->reason, "restarts_exhausted");
	assert_string_equal(record_of(r)->detail, "started again 2 times in a row");
	assert_true(record_of(r)->ended_after_us > 0);
	rig_advance(r, 3600 * SECOND_US);
	assert_int_equal(agent_stats(r->agent)->starts, 3);
}

static void
a_stable_time_gives_all_restarts_back_E10(void **state)
{
	struct rig *r = *state;

	accept_and_run(r, "always", 1);
	for (uint32_t i = 1; i < 6; i++)
		(void)fail_after(r, i, 60 * SECOND_US);
	runs(r, 6);
	rig_driver_of(r, X, 6, DRIVER_EXITED, 7);
	assert_int_equal(record_of(r)->state, EXECUTOR_FAILED);
}

static void
a_stop_during_backoff_ends_it_stopped_with_its_exit_code_E10(void **state)
{
	struct rig *r = *state;

	accept_and_run(r, "always", 0);
	runs(r, 1);
	rig_driver_of(r, X, 1, DRIVER_EXITED, 5);
	rig_command(r, X, G(2), STOP, G(2));
	assert_int_equal(record_of(r)->state, EXECUTOR_STOPPED);
	assert_int_equal(record_of(r)->exit_code, 5);
	assert_string_equal(record_of(r)->detail, "stopped before it started again");
	rig_advance(r, 3600 * SECOND_US);
	assert_int_equal(agent_stats(r->agent)->starts, 1);
}

static void
a_stop_between_the_start_and_the_drivers_word_stops_that_incarnation(void **state)
{
	struct rig *r = *state;

	accept_and_run(r, "always", 0);
	runs(r, 1);
	rig_driver_of(r, X, 1, DRIVER_EXITED, 5);
	(void)until_started(r, 2);
	rig_command(r, X, G(2), STOP, G(2));
	assert_int_equal(record_of(r)->state, EXECUTOR_STOPPING);
	assert_int_equal(record_of(r)->incarnation, 2);
	assert_non_null(rig_effect(r, AGENT_DRIVER_STOP));
	rig_driver_of(r, X, 2, DRIVER_STARTING, -1);
	rig_driver_of(r, X, 2, DRIVER_EXITED, 143);
	assert_int_equal(record_of(r)->state, EXECUTOR_STOPPED);
	assert_int_equal(record_of(r)->exit_code, 143);
}

static void
an_exit_while_stopping_is_stopped_whatever_the_policy_K20(void **state)
{
	struct rig *r = *state;

	accept_and_run(r, "always", 0);
	runs(r, 1);
	rig_command(r, X, G(2), STOP, G(2));
	assert_int_equal(record_of(r)->state, EXECUTOR_STOPPING);
	rig_driver_of(r, X, 1, DRIVER_EXITED, 9);
	assert_int_equal(record_of(r)->state, EXECUTOR_STOPPED);
	assert_int_equal(record_of(r)->exit_code, 9);
	rig_advance(r, 3600 * SECOND_US);
	assert_int_equal(agent_stats(r->agent)->starts, 1);
}

static void
a_start_that_fails_counts_as_a_failure_E10(void **state)
{
	struct rig *r = *state;
	struct agent_event failed = {.type = AGENT_START_FAILED,
	    .u.start_failed = {.executor_id = X, .reason = "start_failed", .detail = "no disk"}};

	accept_and_run(r, "on-failure", 1);
	rig_step(r, &failed);
	assert_int_equal(record_of(r)->state, EXECUTOR_BACKOFF);
	assert_string_equal(record_of(r)->reason, "start_failed");
	(void)until_started(r, 2);
	rig_step(r, &failed);
	assert_int_equal(record_of(r)->state, EXECUTOR_FAILED);
	assert_int_equal(record_of(r)->incarnation, 2);
	assert_string_equal(record_of(r)->reason, "start_failed");
	assert_string_equal(record_of(r)->detail, "no disk");
}

static void
it_starts_again_while_the_bus_is_down_E10(void **state)
{
	struct rig *r = *state;
	uint64_t counter;
	struct agent_event lost = {.type = AGENT_REPORT_ACK};

	accept_and_run(r, "always", 0);
	runs(r, 1);
	counter = rig_get(r, AGENT_SEND_REPORT)->u.report.counter;
	rig_event(r, AGENT_DISCONNECTED);
	lost.u.report_ack.counter = counter;
	rig_step(r, &lost);
	rig_driver_of(r, X, 1, DRIVER_EXITED, 1);
	assert_in_range(until_started(r, 2), SECOND_US / 2, SECOND_US);
	runs(r, 2);
	assert_null(rig_effect(r, AGENT_SEND_REPORT));
}

static void
found(struct rig *r, uint32_t incarnation, bool running, int exit_code)
{
	struct driver_found f = {.executor_id = X, .incarnation = incarnation, .running = running};
	struct agent_event event = {
	    .type = AGENT_FOUND, .u.adoption = {.found = &f, .driver = "fake"}};

	f.ended = (struct driver_event){
	    .started = true, .exit_code = exit_code, .reason = "", .detail = ""};
	rig_step(r, &event);
}

static void
backoff_survives_a_restart_of_the_agent_E10(void **state)
{
	struct rig *r = *state;
	int64_t due;

	accept_and_run(r, "always", 0);
	runs(r, 1);
	rig_driver_of(r, X, 1, DRIVER_EXITED, 4);
	due = record_of(r)->restart_at_us;
	assert_true(due > r->clock.mono_us);
	rig_restart(r);
	found(r, 1, false, 4); /* the old instance is still there */
	rig_event(r, AGENT_START);
	assert_int_equal(record_of(r)->state, EXECUTOR_BACKOFF);
	assert_int_equal(record_of(r)->restarts, 1);
	assert_int_equal(agent_deadline(r->agent), due); /* nothing else is due without a bus */
	rig_advance(r, due - r->clock.mono_us);
	assert_int_equal(rig_get(r, AGENT_DRIVER_START)->u.executor.incarnation, 2);
}

static void
a_crash_after_the_start_finds_the_next_incarnation_and_keeps_it_E10(void **state)
{
	struct rig *r = *state;

	accept_and_run(r, "always", 0);
	runs(r, 1);
	rig_driver_of(r, X, 1, DRIVER_EXITED, 4);
	(void)until_started(r, 2);
	rig_restart(r); /* nothing after BACKOFF is recorded */
	assert_int_equal(record_of(r)->state, EXECUTOR_BACKOFF);
	found(r, 2, true, -1);
	assert_null(rig_effect(r, AGENT_DRIVER_DESTROY));
	rig_event(r, AGENT_START);
	assert_int_equal(record_of(r)->state, EXECUTOR_RUNNING);
	assert_int_equal(record_of(r)->incarnation, 2);
	rig_advance(r, 3600 * SECOND_US);
	assert_int_equal(agent_stats(r->agent)->starts, 0); /* of this process */
}

static void
an_end_while_the_agent_was_down_goes_by_policy_too_E10(void **state)
{
	struct rig *r = *state;

	accept_and_run(r, "on-failure", 0);
	runs(r, 1);
	rig_restart(r);
	found(r, 1, false, 4);
	rig_event(r, AGENT_START);
	assert_int_equal(record_of(r)->state, EXECUTOR_BACKOFF);
	assert_int_equal(record_of(r)->exit_code, 4);
}

static void
after_a_reboot_nothing_starts_again_before_a_hello_and_a_sync_K24_E10(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__HelloAnswer answer = FAIRLEAD__V1__HELLO_ANSWER__INIT;
	Fairlead__V1__SyncAnswer page = FAIRLEAD__V1__SYNC_ANSWER__INIT;

	accept_and_run(r, "always", 0);
	runs(r, 1);
	r->config.boot_id = "boot-2";
	r->clock.mono_us = 5 * SECOND_US; /* another boot's clock */
	rig_restart(r);
	rig_event(r, AGENT_START);
	assert_int_equal(record_of(r)->state, EXECUTOR_BACKOFF);
	assert_string_equal(record_of(r)->reason, "host_reboot");
	rig_advance(r, 3600 * SECOND_US);
	assert_null(rig_effect(r, AGENT_DRIVER_START));
	rig_event(r, AGENT_CONNECTED);
	answer.verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED;
	answer.epoch = G(2);
	rig_answer_hello(r, &answer);
	assert_null(rig_effect(r, AGENT_DRIVER_START));
	page.last = true;
	rig_answer_sync(r, &page);
	assert_int_equal(rig_get(r, AGENT_DRIVER_START)->u.executor.incarnation, 2);
}

static void
backoff_of_another_boot_is_over_when_it_may_start_E10(void **state)
{
	struct rig *r = *state;

	accept_and_run(r, "always", 0);
	runs(r, 1);
	rig_driver_of(r, X, 1, DRIVER_EXITED, 4);
	r->config.boot_id = "boot-2";
	r->clock.mono_us = 5 * SECOND_US;
	rig_restart(r);
	rig_accept(r, G(2), G(0));
	assert_int_equal(agent_stats(r->agent)->starts, 1);
	assert_int_equal(record_of(r)->exit_code, 4);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_failure_is_reported_as_backoff_and_starts_again_as_the_next_incarnation_E10),
	    TEST(never_and_success_and_always_are_told_apart_E10),
	    TEST(an_unknown_policy_is_rejected_not_ignored),
	    TEST(pauses_grow_to_their_bound_and_begin_again_after_a_stable_time_E10),
	    TEST(max_restarts_in_a_row_end_it_with_its_last_exit_code_E10),
	    TEST(a_stable_time_gives_all_restarts_back_E10),
	    TEST(a_stop_during_backoff_ends_it_stopped_with_its_exit_code_E10),
	    TEST(a_stop_between_the_start_and_the_drivers_word_stops_that_incarnation),
	    TEST(an_exit_while_stopping_is_stopped_whatever_the_policy_K20),
	    TEST(a_start_that_fails_counts_as_a_failure_E10),
	    TEST(it_starts_again_while_the_bus_is_down_E10),
	    TEST(backoff_survives_a_restart_of_the_agent_E10),
	    TEST(a_crash_after_the_start_finds_the_next_incarnation_and_keeps_it_E10),
	    TEST(an_end_while_the_agent_was_down_goes_by_policy_too_E10),
	    TEST(after_a_reboot_nothing_starts_again_before_a_hello_and_a_sync_K24_E10),
	    TEST(backoff_of_another_boot_is_over_when_it_may_start_E10),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
