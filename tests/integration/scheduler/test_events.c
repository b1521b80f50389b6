/* Events on their stream: every number once and in order, whatever happens to who publishes them or
 * to the stream (G7). */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "rig.h"
#include "streams.h"

static const struct resources large = {INT64_C(1) << 40, INT64_C(1) << 40, 1, 1, 100000};

#define RUNNING "SELECT count(*) FROM executor WHERE state = 70"
#define NUMBERED "SELECT cursor FROM event_cursor"
#define UNNUMBERED "SELECT count(*) FROM event_outbox"

static uint64_t
cursor_of(const struct bus_msg *m)
{
	const char *text = bus_msg_header(m, "Fl-Cursor");

	return text ? strtoull(text, NULL, 10) : 0;
}

/* The number of the last message, 0 without one. */
static uint64_t
stream_end(struct rig *r)
{
	CLEANUP(bus_msg_free) struct bus_msg *m = NULL;
	struct bus_stream_state state;
	struct err err = {0};

	if (bus_stream_state(r->bus, STREAM_EVENTS, &state, &err) != 0 || state.messages == 0 ||
	    bus_stream_message(r->bus, STREAM_EVENTS, state.last_seq, &m, &err) != 0)
		return 0;
	return cursor_of(m);
}

static bool
has_all(void *arg)
{
	struct rig *r = arg;

	hosts_answer(r);
	return query(r, UNNUMBERED) == 0 && stream_end(r) == (uint64_t)query(r, NUMBERED);
}

/* Waits until the stream has what the rows have, and looks at every message of it. */
static void
stream_has_each_once(struct rig *r)
{
	struct bus_stream_state state;

	if (!test_wait_until(has_all, r, PATIENCE_MS))
		fail_msg("the stream ends at %" PRIu64 ", the rows at %ld, %ld are unnumbered",
		    stream_end(r), query(r, NUMBERED), query(r, UNNUMBERED));
	assert_int_equal(bus_stream_state(r->bus, STREAM_EVENTS, &state, &r->err), 0);
	assert_int_equal(state.messages, query(r, "SELECT count(*) FROM event"));
	for (uint64_t seq = state.first_seq; seq <= state.last_seq; seq++) {
		CLEANUP(bus_msg_free) struct bus_msg *m = NULL;

		if (bus_stream_message(r->bus, STREAM_EVENTS, seq, &m, &r->err) != 0)
			fail_msg("%s", r->err.text);
		assert_int_equal(cursor_of(m), seq - state.first_seq + 1);
	}
}

static void
load(struct rig *r, const char *session, uint32_t replicas)
{
	session_make(r, session, replicas, 60000);
	eventually(r, RUNNING, query(r, "SELECT count(*) FROM executor"), PATIENCE_MS);
}

static void
a_message_of_the_stream_says_what_it_is_G7(void **state)
{
	CLEANUP(bus_msg_free) struct bus_msg *m = NULL;
	struct rig *r = *state;
	const char *data;

	host_make(r, "h1", large);
	scheduler_start(r, 0, NULL);
	load(r, "web", 1);
	stream_has_each_once(r);
	/* The host was first. */
	assert_int_equal(bus_stream_message(r->bus, STREAM_EVENTS, 2, &m, &r->err), 0);
	assert_string_equal(bus_msg_subject(m), "fl.evt.session.web");
	assert_string_equal(bus_msg_header(m, "Nats-Msg-Id"), "event-2");
	assert_string_equal(bus_msg_header(m, "Fl-Kind"), "event");
	assert_memory_equal(
	    bus_msg_header(m, "Fl-Summary"), "session.created web", strlen("session.created web"));
	data = bus_msg_data(m);
	assert_memory_equal(data, "{", 1);
	bus_msg_free(m);
	assert_int_equal(bus_stream_message(r->bus, STREAM_EVENTS, 1, &m, &r->err), 0);
	assert_string_equal(bus_msg_subject(m), "fl.evt.host.h1");
	assert_string_equal(bus_msg_header(m, "Fl-Host"), "h1");
}

static void
more_than_a_window_comes_in_order_G7(void **state)
{
	struct rig *r = *state;

	host_make(r, "h1", large);
	scheduler_start(r, 0, NULL);
	load(r, "web", 600);
	stream_has_each_once(r);
}

static void
crash_and_go_on(struct rig *r, const char *point)
{
	char variable[96];
	const char *more[] = {variable, NULL};

	snprintf(variable, sizeof(variable), CRASH_VARIABLE "=%s", point);
	host_make(r, "h1", large);
	scheduler_start(r, 0, more);
	session_make(r, "web", 20, 60000);
	assert_int_equal(scheduler_wait(r, 0), CRASH_EXIT_STATUS);
	scheduler_start(r, 0, NULL);
	eventually(r, RUNNING, 20, PATIENCE_MS);
	stream_has_each_once(r);
	verify_clean(r);
}

static void
a_crash_between_numbering_and_publishing_loses_nothing_G7(void **state)
{
	crash_and_go_on(*state, "scheduler.events.after_commit");
}

static void
a_crash_among_publishes_loses_and_doubles_nothing_G7(void **state)
{
	crash_and_go_on(*state, "scheduler.events.publishing:2");
}

static void
a_crash_between_publishing_and_noting_it_doubles_nothing_G7(void **state)
{
	crash_and_go_on(*state, "scheduler.events.published");
}

static void
a_stream_that_vanishes_is_filled_from_the_rows_G7_K12(void **state)
{
	struct rig *r = *state;

	host_make(r, "h1", large);
	scheduler_start(r, 0, NULL);
	load(r, "web", 20);
	stream_has_each_once(r);
	/* Nothing happens in the cell: it is noticed all the same. */
	assert_int_equal(bus_stream_delete(r->bus, STREAM_EVENTS, &r->err), 0);
	stream_has_each_once(r);
	/* And when it vanishes under load. */
	session_make(r, "two", 100, 60000);
	assert_int_equal(bus_stream_delete(r->bus, STREAM_EVENTS, &r->err), 0);
	eventually(r, RUNNING, 120, PATIENCE_MS);
	stream_has_each_once(r);
}

static void
a_wiped_bus_has_every_event_again_G7(void **state)
{
	struct rig *r = *state;

	host_make(r, "h1", large);
	scheduler_start(r, 0, NULL);
	load(r, "web", 20);
	stream_has_each_once(r);
	nats_server_kill(r->nats);
	nats_server_wipe(r->nats);
	assert_int_equal(nats_server_start(r->nats), 0);
	stream_has_each_once(r);
	load(r, "two", 5);
	stream_has_each_once(r);
}

/* As after a restore of older rows: the stream has numbers that the rows have not yet given. */
static void
a_stream_of_another_history_is_made_anew_G7(void **state)
{
	const struct bus_header cursor = {"Fl-Cursor", "9999"};
	const struct bus_out out = {
	    .subject = "fl.evt.session.web", .headers = &cursor, .header_count = 1};
	struct rig *r = *state;
	struct bus_ack ack;

	assert_int_equal(streams_ensure(r->bus, "fl", 0, &r->err), 0);
	assert_int_equal(bus_js_publish(r->bus, &out, 5000, &ack, &r->err), 0);
	host_make(r, "h1", large);
	scheduler_start(r, 0, NULL);
	load(r, "web", 3);
	stream_has_each_once(r);
}

static void
a_paused_publisher_adds_nothing_when_it_wakes_G7(void **state)
{
	struct rig *r = *state;

	host_make(r, "h1", large);
	scheduler_start(r, 0, NULL);
	load(r, "web", 20);
	scheduler_start(r, 1, NULL);
	for (int turn = 0; turn < 2; turn++) {
		char name[16];

		scheduler_signal(r, turn, SIGSTOP);
		snprintf(name, sizeof(name), "turn%d", turn);
		load(r, name, 20);
		stream_has_each_once(r);
		scheduler_signal(r, turn, SIGCONT);
	}
	load(r, "last", 20);
	stream_has_each_once(r);
	verify_clean(r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_message_of_the_stream_says_what_it_is_G7),
	    TEST(more_than_a_window_comes_in_order_G7),
	    TEST(a_crash_between_numbering_and_publishing_loses_nothing_G7),
	    TEST(a_crash_among_publishes_loses_and_doubles_nothing_G7),
	    TEST(a_crash_between_publishing_and_noting_it_doubles_nothing_G7),
	    TEST(a_stream_that_vanishes_is_filled_from_the_rows_G7_K12),
	    TEST(a_wiped_bus_has_every_event_again_G7),
	    TEST(a_stream_of_another_history_is_made_anew_G7),
	    TEST(a_paused_publisher_adds_nothing_when_it_wakes_G7),
	};

	return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
