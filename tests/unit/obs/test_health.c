#include "test.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "health.h"
#include "http.h"
#include "metrics.h"
#include "wait.h"

struct dependency {
	atomic_bool away;
	atomic_int asked;
};

static int
check(void *arg, struct err *err)
{
	struct dependency *d = arg;

	atomic_fetch_add(&d->asked, 1);
	if (atomic_load(&d->away))
		return err_set(err, ERR_UNAVAILABLE, "no \"answer\"");
	return 0;
}

static void
readyz_names_the_dependencies_that_fail_O3(void **state)
{
	struct dependency bus = {0}, store = {0};
	struct health *h = NULL;
	struct err err;
	char body[1000];

	(void)state;
	assert_int_equal(health_start("127.0.0.1:0", NULL, &h, &err), 0);
	assert_true(health_port(h) > 0);
	assert_int_equal(test_http(health_port(h), "GET", "/readyz", body, sizeof(body)), 200);
	assert_int_equal(health_add_probe(h, "nats", check, &bus, &err), 0);
	assert_int_equal(health_add_probe(h, "postgres", check, &store, &err), 0);
	assert_int_equal(test_http(health_port(h), "GET", "/readyz", body, sizeof(body)), 200);
	assert_string_equal(body, "{\"ready\":true,\"failing\":[]}");
	atomic_store(&store.away, true);
	assert_int_equal(test_http(health_port(h), "GET", "/readyz", body, sizeof(body)), 503);
	json_t *json = json_loads(body, 0, NULL);
	assert_non_null(json);
	assert_true(json_is_false(json_object_get(json, "ready")));
	json_t *failing = json_object_get(json, "failing");
	assert_int_equal(json_array_size(failing), 1);
	json_t *one = json_array_get(failing, 0);
	assert_string_equal(json_string_value(json_object_get(one, "name")), "postgres");
	assert_string_equal(json_string_value(json_object_get(one, "kind")), "unavailable");
	assert_string_equal(json_string_value(json_object_get(one, "message")), "no \"answer\"");
	json_decref(json);
	atomic_store(&store.away, false);
	assert_int_equal(test_http(health_port(h), "GET", "/readyz", body, sizeof(body)), 200);
	health_free(h);
}

static void
healthz_touches_nothing_O3(void **state)
{
	struct dependency bus = {.away = true};
	struct health *h = NULL;
	struct err err;
	char body[1000];

	(void)state;
	assert_int_equal(health_start("127.0.0.1:0", NULL, &h, &err), 0);
	assert_int_equal(health_add_probe(h, "nats", check, &bus, &err), 0);
	assert_int_equal(test_http(health_port(h), "GET", "/healthz", body, sizeof(body)), 200);
	assert_string_equal(body, "ok\n");
	assert_int_equal(atomic_load(&bus.asked), 0);
	health_free(h);
}

static void
metrics_are_served_and_nothing_else_is_O4(void **state)
{
	static const struct {
		const char *method, *path;
		int status;
		const char *body;
	} cases[] = {
	    {"GET", "/metrics", 200, "# HELP a_total A.\n# TYPE a_total counter\na_total 3\n"},
	    {"HEAD", "/metrics", 200, ""},
	    {"GET", "/", 404, "/metrics, /healthz or /readyz\n"},
	    {"GET", "/metrics/../../etc/passwd", 404, "/metrics, /healthz or /readyz\n"},
	    {"POST", "/metrics", 405, "GET or HEAD only\n"},
	    {"DELETE", "/readyz", 405, "GET or HEAD only\n"},
	};
	struct metrics *m = metrics_new();
	struct health *h = NULL;
	struct err err;
	char body[1000];

	(void)state;
	metric_add(metrics_counter(m, "a_total", "A."), 3);
	assert_int_equal(health_start("127.0.0.1:0", m, &h, &err), 0);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int status =
		    test_http(health_port(h), cases[i].method, cases[i].path, body, sizeof(body));
		assert_int_equal(status, cases[i].status);
		assert_string_equal(body, cases[i].body);
	}
	health_free(h);
	metrics_free(m);
}

static void
an_address_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *listen;
		enum err_kind kind;
	} cases[] = {
	    {"", ERR_NONE},
	    {"-", ERR_NONE},
	    {":0", ERR_NONE},
	    {"localhost:0", ERR_NONE},
	    {"127.0.0.1", ERR_INVALID},
	    {"127.0.0.1:", ERR_INVALID},
	    {"127.0.0.1:http", ERR_INVALID},
	    {"127.0.0.1:70000", ERR_INVALID},
	    {"::1:80", ERR_INVALID},
	    {"no such host:80", ERR_INVALID},
	    {"192.0.2.1:0", ERR_UNAVAILABLE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct health *h = NULL;
		struct err err = {0};
		int result = health_start(cases[i].listen, NULL, &h, &err);
		assert_int_equal(err.kind, cases[i].kind);
		assert_int_equal(result, cases[i].kind == ERR_NONE ? 0 : -1);
		assert_true((h == NULL) == (result < 0));
		if (h)
			assert_true((health_port(h) > 0) == (strchr(cases[i].listen, ':') != NULL));
		health_free(h);
	}
}

static void
a_port_that_is_taken_is_unavailable(void **state)
{
	struct health *first = NULL, *second = NULL;
	struct err err = {0};
	char listen[32];

	(void)state;
	assert_int_equal(health_start("127.0.0.1:0", NULL, &first, &err), 0);
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", health_port(first));
	assert_int_equal(health_start(listen, NULL, &second, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_non_null(strstr(err.text, listen));
	health_free(first);
}

static void
probes_are_bounded(void **state)
{
	struct dependency d = {0};
	struct health *h = NULL;
	struct err err = {0};
	int n = 0;

	(void)state;
	assert_int_equal(health_start("", NULL, &h, &err), 0);
	while (n < 1000 && health_add_probe(h, "p", check, &d, &err) == 0)
		n++;
	assert_in_range(n, 8, 100);
	assert_int_equal(err.kind, ERR_LIMIT);
	health_free(h);
	health_free(NULL);
}

static bool
healthz_answers(void *arg)
{
	char body[100];

	return test_http(*(unsigned *)arg, "GET", "/healthz", body, sizeof(body)) == 200;
}

static void
idle_connections_do_not_keep_others_out_for_ever(void **state)
{
	struct health *h = NULL;
	struct err err;
	int idle[60];

	(void)state;
	assert_int_equal(health_start("127.0.0.1:0", NULL, &h, &err), 0);
	unsigned port = health_port(h);
	for (size_t i = 0; i < COUNT_OF(idle); i++)
		idle[i] = test_http_connect(port);
	/* They are dropped after their time, whether they are closed or not. */
	assert_true(test_wait_until(healthz_answers, &port, 20000));
	for (size_t i = 0; i < COUNT_OF(idle); i++)
		if (idle[i] >= 0)
			close(idle[i]);
	health_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(readyz_names_the_dependencies_that_fail_O3),
	    cmocka_unit_test(healthz_touches_nothing_O3),
	    cmocka_unit_test(metrics_are_served_and_nothing_else_is_O4),
	    cmocka_unit_test(an_address_is_refused_with_its_reason),
	    cmocka_unit_test(a_port_that_is_taken_is_unavailable),
	    cmocka_unit_test(probes_are_bounded),
	    cmocka_unit_test(idle_connections_do_not_keep_others_out_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
