/* The micro service protocol as its users see it: over the bus, and with the nats CLI. */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus.h"
#include "err.h"
#include "micro.h"
#include "nats_server.h"
#include "wait.h"

#define WAIT_MS 20000
#define OUTPUT_BYTES 65536

#define assert_ok(call)                                                                            \
	do {                                                                                       \
		if (call)                                                                          \
			fail_msg("%s: %s", #call, err.text);                                       \
	} while (0)

struct rig {
	struct nats_server *server;
	struct bus *bus;
	struct micro *micro;
	pthread_mutex_t lock;
	struct micro_request *held; /* answered later, from another thread */
};

static void
handle_list(void *arg, struct micro_request *r)
{
	const struct bus_msg *m = micro_request_msg(r);

	(void)arg;
	if (bus_msg_size(m) && *(const char *)bus_msg_data(m) != '{') {
		struct err e;

		err_set(&e, ERR_INVALID, "body is\nnot JSON");
		micro_respond_error_take(r, &e, "{\"error\":1}", 11, NULL, 0);
		return;
	}
	const struct bus_header type = {"Content-Type", "application/json"};
	micro_respond_take(r, "{\"sessions\":[]}", 15, &type, 1);
}

static void
handle_later(void *arg, struct micro_request *r)
{
	struct rig *rig = arg;

	assert_string_equal(micro_request_endpoint(r)->name, "session-watch");
	pthread_mutex_lock(&rig->lock);
	rig->held = r;
	pthread_mutex_unlock(&rig->lock);
}

static int
setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct err err;

	pthread_mutex_init(&rig->lock, NULL);
	rig->server = nats_server_new(NULL);
	struct bus_options options = {.servers = nats_server_url(rig->server), .name = "micro"};
	assert_ok(bus_nats_new(&options, &rig->bus, &err));
	assert_ok(bus_wait_connected(rig->bus, WAIT_MS, &err));
	const struct micro_options micro = {.name = "fairlead",
	    .version = "0.1.0",
	    .description = "fairlead API",
	    .queue_group = "fl-api",
	    .node = "n1"};
	const struct micro_endpoint endpoints[] = {
	    {"session-list", "fl.api.v1.session.list", handle_list, rig},
	    {"session-watch", "fl.api.v1.session.watch", handle_later, rig},
	};
	assert_ok(micro_new(rig->bus, &micro, endpoints, COUNT_OF(endpoints), &rig->micro, &err));
	assert_ok(bus_flush(rig->bus, WAIT_MS, &err));
	*state = rig;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *rig = *state;

	micro_free(rig->micro);
	bus_free(rig->bus);
	nats_server_free(rig->server);
	pthread_mutex_destroy(&rig->lock);
	free(rig);
	return 0;
}

static struct bus_msg *
ask(struct rig *rig, const char *subject, const char *body)
{
	struct bus_out out = {.subject = subject, .data = body, .size = strlen(body)};
	struct bus_msg *reply = NULL;
	struct err err;

	assert_ok(bus_request(rig->bus, &out, WAIT_MS, &reply, &err));
	return reply;
}

static void
assert_contains(const struct bus_msg *m, const char *text)
{
	char *body = strndup(bus_msg_data(m), bus_msg_size(m));

	if (!strstr(body, text))
		fail_msg("'%s' is not in: %s", text, body);
	free(body);
}

static void
an_endpoint_answers_with_its_headers(void **state)
{
	struct bus_msg *m = ask(*state, "fl.api.v1.session.list", "{}");

	assert_contains(m, "{\"sessions\":[]}");
	assert_string_equal(bus_msg_header(m, "Content-Type"), "application/json");
	assert_null(bus_msg_header(m, "Nats-Service-Error"));
	bus_msg_free(m);
}

static void
an_error_is_in_the_service_headers_and_in_the_statistics(void **state)
{
	struct rig *rig = *state;
	struct bus_msg *m = ask(rig, "fl.api.v1.session.list", "nonsense");

	assert_string_equal(bus_msg_header(m, "Nats-Service-Error-Code"), "400");
	assert_string_equal(bus_msg_header(m, "Nats-Service-Error"), "body is not JSON");
	assert_contains(m, "{\"error\":1}");
	bus_msg_free(m);
	m = ask(rig, "$SRV.STATS.fairlead", "");
	assert_contains(m, "\"type\":\"io.nats.micro.v1.stats_response\"");
	assert_contains(m, "\"num_requests\":1,\"num_errors\":1");
	assert_contains(m, "\"last_error\":\"400:body is not JSON\"");
	bus_msg_free(m);
}

static void
every_scope_of_every_verb_is_answered(void **state)
{
	static const char *const types[] = {"ping", "info", "stats"};
	static const char *const verbs[] = {"PING", "INFO", "STATS"};
	struct rig *rig = *state;
	char subject[128], type[64], id[64];

	struct bus_msg *m = ask(rig, "$SRV.PING", "");
	char *body = strndup(bus_msg_data(m), bus_msg_size(m));
	const char *at = strstr(body, "\"id\":\"");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "\"id\":\"%63[0-9a-zA-Z]\"", id), 1);
	free(body);
	bus_msg_free(m);
	for (int v = 0; v < 3; v++) {
		const char *scopes[] = {"", ".fairlead", NULL};
		char instance[128];

		snprintf(instance, sizeof(instance), ".fairlead.%s", id);
		scopes[2] = instance;
		snprintf(type, sizeof(type), "io.nats.micro.v1.%s_response", types[v]);
		for (int s = 0; s < 3; s++) {
			snprintf(subject, sizeof(subject), "$SRV.%s%s", verbs[v], scopes[s]);
			m = ask(rig, subject, "");
			assert_contains(m, type);
			assert_contains(m, id);
			assert_contains(m, "\"metadata\":{\"node\":\"n1\"}");
			bus_msg_free(m);
		}
	}
}

static void *
answer_held(void *arg)
{
	struct rig *rig = arg;
	struct micro_request *r = NULL;

	while (!r) {
		pthread_mutex_lock(&rig->lock);
		r = TAKE(rig->held);
		pthread_mutex_unlock(&rig->lock);
		if (!r)
			usleep(1000);
	}
	micro_respond_take(r, "later", 5, NULL, 0);
	return NULL;
}

static void
a_request_may_be_answered_later_from_another_thread(void **state)
{
	struct rig *rig = *state;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, answer_held, rig), 0);
	struct bus_msg *m = ask(rig, "fl.api.v1.session.watch", "{}");
	assert_contains(m, "later");
	bus_msg_free(m);
	pthread_join(thread, NULL);
}

static void
a_drained_service_takes_nothing_new(void **state)
{
	struct rig *rig = *state;
	struct bus_out out = {.subject = "fl.api.v1.session.list"};
	struct bus_msg *m = NULL;
	struct err err;

	micro_drain(rig->micro);
	assert_int_equal(bus_request(rig->bus, &out, WAIT_MS, &m, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
}

/* ---- the nats CLI ---- */

static const char *
cli_path(void)
{
	static const char beside[] = FL_SOURCE_DIR "/../shared/tools/nats";
	const char *named = getenv("NATS_CLI");

	if (named)
		return named;
	return access(beside, X_OK) == 0 ? beside : NULL;
}

/* Output of `nats -s <server> <command>`; fails the test unless it exits with 0. */
static char *
run_cli(struct rig *rig, const char *command)
{
	char line[512], *output = calloc(1, OUTPUT_BYTES);

	snprintf(line, sizeof(line), "XDG_CONFIG_HOME=/nonexistent %s -s %s %s 2>&1", cli_path(),
	    nats_server_url(rig->server), command);
	FILE *p = popen(line, "r");
	assert_non_null(p);
	size_t n = fread(output, 1, OUTPUT_BYTES - 1, p);
	output[n] = 0;
	int rc = pclose(p);
	if (!WIFEXITED(rc) || WEXITSTATUS(rc) != 0)
		fail_msg("%s: %s", line, output);
	return output;
}

static void
assert_cli_shows(struct rig *rig, const char *command, const char *const *texts, size_t n)
{
	char *output = run_cli(rig, command);

	for (size_t i = 0; i < n; i++) {
		if (!strstr(output, texts[i]))
			fail_msg("nats %s: '%s' is not in:\n%s", command, texts[i], output);
	}
	free(output);
}

static void
the_nats_cli_lists_and_measures_the_service_O1(void **state)
{
	static const char *const ls[] = {"fairlead", "0.1.0"};
	static const char *const info[] = {
	    "fairlead API", "session-list", "fl.api.v1.session.list", "fl-api"};
	static const char *const stats[] = {"session-list", "session-watch"};
	static const char *const json[] = {"\"num_requests\": 3", "\"num_errors\": 1",
	    "400:body is not JSON", "\"average_processing_time\": "};
	static const char *const answer[] = {"{\"sessions\":[]}"};
	struct rig *rig = *state;

	if (!cli_path()) {
		print_message("SKIP: no nats client here (NATS_CLI names it)\n");
		skip();
	}
	bus_msg_free(ask(rig, "fl.api.v1.session.list", "{}"));
	bus_msg_free(ask(rig, "fl.api.v1.session.list", "nonsense"));
	assert_cli_shows(rig, "micro req fairlead session-list '{}' --raw", answer, 1);
	assert_cli_shows(rig, "micro ls", ls, COUNT_OF(ls));
	assert_cli_shows(rig, "micro info fairlead", info, COUNT_OF(info));
	assert_cli_shows(rig, "micro stats fairlead", stats, COUNT_OF(stats));
	assert_cli_shows(rig, "micro stats fairlead --json", json, COUNT_OF(json));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(an_endpoint_answers_with_its_headers, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		an_error_is_in_the_service_headers_and_in_the_statistics, setup, teardown),
	    cmocka_unit_test_setup_teardown(every_scope_of_every_verb_is_answered, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_request_may_be_answered_later_from_another_thread, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_drained_service_takes_nothing_new, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		the_nats_cli_lists_and_measures_the_service_O1, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
