/* Intents, ended and gone executors, closed sessions (K5, K9, K16). */
#include <string.h>

#include "contract_schedule.h"

static void
close_session(struct rig *r, const char *name, bool now)
{
	struct store_session s;

	OK(r, store_session_close(r->s, name, 0, now, "t", r->a, &s, &r->err));
}

static struct store_session
session_of_name(struct rig *r, const char *name)
{
	struct store_session s;

	OK(r, store_session_get(r->s, name, r->a, &s, &r->err));
	return s;
}

static int64_t
slots_used(struct rig *r, const char *host_id)
{
	struct store_host host;

	OK(r, store_host_get(r->s, host_id, r->a, &host, &r->err));
	return host.used.slots;
}

static struct report
gone_of(const struct store_executor *e, const struct store_hello *h, enum executor_state state)
{
	struct report report = report_of(e, h, state);

	report.gone_generation = e->generation;
	return report;
}

static void
what_was_never_sent_is_cancelled_K16(void **state)
{
	struct rig *r = *state;
	struct store_fold_result result;

	session_make(r, "web", 3);
	close_session(r, "web", false);
	lease_take(r);
	result = fold(r, 1000);
	assert_int_equal(result.intents, 1);
	assert_int_equal(result.message_count, 0);
	assert_int_equal(result.closed_sessions, 1);
	assert_int_equal(session_of_name(r, "web").state, SESSION_CLOSED);
	assert_int_equal(session_of_name(r, "web").counters[EXECUTOR_CANCELLED], 3);
	assert_int_equal(fold(r, 1000).intents, 0);
	verify_clean(r);
}

static void
what_was_sent_is_stopped_with_its_grace_K7(void **state)
{
	struct rig *r = *state;
	struct store_executor before, after;
	struct store_fold_result result;

	host_make(r, "h1");
	session_make(r, "web", 2);
	place_all(r, "h1");
	before = executor_of(r, "web", 0);
	close_session(r, "web", false);
	result = fold(r, 1000);
	assert_int_equal(result.message_count, 1);
	assert_int_equal(result.messages[0].item_count, 2);
	after = executor_of(r, "web", 0);
	assert_int_equal(after.desired, DESIRED_STOP);
	assert_int_equal(after.generation, before.generation + 1);
	assert_int_equal(after.state, EXECUTOR_PLACED);
	for (size_t i = 0; i < 2; i++) {
		const struct store_item *item = &result.messages[0].items[i];

		assert_int_equal(item->desired, DESIRED_STOP);
		assert_int_equal(item->generation, after.generation);
		assert_int_equal(item->stop_grace_ms, 1000);
		assert_int_equal(item->host_seq, result.messages[0].host_seq);
		assert_int_equal(item->deadline_us, 0);
	}
	/* Nothing more to say until the host answers; "now" hastens it once. */
	assert_int_equal(fold(r, 1000).message_count, 0);
	close_session(r, "web", true);
	result = fold(r, 1000);
	assert_int_equal(result.message_count, 1);
	assert_int_equal(result.messages[0].items[0].stop_grace_ms, 0);
	close_session(r, "web", true);
	assert_int_equal(fold(r, 1000).message_count, 0);
	verify_clean(r);
}

static void
stopping_one_executor_leaves_the_others(void **state)
{
	struct rig *r = *state;
	struct store_executor e;

	host_make(r, "h1");
	session_make(r, "web", 3);
	place_all(r, "h1");
	e = executor_of(r, "web", 1);
	OK(r, store_executor_stop(r->s, &e.executor_id, true, "t", &r->err));
	assert_int_equal(fold(r, 1000).message_count, 1);
	assert_int_equal(executor_of(r, "web", 0).desired, DESIRED_RUN);
	assert_int_equal(executor_of(r, "web", 1).desired, DESIRED_STOP);
	assert_int_equal(executor_of(r, "web", 2).desired, DESIRED_RUN);
	assert_int_equal(session_of_name(r, "web").state, SESSION_OPEN);
}

static void
a_large_session_is_closed_in_bounded_calls(void **state)
{
	struct rig *r = *state;
	size_t calls = 0, n;
	struct store_fold_result result;

	host_make(r, "h1");
	session_make(r, "web", 2500);
	place_all(r, "h1"); /* one page of the queue */
	close_session(r, "web", false);
	do {
		result = fold(r, 1000);
		calls++;
	} while (result.more);
	assert_true(calls > 1);
	struct store_executor *rows = executors_of(r, "web", &n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rows[i].generation == 0 ? rows[i].state == EXECUTOR_CANCELLED
							 : rows[i].desired == DESIRED_STOP,
		    true);
	verify_clean(r);
}

static void
an_end_frees_its_reservation_once_and_is_forgotten_lazily_K9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;
	struct store_fold_result result;

	session_make(r, "web", 2);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_SUCCEEDED));
	result = fold(r, 60000);
	assert_int_equal(result.ended, 1);
	assert_int_equal(result.message_count, 0);
	assert_int_equal(slots_used(r, "h1"), 1);
	/* The same end again, and another: nothing is freed twice. */
	join_one(r, report_of(&e, &h, EXECUTOR_FAILED));
	fold(r, 60000);
	assert_int_equal(slots_used(r, "h1"), 1);
	result = fold(r, 0);
	assert_int_equal(result.message_count, 1);
	assert_int_equal(result.messages[0].items[0].desired, DESIRED_ABSENT);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.desired, DESIRED_ABSENT);
	assert_int_equal(e.state, EXECUTOR_SUCCEEDED);
	assert_int_equal(fold(r, 0).message_count, 0);
	verify_clean(r);
}

static void
ends_of_one_host_share_a_message_K9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_fold_result result;
	struct store_executor *rows;
	struct report *reports;
	size_t n;

	session_make(r, "web", 100);
	place_all(r, "h1");
	rows = executors_of(r, "web", &n);
	reports = arena_calloc(r->a, n, sizeof(*reports));
	for (size_t i = 0; i < n; i++)
		reports[i] = report_of(&rows[i], &h, EXECUTOR_FAILED);
	join(r, reports, n);
	result = fold(r, 0);
	if (result.message_count == 0)
		result = fold(r, 0);
	assert_int_equal(result.message_count, 2);
	assert_int_equal(slots_used(r, "h1"), 0);
	verify_clean(r);
}

static void
gone_drops_the_executor_from_its_hosts_books_K9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;

	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_SUCCEEDED));
	fold_all(r);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.desired, DESIRED_ABSENT);
	assert_int_equal(e.gone_us, 0);
	join_one(r, gone_of(&e, &h, EXECUTOR_SUCCEEDED));
	assert_int_equal(fold(r, 0).gone, 1);
	assert_true(executor_of(r, "web", 0).gone_us > 0);
	/* Said again: harmless. */
	join_one(r, gone_of(&e, &h, EXECUTOR_SUCCEEDED));
	fold_all(r);
	assert_int_equal(slots_used(r, "h1"), 0);
	verify_clean(r);
}

static void
gone_without_an_end_is_lost_and_frees_once_K5(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;

	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, gone_of(&e, &h, EXECUTOR_NONE));
	assert_int_equal(fold(r, 0).replaced, 1);
	assert_int_equal(executor_of(r, "web", 0).attempt, 2);
	OK(r, store_executor_get(r->s, &e.executor_id, r->a, &e, &r->err));
	assert_int_equal(e.state, EXECUTOR_LOST);
	assert_string_equal(e.reason, "journal_lost");
	assert_true(e.gone_us > 0);
	assert_int_equal(slots_used(r, "h1"), 0);
	assert_int_equal(session_of_name(r, "web").counters[EXECUTOR_LOST], 1);
	verify_clean(r);
}

static void
gone_at_an_older_generation_changes_nothing_K9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor old, e;

	session_make(r, "web", 1);
	place_all(r, "h1");
	old = executor_of(r, "web", 0);
	OK(r, store_executor_stop(r->s, &old.executor_id, false, "t", &r->err));
	fold_all(r);
	join_one(r, gone_of(&old, &h, EXECUTOR_NONE));
	fold_all(r);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.state, EXECUTOR_PLACED);
	assert_int_equal(e.gone_us, 0);
	assert_int_equal(slots_used(r, "h1"), 1);
}

static void
a_newer_command_keeps_who_was_gone_before_it_K9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;

	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, gone_of(&e, &h, EXECUTOR_NONE));
	OK(r, store_executor_stop(r->s, &e.executor_id, false, "t", &r->err));
	assert_int_equal(fold(r, 0).gone, 0); /* the stop came first: its GONE is still to come */
	e = executor_of(r, "web", 0);
	assert_int_equal(e.state, EXECUTOR_PLACED);
	assert_int_equal(e.gone_us, 0);
	assert_int_equal(slots_used(r, "h1"), 1);
}

static uint64_t
digest_count(struct rig *r, const char *host_id)
{
	struct digest d;

	OK(r, store_host_digests(r->s, &host_id, 1, &d, &r->err));
	return d.count;
}

/* A late copy of its RUN is answered with GONE at that generation; when the GONE that counts was
 * lost, only the digest tells. */
static void
gone_at_an_older_generation_stays_in_the_digest_K19(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor old, e;

	session_make(r, "web", 1);
	place_all(r, "h1");
	old = executor_of(r, "web", 0);
	join_one(r, report_of(&old, &h, EXECUTOR_SUCCEEDED));
	fold_all(r);
	fold(r, 0); /* ABSENT */
	e = executor_of(r, "web", 0);
	assert_int_equal(e.generation, old.generation + 1);
	assert_int_equal(digest_count(r, "h1"), 1);
	join_one(r, gone_of(&old, &h, EXECUTOR_SUCCEEDED));
	assert_int_equal(executor_of(r, "web", 0).gone_generation, old.generation);
	assert_int_equal(digest_count(r, "h1"), 1);
	join_one(r, gone_of(&e, &h, EXECUTOR_SUCCEEDED));
	assert_int_equal(digest_count(r, "h1"), 0);
}

static void
who_left_the_books_is_told_nothing_more_K9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;

	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, gone_of(&e, &h, EXECUTOR_SUCCEEDED));
	assert_int_equal(fold(r, 60000).gone, 1);
	assert_int_equal(fold(r, 0).message_count, 0);
	assert_int_equal(executor_of(r, "web", 0).generation, e.generation);
	verify_clean(r);
}

static void
a_name_is_free_again_when_its_session_is_closed_E7(void **state)
{
	struct rig *r = *state;
	struct store_session first = session_make(r, "web", 1), second, listed, *rows;
	struct store_executor *executors;
	size_t n;

	close_session(r, "web", false);
	lease_take(r);
	fold_all(r);
	assert_int_equal(session_of_name(r, "web").state, SESSION_CLOSED);
	second = session_make(r, "web", 2);
	assert_false(id_equal(&first.session_id, &second.session_id));
	listed = session_of_name(r, "web");
	assert_true(id_equal(&listed.session_id, &second.session_id));
	OK(r, store_session_list(r->s, NULL, true, "", 10, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].state, SESSION_OPEN);
	executors = executors_of(r, "web", &n);
	assert_int_equal(n, 2);
	assert_int_equal(executors[0].state, EXECUTOR_QUEUED);
}

static void
a_session_closes_when_its_last_executor_ended(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;

	session_make(r, "web", 2);
	place_all(r, "h1");
	close_session(r, "web", false);
	fold_all(r);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(session_of_name(r, "web").state, SESSION_CLOSING);
		e = executor_of(r, "web", i);
		join_one(r, report_of(&e, &h, EXECUTOR_STOPPED));
		fold_all(r);
	}
	assert_int_equal(session_of_name(r, "web").state, SESSION_CLOSED);
	assert_true(session_of_name(r, "web").closed_us > 0);
	verify_clean(r);
}

const struct CMUnitTest contract_fold_tests[] = {
    TEST(what_was_never_sent_is_cancelled_K16),
    TEST(what_was_sent_is_stopped_with_its_grace_K7),
    TEST(stopping_one_executor_leaves_the_others),
    TEST(a_large_session_is_closed_in_bounded_calls),
    TEST(an_end_frees_its_reservation_once_and_is_forgotten_lazily_K9),
    TEST(ends_of_one_host_share_a_message_K9),
    TEST(gone_drops_the_executor_from_its_hosts_books_K9),
    TEST(gone_without_an_end_is_lost_and_frees_once_K5),
    TEST(gone_at_an_older_generation_changes_nothing_K9),
    TEST(a_newer_command_keeps_who_was_gone_before_it_K9),
    TEST(gone_at_an_older_generation_stays_in_the_digest_K19),
    TEST(who_left_the_books_is_told_nothing_more_K9),
    TEST(a_name_is_free_again_when_its_session_is_closed_E7),
    TEST(a_session_closes_when_its_last_executor_ended),
};
const size_t contract_fold_count = COUNT_OF(contract_fold_tests);
