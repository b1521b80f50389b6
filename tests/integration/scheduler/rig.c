#include "rig.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "courier.h"
#include "migrated.h"
#include "streams.h"

#include "fairlead/v1/common.pb-c.h"
#include "fairlead/v1/host.pb-c.h"

extern char **environ;

/* ---- group ---- */

int
rig_group_setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	pthread_mutex_init(&r->lock, NULL);
	r->postgres = postgres_server_new(migrated);
	r->nats = nats_server_new(NULL);
	*state = r;
	return 0;
}

int
rig_group_teardown(void **state)
{
	struct rig *r = *state;

	nats_server_free(r->nats);
	postgres_server_free(r->postgres);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return 0;
}

/* ---- what hosts hear ---- */

static void
item_note(struct rig *r, const char *host_id, const Fairlead__V1__CommandItem *item)
{
	struct heard *h = &r->heard[r->heard_count];
	struct err err = {0};

	if (r->heard_count == RIG_HEARD_MAX ||
	    wire_id(&item->executor_id, "executor_id", &h->executor_id, &err) != 0)
		return;
	snprintf(h->host_id, sizeof(h->host_id), "%s", host_id);
	h->generation = item->generation;
	h->host_seq = item->host_seq;
	h->desired = (enum desired_state)item->desired;
	h->grace_ms = item->stop_grace_ms;
	h->answered = false;
	r->heard_count++;
}

static void
hear(void *arg, const struct bus_msg *m)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct rig *r = arg;
	const Fairlead__V1__Command *command;
	ProtobufCMessage *message;
	struct err err = {0};

	if (!a || courier_decode(m, &fairlead__v1__command__descriptor, a, &message, &err) != 0)
		return;
	command = (const Fairlead__V1__Command *)message;
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < command->n_items; i++)
		item_note(r, command->host_id, command->items[i]);
	pthread_mutex_unlock(&r->lock);
}

/* ---- test ---- */

int
rig_setup(void **state)
{
	struct rig *r = *state;
	struct store_options so = {.application = "rig"};
	struct bus_options bo = {.name = "rig"};
	struct bus_stream_state stream;

	snprintf(r->url, sizeof(r->url), "%s", postgres_server_clone(r->postgres));
	so.url = r->url;
	bo.servers = nats_server_url(r->nats);
	r->arena = arena_new(0);
	r->heard_count = 0;
	r->journal_id = id_new();
	memset(r->schedulers, 0, sizeof(r->schedulers));
	if (store_pg_new(&so, &r->store, &r->err) != 0 ||
	    bus_nats_new(&bo, &r->bus, &r->err) != 0 ||
	    bus_wait_connected(r->bus, 10000, &r->err) != 0 ||
	    bus_subscribe(r->bus, "fl.live.*", NULL, 0, hear, r, &r->sub, &r->err) != 0)
		fail_msg("%s", r->err.text);
	/* The messages of the test before. */
	if (bus_stream_state(r->bus, STREAM_COMMANDS, &stream, &r->err) == 0 &&
	    bus_stream_delete(r->bus, STREAM_COMMANDS, &r->err) != 0)
		fail_msg("%s", r->err.text);
	return bus_flush(r->bus, 5000, &r->err);
}

int
rig_teardown(void **state)
{
	struct rig *r = *state;

	for (int n = 0; n < RIG_SCHEDULERS_MAX; n++) {
		if (r->schedulers[n] == 0)
			continue;
		scheduler_signal(r, n, SIGKILL);
		scheduler_wait(r, n);
	}
	bus_unsubscribe(r->sub);
	bus_free(r->bus);
	store_free(r->store);
	arena_free(r->arena);
	return 0;
}

/* ---- schedulers ---- */

void
scheduler_start(struct rig *r, int n, const char *const *more)
{
	char nats[128], database[320], instance[48], log[64];
	const char *env[16] = {nats, database, instance, "FAIRLEAD_SCHEDULER_ACK_DEADLINE=1s",
	    "FAIRLEAD_SCHEDULER_SWEEP_INTERVAL=200ms", "FAIRLEAD_SCHEDULER_ABSENT_AFTER=200ms",
	    "FAIRLEAD_SCHEDULER_LOG_FORMAT=logfmt", "PATH=/usr/bin:/bin"};
	char *const argv[] = {(char *)(uintptr_t)"fairlead-scheduler", NULL};
	posix_spawn_file_actions_t actions;
	size_t count = 8;

	assert_int_equal(r->schedulers[n], 0);
	snprintf(
	    nats, sizeof(nats), "FAIRLEAD_SCHEDULER_NATS_SERVERS=%s", nats_server_url(r->nats));
	snprintf(database, sizeof(database), "FAIRLEAD_SCHEDULER_DATABASE_URL=%s", r->url);
	snprintf(instance, sizeof(instance), "FAIRLEAD_SCHEDULER_INSTANCE=s%d", n);
	/* The whole environment would bring options; what sanitizers are told must go along. */
	for (char **e = environ; *e; e++)
		if (strstr(*e, "SAN_OPTIONS=") && count + 1 < COUNT_OF(env))
			env[count++] = *e;
	for (size_t i = 0; more && more[i] && count + 1 < COUNT_OF(env); i++)
		env[count++] = more[i];
	snprintf(log, sizeof(log), "/tmp/scheduler-test-%d-%d.log", (int)getpid(), n);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO,
	    getenv("RIG_LOG") ? log : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0644);
	assert_int_equal(posix_spawn(&r->schedulers[n], FL_BIN_DIR "/fairlead-scheduler", &actions,
			     NULL, argv, (char **)(uintptr_t)env),
	    0);
	posix_spawn_file_actions_destroy(&actions);
}

void
scheduler_signal(struct rig *r, int n, int signal)
{
	int status;

	assert_true(r->schedulers[n] > 0);
	assert_int_equal(kill(r->schedulers[n], signal), 0);
	/* Its threads go on until one of them has been on a processor and stopped the rest. */
	if (signal == SIGSTOP) {
		assert_int_equal(waitpid(r->schedulers[n], &status, WUNTRACED), r->schedulers[n]);
		assert_true(WIFSTOPPED(status));
	}
}

int
scheduler_wait(struct rig *r, int n)
{
	int status = 0;

	assert_int_equal(waitpid(r->schedulers[n], &status, 0), r->schedulers[n]);
	r->schedulers[n] = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool
scheduler_runs(struct rig *r, int n)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)r->schedulers[n], &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0;
}

/* ---- the world ---- */

struct store_hello
hello_of(struct rig *r, const char *host_id, struct resources capacity)
{
	static const struct store_driver drivers[] = {{"process", "", true, true, true}};

	return (struct store_hello){.host_id = host_id,
	    .pool = "default",
	    .journal_id = r->journal_id,
	    .instance_id = id_new(),
	    .start_no = 1,
	    .hello_no = 1,
	    .boot_id = "boot",
	    .agent_version = "0",
	    .encoding = "protobuf",
	    .arch = "x",
	    .kernel = "k",
	    .protocol_revision = 1,
	    .capabilities = "",
	    .capacity = capacity,
	    .drivers = drivers,
	    .driver_count = 1};
}

void
host_hello(struct rig *r, const struct store_hello *hello)
{
	struct store_hello_answer answer;

	if (store_host_hello(r->store, hello, r->arena, &answer, &r->err) != 0)
		fail_msg("%s", r->err.text);
	assert_int_equal(answer.verdict, STORE_HELLO_ACCEPTED);
}

void
host_make(struct rig *r, const char *host_id, struct resources capacity)
{
	const struct store_hello hello = hello_of(r, host_id, capacity);

	host_hello(r, &hello);
}

struct store_session_new
session_of(struct rig *r, const char *name, uint32_t replicas, uint32_t accept_timeout_ms)
{
	Fairlead__V1__ExecutorSpec spec = FAIRLEAD__V1__EXECUTOR_SPEC__INIT;
	struct id *ids = arena_calloc(r->arena, replicas + 1, sizeof(*ids));
	struct store_session_new n = {.session_id = id_new(),
	    .name = name,
	    .pool = "default",
	    .spec_json = "{}",
	    .replicas = replicas,
	    .driver = "process",
	    .selector = "",
	    .resources = {.cpu_millis = 100, .slots = 1},
	    .stop_grace_ms = 1000,
	    .lost_after_ms = 60000,
	    .replace_lost = true,
	    .max_unavailable = 1,
	    .replace_after_ms = 60000,
	    .accept_timeout_ms = accept_timeout_ms,
	    .who = "rig",
	    .executor_ids = ids};
	void *body;

	spec.driver = (char *)(uintptr_t)"process";
	if (wire_encode(
		&spec.base, WIRE_PROTOBUF, r->arena, &body, &n.executor_body_size, &r->err) != 0)
		fail_msg("%s", r->err.text);
	n.executor_body = body;
	for (uint32_t i = 0; i < replicas; i++)
		ids[i] = id_new();
	return n;
}

struct id
session_declare(struct rig *r, const struct store_session_new *n)
{
	struct store_session made;
	bool existed;

	if (store_session_create(r->store, n, r->arena, &made, &existed, &r->err) != 0)
		fail_msg("%s", r->err.text);
	nudge(r);
	return made.session_id;
}

void
session_make(struct rig *r, const char *name, uint32_t replicas, uint32_t accept_timeout_ms)
{
	const struct store_session_new n = session_of(r, name, replicas, accept_timeout_ms);

	session_declare(r, &n);
}

void
nudge(struct rig *r)
{
	const struct bus_out out = {.subject = "fl.nudge.default"};

	if (bus_publish(r->bus, &out, &r->err) != 0)
		fail_msg("%s", r->err.text);
}

long
query(struct rig *r, const char *sql)
{
	return strtol(postgres_query(r->url, sql), NULL, 10);
}

struct expectation {
	struct rig *rig;
	const char *sql;
	long wanted, seen;
};

static bool
holds(void *arg)
{
	struct expectation *e = arg;

	hosts_answer(e->rig);
	e->seen = query(e->rig, e->sql);
	return e->seen == e->wanted;
}

void
eventually(struct rig *r, const char *sql, long wanted, int timeout_ms)
{
	struct expectation e = {.rig = r, .sql = sql, .wanted = wanted};

	if (!test_wait_until(holds, &e, timeout_ms))
		fail_msg("%s: %ld, not %ld", sql, e.seen, wanted);
}

/* ---- hosts ---- */

static struct report
report_of(const struct rig *r, const struct heard *h)
{
	struct report report = {.executor_id = h->executor_id,
	    .host_id = h->host_id,
	    .journal_id = r->journal_id,
	    .accepted_generation = h->generation,
	    .incarnation = 1,
	    .started = true,
	    .exit_code = -1,
	    .reason = "",
	    .detail = ""};

	report.state = h->desired == DESIRED_RUN ? EXECUTOR_RUNNING : EXECUTOR_STOPPED;
	if (h->desired == DESIRED_RUN && strncmp(h->host_id, "reject", 6) == 0) {
		report.state = EXECUTOR_REJECTED;
		report.started = false;
		report.reason = "limit";
	}
	if (h->desired == DESIRED_ABSENT)
		report.gone_generation = h->generation;
	return report;
}

size_t
hosts_answer(struct rig *r)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct report *reports = arena_calloc(a, RIG_HEARD_MAX, sizeof(*reports));
	struct store_join_result result;
	size_t n = 0, all;
	int tries = 3;

	assert_non_null(reports);
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->heard_count; i++) {
		if (r->heard[i].answered || strncmp(r->heard[i].host_id, "mute", 4) == 0)
			continue;
		r->heard[i].answered = true;
		reports[n++] = report_of(r, &r->heard[i]);
	}
	pthread_mutex_unlock(&r->lock);
	all = n;
	if (n == 0)
		return 0;
	n = report_fold_batch(reports, n, NULL);
	/* A host repeats what was not committed; the join is idempotent. */
	while (store_executor_join(r->store, reports, n, a, &result, &r->err) != 0) {
		if (r->err.kind != ERR_UNAVAILABLE || tries-- == 0)
			fail_msg("%s", r->err.text);
	}
	nudge(r);
	return all;
}

size_t
heard_of(struct rig *r, enum desired_state desired)
{
	size_t n = 0;

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->heard_count; i++)
		n += r->heard[i].desired == desired;
	pthread_mutex_unlock(&r->lock);
	return n;
}

void
verify_clean(struct rig *r)
{
	struct store_violation *violations;
	size_t n;

	if (store_verify(r->store, r->arena, &violations, &n, &r->err) != 0)
		fail_msg("%s", r->err.text);
	for (size_t i = 0; i < n; i++)
		print_error("%s: %s (%llu)\n", violations[i].invariant, violations[i].detail,
		    (unsigned long long)violations[i].rows);
	assert_int_equal(n, 0);
}
