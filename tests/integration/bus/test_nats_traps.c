/* What a real NATS does to a client, measured before it was written: each test is one trap. */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "clock.h"
#include "err.h"
#include "nats_server.h"
#include "wait.h"

#define WAIT_MS 20000
#define LONG_WAIT_MS 60000
#define RIGHT "authorization { user: fl, password: right }"
#define WRONG "authorization { user: fl, password: other }"

#define assert_ok(call)                                                                            \
	do {                                                                                       \
		if (call)                                                                          \
			fail_msg("%s: %s", #call, err.text);                                       \
	} while (0)

struct states {
	atomic_uint connected, disconnected;
};

static void
on_state(void *arg, enum bus_state state, const char *why)
{
	struct states *s = arg;

	assert_non_null(why);
	if (state == BUS_CONNECTED)
		atomic_fetch_add(&s->connected, 1);
	else if (state == BUS_DISCONNECTED)
		atomic_fetch_add(&s->disconnected, 1);
}

static struct bus *
new_bus(const char *servers, struct states *states)
{
	struct bus_options options = {.servers = servers,
	    .name = "traps",
	    .user = "fl",
	    .password = "right",
	    .inbox_prefix = "_INBOX.traps",
	    .on_state = states ? on_state : NULL,
	    .arg = states};
	struct bus *b = NULL;
	struct err err;

	assert_ok(bus_nats_new(&options, &b, &err));
	return b;
}

static void
count(void *arg, const struct bus_msg *m)
{
	(void)m;
	atomic_fetch_add((atomic_uint *)arg, 1);
}

struct echo {
	struct bus *bus;
	atomic_uint *received;
};

/* Publishes until something arrives: true once the subscription is live. */
static bool
hears_itself(void *arg)
{
	struct echo *e = arg;
	struct bus_out out = {.subject = "trap.echo", .data = "x", .size = 1};
	struct err err;

	return (bus_publish(e->bus, &out, &err) == 0 && bus_flush(e->bus, 1000, &err) == 0) &&
	       atomic_load(e->received) > 0;
}

static bool
is_disconnected(void *arg)
{
	return bus_state(arg) == BUS_DISCONNECTED;
}

static bool
is_connected(void *arg)
{
	return bus_state(arg) == BUS_CONNECTED;
}

static void
a_wrong_password_is_denied_at_once_and_a_right_one_heals_it(void **state)
{
	CLEANUP(nats_server_free) struct nats_server *server = nats_server_new(WRONG);
	struct err err;
	atomic_uint received = 0;
	struct bus_sub *sub = NULL;

	(void)state;
	struct bus *b = new_bus(nats_server_url(server), NULL);
	int64_t start = clock_mono_us(clock_system());
	assert_int_equal(bus_wait_connected(b, WAIT_MS, &err), -1);
	assert_int_equal(err.kind, ERR_DENIED);
	assert_true(clock_mono_us(clock_system()) - start < WAIT_MS / 2 * MS_US);
	assert_int_equal(bus_connected_since_us(b), 0);
	/* Subscribed before there ever was a connection. */
	assert_ok(bus_subscribe(b, "trap.echo", NULL, 0, count, &received, &sub, &err));
	nats_server_stop(server);
	nats_server_set_config(server, RIGHT);
	assert_int_equal(nats_server_start(server), 0);
	assert_true(test_wait_until(is_connected, b, LONG_WAIT_MS));
	struct echo e = {b, &received};
	assert_true(test_wait_until(hears_itself, &e, WAIT_MS));
	bus_unsubscribe(sub);
	bus_free(b);
}

/* libnats closes a connection for good after the second refusal in a row. */
static void
a_password_that_was_wrong_for_a_while_does_not_end_the_bus(void **state)
{
	CLEANUP(nats_server_free) struct nats_server *server = nats_server_new(RIGHT);
	struct states states = {0};
	struct err err;
	atomic_uint received = 0;
	struct bus_sub *sub = NULL;

	(void)state;
	struct bus *b = new_bus(nats_server_url(server), &states);
	assert_ok(bus_wait_connected(b, WAIT_MS, &err));
	assert_ok(bus_subscribe(b, "trap.echo", NULL, 0, count, &received, &sub, &err));
	nats_server_stop(server);
	nats_server_set_config(server, WRONG);
	assert_int_equal(nats_server_start(server), 0);
	/* DENIED is reported only once the connection was closed or refused anew. */
	assert_true(test_wait_until(is_disconnected, b, WAIT_MS));
	assert_int_equal(bus_wait_connected(b, LONG_WAIT_MS, &err), -1);
	assert_int_equal(err.kind, ERR_DENIED);
	nats_server_stop(server);
	nats_server_set_config(server, RIGHT);
	assert_int_equal(nats_server_start(server), 0);
	assert_true(test_wait_until(is_connected, b, LONG_WAIT_MS));
	struct echo e = {b, &received};
	assert_true(test_wait_until(hears_itself, &e, WAIT_MS));
	assert_true(atomic_load(&states.connected) >= 2);
	assert_true(atomic_load(&states.disconnected) >= 1);
	bus_unsubscribe(sub);
	bus_free(b);
}

static void
subscriptions_live_again_after_the_server_was_killed_K21(void **state)
{
	CLEANUP(nats_server_free) struct nats_server *server = nats_server_new(RIGHT);
	struct err err;
	atomic_uint received = 0;
	struct bus_sub *sub = NULL;
	char server_id[BUS_SERVER_ID_BYTES];
	uint64_t client_id;

	(void)state;
	struct bus *b = new_bus(nats_server_url(server), NULL);
	assert_ok(bus_wait_connected(b, WAIT_MS, &err));
	assert_ok(bus_subscribe(b, "trap.echo", NULL, 0, count, &received, &sub, &err));
	struct echo e = {b, &received};
	assert_true(test_wait_until(hears_itself, &e, WAIT_MS));
	int64_t since = bus_connected_since_us(b);
	assert_true(since > 0);
	assert_true(strstr(bus_server_name(b), "127.0.0.1") != NULL);
	bus_connection_id(b, server_id, &client_id);
	assert_true(strlen(server_id) > 0 && client_id > 0);

	nats_server_kill(server);
	assert_true(test_wait_until(is_disconnected, b, WAIT_MS));
	assert_int_equal(bus_connected_since_us(b), 0);
	bus_connection_id(b, server_id, &client_id);
	assert_int_equal(client_id, 0);
	atomic_store(&received, 0);
	assert_int_equal(nats_server_start(server), 0);
	assert_true(test_wait_until(is_connected, b, LONG_WAIT_MS));
	assert_true(bus_connected_since_us(b) > since);
	assert_true(test_wait_until(hears_itself, &e, WAIT_MS));
	bus_unsubscribe(sub);
	bus_free(b);
}

static void
a_list_of_servers_is_tried_in_turn(void **state)
{
	CLEANUP(nats_server_free) struct nats_server *server = nats_server_new(RIGHT);
	struct err err;
	char servers[128];

	(void)state;
	/* Port 1 refuses; one text with a comma would be NO_SERVER in libnats. */
	snprintf(servers, sizeof(servers), "nats://127.0.0.1:1,%s", nats_server_url(server));
	struct bus *b = new_bus(servers, NULL);
	assert_ok(bus_wait_connected(b, WAIT_MS, &err));
	bus_free(b);
}

static void
a_server_that_is_not_there_is_a_timeout_with_the_reason(void **state)
{
	struct err err;

	(void)state;
	struct bus *b = new_bus("nats://127.0.0.1:1", NULL);
	assert_int_equal(bus_wait_connected(b, 300, &err), -1);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	assert_true(strlen(err.text) > 0);
	struct bus_out out = {.subject = "a"};
	assert_int_equal(bus_publish(b, &out, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	bus_free(b);
}

static void
what_is_not_a_list_of_urls_is_invalid(void **state)
{
	static const char *const bad[] = {"", ",", "nats://", "nats://host:port", "host:99999",
	    "http://host:4222", "nats://host:4222,:4222", "host/path"};
	static const char *const good[] = {
	    "localhost", "nats://u:p@127.0.0.1:1", "tls://[::1]:1, 127.0.0.1:1"};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct bus_options options = {.servers = bad[i]};
		struct bus *b = NULL;

		if (bus_nats_new(&options, &b, &err) == 0)
			fail_msg("'%s' was accepted", bad[i]);
		assert_int_equal(err.kind, ERR_INVALID);
		assert_string_equal(err.field, "servers");
	}
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct bus_options options = {.servers = good[i]};
		struct bus *b = NULL;

		assert_ok(bus_nats_new(&options, &b, &err));
		bus_free(b);
	}
}

struct answers {
	atomic_uint ok, timeout, other;
	unsigned want;
};

static void
on_ack(void *arg, const struct bus_ack *ack, const struct err *err)
{
	struct answers *a = arg;

	assert_true(!ack == !!err);
	if (ack)
		atomic_fetch_add(&a->ok, 1);
	else if (err->kind == ERR_TIMEOUT)
		atomic_fetch_add(&a->timeout, 1);
	else
		atomic_fetch_add(&a->other, 1);
}

static bool
all_answered(void *arg)
{
	struct answers *a = arg;

	return atomic_load(&a->ok) + atomic_load(&a->timeout) + atomic_load(&a->other) >= a->want;
}

static unsigned
publish_until_full(struct bus *b, struct answers *answers)
{
	struct bus_out out = {.subject = "trap.stream", .data = "x", .size = 1};
	struct err err;
	unsigned n = 0;

	while (bus_js_publish_async(b, &out, on_ack, answers, &err) == 0)
		n++;
	assert_int_equal(err.kind, ERR_LIMIT);
	return n;
}

static void
a_silent_server_times_out_every_asynchronous_publish_K10(void **state)
{
	CLEANUP(nats_server_free) struct nats_server *server = nats_server_new(NULL);
	const struct bus_stream s = {.name = "TRAP", .subjects = {"trap.stream"}};
	struct bus_options options = {.servers = nats_server_url(server), .max_pending = 16};
	struct answers answers = {0};
	struct bus *b = NULL;
	struct err err;

	(void)state;
	assert_ok(bus_nats_new(&options, &b, &err));
	assert_ok(bus_wait_connected(b, WAIT_MS, &err));
	assert_ok(bus_stream_ensure(b, &s, 0, &err));
	nats_server_pause(server);
	answers.want = publish_until_full(b, &answers);
	assert_int_equal(answers.want, 16);
	assert_true(test_wait_until(all_answered, &answers, WAIT_MS));
	assert_int_equal(atomic_load(&answers.timeout), 16);
	nats_server_resume(server);
	/* The late answers belong to nobody; the window is free again. */
	struct bus_out out = {.subject = "trap.stream", .data = "x", .size = 1};
	answers.want = 17;
	assert_ok(bus_js_publish_async(b, &out, on_ack, &answers, &err));
	assert_true(test_wait_until(all_answered, &answers, WAIT_MS));
	assert_int_equal(atomic_load(&answers.ok), 1);
	bus_free(b);
}

static void
closing_the_bus_answers_what_is_in_flight(void **state)
{
	CLEANUP(nats_server_free) struct nats_server *server = nats_server_new(NULL);
	struct bus_options options = {.servers = nats_server_url(server), .max_pending = 8};
	struct answers answers = {0};
	struct bus *b = NULL;
	struct err err;

	(void)state;
	assert_ok(bus_nats_new(&options, &b, &err));
	assert_ok(bus_wait_connected(b, WAIT_MS, &err));
	nats_server_pause(server);
	answers.want = publish_until_full(b, &answers);
	bus_free(b);
	nats_server_resume(server);
	assert_int_equal(atomic_load(&answers.timeout), answers.want);
}

static void
a_fetch_ends_when_the_server_dies(void **state)
{
	CLEANUP(nats_server_free) struct nats_server *server = nats_server_new(RIGHT);
	const struct bus_stream s = {.name = "TRAP", .subjects = {"trap.stream"}};
	const struct bus_consumer c = {.stream = "TRAP", .durable = "d"};
	struct bus_pull *p = NULL;
	struct bus_msg *m = NULL;
	struct err err;
	size_t n = 0;

	(void)state;
	struct bus *b = new_bus(nats_server_url(server), NULL);
	assert_ok(bus_wait_connected(b, WAIT_MS, &err));
	assert_ok(bus_stream_ensure(b, &s, 0, &err));
	assert_ok(bus_consumer_ensure(b, &c, &err));
	assert_ok(bus_pull_bind(b, "TRAP", "d", &p, &err));
	assert_ok(bus_pull_fetch(p, 1, 50, &m, &n, &err));
	nats_server_kill(server);
	int64_t start = clock_mono_us(clock_system());
	assert_int_equal(bus_pull_fetch(p, 1, LONG_WAIT_MS, &m, &n, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_true(clock_mono_us(clock_system()) - start < WAIT_MS * MS_US);
	bus_pull_free(p);
	bus_free(b);
}

static void
a_deleted_consumer_is_not_found_while_fetching_K12(void **state)
{
	CLEANUP(nats_server_free) struct nats_server *server = nats_server_new(RIGHT);
	const struct bus_stream s = {.name = "TRAP", .subjects = {"trap.stream"}};
	const struct bus_consumer c = {.stream = "TRAP", .durable = "d"};
	struct bus_out delete = {.subject = "$JS.API.CONSUMER.DELETE.TRAP.d"};
	struct bus_pull *p = NULL;
	struct bus_msg *m = NULL;
	struct err err;
	size_t n = 0;

	(void)state;
	struct bus *b = new_bus(nats_server_url(server), NULL);
	assert_ok(bus_wait_connected(b, WAIT_MS, &err));
	assert_ok(bus_stream_ensure(b, &s, 0, &err));
	assert_ok(bus_consumer_ensure(b, &c, &err));
	assert_ok(bus_pull_bind(b, "TRAP", "d", &p, &err));
	assert_ok(bus_request(b, &delete, WAIT_MS, &m, &err));
	bus_msg_free(m);
	assert_int_equal(bus_pull_fetch(p, 1, WAIT_MS, &m, &n, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	bus_pull_free(p);
	bus_free(b);
}

/* ---- replicas ---- */

#define CLUSTER_MAX 3

static const struct bus_stream replicated = {.name = "TRAP", .subjects = {"trap.stream"}};

static void
start_cluster(struct nats_server **servers, int n)
{
	int ports[CLUSTER_MAX];
	char config[512];

	/* Of servers before 2.11 that use more, some start mute. */
	setenv("GOMAXPROCS", "1", true);
	for (int i = 0; i < n; i++)
		ports[i] = nats_server_free_port();
	for (int i = 0; i < n; i++) {
		size_t used = (size_t)snprintf(config, sizeof(config),
		    "cluster { name: traps, listen: \"127.0.0.1:%d\", routes: [", ports[i]);

		for (int k = 0; k < n; k++) {
			if (k != i)
				used += (size_t)snprintf(config + used, sizeof(config) - used,
				    "\n\"nats://127.0.0.1:%d\"", ports[k]);
		}
		snprintf(config + used, sizeof(config) - used, " ] }");
		servers[i] = nats_server_new(config);
	}
	unsetenv("GOMAXPROCS");
}

/* A new cluster has no leader for some seconds: ERR_UNAVAILABLE, never fewer replicas. */
static bool
can_ensure(void *arg)
{
	struct err err;

	if (bus_stream_ensure(arg, &replicated, 0, &err) == 0)
		return true;
	assert_true(err.kind == ERR_UNAVAILABLE || err.kind == ERR_TIMEOUT);
	return false;
}

static void
assert_replicas(const char *url, int replicas)
{
	struct bus_options options = {.servers = url};
	struct bus *b = NULL;
	struct err err;

	assert_ok(bus_nats_new(&options, &b, &err));
	assert_ok(bus_wait_connected(b, WAIT_MS, &err));
	assert_true(test_wait_until(can_ensure, b, LONG_WAIT_MS));
	assert_ok(bus_stream_ensure(b, &replicated, replicas, &err));
	assert_int_equal(bus_stream_ensure(b, &replicated, replicas == 1 ? 3 : 1, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_string_equal(err.field, "replicas");
	bus_free(b);
}

static void
a_single_server_gets_one_replica(void **state)
{
	CLEANUP(nats_server_free) struct nats_server *server = nats_server_new(NULL);

	(void)state;
	assert_replicas(nats_server_url(server), 1);
}

static void
a_cluster_of_three_gets_three_replicas(void **state)
{
	struct nats_server *servers[CLUSTER_MAX];

	(void)state;
	start_cluster(servers, CLUSTER_MAX);
	assert_replicas(nats_server_url(servers[0]), 3);
	for (int i = 0; i < CLUSTER_MAX; i++)
		nats_server_free(servers[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_wrong_password_is_denied_at_once_and_a_right_one_heals_it),
	    cmocka_unit_test(a_password_that_was_wrong_for_a_while_does_not_end_the_bus),
	    cmocka_unit_test(subscriptions_live_again_after_the_server_was_killed_K21),
	    cmocka_unit_test(a_list_of_servers_is_tried_in_turn),
	    cmocka_unit_test(a_server_that_is_not_there_is_a_timeout_with_the_reason),
	    cmocka_unit_test(what_is_not_a_list_of_urls_is_invalid),
	    cmocka_unit_test(a_silent_server_times_out_every_asynchronous_publish_K10),
	    cmocka_unit_test(closing_the_bus_answers_what_is_in_flight),
	    cmocka_unit_test(a_fetch_ends_when_the_server_dies),
	    cmocka_unit_test(a_deleted_consumer_is_not_found_while_fetching_K12),
	    cmocka_unit_test(a_single_server_gets_one_replica),
	    cmocka_unit_test(a_cluster_of_three_gets_three_replicas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
