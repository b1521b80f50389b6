/* cases_sync: what was missed, and what came out of order (K8, K9, K11, K25). */
#include "kit.h"

#include <string.h>

static uint64_t
journaled(const struct kit *k)
{
	return k->heartbeat.m.heartbeat ? k->heartbeat.m.heartbeat->contiguous_seq : 0;
}

static void
what_was_written_while_the_host_was_away_comes_by_sync_C2(void **state)
{
	struct kit *k = *state;
	struct kit_order *runs, *stopped;

	runs = kit_order(k, "exit 0");
	stopped = kit_order(k, "exit 0");
	stopped = kit_next(k, stopped, STOP);
	kit_settled_start(k);
	kit_expect(k, "what is wanted runs", kit_state(k, runs) == EXECUTOR_SUCCEEDED);
	kit_expect(k, "of the other only the newest order counts",
	    kit_state(k, stopped) == EXECUTOR_STOPPED &&
		kit_accepted(k, stopped) == stopped->generation);
	kit_require(k, "and it never ran", kit_runs(k, &stopped->id) == 0);
}

/* No sync is answered, so what is not heard does not come; an agent may start nothing before one
 * is. */
static void
who_asks_for_a_sync_hears_commands_already_C2_K11(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	k->mute_sync = true;
	kit_start(k);
	kit_expect(k, "a sync", k->sync.count > 0);
	o = kit_order(k, "exit 0");
	kit_send_one(k, o);
	kit_expect(k, "what is sent from then on is heard", kit_accepted(k, o) == o->generation);
	k->mute_sync = false;
	kit_expect(k, "and carried out",
	    kit_state(k, o) == EXECUTOR_SUCCEEDED && kit_runs(k, &o->id) == 1);
}

static void
pages_follow_each_other_and_count_only_together_K11(void **state)
{
	struct kit *k = *state;
	struct kit_order *orders[3];
	unsigned heartbeats, syncs;
	uint64_t as_of;

	for (size_t i = 0; i < COUNT_OF(orders); i++)
		orders[i] = kit_order(k, "exit 0");
	k->page_items = 1;
	kit_start(k);
	kit_expect(k, "a second page is asked for",
	    k->sync.count > 0 && k->sync.m.sync->after_executor_id.len == ID_BYTES);
	as_of = k->host_seq;
	kit_require(k, "from the as_of_seq of the first, above the same contiguous_seq",
	    k->sync.m.sync->as_of_seq == as_of && k->sync.m.sync->contiguous_seq == k->floor);
	k->mute_sync = true;
	syncs = k->sync.count;
	heartbeats = k->heartbeat.count;
	kit_expect(k, "heartbeats go on, and an unanswered page is asked for again",
	    k->heartbeat.count > heartbeats + 2 && k->sync.count > syncs);
	kit_require(
	    k, "K11: a part of a sync does not raise contiguous_seq", journaled(k) == k->floor);
	k->mute_sync = false;
	kit_expect(k, "the last page does", journaled(k) == as_of);
	for (size_t i = 0; i < COUNT_OF(orders); i++)
		kit_expect(k, "and every item is carried out once",
		    kit_state(k, orders[i]) == EXECUTOR_SUCCEEDED &&
			kit_runs(k, &orders[i]->id) == 1);
}

static void
a_sync_answer_of_the_past_is_ignored_K11(void **state)
{
	struct kit *k = *state;
	unsigned syncs, heartbeats;

	k->floor = k->host_seq = KIT_TERM + 9;
	kit_settled_start(k);
	syncs = k->sync.count;
	k->as_of = KIT_TERM + 2;
	kit_ask_hello(k);
	kit_expect(k, "a sync, answered with an older number", k->sync.count > syncs);
	heartbeats = k->heartbeat.count;
	kit_expect(k, "heartbeats go on", k->heartbeat.count > heartbeats + 1);
	kit_require(k, "contiguous_seq does not go back", journaled(k) == KIT_TERM + 9);
	k->as_of = 0;
	kit_fence(k);
}

static void
a_gap_in_nats_last_sequence_brings_a_sync_C11(void **state)
{
	struct kit *k = *state;
	struct kit_order *first, *second;
	unsigned syncs;

	kit_settled_start(k);
	first = kit_order(k, "exit 0");
	kit_send_live(k, first, 1000, 999);
	kit_expect(k, "it is carried out", kit_ended(k, first));
	kit_settle(k);
	syncs = k->sync.count;
	second = kit_order(k, "exit 0");
	kit_send_live(k, second, 1005, 1003);
	kit_expect(k, "a sync", k->sync.count > syncs);
	kit_expect(k, "the command itself is carried out at once", kit_ended(k, second));
}

static void
a_lag_behind_the_committed_host_seq_brings_a_sync_K11(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exit 0"); /* never sent: heartbeat answers speak of its number */
	kit_expect(k, "it comes by sync", kit_state(k, o) == EXECUTOR_SUCCEEDED);
	kit_expect(k, "and its number is journaled", journaled(k) == k->host_seq);
}

static void
a_number_above_a_gap_waits_for_what_is_between_K11(void **state)
{
	struct kit *k = *state;
	struct kit_order *first, *second;
	unsigned heartbeats;
	uint64_t base;

	kit_settled_start(k);
	base = k->host_seq;
	k->mute_sync = true;
	first = kit_order(k, "exit 0");
	second = kit_order(k, "exit 0");
	kit_send_one(k, second);
	kit_expect(k, "what came early is carried out at once", kit_ended(k, second));
	heartbeats = k->heartbeat.count;
	kit_expect(k, "heartbeats go on", k->heartbeat.count > heartbeats + 1);
	kit_require(k, "its number is not contiguous", journaled(k) == base);
	kit_send_one(k, first);
	kit_expect(k, "with the first, both are", journaled(k) == base + 2);
	kit_expect(k, "and the first runs", kit_ended(k, first));
}

static void
a_command_for_another_host_or_journal_is_refused_C1_K25(void **state)
{
	struct kit *k = *state;
	struct kit_order *host, *journal;
	struct id other = id_new();

	kit_settled_start(k);
	k->mute_sync = true;
	host = kit_order(k, "exit 0");
	journal = kit_order(k, "exit 0");
	kit_send_as(k, host, "another-host", NULL);
	kit_send_as(k, journal, NULL, &other);
	kit_fence(k);
	kit_require(k, "neither ran", kit_runs(k, &host->id) + kit_runs(k, &journal->id) == 0);
	kit_require(k, "neither was reported", !kit_reported(k, host) && !kit_reported(k, journal));
}

static void
garbage_is_ignored_and_the_next_command_works_C7(void **state)
{
	static const struct {
		const char *data;
		size_t size;
		const char *content_type;
	} rows[] = {
	    {"", 0, NULL},
	    {"\x00\xff\xfe\x01garbage", 11, NULL},
	    {"\x0a\xff\xff\xff\xff\x0f", 6, "application/protobuf; type=fairlead.v1.Command"},
	    {"{\"items\":", 9, "application/json"},
	    {"{\"items\":[{\"executor_id\":\"../../etc\",\"generation\":1}]}", 54,
		"application/json"},
	    {"[1,2,3]", 7, "application/json"},
	    {"null", 4, "application/json"},
	    {"hello", 5, "text/plain"},
	};
	struct kit *k = *state;

	kit_settled_start(k);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		kit_send_bytes(k, rows[i].data, rows[i].size, rows[i].content_type);
	kit_fence(k);
	kit_require(k, "the agent goes on", !kit_exited(k));
}

static void
items_of_one_message_are_judged_one_by_one_K8(void **state)
{
	struct kit *k = *state;
	struct kit_order *orders[3];

	kit_settled_start(k);
	orders[0] = kit_order(k, "exit 0");
	orders[0]->driver = "no-such-driver";
	orders[1] = kit_order(k, "exit 0");
	orders[1]->generation = 0;
	orders[2] = kit_order(k, "exit 0");
	kit_send(k, orders, 3);
	kit_expect(k, "the good one runs", kit_state(k, orders[2]) == EXECUTOR_SUCCEEDED);
	kit_expect(k, "one of an unknown driver is REJECTED",
	    kit_state(k, orders[0]) == EXECUTOR_REJECTED &&
		kit_joined(k, &orders[0]->id).reason[0]);
	kit_require(k, "one without a generation is nothing", kit_runs(k, &orders[1]->id) == 0);
}

static void
more_than_the_capacity_is_rejected(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exit 0");
	o->slots = k->hello.m.hello->capacity->slots + 1;
	kit_send_one(k, o);
	kit_expect(k, "REJECTED", kit_state(k, o) == EXECUTOR_REJECTED);
	kit_require(k, "it did not run", kit_runs(k, &o->id) == 0);
}

static void
a_restart_policy_it_does_not_know_is_not_ignored(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exit 0");
	o->restart = "on-the-third-day";
	kit_send_one(k, o);
	kit_expect(k, "REJECTED", kit_state(k, o) == EXECUTOR_REJECTED);
	kit_require(k, "it did not run", kit_runs(k, &o->id) == 0);
}

static void
sixty_four_items_in_one_message_all_run_C12(void **state)
{
	struct kit *k = *state;
	struct kit_order *orders[64];

	kit_settled_start(k);
	for (size_t i = 0; i < COUNT_OF(orders); i++)
		orders[i] = kit_order(k, "exit 0");
	kit_send(k, orders, COUNT_OF(orders));
	for (size_t i = 0; i < COUNT_OF(orders); i++) {
		kit_expect(k, "each runs", kit_state(k, orders[i]) == EXECUTOR_SUCCEEDED);
		kit_require(k, "once", kit_runs(k, &orders[i]->id) == 1);
	}
}

const struct kit_case cases_sync[] = {
    KIT_CASE(what_was_written_while_the_host_was_away_comes_by_sync_C2),
    KIT_CASE(who_asks_for_a_sync_hears_commands_already_C2_K11),
    KIT_CASE(pages_follow_each_other_and_count_only_together_K11),
    KIT_CASE(a_sync_answer_of_the_past_is_ignored_K11),
    KIT_CASE(a_gap_in_nats_last_sequence_brings_a_sync_C11),
    KIT_CASE(a_lag_behind_the_committed_host_seq_brings_a_sync_K11),
    KIT_CASE(a_number_above_a_gap_waits_for_what_is_between_K11),
    KIT_CASE(a_command_for_another_host_or_journal_is_refused_C1_K25),
    KIT_CASE(garbage_is_ignored_and_the_next_command_works_C7),
    KIT_CASE(items_of_one_message_are_judged_one_by_one_K8),
    KIT_CASE(more_than_the_capacity_is_rejected),
    KIT_CASE(a_restart_policy_it_does_not_know_is_not_ignored),
    KIT_CASE(sixty_four_items_in_one_message_all_run_C12),
    {0},
};
