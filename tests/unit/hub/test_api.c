/* api: what is the same for all endpoints. */
#include "test.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "bus.h"
#include "err.h"
#include "hub_rig.h"
#include "log.h"
#include "wait.h"

#define PATIENCE_MS 10000
#define INBOX "answers.here"

struct answers {
	struct bus_sub *sub;
	atomic_uint count, unavailable;
	unsigned expected;
};

static void
answered(void *arg, const struct bus_msg *m)
{
	struct answers *a = arg;
	const char *code = bus_msg_header(m, "Nats-Service-Error-Code");

	if (code && strcmp(code, "503") == 0)
		atomic_fetch_add(&a->unavailable, 1);
	atomic_fetch_add(&a->count, 1);
}

static bool
all_are_answered(void *arg)
{
	const struct answers *a = arg;

	return atomic_load(&a->count) >= a->expected;
}

static void
ask(struct hub_rig *r, const char *body, const char *who)
{
	const struct bus_header header = {"Fl-Who", who};
	const struct bus_out out = {.subject = "fl.api.v1.session.get",
	    .reply = INBOX,
	    .data = body,
	    .size = strlen(body),
	    .headers = &header,
	    .header_count = who ? 1 : 0};

	assert_int_equal(bus_publish(r->hub.bus, &out, &r->err), 0);
}

static void
a_request_that_fails_early_is_nobodys_else(void **state)
{
	struct hub_rig *r = *state;
	struct answers answers = {.expected = 2};
	FILE *capture = tmpfile();
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	struct api_service *s;
	char text[4096] = "";

	log_init(LOG_DEBUG_LEVEL, LOG_FORMAT_LOGFMT, "hub", "test");
	assert_int_equal(
	    bus_subscribe(r->hub.bus, INBOX, NULL, 0, answered, &answers, &answers.sub, &r->err),
	    0);
	assert_int_equal(api_start(&r->hub, &s, &r->err), 0);
	dup2(fileno(capture), STDERR_FILENO);
	ask(r, "{\"name\":\"Not A Name\"}", "alice");
	ask(r, "this is no request", NULL);
	assert_true(test_wait_until(all_are_answered, &answers, PATIENCE_MS));
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_true(pread(fileno(capture), text, sizeof(text) - 1, 0) > 0);
	fclose(capture);
	assert_non_null(strstr(text, "who=alice"));
	assert_non_null(strstr(text, "who=-"));
	api_stop(s);
	bus_unsubscribe(answers.sub);
}

/* Refused, and carried out: a dry run asks no database. */
static void
an_answer_belongs_to_the_trace_of_its_request(void **state)
{
	static const char trace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	static const struct {
		const char *subject, *body;
		bool refused;
	} rows[] = {
	    {"fl.api.v1.session.get", "{}", true},
	    {"fl.api.v1.session.create",
		"{\"spec\":{\"name\":\"web\",\"replicas\":1,\"executor\":{\"command\":[\"true\"]}},"
		"\"wait_for_hosts\":true,\"dry_run\":true}",
		false},
	};
	const struct bus_header header = {"traceparent", trace};
	struct hub_rig *r = *state;
	struct api_service *s;

	assert_int_equal(api_start(&r->hub, &s, &r->err), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct bus_out out = {.subject = rows[i].subject,
		    .data = rows[i].body,
		    .size = strlen(rows[i].body),
		    .headers = &header,
		    .header_count = 1};
		struct bus_msg *answer;

		assert_int_equal(bus_request(r->hub.bus, &out, PATIENCE_MS, &answer, &r->err), 0);
		assert_int_equal(
		    bus_msg_header(answer, "Nats-Service-Error") != NULL, rows[i].refused);
		assert_string_equal(bus_msg_header(answer, "traceparent"), trace);
		bus_msg_free(answer);
	}
	api_stop(s);
}

/* One worker, and each question to this Postgres takes seconds. */
static void
a_stop_answers_all_at_once_where_postgres_stalls_R7(void **state)
{
	struct hub_rig *r = *state;
	struct answers answers = {.expected = 50};
	struct api_service *s;

	log_init(LOG_INFO_LEVEL, LOG_FORMAT_LOGFMT, "hub", "test");
	assert_int_equal(
	    bus_subscribe(r->hub.bus, INBOX, NULL, 0, answered, &answers, &answers.sub, &r->err),
	    0);
	assert_int_equal(api_start(&r->hub, &s, &r->err), 0);
	for (unsigned i = 0; i < answers.expected; i++)
		ask(r, "{\"name\":\"web\"}", "alice");
	api_stop(s);
	assert_true(test_wait_until(all_are_answered, &answers, PATIENCE_MS));
	assert_int_equal(answers.unavailable, answers.expected);
	bus_unsubscribe(answers.sub);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, hub_rig_setup, hub_rig_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_request_that_fails_early_is_nobodys_else),
	    TEST(an_answer_belongs_to_the_trace_of_its_request),
	    TEST(a_stop_answers_all_at_once_where_postgres_stalls_R7),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
