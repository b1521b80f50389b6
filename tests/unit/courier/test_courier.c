/* courier over the in-memory bus: what one side encodes the other decodes. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "bus.h"
#include "clock.h"
#include "courier.h"
#include "err.h"
#include "fairlead/v1/api.pb-c.h"
#include "fairlead/v1/common.pb-c.h"
#include "fairlead/v1/host.pb-c.h"
#include "headers.h"

struct fixture {
	struct bus *bus;
	struct arena *arena, *server_arena;
	struct bus_msg *seen; /* the last message the server got */
	struct bus_sub *sub;
	const char *answer_json; /* sent as it is, with these headers */
	struct bus_header headers[3];
	size_t header_count;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->bus = bus_memory_new(clock_system(), false);
	f->arena = arena_new(0);
	f->server_arena = arena_new(0);
	*state = f;
	return f->bus && f->arena && f->server_arena ? 0 : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->sub)
		bus_unsubscribe(f->sub);
	bus_msg_free(f->seen);
	bus_free(f->bus);
	arena_free(f->arena);
	arena_free(f->server_arena);
	free(f);
	return 0;
}

static void
serve(void *arg, const struct bus_msg *m)
{
	struct fixture *f = arg;
	struct err err;
	struct bus_out out = {.data = f->answer_json,
	    .size = f->answer_json ? strlen(f->answer_json) : 0,
	    .headers = f->headers,
	    .header_count = f->header_count};

	f->seen = bus_msg_copy(m);
	if (f->answer_json) {
		assert_int_equal(bus_respond(f->bus, m, &out, &err), 0);
		return;
	}
	Fairlead__V1__SessionListAnswer answer = FAIRLEAD__V1__SESSION_LIST_ANSWER__INIT;
	answer.next = (char *)(uintptr_t)"cursor";
	assert_int_equal(
	    courier_respond(f->bus, m, &answer.base, WIRE_JSON, f->server_arena, &err), 0);
}

static int
ask(struct fixture *f, Fairlead__V1__SessionListAnswer **ret, struct err *err)
{
	Fairlead__V1__SessionListRequest q = FAIRLEAD__V1__SESSION_LIST_REQUEST__INIT;
	struct courier_message m = {
	    .subject = "fl.api.v1.session.list", .who = "ann", .message = &q.base};
	ProtobufCMessage *answer = NULL;

	q.pool = (char *)(uintptr_t)"edge";
	if (!f->sub)
		assert_int_equal(
		    bus_subscribe(f->bus, m.subject, NULL, 0, serve, f, &f->sub, err), 0);
	int result = courier_request(f->bus, &m, 2000,
	    &fairlead__v1__session_list_answer__descriptor, f->arena, &answer, err);
	*ret = (Fairlead__V1__SessionListAnswer *)answer;
	return result;
}

static void
a_request_is_readable_and_its_answer_is_decoded_whatever_its_encoding(void **state)
{
	struct fixture *f = *state;
	Fairlead__V1__SessionListAnswer *answer;
	ProtobufCMessage *q;
	struct err err = {0};

	assert_int_equal(ask(f, &answer, &err), 0);
	assert_string_equal(answer->next, "cursor");
	assert_string_equal(bus_msg_header(f->seen, HEADER_KIND), "session.list");
	assert_string_equal(bus_msg_header(f->seen, HEADER_CONTENT_TYPE),
	    "application/protobuf; type=fairlead.v1.SessionListRequest");
	assert_string_equal(bus_msg_header(f->seen, "Fl-Who"), "ann");
	assert_int_equal(courier_decode(f->seen, &fairlead__v1__session_list_request__descriptor,
			     f->arena, &q, &err),
	    0);
	assert_string_equal(((Fairlead__V1__SessionListRequest *)q)->pool, "edge");
}

static void
a_service_error_comes_back_as_the_error_it_was(void **state)
{
	struct fixture *f = *state;
	Fairlead__V1__SessionListAnswer *answer;
	struct err err = {0};

	f->answer_json = "{\"kind\":\"conflict\",\"message\":\"web exists\",\"field\":\"name\","
			 "\"hint\":\"close it\"}";
	f->headers[f->header_count++] = (struct bus_header){"Nats-Service-Error-Code", "409"};
	f->headers[f->header_count++] = (struct bus_header){"Nats-Service-Error", "other words"};
	assert_int_equal(ask(f, &answer, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_string_equal(err.text, "web exists");
	assert_string_equal(err.field, "name");
	assert_string_equal(err.hint, "close it");
}

static void
a_service_error_without_a_body_we_know_is_read_from_its_headers(void **state)
{
	struct fixture *f = *state;
	Fairlead__V1__SessionListAnswer *answer;
	struct err err = {0};

	f->answer_json = "garbage";
	f->headers[f->header_count++] = (struct bus_header){"Nats-Service-Error-Code", "404"};
	f->headers[f->header_count++] = (struct bus_header){"Nats-Service-Error", "no such thing"};
	assert_int_equal(ask(f, &answer, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(err.text, "no such thing");
}

static void
an_answer_of_another_type_is_refused(void **state)
{
	struct fixture *f = *state;
	Fairlead__V1__SessionListAnswer *answer;
	struct err err = {0};

	f->answer_json = "";
	f->headers[f->header_count++] = (struct bus_header){
	    HEADER_CONTENT_TYPE, "application/protobuf; type=fairlead.v1.Report"};
	assert_int_equal(ask(f, &answer, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_non_null(strstr(err.text, "a Report came where a SessionListAnswer was expected"));
}

static void
a_message_over_its_subjects_bound_is_refused_with_the_limit(void **state)
{
	struct fixture *f = *state;
	Fairlead__V1__Heartbeat heartbeat = FAIRLEAD__V1__HEARTBEAT__INIT;
	struct courier_message m = {.message = &heartbeat.base};
	struct bus_out out;
	struct err err = {0};

	heartbeat.server = arena_alloc(f->arena, 5000);
	memset(heartbeat.server, 's', 4999);
	m.subject = "some.prefix.hb.h1";
	assert_int_equal(courier_encode(&m, f->arena, &out, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_non_null(strstr(err.text, "limit of 4096"));
	m.subject = "_INBOX.abc";
	assert_int_equal(courier_encode(&m, f->arena, &out, &err), 0);
	assert_string_equal(out.subject, "_INBOX.abc");
}

static void
what_is_published_carries_its_message_id_host_and_trace(void **state)
{
	struct fixture *f = *state;
	Fairlead__V1__Report report = FAIRLEAD__V1__REPORT__INIT;
	struct courier_message m = {.subject = "fl.rpt.h1",
	    .host = "h1",
	    .msg_id = "i:7",
	    .trace = "00-a-b-01",
	    .encoding = WIRE_JSON,
	    .message = &report.base};
	struct bus_out out;
	struct err err;
	size_t found = 0;

	assert_int_equal(courier_encode(&m, f->arena, &out, &err), 0);
	assert_string_equal(out.msg_id, "i:7");
	assert_null(out.reply);
	for (size_t i = 0; i < out.header_count; i++) {
		found += strcmp(out.headers[i].name, HEADER_HOST) == 0 &&
			 strcmp(out.headers[i].value, "h1") == 0;
		found += strcmp(out.headers[i].name, HEADER_TRACE) == 0 &&
			 strcmp(out.headers[i].value, "00-a-b-01") == 0;
	}
	assert_int_equal(found, 2);
	assert_memory_equal(out.data, "{", 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_request_is_readable_and_its_answer_is_decoded_whatever_its_encoding),
	    TEST(a_service_error_comes_back_as_the_error_it_was),
	    TEST(a_service_error_without_a_body_we_know_is_read_from_its_headers),
	    TEST(an_answer_of_another_type_is_refused),
	    TEST(a_message_over_its_subjects_bound_is_refused_with_the_limit),
	    TEST(what_is_published_carries_its_message_id_host_and_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
