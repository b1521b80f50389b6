/* dependencies inside a real service: this program again, with "service" as its first argument. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus.h"
#include "clock.h"
#include "dependencies.h"
#include "err.h"
#include "service.h"
#include "store.h"
#include "streams.h"
#include "wait.h"

#define PATIENCE_MS 20000

extern char **environ;

/* ---- the service: awaits what option `await` names ---- */

static int
await_bus(struct service_context *c, struct err *err)
{
	const struct dependencies_connection want = {.name = "main"};
	CLEANUP(bus_free) struct bus *b = NULL;

	if (dependencies_open_bus(c, &want, &b, err) != 0)
		return -1;
	return dependencies_wait_bus(c, b, err);
}

static int
await_schema(struct service_context *c, struct err *err)
{
	const struct store_options o = {.url = options_string(c->options, "database_url"),
	    .application = "test",
	    .connect_timeout_ms = 1000};
	CLEANUP(store_free) struct store *s = NULL;

	if (store_pg_new(&o, &s, err) != 0)
		return -1;
	return dependencies_wait_schema(c, s, err);
}

/* taken: one of the streams is there already and is another one. */
static int
await_streams(struct service_context *c, bool taken, struct err *err)
{
	const struct bus_stream other = {
	    .name = STREAM_COMMANDS, .subjects = {"other.>"}, .max_age_s = 5};
	CLEANUP(bus_free) struct bus *b = bus_memory_new(c->clock, false);
	struct bus_stream_state state;

	if (!b)
		return err_set(err, ERR_INTERNAL, "no memory");
	if (taken && bus_stream_ensure(b, &other, 1, err) != 0)
		return -1;
	if (dependencies_wait_bus(c, b, err) != 0 || dependencies_wait_streams(c, b, err) != 0)
		return -1;
	return bus_stream_state(b, STREAM_REPORTS, &state, err);
}

static int
subject_start(struct service_context *c, void **ret_state, struct err *err)
{
	static char state;
	const char *await = options_string(c->options, "await");

	*ret_state = &state;
	if (strcmp(await, "bus") == 0)
		return await_bus(c, err);
	if (strcmp(await, "schema") == 0)
		return await_schema(c, err);
	if (strcmp(await, "streams") == 0)
		return await_streams(c, false, err);
	return await_streams(c, true, err);
}

static void
subject_stop(void *state)
{
	(void)state;
}

static const struct option_row subject_options[] = {
    DEPENDENCIES_OPTIONS("fairlead_subject"),
    {"await", OPTION_STRING, "streams", OPTION_PLAIN, 0, 0, "what to wait for"},
    {NULL, OPTION_STRING, NULL, OPTION_PLAIN, 0, 0, NULL},
};

static const struct service subject = {.name = "subject",
    .summary = "A service that a test looks at.",
    .http_listen = "",
    .options = subject_options,
    .start = subject_start,
    .stop = subject_stop};

/* ---- a child that runs it, with both outputs in one file ---- */

struct child {
	pid_t pid;
	char path[40];
	char output[16384];
	const char *wanted;
};

static void
child_start(struct child *c, const char *await, const char *more)
{
	char wait_for[64], last[128];
	char *argv[] = {(char *)"test", (char *)"service", wait_for, last, NULL};
	posix_spawn_file_actions_t actions;
	int fd;

	memset(c, 0, sizeof(*c));
	snprintf(wait_for, sizeof(wait_for), "--await=%s", await);
	snprintf(last, sizeof(last), "%s", more);
	snprintf(c->path, sizeof(c->path), "/tmp/dependencies-XXXXXX");
	fd = mkostemp(c->path, O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fd, STDERR_FILENO);
	assert_int_equal(posix_spawn(&c->pid, "/proc/self/exe", &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(fd);
}

static bool
output_has_what_is_wanted(void *arg)
{
	struct child *c = arg;
	int fd = open(c->path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, c->output, sizeof(c->output) - 1);

	close(fd);
	c->output[n < 0 ? 0 : n] = '\0';
	return strstr(c->output, c->wanted) != NULL;
}

static void
child_expect(struct child *c, const char *wanted)
{
	c->wanted = wanted;
	if (!test_wait_until(output_has_what_is_wanted, c, PATIENCE_MS))
		fail_msg("no \"%s\" in:\n%s", wanted, c->output);
}

static bool
has_ended(void *arg)
{
	struct child *c = arg;
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == c->pid;
}

/* The exit code, 128 + signal when a signal ended it. */
static int
child_end(struct child *c)
{
	int status = 0;

	if (!test_wait_until(has_ended, c, PATIENCE_MS))
		kill(c->pid, SIGKILL);
	waitpid(c->pid, &status, 0);
	c->wanted = "";
	output_has_what_is_wanted(c);
	unlink(c->path);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- the tests ---- */

static void
what_is_away_is_awaited_until_the_service_is_to_end_O3(void **state)
{
	static const struct {
		const char *await, *more, *says;
	} cases[] = {
	    {"bus", "--nats-servers=nats://127.0.0.1:1", "bus.waiting"},
	    {"schema", "--database-url=host=/nowhere dbname=none", "postgres.waiting"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct child c;

		child_start(&c, cases[i].await, cases[i].more);
		child_expect(&c, cases[i].says);
		kill(c.pid, SIGTERM);
		assert_int_equal(child_end(&c), 0);
		assert_null(strstr(c.output, "service.started"));
	}
}

static void
missing_streams_are_made_K12(void **state)
{
	struct child c;

	(void)state;
	child_start(&c, "streams", "--prefix=other");
	child_expect(&c, "service.started");
	kill(c.pid, SIGTERM);
	assert_int_equal(child_end(&c), 0);
}

static void
streams_that_differ_refuse_the_start_K12(void **state)
{
	struct child c;

	(void)state;
	child_start(&c, "taken", "--prefix=fl");
	assert_int_equal(child_end(&c), err_row(ERR_CONFLICT)->exit_code);
	assert_non_null(strstr(c.output, "streams: "));
	assert_non_null(strstr(c.output, STREAM_COMMANDS));
	assert_null(strstr(c.output, "streams.waiting"));
}

static void
a_url_that_is_none_refuses_the_start(void **state)
{
	struct child c;

	(void)state;
	child_start(&c, "bus", "--nats-servers=nats://:bad:port:");
	assert_int_equal(child_end(&c), err_row(ERR_INVALID)->exit_code);
	assert_null(strstr(c.output, "bus.waiting"));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_away_is_awaited_until_the_service_is_to_end_O3),
	    cmocka_unit_test(missing_streams_are_made_K12),
	    cmocka_unit_test(streams_that_differ_refuse_the_start_K12),
	    cmocka_unit_test(a_url_that_is_none_refuses_the_start),
	};

	if (argc > 1 && strcmp(argv[1], "service") == 0)
		return service_main(&subject, argc - 1, argv + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
