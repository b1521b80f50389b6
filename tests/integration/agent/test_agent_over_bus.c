/* The real agent, its shims and a real bus, against a scripted control plane. */
#include "agent_cp.h"

#include <dirent.h>
#include <sys/stat.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define RUN FAIRLEAD__V1__DESIRED__RUN
#define STOP FAIRLEAD__V1__DESIRED__STOP
#define ABSENT FAIRLEAD__V1__DESIRED__ABSENT
#define PATIENCE_MS 20000

enum { ACCEPTED = 40, RUNNING = 70, SUCCEEDED = 90, FAILED = 91, STOPPED = 92, REJECTED = 93 };

struct fixture {
	struct cp cp;
	struct cp_agent agent;
};

static int
setup(void **state)
{
	static struct fixture fixture;

	memset(&fixture, 0, sizeof(fixture));
	cp_init(&fixture.cp);
	cp_connect(&fixture.cp);
	cp_agent_init(&fixture.agent);
	*state = &fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	cp_agent_done(&f->agent);
	cp_done(&f->cp);
	return 0;
}

static void
expect_hellos(struct fixture *f, unsigned n)
{
	assert_true(cp_wait(&f->cp, cp_heard_hellos, &n, PATIENCE_MS));
}

/* One more heartbeat than now: the newest hello was answered and taken. */
static void
expect_settled(struct fixture *f)
{
	unsigned n = f->cp.heartbeats_seen + 2;

	assert_true(cp_wait(&f->cp, cp_heard_heartbeats, &n, PATIENCE_MS));
}

static void
start(struct fixture *f)
{
	unsigned hellos = f->cp.hellos + 1;

	cp_agent_start(&f->agent, &f->cp, NULL);
	expect_hellos(f, hellos);
	expect_settled(f);
}

static void
expect_state(struct fixture *f, struct id id, int state)
{
	struct cp_expect x = {.id = id, .state = state};

	if (!cp_wait(&f->cp, cp_has_state, &x, PATIENCE_MS))
		fail_msg("state %d, not %d", (int)f->cp.rows[cp_row(&f->cp, &id)].state, state);
}

static void
expect_gone(struct fixture *f, const struct cp_order *order)
{
	struct cp_expect x = {.id = order->id, .gone = order->generation};

	assert_true(cp_wait(&f->cp, cp_is_gone, &x, PATIENCE_MS));
}

static bool
file_has_line(struct cp *cp, void *arg)
{
	struct stat st;

	(void)cp;
	return stat(arg, &st) == 0 && st.st_size > 0;
}

static long
read_number(const char *path)
{
	FILE *file = fopen(path, "r");
	long number = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%ld", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

/* ---- tests ---- */

static void
hello_run_reports_logs_and_gone_E3(void **state)
{
	struct fixture *f = *state;
	struct id id = id_new();
	struct cp_order *order;
	size_t at;

	start(f);
	order = cp_order(&f->cp, id, RUN, "echo hi; exit 7");
	cp_send_one(&f->cp, order);
	expect_state(f, id, FAILED);
	at = cp_row(&f->cp, &id);
	assert_int_equal(f->cp.rows[at].exit_code, 7);
	assert_true(f->cp.rows[at].started);
	assert_int_equal(f->cp.rows[at].accepted, order->generation);

	Fairlead__V1__LogTailRequest q = FAIRLEAD__V1__LOG_TAIL_REQUEST__INIT;
	Fairlead__V1__LogTailAnswer *a;
	struct bus_out out = {.subject = "fl.io." CP_HOST ".c1.ctl"};
	struct bus_msg *reply = NULL;
	struct err err;
	void *data;

	q.executor_id = (ProtobufCBinaryData){ID_BYTES, id.bytes};
	assert_int_equal(
	    wire_encode(&q.base, WIRE_PROTOBUF, f->cp.arena, &data, &out.size, &err), 0);
	out.data = data;
	assert_int_equal(bus_request(f->cp.bus, &out, 5000, &reply, &err), 0);
	a = (Fairlead__V1__LogTailAnswer *)cp_decode(
	    &f->cp, reply, &fairlead__v1__log_tail_answer__descriptor);
	assert_null(a->error);
	assert_int_equal(a->data.len, 3);
	assert_memory_equal(a->data.data, "hi\n", 3);
	bus_msg_free(reply);

	order = cp_order(&f->cp, id, ABSENT, "");
	cp_send_one(&f->cp, order);
	expect_gone(f, order);
}

static void
one_hundred_executors_at_once_all_run_C12(void **state)
{
	struct fixture *f = *state;
	struct cp_order *orders[64];
	struct id ids[100];
	int64_t from_us;

	start(f);
	from_us = clock_mono_us(clock_system());
	for (size_t i = 0; i < 100; i++) {
		ids[i] = id_new();
		orders[i % 50] = cp_order(&f->cp, ids[i], RUN, "exit 0");
		orders[i % 50]->driver = "fake";
		orders[i % 50]->script = "run=10ms";
		if (i % 50 == 49) {
			for (size_t k = 0; k < 50; k++)
				orders[k]->host_seq = orders[49]->host_seq;
			cp_send(&f->cp, orders, 50);
		}
	}
	for (size_t i = 0; i < 100; i++)
		expect_state(f, ids[i], SUCCEEDED);
	from_us = clock_mono_us(clock_system()) - from_us;
	print_message(
	    "100 executors ran and were reported in %lld ms\n", (long long)(from_us / MS_US));
	assert_true(from_us < 5 * SECOND_US);
}

static void
kill_9_of_the_agent_leaves_executors_running_and_adopts_them_E4(void **state)
{
	struct fixture *f = *state;
	char shell[200], path[96];
	struct id id = id_new();
	long pid;

	start(f);
	snprintf(path, sizeof(path), "%s/ledger", f->agent.state_dir);
	snprintf(shell, sizeof(shell), "echo $$ >> %s; exec sleep 1000", path);
	cp_send_one(&f->cp, cp_order(&f->cp, id, RUN, shell));
	expect_state(f, id, RUNNING);
	assert_true(cp_wait(&f->cp, file_has_line, path, PATIENCE_MS));
	pid = read_number(path);
	assert_int_equal(cp_agent_signal(&f->agent, SIGKILL), 128 + SIGKILL);
	assert_int_equal(kill((pid_t)pid, 0), 0);
	start(f);
	assert_int_equal(kill((pid_t)pid, 0), 0); /* the same process goes on */
	assert_int_equal(f->cp.rows[cp_row(&f->cp, &id)].state, RUNNING);
	cp_send_one(&f->cp, cp_order(&f->cp, id, STOP, ""));
	expect_state(f, id, STOPPED);
	assert_int_equal(kill((pid_t)pid, 0), -1);
	assert_int_equal(read_number(path), pid);
}

static void
an_exit_while_the_agent_is_down_is_reported_after_its_restart_E3(void **state)
{
	struct fixture *f = *state;
	char shell[320], path[96], go[96];
	struct id id = id_new();

	start(f);
	snprintf(path, sizeof(path), "%s/ledger", f->agent.state_dir);
	snprintf(go, sizeof(go), "%s/go", f->agent.state_dir);
	snprintf(shell, sizeof(shell),
	    "while [ ! -e %s ]; do sleep 0.02; done; echo 1 > %s; exit 9", go, path);
	cp_send_one(&f->cp, cp_order(&f->cp, id, RUN, shell));
	expect_state(f, id, RUNNING);
	(void)cp_agent_signal(&f->agent, SIGKILL);
	fclose(fopen(go, "w"));
	assert_true(cp_wait(&f->cp, file_has_line, path, PATIENCE_MS));
	start(f);
	expect_state(f, id, FAILED);
	assert_int_equal(f->cp.rows[cp_row(&f->cp, &id)].exit_code, 9);
}

struct lines {
	const char *path;
	int n;
};

static bool
file_has_lines(struct cp *cp, void *arg)
{
	const struct lines *wanted = arg;
	FILE *file = fopen(wanted->path, "r");
	int c, n = 0;

	(void)cp;
	while (file && (c = fgetc(file)) != EOF)
		n += c == '\n';
	if (file)
		fclose(file);
	return n >= wanted->n;
}

/* Each incarnation appends a line and fails; the third one stays. */
static void
an_executor_starts_again_in_place_with_the_bus_down_and_past_a_killed_agent_E10(void **state)
{
	struct fixture *f = *state;
	char shell[512], path[96], go[96];
	struct id id = id_new();
	struct lines wanted = {path, 1};
	struct cp_order *order;

	start(f);
	snprintf(path, sizeof(path), "%s/ledger", f->agent.state_dir);
	snprintf(go, sizeof(go), "%s/go", f->agent.state_dir);
	snprintf(shell, sizeof(shell),
	    "echo $$ >> %s; while [ ! -e %s ]; do sleep 0.02; done;"
	    " [ $(wc -l < %s) -ge 3 ] && exec sleep 1000; exit 3",
	    path, go, path);
	order = cp_order(&f->cp, id, RUN, shell);
	order->restart = "on-failure";
	cp_send_one(&f->cp, order);
	expect_state(f, id, RUNNING);
	assert_true(cp_wait(&f->cp, file_has_lines, &wanted, PATIENCE_MS));
	cp_disconnect(&f->cp);
	nats_server_stop(f->cp.server);
	fclose(fopen(go, "w"));
	wanted.n = 2;
	assert_true(cp_wait(&f->cp, file_has_lines, &wanted, PATIENCE_MS));
	(void)cp_agent_signal(&f->agent, SIGKILL);
	cp_agent_start(&f->agent, &f->cp, NULL);
	wanted.n = 3;
	assert_true(cp_wait(&f->cp, file_has_lines, &wanted, PATIENCE_MS));
	assert_int_equal(nats_server_start(f->cp.server), 0);
	cp_connect(&f->cp);
	f->cp.rows[cp_row(&f->cp, &id)].state = 0;
	expect_state(f, id, RUNNING);
	assert_int_equal(f->cp.rows[cp_row(&f->cp, &id)].incarnation, 3);
	cp_send_one(&f->cp, cp_order(&f->cp, id, STOP, ""));
	expect_state(f, id, STOPPED);
	wanted.n = 4;
	assert_false(file_has_lines(&f->cp, &wanted));
}

static bool
process_is_gone(struct cp *cp, void *arg)
{
	(void)cp;
	return kill(*(pid_t *)arg, 0) < 0;
}

static void
without_a_bus_the_host_stops_who_asked_for_it_and_nobody_else_L13_K24(void **state)
{
	struct fixture *f = *state;
	char shell[160], paths[2][96];
	struct id ids[2] = {id_new(), id_new()};
	struct cp_order *order;
	pid_t pids[2];

	start(f);
	for (size_t i = 0; i < 2; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/pid%zu", f->agent.state_dir, i);
		snprintf(shell, sizeof(shell), "echo $$ > %s; exec sleep 1000", paths[i]);
		order = cp_order(&f->cp, ids[i], RUN, shell);
		order->stop_on_host_after_ms = i == 0 ? 2000 : 0;
		cp_send_one(&f->cp, order);
		assert_true(cp_wait(&f->cp, file_has_line, paths[i], PATIENCE_MS));
		expect_state(f, ids[i], RUNNING);
		pids[i] = (pid_t)read_number(paths[i]);
	}
	expect_settled(f); /* contact keeps both */
	assert_int_equal(kill(pids[0], 0), 0);
	cp_disconnect(&f->cp);
	nats_server_stop(f->cp.server);
	assert_true(cp_wait(&f->cp, process_is_gone, &pids[0], PATIENCE_MS));
	assert_int_equal(kill(pids[1], 0), 0);
	assert_int_equal(nats_server_start(f->cp.server), 0);
	cp_connect(&f->cp);
	expect_state(f, ids[0], STOPPED);
	assert_string_equal(f->cp.rows[cp_row(&f->cp, &ids[0])].reason, "stop_on_host_after");
	assert_int_equal(kill(pids[1], 0), 0);
	cp_send_one(&f->cp, cp_order(&f->cp, ids[1], STOP, ""));
	expect_state(f, ids[1], STOPPED);
}

static pid_t
parent_of(long pid)
{
	char path[64];
	FILE *file;
	int parent = -1;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return -1;
	if (fscanf(file, "%*d (%*[^)]) %*c %d", &parent) != 1)
		parent = -1;
	fclose(file);
	return parent;
}

/* A shim that stands still answers nothing; who waited for it would wait for a minute of grace. */
static void
a_slow_start_and_a_stuck_driver_delay_no_heartbeat_L10(void **state)
{
	struct fixture *f = *state;
	struct id slow = id_new(), stuck = id_new();
	char shell[200], path[96];
	struct cp_order *order;
	unsigned heartbeats;
	pid_t shim;

	start(f);
	order = cp_order(&f->cp, slow, RUN, "");
	order->driver = "fake";
	order->script = "start=5m";
	cp_send_one(&f->cp, order);
	snprintf(path, sizeof(path), "%s/ledger", f->agent.state_dir);
	snprintf(shell, sizeof(shell), "echo $$ > %s; exec sleep 1000", path);
	cp_send_one(&f->cp, cp_order(&f->cp, stuck, RUN, shell));
	expect_state(f, stuck, RUNNING);
	assert_true(cp_wait(&f->cp, file_has_line, path, PATIENCE_MS));
	shim = parent_of(read_number(path));
	assert_true(shim > 1);
	assert_int_equal(kill(shim, SIGSTOP), 0);
	order = cp_order(&f->cp, stuck, STOP, "");
	order->grace_ms = 60000;
	cp_send_one(&f->cp, order);
	f->cp.heartbeat_gap_us = 0;
	heartbeats = f->cp.heartbeats_seen + 8;
	assert_true(cp_wait(&f->cp, cp_heard_heartbeats, &heartbeats, PATIENCE_MS));
	assert_true(f->cp.heartbeat_gap_us < 5 * SECOND_US); /* one each half second */
	assert_true((int)f->cp.rows[cp_row(&f->cp, &slow)].state < RUNNING);
	assert_true((int)f->cp.rows[cp_row(&f->cp, &stuck)].state < SUCCEEDED);
	assert_int_equal(kill(shim, SIGCONT), 0);
	expect_state(f, stuck, STOPPED);
}

static void
a_command_that_never_came_is_fetched_by_sync_C2(void **state)
{
	struct fixture *f = *state;
	struct id id = id_new();
	struct cp_order *order;

	start(f);
	order = cp_order(&f->cp, id, RUN, "exit 0"); /* written, never published */
	order->driver = "fake";
	order->script = "run=1ms";
	expect_state(f, id, SUCCEEDED);
	assert_true(f->cp.syncs >= 2);
}

/* The order as the stream would republish it, had it stored it as `sequence`. */
static void
republish(struct fixture *f, struct cp_order *order, const char *sequence, const char *last)
{
	Fairlead__V1__Command m = FAIRLEAD__V1__COMMAND__INIT;
	const struct bus_header headers[] = {
	    {"Content-Type", "application/protobuf; type=fairlead.v1.Command"},
	    {"Fl-Kind", "command"}, {"Nats-Sequence", sequence}, {"Nats-Last-Sequence", last}};
	struct bus_out out = {
	    .subject = "fl.live." CP_HOST, .headers = headers, .header_count = COUNT_OF(headers)};
	Fairlead__V1__CommandItem *items[1];
	struct err err;
	void *data;

	arena_reset(f->cp.arena);
	items[0] = cp_item(&f->cp, order);
	m.host_id = (char *)(uintptr_t)CP_HOST;
	m.journal_id = (ProtobufCBinaryData){ID_BYTES, f->cp.journal_id.bytes};
	m.host_seq = order->host_seq;
	m.items = items;
	m.n_items = 1;
	assert_int_equal(
	    wire_encode(&m.base, WIRE_PROTOBUF, f->cp.arena, &data, &out.size, &err), 0);
	out.data = data;
	assert_int_equal(bus_publish(f->cp.bus, &out, &err), 0);
}

static struct cp_order *
short_order(struct fixture *f, struct id id)
{
	struct cp_order *order = cp_order(&f->cp, id, RUN, "exit 0");

	order->driver = "fake";
	order->script = "run=1ms";
	return order;
}

static bool
asked_for_sync(struct cp *cp, void *arg)
{
	return cp->syncs > *(unsigned *)arg;
}

/* The host_seq numbers have no gap: it is the stream's numbers that tell of one. */
static void
a_gap_in_nats_last_sequence_is_answered_by_a_sync_C11(void **state)
{
	struct fixture *f = *state;
	struct id ids[3] = {id_new(), id_new(), id_new()};
	unsigned syncs;

	start(f);
	republish(f, short_order(f, ids[0]), "5", "0");
	expect_state(f, ids[0], SUCCEEDED);
	expect_settled(f);
	syncs = f->cp.syncs;
	republish(f, short_order(f, ids[1]), "8", "5");
	expect_state(f, ids[1], SUCCEEDED);
	expect_settled(f);
	assert_int_equal(f->cp.syncs, syncs);
	republish(f, short_order(f, ids[2]), "12", "9");
	expect_state(f, ids[2], SUCCEEDED);
	assert_true(cp_wait(&f->cp, asked_for_sync, &syncs, PATIENCE_MS));
}

static void
the_agent_starts_before_the_bus_and_waits_A9(void **state)
{
	struct fixture *f = *state;

	cp_disconnect(&f->cp);
	nats_server_stop(f->cp.server);
	cp_agent_start(&f->agent, &f->cp, NULL);
	assert_int_equal(waitpid(f->agent.pid, NULL, WNOHANG), 0);
	assert_int_equal(nats_server_start(f->cp.server), 0);
	cp_connect(&f->cp);
	expect_hellos(f, 1);
	expect_settled(f);
}

static void
a_restarted_bus_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct id id = id_new();
	struct cp_order *order;

	start(f);
	cp_disconnect(&f->cp);
	nats_server_kill(f->cp.server);
	assert_int_equal(nats_server_start(f->cp.server), 0);
	cp_connect(&f->cp);
	order = cp_order(&f->cp, id, RUN, "exit 0");
	order->driver = "fake";
	order->script = "run=1ms";
	cp_send_one(&f->cp, order);
	expect_state(f, id, SUCCEEDED);
	assert_int_equal(f->cp.hellos, 1); /* the epoch is still good */
}

static void
garbage_on_every_subject_hurts_nobody_C7(void **state)
{
	struct fixture *f = *state;
	static const char *const subjects[] = {
	    "fl.live." CP_HOST, "fl.io." CP_HOST ".x.ctl", "fl.cmd." CP_HOST};
	struct id id = id_new();
	struct cp_order *order;
	struct err err;

	start(f);
	for (size_t i = 0; i < COUNT_OF(subjects); i++) {
		struct bus_out out = {.subject = subjects[i], .data = "\xff\x00garbage", .size = 9};

		assert_int_equal(bus_publish(f->cp.bus, &out, &err), 0);
		out.data = "{\"items\": [}";
		out.size = 12;
		assert_int_equal(bus_publish(f->cp.bus, &out, &err), 0);
		out.size = 0;
		assert_int_equal(bus_publish(f->cp.bus, &out, &err), 0);
	}
	order = cp_order(&f->cp, id, RUN, "exit 0");
	order->driver = "fake";
	order->script = "run=1ms";
	cp_send_one(&f->cp, order);
	expect_state(f, id, SUCCEEDED);
}

static void
stale_makes_the_agent_stop_its_executors_and_exit_with_zero_A6(void **state)
{
	struct fixture *f = *state;
	char shell[200], path[96];
	struct id id = id_new();
	long pid;

	start(f);
	snprintf(path, sizeof(path), "%s/ledger", f->agent.state_dir);
	snprintf(shell, sizeof(shell), "echo $$ > %s; exec sleep 1000", path);
	cp_send_one(&f->cp, cp_order(&f->cp, id, RUN, shell));
	expect_state(f, id, RUNNING);
	assert_true(cp_wait(&f->cp, file_has_line, path, PATIENCE_MS));
	pid = read_number(path);
	f->cp.verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_STALE;
	f->cp.epoch++; /* the next heartbeat must say hello */
	expect_hellos(f, 2);
	assert_int_equal(cp_agent_wait(&f->agent, PATIENCE_MS), 0);
	assert_int_equal(kill((pid_t)pid, 0), -1);
}

static void
sigterm_leaves_executors_and_the_next_agent_adopts_them_R7(void **state)
{
	struct fixture *f = *state;
	char shell[200], path[96];
	struct id id = id_new();

	start(f);
	snprintf(path, sizeof(path), "%s/ledger", f->agent.state_dir);
	snprintf(shell, sizeof(shell), "echo $$ > %s; exec sleep 1000", path);
	cp_send_one(&f->cp, cp_order(&f->cp, id, RUN, shell));
	expect_state(f, id, RUNNING);
	assert_true(cp_wait(&f->cp, file_has_line, path, PATIENCE_MS));
	assert_int_equal(cp_agent_signal(&f->agent, SIGTERM), 0);
	assert_int_equal(kill((pid_t)read_number(path), 0), 0);
	start(f);
	cp_send_one(&f->cp, cp_order(&f->cp, id, ABSENT, ""));
	expect_gone(f, &f->cp.orders[f->cp.order_count - 1]);
	assert_int_equal(kill((pid_t)read_number(path), 0), -1);
}

static void
one_agent_per_state_directory_K20(void **state)
{
	struct fixture *f = *state;
	struct cp_agent second;

	start(f);
	second = f->agent;
	cp_agent_start(&second, &f->cp, NULL);
	assert_int_equal(cp_agent_wait(&second, PATIENCE_MS), err_row(ERR_CONFLICT)->exit_code);
	expect_settled(f);
}

static void
a_wrong_host_id_is_refused_with_the_rule_A3(void **state)
{
	struct fixture *f = *state;
	static const char *const wrong[] = {"", "Web", "a.b", "a b", "a*", ">", "-a",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

	for (size_t i = 1; i < COUNT_OF(wrong); i++) {
		char flag[96];
		const char *more[] = {flag, NULL};

		snprintf(flag, sizeof(flag), "--host-id=%s", wrong[i]);
		cp_agent_start(&f->agent, &f->cp, more);
		assert_int_equal(cp_agent_wait(&f->agent, PATIENCE_MS), 2);
	}
	assert_int_equal(f->cp.hellos, 0);
	assert_int_equal(system(NULL), 1);
	char command[200];
	snprintf(command, sizeof(command), "grep -q 'a-z' %s", f->agent.log);
	assert_int_equal(system(command), 0);
}

/* A number from a "Name:   123 ..." line of a /proc status file. */
static long
status_number(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	char line[256];
	long number = 0;

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			number = atol(line + strlen(name) + 1);
	fclose(file);
	return number;
}

static long
context_switches(pid_t pid)
{
	char path[320];
	struct dirent *entry;
	long sum = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	assert_non_null(tasks);
	while ((entry = readdir(tasks)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/status", (int)pid, entry->d_name);
		sum += status_number(path, "voluntary_ctxt_switches");
		sum += status_number(path, "nonvoluntary_ctxt_switches");
	}
	closedir(tasks);
	return sum;
}

static bool
time_is_up(struct cp *cp, void *arg)
{
	(void)cp;
	return clock_mono_us(clock_system()) >= *(int64_t *)arg;
}

static void
an_idle_agent_is_small_and_sleeps_B7(void **state)
{
	struct fixture *f = *state;
	unsigned heartbeats;
	char path[64];
	int64_t end;
	long before, switches;

	if (SANITIZED) {
		print_message("SKIP: sanitizers change both figures\n");
		skip();
	}
	start(f);
	end = clock_mono_us(clock_system()) + 2 * SECOND_US; /* what was written lazily is */
	assert_true(cp_wait(&f->cp, time_is_up, &end, PATIENCE_MS));
	heartbeats = f->cp.heartbeats_seen;
	before = context_switches(f->agent.pid);
	end = clock_mono_us(clock_system()) + 10 * SECOND_US;
	assert_true(cp_wait(&f->cp, time_is_up, &end, PATIENCE_MS));
	switches = context_switches(f->agent.pid) - before;
	heartbeats = f->cp.heartbeats_seen - heartbeats;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)f->agent.pid);
	print_message("RssAnon %ld kB, RSS %ld kB, %ld context switches, %u heartbeats\n",
	    status_number(path, "RssAnon"), status_number(path, "VmRSS"), switches, heartbeats);
	assert_true(heartbeats >= 15);
	assert_in_range(status_number(path, "RssAnon"), 1, 4 * 1024);
	assert_in_range(status_number(path, "VmRSS"), 1, 16 * 1024);
	/* pings: one in 20 s; five times the figure, as every test */
	assert_in_range(switches, 1, 5 * 4 * (heartbeats + 1));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(hello_run_reports_logs_and_gone_E3),
	    TEST(one_hundred_executors_at_once_all_run_C12),
	    TEST(kill_9_of_the_agent_leaves_executors_running_and_adopts_them_E4),
	    TEST(an_exit_while_the_agent_is_down_is_reported_after_its_restart_E3),
	    TEST(an_executor_starts_again_in_place_with_the_bus_down_and_past_a_killed_agent_E10),
	    TEST(without_a_bus_the_host_stops_who_asked_for_it_and_nobody_else_L13_K24),
	    TEST(a_slow_start_and_a_stuck_driver_delay_no_heartbeat_L10),
	    TEST(a_command_that_never_came_is_fetched_by_sync_C2),
	    TEST(a_gap_in_nats_last_sequence_is_answered_by_a_sync_C11),
	    TEST(the_agent_starts_before_the_bus_and_waits_A9),
	    TEST(a_restarted_bus_loses_nothing),
	    TEST(garbage_on_every_subject_hurts_nobody_C7),
	    TEST(stale_makes_the_agent_stop_its_executors_and_exit_with_zero_A6),
	    TEST(sigterm_leaves_executors_and_the_next_agent_adopts_them_R7),
	    TEST(one_agent_per_state_directory_K20),
	    TEST(a_wrong_host_id_is_refused_with_the_rule_A3),
	    TEST(an_idle_agent_is_small_and_sleeps_B7),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
