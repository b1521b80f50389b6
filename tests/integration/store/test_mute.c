/* A Postgres that is there and says nothing: whoever asks waits no longer than our own deadline. */
#include "postgres_cell.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "migrated.h"
#include "postgres_server.h"
#include "store_bounds.h"

#define TIMEOUT_MS 500

static struct postgres_server *server;

struct fixture {
	char *url;
	struct store *s;
	struct err err;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct store_options o = {.application = "mute", .timeout_ms = TIMEOUT_MS};

	f->url = strdup(postgres_server_clone(server));
	o.url = f->url;
	assert_int_equal(store_pg_new(&o, &f->s, &f->err), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	store_free(f->s);
	free(f->url);
	free(f);
	return 0;
}

static pid_t
backend_of(const struct fixture *f)
{
	return (pid_t)atoi(postgres_query(
	    f->url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'mute'"));
}

static void
a_backend_that_is_stopped_is_given_up_and_the_next_one_asked(void **state)
{
	struct fixture *f = *state;
	int64_t now_us, from;
	pid_t backend;

	assert_int_equal(store_ping(f->s, &now_us, &f->err), 0);
	backend = backend_of(f);
	assert_true(backend > 1);
	assert_int_equal(kill(backend, SIGSTOP), 0);
	from = clock_mono_us(clock_system());
	assert_int_equal(store_ping(f->s, &now_us, &f->err), -1);
	assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
	assert_non_null(strstr(f->err.text, "no answer within"));
	assert_true(
	    clock_mono_us(clock_system()) - from >= (TIMEOUT_MS + PG_ANSWER_MARGIN_MS) * MS_US);
	assert_int_equal(store_ping(f->s, &now_us, &f->err), 0);
	assert_int_equal(kill(backend, SIGCONT), 0);
}

/* Several statements on their way at once, in a transaction. */
static void
a_pipeline_into_a_stopped_backend_is_given_up_too(void **state)
{
	const struct store_lease nobodys = {.name = "judge", .epoch = 99};
	struct fixture *f = *state;
	pid_t backend;
	size_t n;

	assert_int_equal(store_host_lost(f->s, &nobodys, &n, &f->err), -1);
	assert_int_equal(f->err.kind, ERR_DENIED);
	backend = backend_of(f);
	assert_int_equal(kill(backend, SIGSTOP), 0);
	assert_int_equal(store_host_lost(f->s, &nobodys, &n, &f->err), -1);
	assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
	assert_int_equal(store_host_lost(f->s, &nobodys, &n, &f->err), -1);
	assert_int_equal(f->err.kind, ERR_DENIED);
	assert_int_equal(kill(backend, SIGCONT), 0);
}

int
main(void)
{
#define TEST_MUTE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST_MUTE(a_backend_that_is_stopped_is_given_up_and_the_next_one_asked),
	    TEST_MUTE(a_pipeline_into_a_stopped_backend_is_given_up_too),
	};
	int failed;

	server = postgres_server_new(migrated);
	failed = cmocka_run_group_tests_name("mute", tests, NULL, NULL);
	postgres_server_free(server);
	return failed;
}
