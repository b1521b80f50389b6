#include "test.h"

#include <string.h>

#include "bus_internal.h"

static void
patterns_match_whole_tokens(void **state)
{
	(void)state;
	assert_true(bus_subject_match("a.b", "a.b"));
	assert_true(bus_subject_match("a.*", "a.b"));
	assert_true(bus_subject_match("a.>", "a.b.c"));
	assert_true(bus_subject_match(">", "a"));
	assert_true(bus_subject_match("*.b.*", "a.b.c"));
	assert_false(bus_subject_match("a.*", "a"));
	assert_false(bus_subject_match("a.*", "a.b.c"));
	assert_false(bus_subject_match("a.>", "a"));
	assert_false(bus_subject_match("a.b", "a.bc"));
	assert_false(bus_subject_match("a.bc", "a.b"));
	assert_false(bus_subject_match("a", "a.b"));
}

static void
wildcards_are_for_subscribers_only(void **state)
{
	static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a b", "a\tb", "a.>.b"};

	(void)state;
	assert_true(bus_subject_valid("a.*.c.>", true));
	assert_false(bus_subject_valid("a.*", false));
	assert_false(bus_subject_valid("a.>", false));
	assert_true(bus_subject_valid("a.b*c", false)); /* a token that only contains one */
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(bus_subject_valid(bad[i], true));
}

static void
a_republish_puts_wildcards_where_the_destination_wants_them(void **state)
{
	char out[BUS_SUBJECT_BYTES], tiny[8];

	(void)state;
	assert_true(
	    bus_subject_transform("fl.cmd.*", "fl.live.{{wildcard(1)}}", "fl.cmd.h1", out, 256));
	assert_string_equal(out, "fl.live.h1");
	assert_true(bus_subject_transform("a.*.*", "b.$2.$1", "a.x.y", out, 256));
	assert_string_equal(out, "b.y.x");
	assert_true(bus_subject_transform("a.>", "b.>", "a.x.y", out, 256));
	assert_string_equal(out, "b.x.y");
	assert_false(bus_subject_transform("a.*", "b.$2", "a.x", out, 256));
	assert_false(bus_subject_transform("a.*", "b.$1", "c.x", out, 256));
	assert_false(bus_subject_transform("a.*", "b.$1", "a.long-token", tiny, sizeof(tiny)));
}

static void
acknowledgement_subjects_are_read_in_both_forms(void **state)
{
	struct bus_ack_subject ack;

	(void)state;
	assert_true(bus_ack_subject_parse("$JS.ACK.S.C.3.17.5.1700000000.2", &ack));
	assert_string_equal(ack.stream, "S");
	assert_string_equal(ack.consumer, "C");
	assert_int_equal(ack.delivered, 3);
	assert_int_equal(ack.stream_seq, 17);
	assert_true(bus_ack_subject_parse("$JS.ACK.hub.ACC.S.C.3.17.5.1700000000.2.rnd", &ack));
	assert_string_equal(ack.stream, "S");
	assert_int_equal(ack.stream_seq, 17);
	assert_false(bus_ack_subject_parse("_INBOX.x", &ack));
	assert_false(bus_ack_subject_parse("$JS.ACK.S.C", &ack));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(patterns_match_whole_tokens),
	    cmocka_unit_test(wildcards_are_for_subscribers_only),
	    cmocka_unit_test(a_republish_puts_wildcards_where_the_destination_wants_them),
	    cmocka_unit_test(acknowledgement_subjects_are_read_in_both_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
