/* SUSPECT, READY again, LOST, and what becomes of the executors (K8, K16, K21-K23). */
#include <stdio.h>
#include <string.h>

#include "contract_judge.h"

/* A session whose patience is over at once. */
static void
impatient_session(struct rig *r, const char *name, uint32_t replicas)
{
	struct store_session_new n = session_of(r, name, replicas);
	struct store_session s;
	bool existed;

	n.lost_after_ms = 0;
	OK(r, store_session_create(r->s, &n, r->a, &s, &existed, &r->err));
}

/* Two executors run on h1, which is suspect. */
static void
scene(struct rig *r)
{
	host_make(r, "h1");
	lease_take(r);
	judge_take(r);
	impatient_session(r, "web", 2);
	place_all(r, "h1");
	assert_int_equal(host_suspect(r, "h1"), 1);
}

static void
a_verdict_changes_a_host_once_K21(void **state)
{
	struct rig *r = *state;
	struct store_judged *rows;
	size_t n;

	host_make(r, "h1");
	host_make(r, "h2");
	judge_take(r);
	assert_int_equal(host_suspect(r, "h1"), 1);
	assert_int_equal(host_suspect(r, "h1"), 0);
	assert_true(host_of(r, "h1").suspect_since_us > 0);
	OK(r, store_judge_roster(r->s, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].host_id, "h1");
	assert_int_equal(rows[0].state, HOST_SUSPECT);
	assert_int_equal(rows[1].state, HOST_READY);
	assert_int_equal(host_heard(r, "h1"), 1);
	assert_int_equal(host_heard(r, "h1"), 0);
	assert_int_equal(host_of(r, "h1").state, HOST_READY);
	assert_int_equal(host_of(r, "h1").suspect_since_us, 0);
	verify_clean(r);
}

static void
a_verdict_about_an_older_epoch_changes_nothing_K21(void **state)
{
	struct rig *r = *state;
	struct store_verdict v;
	size_t n = 7;

	host_make(r, "h1");
	judge_take(r);
	v = verdict_of(r, "h1");
	v.epoch--;
	OK(r, store_host_suspect(r->s, &judge, &v, 1, &n, &r->err));
	assert_int_equal(n, 0);
	assert_int_equal(host_of(r, "h1").state, HOST_READY);
}

static void
a_former_judge_is_refused_K26(void **state)
{
	struct rig *r = *state;
	struct store_verdict v;
	size_t n;

	host_make(r, "h1");
	judge_take(r);
	v = verdict_of(r, "h1");
	judge.epoch++;
	FAILS(r, ERR_DENIED, store_host_suspect(r->s, &judge, &v, 1, &n, &r->err));
	FAILS(r, ERR_DENIED, store_host_heard(r->s, &judge, &v, 1, &n, &r->err));
	FAILS(r, ERR_DENIED, store_host_lost(r->s, &judge, &n, &r->err));
	assert_int_equal(host_of(r, "h1").state, HOST_READY);
}

static void
executors_of_a_lost_host_are_given_up_and_replaced_L7_K16(void **state)
{
	struct rig *r = *state;
	struct store_executor before, after;
	struct store_lost_result result;
	size_t n;

	scene(r);
	before = executor_of(r, "web", 0);
	result = lost_step(r, 0);
	assert_int_equal(result.granted, 1);
	assert_int_equal(result.executors, 2);
	assert_int_equal(result.replaced, 2);
	assert_int_equal(result.message_count, 1);
	assert_int_equal(result.messages[0].item_count, 2);
	assert_int_equal(result.messages[0].items[0].desired, DESIRED_ABSENT);
	OK(r, store_executor_get(r->s, &before.executor_id, r->a, &after, &r->err));
	assert_int_equal(after.state, EXECUTOR_LOST);
	assert_string_equal(after.reason, "host_lost");
	assert_int_equal(after.generation, before.generation + 1);
	executors_of(r, "web", &n);
	assert_int_equal(n, 4);
	assert_int_equal(executor_of(r, "web", 0).attempt, 2);
	assert_int_equal(executor_of(r, "web", 0).state, EXECUTOR_QUEUED);
	/* It may still run there: the reservation stays until the host lets go. */
	assert_int_equal(host_of(r, "h1").used.slots, 2);
	assert_int_equal(lost_step(r, 0).executors, 0);
	verify_clean(r);
}

static void
a_host_that_was_heard_keeps_its_executors_L6(void **state)
{
	struct rig *r = *state;

	scene(r);
	assert_int_equal(host_heard(r, "h1"), 1);
	assert_int_equal(lost_step(r, 0).executors, 0);
	assert_int_equal(executor_of(r, "web", 0).attempt, 1);
	verify_clean(r);
}

static void
a_hello_makes_a_suspect_ready_L6(void **state)
{
	struct rig *r = *state;
	struct store_hello h;

	h = host_make(r, "h1");
	lease_take(r);
	judge_take(r);
	host_suspect(r, "h1");
	h.hello_no++;
	assert_int_equal(hello_say(r, &h).verdict, STORE_HELLO_ACCEPTED);
	assert_int_equal(host_of(r, "h1").state, HOST_READY);
	assert_int_equal(host_of(r, "h1").suspect_since_us, 0);
}

static void
nobody_is_given_up_before_the_judge_has_listened_K23(void **state)
{
	struct rig *r = *state;
	struct store_lost_result result;

	scene(r);
	result = lost_step(r, 600000);
	assert_int_equal(result.granted + result.held + result.executors, 0);
	OK(r, store_lease_release(r->s, &judge, &r->err));
	result = lost_step(r, 0);
	assert_int_equal(result.granted + result.held + result.executors, 0);
}

static void
a_patient_session_waits_K22(void **state)
{
	struct rig *r = *state;

	host_make(r, "h1");
	lease_take(r);
	judge_take(r);
	session_make(r, "web", 1);
	place_all(r, "h1");
	host_suspect(r, "h1");
	assert_int_equal(lost_step(r, 0).executors, 0);
	assert_int_equal(executor_of(r, "web", 0).state, EXECUTOR_PLACED);
}

static void
an_operator_who_is_sure_is_not_made_to_wait(void **state)
{
	struct rig *r = *state;
	struct store_lost_result result;
	size_t n = 0;

	host_make(r, "h1");
	lease_take(r);
	judge_take(r);
	session_make(r, "web", 1);
	place_all(r, "h1");
	FAILS(r, ERR_CONFLICT, store_host_confirm_lost(r->s, "h1", "t", &r->err));
	FAILS(r, ERR_NOT_FOUND, store_host_confirm_lost(r->s, "h9", "t", &r->err));
	host_suspect(r, "h1");
	OK(r, store_host_confirm_lost(r->s, "h1", "t", &r->err));
	OK(r, store_host_confirm_lost(r->s, "h1", "t", &r->err));
	result = lost_step(r, 600000);
	assert_int_equal(result.executors, 1);
	OK(r, store_host_lost(r->s, &judge, &n, &r->err));
	assert_int_equal(n, 1);
	assert_int_equal(host_of(r, "h1").state, HOST_LOST);
	verify_clean(r);
}

/* So many hosts with an executor each, all silent. */
static void
silent_hosts(struct rig *r, int n)
{
	char host_id[16], session[16];

	lease_take(r);
	judge_take(r);
	for (int i = 0; i < n; i++) {
		snprintf(host_id, sizeof(host_id), "h%02d", i);
		snprintf(session, sizeof(session), "s%02d", i);
		host_make(r, host_id);
		impatient_session(r, session, 1);
		place_all(r, host_id);
	}
	for (int i = 0; i < n; i++) {
		snprintf(host_id, sizeof(host_id), "h%02d", i);
		host_suspect(r, host_id);
	}
}

static void
more_verdicts_than_the_cap_wait_for_an_operator_K22_L9(void **state)
{
	enum { HOSTS = 13, CAP = 10 };
	struct rig *r = *state;
	struct store_lost_result result;

	silent_hosts(r, HOSTS);
	result = lost_step(r, 0);
	assert_int_equal(result.granted, CAP);
	assert_int_equal(result.held, HOSTS - CAP);
	assert_int_equal(result.executors, CAP);
	/* Said once; and the cap stays. */
	result = lost_step(r, 0);
	assert_int_equal(result.granted + result.held + result.executors, 0);
	OK(r, store_host_confirm_lost(r->s, "h12", "t", &r->err));
	assert_int_equal(lost_step(r, 0).executors, 1);
	verify_clean(r);
}

static size_t
held_events(struct rig *r, const char *why)
{
	const struct store_event_query q = {.limit = 1000};
	struct store_event_bounds bounds;
	struct store_event *rows;
	size_t n, published, count = 0;
	uint64_t newest;

	OK(r, store_event_publish(r->s, &r->lease, r->a, &published, &newest, NULL, &r->err));
	OK(r, store_event_list(r->s, &q, r->a, &rows, &n, &bounds, &r->err));
	for (size_t i = 0; i < n; i++)
		count += strcmp(rows[i].kind, "host.verdict_held") == 0 &&
			 strstr(rows[i].text, why) != NULL;
	return count;
}

static void
hosts_that_come_back_in_numbers_hold_up_verdicts_K22_L9(void **state)
{
	enum { HOSTS = 13 };
	struct rig *r = *state;
	struct store_lost_result result;

	silent_hosts(r, HOSTS);
	assert_int_equal(host_heard(r, "h00"), 1);
	assert_int_equal(host_heard(r, "h01"), 1);
	assert_int_equal(host_heard(r, "h02"), 1);
	/* Fewer are silent now than the cap allows: the three are still counted. */
	result = lost_step(r, 0);
	assert_int_equal(result.granted + result.executors, 0);
	assert_int_equal(result.held, HOSTS - 3);
	assert_true(host_of(r, "h12").verdict_held);
	assert_int_equal(held_events(r, "are coming back"), HOSTS - 3);
	/* Said once. */
	result = lost_step(r, 0);
	assert_int_equal(result.granted + result.held + result.executors, 0);
	OK(r, store_host_confirm_lost(r->s, "h12", "t", &r->err));
	assert_int_equal(lost_step(r, 0).executors, 1);
	assert_int_equal(host_heard(r, "h11"), 1);
	assert_false(host_of(r, "h11").verdict_held);
	assert_int_equal(lost_step(r, 0).executors, 0);
	verify_clean(r);
}

static void
a_hello_counts_as_coming_back_K22_L9(void **state)
{
	enum { HOSTS = 12 };
	struct rig *r = *state;
	struct store_lost_result result;
	struct store_hello h;

	h = host_make(r, "h99");
	silent_hosts(r, HOSTS);
	host_suspect(r, "h99");
	h.hello_no++;
	assert_int_equal(hello_say(r, &h).verdict, STORE_HELLO_ACCEPTED);
	result = lost_step(r, 0);
	assert_int_equal(result.granted, 0);
	assert_int_equal(result.held, HOSTS);
	verify_clean(r);
}

static void
verdicts_go_on_when_nobody_has_come_back_for_long_enough_K22_L7(void **state)
{
	enum { HOSTS = 13, CAP = 10, LOST_AFTER_MS = 60000 };
	struct rig *r = *state;
	struct store_lost_result result;

	silent_hosts(r, HOSTS);
	assert_int_equal(host_heard(r, "h00"), 1);
	r->factory->hosts_age(r->cell, LOST_AFTER_MS - 10000);
	assert_int_equal(lost_step(r, 0).granted, 0);
	r->factory->hosts_age(r->cell, 10000);
	result = lost_step(r, 0);
	assert_int_equal(result.granted, CAP);
	assert_int_equal(result.held, HOSTS - 1 - CAP);
	assert_int_equal(result.executors, CAP);
	verify_clean(r);
}

static void
nobody_waits_for_ever_for_others_to_come_back_K22_L7(void **state)
{
	enum { HOSTS = 13, CAP = 10, LOST_AFTER_MS = 60000, HELD_MS = 600000 };
	struct rig *r = *state;

	silent_hosts(r, HOSTS);
	r->factory->hosts_age(r->cell, LOST_AFTER_MS + HELD_MS - 10000);
	assert_int_equal(host_heard(r, "h00"), 1);
	assert_int_equal(lost_step(r, 0).granted, 0);
	r->factory->hosts_age(r->cell, 10000);
	assert_int_equal(host_heard(r, "h01"), 1);
	assert_int_equal(lost_step(r, 0).granted, CAP);
	verify_clean(r);
}

static void
a_few_that_flap_hold_up_nothing_L7(void **state)
{
	struct rig *r = *state;
	struct store_lost_result result;

	silent_hosts(r, 3);
	assert_int_equal(host_heard(r, "h00"), 1);
	assert_int_equal(host_heard(r, "h01"), 1);
	result = lost_step(r, 0);
	assert_int_equal(result.granted, 1);
	assert_int_equal(result.executors, 1);
	verify_clean(r);
}

static void
who_waited_for_others_is_told_when_the_cap_is_why_K22(void **state)
{
	enum { HOSTS = 13, CAP = 10 };
	struct rig *r = *state;

	silent_hosts(r, HOSTS);
	assert_int_equal(lost_step(r, 0).granted, CAP);
	assert_int_equal(held_events(r, "in ten minutes"), HOSTS - CAP);
	assert_int_equal(host_heard(r, "h00"), 1);
	assert_int_equal(lost_step(r, 0).held, HOSTS - CAP);
	assert_int_equal(held_events(r, "are coming back"), HOSTS - CAP);
	verify_clean(r);
}

static void
a_closed_session_wants_no_successors(void **state)
{
	struct rig *r = *state;
	struct store_session s;

	scene(r);
	OK(r, store_session_close(r->s, "web", 0, true, "t", r->a, &s, &r->err));
	assert_int_equal(lost_step(r, 0).replaced, 0);
	fold_all(r);
	OK(r, store_session_get(r->s, "web", r->a, &s, &r->err));
	assert_int_equal(s.state, SESSION_CLOSED);
	verify_clean(r);
}

static void
what_a_user_stopped_is_not_replaced(void **state)
{
	struct rig *r = *state;
	struct store_executor e;

	scene(r);
	e = executor_of(r, "web", 0);
	OK(r, store_executor_stop(r->s, &e.executor_id, true, "t", &r->err));
	fold_all(r);
	assert_int_equal(lost_step(r, 0).executors, 2);
	assert_int_equal(executor_of(r, "web", 0).attempt, 1);
	assert_int_equal(executor_of(r, "web", 1).attempt, 2);
	verify_clean(r);
}

static void
what_a_host_refused_is_tried_again_later(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;

	lease_take(r);
	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_REJECTED));
	assert_int_equal(fold(r, 60000).replaced, 1);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.attempt, 2);
	assert_int_equal(e.state, EXECUTOR_QUEUED);
	assert_int_equal(place_all(r, "h1"), 0); /* not before its pause is over */
	verify_clean(r);
}

static void
what_failed_is_not_replaced_without_a_restart_policy(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;

	lease_take(r);
	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_FAILED));
	assert_int_equal(fold(r, 60000).replaced, 0);
	assert_int_equal(executor_of(r, "web", 0).attempt, 1);
	verify_clean(r);
}

const struct CMUnitTest contract_verdict_tests[] = {
    TEST(a_verdict_changes_a_host_once_K21),
    TEST(a_verdict_about_an_older_epoch_changes_nothing_K21),
    TEST(a_former_judge_is_refused_K26),
    TEST(executors_of_a_lost_host_are_given_up_and_replaced_L7_K16),
    TEST(a_host_that_was_heard_keeps_its_executors_L6),
    TEST(a_hello_makes_a_suspect_ready_L6),
    TEST(nobody_is_given_up_before_the_judge_has_listened_K23),
    TEST(a_patient_session_waits_K22),
    TEST(an_operator_who_is_sure_is_not_made_to_wait),
    TEST(more_verdicts_than_the_cap_wait_for_an_operator_K22_L9),
    TEST(hosts_that_come_back_in_numbers_hold_up_verdicts_K22_L9),
    TEST(a_hello_counts_as_coming_back_K22_L9),
    TEST(verdicts_go_on_when_nobody_has_come_back_for_long_enough_K22_L7),
    TEST(nobody_waits_for_ever_for_others_to_come_back_K22_L7),
    TEST(a_few_that_flap_hold_up_nothing_L7),
    TEST(who_waited_for_others_is_told_when_the_cap_is_why_K22),
    TEST(a_closed_session_wants_no_successors),
    TEST(what_a_user_stopped_is_not_replaced),
    TEST(what_a_host_refused_is_tried_again_later),
    TEST(what_failed_is_not_replaced_without_a_restart_policy),
};
const size_t contract_verdict_count = COUNT_OF(contract_verdict_tests);
