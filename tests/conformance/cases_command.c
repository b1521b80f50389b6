/* cases_command: desired state, one executor at a time (K7-K9, K13, K20, K25). */
#include "kit.h"

#include <signal.h>
#include <string.h>

#define HOUR_US (INT64_C(3600) * SECOND_US)

static void
a_run_is_accepted_runs_and_ends_with_its_exit_code_E3(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;
	struct kit_seen end;

	kit_settled_start(k);
	o = kit_order(k, "while [ ! -e \"$1.go\" ]; do sleep 0.1; done; exit 7");
	kit_send_one(k, o);
	kit_expect(k, "K8: its generation is accepted", kit_accepted(k, o) == o->generation);
	kit_expect(k, "RUNNING is reported",
	    kit_state(k, o) == EXECUTOR_RUNNING && kit_joined(k, &o->id).started);
	kit_require(k, "in incarnation 1", kit_joined(k, &o->id).incarnation == 1);
	kit_touch(k, &o->id, ".go");
	kit_expect(k, "its end is reported", kit_ended(k, o));
	end = kit_joined(k, &o->id);
	kit_require(k, "FAILED with exit code 7, started, by no signal",
	    end.state == EXECUTOR_FAILED && end.exit_code == 7 && end.started && end.signal == 0);
	kit_require(k, "it ran once", kit_runs(k, &o->id) == 1);
}

static void
exit_code_zero_is_succeeded_E3(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exit 0");
	kit_send_one(k, o);
	kit_expect(k, "SUCCEEDED", kit_state(k, o) == EXECUTOR_SUCCEEDED);
	kit_require(k, "with exit code 0", kit_joined(k, &o->id).exit_code == 0);
}

static void
a_signal_is_reported_as_one_E3(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "kill -9 $$");
	kit_send_one(k, o);
	kit_expect(k, "FAILED by signal 9 with exit code -1",
	    kit_state(k, o) == EXECUTOR_FAILED && kit_joined(k, &o->id).signal == SIGKILL &&
		kit_joined(k, &o->id).exit_code == -1);
}

static void
words_of_the_command_arrive_as_they_are(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "x='it'\\''s \"$\\` *'\n[ \"${#x}\" -eq 11 ] || exit 9\nexit 0");
	kit_send_one(k, o);
	kit_expect(k, "quotes, dollars and lines survive", kit_state(k, o) == EXECUTOR_SUCCEEDED);
}

static void
the_same_command_five_times_has_one_effect_C3(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exit 0");
	for (int i = 0; i < 5; i++)
		kit_send_one(k, o);
	kit_expect(k, "it ends", kit_state(k, o) == EXECUTOR_SUCCEEDED);
	kit_send_one(k, o);
	kit_fence(k);
	kit_require(k, "it ran once", kit_runs(k, &o->id) == 1);
}

/* One of each kind, and then the whole history again, forwards and backwards, also to the next
 * start: nothing is run, stopped, revived or forgotten by it. */
static void
captured_commands_replayed_change_nothing_C3_K7_K9(void **state)
{
	struct kit *k = *state;
	struct kit_order *ended, *runs, *gone;
	struct digest before;

	kit_settled_start(k);
	ended = kit_order(k, "exit 3");
	runs = kit_order(k, "exec sleep 600");
	gone = kit_order(k, "exit 0");
	kit_send_one(k, ended);
	kit_send_one(k, runs);
	kit_send_one(k, gone);
	kit_expect(k, "one runs, two have ended",
	    kit_ended(k, ended) && kit_ended(k, gone) && kit_state(k, runs) == EXECUTOR_RUNNING);
	gone = kit_next(k, gone, ABSENT);
	kit_send_one(k, gone);
	kit_expect(k, "the third is gone", kit_gone(k, gone) == gone->generation);
	kit_forgets(k, gone);
	before = kit_digest(k);
	for (unsigned round = 0; round < 2; round++) {
		kit_replay(k, false);
		kit_replay(k, true);
		kit_ask_hello(k);
		kit_require(k, "what is gone has no record again", !kit_hello_names(k, gone));
		kit_require(k, "nothing ran again, what runs runs on",
		    kit_runs(k, &ended->id) == 1 && kit_runs(k, &gone->id) == 1 &&
			kit_runs(k, &runs->id) == 1 && kit_lives(k, &runs->id));
		kit_require(k, "nothing else is reported",
		    kit_digest(k).sum == before.sum && kit_joined(k, &ended->id).exit_code == 3 &&
			kit_state(k, runs) == EXECUTOR_RUNNING);
		kit_expect(k, "K19: nor recorded", kit_digest_agrees(k));
		if (round == 0) {
			kit_kill(k);
			kit_start(k);
			kit_settle(k);
		}
	}
}

/* K7: not an error; the current state is said again. */
static void
a_command_at_or_below_the_generation_is_answered_by_the_state_K7(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;
	size_t before;

	kit_settled_start(k);
	o = kit_order(k, "exit 4");
	kit_send_one(k, o);
	kit_expect(k, "it ends", kit_state(k, o) == EXECUTOR_FAILED);
	kit_fence(k);
	before = k->seen_count;
	kit_send_one(k, o);
	kit_expect(k, "the end is reported again",
	    k->seen_count > before && id_equal(&k->seen[k->seen_count - 1].id, &o->id) &&
		k->seen[k->seen_count - 1].exit_code == 4);
}

static void
commands_in_reverse_order_end_in_the_newest_state_C4(void **state)
{
	struct kit *k = *state;
	struct kit_order *run, *stop;

	kit_settled_start(k);
	k->mute_sync = true; /* only what is sent here arrives */
	run = kit_order(k, "exec sleep 600");
	stop = kit_next(k, run, STOP);
	kit_send_one(k, stop);
	kit_expect(k, "K9: a tombstone, STOPPED at the newer generation",
	    kit_state(k, stop) == EXECUTOR_STOPPED && kit_accepted(k, stop) == stop->generation);
	kit_send_one(k, run);
	kit_fence(k);
	kit_require(k, "it never ran", kit_runs(k, &run->id) == 0);
	kit_require(k, "the newer generation stands", kit_accepted(k, run) == stop->generation);
}

static void
stop_ends_it_with_its_real_exit_code_K20(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "trap 'exit 5' TERM; : >\"$1.ready\"; while :; do sleep 0.1; done");
	kit_send_one(k, o);
	kit_expect(
	    k, "it runs", kit_state(k, o) == EXECUTOR_RUNNING && kit_present(k, &o->id, ".ready"));
	o = kit_next(k, o, STOP);
	kit_send_one(k, o);
	kit_expect(k, "STOPPED with exit code 5",
	    kit_state(k, o) == EXECUTOR_STOPPED && kit_joined(k, &o->id).exit_code == 5);
	kit_require(k, "at the newer generation", kit_accepted(k, o) == o->generation);
	kit_send_one(k, o);
	kit_fence(k);
	kit_require(k, "E2: a repeated stop is nothing", kit_state(k, o) == EXECUTOR_STOPPED);
}

static void
stop_kills_what_ignores_it_after_its_grace_E2(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "trap '' TERM; : >\"$1.ready\"; while :; do sleep 0.1; done");
	kit_send_one(k, o);
	kit_expect(
	    k, "it runs", kit_state(k, o) == EXECUTOR_RUNNING && kit_present(k, &o->id, ".ready"));
	o = kit_next(k, o, STOP);
	o->grace_ms = 300;
	kit_send_one(k, o);
	kit_expect(k, "STOPPED by SIGKILL",
	    kit_state(k, o) == EXECUTOR_STOPPED && kit_joined(k, &o->id).signal == SIGKILL);
	kit_require(k, "nothing is left of it", !kit_lives(k, &o->id));
}

static void
absent_is_reported_gone_and_forgotten_K9(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exit 0");
	kit_send_one(k, o);
	kit_expect(k, "it ends", kit_ended(k, o));
	o = kit_next(k, o, ABSENT);
	kit_send_one(k, o);
	kit_expect(k, "GONE at the newest generation", kit_gone(k, o) == o->generation);
	kit_forgets(k, o);
	kit_require(k, "its end was kept", kit_state(k, o) == EXECUTOR_SUCCEEDED);
}

static void
absent_of_a_running_one_stops_it_first_K9(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exec sleep 600");
	kit_send_one(k, o);
	kit_expect(k, "it runs", kit_state(k, o) == EXECUTOR_RUNNING);
	o = kit_next(k, o, ABSENT);
	kit_send_one(k, o);
	kit_expect(k, "STOPPED, then GONE",
	    kit_state(k, o) == EXECUTOR_STOPPED && kit_gone(k, o) == o->generation);
	kit_require(k, "nothing is left of it", !kit_lives(k, &o->id));
}

static void
a_run_of_the_past_for_an_unknown_id_is_answered_gone_K9(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	kit_fence(k);
	o = kit_order(k, "exit 0");
	o->newest = false;
	o->host_seq = --k->host_seq; /* its own number is covered by contiguous_seq */
	o->deadline_us = 1;          /* K9 comes before K13 */
	kit_send_one(k, o);
	kit_expect(k, "GONE at its generation", kit_gone(k, o) == o->generation);
	kit_require(k, "K14: no state was observed", kit_state(k, o) == EXECUTOR_NONE);
	kit_fence(k);
	kit_require(k, "it did not run", kit_runs(k, &o->id) == 0);
}

static void
absent_of_an_unknown_id_is_a_tombstone_and_gone_K9(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exit 0");
	o->desired = ABSENT;
	kit_send_one(k, o);
	kit_expect(k, "STOPPED and GONE",
	    kit_state(k, o) == EXECUTOR_STOPPED && kit_gone(k, o) == o->generation);
}

/* The agent's own clock would say the opposite in both. */
static void
deadline_by_control_plane_time(struct kit *k, int64_t cp_offset_us, int64_t deadline_after_us)
{
	struct kit_order *o;
	bool late = deadline_after_us < 0;

	k->cp_offset_us = cp_offset_us;
	kit_settled_start(k);
	o = kit_order(k, "exit 0");
	o->deadline_us = clock_real_us(clock_system()) + cp_offset_us + deadline_after_us;
	kit_send_one(k, o);
	kit_expect(
	    k, "it ends", kit_state(k, o) == (late ? EXECUTOR_REJECTED : EXECUTOR_SUCCEEDED));
	kit_require(k, "reason expired when it is late",
	    !late || strcmp(kit_joined(k, &o->id).reason, "expired") == 0);
	kit_require(k, "it is accepted in either case", kit_accepted(k, o) == o->generation);
	kit_require(k, "what is late did not run", kit_runs(k, &o->id) == (late ? 0 : 1));
}

static void
a_run_past_its_deadline_is_rejected_by_control_plane_time_K13(void **state)
{
	deadline_by_control_plane_time(*state, HOUR_US, -SECOND_US);
}

static void
a_run_before_its_deadline_runs_by_control_plane_time_K13(void **state)
{
	deadline_by_control_plane_time(*state, -HOUR_US, 600 * SECOND_US);
}

static void
a_stop_never_expires_K13(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exec sleep 600");
	kit_send_one(k, o);
	kit_expect(k, "it runs", kit_state(k, o) == EXECUTOR_RUNNING);
	o = kit_next(k, o, STOP);
	o->deadline_us = 1;
	kit_send_one(k, o);
	kit_expect(k, "it is stopped", kit_state(k, o) == EXECUTOR_STOPPED);
}

const struct kit_case cases_command[] = {
    KIT_CASE(a_run_is_accepted_runs_and_ends_with_its_exit_code_E3),
    KIT_CASE(exit_code_zero_is_succeeded_E3),
    KIT_CASE(a_signal_is_reported_as_one_E3),
    KIT_CASE(words_of_the_command_arrive_as_they_are),
    KIT_CASE(the_same_command_five_times_has_one_effect_C3),
    KIT_CASE(captured_commands_replayed_change_nothing_C3_K7_K9),
    KIT_CASE(a_command_at_or_below_the_generation_is_answered_by_the_state_K7),
    KIT_CASE(commands_in_reverse_order_end_in_the_newest_state_C4),
    KIT_CASE(stop_ends_it_with_its_real_exit_code_K20),
    KIT_CASE(stop_kills_what_ignores_it_after_its_grace_E2),
    KIT_CASE(absent_is_reported_gone_and_forgotten_K9),
    KIT_CASE(absent_of_a_running_one_stops_it_first_K9),
    KIT_CASE(a_run_of_the_past_for_an_unknown_id_is_answered_gone_K9),
    KIT_CASE(absent_of_an_unknown_id_is_a_tombstone_and_gone_K9),
    KIT_CASE(a_run_past_its_deadline_is_rejected_by_control_plane_time_K13),
    KIT_CASE(a_run_before_its_deadline_runs_by_control_plane_time_K13),
    KIT_CASE(a_stop_never_expires_K13),
    {0},
};
