#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "codec.h"
#include "err.h"
#include "fairlead/v1/api.pb-c.h"
#include "fairlead/v1/common.pb-c.h"
#include "fairlead/v1/host.pb-c.h"
#include "id.h"

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

static int
decode_json(const ProtobufCMessageDescriptor *d, const char *text, void *ret, struct err *err)
{
	ProtobufCMessage *m = NULL;
	int result = wire_decode(d, WIRE_JSON, text, strlen(text), arena, &m, err);

	if (ret)
		*(ProtobufCMessage **)ret = m;
	return result;
}

/* The message must be refused with all of these words. */
static void
assert_refused(
    const ProtobufCMessageDescriptor *d, const char *json, const char *field, const char *words)
{
	struct err err = {0};

	if (decode_json(d, json, NULL, &err) == 0)
		fail_msg("%s was taken", json);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(err.field, field);
	if (!strstr(err.text, words))
		fail_msg("%s: %s", json, err.text);
}

static void
json_has_the_form_people_expect(void **state)
{
	static const char *const text =
	    "{\"host_id\":\"h1\",\"journal_id\":\"0102030405060708090a0b0c0d0e0f10\",\"executors\":"
	    "["
	    "{\"accepted_generation\":\"9007199254740993\",\"gone_generation\":9007199254740992,"
	    "\"incarnation\":0,\"state\":\"running\",\"started\":true,\"exit_code\":-1,"
	    "\"signal\":0,\"oom\":false,\"at_us\":0,\"starting_after_us\":0,"
	    "\"running_after_us\":0,\"ended_after_us\":0,\"change_no\":0}]}";
	Fairlead__V1__Report *report;
	char *back;
	struct err err;

	(void)state;
	assert_int_equal(decode_json(&fairlead__v1__report__descriptor, text, &report, &err), 0);
	assert_int_equal(report->journal_id.len, 16);
	assert_int_equal(report->journal_id.data[15], 0x10);
	assert_int_equal(report->n_executors, 1);
	assert_int_equal(report->executors[0]->state, FAIRLEAD__V1__EXECUTOR_STATE__RUNNING);
	assert_true(report->executors[0]->accepted_generation == (1ULL << 53) + 1);
	assert_int_equal(report->executors[0]->exit_code, -1);
	assert_int_equal(wire_to_json(&report->base, 0, arena, &back, &err), 0);
	assert_string_equal(back, text);
}

static void
entries_are_objects_and_other_bytes_are_base64(void **state)
{
	Fairlead__V1__ExecutorSpec *spec;
	Fairlead__V1__ExecutorLogsAnswer *logs;
	char *back;
	struct err err;

	(void)state;
	assert_int_equal(
	    decode_json(&fairlead__v1__executor_spec__descriptor,
		"{\"env\": {\"MODE\": \"prod\", \"EMPTY\": \"\"}, \"command\": [\"a\", "
		"\"\"], \"user\": null}",
		&spec, &err),
	    0);
	assert_int_equal(spec->n_env, 2);
	assert_string_equal(spec->env[0]->key, "MODE");
	assert_string_equal(spec->env[1]->value, "");
	assert_int_equal(spec->n_command, 2);
	assert_string_equal(spec->user, "");
	assert_int_equal(decode_json(&fairlead__v1__executor_logs_answer__descriptor,
			     "{\"data\": \"aGkK\", \"total_bytes\": \"3\"}", &logs, &err),
	    0);
	assert_int_equal(logs->data.len, 3);
	assert_memory_equal(logs->data.data, "hi\n", 3);
	assert_int_equal(logs->total_bytes, 3);
	assert_int_equal(wire_to_json(&logs->base, 0, arena, &back, &err), 0);
	assert_string_equal(back, "{\"data\":\"aGkK\",\"total_bytes\":3}");
}

static void
zero_replicas_and_none_said_are_different(void **state)
{
	Fairlead__V1__SessionSpec *spec;
	char *back;
	struct err err;

	(void)state;
	assert_int_equal(
	    decode_json(&fairlead__v1__session_spec__descriptor, "{}", &spec, &err), 0);
	assert_int_equal(
	    spec->replicas_set_case, FAIRLEAD__V1__SESSION_SPEC__REPLICAS_SET__NOT_SET);
	assert_int_equal(
	    decode_json(&fairlead__v1__session_spec__descriptor, "{\"replicas\":0}", &spec, &err),
	    0);
	assert_int_equal(
	    spec->replicas_set_case, FAIRLEAD__V1__SESSION_SPEC__REPLICAS_SET_REPLICAS);
	assert_int_equal(wire_to_json(&spec->base, 0, arena, &back, &err), 0);
	assert_non_null(strstr(back, "\"replicas\":0"));
}

static void
bad_json_is_refused_with_its_path_and_what_is_allowed(void **state)
{
	const ProtobufCMessageDescriptor *report = &fairlead__v1__report__descriptor;
	const ProtobufCMessageDescriptor *create =
	    &fairlead__v1__session_create_request__descriptor;

	(void)state;
	assert_refused(create, "{\"spec\":{\"replica\":1}}", "spec.replica", "allowed: name, pool");
	assert_refused(create, "{\"spec\":[]}", "spec", "expected an object, found a list");
	assert_refused(create, "{\"spec\":{\"name\":5}}", "spec.name", "expected a string");
	assert_refused(create, "{\"spec\":{\"replicas\":-1}}", "spec.replicas", "out of range");
	assert_refused(create, "{\"spec\":{\"replicas\":4294967296}}", "spec.replicas",
	    "allowed: 0 to 4294967295");
	assert_refused(create, "{\"spec\":{\"replicas\":1.5}}", "spec.replicas", "whole number");
	assert_refused(create, "{\"spec\":{\"replicas\":\"1\"}}", "spec.replicas", "whole number");
	assert_refused(create, "{\"wait_for_hosts\":1}", "wait_for_hosts", "true or false");
	assert_refused(create, "{\"spec\":{\"executor\":{\"env\":[]}}}", "spec.executor.env",
	    "expected an object");
	assert_refused(create, "{\"spec\":{\"executor\":{\"env\":{\"A\":1}}}}",
	    "spec.executor.env.A", "expected a string");
	assert_refused(create, "{\"spec\":{\"executor\":{\"command\":[\"a\",null]}}}",
	    "spec.executor.command[1]", "found null");
	assert_refused(report, "{\"executors\":[{},{\"state\":\"walking\"}]}", "executors[1].state",
	    "allowed: queued, placed");
	assert_refused(
	    report, "{\"executors\":[{\"state\":70}]}", "executors[0].state", "a string");
	assert_refused(report, "{\"journal_id\":\"abc\"}", "journal_id", "32 hex digits");
	assert_refused(
	    report, "{\"executors\":[{\"change_no\":\"-1\"}]}", "executors[0].change_no", "64-bit");
	assert_refused(report, "{\"executors\":[{\"change_no\":\"18446744073709551616\"}]}",
	    "executors[0].change_no", "64-bit");
	assert_refused(
	    &fairlead__v1__executor_logs_answer__descriptor, "{\"data\":\"a\"}", "data", "base64");
	assert_refused(report, "[]", "message", "expected an object");
	assert_refused(report, "{", "message", "not JSON");
	assert_refused(report, "{\"host_id\":\"a\",\"host_id\":\"b\"}", "message", "duplicate");
	assert_refused(report, "{\"host_id\":\"a\\u0000b\"}", "message", "not JSON");
	assert_refused(report, "{\"host_id\":\"\xff\"}", "message", "not JSON");
}

static void
an_empty_json_body_is_an_empty_message(void **state)
{
	Fairlead__V1__SessionListRequest *m;
	struct err err;

	(void)state;
	assert_int_equal(
	    decode_json(&fairlead__v1__session_list_request__descriptor, "", &m, &err), 0);
	assert_string_equal(m->pool, "");
	assert_int_equal(
	    decode_json(&fairlead__v1__session_list_request__descriptor, " \n", &m, &err), 0);
}

struct bytes_case {
	const char *bytes;
	size_t size;
	const char *field, *words;
};

/* Report: 1 host_id, 2 journal_id, 4 executors { 1 executor_id, 3 gone, 5 state, 9 reason }. */
static void
bad_bytes_are_refused_with_the_field_C7(void **state)
{
#define BYTES(text, field, words) {text, sizeof(text) - 1, field, words}
	static const struct bytes_case cases[] = {
	    BYTES("\x0a\x05h1", "host_id", "cut off"),
	    BYTES("\x0a\x02\xff\xff", "host_id", "not UTF-8"),
	    BYTES("\x0a\x02h\x00", "host_id", "NUL"),
	    BYTES("\x0a\x03\xed\xa0\x80", "host_id", "not UTF-8"),
	    BYTES("\x0a\x02\xc0\x80", "host_id", "not UTF-8"),
	    BYTES("\x08\x01", "host_id", "wire type 0"),
	    BYTES("\x0b\x0c", "host_id", "wire type 3"),
	    BYTES("\x12\x03"
		  "abc",
		"journal_id", "16 bytes"),
	    BYTES("\x0a\x01"
		  "a\x0a\x01"
		  "b",
		"host_id", "twice"),
	    BYTES("\x22\x02\x28\x47", "executors[0].state", "71 is not a known value"),
	    BYTES("\x22\x00\x22\x02\x28\x47", "executors[1].state", "71"),
	    BYTES(
		"\x22\x0b\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "executors[0].state", "-1"),
	    BYTES("\x22\x02\x28\x80", "executors[0].state", "cut off"),
	    BYTES("\x00", "message", "not protobuf"),
	    BYTES("\xff\xff\xff\xff\xff\xff", "message", "not protobuf"),
	    BYTES("\x9a\x06\x7f", "(unknown)", "cut off"),
	};
#undef BYTES

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		ProtobufCMessage *m;
		struct err err = {0};
		if (wire_decode(&fairlead__v1__report__descriptor, WIRE_PROTOBUF, cases[i].bytes,
			cases[i].size, arena, &m, &err) == 0)
			fail_msg("case %zu was taken", i);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.field, cases[i].field);
		if (!strstr(err.text, cases[i].words))
			fail_msg("case %zu: %s", i, err.text);
	}
}

static void
fields_of_a_newer_peer_are_skipped(void **state)
{
	static const uint8_t bytes[] = {0x0a, 2, 'h', '1', 0x9a, 0x06, 2, 'x', 'y', 0x98, 0x06, 5};
	ProtobufCMessage *m;
	struct err err;

	(void)state;
	assert_int_equal(wire_decode(&fairlead__v1__report__descriptor, WIRE_PROTOBUF, bytes,
			     sizeof(bytes), arena, &m, &err),
	    0);
	assert_string_equal(((Fairlead__V1__Report *)m)->host_id, "h1");
}

static void
too_large_and_too_many_are_limits(void **state)
{
	size_t size = 2 * (size_t)(WIRE_FIELDS_MAX + 1);
	uint8_t *bytes = arena_alloc(arena, WIRE_BYTES_MAX + 1);
	struct arena *small = arena_new(1000);
	ProtobufCMessage *m;
	struct err err = {0};

	(void)state;
	assert_int_equal(wire_decode(&fairlead__v1__report__descriptor, WIRE_PROTOBUF, bytes,
			     WIRE_BYTES_MAX + 1, arena, &m, &err),
	    -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	for (size_t i = 0; i < size; i += 2)
		bytes[i] = 0x22; /* an empty executor report */
	assert_int_equal(wire_decode(&fairlead__v1__report__descriptor, WIRE_PROTOBUF, bytes, size,
			     arena, &m, &err),
	    -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	/* What is allowed but does not fit in this arena. */
	assert_int_equal(wire_decode(&fairlead__v1__report__descriptor, WIRE_PROTOBUF, bytes, 1000,
			     small, &m, &err),
	    -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	arena_free(small);
}

static void
text_that_is_not_utf8_is_sent_with_question_marks(void **state)
{
	Fairlead__V1__Error e = FAIRLEAD__V1__ERROR__INIT;
	enum wire_encoding encodings[] = {WIRE_PROTOBUF, WIRE_JSON};

	(void)state;
	e.message = (char *)(uintptr_t)"caf\xc3\xa9 \xff\xe2\x82";
	for (size_t i = 0; i < COUNT_OF(encodings); i++) {
		ProtobufCMessage *m;
		struct err err;
		void *data;
		size_t size;
		assert_int_equal(wire_encode(&e.base, encodings[i], arena, &data, &size, &err), 0);
		assert_int_equal(
		    wire_decode(e.base.descriptor, encodings[i], data, size, arena, &m, &err), 0);
		assert_string_equal(((Fairlead__V1__Error *)m)->message, "caf\xc3\xa9 ???");
	}
}

static void
the_content_type_names_the_message_and_decides_the_encoding(void **state)
{
	const ProtobufCMessageDescriptor *d = &fairlead__v1__report__descriptor;
	const char *type = wire_content_type(d, WIRE_PROTOBUF, arena);

	(void)state;
	assert_string_equal(type, "application/protobuf; type=fairlead.v1.Report");
	assert_ptr_equal(wire_descriptor_of(type), d);
	assert_ptr_equal(wire_descriptor_of("application/protobuf; type=Report; x=y"), d);
	assert_null(wire_descriptor_of("application/protobuf; type=Nothing"));
	assert_null(wire_descriptor_of("application/json"));
	assert_null(wire_descriptor_of(NULL));
	assert_string_equal(wire_content_type(d, WIRE_JSON, arena), "application/json");
	assert_int_equal(wire_encoding_of(type, "{}", 2), WIRE_PROTOBUF);
	assert_int_equal(wire_encoding_of("application/json", "\x0a", 1), WIRE_JSON);
	assert_int_equal(wire_encoding_of(NULL, " {}", 3), WIRE_JSON);
	assert_int_equal(wire_encoding_of("text/plain", "x{}", 3), WIRE_PROTOBUF);
	assert_int_equal(wire_encoding_of(NULL, NULL, 0), WIRE_PROTOBUF);
	assert_ptr_equal(wire_descriptor_find("fairlead.v1.Report"), d);
	assert_ptr_equal(wire_descriptor_find("Report"), d);
	assert_null(wire_descriptor_find("report"));
}

static void
every_message_of_the_schema_can_be_found_by_name(void **state)
{
	static const char *const directory = FL_SOURCE_DIR "/proto/fairlead/v1";
	DIR *d = opendir(directory);
	size_t found = 0;

	(void)state;
	assert_non_null(d);
	for (struct dirent *entry; (entry = readdir(d));) {
		char path[512], line[256], name[64];
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		FILE *file = strstr(entry->d_name, ".proto") ? fopen(path, "r") : NULL;
		while (file && fgets(line, sizeof(line), file)) {
			if (sscanf(line, "message %63[A-Za-z0-9]", name) != 1)
				continue;
			if (!wire_descriptor_find(name))
				fail_msg("%s has no row in messages.def", name);
			found++;
		}
		if (file)
			fclose(file);
	}
	closedir(d);
	assert_null(wire_descriptor_at(found));
	assert_non_null(wire_descriptor_at(found - 1));
}

static void
ids_are_sixteen_bytes_and_nothing_else(void **state)
{
	struct id id = id_from_parts(5, 6), back;
	ProtobufCBinaryData bytes = wire_bytes_of_id(&id, arena);
	struct err err = {0};

	(void)state;
	assert_int_equal(wire_id(&bytes, "executor_id", &back, &err), 0);
	assert_true(id_equal(&id, &back));
	bytes.len = 0;
	assert_int_equal(wire_id(&bytes, "executor_id", &back, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(err.field, "executor_id");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(json_has_the_form_people_expect),
	    TEST(entries_are_objects_and_other_bytes_are_base64),
	    TEST(zero_replicas_and_none_said_are_different),
	    TEST(bad_json_is_refused_with_its_path_and_what_is_allowed),
	    TEST(an_empty_json_body_is_an_empty_message),
	    TEST(bad_bytes_are_refused_with_the_field_C7),
	    TEST(fields_of_a_newer_peer_are_skipped),
	    TEST(too_large_and_too_many_are_limits),
	    TEST(text_that_is_not_utf8_is_sent_with_question_marks),
	    TEST(the_content_type_names_the_message_and_decides_the_encoding),
	    TEST(every_message_of_the_schema_can_be_found_by_name),
	    TEST(ids_are_sixteen_bytes_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
