/* What a restored backup does not know (K6): it is stored, shown, and stopped when somebody says
 * so. */
#include <stdlib.h>
#include <string.h>

#include "contract_hub.h"

#define OLD UINT64_C(7)                         /* a generation of term 0 */
#define NEW ((UINT64_C(1) << 40) + UINT64_C(1)) /* and one of term 1 */
#define LIMIT 100

/* A host that said hello in term 0, in a cell that is in term 1. */
struct stage {
	struct rig *r;
	struct store_hello hello;
	struct id ids[3]; /* in order */
	uint64_t generations[3];
};

static int
by_id(const void *a, const void *b)
{
	return id_compare(a, b);
}

static struct stage
stage_make(struct rig *r)
{
	struct stage st = {.r = r, .hello = host_make(r, "h1")};

	bool held;

	OK(r, store_lease_hold(r->s, &r->lease, "contract", &held, &r->err)); /* to number events */
	assert_true(held);
	r->factory->term_set(r->cell, 1);
	for (size_t i = 0; i < COUNT_OF(st.ids); i++) {
		st.ids[i] = id_new();
		st.generations[i] = OLD + i;
	}
	qsort(st.ids, COUNT_OF(st.ids), sizeof(st.ids[0]), by_id);
	return st;
}

/* The next hello; it names the first n. */
static struct store_hello_answer
hello_next(struct stage *st, size_t n)
{
	st->hello.hello_no++;
	st->hello.record_ids = st->ids;
	st->hello.record_generations = st->generations;
	st->hello.record_count = n;
	return hello_say(st->r, &st->hello);
}

static struct store_unknown *
rows_of(struct rig *r, size_t expected)
{
	struct store_unknown *rows;
	struct store_host host;
	struct store_cell cell;
	size_t n;

	OK(r, store_unknown_list(r->s, "h1", LIMIT, r->a, &rows, &n, &r->err));
	assert_int_equal(n, expected);
	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	assert_int_equal(host.unknown, expected);
	OK(r, store_cell_get(r->s, r->a, &cell, &r->err));
	assert_int_equal(cell.unknown, expected);
	return rows;
}

static uint64_t
epoch_of(struct rig *r)
{
	struct store_host host;

	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	return host.epoch;
}

static size_t
stop(struct rig *r)
{
	size_t n = 99;

	OK(r, store_unknown_stop(r->s, "h1", "op", &n, &r->err));
	return n;
}

/* Published events of this kind that name this executor. */
static size_t
events_of(struct rig *r, const char *kind, const struct id *executor_id, const char **ret_who)
{
	struct store_event_query q = {.limit = 1000};
	struct store_event_bounds bounds;
	struct store_event *events;
	size_t n, found = 0;
	char hex[ID_HEX_BYTES];

	OK(r, store_event_publish(r->s, &r->lease, NULL, &n, &r->newest_event, NULL, &r->err));
	OK(r, store_event_list(r->s, &q, r->a, &events, &n, &bounds, &r->err));
	id_to_hex(executor_id, hex);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(events[i].kind, kind) != 0 || !strstr(events[i].text, hex))
			continue;
		found++;
		assert_string_equal(events[i].host, "h1");
		*ret_who = events[i].who;
	}
	return found;
}

static void
what_an_older_term_left_is_stored_and_said_once_and_stays_until_a_hello_leaves_it_out_K6(
    void **state)
{
	struct stage st = stage_make(*state);
	struct store_unknown *rows;
	struct store_hello_answer a;
	const char *who;
	int64_t since;

	a = hello_next(&st, 2);
	assert_int_equal(a.unknown_count, 2);
	assert_int_equal(a.absent_count, 0);
	assert_false(a.report_all); /* no part of the digest on this side either (K19) */
	rows = rows_of(st.r, 2);
	since = rows[1].since_us;
	assert_true(since > 0);
	for (size_t i = 0; i < 2; i++) {
		assert_true(id_equal(&rows[i].executor_id, &st.ids[i]));
		assert_int_equal(rows[i].generation, OLD + i);
		assert_int_equal(rows[i].told_us, 0);
		assert_string_equal(rows[i].told_by, "");
	}
	st.generations[1]++;
	a = hello_next(&st, 3);
	assert_int_equal(a.unknown_count, 3);
	rows = rows_of(st.r, 3);
	assert_int_equal(rows[1].since_us, since);
	assert_int_equal(rows[1].generation, OLD + 2);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(events_of(st.r, "host.unknown_kept", &st.ids[i], &who), 1);
	hello_next(&st, 1);
	rows = rows_of(st.r, 1);
	assert_true(id_equal(&rows[0].executor_id, &st.ids[0]));
	hello_next(&st, 0);
	rows_of(st.r, 0);
}

static void
ids_of_the_current_term_are_not_kept_K6(void **state)
{
	struct stage st = stage_make(*state);
	struct store_hello_answer a;

	st.generations[0] = NEW;
	a = hello_next(&st, 1);
	assert_int_equal(a.absent_count, 1);
	assert_int_equal(a.absent[0].generation, NEW + 1);
	rows_of(st.r, 0);
	assert_int_equal(stop(st.r), 0);
}

static void
a_list_is_as_long_as_was_asked_for(void **state)
{
	struct stage st = stage_make(*state);
	struct store_unknown *rows;
	size_t n;

	hello_next(&st, 3);
	OK(st.r, store_unknown_list(st.r->s, "h1", 2, st.r->a, &rows, &n, &st.r->err));
	assert_int_equal(n, 2);
	assert_true(id_equal(&rows[1].executor_id, &st.ids[1]));
	OK(st.r, store_unknown_list(st.r->s, "h9", 2, st.r->a, &rows, &n, &st.r->err));
	assert_int_equal(n, 0);
}

static void
told_to_stop_the_host_has_to_say_hello_and_is_answered_absent_K6(void **state)
{
	struct stage st = stage_make(*state);
	struct rig *r = st.r;
	struct store_sync q = {.host_id = "h1", .limit = 10};
	struct store_sync_page page;
	struct store_hello_answer a;
	struct store_unknown *rows;
	const char *who = "";

	q.epoch = hello_next(&st, 2).epoch;
	OK(r, store_host_sync(r->s, &q, r->a, &page, &r->err));
	assert_false(page.hello_required);
	assert_int_equal(stop(r), 2);
	OK(r, store_host_sync(r->s, &q, r->a, &page, &r->err));
	assert_true(page.hello_required);
	rows = rows_of(r, 2);
	assert_true(rows[0].told_us > 0);
	assert_string_equal(rows[0].told_by, "op");
	assert_int_equal(events_of(r, "host.unknown_stopping", &st.ids[1], &who), 1);
	assert_string_equal(who, "op");
	assert_int_equal(events_of(r, "host.unknown_stopped", &st.ids[1], &who), 0);
	/* What nobody spoke of runs on. */
	a = hello_next(&st, 3);
	assert_int_equal(a.verdict, STORE_HELLO_ACCEPTED);
	assert_int_equal(a.epoch, epoch_of(r));
	assert_int_equal(a.absent_count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_true(id_equal(&a.absent[i].executor_id, &st.ids[i]));
		assert_int_equal(a.absent[i].generation, OLD + i + 1);
	}
	assert_int_equal(a.unknown_count, 1);
	assert_true(id_equal(&a.unknown[0].executor_id, &st.ids[2]));
	assert_int_equal(events_of(r, "host.unknown_stopped", &st.ids[1], &who), 1);
	q.epoch = a.epoch;
	OK(r, store_host_sync(r->s, &q, r->a, &page, &r->err));
	assert_false(page.hello_required);
}

static void
an_answer_that_did_not_arrive_is_given_again_above_what_the_host_has_K6(void **state)
{
	struct stage st = stage_make(*state);
	struct store_hello_answer a;

	hello_next(&st, 1);
	stop(st.r);
	assert_int_equal(hello_next(&st, 1).absent[0].generation, OLD + 1);
	assert_int_equal(hello_next(&st, 1).absent[0].generation, OLD + 1);
	st.generations[0] = OLD + 1; /* it heard, and is not done */
	a = hello_next(&st, 1);
	assert_int_equal(a.absent_count, 1);
	assert_int_equal(a.absent[0].generation, OLD + 2);
	hello_next(&st, 0);
	rows_of(st.r, 0);
}

static void
told_twice_is_told_once(void **state)
{
	struct stage st = stage_make(*state);
	const char *who;
	uint64_t epoch;

	hello_next(&st, 1);
	assert_int_equal(stop(st.r), 1);
	epoch = epoch_of(st.r);
	assert_int_equal(stop(st.r), 1);
	assert_int_equal(epoch_of(st.r), epoch);
	assert_int_equal(events_of(st.r, "host.unknown_stopping", &st.ids[0], &who), 1);
}

static void
nothing_to_stop_changes_nothing_and_a_host_nobody_knows_is_not_found(void **state)
{
	struct stage st = stage_make(*state);
	uint64_t epoch = hello_next(&st, 0).epoch;
	size_t n;

	assert_int_equal(stop(st.r), 0);
	assert_int_equal(epoch_of(st.r), epoch);
	FAILS(st.r, ERR_NOT_FOUND, store_unknown_stop(st.r->s, "h9", "op", &n, &st.r->err));
}

static void
what_its_host_reports_gone_is_forgotten_K6(void **state)
{
	struct stage st = stage_make(*state);
	struct report report = {.executor_id = st.ids[0],
	    .host_id = "h2",
	    .journal_id = st.hello.journal_id,
	    .state = EXECUTOR_STOPPED,
	    .accepted_generation = OLD + 1,
	    .incarnation = 1,
	    .reason = "stopped",
	    .detail = ""};
	struct store_unknown *rows;

	hello_next(&st, 2);
	stop(st.r);
	report.host_id = "h1";
	assert_int_equal(join_one(st.r, report).applied, 0);
	rows_of(st.r, 2); /* it has ended, and is still there to be forgotten */
	report.gone_generation = OLD + 1;
	report.host_id = "h2";
	join_one(st.r, report);
	rows_of(st.r, 2); /* another host's word */
	report.host_id = "h1";
	assert_int_equal(join_one(st.r, report).applied, 0);
	rows = rows_of(st.r, 1);
	assert_true(id_equal(&rows[0].executor_id, &st.ids[1]));
}

static void
a_late_hello_changes_nothing_and_stops_nothing_K1(void **state)
{
	struct stage st = stage_make(*state);
	struct store_hello_answer a;
	uint64_t newest;

	hello_next(&st, 2);
	stop(st.r);
	hello_next(&st, 2);
	newest = st.hello.hello_no;
	st.hello.hello_no = newest - 2; /* hello_next makes it one older than the newest */
	a = hello_next(&st, 1);
	assert_int_equal(a.verdict, STORE_HELLO_ACCEPTED);
	assert_int_equal(a.absent_count, 0);
	rows_of(st.r, 2);
}

static void
a_retired_host_has_none_any_more_K6(void **state)
{
	struct stage st = stage_make(*state);

	hello_next(&st, 2);
	OK(st.r, store_host_remove(st.r->s, "h1", false, "op", &st.r->err));
	rows_of(st.r, 0);
	assert_int_equal(hello_next(&st, 2).verdict, STORE_HELLO_RETIRED);
	rows_of(st.r, 0);
}

const struct CMUnitTest contract_unknown_tests[] = {
    TEST(what_an_older_term_left_is_stored_and_said_once_and_stays_until_a_hello_leaves_it_out_K6),
    TEST(ids_of_the_current_term_are_not_kept_K6),
    TEST(a_list_is_as_long_as_was_asked_for),
    TEST(told_to_stop_the_host_has_to_say_hello_and_is_answered_absent_K6),
    TEST(an_answer_that_did_not_arrive_is_given_again_above_what_the_host_has_K6),
    TEST(told_twice_is_told_once),
    TEST(nothing_to_stop_changes_nothing_and_a_host_nobody_knows_is_not_found),
    TEST(what_its_host_reports_gone_is_forgotten_K6),
    TEST(a_late_hello_changes_nothing_and_stops_nothing_K1),
    TEST(a_retired_host_has_none_any_more_K6),
};
const size_t contract_unknown_count = COUNT_OF(contract_unknown_tests);
