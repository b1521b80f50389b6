/* Scale, rollouts and drains (E9, E11, E13, P4, K27). */
#include <stdio.h>
#include <string.h>

#include "contract_schedule.h"

static struct store_session
session_now(struct rig *r, const char *name)
{
	struct store_session s;

	OK(r, store_session_get(r->s, name, r->a, &s, &r->err));
	return s;
}

/* The same session with other replicas or another template. */
static struct store_session
update(struct rig *r, const char *name, uint32_t replicas, bool template)
{
	struct store_session_new n = session_of(r, name, replicas);
	struct store_session s;

	n.spec_json = template ? "{\"other\":true}" : n.spec_json;
	n.executor_body = template ? "other" : n.executor_body;
	n.executor_body_size = template ? 5 : n.executor_body_size;
	OK(r, store_session_update(r->s, &n, 0, template, r->a, &s, &r->err));
	return s;
}

static struct store_displace_result
displace(struct rig *r)
{
	struct store_displace_result result;

	OK(r, store_displace(r->s, &r->lease, "default", r->a, &result, &r->err));
	return result;
}

static void
report_state(struct rig *r, const struct store_hello *h, uint32_t index, enum executor_state state)
{
	struct store_executor e = executor_of(r, "web", index);

	join_one(r, report_of(&e, h, state));
}

/* n executors of session web run on host h1. */
static struct store_hello
scene(struct rig *r, uint32_t n)
{
	struct store_hello h = host_make(r, "h1");

	lease_take(r);
	session_make(r, "web", n);
	place_all(r, "h1");
	for (uint32_t i = 0; i < n; i++)
		report_state(r, &h, i, EXECUTOR_RUNNING);
	return h;
}

static size_t
living(struct rig *r)
{
	struct store_executor *rows;
	size_t n, count = 0;

	rows = executors_of(r, "web", &n);
	for (size_t i = 0; i < n; i++)
		count += !executor_state_ended(rows[i].state) && rows[i].desired == DESIRED_RUN;
	return count;
}

static void
more_replicas_get_executors_E9(void **state)
{
	struct rig *r = *state;

	scene(r, 2);
	assert_int_equal(update(r, "web", 5, false).revision, 2);
	assert_int_equal(fold_all(r).intents, 1);
	assert_int_equal(living(r), 5);
	assert_int_equal(executor_of(r, "web", 4).attempt, 1);
	assert_int_equal(session_now(r, "web").counters[EXECUTOR_QUEUED], 3);
	assert_int_equal(place_all(r, "h1"), 3);
	verify_clean(r);
}

static void
fewer_replicas_stop_the_highest_indexes_E9(void **state)
{
	struct rig *r = *state;

	scene(r, 3);
	update(r, "web", 1, false);
	fold_all(r);
	assert_int_equal(executor_of(r, "web", 0).desired, DESIRED_RUN);
	assert_int_equal(executor_of(r, "web", 1).desired, DESIRED_STOP);
	assert_int_equal(executor_of(r, "web", 2).desired, DESIRED_STOP);
	verify_clean(r);
}

static void
what_waits_is_cancelled_by_scaling_down_E9(void **state)
{
	struct rig *r = *state;

	lease_take(r);
	session_make(r, "web", 3);
	update(r, "web", 0, false);
	fold_all(r);
	assert_int_equal(session_now(r, "web").counters[EXECUTOR_CANCELLED], 3);
	assert_int_equal(session_now(r, "web").state, SESSION_OPEN);
	verify_clean(r);
}

static void
an_index_is_filled_again_only_when_it_is_empty_E9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = scene(r, 2);

	update(r, "web", 1, false);
	fold_all(r);
	update(r, "web", 2, false);
	fold_all(r);
	assert_int_equal(executor_of(r, "web", 1).attempt, 1); /* it is stopping still */
	report_state(r, &h, 1, EXECUTOR_STOPPED);
	fold_all(r);
	assert_int_equal(executor_of(r, "web", 1).attempt, 2);
	assert_int_equal(executor_of(r, "web", 1).state, EXECUTOR_QUEUED);
	verify_clean(r);
}

/* What moved it and what filled its index again both want its successor: one of them makes it. */
static void
an_index_that_ends_as_it_is_wanted_again_is_filled_once_E9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = scene(r, 1);

	update(r, "web", 1, true);
	assert_int_equal(displace(r).stopped, 1);
	update(r, "web", 0, false);
	fold_all(r);
	update(r, "web", 1, false);
	report_state(r, &h, 0, EXECUTOR_STOPPED);
	fold_all(r);
	assert_int_equal(executor_of(r, "web", 0).attempt, 2);
	assert_int_equal(living(r), 1);
	verify_clean(r);
}

static void
what_ended_by_itself_is_not_started_by_scaling_E9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = scene(r, 2);

	report_state(r, &h, 0, EXECUTOR_SUCCEEDED);
	update(r, "web", 3, false);
	fold_all(r);
	assert_int_equal(executor_of(r, "web", 0).attempt, 1);
	assert_int_equal(executor_of(r, "web", 0).state, EXECUTOR_SUCCEEDED);
	assert_int_equal(executor_of(r, "web", 2).state, EXECUTOR_QUEUED);
	verify_clean(r);
}

static void
a_stale_revision_changes_nothing_E13(void **state)
{
	struct rig *r = *state;
	struct store_session_new n;
	struct store_session s;

	scene(r, 1);
	update(r, "web", 2, false);
	n = session_of(r, "web", 7);
	FAILS(r, ERR_CONFLICT, store_session_update(r->s, &n, 1, true, r->a, &s, &r->err));
	assert_int_equal(session_now(r, "web").replicas, 2);
	assert_int_equal(session_now(r, "web").revision, 2);
	n = session_of(r, "nobody", 7);
	FAILS(r, ERR_NOT_FOUND, store_session_update(r->s, &n, 0, true, r->a, &s, &r->err));
	OK(r, store_session_close(r->s, "web", 0, true, "t", r->a, &s, &r->err));
	n = session_of(r, "web", 7);
	FAILS(r, ERR_CONFLICT, store_session_update(r->s, &n, 0, true, r->a, &s, &r->err));
}

/* The next executor of a rollout: stopped, ended, succeeded by one that runs. */
static void
step(struct rig *r, const struct store_hello *h, uint32_t index)
{
	struct store_executor e;

	assert_int_equal(displace(r).stopped, 1);
	assert_int_equal(displace(r).stopped, 0); /* the budget is one */
	e = executor_of(r, "web", index);
	assert_int_equal(e.desired, DESIRED_STOP);
	report_state(r, h, index, EXECUTOR_STOPPED);
	fold_all(r);
	e = executor_of(r, "web", index);
	assert_int_equal(e.attempt, 2);
	assert_int_equal(displace(r).stopped, 0); /* until it runs */
	assert_int_equal(place_all(r, "h1"), 1);
	report_state(r, h, index, EXECUTOR_RUNNING);
}

static void
a_template_change_rolls_within_the_budget_E11(void **state)
{
	struct rig *r = *state;
	struct store_hello h = scene(r, 2);
	struct store_displace_result last;
	struct store_executor e;

	assert_true(update(r, "web", 2, true).rolling);
	fold_all(r);
	step(r, &h, 0);
	step(r, &h, 1);
	last = displace(r);
	assert_int_equal(last.settled, 1);
	assert_int_equal(last.finished, 1);
	assert_false(session_now(r, "web").rolling);
	e = executor_of(r, "web", 1);
	OK(r, store_executor_get(r->s, &e.executor_id, r->a, &e, &r->err));
	assert_int_equal(e.spec_size, 5);
	assert_memory_equal(e.spec_body, "other", 5);
	assert_int_equal(displace(r).stopped, 0);
	verify_clean(r);
}

static void
who_waits_gets_the_new_template_in_the_queue_E11(void **state)
{
	struct rig *r = *state;
	struct store_executor e;

	lease_take(r);
	session_make(r, "web", 2);
	update(r, "web", 2, true);
	assert_int_equal(displace(r).stopped, 2);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.attempt, 2);
	assert_int_equal(e.state, EXECUTOR_QUEUED);
	assert_false(session_now(r, "web").rolling);
	verify_clean(r);
}

static void
a_failure_of_the_new_template_pauses_until_it_is_resumed_E11(void **state)
{
	struct rig *r = *state;
	struct store_hello h = scene(r, 2);
	struct store_displace_result result;
	struct store_session s;

	FAILS(r, ERR_CONFLICT, store_session_resume(r->s, "web", "t", r->a, &s, &r->err));
	update(r, "web", 2, true);
	displace(r);
	report_state(r, &h, 0, EXECUTOR_STOPPED);
	fold_all(r);
	place_all(r, "h1");
	report_state(r, &h, 0, EXECUTOR_FAILED);
	fold_all(r);
	result = displace(r);
	assert_int_equal(result.paused, 1);
	assert_int_equal(result.stopped, 0);
	s = session_now(r, "web");
	assert_true(s.rolling);
	assert_non_null(strstr(s.rollout_paused, "web/0#2"));
	assert_int_equal(executor_of(r, "web", 1).desired, DESIRED_RUN);
	assert_int_equal(displace(r).paused, 0); /* said once */
	/* Resumed, it goes on; the failure so far is forgiven. */
	OK(r, store_session_resume(r->s, "web", "t", r->a, &s, &r->err));
	assert_string_equal(s.rollout_paused, "");
	result = displace(r);
	assert_int_equal(result.paused, 0);
	assert_int_equal(result.stopped, 1);
	verify_clean(r);
}

static void
a_drain_moves_within_the_budget_and_takes_nothing_new_P4(void **state)
{
	struct rig *r = *state;
	struct store_hello h = scene(r, 2);
	struct store_host host;

	host_make(r, "h2");
	OK(r, store_host_drain(r->s, "h1", true, 0, "kernel", "t", &r->err));
	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	assert_true(host.draining_us > 0 && host.cordoned);
	assert_int_equal(host.drain_deadline_us, 0);
	assert_string_equal(host.drained_by, "t");
	assert_int_equal(displace(r).stopped, 1);
	assert_int_equal(displace(r).stopped, 0);
	report_state(r, &h, 0, EXECUTOR_STOPPED);
	fold_all(r);
	assert_int_equal(place_all(r, "h2"), 1);
	verify_clean(r);
	OK(r, store_host_drain(r->s, "h1", false, 0, "", "t", &r->err));
	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	assert_int_equal(host.draining_us, 0);
	assert_true(host.cordoned);
	FAILS(r, ERR_NOT_FOUND, store_host_drain(r->s, "h9", true, 0, "", "t", &r->err));
}

static void
a_drain_past_its_deadline_asks_no_budget_P4(void **state)
{
	struct rig *r = *state;

	scene(r, 3);
	OK(r, store_host_drain(r->s, "h1", true, 1, "", "t", &r->err));
	/* The deadline is a millisecond of the store's own clock: a few looks at it pass it. */
	for (int i = 0; i < 1000 && executor_of(r, "web", 2).desired == DESIRED_RUN; i++)
		displace(r);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(executor_of(r, "web", i).desired, DESIRED_STOP);
	verify_clean(r);
}

static void
a_closed_session_frees_its_budget(void **state)
{
	struct rig *r = *state;
	struct store_session s;
	struct store_hello h = scene(r, 1);

	update(r, "web", 1, true);
	assert_int_equal(displace(r).stopped, 1);
	OK(r, store_session_close(r->s, "web", 0, true, "t", r->a, &s, &r->err));
	report_state(r, &h, 0, EXECUTOR_STOPPED);
	fold_all(r);
	assert_int_equal(displace(r).settled, 1);
	assert_int_equal(session_now(r, "web").state, SESSION_CLOSED);
	assert_int_equal(executor_of(r, "web", 0).attempt, 1);
	verify_clean(r);
}

/* A user means it to stay away; the rollout takes the next one. */
static void
a_users_stop_of_what_moves_has_no_successor_and_frees_the_budget_E11(void **state)
{
	struct rig *r = *state;
	struct store_hello h = scene(r, 2);
	struct store_executor e;

	update(r, "web", 2, true);
	assert_int_equal(displace(r).stopped, 1);
	e = executor_of(r, "web", 0);
	OK(r, store_executor_stop(r->s, &e.executor_id, false, "t", &r->err));
	fold_all(r);
	assert_int_equal(executor_of(r, "web", 0).generation, e.generation + 1);
	report_state(r, &h, 0, EXECUTOR_STOPPED);
	fold_all(r);
	assert_int_equal(executor_of(r, "web", 0).attempt, 1);
	assert_int_equal(displace(r).stopped, 1);
	assert_int_equal(executor_of(r, "web", 1).desired, DESIRED_STOP);
	verify_clean(r);
}

/* Replacements are bounded because of what fails; to be moved is no failure. */
static void
what_moves_has_a_successor_whatever_the_bound_of_replacements_E11(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_session_new n = session_of(r, "web", 1);
	struct store_session s;
	bool existed;

	lease_take(r);
	n.replacements_max = 1;
	OK(r, store_session_create(r->s, &n, r->a, &s, &existed, &r->err));
	for (uint32_t attempt = 1; attempt <= 3; attempt++) {
		place_all(r, "h1");
		report_state(r, &h, 0, EXECUTOR_RUNNING);
		n.executor_body = attempt % 2 ? "odd" : "even";
		n.executor_body_size = strlen(n.executor_body);
		OK(r, store_session_update(r->s, &n, 0, true, r->a, &s, &r->err));
		assert_int_equal(displace(r).stopped, 1);
		report_state(r, &h, 0, EXECUTOR_STOPPED);
		fold_all(r);
		assert_int_equal(executor_of(r, "web", 0).attempt, attempt + 1);
	}
	verify_clean(r);
}

/* ---- both at once ---- */

enum { TOGETHER = 6, BUDGET = 2 }; /* replicas, and how many of them may be away */

/* Who of session web is away: asked to stop, or not running yet. */
struct away {
	size_t all, drained, rolled;
};

static struct away
away_now(struct rig *r)
{
	struct away away = {.all = TOGETHER};
	struct store_executor *rows;
	size_t n;

	rows = executors_of(r, "web", &n);
	for (size_t i = 0; i < n; i++) {
		bool stopping =
		    rows[i].desired == DESIRED_STOP && !executor_state_ended(rows[i].state);

		away.all -= rows[i].state == EXECUTOR_RUNNING && rows[i].desired == DESIRED_RUN;
		away.drained += stopping && strcmp(rows[i].stopped_for, "drain") == 0;
		away.rolled += stopping && strcmp(rows[i].stopped_for, "roll") == 0;
	}
	return away;
}

/* One that is asked to stop does, and its successor is placed; or one that is placed runs. */
static bool
one_moves_on(struct rig *r, const struct store_hello hosts[2], enum desired_state desired)
{
	struct store_executor *rows;
	size_t n;

	rows = executors_of(r, "web", &n);
	for (size_t i = 0; i < n; i++) {
		const struct store_hello *h = &hosts[strcmp(rows[i].host_id, "h2") == 0];
		bool stops = desired == DESIRED_STOP;

		if (executor_state_ended(rows[i].state) || rows[i].desired != desired ||
		    (rows[i].state == EXECUTOR_RUNNING && !stops))
			continue;
		join_one(r, report_of(&rows[i], h, stops ? EXECUTOR_STOPPED : EXECUTOR_RUNNING));
		fold_all(r);
		if (stops)
			assert_int_equal(place_all(r, "h2"), 1);
		return true;
	}
	return false;
}

static void
session_change(struct rig *r, uint32_t replicas, bool template)
{
	struct store_session_new n = session_of(r, "web", replicas);
	struct store_session s;

	n.max_unavailable = BUDGET;
	n.executor_body = template ? "other" : n.executor_body;
	n.executor_body_size = template ? 5 : n.executor_body_size;
	OK(r, store_session_update(r->s, &n, 0, template, r->a, &s, &r->err));
}

/* Half of session web runs on h1, which is to be drained, half on h2. */
static void
scene_of_two_hosts(struct rig *r, struct store_hello hosts[2])
{
	hosts[0] = host_make(r, "h1");
	hosts[1] = host_make(r, "h2");
	lease_take(r);
	session_make(r, "web", TOGETHER / 2);
	place_all(r, "h1");
	session_change(r, TOGETHER, false);
	fold_all(r);
	place_all(r, "h2");
	while (one_moves_on(r, hosts, DESIRED_RUN))
		;
	assert_int_equal(away_now(r).all, 0);
}

static void
drain_and_roll(struct rig *r, bool drain_first)
{
	struct store_hello hosts[2];
	bool together = false;
	struct away away;
	size_t most = 0;

	scene_of_two_hosts(r, hosts);
	for (int i = 0; i < 2; i++) {
		if ((i == 0) == drain_first)
			OK(r, store_host_drain(r->s, "h1", true, 0, "", "t", &r->err));
		else
			session_change(r, TOGETHER, true);
		displace(r);
		assert_int_equal(away_now(r).all, BUDGET);
	}
	do {
		displace(r);
		away = away_now(r);
		assert_true(away.all <= BUDGET);
		most = away.all > most ? away.all : most;
		together |= away.drained > 0 && away.rolled > 0;
	} while (one_moves_on(r, hosts, DESIRED_RUN) || one_moves_on(r, hosts, DESIRED_STOP));
	assert_int_equal(most, BUDGET);
	assert_true(together);
	assert_int_equal(away.all, 0);
	assert_false(session_now(r, "web").rolling);
	for (uint32_t i = 0; i < TOGETHER; i++)
		assert_string_equal(executor_of(r, "web", i).host_id, "h2");
	verify_clean(r);
}

static void
a_drain_and_then_a_rollout_displace_no_more_than_one_budget_P4_K27(void **state)
{
	drain_and_roll(*state, true);
}

static void
a_rollout_and_then_a_drain_displace_no_more_than_one_budget_P4_K27(void **state)
{
	drain_and_roll(*state, false);
}

/* Scaled to nothing and back while a drain goes on: what it moves comes back by itself, and is not
 * in the way of the others. */
static void
an_index_that_a_drain_filled_again_is_not_in_the_way_of_others_E9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = scene(r, 3);

	OK(r, store_host_drain(r->s, "h1", true, 1, "", "t", &r->err));
	for (int i = 0; i < 1000 && executor_of(r, "web", 2).desired == DESIRED_RUN; i++)
		displace(r);
	update(r, "web", 0, false);
	fold_all(r);
	update(r, "web", 3, false);
	fold_all(r);
	report_state(r, &h, 0, EXECUTOR_STOPPED);
	fold_all(r);
	assert_int_equal(executor_of(r, "web", 0).attempt, 2);
	report_state(r, &h, 1, EXECUTOR_SUCCEEDED);
	report_state(r, &h, 2, EXECUTOR_SUCCEEDED);
	fold_all(r);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(executor_of(r, "web", i).attempt, 2);
		assert_int_equal(executor_of(r, "web", i).state, EXECUTOR_QUEUED);
	}
	assert_int_equal(living(r), 3);
	verify_clean(r);
}

const struct CMUnitTest contract_displace_tests[] = {
    TEST(more_replicas_get_executors_E9),
    TEST(fewer_replicas_stop_the_highest_indexes_E9),
    TEST(what_waits_is_cancelled_by_scaling_down_E9),
    TEST(an_index_is_filled_again_only_when_it_is_empty_E9),
    TEST(an_index_that_ends_as_it_is_wanted_again_is_filled_once_E9),
    TEST(what_ended_by_itself_is_not_started_by_scaling_E9),
    TEST(a_stale_revision_changes_nothing_E13),
    TEST(a_template_change_rolls_within_the_budget_E11),
    TEST(who_waits_gets_the_new_template_in_the_queue_E11),
    TEST(a_failure_of_the_new_template_pauses_until_it_is_resumed_E11),
    TEST(a_drain_moves_within_the_budget_and_takes_nothing_new_P4),
    TEST(a_drain_past_its_deadline_asks_no_budget_P4),
    TEST(a_closed_session_frees_its_budget),
    TEST(an_index_that_a_drain_filled_again_is_not_in_the_way_of_others_E9),
    TEST(a_drain_and_then_a_rollout_displace_no_more_than_one_budget_P4_K27),
    TEST(a_rollout_and_then_a_drain_displace_no_more_than_one_budget_P4_K27),
    TEST(a_users_stop_of_what_moves_has_no_successor_and_frees_the_budget_E11),
    TEST(what_moves_has_a_successor_whatever_the_bound_of_replacements_E11),
};
const size_t contract_displace_count = COUNT_OF(contract_displace_tests);
