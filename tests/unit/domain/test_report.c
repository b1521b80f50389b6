#include "test.h"

#include <string.h>

#include "report.h"

static struct report
report_of(uint64_t id, const char *host, enum executor_state state, uint32_t incarnation)
{
	return (struct report){.executor_id = id_from_parts(1, id),
	    .host_id = host,
	    .state = state,
	    .incarnation = incarnation,
	    .reason = executor_state_text(state),
	    .detail = ""};
}

static bool
advances(enum executor_state from, uint32_t incarnation, enum executor_state to, uint32_t next)
{
	struct report r = report_of(1, "h", to, next);

	return report_advances(from, incarnation, &r);
}

static void
a_higher_incarnation_or_rank_advances_and_an_equal_one_does_not(void **state)
{
	(void)state;
	assert_true(advances(EXECUTOR_ACCEPTED, 0, EXECUTOR_RUNNING, 0));
	assert_false(advances(EXECUTOR_RUNNING, 0, EXECUTOR_RUNNING, 0));
	assert_false(advances(EXECUTOR_RUNNING, 0, EXECUTOR_STARTING, 0));
	assert_true(advances(EXECUTOR_BACKOFF, 0, EXECUTOR_STARTING, 1));
	assert_false(advances(EXECUTOR_STARTING, 1, EXECUTOR_BACKOFF, 0));
	assert_false(advances(EXECUTOR_RUNNING, 0, EXECUTOR_NONE, 7));
}

static void
an_end_beats_everything_but_an_end(void **state)
{
	(void)state;
	assert_true(advances(EXECUTOR_RUNNING, 5, EXECUTOR_FAILED, 0));
	assert_false(advances(EXECUTOR_FAILED, 0, EXECUTOR_RUNNING, 5));
	assert_false(advances(EXECUTOR_LOST, 0, EXECUTOR_SUCCEEDED, 9));
}

static void
the_first_of_two_ends_stays_with_its_exit_code(void **state)
{
	struct report a = report_of(1, "h", EXECUTOR_FAILED, 0);
	struct report b = report_of(1, "h", EXECUTOR_STOPPED, 3);

	(void)state;
	a.exit_code = 7;
	b.accepted_generation = 4;
	report_fold(&a, &b);
	assert_int_equal(a.state, EXECUTOR_FAILED);
	assert_int_equal(a.exit_code, 7);
	assert_string_equal(a.reason, "failed");
	assert_int_equal(a.accepted_generation, 4);
}

static void
stage_times_keep_the_earliest_that_was_reached(void **state)
{
	struct report a = report_of(1, "h", EXECUTOR_RUNNING, 0);
	struct report b = report_of(1, "h", EXECUTOR_SUCCEEDED, 0);

	(void)state;
	a.starting_after_us = 30;
	b.starting_after_us = 20;
	b.running_after_us = 50;
	b.ended_after_us = 90;
	report_fold(&a, &b);
	assert_int_equal(a.starting_after_us, 20);
	assert_int_equal(a.running_after_us, 50);
	assert_int_equal(a.ended_after_us, 90);
}

static void
a_batch_is_sorted_folded_and_says_where_each_report_went(void **state)
{
	struct report batch[] = {
	    report_of(3, "h", EXECUTOR_RUNNING, 0),
	    report_of(1, "h", EXECUTOR_SUCCEEDED, 0),
	    report_of(3, "h", EXECUTOR_ACCEPTED, 0),
	    report_of(2, "h", EXECUTOR_ACCEPTED, 0),
	    report_of(1, "h", EXECUTOR_FAILED, 0),
	};
	size_t origin[5];

	(void)state;
	assert_int_equal(report_fold_batch(batch, 5, origin), 3);
	assert_int_equal(batch[0].state, EXECUTOR_SUCCEEDED); /* the first end of the stream */
	assert_int_equal(batch[1].state, EXECUTOR_ACCEPTED);
	assert_int_equal(batch[2].state, EXECUTOR_RUNNING);
	assert_true(id_compare(&batch[0].executor_id, &batch[1].executor_id) < 0);
	assert_true(id_compare(&batch[1].executor_id, &batch[2].executor_id) < 0);
	assert_int_equal(origin[0], 2);
	assert_int_equal(origin[1], 0);
	assert_int_equal(origin[2], 2);
	assert_int_equal(origin[3], 1);
	assert_int_equal(origin[4], 0);
	assert_int_equal(report_fold_batch(batch, 0, NULL), 0);
}

static void
reports_of_another_host_or_journal_stay_apart_A6(void **state)
{
	struct report batch[] = {
	    report_of(1, "h2", EXECUTOR_SUCCEEDED, 0),
	    report_of(1, "h1", EXECUTOR_RUNNING, 0),
	    report_of(1, "h1", EXECUTOR_FAILED, 0),
	};

	(void)state;
	batch[2].journal_id = id_from_parts(9, 9);
	assert_int_equal(report_fold_batch(batch, 3, NULL), 3);
	assert_string_equal(batch[0].host_id, "h1");
	assert_int_equal(batch[0].state, EXECUTOR_RUNNING);
	assert_int_equal(batch[1].state, EXECUTOR_FAILED);
	assert_string_equal(batch[2].host_id, "h2");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_higher_incarnation_or_rank_advances_and_an_equal_one_does_not),
	    cmocka_unit_test(an_end_beats_everything_but_an_end),
	    cmocka_unit_test(the_first_of_two_ends_stays_with_its_exit_code),
	    cmocka_unit_test(stage_times_keep_the_earliest_that_was_reached),
	    cmocka_unit_test(a_batch_is_sorted_folded_and_says_where_each_report_went),
	    cmocka_unit_test(reports_of_another_host_or_journal_stay_apart_A6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
