#include "test.h"

#include <string.h>

#include <jansson.h>

#include "arena.h"
#include "codec.h"
#include "schema.h"

static const char *
text_at(const json_t *schema, const char *field, const char *key)
{
	return json_string_value(
	    json_object_get(json_object_get(json_object_get(schema, "properties"), field), key));
}

static void
every_message_has_a_schema_that_is_json(void **state)
{
	struct arena *a = arena_new(0);

	(void)state;
	for (size_t i = 0; wire_descriptor_at(i); i++) {
		char *text = wire_json_schema(wire_descriptor_at(i), a);
		assert_non_null(text);
		json_t *schema = json_loads(text, 0, NULL);
		assert_non_null(schema);
		assert_string_equal(json_string_value(json_object_get(schema, "title")),
		    wire_descriptor_at(i)->short_name);
		assert_int_equal(json_object_size(json_object_get(schema, "properties")),
		    wire_descriptor_at(i)->n_fields);
		assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
		json_decref(schema);
		arena_reset(a);
	}
	arena_free(a);
}

static void
types_are_what_the_decoder_takes(void **state)
{
	struct arena *a = arena_new(0);
	json_t *item =
	    json_loads(wire_json_schema(wire_descriptor_find("CommandItem"), a), 0, NULL);
	json_t *spec =
	    json_loads(wire_json_schema(wire_descriptor_find("ExecutorSpec"), a), 0, NULL);
	json_t *names;

	(void)state;
	assert_string_equal(text_at(item, "executor_id", "pattern"), "^([0-9A-Fa-f]{32})?$");
	assert_string_equal(text_at(item, "name", "type"), "string");
	assert_string_equal(text_at(item, "attempt", "type"), "integer");
	assert_string_equal(text_at(item, "spec", "type"), "object");
	names = json_object_get(
	    json_object_get(json_object_get(item, "properties"), "desired"), "enum");
	assert_int_equal(json_array_size(names), 3);
	assert_string_equal(json_string_value(json_array_get(names, 0)), "run");
	assert_string_equal(text_at(spec, "env", "type"), "object");
	assert_string_equal(text_at(spec, "command", "type"), "array");
	json_decref(item);
	json_decref(spec);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_message_has_a_schema_that_is_json),
	    cmocka_unit_test(types_are_what_the_decoder_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
