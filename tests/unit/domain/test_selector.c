#include "test.h"

#include <string.h>

#include "arena.h"
#include "err.h"
#include "selector.h"

static const struct label labels[] = {{"zone", "a"}, {"tier", "gold"}, {"gpu", ""}};

static int
matches(const char *text)
{
	struct arena *a = arena_new(0);
	struct selector *s = NULL;
	struct err err = {0};

	if (selector_parse(text, a, &s, &err) != 0)
		fail_msg("\"%s\": %s", text, err.text);
	int result = selector_match(s, labels, COUNT_OF(labels));
	arena_free(a);
	return result;
}

static void
terms_match_as_the_grammar_says_P3(void **state)
{
	static const struct {
		const char *text;
		int result;
	} cases[] = {{NULL, 1}, {"", 1}, {"  ", 1}, {"gpu", 1}, {"edge", 0}, {"!edge", 1},
	    {"! gpu", 0}, {"zone = a", 1}, {"zone=b", 0}, {"zone!=b", 1}, {"zone != a", 0},
	    {"zone in (a,b)", 1}, {"zone in(b , c)", 0}, {"zone notin (b)", 1},
	    {"zone notin (a)", 0}, {"edge = x", 0}, {"edge != x", 1}, {"edge in (x)", 0},
	    {"edge notin (x)", 1}, {"zone in (a,b) && !edge && tier = gold && zone != c && gpu", 1},
	    {"zone = a && tier = silver", 0}, {"a.b/c-d_e = 1:2", 0}, {"in in (in)", 0}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (matches(cases[i].text) != cases[i].result)
			fail_msg("\"%s\" should be %d", cases[i].text, cases[i].result);
}

static void
an_error_points_at_the_token_and_its_position(void **state)
{
	static const struct {
		const char *text, *what;
	} cases[] = {{"zone =", "ends at position 7 where a value"},
	    {"zone = a b", "'b' at position 10"}, {"&& a", "'&&' at position 1"},
	    {"a &&", "ends at position 5"}, {"a & b", "'&' at position 3"},
	    {"a || b", "'|' at position 3"}, {"zone in a", "'a' at position 9 where ("},
	    {"zone in ()", "')' at position 10"}, {"zone in (a", "ends at position 11"},
	    {"zone in (a b)", "'b' at position 12"}, {"!", "ends at position 2"},
	    {"zone = (a)", "'(' at position 8"}, {"a = \"b\"", "'\"' at position 5"}};
	struct arena *a = arena_new(0);
	struct selector *s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err err = {0};
		assert_int_equal(selector_parse(cases[i].text, a, &s, &err), -1);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.field, "selector");
		if (!strstr(err.text, cases[i].what))
			fail_msg("\"%s\": %s", cases[i].text, err.text);
	}
	arena_free(a);
}

static void
length_and_number_of_terms_are_bounded(void **state)
{
	char text[SELECTOR_TEXT_MAX + 2];
	const char *terms = "a";
	struct arena *a = arena_new(0), *small = arena_new(64);
	struct selector *s;
	struct err err = {0};

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(selector_parse(text, a, &s, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	for (int i = 1; i < SELECTOR_TERMS_MAX; i++)
		terms = arena_printf(a, "%s&&a", terms);
	assert_int_equal(selector_parse(terms, a, &s, &err), 0);
	terms = arena_printf(a, "%s&&a", terms);
	assert_int_equal(selector_parse(terms, a, &s, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(selector_parse("a", small, &s, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	arena_free(small);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(terms_match_as_the_grammar_says_P3),
	    cmocka_unit_test(an_error_points_at_the_token_and_its_position),
	    cmocka_unit_test(length_and_number_of_terms_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
