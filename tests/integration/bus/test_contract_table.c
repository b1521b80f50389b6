/* The contract of ensuring: streams and consumers as a table declares them (K12). */
#include "contract.h"

#include <stdio.h>
#include <string.h>

#include "wait.h"

static void
ensure_is_idempotent_and_a_difference_names_its_field_K12(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "ENSURE",
	    .subjects = {"t.en.*", "t.sure.>"},
	    .max_msgs_per_subject = 64,
	    .max_age_s = 3600,
	    .max_msg_bytes = 1024,
	    .max_bytes = 1048576,
	    .duplicate_window_s = 600,
	    .republish_source = "t.en.*",
	    .republish_destination = "t.out.{{wildcard(1)}}"};
	const struct bus_consumer c = {.stream = "ENSURE",
	    .durable = "d",
	    .filter = "t.en.*",
	    .ack_wait_s = 30,
	    .max_ack_pending = 100000,
	    .max_deliver = -1};
	struct err err;

	for (int i = 0; i < 2; i++) {
		ensure(rig, &s);
		assert_ok(bus_consumer_ensure(rig->bus, &c, &err));
	}
#define DIFFERENT(type, base, member, value, name, call)                                           \
	do {                                                                                       \
		type different = base;                                                             \
		different.member = value;                                                          \
		assert_int_equal(call, -1);                                                        \
		assert_int_equal(err.kind, ERR_CONFLICT);                                          \
		assert_string_equal(err.field, name);                                              \
		assert_non_null(strstr(err.text, "ENSURE"));                                       \
		assert_non_null(strstr(err.text, name));                                           \
	} while (0)
#define DIFFERENT_STREAM(member, value, name)                                                      \
	DIFFERENT(struct bus_stream, s, member, value, name,                                       \
	    bus_stream_ensure(rig->bus, &different, 0, &err))
#define DIFFERENT_CONSUMER(member, value, name)                                                    \
	DIFFERENT(struct bus_consumer, c, member, value, name,                                     \
	    bus_consumer_ensure(rig->bus, &different, &err))
	DIFFERENT_STREAM(max_age_s, 7200, "max_age_s");
	assert_non_null(strstr(err.text, "3600"));
	assert_non_null(strstr(err.text, "7200"));
	DIFFERENT_STREAM(subjects[1], NULL, "subjects");
	DIFFERENT_STREAM(max_msgs_per_subject, 1, "max_msgs_per_subject");
	DIFFERENT_STREAM(max_msg_bytes, 0, "max_msg_bytes");
	DIFFERENT_STREAM(max_bytes, 4096, "max_bytes");
	DIFFERENT_STREAM(duplicate_window_s, 60, "duplicate_window_s");
	DIFFERENT_STREAM(retention, BUS_RETENTION_WORKQUEUE, "retention");
	DIFFERENT_STREAM(republish_destination, "t.other.{{wildcard(1)}}", "republish_destination");
	DIFFERENT_CONSUMER(filter, NULL, "filter");
	DIFFERENT_CONSUMER(ack_wait_s, 31, "ack_wait_s");
	DIFFERENT_CONSUMER(max_ack_pending, 5, "max_ack_pending");
	DIFFERENT_CONSUMER(max_deliver, 3, "max_deliver");
	drop(rig, "ENSURE");
}

static void
subjects_of_another_stream_are_a_conflict(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "OWNER", .subjects = {"t.own.*"}};
	const struct bus_stream thief = {.name = "THIEF", .subjects = {"t.own.a"}};
	struct err err;

	ensure(rig, &s);
	assert_int_equal(bus_stream_ensure(rig->bus, &thief, 0, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	drop(rig, "OWNER");
}

static void
what_does_not_exist_is_not_found(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "HERE", .subjects = {"t.here"}};
	struct bus_stream_state info;
	struct bus_pull *p = NULL;
	struct err err;

	ensure(rig, &s);
	assert_int_equal(bus_pull_bind(rig->bus, "HERE", "nobody", &p, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	drop(rig, "HERE");
	assert_int_equal(bus_pull_bind(rig->bus, "HERE", "nobody", &p, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(bus_stream_state(rig->bus, "HERE", &info, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(bus_stream_delete(rig->bus, "HERE", &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static bool
reports_not_found(void *arg)
{
	struct bus_msg *m = NULL;
	size_t n = 0;
	struct err err;

	if (bus_pull_fetch(arg, 1, 50, &m, &n, &err) == 0) {
		assert_int_equal(n, 0);
		return false;
	}
	/* Reconnecting is no verdict about the consumer. */
	assert_true(
	    err.kind == ERR_NOT_FOUND || err.kind == ERR_UNAVAILABLE || err.kind == ERR_TIMEOUT);
	return err.kind == ERR_NOT_FOUND;
}

static bool
can_ensure(void *arg)
{
	const struct bus_stream s = {.name = "WIPED", .subjects = {"t.wiped"}};
	const struct bus_consumer c = {.stream = "WIPED", .durable = "d"};
	struct rig *rig = arg;
	struct err err;

	return bus_stream_ensure(rig->bus, &s, 0, &err) == 0 &&
	       bus_consumer_ensure(rig->bus, &c, &err) == 0;
}

static void
a_wiped_bus_is_rebuilt_from_the_table_K12(void **state)
{
	struct rig *rig = *state;
	struct bus_stream_state before, after;
	struct bus_pull *p = NULL;
	struct err err;

	assert_true(can_ensure(rig));
	assert_ok(bus_pull_bind(rig->bus, "WIPED", "d", &p, &err));
	assert_ok(bus_stream_state(rig->bus, "WIPED", &before, &err));
	wipe(rig);
	assert_true(test_wait_until(reports_not_found, p, 2 * WAIT_MS));
	assert_true(test_wait_until(can_ensure, rig, 2 * WAIT_MS));
	assert_ok(bus_stream_state(rig->bus, "WIPED", &after, &err));
	assert_int_equal(after.messages, 0);
	assert_true(after.created_us != before.created_us);
	store(rig, "t.wiped", "x", NULL);
	/* The old binding works as well: it only has the name. */
	struct bus_msg *m = fetch_one(p);
	assert_ok(bus_msg_ack(m, &err));
	bus_msg_free(m);
	bus_pull_free(p);
	assert_ok(bus_pull_bind(rig->bus, "WIPED", "d", &p, &err));
	bus_pull_free(p);
	drop(rig, "WIPED");
}

static void
nats_create(struct rig *rig, const char *name, const char *more)
{
	char body[400], subject[64];
	struct bus_msg *reply = NULL;
	struct err err;
	struct bus_out out = {.subject = subject, .data = body};

	snprintf(subject, sizeof(subject), "$JS.API.STREAM.CREATE.%s", name);
	out.size = (size_t)snprintf(body, sizeof(body),
	    "{\"name\":\"%s\",\"subjects\":[\"t.made.*\"],\"max_age\":60000000000%s}", name, more);
	assert_ok(bus_request(rig->bus, &out, WAIT_MS, &reply, &err));
	if (strstr(bus_msg_data(reply), "\"error\""))
		fail_msg("%s", (const char *)bus_msg_data(reply));
	bus_msg_free(reply);
}

/* What somebody else's tool may have made of a stream of ours.  Each has a name of its own: the
 * server refuses now and then to make one whose directory it is still removing (10049). */
static void
what_our_table_never_asks_for_is_a_difference_too_K12(void **state)
{
	static const struct {
		const char *more, *field;
	} rows[] = {
	    {",\"storage\":\"memory\"", "storage"},
	    {",\"discard\":\"new\"", "discard"},
	    {",\"max_msgs\":1000", "max_msgs"},
	    {",\"max_consumers\":1", "max_consumers"},
	    {",\"retention\":\"interest\"", "retention"},
	    {",\"no_ack\":true", "no_ack"},
	    {",\"republish\":{\"src\":\"t.made.*\",\"dest\":\"t.copy.{{wildcard(1)}}\","
	     "\"headers_only\":true}",
		"republish_headers_only"},
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char name[] = {'M', 'A', 'D', 'E', (char)('A' + i), '\0'};
		bool republished = strstr(rows[i].more, "republish");
		const struct bus_stream s = {.name = name,
		    .subjects = {"t.made.*"},
		    .max_age_s = 60,
		    .republish_source = republished ? "t.made.*" : NULL,
		    .republish_destination = republished ? "t.copy.{{wildcard(1)}}" : NULL};
		struct err err;

		nats_create(rig, name, rows[i].more);
		assert_int_equal(bus_stream_ensure(rig->bus, &s, 0, &err), -1);
		assert_int_equal(err.kind, ERR_CONFLICT);
		assert_string_equal(err.field, rows[i].field);
		drop(rig, name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(ensure_is_idempotent_and_a_difference_names_its_field_K12),
	    {"what_our_table_never_asks_for_is_a_difference_too_K12 (nats)",
		what_our_table_never_asks_for_is_a_difference_too_K12, setup_nats, teardown, NULL},
	    BOTH(subjects_of_another_stream_are_a_conflict),
	    BOTH(what_does_not_exist_is_not_found),
	    BOTH(a_wiped_bus_is_rebuilt_from_the_table_K12),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
