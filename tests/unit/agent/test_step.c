/* The host half of the contract, rule by rule, under a manual clock. */
#include "agent_rig.h"

#include <stdio.h>

#define RUN FAIRLEAD__V1__DESIRED__RUN
#define STOP FAIRLEAD__V1__DESIRED__STOP
#define ABSENT FAIRLEAD__V1__DESIRED__ABSENT
#define G(n) (RIG_TERM | (n))

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

static enum executor_state
state_of(const struct rig *r, struct id id)
{
	const struct record *record = agent_record(r->agent, &id);

	return record ? record->state : EXECUTOR_NONE;
}

/* ---- commands ---- */

static void
a_run_is_journaled_then_reported_then_started_C5(void **state)
{
	struct rig *r = *state;
	size_t report = 0, start = 0;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	for (size_t i = 0; i < r->effects.count; i++) {
		if (r->effects.rows[i].type == AGENT_SEND_REPORT)
			report = i + 1;
		if (r->effects.rows[i].type == AGENT_DRIVER_START)
			start = i + 1;
	}
	assert_true(report > 0 && start > report);
	assert_int_equal(rig_report(r, rig_id(1))->state, FAIRLEAD__V1__EXECUTOR_STATE__ACCEPTED);
	assert_int_equal(rig_report(r, rig_id(1))->accepted_generation, G(1));
	assert_int_equal(agent_contiguous_seq(r->agent), G(1));
	/* kill -9 right after: the record is there, and it starts */
	rig_restart(r);
	assert_int_equal(state_of(r, rig_id(1)), EXECUTOR_ACCEPTED);
	assert_int_equal(agent_contiguous_seq(r->agent), G(1));
	rig_accept(r, G(2), G(0));
	assert_int_equal(agent_stats(r->agent)->starts, 1);
}

static void
the_same_command_five_times_has_one_effect_C3(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	for (int i = 0; i < 5; i++) {
		rig_command(r, rig_id(1), G(1), RUN, G(1));
		assert_non_null(rig_report(r, rig_id(1)));
		rig_ack(r);
	}
	assert_int_equal(agent_stats(r->agent)->starts, 1);
	assert_int_equal(agent_record_count(r->agent), 1);
}

static void
commands_in_reverse_order_end_in_the_newest_state_C4(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(3), ABSENT, G(3));
	rig_command(r, rig_id(1), G(2), STOP, G(2));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	assert_int_equal(agent_stats(r->agent)->starts, 0);
	assert_int_equal(rig_report(r, rig_id(1))->accepted_generation, G(3));
	assert_int_equal(rig_report(r, rig_id(1))->gone_generation, G(3));
	assert_int_equal(agent_contiguous_seq(r->agent), G(3));
	rig_ack(r);
	assert_int_equal(agent_record_count(r->agent), 0);
}

static void
a_generation_at_or_below_is_answered_again_and_changes_nothing_K7(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(2), RUN, G(1));
	rig_ack(r);
	rig_command(r, rig_id(1), G(1), STOP, G(2));
	assert_int_equal(rig_report(r, rig_id(1))->accepted_generation, G(2));
	assert_int_equal(state_of(r, rig_id(1)), EXECUTOR_ACCEPTED);
	assert_null(rig_effect(r, AGENT_DRIVER_STOP));
}

static void
a_command_for_another_host_or_journal_is_refused_C1(void **state)
{
	struct rig *r = *state;
	struct rig_item item;
	Fairlead__V1__CommandItem *items[] = {rig_item(&item, rig_id(1), G(1), RUN, G(1))};
	Fairlead__V1__Command command = FAIRLEAD__V1__COMMAND__INIT;
	struct agent_event event = {.type = AGENT_COMMAND};
	struct id journal_id = agent_journal_id(r->agent), other = rig_id(99);

	rig_accept(r, G(1), G(0));
	command.items = items;
	command.n_items = 1;
	command.host_seq = G(1);
	event.u.command.message = &command;
	command.host_id = (char *)(uintptr_t)"h2";
	command.journal_id = (ProtobufCBinaryData){ID_BYTES, journal_id.bytes};
	rig_step(r, &event);
	command.host_id = (char *)(uintptr_t)RIG_HOST;
	command.journal_id = (ProtobufCBinaryData){ID_BYTES, other.bytes};
	rig_step(r, &event);
	command.journal_id = (ProtobufCBinaryData){0};
	rig_step(r, &event);
	assert_int_equal(agent_record_count(r->agent), 0);
	assert_int_equal(agent_stats(r->agent)->refused_messages, 3);
	assert_int_equal(agent_contiguous_seq(r->agent), G(0));
}

static void
no_command_is_taken_before_the_first_answer_K3(void **state)
{
	struct rig *r = *state;

	rig_event(r, AGENT_START);
	rig_event(r, AGENT_CONNECTED);
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	assert_int_equal(agent_record_count(r->agent), 0);
}

static void
a_run_without_record_at_or_below_contiguous_seq_is_gone_K9(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(5));
	rig_command(r, rig_id(1), G(4), RUN, G(5));
	assert_int_equal(agent_record_count(r->agent), 0);
	assert_int_equal(rig_report(r, rig_id(1))->gone_generation, G(4));
	assert_int_equal(rig_report(r, rig_id(1))->state, 0);
	assert_null(rig_effect(r, AGENT_DRIVER_START));
}

static void
the_items_own_host_seq_decides_not_the_messages_K9(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__SyncAnswer page = FAIRLEAD__V1__SYNC_ANSWER__INIT;
	struct rig_item old;
	Fairlead__V1__CommandItem *items[] = {rig_item(&old, rig_id(1), G(1), RUN, G(3))};

	rig_accept(r, G(1), G(5));
	rig_event(r, AGENT_OVERFLOW);
	page.last = true;
	page.as_of_seq = G(9);
	page.items = items;
	page.n_items = 1;
	rig_answer_sync(r, &page);
	assert_int_equal(rig_report(r, rig_id(1))->gone_generation, G(1));
	assert_int_equal(agent_record_count(r->agent), 0);
	assert_int_equal(agent_contiguous_seq(r->agent), G(9));
}

static void
a_stop_for_an_unknown_id_leaves_a_tombstone_K9(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(2), STOP, G(2));
	assert_int_equal(state_of(r, rig_id(1)), EXECUTOR_STOPPED);
	assert_int_equal(rig_report(r, rig_id(1))->gone_generation, 0);
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	assert_int_equal(state_of(r, rig_id(1)), EXECUTOR_STOPPED);
	assert_int_equal(agent_stats(r->agent)->starts, 0);
}

static void
a_tombstone_lives_until_older_commands_cannot_come_K9(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(2), ABSENT, G(2));
	rig_ack(r);
	assert_int_equal(agent_record_count(r->agent), 1); /* number 1 is missing */
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_ack(r);
	assert_int_equal(agent_record_count(r->agent), 0);
	assert_int_equal(agent_stats(r->agent)->starts, 0);
}

static void
a_tombstone_lives_until_its_puback_K9(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), ABSENT, G(1));
	rig_advance(r, SECOND_US);
	assert_int_equal(agent_record_count(r->agent), 1);
}

static void
gone_is_said_again_at_the_newest_generation_K9(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), ABSENT, G(1));
	rig_command(r, rig_id(1), G(5), ABSENT, G(2));
	assert_int_equal(rig_report(r, rig_id(1))->gone_generation, G(5));
}

/* ---- refusals ---- */

static void
an_expired_run_is_rejected_by_control_plane_time_K13(void **state)
{
	struct rig *r = *state;
	struct rig_item late, early;
	Fairlead__V1__CommandItem *items[] = {rig_item(&late, rig_id(1), G(1), RUN, G(1)),
	    rig_item(&early, rig_id(2), G(1), RUN, G(1))};

	r->cp_offset_us = 3600 * SECOND_US; /* the host's clocks do not matter (L12) */
	rig_accept(r, G(1), G(0));
	late.item.deadline_us = rig_cp_now(r) + SECOND_US;
	early.item.deadline_us = rig_cp_now(r) + 10 * SECOND_US;
	clock_manual_advance(&r->clock, 2 * SECOND_US);
	rig_send(r, items, 2, G(1), 0, 0);
	assert_int_equal(state_of(r, rig_id(1)), EXECUTOR_REJECTED);
	assert_string_equal(rig_report(r, rig_id(1))->reason, "expired");
	assert_int_equal(state_of(r, rig_id(2)), EXECUTOR_ACCEPTED);
}

static void
a_stop_never_expires_K13(void **state)
{
	struct rig *r = *state;
	struct rig_item item;
	Fairlead__V1__CommandItem *items[] = {rig_item(&item, rig_id(1), G(2), STOP, G(2))};

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	item.item.deadline_us = 1;
	rig_send(r, items, 1, G(2), 0, 0);
	assert_int_equal(state_of(r, rig_id(1)), EXECUTOR_STOPPING);
}

static void
overcommit_is_refused_naming_the_dimension_P1(void **state)
{
	struct rig *r = *state;
	struct rig_item a, b, c;
	Fairlead__V1__CommandItem *items[] = {rig_item(&a, rig_id(1), G(1), RUN, G(1)),
	    rig_item(&b, rig_id(2), G(1), RUN, G(1)), rig_item(&c, rig_id(3), G(1), RUN, G(1))};

	rig_accept(r, G(1), G(0));
	a.resources.cpu_millis = 3900;
	b.resources.cpu_millis = 200;
	c.resources.cpu_millis = 100;
	c.resources.gpus = 3;
	rig_send(r, items, 3, G(1), 0, 0);
	assert_int_equal(state_of(r, rig_id(1)), EXECUTOR_ACCEPTED);
	assert_string_equal(rig_report(r, rig_id(2))->reason, "overcommit");
	assert_non_null(strstr(rig_report(r, rig_id(2))->detail, "cpu"));
	assert_string_equal(rig_report(r, rig_id(3))->reason, "overcommit");
	assert_non_null(strstr(rig_report(r, rig_id(3))->detail, "gpus"));
	/* an end gives the capacity back */
	rig_driver(r, rig_id(1), DRIVER_EXITED, 0);
	rig_command(r, rig_id(4), G(1), RUN, G(2));
	assert_int_equal(state_of(r, rig_id(4)), EXECUTOR_ACCEPTED);
}

static void
an_unknown_or_unusable_driver_is_rejected(void **state)
{
	struct rig *r = *state;
	struct rig_item a, b, c;
	Fairlead__V1__CommandItem *items[] = {rig_item(&a, rig_id(1), G(1), RUN, G(1)),
	    rig_item(&b, rig_id(2), G(1), RUN, G(1)), rig_item(&c, rig_id(3), G(1), RUN, G(1))};

	rig_accept(r, G(1), G(0));
	a.spec.driver = (char *)(uintptr_t)"oci";
	b.spec.driver = (char *)(uintptr_t)"broken";
	c.item.spec = NULL;
	rig_send(r, items, 3, G(1), 0, 0);
	assert_string_equal(rig_report(r, rig_id(1))->reason, "driver");
	assert_string_equal(rig_report(r, rig_id(2))->reason, "driver");
	assert_string_equal(rig_report(r, rig_id(3))->reason, "invalid");
	/* no driver knows it: ABSENT is GONE at once */
	rig_command(r, rig_id(1), G(2), ABSENT, G(2));
	assert_int_equal(rig_report(r, rig_id(1))->gone_generation, G(2));
}

static void
a_run_beyond_the_limit_of_records_is_rejected_with_the_limit_K3(void **state)
{
	struct rig *r = *state;
	char text[16];

	r->config.capacity = (struct resources){1000000, 1 << 30, 1 << 30, 0, 10000};
	rig_restart(r);
	rig_accept(r, G(1), G(0));
	for (unsigned i = 0; i < RECORDS_MAX; i++)
		rig_command(r, rig_id(i), G(1), STOP, G(1) + i);
	assert_int_equal(agent_record_count(r->agent), RECORDS_MAX);
	for (int i = 0; i < 200 && rig_effect(r, AGENT_SEND_REPORT); i++)
		rig_ack(r);
	snprintf(text, sizeof(text), "%u", RECORDS_MAX);
	rig_command(r, rig_id(RECORDS_MAX), G(1), RUN, G(1) + RECORDS_MAX);
	rig_advance(r, 11 * SECOND_US); /* flights of earlier steps were never answered */
	for (int i = 0; i < 400 && !rig_report(r, rig_id(RECORDS_MAX)); i++)
		rig_advance(r, SECOND_US);
	assert_non_null(rig_report(r, rig_id(RECORDS_MAX)));
	assert_int_equal(
	    rig_report(r, rig_id(RECORDS_MAX))->state, FAIRLEAD__V1__EXECUTOR_STATE__REJECTED);
	assert_string_equal(rig_report(r, rig_id(RECORDS_MAX))->reason, "limit");
	assert_non_null(strstr(rig_report(r, rig_id(RECORDS_MAX))->detail, text));
}

static void
an_invalid_item_does_not_hurt_its_neighbours_C7(void **state)
{
	struct rig *r = *state;
	struct rig_item bad, verb, good;
	Fairlead__V1__CommandItem *items[] = {rig_item(&bad, rig_id(1), G(1), RUN, G(1)),
	    rig_item(&verb, rig_id(2), G(1), (Fairlead__V1__Desired)0, G(1)),
	    rig_item(&good, rig_id(3), G(1), RUN, G(1))};

	rig_accept(r, G(1), G(0));
	bad.item.executor_id.len = 3;
	rig_send(r, items, 3, G(1), 0, 0);
	assert_int_equal(agent_record_count(r->agent), 1);
	assert_int_equal(state_of(r, rig_id(3)), EXECUTOR_ACCEPTED);
	assert_int_equal(agent_stats(r->agent)->refused_messages, 2);
}

/* ---- life of an executor ---- */

static void
it_runs_and_its_exit_code_is_reported_E3(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_ack(r);
	clock_manual_advance(&r->clock, 1000);
	rig_driver(r, rig_id(1), DRIVER_STARTING, 0);
	assert_int_equal(rig_report(r, rig_id(1))->state, FAIRLEAD__V1__EXECUTOR_STATE__STARTING);
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	assert_int_equal(rig_report(r, rig_id(1))->state, FAIRLEAD__V1__EXECUTOR_STATE__RUNNING);
	assert_true(rig_report(r, rig_id(1))->started);
	clock_manual_advance(&r->clock, 1000);
	rig_driver(r, rig_id(1), DRIVER_EXITED, 7);
	assert_int_equal(rig_report(r, rig_id(1))->state, FAIRLEAD__V1__EXECUTOR_STATE__FAILED);
	assert_int_equal(rig_report(r, rig_id(1))->exit_code, 7);
	assert_int_equal(rig_report(r, rig_id(1))->running_after_us, 1000);
	assert_int_equal(rig_report(r, rig_id(1))->ended_after_us, 2000);
}

static void
exit_zero_is_succeeded_and_absent_destroys_then_forgets(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_ack(r);
	rig_driver(r, rig_id(1), DRIVER_EXITED, 0);
	assert_int_equal(state_of(r, rig_id(1)), EXECUTOR_SUCCEEDED);
	rig_ack(r);
	rig_command(r, rig_id(1), G(2), ABSENT, G(2));
	assert_non_null(rig_effect(r, AGENT_DRIVER_DESTROY));
	assert_int_equal(rig_report(r, rig_id(1))->gone_generation, 0);
	rig_ack(r);
	rig_driver(r, rig_id(1), DRIVER_GONE, 0);
	assert_int_equal(rig_report(r, rig_id(1))->gone_generation, G(2));
	rig_ack(r);
	assert_int_equal(agent_record_count(r->agent), 0);
	rig_advance(r, 2 * SECOND_US); /* and durably */
	rig_restart(r);
	assert_int_equal(agent_record_count(r->agent), 0);
}

static void
exit_while_stopping_is_stopped_with_its_real_exit_code_K20(void **state)
{
	struct rig *r = *state;
	struct rig_item item;
	Fairlead__V1__CommandItem *items[] = {rig_item(&item, rig_id(1), G(2), STOP, G(2))};

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_ack(r);
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	rig_ack(r);
	item.item.stop_grace_ms = 1234;
	rig_send(r, items, 1, G(2), 0, 0);
	assert_int_equal(rig_get(r, AGENT_DRIVER_STOP)->u.executor.grace_ms, 1234);
	rig_command(r, rig_id(1), G(2), STOP, G(2));
	assert_null(rig_effect(r, AGENT_DRIVER_STOP)); /* E2: repeated stop is a no-op */
	rig_driver(r, rig_id(1), DRIVER_EXITED, 3);
	assert_int_equal(rig_report(r, rig_id(1))->exit_code, 3);
	assert_int_equal(state_of(r, rig_id(1)), EXECUTOR_STOPPED);
}

static void
absent_on_a_running_executor_stops_destroys_and_says_gone(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	rig_command(r, rig_id(1), G(2), ABSENT, G(2));
	assert_non_null(rig_effect(r, AGENT_DRIVER_STOP));
	assert_null(rig_effect(r, AGENT_DRIVER_DESTROY));
	rig_driver(r, rig_id(1), DRIVER_EXITED, 143);
	assert_non_null(rig_effect(r, AGENT_DRIVER_DESTROY));
	rig_driver(r, rig_id(1), DRIVER_GONE, 0);
	assert_int_equal(rig_record(r, rig_id(1))->gone_generation, G(2));
}

static void
a_start_the_driver_refuses_is_failed(void **state)
{
	struct rig *r = *state;
	struct agent_event event = {.type = AGENT_START_FAILED};

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	event.u.start_failed.executor_id = rig_id(1);
	event.u.start_failed.reason = "start_failed";
	event.u.start_failed.detail = "no \xff shim"; /* not UTF-8: must not poison the report */
	rig_step(r, &event);
	assert_int_equal(state_of(r, rig_id(1)), EXECUTOR_FAILED);
	assert_false(rig_record(r, rig_id(1))->started);
	assert_string_equal(rig_record(r, rig_id(1))->detail, "no ? shim");
}

/* ---- adoption ---- */

static void
found(struct rig *r, struct id id, bool running, int exit_code)
{
	struct driver_found f = {.executor_id = id, .incarnation = 1, .running = running};
	struct agent_event event = {.type = AGENT_FOUND};

	f.ended.started = true;
	f.ended.exit_code = exit_code;
	event.u.adoption.found = &f;
	event.u.adoption.driver = "fake";
	rig_step(r, &event);
}

static void
what_runs_is_adopted_and_what_ended_meanwhile_keeps_its_exit_code_E4(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	for (unsigned i = 1; i <= 3; i++) {
		rig_command(r, rig_id(i), G(1), RUN, G(i));
		rig_driver(r, rig_id(i), DRIVER_RUNNING, 0);
	}
	rig_restart(r);
	found(r, rig_id(1), true, 0);
	found(r, rig_id(2), false, 9);
	rig_accept(r, G(2), G(0));
	assert_int_equal(state_of(r, rig_id(1)), EXECUTOR_RUNNING);
	assert_int_equal(state_of(r, rig_id(2)), EXECUTOR_FAILED);
	assert_int_equal(rig_record(r, rig_id(2))->exit_code, 9);
	assert_int_equal(state_of(r, rig_id(3)), EXECUTOR_FAILED);
	assert_string_equal(rig_record(r, rig_id(3))->reason, "lost");
	assert_int_equal(agent_stats(r->agent)->starts, 0);
}

static void
what_has_no_record_is_killed_before_the_first_hello_K5(void **state)
{
	struct rig *r = *state;

	found(r, rig_id(77), true, 0);
	assert_non_null(rig_effect(r, AGENT_DRIVER_DESTROY));
	assert_int_equal(agent_stats(r->agent)->hellos, 0);
}

static void
after_a_reboot_nothing_starts_before_a_hello_was_answered_K24(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	rig_command(r, rig_id(2), G(1), RUN, G(2)); /* accepted; the host dies before it starts */
	r->config.boot_id = "boot-2";
	rig_restart(r);
	rig_event(r, AGENT_START);
	rig_advance(r, SECOND_US);
	assert_int_equal(agent_stats(r->agent)->starts, 0);
	assert_string_equal(rig_record(r, rig_id(1))->reason, "host_reboot");
	rig_restart(r); /* a second start in the same boot is still before any answer */
	rig_accept(r, G(2), G(0));
	assert_int_equal(agent_stats(r->agent)->starts, 1);
	assert_int_equal(state_of(r, rig_id(1)), EXECUTOR_FAILED);
}

/* ---- reports ---- */

static void
a_late_puback_does_not_acknowledge_a_newer_change_K18(void **state)
{
	struct rig *r = *state;
	struct agent_event ack = {.type = AGENT_REPORT_ACK};

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	ack.u.report_ack.counter = rig_get(r, AGENT_SEND_REPORT)->u.report.counter;
	ack.u.report_ack.stored = true;
	rig_driver(r, rig_id(1), DRIVER_EXITED, 0);
	rig_step(r, &ack);
	assert_true(rig_record(r, rig_id(1))->acked_no < rig_record(r, rig_id(1))->change_no);
}

static void
a_report_that_was_not_stored_is_sent_again_K18(void **state)
{
	struct rig *r = *state;
	struct agent_event ack = {.type = AGENT_REPORT_ACK};

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	ack.u.report_ack.counter = rig_get(r, AGENT_SEND_REPORT)->u.report.counter;
	rig_step(r, &ack);
	assert_null(rig_report(r, rig_id(1))); /* not at once */
	rig_advance(r, 2 * SECOND_US);
	assert_non_null(rig_report(r, rig_id(1)));
	rig_ack(r);
	rig_advance(r, 2 * SECOND_US);
	assert_null(rig_report(r, rig_id(1)));
}

static void
a_backlog_coalesces_to_64_executors_per_message_K18(void **state)
{
	struct rig *r = *state;
	size_t in_first;

	rig_accept(r, G(1), G(0));
	rig_event(r, AGENT_DISCONNECTED);
	for (unsigned i = 0; i < 40; i++)
		rig_command(r, rig_id(i), G(1), RUN, G(1) + i);
	for (unsigned i = 40; i < 100; i++)
		rig_command(r, rig_id(i), G(1), STOP, G(1) + i);
	rig_event(r, AGENT_CONNECTED);
	in_first = rig_get_nth(r, AGENT_SEND_REPORT, 0)->u.report.message->n_executors;
	assert_int_equal(in_first, 64);
	assert_int_equal(rig_get_nth(r, AGENT_SEND_REPORT, 1)->u.report.message->n_executors, 36);
	assert_int_equal(rig_count(r, AGENT_SEND_REPORT), 2);
	assert_non_null(strchr(rig_get_nth(r, AGENT_SEND_REPORT, 0)->u.report.msg_id, ':'));
}

/* ---- a disk that fails ---- */

static int
fail_commit(struct records *r, const struct records_batch *batch, struct err *err)
{
	(void)r;
	(void)batch;
	return err_set(err, ERR_LIMIT, "disk full");
}

static void
nothing_is_reported_or_started_while_the_journal_cannot_be_written_L10(void **state)
{
	struct rig *r = *state;
	const struct records_ops *good = r->records->ops;
	struct records_ops bad = *good;

	rig_accept(r, G(1), G(0));
	bad.commit = fail_commit;
	r->records->ops = &bad;
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	assert_null(rig_effect(r, AGENT_SEND_REPORT));
	assert_null(rig_effect(r, AGENT_DRIVER_START));
	for (int i = 0; i < 8; i++) {
		rig_advance(r, SECOND_US);
		if (rig_effect(r, AGENT_SEND_HEARTBEAT))
			break;
	}
	assert_non_null(rig_effect(r, AGENT_SEND_HEARTBEAT));
	assert_int_equal(rig_get(r, AGENT_SEND_HEARTBEAT)->u.heartbeat->contiguous_seq, G(0));
	r->records->ops = good;
	rig_advance(r, 2 * SECOND_US);
	assert_non_null(rig_effect(r, AGENT_DRIVER_START));
	assert_non_null(rig_report(r, rig_id(1)));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_run_is_journaled_then_reported_then_started_C5),
	    TEST(the_same_command_five_times_has_one_effect_C3),
	    TEST(commands_in_reverse_order_end_in_the_newest_state_C4),
	    TEST(a_generation_at_or_below_is_answered_again_and_changes_nothing_K7),
	    TEST(a_command_for_another_host_or_journal_is_refused_C1),
	    TEST(no_command_is_taken_before_the_first_answer_K3),
	    TEST(a_run_without_record_at_or_below_contiguous_seq_is_gone_K9),
	    TEST(the_items_own_host_seq_decides_not_the_messages_K9),
	    TEST(a_stop_for_an_unknown_id_leaves_a_tombstone_K9),
	    TEST(a_tombstone_lives_until_older_commands_cannot_come_K9),
	    TEST(a_tombstone_lives_until_its_puback_K9),
	    TEST(gone_is_said_again_at_the_newest_generation_K9),
	    TEST(an_expired_run_is_rejected_by_control_plane_time_K13),
	    TEST(a_stop_never_expires_K13),
	    TEST(overcommit_is_refused_naming_the_dimension_P1),
	    TEST(an_unknown_or_unusable_driver_is_rejected),
	    TEST(a_run_beyond_the_limit_of_records_is_rejected_with_the_limit_K3),
	    TEST(an_invalid_item_does_not_hurt_its_neighbours_C7),
	    TEST(it_runs_and_its_exit_code_is_reported_E3),
	    TEST(exit_zero_is_succeeded_and_absent_destroys_then_forgets),
	    TEST(exit_while_stopping_is_stopped_with_its_real_exit_code_K20),
	    TEST(absent_on_a_running_executor_stops_destroys_and_says_gone),
	    TEST(a_start_the_driver_refuses_is_failed),
	    TEST(what_runs_is_adopted_and_what_ended_meanwhile_keeps_its_exit_code_E4),
	    TEST(what_has_no_record_is_killed_before_the_first_hello_K5),
	    TEST(after_a_reboot_nothing_starts_before_a_hello_was_answered_K24),
	    TEST(a_late_puback_does_not_acknowledge_a_newer_change_K18),
	    TEST(a_report_that_was_not_stored_is_sent_again_K18),
	    TEST(a_backlog_coalesces_to_64_executors_per_message_K18),
	    TEST(nothing_is_reported_or_started_while_the_journal_cannot_be_written_L10),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
