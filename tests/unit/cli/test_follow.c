/* follow: where a reader of events stands (G7). */
#include "test.h"

#include <string.h>

#include "err.h"
#include "follow.h"

#define LIMIT 3

static Fairlead__V1__Event events[LIMIT];
static Fairlead__V1__Event *pointers[LIMIT] = {&events[0], &events[1], &events[2]};

/* n events, the first of which has this cursor, each two numbers after the one before. */
static Fairlead__V1__EventListAnswer
answer_of(size_t n, uint64_t first, uint64_t newest)
{
	Fairlead__V1__EventListAnswer a = FAIRLEAD__V1__EVENT_LIST_ANSWER__INIT;

	for (size_t i = 0; i < n; i++) {
		fairlead__v1__event__init(&events[i]);
		events[i].cursor = first + 2 * i;
	}
	a.n_events = n;
	a.events = pointers;
	a.oldest_cursor = 1;
	a.newest_cursor = newest;
	return a;
}

static void
a_number_is_known_or_next_or_after_something_missing_G7(void **state)
{
	const struct follow f = {.cursor = 7};

	(void)state;
	assert_int_equal(follow_heard(&f, 0), FOLLOW_KNOWN);
	assert_int_equal(follow_heard(&f, 7), FOLLOW_KNOWN);
	assert_int_equal(follow_heard(&f, 8), FOLLOW_NEXT);
	assert_int_equal(follow_heard(&f, 9), FOLLOW_MISSING);
	assert_int_equal(follow_heard(&f, UINT64_MAX), FOLLOW_MISSING);
}

static void
a_full_page_goes_on_behind_its_last_event_G7(void **state)
{
	struct follow f = {.cursor = 7};
	const Fairlead__V1__EventListAnswer a = answer_of(LIMIT, 8, 100);

	(void)state;
	assert_true(follow_page_done(&f, &a, LIMIT));
	assert_int_equal(f.cursor, 12);
}

/* What was filtered out needs not be looked at again, nor be missing when the next one is heard. */
static void
a_page_that_is_not_full_reaches_the_newest_G7(void **state)
{
	struct follow f = {.cursor = 7};
	Fairlead__V1__EventListAnswer a = answer_of(1, 8, 100);

	(void)state;
	assert_false(follow_page_done(&f, &a, LIMIT));
	assert_int_equal(f.cursor, 100);
	a = answer_of(0, 0, 100);
	assert_false(follow_page_done(&f, &a, LIMIT));
	assert_int_equal(f.cursor, 100);
}

/* The newest is read before the rows. */
static void
an_event_beyond_the_newest_counts_G7(void **state)
{
	struct follow f = {.cursor = 7};
	const Fairlead__V1__EventListAnswer a = answer_of(2, 8, 9);

	(void)state;
	assert_false(follow_page_done(&f, &a, LIMIT));
	assert_int_equal(f.cursor, 10);
}

static void
what_is_gone_is_said_with_the_oldest_that_is_kept_G7(void **state)
{
	const struct follow f = {.cursor = 7};
	Fairlead__V1__EventListAnswer a = answer_of(0, 0, 1000);
	struct err err = {0};

	(void)state;
	a.gap = true;
	a.oldest_cursor = 901;
	assert_int_equal(follow_check(&f, &a, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "after cursor 7 are gone"));
	assert_non_null(strstr(err.text, "901"));
	assert_non_null(strstr(err.hint, "--cursor 900"));
}

static void
a_cursor_ahead_of_the_cell_is_said_G7(void **state)
{
	const struct follow f = {.cursor = 7};
	const Fairlead__V1__EventListAnswer a = answer_of(0, 0, 5);
	struct err err = {0};

	(void)state;
	assert_int_equal(follow_check(&f, &a, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err.text, "cursor 7 is ahead of the newest event, 5"));
}

static void
one_asks_for_a_session_a_host_or_a_time(void **state)
{
	struct follow f = {0};
	Fairlead__V1__Event e = FAIRLEAD__V1__EVENT__INIT;

	(void)state;
	e.session = (char *)(uintptr_t)"web";
	e.host = (char *)(uintptr_t)"h1";
	e.at_us = 50;
	assert_true(follow_wants(&f, &e));
	f.session = "web";
	assert_true(follow_wants(&f, &e));
	f.session = "we";
	assert_false(follow_wants(&f, &e));
	f.session = NULL;
	f.host = "h2";
	assert_false(follow_wants(&f, &e));
	f.host = "h1";
	f.since_us = 50;
	assert_true(follow_wants(&f, &e));
	f.since_us = 51;
	assert_false(follow_wants(&f, &e));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_number_is_known_or_next_or_after_something_missing_G7),
	    cmocka_unit_test(a_full_page_goes_on_behind_its_last_event_G7),
	    cmocka_unit_test(a_page_that_is_not_full_reaches_the_newest_G7),
	    cmocka_unit_test(an_event_beyond_the_newest_counts_G7),
	    cmocka_unit_test(what_is_gone_is_said_with_the_oldest_that_is_kept_G7),
	    cmocka_unit_test(a_cursor_ahead_of_the_cell_is_said_G7),
	    cmocka_unit_test(one_asks_for_a_session_a_host_or_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
