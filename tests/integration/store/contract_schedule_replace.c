/* Who has a successor and who has none, and what becomes of hosts and executors that were given up
 * (K2, K5, K8, K15, K16, K21, L7). */
#include <string.h>

#include "contract_judge.h"
#include "wait.h"

#define WAIT_MS 5000

static struct store_session
session_on(struct rig *r, struct store_session_new n, const char *host_id)
{
	struct store_session s;
	bool existed;

	OK(r, store_session_create(r->s, &n, r->a, &s, &existed, &r->err));
	place_all(r, host_id);
	return s;
}

/* A session that gives up on a suspect host at once. */
static struct store_session_new
impatient(struct rig *r, const char *name, uint32_t replicas)
{
	struct store_session_new n = session_of(r, name, replicas);

	n.lost_after_ms = 0;
	n.replace_lost = true;
	return n;
}

static void
a_suspect_host_is_not_placed_on_and_may_still_sync_K21(void **state)
{
	struct rig *r = *state;
	struct store_sync q = {.host_id = "h1", .limit = 10};
	struct store_sync_page page;
	struct store_placement p;
	struct store_message *messages;
	struct store_queued *rows;
	size_t n, count, placed;
	uint64_t last;

	judge_take(r);
	host_make(r, "h1");
	session_make(r, "web", 1);
	lease_take(r);
	host_suspect(r, "h1");
	OK(r, store_queue_load(r->s, "default", 0, r->a, &rows, &n, &last, &r->err));
	p = (struct store_placement){rows[0].executor_id, "h1", rows[0].resources, 1000, &rows[0]};
	OK(r, store_place(
		  r->s, &r->lease, "default", &p, 1, r->a, &messages, &count, &placed, &r->err));
	assert_int_equal(placed, 0);
	q.epoch = host_of(r, "h1").epoch;
	OK(r, store_host_sync(r->s, &q, r->a, &page, &r->err));
	assert_false(page.hello_required);
}

static void
what_a_host_reports_of_who_was_given_up_is_kept_aside_K15(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;

	judge_take(r);
	session_on(r, impatient(r, "web", 1), "h1");
	e = executor_of(r, "web", 0);
	host_suspect(r, "h1");
	lost_step(r, 0);
	join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
	join_one(r, report_of(&e, &h, EXECUTOR_SUCCEEDED));
	OK(r, store_executor_get(r->s, &e.executor_id, r->a, &e, &r->err));
	assert_int_equal(e.state, EXECUTOR_LOST);
	assert_memory_equal(e.detail, "host silent since 20", strlen("host silent since 20"));
	assert_memory_equal(e.late_outcome, "succeeded", strlen("succeeded"));
	verify_clean(r);
}

static void
a_new_silence_is_judged_anew_K2_K22(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	size_t n;

	judge_take(r);
	session_on(r, impatient(r, "web", 1), "h1");
	host_suspect(r, "h1");
	OK(r, store_host_lost(r->s, &judge, &n, &r->err));
	assert_int_equal(n, 0); /* nobody granted it */
	OK(r, store_host_confirm_lost(r->s, "h1", "ann", &r->err));
	OK(r, store_host_lost(r->s, &judge, &n, &r->err));
	assert_int_equal(n, 1);
	h.hello_no = 2;
	assert_int_equal(hello_say(r, &h).verdict, STORE_HELLO_ACCEPTED);
	assert_int_equal(host_of(r, "h1").state, HOST_READY);
	assert_string_equal(host_of(r, "h1").lost_confirmed_by, "");
	host_suspect(r, "h1");
	OK(r, store_host_lost(r->s, &judge, &n, &r->err));
	assert_int_equal(n, 0);
}

static void
only_what_is_still_wanted_is_replaced_L7(void **state)
{
	struct rig *r = *state;
	struct store_session_new keep = impatient(r, "keep", 1);
	struct store_session_new closing = impatient(r, "closing", 1);
	struct store_session s;

	judge_take(r);
	host_make(r, "h1");
	keep.replace_lost = false;
	session_on(r, keep, "h1");
	session_on(r, closing, "h1");
	OK(r, store_session_close(r->s, "closing", 0, false, "t", r->a, &s, &r->err));
	host_suspect(r, "h1");
	assert_int_equal(lost_step(r, 0).replaced, 0);
	assert_int_equal(executor_of(r, "keep", 0).state, EXECUTOR_LOST);
	assert_int_equal(executor_of(r, "closing", 0).attempt, 1);
	verify_clean(r);
}

/* Lost, lost, failed: the bound is of failures, and there is room for one more. */
static void
what_is_lost_with_its_host_uses_up_no_tries_L7(void **state)
{
	struct rig *r = *state;
	struct store_session_new once = impatient(r, "once", 1);
	char host[] = "h1";
	struct store_hello h = host_make(r, host);
	struct store_executor e;

	judge_take(r);
	once.replacements_max = 1;
	once.replace_failed = true;
	session_on(r, once, host);
	for (uint32_t attempt = 2; attempt <= 3; attempt++) {
		host_suspect(r, host);
		assert_int_equal(lost_step(r, 0).replaced, 1);
		assert_int_equal(executor_of(r, "once", 0).attempt, attempt);
		host[1]++;
		h = host_make(r, host);
		r->factory->queue_age(r->cell, 60000);
		place_all(r, host);
	}
	e = executor_of(r, "once", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_FAILED));
	assert_int_equal(fold_all(r).replaced, 1);
	verify_clean(r);
}

static void
as_many_failures_as_the_bound_are_tried_again_L7(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 1);
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;

	n.replacements_max = 2;
	n.replace_failed = true;
	session_on(r, n, "h1");
	for (uint32_t attempt = 1; attempt <= 3; attempt++) {
		e = executor_of(r, "web", 0);
		assert_int_equal(e.attempt, attempt);
		join_one(r, report_of(&e, &h, EXECUTOR_FAILED));
		fold_all(r);
		r->factory->queue_age(r->cell, 60000);
		place_all(r, "h1");
	}
	assert_int_equal(executor_of(r, "web", 0).attempt, 3);
	assert_int_equal(executor_of(r, "web", 0).state, EXECUTOR_FAILED);
	verify_clean(r);
}

static size_t
queue_length(struct rig *r)
{
	struct store_queued *rows;
	uint64_t last;
	size_t n;

	OK(r, store_queue_load(r->s, "default", 0, r->a, &rows, &n, &last, &r->err));
	return n;
}

static void
who_fails_for_good_is_tried_again_after_a_pause_L7(void **state)
{
	struct rig *r = *state;
	struct store_session_new restarts = session_of(r, "restarts", 1);
	struct store_hello h = host_make(r, "h1");
	struct store_executor refused, failed, over;

	restarts.replace_failed = true;
	session_on(r, restarts, "h1");
	session_make(r, "web", 2);
	place_all(r, "h1");
	refused = executor_of(r, "web", 0);
	over = executor_of(r, "web", 1);
	failed = executor_of(r, "restarts", 0);
	join_one(r, report_of(&refused, &h, EXECUTOR_REJECTED));
	join_one(r, report_of(&failed, &h, EXECUTOR_FAILED));
	join_one(r, report_of(&over, &h, EXECUTOR_FAILED)); /* it was to run once */
	assert_int_equal(fold(r, 60000).replaced, 2);
	assert_int_equal(executor_of(r, "web", 0).attempt, 2);
	assert_int_equal(executor_of(r, "restarts", 0).attempt, 2);
	assert_int_equal(executor_of(r, "web", 1).attempt, 1);
	assert_int_equal(queue_length(r), 0); /* not yet */
	assert_int_equal(fold(r, 60000).replaced, 0);
	verify_clean(r);
}

/* Its host was cut off for stop_on_host_after and back before anybody gave it up: nobody else would
 * ever look at it again. */
static void
who_was_stopped_by_its_host_alone_is_replaced_K24(void **state)
{
	struct rig *r = *state;
	struct store_session_new keep = session_of(r, "keep", 1), n = session_of(r, "web", 2);
	struct store_hello h = host_make(r, "h1");
	struct store_executor alone, wished, kept;

	keep.replace_lost = false;
	n.replace_lost = true;
	session_on(r, keep, "h1");
	session_on(r, n, "h1");
	wished = executor_of(r, "web", 1);
	OK(r, store_executor_stop(r->s, &wished.executor_id, false, "t", &r->err));
	fold_all(r);
	alone = executor_of(r, "web", 0);
	wished = executor_of(r, "web", 1);
	kept = executor_of(r, "keep", 0);
	join_one(r, report_of(&alone, &h, EXECUTOR_STOPPED));
	join_one(r, report_of(&wished, &h, EXECUTOR_STOPPED));
	join_one(r, report_of(&kept, &h, EXECUTOR_STOPPED));
	assert_int_equal(fold(r, 60000).replaced, 1);
	assert_int_equal(executor_of(r, "web", 0).attempt, 2);
	assert_int_equal(executor_of(r, "web", 1).attempt, 1);
	assert_int_equal(executor_of(r, "keep", 0).attempt, 1);
	assert_int_equal(queue_length(r), 0); /* not yet: it may be cut off again */
	verify_clean(r);
}

static void
who_is_gone_without_a_wish_is_replaced_at_once_K5(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 2);
	struct store_hello h = host_make(r, "h1");
	struct store_executor wanted, stopped;
	struct report report;

	n.replace_lost = true;
	session_on(r, n, "h1");
	stopped = executor_of(r, "web", 1);
	OK(r, store_executor_stop(r->s, &stopped.executor_id, false, "t", &r->err));
	fold_all(r);
	wanted = executor_of(r, "web", 0);
	stopped = executor_of(r, "web", 1);
	for (int i = 0; i < 2; i++) {
		const struct store_executor *e = i ? &stopped : &wanted;

		report = report_of(e, &h, EXECUTOR_NONE);
		report.gone_generation = e->generation;
		join_one(r, report);
	}
	assert_int_equal(fold(r, 60000).replaced, 1);
	assert_int_equal(executor_of(r, "web", 0).attempt, 2);
	assert_int_equal(executor_of(r, "web", 1).attempt, 1);
	assert_int_equal(queue_length(r), 1);
	verify_clean(r);
}

struct expiring {
	struct rig *r;
	size_t expired;
};

static bool
step_expired(void *arg)
{
	struct expiring *x = arg;
	struct store_message *messages;
	size_t n;

	OK(x->r, store_expire(x->r->s, &x->r->lease, "default", x->r->a, &messages, &n, &x->expired,
		     &x->r->err));
	return x->expired > 0;
}

static void
who_expired_is_replaced_only_when_its_host_has_let_go_K8(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 1);
	struct store_hello h = host_make(r, "h1");
	struct expiring expiring = {.r = r};
	struct store_executor e;
	struct report report;

	n.accept_timeout_ms = 1;
	session_on(r, n, "h1");
	assert_true(test_wait_until(step_expired, &expiring, WAIT_MS));
	assert_int_equal(fold_all(r).replaced, 0);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.attempt, 1);
	report = report_of(&e, &h, EXECUTOR_NONE);
	report.gone_generation = e.generation;
	join_one(r, report);
	assert_int_equal(fold(r, 60000).replaced, 1);
	assert_int_equal(executor_of(r, "web", 0).attempt, 2);
	verify_clean(r);
}

const struct CMUnitTest contract_replace_tests[] = {
    TEST(a_suspect_host_is_not_placed_on_and_may_still_sync_K21),
    TEST(what_a_host_reports_of_who_was_given_up_is_kept_aside_K15),
    TEST(a_new_silence_is_judged_anew_K2_K22),
    TEST(only_what_is_still_wanted_is_replaced_L7),
    TEST(what_is_lost_with_its_host_uses_up_no_tries_L7),
    TEST(as_many_failures_as_the_bound_are_tried_again_L7),
    TEST(who_fails_for_good_is_tried_again_after_a_pause_L7),
    TEST(who_was_stopped_by_its_host_alone_is_replaced_K24),
    TEST(who_is_gone_without_a_wish_is_replaced_at_once_K5),
    TEST(who_expired_is_replaced_only_when_its_host_has_let_go_K8),
};
const size_t contract_replace_count = COUNT_OF(contract_replace_tests);
