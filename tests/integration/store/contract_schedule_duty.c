/* Outbox, expiry, counters, events, retention (K8, K10, K13, K14, K16, E12). */
#include <string.h>

#include "contract_schedule.h"

static size_t
sweep(struct rig *r, uint32_t unsent_ms, uint32_t resend_ms, struct store_message **ret)
{
	size_t n;

	OK(r,
	    store_outbox_sweep(r->s, "default", unsent_ms, resend_ms, 64, r->a, ret, &n, &r->err));
	return n;
}

static size_t
expire(struct rig *r, struct store_message **ret, size_t *ret_n)
{
	size_t expired;

	OK(r, store_expire(r->s, &r->lease, "default", r->a, ret, ret_n, &expired, &r->err));
	return expired;
}

static void
session_short(struct rig *r, const char *name, uint32_t replicas)
{
	struct store_session_new n = session_of(r, name, replicas);
	struct store_session s;
	bool existed;

	n.accept_timeout_ms = 1;
	OK(r, store_session_create(r->s, &n, r->a, &s, &existed, &r->err));
}

/* ---- outbox ---- */

static void
what_is_unpublished_is_swept_under_its_own_id_K10(void **state)
{
	struct rig *r = *state;
	struct store_message *swept;

	host_make(r, "h1");
	session_make(r, "web", 2);
	place_all(r, "h1");
	assert_int_equal(sweep(r, 60000, 60000, &swept), 0);
	assert_int_equal(sweep(r, 0, 60000, &swept), 1);
	assert_false(swept[0].resend);
	assert_int_equal(swept[0].item_count, 2);
	assert_memory_equal(swept[0].items[0].spec_body, "body", 4);
	assert_int_equal(swept[0].items[0].desired, DESIRED_RUN);
	assert_true(swept[0].items[0].deadline_us > 0);
	/* It was handed out: nobody else gets it before the next interval. */
	assert_int_equal(sweep(r, 0, 60000, &swept), 0);
}

static void
what_is_published_and_unaccepted_is_resent_K10(void **state)
{
	struct rig *r = *state;
	struct store_message *swept;

	host_make(r, "h1");
	session_make(r, "web", 1);
	place_all(r, "h1");
	assert_int_equal(sweep(r, 0, 0, &swept), 1);
	OK(r, store_outbox_sent(r->s, &swept[0].message_id, 1, &r->err));
	OK(r, store_outbox_sent(r->s, &swept[0].message_id, 1, &r->err));
	assert_true(executor_of(r, "web", 0).sent_us > 0);
	assert_int_equal(sweep(r, 60000, 60000, &swept), 0);
	assert_int_equal(sweep(r, 60000, 0, &swept), 1);
	assert_true(swept[0].resend);
}

static void
accepted_and_superseded_messages_leave_the_outbox_K8(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_message *swept;
	struct store_executor e;
	struct store_cell cell;

	session_make(r, "web", 2);
	place_all(r, "h1");
	assert_int_equal(sweep(r, 0, 0, &swept), 1);
	OK(r, store_outbox_sent(r->s, &swept[0].message_id, 1, &r->err));
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_ACCEPTED));
	/* One of its two items is still wanted: only that one is said again. */
	assert_int_equal(sweep(r, 0, 0, &swept), 1);
	e = executor_of(r, "web", 1);
	OK(r, store_executor_stop(r->s, &e.executor_id, false, "t", &r->err));
	fold_all(r);
	assert_int_equal(sweep(r, 0, 0, &swept), 1);
	assert_int_equal(swept[0].item_count, 1);
	assert_int_equal(swept[0].items[0].desired, DESIRED_STOP);
	e = executor_of(r, "web", 1);
	join_one(r, report_of(&e, &h, EXECUTOR_STOPPED));
	assert_int_equal(sweep(r, 0, 0, &swept), 0);
	OK(r, store_cell_get(r->s, r->a, &cell, &r->err));
	assert_int_equal(cell.outbox_unsent, 0);
}

static void
a_removed_host_is_sent_nothing_K29(void **state)
{
	struct rig *r = *state;
	struct store_message *swept;
	struct store_cell cell;

	host_make(r, "h1");
	session_make(r, "web", 1);
	place_all(r, "h1");
	OK(r, store_host_remove(r->s, "h1", true, "t", &r->err));
	assert_int_equal(sweep(r, 0, 0, &swept), 0);
	OK(r, store_cell_get(r->s, r->a, &cell, &r->err));
	assert_int_equal(cell.outbox_unsent, 0);
}

static void
a_sweep_marks_only_what_it_hands_out(void **state)
{
	struct rig *r = *state;
	struct store_message *swept;
	size_t n, total = 0;

	for (int i = 0; i < 5; i++) {
		char *host = arena_printf(r->a, "h%d", i);

		host_make(r, host);
		session_make(r, arena_printf(r->a, "s%d", i), 1);
		place_all(r, host);
	}
	for (int i = 0; i < 5; i++) {
		OK(r, store_outbox_sweep(r->s, "default", 0, 60000, 2, r->a, &swept, &n, &r->err));
		assert_true(n <= 2);
		total += n;
	}
	assert_int_equal(total, 5);
}

/* ---- expiry ---- */

static void
an_unaccepted_run_expires_with_an_order_to_go_K13(void **state)
{
	struct rig *r = *state;
	struct store_message *messages;
	struct store_executor e;
	struct store_host host;
	uint64_t generation;
	size_t n;

	host_make(r, "h1");
	session_short(r, "web", 2);
	place_all(r, "h1");
	generation = executor_of(r, "web", 0).generation;
	while (expire(r, &messages, &n) == 0)
		;
	assert_int_equal(n, 1);
	assert_int_equal(messages[0].items[0].desired, DESIRED_ABSENT);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.state, EXECUTOR_EXPIRED);
	assert_int_equal(e.desired, DESIRED_ABSENT);
	assert_int_equal(e.generation, generation + 1);
	assert_int_equal(expire(r, &messages, &n), 0);
	/* Its host may have it after all. */
	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	assert_int_equal(host.used.slots, 2);
	verify_clean(r);
}

static void
an_accepted_run_never_expires_and_a_late_end_is_kept_aside_K15(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_message *messages;
	struct store_executor e, other;
	size_t n;

	session_short(r, "web", 2);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
	while (expire(r, &messages, &n) == 0)
		;
	assert_int_equal(executor_of(r, "web", 0).state, EXECUTOR_RUNNING);
	other = executor_of(r, "web", 1);
	assert_int_equal(other.state, EXECUTOR_EXPIRED);
	join_one(r, report_of(&other, &h, EXECUTOR_SUCCEEDED));
	other = executor_of(r, "web", 1);
	assert_int_equal(other.state, EXECUTOR_EXPIRED);
	assert_memory_equal(other.late_outcome, "succeeded", strlen("succeeded"));
	verify_clean(r);
}

/* ---- counters ---- */

static void
counters_are_exact_before_and_after_the_fold_E12(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_session before, after;
	struct store_executor *rows;
	size_t n, folded;

	session_make(r, "web", 10);
	place_all(r, "h1");
	rows = executors_of(r, "web", &n);
	for (size_t i = 0; i < n; i++)
		join_one(r, report_of(&rows[i], &h, i % 2 ? EXECUTOR_RUNNING : EXECUTOR_FAILED));
	OK(r, store_session_get(r->s, "web", r->a, &before, &r->err));
	assert_int_equal(before.counters[EXECUTOR_RUNNING], 5);
	assert_int_equal(before.counters[EXECUTOR_FAILED], 5);
	assert_int_equal(before.counters[EXECUTOR_QUEUED], 0);
	OK(r, store_fold_counters(r->s, &r->lease, &folded, &r->err));
	assert_true(folded > 0);
	OK(r, store_fold_counters(r->s, &r->lease, &folded, &r->err));
	assert_int_equal(folded, 0);
	OK(r, store_session_get(r->s, "web", r->a, &after, &r->err));
	assert_memory_equal(before.counters, after.counters, sizeof(after.counters));
	verify_clean(r);
}

/* ---- events ---- */

static struct store_event *
events(struct rig *r, const struct store_event_query *q, size_t *ret_n,
    struct store_event_bounds *ret_bounds)
{
	struct store_event *rows;

	OK(r, store_event_list(r->s, q, r->a, &rows, ret_n, ret_bounds, &r->err));
	return rows;
}

static void
events_get_dense_numbers_and_the_names_of_executors(void **state)
{
	struct rig *r = *state;
	struct store_event_query q = {.limit = 1000};
	struct store_event *rows;
	size_t n, published;
	struct store_event_bounds bounds;

	host_make(r, "h1");
	session_make(r, "web", 2);
	place_all(r, "h1");
	OK(r, store_event_publish(
		  r->s, &r->lease, NULL, &published, &r->newest_event, NULL, &r->err));
	assert_true(published >= 3);
	rows = events(r, &q, &n, &bounds);
	assert_int_equal(n, published);
	assert_false(store_event_gap(q.after, &bounds));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(rows[i].cursor, i + 1);
		if (strcmp(rows[i].kind, "executor.placed") == 0) {
			assert_string_equal(rows[i].session, "web");
			assert_memory_equal(rows[i].executor, "web/", 4);
			assert_string_equal(rows[i].host, "h1");
		}
	}
	q.after = n - 1;
	events(r, &q, &n, &bounds);
	assert_int_equal(n, 1);
	q = (struct store_event_query){.session = "web", .limit = 1};
	rows = events(r, &q, &n, &bounds);
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].session, "web");
	q = (struct store_event_query){.since_us = rows[0].at_us, .limit = 1000};
	rows = events(r, &q, &n, &bounds);
	assert_true(n > 0 && n < published); /* the host came before */
	assert_string_equal(rows[0].kind, "session.created");
	q.since_us = rows[n - 1].at_us + 1;
	events(r, &q, &n, &bounds);
	assert_int_equal(n, 0);
}

static void
a_batch_of_reports_gives_every_executor_its_own_event(void **state)
{
	static const char *const kinds[] = {"executor.running", "executor.failed"};
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_event_query q = {.host = "h1", .limit = 1000};
	struct store_executor *rows;
	struct store_event *list;
	struct report reports[4];
	size_t n, published;
	struct store_event_bounds bounds;

	session_make(r, "web", COUNT_OF(reports));
	place_all(r, "h1");
	OK(r, store_event_publish(
		  r->s, &r->lease, NULL, &published, &r->newest_event, NULL, &r->err));
	rows = executors_of(r, "web", &n);
	for (size_t i = 0; i < n; i++) {
		reports[i] =
		    report_of(&rows[i], &h, i % 2 == 0 ? EXECUTOR_RUNNING : EXECUTOR_FAILED);
		reports[i].exit_code = i % 2 == 0 ? -1 : 7;
	}
	join(r, reports, n);
	q.after = published;
	OK(r, store_event_publish(
		  r->s, &r->lease, NULL, &published, &r->newest_event, NULL, &r->err));
	assert_int_equal(published, COUNT_OF(reports));
	list = events(r, &q, &n, &bounds);
	assert_int_equal(n, COUNT_OF(reports));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list[i].cursor, q.after + 1 + i);
		assert_true(list[i].at_us > 0);
		for (size_t k = 0; k < COUNT_OF(reports); k++) {
			if (!id_equal(&list[i].executor_id, &rows[k].executor_id))
				continue;
			assert_string_equal(list[i].kind, kinds[k % 2]);
			assert_string_equal(list[i].text, k % 2 == 0 ? "" : "exit 7");
			assert_int_equal(list[i].executor[4] - '0', rows[k].index);
		}
	}
	for (size_t i = 1; i < n; i++)
		assert_true(id_compare(&list[i - 1].executor_id, &list[i].executor_id) != 0);
	OK(r, store_event_publish(
		  r->s, &r->lease, NULL, &published, &r->newest_event, NULL, &r->err));
	assert_int_equal(published, 0);
}

/* ---- retention ---- */

static uint64_t
retain(struct rig *r, int64_t keep_ms)
{
	const struct store_retention keep = {.keep_ms = keep_ms, .batch = 1000};
	uint64_t removed = 0, one;
	bool more;

	do {
		OK(r, store_retain(r->s, &r->lease, &keep, &one, &more, &r->err));
		removed += one;
	} while (more);
	return removed;
}

static void
what_is_over_goes_but_never_before_its_host_let_go_K6(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_session session;
	struct store_executor e;
	size_t n;

	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_SUCCEEDED));
	fold_all(r);
	retain(r, 0);
	executors_of(r, "web", &n);
	assert_int_equal(n, 1);
	e = executor_of(r, "web", 0);
	struct report gone = report_of(&e, &h, EXECUTOR_NONE);
	gone.gone_generation = e.generation;
	join_one(r, gone);
	fold_all(r);
	retain(r, 3600000);
	executors_of(r, "web", &n);
	assert_int_equal(n, 1);
	retain(r, 0);
	executors_of(r, "web", &n);
	assert_int_equal(n, 0);
	/* The session lives, and keeps its totals. */
	OK(r, store_session_get(r->s, "web", r->a, &session, &r->err));
	assert_int_equal(session.counters[EXECUTOR_SUCCEEDED], 1);
	verify_clean(r);
	OK(r, store_session_close(r->s, "web", 0, false, "t", r->a, &session, &r->err));
	fold_all(r);
	retain(r, 0);
	FAILS(r, ERR_NOT_FOUND, store_session_get(r->s, "web", r->a, &session, &r->err));
	verify_clean(r);
}

/* Its first edges were folded, its last were not: they go with it. */
static void
a_forgotten_session_leaves_no_count_behind_E12(void **state)
{
	struct rig *r = *state;
	struct store_session session;
	struct store_cell cell;
	size_t folded;

	lease_take(r);
	session_make(r, "web", 2);
	OK(r, store_fold_counters(r->s, &r->lease, &folded, &r->err));
	OK(r, store_session_close(r->s, "web", 0, false, "t", r->a, &session, &r->err));
	fold_all(r);
	retain(r, 0);
	FAILS(r, ERR_NOT_FOUND, store_session_get(r->s, "web", r->a, &session, &r->err));
	OK(r, store_cell_get(r->s, r->a, &cell, &r->err));
	assert_int_equal(cell.executors[EXECUTOR_QUEUED], 0);
	assert_int_equal(cell.executors[EXECUTOR_CANCELLED], 0);
	verify_clean(r);
}

static void
the_bounds_of_the_events_name_the_oldest_and_the_newest_G7(void **state)
{
	struct rig *r = *state;
	struct store_event_query q = {.limit = 1};
	struct store_event_bounds bounds;
	size_t n, published;

	lease_take(r);
	events(r, &q, &n, &bounds);
	assert_int_equal(bounds.oldest, bounds.newest + 1); /* nothing yet */
	assert_int_equal(bounds.newest, 0);
	session_make(r, "web", 1);
	session_make(r, "two", 1);
	OK(r, store_event_publish(
		  r->s, &r->lease, NULL, &published, &r->newest_event, NULL, &r->err));
	assert_int_equal(r->newest_event, published);
	session_make(r, "later", 1); /* a fact without a number is not read */
	events(r, &q, &n, &bounds);
	assert_int_equal(n, 1);
	assert_int_equal(bounds.oldest, 1);
	assert_int_equal(bounds.newest, published);
	retain(r, 0);
	events(r, &q, &n, &bounds);
	assert_int_equal(n, 0);
	assert_int_equal(bounds.oldest, published + 1);
	assert_int_equal(bounds.newest, published);
}

static void
removed_events_are_a_gap_to_who_comes_back(void **state)
{
	struct rig *r = *state;
	struct store_event_query q = {.after = 1, .limit = 10};
	size_t n, published;
	struct store_event_bounds bounds;

	lease_take(r);
	host_make(r, "h1");
	session_make(r, "web", 1);
	session_make(r, "two", 1);
	OK(r, store_event_publish(
		  r->s, &r->lease, NULL, &published, &r->newest_event, NULL, &r->err));
	assert_true(published >= 3);
	retain(r, 0);
	events(r, &q, &n, &bounds);
	assert_int_equal(n, 0);
	assert_true(store_event_gap(q.after, &bounds));
	/* Numbers go on, they are never given again. */
	session_make(r, "new", 1);
	OK(r, store_event_publish(r->s, &r->lease, NULL, &n, &r->newest_event, NULL, &r->err));
	q.after = published;
	assert_int_equal(events(r, &q, &n, &bounds)[0].cursor, published + 1);
	assert_false(store_event_gap(q.after, &bounds));
}

const struct CMUnitTest contract_duty_tests[] = {
    TEST(what_is_unpublished_is_swept_under_its_own_id_K10),
    TEST(what_is_published_and_unaccepted_is_resent_K10),
    TEST(accepted_and_superseded_messages_leave_the_outbox_K8),
    TEST(a_removed_host_is_sent_nothing_K29),
    TEST(a_sweep_marks_only_what_it_hands_out),
    TEST(an_unaccepted_run_expires_with_an_order_to_go_K13),
    TEST(an_accepted_run_never_expires_and_a_late_end_is_kept_aside_K15),
    TEST(counters_are_exact_before_and_after_the_fold_E12),
    TEST(events_get_dense_numbers_and_the_names_of_executors),
    TEST(a_batch_of_reports_gives_every_executor_its_own_event),
    TEST(what_is_over_goes_but_never_before_its_host_let_go_K6),
    TEST(a_forgotten_session_leaves_no_count_behind_E12),
    TEST(the_bounds_of_the_events_name_the_oldest_and_the_newest_G7),
    TEST(removed_events_are_a_gap_to_who_comes_back),
};
const size_t contract_duty_count = COUNT_OF(contract_duty_tests);
