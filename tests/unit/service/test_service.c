#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash.h"
#include "err.h"
#include "health.h"
#include "http.h"
#include "log.h"
#include "service.h"
#include "wait.h"
#include "worker.h"

#define PATIENCE_MS 20000

extern char **environ;

/* ---- the service under test: this program again, with "service" as its first argument ---- */

struct subject {
	const char *mode;
	struct service_context *context;
	struct worker *worker;
};

static void
fail_later(struct worker *w, void *arg)
{
	struct subject *s = arg;
	struct err err;

	(void)w;
	err_set(&err, ERR_CONFLICT, "somebody else has the lease");
	service_fail(s->context, &err);
}

static int
subject_start(struct service_context *context, void **ret_state, struct err *err)
{
	static struct subject subject;
	struct subject *s = &subject;

	s->mode = options_string(context->options, "mode");
	s->context = context;
	if (strcmp(s->mode, "start-fails") == 0)
		return err_set(err, ERR_DENIED, "wrong password");
	if (strcmp(s->mode, "start-waits") == 0) {
		do
			log_warn("subject.waiting", LOG_STR("for", "the database"));
		while (service_wait(context, 100));
		return err_set(err, ERR_UNAVAILABLE, "the database is away");
	}
	if (strcmp(s->mode, "worker-fails") == 0 &&
	    !(s->worker = worker_start("fails", fail_later, s, err)))
		return -1;
	*ret_state = s;
	return 0;
}

static int
subject_drain(void *state, int timeout_ms, struct err *err)
{
	struct subject *s = state;

	log_info("subject.draining", LOG_INT("timeout_ms", timeout_ms));
	if (strcmp(s->mode, "drain-hangs") == 0)
		for (;;)
			pause();
	if (strcmp(s->mode, "drain-fails") == 0)
		return err_set(err, ERR_TIMEOUT, "3 requests were cut off");
	return 0;
}

static void
subject_stop(void *state)
{
	struct subject *s = state;

	worker_free(s->worker);
	log_info("subject.stopped", LOG_STR("mode", s->mode));
}

static const struct option_row subject_options[] = {
    {"mode", OPTION_STRING, "plain", 0, 0, 0, "what to do wrong"},
    {"password", OPTION_STRING, "sesame", OPTION_SECRET, 0, 0, "a secret"},
    {NULL, OPTION_STRING, NULL, 0, 0, 0, NULL},
};

static const struct crash_row subject_crash_points[] = {
    {"subject.before_work", "nothing is done"},
    {NULL, NULL},
};

static const struct service subject_service = {
    .name = "subject",
    .summary = "A service that a test looks at.",
    .http_listen = "127.0.0.1:0",
    .options = subject_options,
    .crash_points = subject_crash_points,
    .start = subject_start,
    .drain = subject_drain,
    .stop = subject_stop,
};

/* ---- a child that runs it, with both outputs in one file ---- */

struct child {
	pid_t pid;
	char path[40];
	char output[32768];
	const char *wanted; /* for the condition below */
	unsigned port;
};

static void
child_start(struct child *c, char *const arguments[])
{
	char *argv[12] = {(char *)"test", (char *)"service"};
	posix_spawn_file_actions_t actions;

	memset(c, 0, sizeof(*c));
	for (int i = 0; arguments[i]; i++)
		argv[2 + i] = arguments[i];
	snprintf(c->path, sizeof(c->path), "/tmp/service-XXXXXX");
	int fd = mkostemp(c->path, O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fd, STDERR_FILENO);
	assert_int_equal(posix_spawn(&c->pid, "/proc/self/exe", &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(fd);
}

static void
child_read(struct child *c)
{
	int fd = open(c->path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, c->output, sizeof(c->output) - 1);

	close(fd);
	c->output[n < 0 ? 0 : n] = '\0';
}

static bool
output_has_what_is_wanted(void *arg)
{
	struct child *c = arg;

	child_read(c);
	return strstr(c->output, c->wanted) != NULL;
}

static void
child_expect(struct child *c, const char *wanted)
{
	c->wanted = wanted;
	if (!test_wait_until(output_has_what_is_wanted, c, PATIENCE_MS))
		fail_msg("no \"%s\" in:\n%s", wanted, c->output);
}

/* Waits for "service.started" and remembers the port. */
static void
child_expect_started(struct child *c)
{
	child_expect(c, "\"service.started\"");
	assert_int_equal(
	    sscanf(strstr(c->output, "\"http_port\":"), "\"http_port\":%u", &c->port), 1);
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
	child_read(c);
	unlink(c->path);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define ARGUMENTS(...) ((char *const[]){__VA_ARGS__, NULL})

/* ---- the tests ---- */

static void
questions_are_answered_without_starting(void **state)
{
	static const struct {
		const char *question, *answer;
	} cases[] = {
	    {"--help", "Usage: fairlead-subject [options]\nA service that a test looks at.\n"},
	    {"--help", "--drain-timeout TIME"},
	    {"--help", "--list-crash-points"},
	    {"--version", "fairlead-subject 0."},
	    {"--print-config", "mode: plain # default\npassword: \"***\" # default\n"},
	    {"--print-config", "http_listen: 127.0.0.1:0 # default\n"},
	    {"--print-config-markdown", "| `mode` | `--mode` | `FAIRLEAD_SUBJECT_MODE` |"},
	    {"--list-crash-points", "subject.before_work "},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct child c;
		child_start(&c, ARGUMENTS((char *)cases[i].question));
		assert_int_equal(child_end(&c), 0);
		if (!strstr(c.output, cases[i].answer))
			fail_msg("no \"%s\" in:\n%s", cases[i].answer, c.output);
		assert_null(strstr(c.output, "sesame"));
		assert_null(strstr(c.output, "service.started"));
	}
}

static void
a_wrong_setting_refuses_to_start_O6(void **state)
{
	static const struct {
		const char *argument, *says;
	} cases[] = {
	    {"--mood=x", "fairlead-subject: command line: unknown option --mood; --help"},
	    {"--log-level=loud", "option log_level: \"loud\" is not one of its names; debug,"},
	    {"--log-format=xml", "option log_format: \"xml\""},
	    {"--instance=a.b", "option instance: at most"},
	    {"--drain-timeout=11m", "11m is outside 0..600000 ms"},
	    {"--http-listen=nowhere", "is not address:port"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct child c;
		child_start(&c, ARGUMENTS((char *)cases[i].argument));
		assert_int_equal(child_end(&c), 2);
		if (!strstr(c.output, cases[i].says))
			fail_msg("no \"%s\" in:\n%s", cases[i].says, c.output);
	}
}

static void
a_crash_point_that_does_not_exist_refuses_to_start(void **state)
{
	struct child c;

	(void)state;
	setenv(CRASH_VARIABLE, "subject.no_such_point", 1);
	child_start(&c, ARGUMENTS((char *)"--mode=plain"));
	unsetenv(CRASH_VARIABLE);
	assert_int_equal(child_end(&c), 2);
	assert_non_null(strstr(c.output, CRASH_VARIABLE));
}

static void
a_signal_drains_stops_and_exits_with_0(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(signals); i++) {
		struct child c;
		char body[4000];
		child_start(&c, ARGUMENTS((char *)"--drain-timeout=3s", (char *)"--instance=me"));
		child_expect_started(&c);
		assert_int_equal(test_http(c.port, "GET", "/readyz", body, sizeof(body)), 200);
		assert_int_equal(test_http(c.port, "GET", "/metrics", body, sizeof(body)), 200);
		assert_non_null(strstr(body, "fairlead_build_info{version=\"0."));
		kill(c.pid, SIGPIPE);
		kill(c.pid, signals[i]);
		assert_int_equal(child_end(&c), 0);
		const char *draining = strstr(c.output, "\"subject.draining\"");
		assert_non_null(draining);
		assert_non_null(strstr(draining, "\"timeout_ms\":3000"));
		assert_non_null(strstr(draining, "\"subject.stopped\""));
		assert_non_null(strstr(c.output, "\"instance\":\"me\""));
	}
}

static void
a_service_that_waits_for_a_dependency_is_not_ready_and_can_be_ended_O3(void **state)
{
	struct child c;
	char body[500];
	struct health *free_port = NULL;
	struct err err;
	char listen[40];

	(void)state;
	/* A port that was free a moment ago: nothing is logged before the start is over. */
	assert_int_equal(health_start("127.0.0.1:0", NULL, &free_port, &err), 0);
	unsigned port = health_port(free_port);
	health_free(free_port);
	snprintf(listen, sizeof(listen), "--http-listen=127.0.0.1:%u", port);
	child_start(&c, ARGUMENTS((char *)"--mode=start-waits", listen));
	child_expect(&c, "subject.waiting");
	assert_int_equal(test_http(port, "GET", "/healthz", body, sizeof(body)), 200);
	assert_int_equal(test_http(port, "GET", "/readyz", body, sizeof(body)), 503);
	assert_non_null(strstr(body, "{\"name\":\"service\",\"kind\":\"unavailable\","
				     "\"message\":\"starting\"}"));
	kill(c.pid, SIGTERM);
	assert_int_equal(child_end(&c), 0);
	assert_null(strstr(c.output, "service.started"));
}

static void
the_exit_code_tells_what_failed(void **state)
{
	static const struct {
		const char *mode;
		bool terminate;
		int code;
		const char *says;
	} cases[] = {
	    {"--mode=start-fails", false, 5, "start: wrong password"},
	    {"--mode=worker-fails", false, 4, "somebody else has the lease"},
	    {"--mode=drain-fails", true, 124, "3 requests were cut off"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct child c;
		child_start(&c, ARGUMENTS((char *)cases[i].mode));
		if (cases[i].terminate) {
			child_expect_started(&c);
			kill(c.pid, SIGTERM);
		}
		assert_int_equal(child_end(&c), cases[i].code);
		assert_non_null(strstr(c.output, cases[i].says));
		bool started = strstr(c.output, "service.started") != NULL;
		assert_true(started == (strstr(c.output, "subject.stopped") != NULL));
	}
}

static void
a_second_signal_ends_a_drain_at_once(void **state)
{
	struct child c;
	char body[500];

	(void)state;
	child_start(&c, ARGUMENTS((char *)"--mode=drain-hangs", (char *)"--drain-timeout=10m"));
	child_expect_started(&c);
	kill(c.pid, SIGTERM);
	child_expect(&c, "subject.draining");
	assert_int_equal(test_http(c.port, "GET", "/readyz", body, sizeof(body)), 503);
	assert_non_null(strstr(body, "\"draining\""));
	kill(c.pid, SIGTERM);
	assert_int_equal(child_end(&c), 128 + SIGTERM);
	assert_null(strstr(c.output, "subject.stopped"));
}

static void
a_drain_that_hangs_is_ended_after_its_time(void **state)
{
	struct child c;

	(void)state;
	child_start(&c, ARGUMENTS((char *)"--mode=drain-hangs", (char *)"--drain-timeout=1ms"));
	child_expect_started(&c);
	kill(c.pid, SIGTERM);
	assert_int_equal(child_end(&c), 124);
	assert_non_null(strstr(c.output, "service.stuck"));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(questions_are_answered_without_starting),
	    cmocka_unit_test(a_wrong_setting_refuses_to_start_O6),
	    cmocka_unit_test(a_crash_point_that_does_not_exist_refuses_to_start),
	    cmocka_unit_test(a_signal_drains_stops_and_exits_with_0),
	    cmocka_unit_test(
		a_service_that_waits_for_a_dependency_is_not_ready_and_can_be_ended_O3),
	    cmocka_unit_test(the_exit_code_tells_what_failed),
	    cmocka_unit_test(a_second_signal_ends_a_drain_at_once),
	    cmocka_unit_test(a_drain_that_hangs_is_ended_after_its_time),
	};

	if (argc > 1 && strcmp(argv[1], "service") == 0)
		return service_main(&subject_service, argc - 1, argv + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
