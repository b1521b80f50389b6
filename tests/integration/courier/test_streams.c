#include "streams.h"

#include <stdio.h>
#include <string.h>

#include "bus.h"
#include "err.h"
#include "nats_server.h"
#include "test.h"
#include "wait.h"

struct rig {
	struct nats_server *server;
	struct bus *bus;
};

static int
setup(void **state)
{
	static struct rig rig;
	struct bus_options o = {.name = "streams"};
	struct err err;

	rig.server = nats_server_new(NULL);
	o.servers = nats_server_url(rig.server);
	assert_int_equal(bus_nats_new(&o, &rig.bus, &err), 0);
	assert_int_equal(bus_wait_connected(rig.bus, 10000, &err), 0);
	*state = &rig;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *rig = *state;

	bus_free(rig->bus);
	nats_server_free(rig->server);
	return 0;
}

static void
ensure(struct rig *rig)
{
	struct err err = {0};

	if (streams_ensure(rig->bus, "fl", 0, &err) != 0)
		fail_msg("%s", err.text);
}

static void
streams_are_made_and_made_again_K12(void **state)
{
	static const char *const names[] = {
	    STREAM_COMMANDS, STREAM_REPORTS, STREAM_EVENTS, STREAM_DEAD};
	struct rig *rig = *state;
	struct bus_stream_state stream;
	struct err err;

	ensure(rig);
	ensure(rig);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		assert_int_equal(bus_stream_state(rig->bus, names[i], &stream, &err), 0);
		assert_int_equal(bus_stream_delete(rig->bus, names[i], &err), 0);
		assert_int_equal(bus_stream_state(rig->bus, names[i], &stream, &err), -1);
	}
	ensure(rig);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		assert_int_equal(bus_stream_state(rig->bus, names[i], &stream, &err), 0);
}

static void
the_consumer_of_reports_can_be_bound(void **state)
{
	CLEANUP(bus_pull_free) struct bus_pull *pull = NULL;
	struct rig *rig = *state;
	struct err err;

	ensure(rig);
	assert_int_equal(
	    bus_pull_bind(rig->bus, STREAM_REPORTS, CONSUMER_HUB_REPORTS, &pull, &err), 0);
}

static void
count(void *arg, const struct bus_msg *m)
{
	assert_string_equal(bus_msg_subject(m), "fl.live.h1");
	__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
}

static bool
has_come(void *arg)
{
	return __atomic_load_n((int *)arg, __ATOMIC_SEQ_CST) > 0;
}

static void
a_command_reaches_the_host_s_live_subject(void **state)
{
	CLEANUP(bus_unsubscribe) struct bus_sub *sub = NULL;
	struct rig *rig = *state;
	const struct bus_out out = {.subject = "fl.cmd.h1", .data = "x", .size = 1};
	struct bus_ack ack;
	struct err err;
	int seen = 0;

	ensure(rig);
	assert_int_equal(
	    bus_subscribe(rig->bus, "fl.live.*", NULL, 0, count, &seen, &sub, &err), 0);
	assert_int_equal(bus_js_publish(rig->bus, &out, 5000, &ack, &err), 0);
	/* What is republished goes out when the server gets to it, after the acknowledgement too.
	 */
	assert_true(test_wait_until(has_come, &seen, 10000));
	assert_int_equal(seen, 1);
}

static void
a_different_stream_is_refused_by_name_and_field_K12(void **state)
{
	const struct bus_stream other = {
	    .name = STREAM_COMMANDS, .subjects = {"fl.cmd.*"}, .max_msgs_per_subject = 3};
	struct rig *rig = *state;
	struct err err;

	ensure(rig);
	assert_int_equal(bus_stream_delete(rig->bus, STREAM_COMMANDS, &err), 0);
	assert_int_equal(bus_stream_ensure(rig->bus, &other, 0, &err), 0);
	assert_int_equal(streams_ensure(rig->bus, "fl", 0, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err.text, STREAM_COMMANDS));
	assert_non_null(strstr(err.text, "max_msgs_per_subject"));
	assert_int_equal(bus_stream_delete(rig->bus, STREAM_COMMANDS, &err), 0);
}

static void
a_different_stream_is_in_nobodys_way_K12(void **state)
{
	const struct bus_stream other = {
	    .name = STREAM_COMMANDS, .subjects = {"fl.cmd.*"}, .max_msgs_per_subject = 3};
	struct rig *rig = *state;
	struct bus_stream_state there;
	struct err err;

	ensure(rig);
	assert_int_equal(bus_stream_delete(rig->bus, STREAM_COMMANDS, &err), 0);
	assert_int_equal(bus_stream_delete(rig->bus, STREAM_DEAD, &err), 0);
	assert_int_equal(bus_stream_ensure(rig->bus, &other, 0, &err), 0);
	assert_int_equal(streams_ensure(rig->bus, "fl", 0, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err.text, STREAM_COMMANDS));
	assert_int_equal(bus_stream_state(rig->bus, STREAM_DEAD, &there, &err), 0);
	assert_int_equal(bus_stream_delete(rig->bus, STREAM_COMMANDS, &err), 0);
}

static void
advisories_of_consumers_are_dead_letters(void **state)
{
	struct rig *rig = *state;
	const struct bus_out out = {
	    .subject = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.X.Y", .data = "{}", .size = 2};
	struct bus_stream_state before, after;
	struct bus_ack ack;
	struct err err;

	ensure(rig);
	assert_int_equal(bus_stream_state(rig->bus, STREAM_DEAD, &before, &err), 0);
	assert_int_equal(bus_js_publish(rig->bus, &out, 5000, &ack, &err), 0);
	assert_int_equal(bus_stream_state(rig->bus, STREAM_DEAD, &after, &err), 0);
	assert_int_equal(after.messages, before.messages + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(streams_are_made_and_made_again_K12),
	    cmocka_unit_test(the_consumer_of_reports_can_be_bound),
	    cmocka_unit_test(a_command_reaches_the_host_s_live_subject),
	    cmocka_unit_test(a_different_stream_is_refused_by_name_and_field_K12),
	    cmocka_unit_test(a_different_stream_is_in_nobodys_way_K12),
	    cmocka_unit_test(advisories_of_consumers_are_dead_letters),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
