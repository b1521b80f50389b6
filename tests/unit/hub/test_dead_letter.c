/* dead_letter_read: what was put aside is told to people, whoever put it there. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "bus.h"
#include "clock.h"
#include "dead_letter_read.h"
#include "err.h"
#include "hub_bounds.h"
#include "streams.h"

struct rig {
	struct bus *bus;
	struct arena *arena;
	struct dead_letter_page page;
	struct err err;
};

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->bus = bus_memory_new(clock_system(), false);
	r->arena = arena_new(0);
	assert_int_equal(streams_ensure(r->bus, "fl", 1, &r->err), 0);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;

	bus_free(r->bus);
	arena_free(r->arena);
	free(r);
	return 0;
}

static uint64_t
put(struct rig *r, const char *subject, const char *body, const struct bus_header *headers,
    size_t n)
{
	const struct bus_out out = {.subject = subject,
	    .data = body,
	    .size = strlen(body),
	    .headers = headers,
	    .header_count = n};
	struct bus_ack ack;

	assert_int_equal(bus_js_publish(r->bus, &out, 1000, &ack, &r->err), 0);
	return ack.stream_seq;
}

static uint64_t
letter(struct rig *r, const char *host, const char *body)
{
	char subject[64], about[64];
	const struct bus_header headers[] = {
	    {"Fl-Reason", "host_id is missing"}, {"Fl-Subject", about}};

	snprintf(subject, sizeof(subject), "fl.dead.invalid.%s", host);
	snprintf(about, sizeof(about), "fl.rpt.%s", host);
	return put(r, subject, body, headers, COUNT_OF(headers));
}

static void
list(struct rig *r, struct dead_letter_query q)
{
	q.prefix = "fl";
	q.limit = q.limit ? q.limit : 100;
	assert_int_equal(dead_letter_list(r->bus, &q, r->arena, &r->page, &r->err), 0);
}

static void
the_newest_letter_comes_first_with_its_reason_and_what_it_is_about_C7(void **state)
{
	struct rig *r = *state;

	letter(r, "h1", "\x7fnot a report");
	letter(r, "h2", "{\"host_id\": \"h2\"}");
	list(r, (struct dead_letter_query){0});
	assert_int_equal(r->page.n, 2);
	assert_int_equal(r->page.next, 0);
	assert_int_equal(r->page.rows[0]->seq, 2);
	assert_string_equal(r->page.rows[0]->host, "h2");
	assert_string_equal(r->page.rows[0]->subject, "fl.rpt.h2");
	assert_string_equal(r->page.rows[0]->reason, "invalid");
	assert_string_equal(r->page.rows[0]->text, "host_id is missing");
	assert_string_equal(r->page.rows[0]->type, "fairlead.v1.Report");
	assert_int_equal(r->page.rows[0]->body_size, strlen("{\"host_id\": \"h2\"}"));
	assert_string_equal(r->page.rows[1]->payload, "not readable as its type");
	assert_true(r->page.rows[0]->at_us > 0);
	assert_true(r->page.rows[0]->at_us >= r->page.rows[1]->at_us);
}

static void
an_advisory_names_the_message_and_its_sender_while_its_stream_has_it_K18(void **state)
{
	struct rig *r = *state;
	char body[256];
	uint64_t seq = put(r, "fl.rpt.h7", "{\"host_id\": \"h7\"}", NULL, 0);

	snprintf(body, sizeof(body),
	    "{\"type\": \"io.nats.jetstream.advisory.v1.max_deliver\", \"stream\": \"FL_REPORTS\", "
	    "\"consumer\": \"probe\", \"stream_seq\": %d, \"deliveries\": 3}",
	    (int)seq);
	put(r, "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.FL_REPORTS.probe", body, NULL, 0);
	put(r, "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.FL_REPORTS.probe",
	    "{\"stream\": \"FL_REPORTS\", \"consumer\": \"probe\", \"stream_seq\": 99, "
	    "\"deliveries\": 1, \"reason\": \"said\\nso\"}",
	    NULL, 0);
	put(r, "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.FL_REPORTS.other", "no json", NULL, 0);
	list(r, (struct dead_letter_query){0});
	assert_int_equal(r->page.n, 3);
	assert_string_equal(r->page.rows[0]->text, "an advisory that is not readable");
	assert_string_equal(r->page.rows[1]->reason, "terminated");
	assert_string_equal(r->page.rows[1]->text, "said so");
	assert_string_equal(r->page.rows[1]->payload, "no longer in its stream");
	assert_string_equal(r->page.rows[2]->reason, "max_deliveries");
	assert_string_equal(r->page.rows[2]->host, "h7");
	assert_string_equal(r->page.rows[2]->subject, "fl.rpt.h7");
	assert_string_equal(r->page.rows[2]->stream, "FL_REPORTS");
	assert_string_equal(r->page.rows[2]->consumer, "probe");
	assert_int_equal(r->page.rows[2]->deliveries, 3);
	assert_string_equal(r->page.rows[2]->text,
	    "consumer probe of FL_REPORTS gave up message 1 after 3 deliveries");
	list(r, (struct dead_letter_query){.host = "h7"});
	assert_int_equal(r->page.n, 1);
	list(r, (struct dead_letter_query){.reason = "terminated"});
	assert_int_equal(r->page.n, 2);
}

static void
pages_end_at_their_bounds_and_lose_nothing_between_them(void **state)
{
	struct rig *r = *state;
	uint64_t next = 0, expected = LETTERS_LOOKED_AT + 10;
	unsigned pages = 0;

	letter(r, "rare", "x");
	for (unsigned i = 1; i < LETTERS_LOOKED_AT + 10; i++)
		letter(r, "often", "x");
	do {
		list(r, (struct dead_letter_query){.before = next, .limit = 100});
		for (size_t i = 0; i < r->page.n; i++)
			assert_int_equal(r->page.rows[i]->seq, expected--);
		next = r->page.next;
		pages++;
	} while (next > 0);
	assert_int_equal(expected, 0);
	assert_int_equal(pages, 3);
	/* One letter far down: a page may find nothing and say where to go on. */
	list(r, (struct dead_letter_query){.host = "rare"});
	assert_int_equal(r->page.n, 0);
	assert_int_equal(r->page.next, 11);
	list(r, (struct dead_letter_query){.host = "rare", .before = r->page.next});
	assert_int_equal(r->page.n, 1);
	assert_int_equal(r->page.next, 0);
}

static void
what_is_older_than_asked_for_is_left_out(void **state)
{
	struct rig *r = *state;

	list(r, (struct dead_letter_query){0});
	assert_int_equal(r->page.n, 0);
	letter(r, "h1", "x");
	list(r,
	    (struct dead_letter_query){.since_us = clock_real_us(clock_system()) - SECOND_US * 60});
	assert_int_equal(r->page.n, 1);
	list(r,
	    (struct dead_letter_query){.since_us = clock_real_us(clock_system()) + SECOND_US * 60});
	assert_int_equal(r->page.n, 0);
	assert_int_equal(r->page.next, 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(the_newest_letter_comes_first_with_its_reason_and_what_it_is_about_C7),
	    TEST(an_advisory_names_the_message_and_its_sender_while_its_stream_has_it_K18),
	    TEST(pages_end_at_their_bounds_and_lose_nothing_between_them),
	    TEST(what_is_older_than_asked_for_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
