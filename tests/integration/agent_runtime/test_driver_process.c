#include "fixture.h"

#include <sched.h>

static void
an_executors_exit_code_is_reported_exactly_E3(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	static const int codes[] = {0, 1, 7, 127, 255};
	for (size_t i = 0; i < COUNT_OF(codes); i++) {
		char script[32];
		snprintf(script, sizeof(script), "exit %d", codes[i]);
		struct id id = start(f, script);
		const struct said *end = wait_said(f, &id, DRIVER_EXITED);
		assert_int_equal(end->event.exit_code, codes[i]);
		assert_int_equal(end->event.signal, 0);
		assert_true(end->event.started);
		assert_false(end->event.oom);
		assert_string_equal(end->reason, "");
		destroy(f, &id);
	}
	fixture_free(f);
}

static void
an_executor_goes_through_starting_running_exited_gone_in_order(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct id id = start(f, "exit 3");
	assert_int_equal(f->n, 0); /* nothing is said from inside a call */
	(void)wait_said(f, &id, DRIVER_EXITED);
	destroy(f, &id);
	assert_int_equal(f->n, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(f->said[i].event.type, i);
	assert_true(f->said[1].event.pid > 0);
	assert_int_equal(open_instance(f, &id), -1);
	fixture_free(f);
}

static void
a_signal_is_reported_as_such_E3(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct id id = start(f, "kill -USR1 $$");
	const struct said *end = wait_said(f, &id, DRIVER_EXITED);
	assert_int_equal(end->event.signal, SIGUSR1);
	assert_int_equal(end->event.exit_code, -1);
	destroy(f, &id);
	fixture_free(f);
}

/* Four generations, two of them daemons in sessions of their own, all deaf to SIGTERM. */
static void
stop_kills_all(const char *mode)
{
	struct fixture *f = fixture_new(mode);
	char ledger[128], script[1024];
	snprintf(ledger, sizeof(ledger), "%s/pids", f->root);
	snprintf(script, sizeof(script),
	    "trap '' TERM; echo $$ >> %s;"
	    "(setsid sh -c 'trap \"\" TERM; echo $$ >> %s;"
	    "  (setsid sh -c \"trap \\\"\\\" TERM; echo \\$\\$ >> %s; while :; do sleep 1; done\" "
	    "&) ;"
	    "  while :; do sleep 1; done' &);"
	    "while :; do sleep 1; done",
	    ledger, ledger, ledger);
	struct id id = start_running(f, script);
	wait_lines(f, ledger, 3);

	stop(f, &id, 100);
	stop(f, &id, 100); /* a repeated stop is a no-op */
	const struct said *end = wait_said(f, &id, DRIVER_EXITED);
	assert_int_equal(end->event.signal, SIGKILL);

	FILE *file = fopen(ledger, "re");
	assert_non_null(file);
	int pid, n = 0;
	while (fscanf(file, "%d", &pid) == 1) {
		assert_false(is_alive(pid));
		n++;
	}
	fclose(file);
	assert_int_equal(n, 3);
	stop(f, &id, 100);
	destroy(f, &id);
	fixture_free(f);
}

static void
stop_ends_double_forked_and_deaf_children_E2(void **state UNUSED)
{
	stop_kills_all("auto");
}

static void
stop_ends_double_forked_and_deaf_children_without_cgroups_E2(void **state UNUSED)
{
	stop_kills_all("none");
}

static void
stop_gives_the_executor_its_grace(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	char ready[128], script[512];
	snprintf(ready, sizeof(ready), "%s/ready", f->root);
	snprintf(script, sizeof(script),
	    "trap 'exit 5' TERM; echo >> %s; while :; do sleep 0.01; done", ready);
	struct id id = start_running(f, script);
	wait_lines(f, ready, 1);
	stop(f, &id, 10000);
	assert_int_equal(wait_said(f, &id, DRIVER_EXITED)->event.exit_code, 5);
	destroy(f, &id);
	fixture_free(f);
}

static void
a_daemon_left_behind_dies_with_its_executor(void **state UNUSED)
{
	struct fixture *f = fixture_new("none");
	char ledger[128], script[512];
	snprintf(ledger, sizeof(ledger), "%s/pid", f->root);
	snprintf(script, sizeof(script),
	    "(setsid sh -c 'echo $$ > %s; exec sleep 1000' &); while ! [ -s %s ]; do :; done; exit "
	    "4",
	    ledger, ledger);
	struct id id = start(f, script);
	assert_int_equal(wait_said(f, &id, DRIVER_EXITED)->event.exit_code, 4);
	FILE *file = fopen(ledger, "re");
	int pid = 0;
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	assert_false(is_alive(pid));
	destroy(f, &id);
	fixture_free(f);
}

static void
a_memory_limit_that_is_hit_is_reported_as_oom_E3(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct driver_probe probe;
	struct err err;
	f->ops->probe(&f->host, &probe);
	if (!probe.enforces_memory) {
		printf("SKIP: no memory limits here: %s\n", probe.detail);
		fixture_free(f);
		skip();
	}
	struct id id = id_new();
	const struct driver_spec spec = {.memory_bytes = 16u << 20, .limits_required = true};
	assert_int_equal(
	    start_spec(f, &id, "exec dd if=/dev/zero of=/dev/null bs=64M count=1", spec, &err), 0);
	const struct said *end = wait_said(f, &id, DRIVER_EXITED);
	assert_true(end->event.oom);
	assert_int_equal(end->event.signal, SIGKILL);
	assert_string_equal(end->reason, "oom");
	destroy(f, &id);
	fixture_free(f);
}

static void
a_process_limit_stops_a_fork_bomb(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct driver_probe probe;
	struct err err;
	f->ops->probe(&f->host, &probe);
	if (!probe.enforces_pids) {
		printf("SKIP: no process limits here: %s\n", probe.detail);
		fixture_free(f);
		skip();
	}
	struct id id = id_new();
	const struct driver_spec spec = {.pids_max = 32, .limits_required = true};
	assert_int_equal(
	    start_spec(f, &id, "b() { b & b & }; b; sleep 0.2; exit 0", spec, &err), 0);
	const struct said *end = wait_said(f, &id, DRIVER_EXITED);
	assert_non_null(strstr(end->detail, "forks refused"));
	destroy(f, &id);
	fixture_free(f);
}

static void
limits_that_cannot_be_enforced_fail_closed_or_are_said(void **state UNUSED)
{
	struct fixture *f = fixture_new("none");
	struct err err;
	struct id id = id_new();
	struct driver_spec spec = {.memory_bytes = 1u << 30, .limits_required = true};
	assert_int_equal(start_spec(f, &id, "exit 0", spec, &err), -1);
	assert_int_equal(err.kind, ERR_DENIED);
	assert_non_null(strstr(err.text, "memory"));
	assert_int_equal(open_instance(f, &id), -1);

	spec.limits_required = false;
	assert_int_equal(start_spec(f, &id, "exit 0", spec, &err), 0);
	const struct said *running = wait_said(f, &id, DRIVER_RUNNING);
	assert_string_equal(running->detail, "limits not enforced: memory (cgroup none)");
	(void)wait_said(f, &id, DRIVER_EXITED);
	destroy(f, &id);
	fixture_free(f);
}

static void
an_exec_that_fails_names_the_errno(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	static const struct {
		const char *program, *dir, *detail;
	} cases[] = {
	    {"/nonexistent/program", NULL, "exec: No such file or directory (ENOENT)"},
	    {"no-such-program-anywhere", NULL, "exec: No such file or directory (ENOENT)"},
	    {"/etc/passwd", NULL, "exec: Permission denied (EACCES)"},
	    {"/bin/true", "/nowhere", "working directory: No such file or directory (ENOENT)"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *const argv[] = {cases[i].program, NULL};
		struct err err;
		struct id id = id_new();
		const struct driver_spec spec = {.argv = argv, .working_dir = cases[i].dir};
		assert_int_equal(start_spec(f, &id, "", spec, &err), 0);
		const struct said *end = wait_said(f, &id, DRIVER_EXITED);
		assert_false(end->event.started);
		assert_int_equal(end->event.exit_code, -1);
		assert_string_equal(end->reason, "exec_failed");
		assert_string_equal(end->detail, cases[i].detail);
		assert_null(find_said(f, &id, DRIVER_RUNNING));
		destroy(f, &id);
	}
	fixture_free(f);
}

static void
read_log(struct fixture *f, const struct id *id, char *buffer, size_t size, size_t *ret_n,
    uint64_t *ret_total)
{
	struct err err;
	if (f->ops->logs(f->driver, id, buffer, size, ret_n, ret_total, &err))
		fail_msg("logs: %s", err.text);
}

static void
user_environment_directory_and_limits_reach_the_executor(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	const char *const env[] = {"PATH=/usr/bin:/bin", "GREETING=hello there", NULL};
	char log[4096], expected[512], hex[ID_HEX_BYTES];
	size_t n;
	uint64_t total;
	struct err err;
	struct id id = id_new();
	const struct driver_spec spec = {.env = env,
	    .user = geteuid() == 0 ? "nobody" : NULL,
	    .working_dir = "/usr",
	    .nofile_max = 77};
	assert_int_equal(start_spec(f, &id,
			     "echo \"$GREETING\"; pwd; id -un; id -Gn; ulimit -n; ulimit -c;"
			     "grep NoNewPrivs /proc/self/status; echo $FAIRLEAD_EXECUTOR_ID"
			     " $FAIRLEAD_INCARNATION; ls /proc/self/fd | wc -l; cat; umask",
			     spec, &err),
	    0);
	assert_int_equal(wait_said(f, &id, DRIVER_EXITED)->event.exit_code, 0);
	read_log(f, &id, log, sizeof(log) - 1, &n, &total);
	log[n] = '\0';
	if (geteuid() == 0) {
		/* 0, 1, 2 and the directory that ls itself opens. */
		snprintf(expected, sizeof(expected),
		    "hello there\n/usr\nnobody\nnogroup\n77\n0\nNoNewPrivs:\t1\n%s 1\n4\n0022\n",
		    id_to_hex(&id, hex));
		assert_string_equal(log, expected);
	}
	destroy(f, &id);

	struct id unknown = id_new();
	const struct driver_spec bad = {.user = "no-such-user"};
	assert_int_equal(start_spec(f, &unknown, "exit 0", bad, &err), -1);
	assert_string_equal(err.field, "user");
	fixture_free(f);
}

static void
a_large_environment_is_taken_whole_or_refused_with_the_limit_E15(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	enum { VARIABLES = 20, BYTES = 60 * 1024 };
	static char text[VARIABLES][BYTES];
	const char *env[VARIABLES + 1] = {NULL};
	char log[64];
	size_t n;
	uint64_t total;
	struct err err;
	for (int i = 0; i < VARIABLES; i++) {
		memset(text[i], 'a' + i, BYTES - 1);
		text[i][0] = (char)('A' + i);
		text[i][1] = '=';
		env[i] = text[i];
	}
	struct id refused = id_new();
	const struct driver_spec large = {.env = env};
	assert_int_equal(start_spec(f, &refused, "exit 0", large, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_non_null(strstr(err.text, "1024 KiB"));

	env[4] = NULL; /* 240 KiB */
	struct id id = id_new();
	assert_int_equal(start_spec(f, &id, "echo ${#A} ${#D}", large, &err), 0);
	(void)wait_said(f, &id, DRIVER_EXITED);
	read_log(f, &id, log, sizeof(log), &n, &total);
	log[n] = '\0';
	assert_string_equal(log, "61437 61437\n");
	destroy(f, &id);
	fixture_free(f);
}

static void
the_log_tail_is_exact_beyond_its_size(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	static char log[DRIVER_LOG_TAIL_BYTES + 1], expected[200000];
	size_t n, at = 0;
	uint64_t total;
	for (int i = 1; i <= 30000; i++)
		at += (size_t)snprintf(expected + at, sizeof(expected) - at, "%d\n", i);
	/* Both streams in one order. */
	struct id id = start(f, "seq 1 15000; seq 15001 30000 >&2");
	(void)wait_said(f, &id, DRIVER_EXITED);
	read_log(f, &id, log, DRIVER_LOG_TAIL_BYTES, &n, &total);
	assert_int_equal(total, at);
	assert_int_equal(n, DRIVER_LOG_TAIL_BYTES);
	assert_memory_equal(log, expected + at - n, n);
	read_log(f, &id, log, 100, &n, &total);
	assert_int_equal(n, 100);
	assert_memory_equal(log, expected + at - 100, 100);
	destroy(f, &id);
	read_log(f, &id, log, 100, &n, &total); /* people still read why it failed */
	assert_int_equal(total, at);
	assert_memory_equal(log, expected + at - 100, 100);

	struct id other = id_new();
	struct err err;
	assert_int_equal(f->ops->logs(f->driver, &other, log, 1, &n, &total, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	fixture_free(f);
}

static void
the_log_can_be_read_while_it_runs(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	char log[64];
	size_t n = 0;
	uint64_t total;
	struct id id = start_running(f, "echo first; exec sleep 1000");
	int64_t end_us = clock_mono_us(clock_system()) + PATIENCE_US;
	while (n == 0 && clock_mono_us(clock_system()) < end_us) {
		read_log(f, &id, log, sizeof(log), &n, &total);
		sched_yield();
	}
	assert_int_equal(n, 6);
	assert_memory_equal(log, "first\n", 6);
	destroy(f, &id); /* a running one is killed first */
	assert_int_equal(said_of(f, &id, DRIVER_EXITED)->event.signal, SIGKILL);
	fixture_free(f);
}

static void
a_log_flood_is_read_no_faster_than_the_cap(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct id id = start_running(f, "exec yes");
	int64_t begin_us = clock_mono_us(clock_system());
	while (clock_mono_us(clock_system()) < begin_us + SECOND_US)
		assert_true(sd_event_run(f->loop, 20000) >= 0);
	stop(f, &id, 0);
	const struct said *end = wait_said(f, &id, DRIVER_EXITED);
	int64_t took_us = end->at_us - begin_us;
	char byte;
	size_t n;
	uint64_t total;
	read_log(f, &id, &byte, 1, &n, &total);
	printf("flood: %.1f MiB in %.2f s\n", (double)total / (1 << 20), (double)took_us / 1e6);
	assert_true(total > 1 << 20);
	/* The cap, a burst at either end, and what the pipe held. */
	assert_true((double)total < 8.0 * (1 << 20) * ((double)took_us / 1e6 + 0.2));
	destroy(f, &id);
	fixture_free(f);
}

static void
start_stop_and_destroy_are_idempotent(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct err err;
	struct id id = start_running(f, "exec sleep 1000"), unknown = id_new();
	pid_t pid = (pid_t)said_of(f, &id, DRIVER_RUNNING)->event.pid;
	assert_int_equal(start_spec(f, &id, "exit 9", (struct driver_spec){0}, &err), 0);
	assert_true(is_alive(pid));
	stop(f, &unknown, 0);
	destroy(f, &unknown);
	stop(f, &id, 0);
	stop(f, &id, 0);
	(void)wait_said(f, &id, DRIVER_EXITED);
	assert_int_equal(start_spec(f, &id, "exit 9", (struct driver_spec){0}, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	destroy(f, &id);
	destroy(f, &id);
	fixture_free(f);
}

static void
a_shim_that_cannot_be_started_leaves_nothing(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct driver_probe probe;
	struct err err;
	driver_down(f);
	f->host.shim_path = "/nonexistent/fairlead-shim";
	driver_up(f);
	f->ops->probe(&f->host, &probe);
	assert_false(probe.usable);
	assert_non_null(strstr(probe.detail, "No such file"));
	struct id id = id_new();
	assert_int_equal(start_spec(f, &id, "exit 0", (struct driver_spec){0}, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_int_equal(open_instance(f, &id), -1);
	fixture_free(f);
}

/* Private_Dirty of a process in KiB. */
static long
private_dirty_kib(pid_t pid)
{
	char path[64], line[256];
	long sum = -1, value;
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Private_Dirty: %ld kB", &value) == 1)
			sum = value;
	if (file)
		fclose(file);
	return sum;
}

static void
an_idle_shim_owns_little_memory(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct instance_owner owner;
	char ready[128], script[512];
	snprintf(ready, sizeof(ready), "%s/ready", f->root);
	snprintf(script, sizeof(script), "seq 1 30000; echo > %s; exec sleep 1000", ready);
	/* Beside a second one, as in life: the program itself is shared and not counted. */
	struct id other = start_running(f, "exec sleep 1000");
	struct id id = start_running(f, script);
	wait_lines(f, ready, 1);
	int fd = open_instance(f, &id);
	instance_owner(fd, &owner);
	close(fd);
	long kib = private_dirty_kib(owner.shim_pid);
	printf("shim Private_Dirty: %ld KiB\n", kib);
	assert_true(kib > 0 && kib <= 100);
	destroy(f, &id);
	destroy(f, &other);
	fixture_free(f);
}

struct many {
	struct id ids[100];
	enum driver_event_type type;
};

static bool
all_said(struct fixture *f, const void *arg)
{
	const struct many *m = arg;
	for (size_t i = 0; i < COUNT_OF(m->ids); i++)
		if (!find_said(f, &m->ids[i], m->type))
			return false;
	return true;
}

static void
a_hundred_executors_at_once_run_and_stop(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	static struct many m;
	struct err err;
	int64_t begin_us = clock_mono_us(clock_system());
	for (size_t i = 0; i < COUNT_OF(m.ids); i++)
		m.ids[i] = start(f, "exec sleep 1000");
	m.type = DRIVER_RUNNING;
	turn_until(f, all_said, &m, "100 RUNNING");
	int64_t running_us = clock_mono_us(clock_system());
	for (size_t i = 0; i < COUNT_OF(m.ids); i++)
		stop(f, &m.ids[i], 5000);
	m.type = DRIVER_EXITED;
	turn_until(f, all_said, &m, "100 EXITED");
	int64_t ended_us = clock_mono_us(clock_system());
	for (size_t i = 0; i < COUNT_OF(m.ids); i++) {
		assert_int_equal(said_of(f, &m.ids[i], DRIVER_EXITED)->event.signal, SIGTERM);
		assert_int_equal(f->ops->destroy(f->driver, &m.ids[i], &err), 0);
	}
	m.type = DRIVER_GONE;
	turn_until(f, all_said, &m, "100 GONE");
	printf(
	    "100 executors: running after %.1f ms, stopped after %.1f ms, removed after %.1f ms\n",
	    (double)(running_us - begin_us) / 1e3, (double)(ended_us - running_us) / 1e3,
	    (double)(clock_mono_us(clock_system()) - ended_us) / 1e3);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_executors_exit_code_is_reported_exactly_E3),
	    cmocka_unit_test(an_executor_goes_through_starting_running_exited_gone_in_order),
	    cmocka_unit_test(a_signal_is_reported_as_such_E3),
	    cmocka_unit_test(stop_ends_double_forked_and_deaf_children_E2),
	    cmocka_unit_test(stop_ends_double_forked_and_deaf_children_without_cgroups_E2),
	    cmocka_unit_test(stop_gives_the_executor_its_grace),
	    cmocka_unit_test(a_daemon_left_behind_dies_with_its_executor),
	    cmocka_unit_test(a_memory_limit_that_is_hit_is_reported_as_oom_E3),
	    cmocka_unit_test(a_process_limit_stops_a_fork_bomb),
	    cmocka_unit_test(limits_that_cannot_be_enforced_fail_closed_or_are_said),
	    cmocka_unit_test(an_exec_that_fails_names_the_errno),
	    cmocka_unit_test(user_environment_directory_and_limits_reach_the_executor),
	    cmocka_unit_test(a_large_environment_is_taken_whole_or_refused_with_the_limit_E15),
	    cmocka_unit_test(the_log_tail_is_exact_beyond_its_size),
	    cmocka_unit_test(the_log_can_be_read_while_it_runs),
	    cmocka_unit_test(a_log_flood_is_read_no_faster_than_the_cap),
	    cmocka_unit_test(start_stop_and_destroy_are_idempotent),
	    cmocka_unit_test(a_shim_that_cannot_be_started_leaves_nothing),
	    cmocka_unit_test(an_idle_shim_owns_little_memory),
	    cmocka_unit_test(a_hundred_executors_at_once_run_and_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
