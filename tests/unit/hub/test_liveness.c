/* liveness: what a hub remembers of heartbeats and of the connections they came over. */
#include "test.h"

#include <string.h>

#include "arena.h"
#include "liveness.h"
#include "store.h"

static struct liveness_beat
beat_of(const char *host_id, const char *server_id, uint64_t client_id, int64_t mono_us)
{
	return (struct liveness_beat){.host_id = host_id,
	    .server = "nats://a:4222",
	    .server_id = server_id,
	    .client_id = client_id,
	    .epoch = 7,
	    .contiguous_seq = 3,
	    .real_us = mono_us + 1000,
	    .mono_us = mono_us};
}

static void
heard(
    struct liveness *l, const char *host_id, const char *server_id, uint64_t client_id, int64_t at)
{
	const struct liveness_beat beat = beat_of(host_id, server_id, client_id, at);

	liveness_heard(l, &beat);
}

static void
the_end_of_a_hosts_connection_cuts_it_L1(void **state)
{
	struct liveness *l = liveness_new(10);

	(void)state;
	heard(l, "h1", "S", 5, 100);
	assert_false(liveness_look(l, "h1").cut);
	assert_int_equal(liveness_connection_lost(l, "S", 5), 1);
	assert_true(liveness_look(l, "h1").cut);
	assert_int_equal(liveness_look(l, "h1").mono_us, 100);
	liveness_free(l);
}

static void
the_late_end_of_an_old_connection_touches_nobody_L3(void **state)
{
	struct liveness *l = liveness_new(10);

	(void)state;
	heard(l, "h1", "S", 5, 100);
	heard(l, "h1", "S", 6, 200);
	assert_int_equal(liveness_connection_lost(l, "S", 5), 0);
	assert_int_equal(liveness_connection_lost(l, "T", 6), 0);
	assert_false(liveness_look(l, "h1").cut);
	liveness_free(l);
}

static void
a_heartbeat_under_way_when_its_connection_ended_heals_nothing_L1(void **state)
{
	struct liveness *l = liveness_new(10);

	(void)state;
	heard(l, "h1", "S", 5, 100);
	liveness_connection_lost(l, "S", 5);
	heard(l, "h1", "S", 5, 110);
	assert_true(liveness_look(l, "h1").cut);
	heard(l, "h1", "S", 6, 120);
	assert_false(liveness_look(l, "h1").cut);
	assert_int_equal(liveness_connection_lost(l, "S", 6), 1);
	liveness_free(l);
}

static void
heartbeats_and_the_end_of_an_older_epoch_touch_nobody_A6(void **state)
{
	struct liveness *l = liveness_new(10);
	struct arena *a = arena_new(0);
	struct liveness_beat old = beat_of("h1", "S", 5, 300), present = beat_of("h1", "S", 6, 200);
	struct store_beat beats[4];

	(void)state;
	present.epoch = 8;
	liveness_heard(l, &present);
	assert_int_equal(liveness_take(l, a, beats, COUNT_OF(beats)), 1);
	liveness_heard(l, &old);
	assert_int_equal(liveness_look(l, "h1").epoch, 8);
	assert_int_equal(liveness_look(l, "h1").mono_us, 200);
	assert_int_equal(liveness_take(l, a, beats, COUNT_OF(beats)), 0);
	assert_int_equal(liveness_connection_lost(l, "S", 5), 0);
	assert_false(liveness_look(l, "h1").cut);
	assert_int_equal(liveness_connection_lost(l, "S", 6), 1);
	arena_free(a);
	liveness_free(l);
}

static void
hosts_that_share_a_connection_are_cut_together(void **state)
{
	struct liveness *l = liveness_new(10);

	(void)state;
	heard(l, "h1", "S", 5, 100);
	heard(l, "h2", "S", 5, 100);
	heard(l, "h3", "S", 6, 100);
	heard(l, "h4", "", 0, 100);
	assert_int_equal(liveness_connection_lost(l, "S", 5), 2);
	assert_true(liveness_look(l, "h1").cut);
	assert_true(liveness_look(l, "h2").cut);
	assert_false(liveness_look(l, "h3").cut);
	assert_false(liveness_look(l, "h4").cut);
	assert_int_equal(liveness_connection_lost(l, "", 0), 0);
	liveness_free(l);
}

static void
hosts_beyond_the_bound_are_counted_and_not_remembered(void **state)
{
	struct liveness *l = liveness_new(1);

	(void)state;
	heard(l, "h1", "S", 5, 100);
	heard(l, "h2", "S", 6, 100);
	assert_int_equal(liveness_count(l), 1);
	assert_int_equal(liveness_forgotten(l), 1);
	assert_int_equal(liveness_look(l, "h2").mono_us, 0);
	liveness_free(l);
}

static void
a_flush_takes_each_heard_host_once(void **state)
{
	struct liveness *l = liveness_new(10);
	struct arena *a = arena_new(0);
	struct store_beat beats[4];

	(void)state;
	heard(l, "h1", "S", 5, 100);
	heard(l, "h1", "S", 5, 200);
	heard(l, "h2", "S", 6, 300);
	assert_int_equal(liveness_take(l, a, beats, COUNT_OF(beats)), 2);
	assert_int_equal(liveness_take(l, a, beats, COUNT_OF(beats)), 0);
	heard(l, "h1", "S", 5, 400);
	assert_int_equal(liveness_take(l, a, beats, COUNT_OF(beats)), 1);
	assert_string_equal(beats[0].host_id, "h1");
	assert_int_equal(beats[0].at_us, 1400);
	arena_free(a);
	liveness_free(l);
}

static void
a_digest_that_stood_still_is_taken_once_in_a_while_K19(void **state)
{
	struct liveness *l = liveness_new(10);
	struct arena *a = arena_new(0);
	struct liveness_settled settled[4];
	struct liveness_beat beat = beat_of("h1", "S", 5, 100);

	(void)state;
	beat.digest = (struct digest){2, 7};
	liveness_heard(l, &beat);
	beat.mono_us = 1000;
	liveness_heard(l, &beat);
	assert_int_equal(liveness_take_settled(l, 1000, 1000, 5000, a, settled, 4), 0);
	beat.mono_us = 1100;
	liveness_heard(l, &beat);
	assert_int_equal(liveness_take_settled(l, 1100, 1000, 5000, a, settled, 4), 1);
	assert_string_equal(settled[0].host_id, "h1");
	assert_int_equal(settled[0].digest.count, 2);
	assert_int_equal(liveness_take_settled(l, 6000, 1000, 5000, a, settled, 4), 0);
	assert_int_equal(liveness_take_settled(l, 6100, 1000, 5000, a, settled, 4), 1);
	/* Another digest has to stand still anew. */
	beat.digest.sum = 8;
	beat.mono_us = 20000;
	liveness_heard(l, &beat);
	assert_int_equal(liveness_take_settled(l, 20000, 1000, 5000, a, settled, 4), 0);
	arena_free(a);
	liveness_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_end_of_a_hosts_connection_cuts_it_L1),
	    cmocka_unit_test(the_late_end_of_an_old_connection_touches_nobody_L3),
	    cmocka_unit_test(a_heartbeat_under_way_when_its_connection_ended_heals_nothing_L1),
	    cmocka_unit_test(heartbeats_and_the_end_of_an_older_epoch_touch_nobody_A6),
	    cmocka_unit_test(hosts_that_share_a_connection_are_cut_together),
	    cmocka_unit_test(hosts_beyond_the_bound_are_counted_and_not_remembered),
	    cmocka_unit_test(a_digest_that_stood_still_is_taken_once_in_a_while_K19),
	    cmocka_unit_test(a_flush_takes_each_heard_host_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
