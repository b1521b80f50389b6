/* judge_rules: who may be accused, and of what (K21, K23). */
#include "test.h"

#include <string.h>

#include "clock.h"
#include "judge_rules.h"

#define SILENT_AFTER (13 * SECOND_US)

/* A READY host that was heard a second ago by a judge who has listened for a minute. */
static struct judge_case
healthy(void)
{
	return (struct judge_case){.now_us = 100 * SECOND_US,
	    .silent_after_us = SILENT_AFTER,
	    .listening_since_us = 40 * SECOND_US,
	    .state = HOST_READY,
	    .epoch = 7,
	    .known_since_us = 41 * SECOND_US,
	    .heard = {.mono_us = 99 * SECOND_US, .epoch = 7}};
}

static void
a_host_that_speaks_is_left_alone(void **state)
{
	struct judge_case c = healthy();

	(void)state;
	assert_int_equal(judge_find(&c), JUDGE_NOTHING);
	c.heard.mono_us = c.now_us - SILENT_AFTER;
	assert_int_equal(judge_find(&c), JUDGE_NOTHING);
}

static void
silence_makes_a_host_suspect_L2(void **state)
{
	struct judge_case c = healthy();

	(void)state;
	c.heard.mono_us = c.now_us - SILENT_AFTER - 1;
	assert_int_equal(judge_find(&c), JUDGE_SILENT);
	assert_int_equal(judge_silence_us(&c), SILENT_AFTER + 1);
}

static void
a_host_never_heard_is_silent_since_the_judge_knows_it_L2(void **state)
{
	struct judge_case c = healthy();

	(void)state;
	c.heard = (struct liveness_view){0};
	assert_int_equal(judge_find(&c), JUDGE_SILENT);
	c.known_since_us = c.now_us - SILENT_AFTER;
	assert_int_equal(judge_find(&c), JUDGE_NOTHING);
}

static void
a_cut_connection_makes_a_host_suspect_at_once_L1(void **state)
{
	struct judge_case c = healthy();

	(void)state;
	c.heard.cut = true;
	assert_int_equal(judge_find(&c), JUDGE_CUT);
	c.epoch = 8; /* it said hello again: the heartbeat is of its older start */
	c.known_since_us = c.now_us - 1;
	assert_int_equal(judge_find(&c), JUDGE_NOTHING);
}

static void
a_judge_that_has_just_begun_to_listen_accuses_nobody_K23_L9(void **state)
{
	struct judge_case c = healthy();

	(void)state;
	c.heard = (struct liveness_view){0};
	c.known_since_us = 1;
	c.listening_since_us = c.now_us - SILENT_AFTER + 1;
	assert_int_equal(judge_find(&c), JUDGE_NOTHING);
	c.listening_since_us = 0; /* not connected */
	assert_int_equal(judge_find(&c), JUDGE_NOTHING);
	c.heard = (struct liveness_view){.mono_us = c.now_us - 1, .epoch = 7, .cut = true};
	assert_int_equal(judge_find(&c), JUDGE_NOTHING);
}

static void
heartbeats_of_an_older_start_do_not_keep_a_host_ready_K2(void **state)
{
	struct judge_case c = healthy();

	(void)state;
	c.heard.epoch = 6;
	assert_int_equal(judge_find(&c), JUDGE_SILENT);
}

static void
a_suspect_that_speaks_again_is_ready_L6(void **state)
{
	struct judge_case c = healthy();

	(void)state;
	c.state = HOST_SUSPECT;
	c.known_since_us = 99 * SECOND_US;
	assert_int_equal(judge_find(&c), JUDGE_NOTHING); /* that was before it became suspect */
	c.heard.mono_us++;
	assert_int_equal(judge_find(&c), JUDGE_HEARD);
	c.heard.cut = true;
	assert_int_equal(judge_find(&c), JUDGE_NOTHING);
	c.heard.cut = false;
	c.heard.epoch = 6;
	assert_int_equal(judge_find(&c), JUDGE_NOTHING);
}

static void
only_a_hello_brings_a_lost_host_back_K2(void **state)
{
	struct judge_case c = healthy();

	(void)state;
	c.state = HOST_LOST;
	assert_int_equal(judge_find(&c), JUDGE_NOTHING);
	c.state = HOST_RETIRED;
	assert_int_equal(judge_find(&c), JUDGE_NOTHING);
}

static void
a_judge_that_did_not_run_was_away_K21(void **state)
{
	const struct judge_presence p = {.began_us = 100 * SECOND_US, .due_us = 101 * SECOND_US};
	const struct judge_presence first = {0};

	(void)state;
	assert_false(judge_was_away(&first, 100 * SECOND_US, SILENT_AFTER));
	assert_false(judge_was_away(&p, p.due_us + SECOND_US / 2, SILENT_AFTER));
	assert_false(judge_was_away(&p, p.due_us + SILENT_AFTER / JUDGE_AWAY_PART, SILENT_AFTER));
	assert_true(
	    judge_was_away(&p, p.due_us + SILENT_AFTER / JUDGE_AWAY_PART + 1, SILENT_AFTER));
}

static void
a_slow_look_is_no_absence_until_it_is_as_long_as_the_silence_K21(void **state)
{
	struct judge_presence p = {.began_us = 100 * SECOND_US};

	(void)state;
	p.due_us = p.began_us + 5 * SECOND_US;
	assert_false(judge_was_away(&p, p.due_us + SECOND_US, SILENT_AFTER));
	p.due_us = p.began_us + SILENT_AFTER;
	assert_true(judge_was_away(&p, p.due_us + 1, SILENT_AFTER));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_host_that_speaks_is_left_alone),
	    cmocka_unit_test(silence_makes_a_host_suspect_L2),
	    cmocka_unit_test(a_host_never_heard_is_silent_since_the_judge_knows_it_L2),
	    cmocka_unit_test(a_cut_connection_makes_a_host_suspect_at_once_L1),
	    cmocka_unit_test(a_judge_that_has_just_begun_to_listen_accuses_nobody_K23_L9),
	    cmocka_unit_test(a_judge_that_did_not_run_was_away_K21),
	    cmocka_unit_test(a_slow_look_is_no_absence_until_it_is_as_long_as_the_silence_K21),
	    cmocka_unit_test(heartbeats_of_an_older_start_do_not_keep_a_host_ready_K2),
	    cmocka_unit_test(a_suspect_that_speaks_again_is_ready_L6),
	    cmocka_unit_test(only_a_hello_brings_a_lost_host_back_K2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
