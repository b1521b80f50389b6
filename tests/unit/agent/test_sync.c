/* Sync: what asks for one, and what its pages do. */
#include "session_rig.h"

#include <string.h>

static void
a_gap_in_the_stream_triggers_a_sync_C11(void **state)
{
	struct rig *r = *state;
	struct rig_item a, b;
	Fairlead__V1__CommandItem *first[] = {rig_item(&a, rig_id(1), G(1), RUN, G(1))};
	Fairlead__V1__CommandItem *second[] = {rig_item(&b, rig_id(2), G(1), RUN, G(3))};

	rig_accept(r, G(1), G(0));
	rig_send(r, first, 1, G(1), 10, 4);
	assert_null(rig_effect(r, AGENT_SEND_SYNC)); /* the first says nothing about before */
	rig_send(r, second, 1, G(3), 14, 12);
	assert_non_null(rig_effect(r, AGENT_SEND_SYNC));
	assert_int_equal(rig_get(r, AGENT_SEND_SYNC)->u.sync->contiguous_seq, G(1));
	assert_non_null(rig_record(r, rig_id(2))); /* out of order is applied at once */
	assert_int_equal(agent_contiguous_seq(r->agent), G(1));
}

static void
messages_in_a_row_trigger_no_sync_C11(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	for (unsigned i = 1; i < 20; i++) {
		struct rig_item item;
		Fairlead__V1__CommandItem *items[] = {rig_item(&item, rig_id(i), G(1), RUN, G(i))};

		rig_send(r, items, 1, G(i), 100 + 3 * i, i == 1 ? 0 : 100 + 3 * (i - 1));
		assert_null(rig_effect(r, AGENT_SEND_SYNC));
	}
	assert_int_equal(agent_contiguous_seq(r->agent), G(19));
}

static void
a_lag_of_more_than_a_second_triggers_a_sync_K11(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	until_heartbeat(r);
	heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK, G(2));
	assert_null(rig_effect(r, AGENT_SEND_SYNC));
	rig_advance(r, 999 * MS_US);
	assert_null(rig_effect(r, AGENT_SEND_SYNC));
	rig_advance(r, 2 * MS_US);
	assert_non_null(rig_effect(r, AGENT_SEND_SYNC));
}

static void
a_lag_that_closes_in_time_triggers_none_K11(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	until_heartbeat(r);
	heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK, G(1));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_advance(r, 2 * SECOND_US);
	assert_null(rig_effect(r, AGENT_SEND_SYNC));
}

static void
a_new_term_triggers_a_sync_at_once_K11(void **state)
{
	struct rig *r = *state;
	uint64_t new_term = (UINT64_C(2) << 40) | 1;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), new_term, RUN, new_term);
	assert_non_null(rig_effect(r, AGENT_SEND_SYNC));
}

static void
page(struct rig *r, unsigned id, uint64_t host_seq, uint64_t as_of, bool last)
{
	struct rig_item item;
	Fairlead__V1__CommandItem *items[] = {rig_item(&item, rig_id(id), G(1), RUN, host_seq)};
	Fairlead__V1__SyncAnswer m = FAIRLEAD__V1__SYNC_ANSWER__INIT;

	m.items = items;
	m.n_items = 1;
	m.as_of_seq = as_of;
	m.last = last;
	rig_answer_sync(r, &m);
}

static void
as_of_is_applied_only_after_the_last_page_K11(void **state)
{
	struct rig *r = *state;
	const Fairlead__V1__SyncRequest *next;
	struct id first = rig_id(1);

	rig_accept(r, G(1), G(0));
	rig_event(r, AGENT_OVERFLOW);
	page(r, 1, G(2), G(9), false);
	assert_int_equal(agent_contiguous_seq(r->agent), G(0));
	assert_non_null(rig_record(r, rig_id(1)));
	next = rig_get(r, AGENT_SEND_SYNC)->u.sync;
	assert_int_equal(next->contiguous_seq, G(0)); /* the base of the first page */
	assert_int_equal(next->as_of_seq, G(9));
	assert_memory_equal(next->after_executor_id.data, first.bytes, ID_BYTES);
	page(r, 2, G(7), G(9), true);
	assert_int_equal(agent_contiguous_seq(r->agent), G(9));
	assert_non_null(rig_record(r, rig_id(2)));
}

static void
contiguous_seq_goes_on_through_numbers_already_seen_K11(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(10));
	rig_command(r, rig_id(2), G(1), RUN, G(11));
	rig_command(r, rig_id(3), G(1), RUN, G(13));
	assert_int_equal(agent_contiguous_seq(r->agent), G(0));
	rig_event(r, AGENT_OVERFLOW);
	page(r, 4, G(5), G(9), true);
	assert_int_equal(agent_contiguous_seq(r->agent), G(11));
	rig_restart(r); /* the numbers that wait are durable */
	rig_accept(r, G(2), G(0));
	rig_command(r, rig_id(5), G(1), RUN, G(12));
	assert_int_equal(agent_contiguous_seq(r->agent), G(13));
}

static void
numbers_that_wait_are_bounded_and_overflow_means_sync_K11(void **state)
{
	struct rig *r = *state;
	bool synced = false;

	r->config.capacity = (struct resources){1000000, 1 << 30, 1 << 30, 0, 10000};
	rig_restart(r);
	rig_accept(r, G(1), G(0));
	for (unsigned i = 0; i <= RECORDS_PENDING_MAX; i++) {
		rig_command(r, rig_id(i), G(1), STOP, G(10) + 2 * i);
		synced = rig_effect(r, AGENT_SEND_SYNC) != NULL;
		assert_int_equal(synced, i == RECORDS_PENDING_MAX);
	}
	assert_int_equal(agent_contiguous_seq(r->agent), G(0));
}

static void
a_page_that_never_comes_is_asked_for_again_K11(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_event(r, AGENT_OVERFLOW);
	assert_non_null(rig_effect(r, AGENT_SEND_SYNC));
	rig_advance(r, 4 * SECOND_US);
	assert_non_null(rig_effect(r, AGENT_SEND_SYNC));
}

static void
an_old_page_answer_is_ignored_K11(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__SyncAnswer m = FAIRLEAD__V1__SYNC_ANSWER__INIT;
	struct agent_event event = {.type = AGENT_SYNC_ANSWER, .u.sync_answer = &m};
	uint8_t nonce[ID_BYTES];

	rig_accept(r, G(1), G(0));
	rig_event(r, AGENT_OVERFLOW);
	memcpy(nonce, rig_get(r, AGENT_SEND_SYNC)->u.sync->nonce_id.data, ID_BYTES);
	rig_advance(r, 4 * SECOND_US); /* asked again with another nonce */
	m.verdict = FAIRLEAD__V1__SYNC_VERDICT__SYNC_PAGE;
	m.nonce_id = (ProtobufCBinaryData){ID_BYTES, nonce};
	m.as_of_seq = G(50);
	m.last = true;
	rig_step(r, &event);
	assert_int_equal(agent_contiguous_seq(r->agent), G(0));
}

static void
a_reconnect_asks_sync_and_keeps_the_epoch(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_event(r, AGENT_DISCONNECTED);
	rig_event(r, AGENT_CONNECTED);
	assert_non_null(rig_effect(r, AGENT_SEND_SYNC));
	assert_non_null(rig_effect(r, AGENT_SEND_HEARTBEAT));
	assert_null(rig_effect(r, AGENT_SEND_HELLO));
	assert_int_equal(rig_get(r, AGENT_SEND_SYNC)->u.sync->epoch, G(1));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_gap_in_the_stream_triggers_a_sync_C11),
	    TEST(messages_in_a_row_trigger_no_sync_C11),
	    TEST(a_lag_of_more_than_a_second_triggers_a_sync_K11),
	    TEST(a_lag_that_closes_in_time_triggers_none_K11),
	    TEST(a_new_term_triggers_a_sync_at_once_K11),
	    TEST(as_of_is_applied_only_after_the_last_page_K11),
	    TEST(contiguous_seq_goes_on_through_numbers_already_seen_K11),
	    TEST(numbers_that_wait_are_bounded_and_overflow_means_sync_K11),
	    TEST(a_page_that_never_comes_is_asked_for_again_K11),
	    TEST(an_old_page_answer_is_ignored_K11),
	    TEST(a_reconnect_asks_sync_and_keeps_the_epoch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
