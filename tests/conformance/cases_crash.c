/* cases_crash: reports until they are acknowledged, and kill -9 between any two steps (K1, K5,
 * K18). */
#include "kit.h"

#include <string.h>

#include "streams.h"

#define ROUNDS 4

static void
restart(struct kit *k)
{
	unsigned accepted = k->accepted;

	kit_kill(k);
	kit_start(k);
	kit_expect(k, "K1: it says hello again", k->accepted > accepted);
	kit_settle(k);
}

static size_t
reported_ends(const struct kit *k, const struct kit_order *o)
{
	size_t n = 0;

	for (size_t i = 0; i < k->seen_count; i++)
		n += id_equal(&k->seen[i].id, &o->id) && executor_state_ended(k->seen[i].state);
	return n;
}

static void
a_report_is_said_again_until_the_stream_has_it_K18(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;
	struct err err;

	kit_settled_start(k);
	kit_require(
	    k, "the stream is taken away", bus_stream_delete(k->bus, STREAM_REPORTS, &err) == 0);
	o = kit_order(k, "exit 3");
	kit_send_one(k, o);
	kit_expect(k, "its end is said more than once", reported_ends(k, o) >= 2);
	o = kit_next(k, o, ABSENT);
	kit_send_one(k, o);
	kit_expect(k, "GONE is said", kit_gone(k, o) == o->generation);
	kit_ask_hello(k);
	kit_require(k, "K9: what was not acknowledged is not forgotten", kit_hello_names(k, o));
	kit_require(k, "the stream is back", streams_ensure(k->bus, "fl", 0, &err) == 0);
	kit_forgets(k, o);
	kit_require(k, "nothing of it was changed by the repetition",
	    kit_joined(k, &o->id).exit_code == 3 && kit_runs(k, &o->id) == 1);
}

/* One id is one body: a duplicate window may drop the second of two. */
static void
message_ids_and_change_numbers_are_drawn_once_K18(void **state)
{
	struct kit *k = *state;
	struct kit_order *orders[3];

	kit_settled_start(k);
	for (size_t i = 0; i < COUNT_OF(orders); i++) {
		orders[i] = kit_order(k, "exit 0");
		kit_send_one(k, orders[i]);
		kit_expect(k, "it ends", kit_ended(k, orders[i]));
		restart(k);
	}
	for (size_t i = 0; i < k->seen_count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct kit_seen *a = &k->seen[j], *b = &k->seen[i];

			if (a->change_no == b->change_no)
				kit_require(k, "a change_no means one change of one record",
				    id_equal(&a->id, &b->id) && a->state == b->state);
			if (strcmp(a->msg_id, b->msg_id) == 0)
				kit_require(k, "a Nats-Msg-Id is one message: no executor twice",
				    !id_equal(&a->id, &b->id));
		}
}

static void
a_start_raises_start_no_and_keeps_the_journal_K1_K3(void **state)
{
	struct kit *k = *state;
	struct id journal_id, instance_id;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exit 0");
	kit_send_one(k, o);
	kit_expect(k, "it ends and its number is journaled",
	    kit_ended(k, o) && k->heartbeat.m.heartbeat->contiguous_seq == k->host_seq);
	journal_id = k->journal_id;
	instance_id = k->instance_id;
	restart(k);
	kit_require(k, "start_no is 2", k->start_no == 2);
	kit_require(k, "the journal is the same, the instance another",
	    id_equal(&journal_id, &k->journal_id) && !id_equal(&instance_id, &k->instance_id));
	kit_require(k, "contiguous_seq and records are kept",
	    k->hello.m.hello->contiguous_seq == k->host_seq && kit_hello_names(k, o));
	kit_require(k, "and the digest",
	    k->hello.m.hello->digest->sum == kit_digest(k).sum &&
		k->hello.m.hello->digest->count == 1);
	kit_fence(k);
	kit_require(k, "nothing ran twice", kit_runs(k, &o->id) == 1);
}

static void
what_runs_is_found_again_after_a_kill_E4(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "while [ ! -e \"$1.go\" ]; do sleep 0.1; done; exit 4");
	kit_send_one(k, o);
	kit_expect(k, "it runs", kit_state(k, o) == EXECUTOR_RUNNING);
	restart(k);
	kit_require(
	    k, "it runs on, the same process", kit_lives(k, &o->id) && kit_runs(k, &o->id) == 1);
	kit_touch(k, &o->id, ".go");
	kit_expect(k, "its end is reported with its exit code",
	    kit_state(k, o) == EXECUTOR_FAILED && kit_joined(k, &o->id).exit_code == 4);
}

static void
an_end_while_the_agent_is_away_is_reported_after_its_start_E3(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;
	int64_t end;

	kit_settled_start(k);
	o = kit_order(k, "while [ ! -e \"$1.go\" ]; do sleep 0.1; done; exit 6");
	kit_send_one(k, o);
	kit_expect(k, "it runs", kit_state(k, o) == EXECUTOR_RUNNING);
	kit_kill(k);
	kit_touch(k, &o->id, ".go");
	for (end = kit_deadline(k); kit_lives(k, &o->id);)
		kit_require(k, "it ends by itself", kit_pump(k, end));
	kit_start(k);
	kit_expect(k, "its exit code is reported",
	    kit_state(k, o) == EXECUTOR_FAILED && kit_joined(k, &o->id).exit_code == 6);
}

/* The moment its acceptance is heard the agent dies; nobody sends the command again. */
static void
what_was_accepted_survives_a_kill_and_runs_once_C5(void **state)
{
	struct kit *k = *state;
	struct kit_order *orders[ROUNDS];

	kit_settled_start(k);
	for (size_t i = 0; i < ROUNDS; i++) {
		struct kit_order *o = orders[i] = kit_order(k, "exit 0");

		kit_send_one(k, o);
		kit_expect(k, "it is accepted", kit_accepted(k, o) == o->generation);
		o->newest = false; /* no sync will bring it */
		restart(k);
	}
	for (size_t i = 0; i < ROUNDS; i++) {
		kit_expect(k, "each has run", kit_state(k, orders[i]) == EXECUTOR_SUCCEEDED);
		kit_require(k, "once", kit_runs(k, &orders[i]->id) == 1);
	}
}

static void
commands_sent_again_after_a_kill_run_nothing_twice_C9(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exit 0");
	kit_send_one(k, o);
	kit_expect(k, "it ends", kit_ended(k, o));
	restart(k);
	kit_send_one(k, o);
	kit_fence(k);
	kit_require(k, "it ran once", kit_runs(k, &o->id) == 1);
}

static void
a_stop_that_was_accepted_is_finished_by_the_next_start_K20(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "trap '' TERM; : >\"$1.ready\"; while :; do sleep 0.1; done");
	kit_send_one(k, o);
	kit_expect(
	    k, "it runs", kit_state(k, o) == EXECUTOR_RUNNING && kit_present(k, &o->id, ".ready"));
	o = kit_next(k, o, STOP);
	o->grace_ms = 2000;
	kit_send_one(k, o);
	kit_expect(k, "the stop is accepted", kit_accepted(k, o) == o->generation);
	restart(k);
	kit_expect(k, "STOPPED", kit_state(k, o) == EXECUTOR_STOPPED);
	kit_require(k, "nothing is left of it", !kit_lives(k, &o->id));
}

static void
a_tombstone_survives_a_kill_K9(void **state)
{
	struct kit *k = *state;
	struct kit_order *run, *stop;

	kit_settled_start(k);
	k->mute_sync = true;
	run = kit_order(k, "exit 0");
	stop = kit_next(k, run, STOP);
	kit_send_one(k, stop);
	kit_expect(k, "a tombstone", kit_accepted(k, stop) == stop->generation);
	kit_kill(k);
	k->mute_sync = false;
	kit_start(k);
	kit_expect(k, "hello names it", k->start_no == 2 && kit_hello_names(k, stop));
	kit_settle(k);
	kit_send_one(k, run);
	kit_fence(k);
	kit_require(k, "the late RUN does not run", kit_runs(k, &run->id) == 0);
}

const struct kit_case cases_crash[] = {
    KIT_CASE(a_report_is_said_again_until_the_stream_has_it_K18),
    KIT_CASE(message_ids_and_change_numbers_are_drawn_once_K18),
    KIT_CASE(a_start_raises_start_no_and_keeps_the_journal_K1_K3),
    KIT_CASE(what_runs_is_found_again_after_a_kill_E4),
    KIT_CASE(an_end_while_the_agent_is_away_is_reported_after_its_start_E3),
    KIT_CASE(what_was_accepted_survives_a_kill_and_runs_once_C5),
    KIT_CASE(commands_sent_again_after_a_kill_run_nothing_twice_C9),
    KIT_CASE(a_stop_that_was_accepted_is_finished_by_the_next_start_K20),
    KIT_CASE(a_tombstone_survives_a_kill_K9),
    {0},
};
