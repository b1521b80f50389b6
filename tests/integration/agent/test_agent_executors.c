/* What the real agent runs, and what becomes of it without agent or bus. */
#include "agent_fixture.h"

#include <stdio.h>
#include <unistd.h>

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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
