#include "test.h"

#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "fairlead/v1/api.pb-c.h"
#include "fairlead/v1/common.pb-c.h"
#include "fairlead/v1/host.pb-c.h"
#include "headers.h"

static const char *
header(const struct wire_headers *h, const char *name)
{
	for (size_t i = 0; i < h->count; i++)
		if (strcmp(h->rows[i].name, name) == 0)
			return h->rows[i].value;
	return NULL;
}

/* A message written as JSON must have this kind and summary. */
static void
assert_readable(const char *message, const char *json, const char *kind, const char *summary)
{
	struct arena *a = arena_new(0);
	ProtobufCMessage *m = NULL;
	struct wire_headers h;
	struct err err = {0};

	if (wire_decode(
		wire_descriptor_find(message), WIRE_JSON, json, strlen(json), a, &m, &err) != 0)
		fail_msg("%s: %s", json, err.text);
	wire_headers_of(&h, m, WIRE_PROTOBUF, "h1", NULL, a);
	assert_string_equal(header(&h, HEADER_KIND), kind);
	assert_string_equal(header(&h, HEADER_SUMMARY), summary);
	assert_string_equal(header(&h, HEADER_HOST), "h1");
	assert_null(header(&h, HEADER_TRACE));
	assert_ptr_equal(wire_descriptor_of(header(&h, HEADER_CONTENT_TYPE)), m->descriptor);
	arena_free(a);
}

#define ID "0102030405060708090a0b0c0d0e0f10"

static void
every_message_says_in_one_line_what_it_is(void **state)
{
	(void)state;
	assert_readable("Command", "{\"items\":[{\"desired\":\"run\",\"name\":\"web/0\"}]}",
	    "command", "run web/0");
	assert_readable("Command",
	    "{\"items\":[{\"desired\":\"stop\",\"executor_id\":\"" ID "\"},{},{}]}", "command",
	    "stop " ID " +2");
	assert_readable("Command", "{\"items\":[{\"desired\":\"absent\",\"name\":\"web/0\"}]}",
	    "command", "forget web/0");
	assert_readable("Command", "{}", "command", "nothing");
	assert_readable("Report", "{\"executors\":[{\"name\":\"web/0\",\"state\":\"running\"}]}",
	    "report", "report web/0 running");
	assert_readable("Report",
	    "{\"executors\":[{\"executor_id\":\"" ID "\",\"gone_generation\":2}]}", "report",
	    "report " ID " gone");
	assert_readable("Report",
	    "{\"executors\":[{\"name\":\"web/0\",\"state\":\"running\",\"incarnation\":2}]}",
	    "report", "report web/0 running, run 2");
	assert_readable("Report", "{}", "report", "report nothing");
	assert_readable("Heartbeat", "{\"host_id\":\"h1\",\"contiguous_seq\":4}", "heartbeat",
	    "heartbeat h1 seq 4");
	assert_readable("HeartbeatAnswer", "{\"verdict\":\"heartbeat_ok\",\"host_seq\":4}",
	    "heartbeat", "heartbeat ok seq 4");
	assert_readable(
	    "Hello", "{\"host_id\":\"h1\",\"start_no\":2}", "hello", "hello h1 start 2");
	assert_readable("HelloAnswer", "{\"verdict\":\"hello_accepted\",\"epoch\":3}",
	    "hello.answer", "hello accepted epoch 3");
	assert_readable(
	    "SyncRequest", "{\"host_id\":\"h1\",\"contiguous_seq\":9}", "sync", "sync h1 above 9");
	assert_readable("SyncAnswer", "{\"verdict\":\"sync_page\",\"as_of_seq\":9,\"last\":true}",
	    "sync.answer", "sync page of 0 as of 9 last");
	assert_readable("LogTailRequest", "{\"executor_id\":\"" ID "\"}", "logs", "logs " ID);
	assert_readable("LogTailRequest", "{\"executor_id\":\"" ID "\",\"name\":\"web/0\"}", "logs",
	    "logs web/0");
	assert_readable("LogTailAnswer", "{\"data\":\"aGkK\",\"total_bytes\":9}", "logs.answer",
	    "logs 3 of 9 bytes");
	assert_readable("LogTailAnswer", "{\"error\":{\"message\":\"gone\"}}", "logs.answer",
	    "logs refused: gone");
	assert_readable("Event",
	    "{\"cursor\":7,\"kind\":\"executor.failed\",\"session\":\"web\",\"executor\":\"web/0\","
	    "\"host\":\"h1\",\"text\":\"exit 7\"}",
	    "event", "executor.failed web/0 on h1: exit 7");
	assert_readable("Event", "{\"kind\":\"session.created\",\"session\":\"web\"}", "event",
	    "session.created web");
	assert_readable(
	    "Event", "{\"kind\":\"host.ready\",\"host\":\"h1\"}", "event", "host.ready h1");
	assert_readable(
	    "Error", "{\"kind\":\"invalid\",\"message\":\"no\"}", "error", "invalid: no");
}

/* An executor report whose other fields are these, and how its summary goes on behind the name. */
static void
assert_report_ends(const char *fields, const char *rest)
{
	char json[200], summary[100];

	snprintf(json, sizeof(json), "{\"executors\":[{\"name\":\"web/0\",%s}]}", fields);
	snprintf(summary, sizeof(summary), "report web/0 %s", rest);
	assert_readable("Report", json, "report", summary);
}

static void
a_report_says_how_it_ended(void **state)
{
	(void)state;
	assert_report_ends("\"state\":\"succeeded\",\"exit_code\":0", "succeeded");
	assert_report_ends("\"state\":\"failed\",\"exit_code\":7", "failed, exit 7");
	assert_report_ends(
	    "\"state\":\"failed\",\"exit_code\":-1,\"signal\":9", "failed, signal 9");
	assert_report_ends(
	    "\"state\":\"failed\",\"signal\":9,\"oom\":true", "failed, out of memory");
	assert_report_ends("\"state\":\"failed\",\"exit_code\":-1,\"reason\":\"host_reboot\"",
	    "failed, host_reboot");
	assert_report_ends(
	    "\"state\":\"failed\",\"exit_code\":7,\"gone_generation\":2", "failed, exit 7, gone");
	assert_report_ends("\"state\":\"running\",\"exit_code\":-1", "running");
}

static void
api_messages_are_named_by_their_endpoint_and_object(void **state)
{
	(void)state;
	assert_readable("SessionCreateRequest", "{\"spec\":{\"name\":\"web\"}}", "session.create",
	    "session.create web");
	assert_readable(
	    "HostCordonRequest", "{\"host_id\":\"h9\"}", "host.cordon", "host.cordon h9");
	assert_readable("SessionListRequest", "{}", "session.list", "session.list");
	assert_readable("ExecutorStopAnswer", "{}", "executor.stop.answer", "executor.stop.answer");
	assert_readable("SessionGetAnswer", "{\"session\":{\"name\":\"web\"}}",
	    "session.get.answer", "session.get.answer web");
}

static void
a_summary_is_one_short_line_whatever_the_message_holds(void **state)
{
	Fairlead__V1__Error e = FAIRLEAD__V1__ERROR__INIT;
	struct arena *a = arena_new(0);
	struct wire_headers h;
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "a\r\nb\xff", 5);
	text[sizeof(text) - 1] = '\0';
	e.kind = (char *)(uintptr_t)"invalid";
	e.message = text;
	wire_headers_of(&h, &e.base, WIRE_JSON, NULL, "00-1-2-01", a);
	assert_memory_equal(header(&h, HEADER_SUMMARY), "invalid: a??b?xxx", 17);
	assert_true(strlen(header(&h, HEADER_SUMMARY)) < 200);
	assert_string_equal(header(&h, HEADER_TRACE), "00-1-2-01");
	assert_null(header(&h, HEADER_HOST));
	assert_string_equal(header(&h, HEADER_CONTENT_TYPE), "application/json");
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_message_says_in_one_line_what_it_is),
	    cmocka_unit_test(a_report_says_how_it_ended),
	    cmocka_unit_test(api_messages_are_named_by_their_endpoint_and_object),
	    cmocka_unit_test(a_summary_is_one_short_line_whatever_the_message_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
