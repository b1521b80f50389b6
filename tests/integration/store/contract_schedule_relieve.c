/* A replacement beside its original, and which of the two is kept (K24). */
#include "contract_judge.h"

/* One executor of session web runs on h1, which is suspect; it is replaced at once and lost never.
 */
static struct store_hello
early_scene(struct rig *r, bool keep_replacement)
{
	struct store_hello h = host_make(r, "h1");
	struct store_session_new n = session_of(r, "web", 1);
	struct store_executor e;
	struct store_session s;
	bool existed;

	host_make(r, "h2");
	lease_take(r);
	judge_take(r);
	n.replace_after_ms = 0;
	n.keep_replacement = keep_replacement;
	OK(r, store_session_create(r->s, &n, r->a, &s, &existed, &r->err));
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
	assert_int_equal(host_suspect(r, "h1"), 1);
	return h;
}

static struct store_executor
attempt_of(struct rig *r, uint32_t attempt)
{
	struct store_executor *rows;
	size_t n;

	rows = executors_of(r, "web", &n);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].attempt == attempt)
			return rows[i];
	}
	fail_msg("there is no attempt %u", attempt);
	return rows[0];
}

static void
comes_back(struct rig *r, const char *host_id)
{
	assert_int_equal(host_heard(r, host_id), 1);
	r->factory->hosts_age(r->cell, 5000);
}

static void
a_replacement_runs_beside_the_original_of_a_silent_host_K24(void **state)
{
	struct rig *r = *state;
	struct store_lost_result result;
	size_t n;

	early_scene(r, false);
	result = lost_step(r, 0);
	assert_int_equal(result.granted, 1);
	assert_int_equal(result.replaced, 1);
	assert_int_equal(result.executors, 0);
	assert_int_equal(result.message_count, 0);
	assert_int_equal(attempt_of(r, 1).state, EXECUTOR_RUNNING);
	assert_int_equal(attempt_of(r, 1).desired, DESIRED_RUN);
	assert_int_equal(attempt_of(r, 2).state, EXECUTOR_QUEUED);
	assert_int_equal(place_all(r, "h2"), 1);
	assert_int_equal(lost_step(r, 0).replaced, 0); /* once */
	executors_of(r, "web", &n);
	assert_int_equal(n, 2);
	verify_clean(r);
}

static void
nobody_is_replaced_early_before_the_judge_has_listened_K23(void **state)
{
	struct rig *r = *state;

	early_scene(r, false);
	assert_int_equal(lost_step(r, 60000).replaced, 0);
	verify_clean(r);
}

static void
the_original_is_kept_when_its_host_is_back_K24(void **state)
{
	struct rig *r = *state;
	struct store_lost_result result;

	early_scene(r, false);
	lost_step(r, 0);
	place_all(r, "h2");
	assert_int_equal(host_heard(r, "h1"), 1);
	assert_int_equal(
	    lost_step(r, 0).message_count, 0); /* it may have ended: its host says so first */
	r->factory->hosts_age(r->cell, 5000);
	result = lost_step(r, 0);
	assert_int_equal(result.message_count, 1);
	assert_int_equal(result.messages[0].items[0].desired, DESIRED_STOP);
	assert_int_equal(attempt_of(r, 1).desired, DESIRED_RUN);
	assert_int_equal(attempt_of(r, 2).desired, DESIRED_STOP);
	assert_int_equal(lost_step(r, 0).message_count, 0);
	verify_clean(r);
}

static void
a_replacement_that_waits_for_a_host_is_cancelled_when_the_original_is_back_K24(void **state)
{
	struct rig *r = *state;

	early_scene(r, false);
	lost_step(r, 0);
	comes_back(r, "h1");
	lost_step(r, 0);
	assert_int_equal(attempt_of(r, 2).state, EXECUTOR_CANCELLED);
	assert_int_equal(attempt_of(r, 1).desired, DESIRED_RUN);
	verify_clean(r);
	/* The next silence has a replacement of its own. */
	assert_int_equal(host_suspect(r, "h1"), 1);
	assert_int_equal(lost_step(r, 0).replaced, 1);
	assert_int_equal(attempt_of(r, 3).state, EXECUTOR_QUEUED);
	verify_clean(r);
}

static void
the_replacement_is_kept_once_it_runs_K24(void **state)
{
	struct rig *r = *state;
	struct store_executor e;
	struct store_hello h2;

	early_scene(r, true);
	h2 = hello_of("h2", id_new());
	lost_step(r, 0);
	place_all(r, "h2");
	comes_back(r, "h1");
	assert_int_equal(lost_step(r, 0).message_count, 0); /* it does not run yet */
	e = attempt_of(r, 2);
	join_one(r, report_of(&e, &h2, EXECUTOR_RUNNING));
	assert_int_equal(lost_step(r, 0).message_count, 1);
	assert_int_equal(attempt_of(r, 1).desired, DESIRED_STOP);
	assert_int_equal(attempt_of(r, 2).desired, DESIRED_RUN);
	verify_clean(r);
}

static void
an_original_that_is_given_up_has_its_successor_already_K24(void **state)
{
	struct rig *r = *state;
	struct store_lost_result result;
	size_t n;

	early_scene(r, false);
	lost_step(r, 0);
	place_all(r, "h2");
	r->factory->hosts_age(r->cell, 61000);
	result = lost_step(r, 0);
	assert_int_equal(result.executors, 1);
	assert_int_equal(result.replaced, 0);
	assert_int_equal(attempt_of(r, 1).state, EXECUTOR_LOST);
	assert_int_equal(attempt_of(r, 2).desired, DESIRED_RUN);
	executors_of(r, "web", &n);
	assert_int_equal(n, 2);
	verify_clean(r);
}

static void
an_original_that_ended_while_away_leaves_the_place_to_its_replacement_K24(void **state)
{
	struct rig *r = *state;
	struct store_hello h = early_scene(r, false);
	struct store_executor e;

	lost_step(r, 0);
	place_all(r, "h2");
	assert_int_equal(host_heard(r, "h1"), 1);
	e = attempt_of(r, 1);
	join_one(r, report_of(&e, &h, EXECUTOR_FAILED));
	fold_all(r);
	r->factory->hosts_age(r->cell, 5000);
	lost_step(r, 0);
	assert_int_equal(attempt_of(r, 2).desired, DESIRED_RUN);
	verify_clean(r);
}

/* What was not kept counts as if it had never been. */
static void
a_kept_original_that_fails_later_has_a_successor_of_its_own_K24(void **state)
{
	struct rig *r = *state;
	struct store_executor e;
	size_t n;

	early_scene(r, false);
	lost_step(r, 0);
	place_all(r, "h2");
	comes_back(r, "h1");
	lost_step(r, 0);
	e = attempt_of(r, 2);
	{
		struct store_hello h2 = hello_of("h2", id_new());

		join_one(r, report_of(&e, &h2, EXECUTOR_STOPPED));
	}
	fold_all(r);
	executors_of(r, "web", &n);
	assert_int_equal(n, 2);
	assert_int_equal(host_suspect(r, "h1"), 1);
	OK(r, store_host_confirm_lost(r->s, "h1", "t", &r->err));
	assert_int_equal(lost_step(r, 0).replaced, 1);
	assert_int_equal(attempt_of(r, 3).state, EXECUTOR_QUEUED);
	verify_clean(r);
}

/* Longer than lost_after: the end is said, its successor waits. */
static void
a_late_replacement_waits_in_the_queue_until_replace_after_K24(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 1);
	struct store_session s;
	bool existed;

	host_make(r, "h1");
	host_make(r, "h2");
	lease_take(r);
	judge_take(r);
	n.lost_after_ms = 0;
	n.replace_after_ms = 60000;
	OK(r, store_session_create(r->s, &n, r->a, &s, &existed, &r->err));
	place_all(r, "h1");
	host_suspect(r, "h1");
	assert_int_equal(lost_step(r, 0).replaced, 1);
	assert_int_equal(attempt_of(r, 1).state, EXECUTOR_LOST);
	assert_int_equal(attempt_of(r, 2).state, EXECUTOR_QUEUED);
	assert_int_equal(place_all(r, "h2"), 0);
	verify_clean(r);
}

const struct CMUnitTest contract_relieve_tests[] = {
    TEST(a_replacement_runs_beside_the_original_of_a_silent_host_K24),
    TEST(nobody_is_replaced_early_before_the_judge_has_listened_K23),
    TEST(the_original_is_kept_when_its_host_is_back_K24),
    TEST(a_replacement_that_waits_for_a_host_is_cancelled_when_the_original_is_back_K24),
    TEST(the_replacement_is_kept_once_it_runs_K24),
    TEST(an_original_that_is_given_up_has_its_successor_already_K24),
    TEST(an_original_that_ended_while_away_leaves_the_place_to_its_replacement_K24),
    TEST(a_kept_original_that_fails_later_has_a_successor_of_its_own_K24),
    TEST(a_late_replacement_waits_in_the_queue_until_replace_after_K24),
};
const size_t contract_relieve_count = COUNT_OF(contract_relieve_tests);
