#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "crash.h"
#include "rig.h"
#include "streams.h"

static const struct resources large = {INT64_C(1) << 40, INT64_C(1) << 40, 1, 1, 100000};

#define RUNNING "SELECT count(*) FROM executor WHERE state = 70"
#define LEADER "SELECT count(*) FROM lease WHERE name = 'scheduler-default' AND holder = '%s'"

static void
hosts_make(struct rig *r, int n)
{
	char name[32];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "h%d", i);
		host_make(r, name, large);
	}
}

static void
an_executor_goes_from_queued_to_gone(void **state)
{
	struct rig *r = *state;
	struct store_session session;

	scheduler_start(r, 0, NULL);
	host_make(r, "h1", large);
	session_make(r, "web", 1, 60000);
	eventually(r, RUNNING, 1, PATIENCE_MS);
	assert_int_equal(heard_of(r, DESIRED_RUN), 1);
	eventually(r, "SELECT count(*) FROM command WHERE sent_at IS NOT NULL", 1, PATIENCE_MS);
	assert_int_equal(
	    store_session_close(r->store, "web", 0, false, "t", r->arena, &session, &r->err), 0);
	nudge(r);
	eventually(r, "SELECT count(*) FROM executor WHERE state = 92 AND gone_at IS NOT NULL", 1,
	    PATIENCE_MS);
	eventually(r, "SELECT count(*) FROM session WHERE state = 3", 1, PATIENCE_MS);
	eventually(r, "SELECT count(*) FROM outbox", 0, PATIENCE_MS);
	assert_int_equal(query(r, "SELECT count(*) FROM host_executor"), 0);
	assert_int_equal(query(r, "SELECT sum(cpu_millis + slots) FROM host_capacity"), 0);
	assert_true(heard_of(r, DESIRED_STOP) >= 1);
	assert_true(heard_of(r, DESIRED_ABSENT) >= 1);
	verify_clean(r);
}

static void
a_nudge_is_answered_without_delay(void **state)
{
	struct rig *r = *state;
	int64_t from_us, took_us = 0;

	scheduler_start(r, 0, NULL);
	host_make(r, "h1", large);
	session_make(r, "warm", 1, 60000);
	eventually(r, RUNNING, 1, PATIENCE_MS);
	for (int i = 0; i < 20; i++) {
		char name[32];
		size_t before = heard_of(r, DESIRED_RUN);

		snprintf(name, sizeof(name), "s%d", i);
		from_us = clock_mono_us(clock_system());
		session_make(r, name, 1, 60000);
		while (heard_of(r, DESIRED_RUN) == before &&
		       clock_mono_us(clock_system()) - from_us < PATIENCE_MS * MS_US)
			assert_int_equal(bus_flush(r->bus, 1000, &r->err), 0);
		took_us += clock_mono_us(clock_system()) - from_us;
	}
	eventually(r, "SELECT count(*) FROM command WHERE sent_at IS NULL", 0, PATIENCE_MS);
	print_message("create to place: %ld us, place to acknowledgement: %ld us\n",
	    query(r, "SELECT (extract(epoch FROM avg(placed_at - queued_at)) * 1e6)::int8"
		     " FROM executor"),
	    query(r, "SELECT (extract(epoch FROM avg(sent_at - created_at)) * 1e6)::int8"
		     " FROM command"));
	print_message("create to host: %lld us on average\n", (long long)took_us / 20);
	/* Five times the figure of B3, and below every polling interval of the scheduler. */
	assert_true(took_us / 20 < 50 * MS_US);
}

static void
a_thousand_executors_are_placed_soon_P2(void **state)
{
	struct rig *r = *state;
	int64_t from_us;

	hosts_make(r, 50);
	scheduler_start(r, 0, NULL);
	session_make(r, "warm", 1, 60000);
	eventually(r, RUNNING, 1, PATIENCE_MS);
	from_us = clock_mono_us(clock_system());
	session_make(r, "web", 1000, 60000);
	eventually(r, "SELECT count(*) FROM executor WHERE state >= 20", 1001, PATIENCE_MS);
	from_us = clock_mono_us(clock_system()) - from_us;
	print_message("1000 placed in %lld ms\n", (long long)(from_us / MS_US));
	assert_true(from_us < 5 * SECOND_US);
	eventually(r, RUNNING, 1001, PATIENCE_MS);
	verify_clean(r);
}

/* Nobody is told twice, and nobody is told by two: one RUN per executor, on one host. */
static void
assert_each_once(struct rig *r, long executors)
{
	assert_int_equal(query(r, "SELECT count(*) FROM command WHERE desired = 1"), executors);
	assert_int_equal(query(r, "SELECT count(DISTINCT executor_id) FROM command"), executors);
	for (size_t i = 0; i < r->heard_count; i++) {
		for (size_t k = 0; k < i; k++) {
			if (!id_equal(&r->heard[i].executor_id, &r->heard[k].executor_id))
				continue;
			assert_string_equal(r->heard[i].host_id, r->heard[k].host_id);
			assert_int_equal(r->heard[i].generation, r->heard[k].generation);
		}
	}
}

static void
two_schedulers_never_place_twice_P5(void **state)
{
	struct rig *r = *state;
	char name[32];

	hosts_make(r, 10);
	scheduler_start(r, 0, NULL);
	scheduler_start(r, 1, NULL);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		session_make(r, name, 20, 60000);
		/* A leader that goes gives its lease back: the other goes on in the middle of it.
		 */
		if (i == 6 || i == 13) {
			int n = query(r, "SELECT count(*) FROM lease WHERE holder = 's0' AND"
					 " name = 'scheduler-default'") > 0
				    ? 0
				    : 1;

			scheduler_signal(r, n, i == 6 ? SIGTERM : SIGKILL);
			scheduler_wait(r, n);
			scheduler_start(r, n, NULL);
		}
	}
	eventually(r, RUNNING, 400, PATIENCE_MS);
	assert_each_once(r, 400);
	verify_clean(r);
}

static void
a_stopped_leader_is_replaced_within_ten_seconds(void **state)
{
	struct rig *r = *state;
	char leader[128];
	int64_t from_us;

	host_make(r, "h1", large);
	scheduler_start(r, 0, NULL);
	session_make(r, "one", 1, 60000);
	eventually(r, RUNNING, 1, PATIENCE_MS);
	scheduler_start(r, 1, NULL);
	scheduler_signal(r, 0, SIGSTOP);
	from_us = clock_mono_us(clock_system());
	session_make(r, "two", 1, 60000);
	eventually(r, RUNNING, 2, 10000);
	print_message("taken over in %lld ms\n",
	    (long long)((clock_mono_us(clock_system()) - from_us) / MS_US));
	/* The old one wakes up and learns that it leads nothing. */
	scheduler_signal(r, 0, SIGCONT);
	session_make(r, "three", 5, 60000);
	eventually(r, RUNNING, 7, PATIENCE_MS);
	snprintf(leader, sizeof(leader), LEADER, "s1");
	assert_int_equal(query(r, leader), 1);
	assert_each_once(r, 7);
	verify_clean(r);
}

static void
crash_and_recover(struct rig *r, const char *point, bool exactly_once)
{
	char variable[96];
	const char *more[] = {variable, NULL};

	snprintf(variable, sizeof(variable), CRASH_VARIABLE "=%s", point);
	hosts_make(r, 3);
	scheduler_start(r, 0, more);
	session_make(r, "web", 30, 60000);
	for (int i = 0; i < 600 && scheduler_runs(r, 0); i++) {
		hosts_answer(r);
		assert_int_equal(bus_flush(r->bus, 1000, &r->err), 0);
		usleep(20000);
	}
	assert_false(scheduler_runs(r, 0));
	assert_int_equal(scheduler_wait(r, 0), CRASH_EXIT_STATUS);
	scheduler_start(r, 0, NULL);
	eventually(r, RUNNING, 30, PATIENCE_MS);
	if (exactly_once)
		assert_each_once(r, 30);
	verify_clean(r);
}

static void
what_a_crash_left_unpublished_is_swept(void **state)
{
	crash_and_recover(*state, "scheduler.place.after_commit", true);
}

static void
a_crash_before_the_commit_leaves_nothing(void **state)
{
	crash_and_recover(*state, "scheduler.place.before_commit", true);
}

static void
a_crash_between_publish_and_mark_doubles_nothing(void **state)
{
	crash_and_recover(*state, "scheduler.sent.before_commit", true);
}

static void
a_crash_in_publishing_is_swept(void **state)
{
	crash_and_recover(*state, "scheduler.publish.before:2", true);
}

static void
an_unaccepted_run_expires_and_is_told_to_go(void **state)
{
	struct rig *r = *state;

	host_make(r, "mute1", large);
	scheduler_start(r, 0, NULL);
	session_make(r, "web", 2, 300);
	eventually(
	    r, "SELECT count(*) FROM executor WHERE state = 95 AND desired = 3", 2, PATIENCE_MS);
	assert_int_equal(
	    query(r, "SELECT count(*) FROM command WHERE desired = 1 AND outcome = 1"), 2);
	for (int i = 0; i < 1000 && heard_of(r, DESIRED_ABSENT) < 2; i++)
		assert_int_equal(bus_flush(r->bus, 1000, &r->err), 0);
	/* Its host may have it after all: the reservation stays until it says GONE (K16). */
	assert_int_equal(query(r, "SELECT count(*) FROM host_executor WHERE reserved"), 2);
	verify_clean(r);
}

static void
what_is_not_accepted_is_sent_again_as_a_new_message_K10(void **state)
{
	struct rig *r = *state;
	struct bus_stream_state stream;

	host_make(r, "mute1", large);
	scheduler_start(r, 0, NULL);
	session_make(r, "web", 1, 60000);
	for (int i = 0; i < 1500 && heard_of(r, DESIRED_RUN) < 2; i++) {
		assert_int_equal(bus_flush(r->bus, 1000, &r->err), 0);
		usleep(10000);
	}
	assert_true(heard_of(r, DESIRED_RUN) >= 2);
	assert_int_equal(r->heard[0].host_seq, r->heard[1].host_seq);
	assert_int_equal(r->heard[0].generation, r->heard[1].generation);
	assert_int_equal(bus_stream_state(r->bus, STREAM_COMMANDS, &stream, &r->err), 0);
	assert_true(stream.messages >= 2);
}

static void
a_stream_that_vanishes_is_made_again_K12(void **state)
{
	struct rig *r = *state;

	host_make(r, "h1", large);
	scheduler_start(r, 0, NULL);
	session_make(r, "one", 1, 60000);
	eventually(r, RUNNING, 1, PATIENCE_MS);
	assert_int_equal(bus_stream_delete(r->bus, STREAM_COMMANDS, &r->err), 0);
	session_make(r, "two", 3, 60000);
	eventually(r, RUNNING, 4, PATIENCE_MS);
	verify_clean(r);
}

static void
who_waits_says_why_and_goes_on_when_room_comes_back_E16(void **state)
{
	struct rig *r = *state;
	struct store_why *why;
	struct store_session session;
	size_t n;

	host_make(r, "h1", (struct resources){.cpu_millis = 10000, .slots = 2});
	scheduler_start(r, 0, NULL);
	session_make(r, "first", 2, 60000);
	eventually(r, RUNNING, 2, PATIENCE_MS);
	session_make(r, "second", 2, 60000);
	eventually(
	    r, "SELECT count(*) FROM placement_queue WHERE why = '{\"slots\": 1}'", 2, PATIENCE_MS);
	assert_int_equal(store_session_why(r->store, "second", r->arena, &why, &n, &r->err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(why[0].reason, "slots");
	assert_int_equal(why[0].hosts, 1);
	assert_int_equal(
	    store_session_close(r->store, "first", 0, true, "t", r->arena, &session, &r->err), 0);
	nudge(r);
	eventually(r, RUNNING, 2, PATIENCE_MS);
	eventually(r, "SELECT count(*) FROM placement_queue", 0, PATIENCE_MS);
	verify_clean(r);
}

static void
nothing_is_placed_on_suspect_lost_cordoned_or_draining_hosts_L5(void **state)
{
	static const char *const hosts[] = {"good", "suspect", "lost", "cordoned", "draining"};
	struct rig *r = *state;

	for (size_t i = 0; i < COUNT_OF(hosts); i++)
		host_make(r, hosts[i], (struct resources){.cpu_millis = 10000, .slots = 3});
	/* SUSPECT since now and no judge: nobody is given up here. */
	(void)query(
	    r, "UPDATE host SET state = 2, suspect_since = now() WHERE host_id = 'suspect'");
	(void)query(r, "UPDATE host SET state = 3, suspect_since = now() WHERE host_id = 'lost'");
	assert_int_equal(store_host_cordon(r->store, "cordoned", true, "", "t", &r->err), 0);
	assert_int_equal(store_host_drain(r->store, "draining", true, 0, "", "t", &r->err), 0);
	scheduler_start(r, 0, NULL);
	session_make(r, "web", 5, 60000);
	eventually(r,
	    "SELECT count(*) FROM placement_queue WHERE why ="
	    " '{\"not ready\": 2, \"cordoned\": 1, \"draining\": 1, \"slots\": 1}'",
	    2, PATIENCE_MS);
	assert_int_equal(query(r, "SELECT count(*) FROM host_executor WHERE host_id = 'good'"), 3);
	assert_int_equal(query(r, "SELECT count(*) FROM host_executor WHERE host_id <> 'good'"), 0);
	/* One is let in again: the two who wait go there and nowhere else. */
	assert_int_equal(store_host_cordon(r->store, "cordoned", false, "", "t", &r->err), 0);
	nudge(r);
	eventually(r, RUNNING, 5, PATIENCE_MS);
	assert_int_equal(
	    query(r, "SELECT count(*) FROM host_executor WHERE host_id = 'cordoned'"), 2);
	verify_clean(r);
}

static void
a_session_that_is_closed_while_it_waits_is_cancelled(void **state)
{
	struct rig *r = *state;
	struct store_session session;

	scheduler_start(r, 0, NULL);
	session_make(r, "web", 3, 60000);
	eventually(r, "SELECT count(*) FROM placement_queue WHERE why <> '{}'", 3, PATIENCE_MS);
	assert_int_equal(
	    store_session_close(r->store, "web", 0, false, "t", r->arena, &session, &r->err), 0);
	nudge(r);
	eventually(r, "SELECT count(*) FROM executor WHERE state = 96", 3, PATIENCE_MS);
	eventually(r, "SELECT count(*) FROM session WHERE state = 3", 1, PATIENCE_MS);
	assert_int_equal(query(r, "SELECT count(*) FROM command"), 0);
	verify_clean(r);
}

static void
a_term_ends_it_at_once_and_gives_its_leases_back(void **state)
{
	struct rig *r = *state;

	scheduler_start(r, 0, NULL);
	eventually(
	    r, "SELECT count(*) FROM lease WHERE expires_at > clock_timestamp()", 4, PATIENCE_MS);
	scheduler_signal(r, 0, SIGTERM);
	assert_int_equal(scheduler_wait(r, 0), 0);
	assert_int_equal(
	    query(r, "SELECT count(*) FROM lease WHERE expires_at > clock_timestamp()"), 0);
}

static void
it_waits_for_postgres_and_for_the_bus_O6(void **state)
{
	struct rig *r = *state;

	host_make(r, "h1", large);
	session_make(r, "web", 1, 60000);
	postgres_server_stop(r->postgres);
	nats_server_stop(r->nats);
	scheduler_start(r, 0, NULL);
	usleep(1500000);
	assert_true(scheduler_runs(r, 0));
	assert_int_equal(postgres_server_start(r->postgres), 0);
	usleep(500000);
	assert_true(scheduler_runs(r, 0));
	assert_int_equal(nats_server_start(r->nats), 0);
	eventually(r, RUNNING, 1, PATIENCE_MS);
}

static void
a_wrong_database_or_stream_is_refused_O6(void **state)
{
	struct rig *r = *state;
	const struct bus_stream other = {.name = STREAM_COMMANDS, .subjects = {"fl.cmd.*"}};
	char variable[320];
	const char *more[] = {variable, NULL};
	int status;

	snprintf(variable, sizeof(variable), "FAIRLEAD_SCHEDULER_POOLS=Not A Pool");
	scheduler_start(r, 0, more);
	assert_int_not_equal(scheduler_wait(r, 0), 0);
	assert_int_equal(bus_stream_ensure(r->bus, &other, 0, &r->err), 0);
	scheduler_start(r, 0, NULL);
	status = scheduler_wait(r, 0);
	assert_int_equal(status, err_row(ERR_CONFLICT)->exit_code);
	snprintf(r->url, sizeof(r->url), "%s", postgres_server_empty(r->postgres));
	scheduler_start(r, 0, NULL);
	assert_int_not_equal(scheduler_wait(r, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_executor_goes_from_queued_to_gone),
	    TEST(a_nudge_is_answered_without_delay),
	    TEST(a_thousand_executors_are_placed_soon_P2),
	    TEST(two_schedulers_never_place_twice_P5),
	    TEST(a_stopped_leader_is_replaced_within_ten_seconds),
	    TEST(what_a_crash_left_unpublished_is_swept),
	    TEST(a_crash_before_the_commit_leaves_nothing),
	    TEST(a_crash_between_publish_and_mark_doubles_nothing),
	    TEST(a_crash_in_publishing_is_swept),
	    TEST(an_unaccepted_run_expires_and_is_told_to_go),
	    TEST(what_is_not_accepted_is_sent_again_as_a_new_message_K10),
	    TEST(a_stream_that_vanishes_is_made_again_K12),
	    TEST(who_waits_says_why_and_goes_on_when_room_comes_back_E16),
	    TEST(nothing_is_placed_on_suspect_lost_cordoned_or_draining_hosts_L5),
	    TEST(a_session_that_is_closed_while_it_waits_is_cancelled),
	    TEST(a_term_ends_it_at_once_and_gives_its_leases_back),
	    TEST(it_waits_for_postgres_and_for_the_bus_O6),
	    TEST(a_wrong_database_or_stream_is_refused_O6),
	};

	return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
