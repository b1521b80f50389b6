#include "service.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "crash.h"
#include "err.h"
#include "health.h"
#include "log.h"
#include "metrics.h"
#include "process.h"
#include "question.h"
#include "version.h"

/* After the drain a service has this long to free what it holds, then it is ended. */
#define STOP_SECONDS_MAX 5
#define OPTIONS_MAX 128

extern char **environ;

/* What the process is doing, for /readyz. */
enum phase { PHASE_STARTING, PHASE_READY, PHASE_DRAINING };

struct run {
	struct service_context context; /* first: the public half */
	const struct service *service;
	struct options *options;
	char instance[96];
	int drain_timeout_ms;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	enum phase phase;
	bool ending;        /* a signal, or service_fail */
	int64_t ended_us;   /* when that was */
	struct err failure; /* of service_fail */

	pthread_t signal_thread;
};

static struct run *
run_of(struct service_context *context)
{
	return (struct run *)context;
}

static const struct option_row common_options[] = {
    {"log_level", OPTION_STRING, "info", 0, 0, 0, "debug, info, warn or error"},
    {"log_format", OPTION_STRING, "auto", 0, 0, 0,
	"logfmt, json, or auto: logfmt on a terminal, JSON lines otherwise"},
    {"instance", OPTION_STRING, NULL, 0, 0, 0,
	"name of this process among its replicas; host name and process id when unset"},
    {"http_listen", OPTION_STRING, NULL, 0, 0, 0,
	"address:port of /metrics, /healthz and /readyz; - for none"},
    {"drain_timeout", OPTION_DURATION_MS, "20s", 0, 0, 600000,
	"how long SIGTERM waits for work in hand"},
};

/* The common rows, then the service's own, ended.  rows has room for OPTIONS_MAX. */
static void
merge_options(const struct service *service, struct option_row rows[OPTIONS_MAX])
{
	size_t n = COUNT_OF(common_options);

	memcpy(rows, common_options, sizeof(common_options));
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].name, "http_listen") == 0)
			rows[i].value = service->http_listen;
	for (const struct option_row *own = service->options; own && own->name; own++) {
		for (size_t i = 0; i < n; i++)
			assert(strcmp(rows[i].name, own->name) != 0);
		assert(n + 1 < OPTIONS_MAX);
		rows[n++] = *own;
	}
	rows[n] = (struct option_row){0};
}

/* ---- settings ---- */

static int
choose_instance(struct run *run, struct err *err)
{
	const char *given = options_string(run->options, "instance");
	char host[65];

	if (given[0]) {
		if (strlen(given) >= sizeof(run->instance) ||
		    given[strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789_-")])
			return err_field(err, ERR_INVALID, "instance",
			    "option instance: at most %zu of A-Z, a-z, 0-9, _ and -",
			    sizeof(run->instance) - 1);
		snprintf(run->instance, sizeof(run->instance), "%s", given);
		return 0;
	}
	if (gethostname(host, sizeof(host)) < 0)
		snprintf(host, sizeof(host), "host");
	host[sizeof(host) - 1] = '\0';
	for (char *c = host; *c; c++)
		if (!isalnum((unsigned char)*c))
			*c = '-';
	snprintf(run->instance, sizeof(run->instance), "%s-%ld", host, (long)getpid());
	return 0;
}

/* ---- signals ---- */

static void
end(struct run *run, const struct err *failure)
{
	pthread_mutex_lock(&run->lock);
	if (!run->ending) {
		run->ending = true;
		run->ended_us = clock_mono_us(clock_system());
		if (failure)
			run->failure = *failure;
	}
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
}

/* How long main may still take before the process is ended from here. */
static int64_t
patience_us(struct run *run)
{
	pthread_mutex_lock(&run->lock);
	int64_t deadline_us =
	    run->ended_us + run->drain_timeout_ms * MS_US + STOP_SECONDS_MAX * SECOND_US;
	bool ending = run->ending;
	pthread_mutex_unlock(&run->lock);
	return ending ? deadline_us - clock_mono_us(clock_system()) : INT64_MAX;
}

static void
signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGUSR1); /* from service_fail: look at the clock again */
}

/* One signal drains; the second, or a drain that hangs, ends the process.  Cancelled by main. */
static void *
watch_signals(void *arg)
{
	struct run *run = arg;
	sigset_t set;

	signal_set(&set);
	for (bool first = true;;) {
		int64_t left_us = patience_us(run);
		if (left_us <= 0) {
			log_error(
			    "service.stuck", LOG_INT("drain_timeout_ms", run->drain_timeout_ms));
			_exit(err_row(ERR_TIMEOUT)->exit_code);
		}
		struct timespec wait = {
		    .tv_sec = left_us / SECOND_US, .tv_nsec = left_us % SECOND_US * 1000};
		int number = left_us == INT64_MAX ? sigwaitinfo(&set, NULL)
						  : sigtimedwait(&set, NULL, &wait);
		if (number < 0 || number == SIGUSR1)
			continue;
		log_info(first ? "service.draining" : "service.killed",
		    LOG_STR("signal", number == SIGINT ? "SIGINT" : "SIGTERM"));
		if (!first)
			_exit(128 + number);
		first = false;
		end(run, NULL);
	}
	return NULL;
}

/* Before any other thread, so that all of them have these blocked. */
static int
start_signals(struct run *run, struct err *err)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	sigaction(SIGPIPE, &ignore, NULL);
	signal_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	int status = pthread_create(&run->signal_thread, NULL, watch_signals, run);
	if (status != 0)
		return err_set(err, ERR_INTERNAL, "no thread for signals: %s", strerror(status));
	pthread_setname_np(run->signal_thread, "signals");
	return 0;
}

static void
stop_signals(struct run *run)
{
	pthread_cancel(run->signal_thread);
	pthread_join(run->signal_thread, NULL);
}

/* ---- for the service ---- */

bool
service_stopping(const struct service_context *context)
{
	struct run *run = run_of((struct service_context *)context);

	pthread_mutex_lock(&run->lock);
	bool ending = run->ending;
	pthread_mutex_unlock(&run->lock);
	return ending;
}

bool
service_wait(struct service_context *context, int timeout_ms)
{
	struct run *run = run_of(context);
	struct timespec deadline;
	int status = 0;

	assert(timeout_ms >= 0);
	deadline = clock_deadline(timeout_ms * MS_US);
	pthread_mutex_lock(&run->lock);
	while (!run->ending && status != ETIMEDOUT)
		status = pthread_cond_timedwait(&run->changed, &run->lock, &deadline);
	bool ending = run->ending;
	pthread_mutex_unlock(&run->lock);
	return !ending;
}

void
service_fail(struct service_context *context, const struct err *err)
{
	struct run *run = run_of(context);

	assert(err->kind != ERR_NONE);
	log_error("service.failed", LOG_ERR(err));
	end(run, err);
	pthread_kill(run->signal_thread, SIGUSR1);
}

/* ---- the life of a service ---- */

static int
check_phase(void *arg, struct err *err)
{
	struct run *run = arg;

	pthread_mutex_lock(&run->lock);
	enum phase phase = run->ending ? PHASE_DRAINING : run->phase;
	pthread_mutex_unlock(&run->lock);
	if (phase == PHASE_READY)
		return 0;
	return err_set(err, ERR_UNAVAILABLE, phase == PHASE_STARTING ? "starting" : "draining");
}

/* Before it is said, so that who reads the log finds it true. */
static void
be_ready(struct run *run)
{
	pthread_mutex_lock(&run->lock);
	run->phase = PHASE_READY;
	pthread_mutex_unlock(&run->lock);
}

static void
wait_for_end(struct run *run)
{
	pthread_mutex_lock(&run->lock);
	while (!run->ending)
		pthread_cond_wait(&run->changed, &run->lock);
	pthread_mutex_unlock(&run->lock);
}

/* -1 with *err set when service_fail was called; otherwise *err is left alone. */
static int
failure_of(struct run *run, struct err *err)
{
	pthread_mutex_lock(&run->lock);
	bool failed = run->failure.kind != ERR_NONE;
	if (failed)
		*err = run->failure;
	pthread_mutex_unlock(&run->lock);
	return failed ? -1 : 0;
}

/* Start, wait, drain, stop; the health server answers until the drain is over. */
static int
serve(struct run *run, struct err *err)
{
	const struct service *service = run->service;
	void *state = NULL;

	if (service->start(&run->context, &state, err) < 0) {
		/* To be asked to end while waiting for a dependency is no failure. */
		if (service_stopping(&run->context))
			return failure_of(run, err);
		return err_wrap(err, "start");
	}
	be_ready(run);
	log_info("service.started", LOG_STR("version", FAIRLEAD_VERSION),
	    LOG_UINT("http_port", health_port(run->context.health)));
	wait_for_end(run);
	int drained = 0;
	if (service->drain)
		drained = service->drain(state, run->drain_timeout_ms, err);
	if (drained < 0)
		log_warn("service.not_drained", LOG_ERR(err));
	health_stop(run->context.health);
	service->stop(state);
	return failure_of(run, err) < 0 ? -1 : drained;
}

/* What surrounds the service itself. */
static int
host(struct run *run, struct err *err)
{
	struct metrics *metrics = metrics_new();
	struct health *health = NULL;
	int result = -1;

	run->context = (struct service_context){.name = run->service->name,
	    .instance = run->instance,
	    .options = run->options,
	    .clock = clock_system(),
	    .metrics = metrics};
	process_metrics_add(metrics);
	if (start_signals(run, err) < 0)
		goto out_metrics;
	if (health_start(options_string(run->options, "http_listen"), metrics, &health, err) < 0)
		goto out_signals;
	run->context.health = health;
	/* Said before anything is waited for: /readyz is what tells why a service waits. */
	if (health_port(health) > 0)
		log_info("service.listening", LOG_UINT("http_port", health_port(health)));
	if (health_add_probe(health, "service", check_phase, run, err) == 0)
		result = serve(run, err);
	health_free(health);
out_signals:
	stop_signals(run);
out_metrics:
	metrics_free(metrics);
	return result;
}

static int
load(struct run *run, int argc, char **argv, struct err *err)
{
	if (options_load(run->options, argc, argv, environ, NULL, err) < 0 ||
	    choose_instance(run, err) < 0 ||
	    log_configure(run->options, run->service->name, run->instance, err) < 0 ||
	    crash_check(run->service->crash_points, err) < 0)
		return -1;
	run->drain_timeout_ms = (int)options_int(run->options, "drain_timeout");
	return 0;
}

/* Before the log is set up, or for its reader: a plain line, with what would help. */
static int
refuse(const char *program, const struct err *err)
{
	fprintf(stderr, "%s: %s%s%s\n", program, err->text, err->hint[0] ? "; " : "", err->hint);
	return err_row(err->kind)->exit_code;
}

static int
execute(struct run *run, int argc, char **argv, const char *program)
{
	const char *question = question_take(&argc, argv);
	struct err err = {0};

	if (question && question_answer(run->service, run->options, question, program))
		return 0;
	if (load(run, argc, argv, &err) < 0)
		return refuse(program, &err);
	if (question) {
		options_print_config(run->options, stdout);
		return 0;
	}
	if (host(run, &err) < 0) {
		log_error("service.ended", LOG_ERR(&err));
		return err_row(err.kind)->exit_code;
	}
	log_info("service.ended", LOG_STR("reason", "drained"));
	return 0;
}

static void
upper_case(char *text)
{
	for (; *text; text++)
		if (*text >= 'a' && *text <= 'z')
			*text = (char)(*text - 'a' + 'A');
}

int
service_main(const struct service *service, int argc, char **argv)
{
	struct option_row rows[OPTIONS_MAX];
	struct run run = {.service = service};
	char prefix[48], program[48];
	pthread_condattr_t attributes;

	snprintf(program, sizeof(program), "fairlead-%s", service->name);
	snprintf(prefix, sizeof(prefix), "FAIRLEAD_%s", service->name);
	upper_case(prefix);
	merge_options(service, rows);
	run.options = options_new(prefix, rows);
	if (!run.options) {
		fprintf(stderr, "%s: no memory\n", program);
		return err_row(ERR_INTERNAL)->exit_code;
	}
	pthread_mutex_init(&run.lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&run.changed, &attributes);
	pthread_condattr_destroy(&attributes);
	int code = execute(&run, argc, argv, program);
	pthread_cond_destroy(&run.changed);
	pthread_mutex_destroy(&run.lock);
	options_free(run.options);
	return code;
}
