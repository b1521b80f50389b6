#include "test.h"

#include <string.h>

#include "arena.h"
#include "codec.h"
#include "err.h"
#include "fairlead/v1/api.pb-c.h"
#include "yaml_tree.h"

static struct arena *arena;

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(0);
	return arena ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static char *
yaml_of(const char *json)
{
	struct err err = {0};
	ProtobufCMessage *m = NULL;
	char *yaml = NULL;

	if (wire_decode(&fairlead__v1__session_spec__descriptor, WIRE_JSON, json, strlen(json),
		arena, &m, &err) != 0 ||
	    wire_to_yaml(m, arena, &yaml, &err) != 0)
		fail_msg("%s", err.text);
	return yaml;
}

static void
assert_line(const char *yaml, const char *line)
{
	if (!strstr(yaml, line))
		fail_msg("no line \"%s\" in:\n%s", line, yaml);
}

static void
a_message_reads_as_people_write_yaml(void **state)
{
	const char *yaml;

	(void)state;
	yaml = yaml_of("{\"name\": \"web\", \"replicas\": 3, \"executor\": {"
		       "\"driver\": \"process\", \"command\": [\"sleep\", \"60\"]}}");
	assert_int_equal(strncmp(yaml, "name: web\n", 10), 0);
	assert_line(yaml, "\nreplicas: 3\n");
	assert_line(yaml, "\nexecutor:\n");
	assert_line(yaml, "\n  driver: process\n");
	assert_line(yaml, "\n  command:\n  - sleep\n  - '60'\n");
}

static void
text_that_could_be_something_else_is_quoted(void **state)
{
	const char *yaml;

	(void)state;
	yaml = yaml_of("{\"executor\": {\"command\": [\"no\", \"True\", \"null\", \"\", \"~\", "
		       "\"1.10\", \"-1\", \".5\", \"0x1f\", \"2026-11-21\", \"a: b\", \"a #b\", "
		       "\"two\\nlines\", \"north\"]}}");
	assert_line(yaml, "- 'no'\n  - 'True'\n  - 'null'\n  - ''\n  - '~'\n  - '1.10'\n  - '-1'\n"
			  "  - '.5'\n  - '0x1f'\n  - '2026-11-21'\n  - 'a: b'\n  - 'a #b'\n"
			  "  - \"two\\nlines\"\n  - north\n");
}

/* What is read back is what JSON says, to the last character. */
static void
yaml_reads_back_as_the_same_tree(void **state)
{
	static const char json[] =
	    "{\"name\": \"web\", \"replicas\": 2, \"executor\": {\"command\": [\"sh\", \"-c\", "
	    "\"while :; do\\n\\techo \\\"it's\\\" # {a: [b]}\\ndone\\n\", \" lead\", \"trail \", "
	    "\"\\u00e4\\u20ac\", \"yes\", \"00012\", \"* & ! | > % @ `\", \"a  b\", \"---\", "
	    "\"x\\u0085y\\u2028z\"], "
	    "\"env\": {\"y\": \"n\", \"12\": \"1e3\", \"a b\": \"\"}}}";
	struct yaml_tree docs[2];
	ProtobufCMessage *m = NULL;
	struct err err = {0};
	char *yaml = NULL, *text = NULL;
	json_t *expected;
	size_t n = 0;

	(void)state;
	if (wire_decode(&fairlead__v1__session_spec__descriptor, WIRE_JSON, json, strlen(json),
		arena, &m, &err) != 0 ||
	    wire_to_json(m, 0, arena, &text, &err) != 0 ||
	    wire_to_yaml(m, arena, &yaml, &err) != 0 ||
	    yaml_tree_load("x", yaml, strlen(yaml), docs, 2, &n, &err) != 0)
		fail_msg("%s\n%s", err.text, yaml ? yaml : "");
	assert_int_equal(n, 1);
	expected = json_loads(text, 0, NULL);
	assert_non_null(expected);
	if (!json_equal(expected, docs[0].json))
		fail_msg("another tree:\n%s\n%s", text, yaml);
	json_decref(expected);
	yaml_tree_done(docs, n);
}

static void
an_empty_message_is_an_empty_mapping(void **state)
{
	Fairlead__V1__SessionUndoRequest q = FAIRLEAD__V1__SESSION_UNDO_REQUEST__INIT;
	struct err err = {0};
	char *yaml = NULL;

	(void)state;
	if (wire_to_yaml(&q.base, arena, &yaml, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(yaml, "{}\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_message_reads_as_people_write_yaml, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		text_that_could_be_something_else_is_quoted, setup, teardown),
	    cmocka_unit_test_setup_teardown(yaml_reads_back_as_the_same_tree, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_empty_message_is_an_empty_mapping, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
