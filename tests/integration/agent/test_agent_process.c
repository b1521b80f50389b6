/* The real agent as a process: who may start, how it ends, what it takes. */
#include "agent_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

struct line {
	const char *path, *text;
};

static bool
log_has(struct cp *cp, void *arg)
{
	const struct line *l = arg;
	char command[400];

	(void)cp;
	snprintf(command, sizeof(command), "grep -q '%s' %s", l->text, l->path);
	return system(command) == 0;
}

static void
expect_logged(struct fixture *f, const char *text)
{
	struct line line = {f->agent.log, text};

	if (!cp_wait(&f->cp, log_has, &line, PATIENCE_MS))
		fail_msg("not in the log: %s", text);
}

static void
without_a_bus_the_agent_says_once_where_and_why_it_waits_A9(void **state)
{
	struct fixture *f = *state;
	const char *more[] = {"--nats-servers=nats://127.0.0.1:1", NULL};
	char command[200];

	cp_agent_start(&f->agent, &f->cp, more);
	expect_logged(f, "bus.waiting.*nats://127.0.0.1:1.*No server available");
	assert_int_equal(cp_agent_signal(&f->agent, SIGTERM), 0);
	snprintf(command, sizeof(command), "test $(grep -c bus.waiting %s) = 1", f->agent.log);
	assert_int_equal(system(command), 0);
}

static void
a_wrong_password_is_refused_at_start_and_named(void **state)
{
	struct fixture *f = *state;
	CLEANUP(nats_server_free)
	struct nats_server *server = nats_server_new("authorization { user: fl, password: right }");
	char flag[96];
	const char *more[] = {flag, "--nats-user=fl", "--nats-password=wrong", NULL};

	snprintf(flag, sizeof(flag), "--nats-servers=%s", nats_server_url(server));
	cp_agent_start(&f->agent, &f->cp, more);
	assert_int_equal(cp_agent_wait(&f->agent, PATIENCE_MS), err_row(ERR_DENIED)->exit_code);
	expect_logged(f, "bus.denied");
	expect_logged(f, "agent.failed.*nats_password");
}

static void
an_agent_with_executors_tends_them_though_its_password_is_wrong(void **state)
{
	struct fixture *f = *state;
	CLEANUP(nats_server_free)
	struct nats_server *server = nats_server_new("authorization { user: fl, password: right }");
	struct id id = id_new();
	char flag[96];
	const char *more[] = {flag, "--nats-user=fl", "--nats-password=wrong", NULL};

	start(f);
	cp_send_one(&f->cp, cp_order(&f->cp, id, RUN, "exec sleep 1000"));
	expect_state(f, id, RUNNING);
	assert_int_equal(cp_agent_signal(&f->agent, SIGTERM), 0);
	snprintf(flag, sizeof(flag), "--nats-servers=%s", nats_server_url(server));
	cp_agent_start(&f->agent, &f->cp, more);
	expect_logged(f, "bus.denied");
	assert_int_equal(cp_agent_signal(&f->agent, SIGTERM), 0);
	start(f);
	cp_send_one(&f->cp, cp_order(&f->cp, id, ABSENT, ""));
	expect_gone(f, &f->cp.orders[f->cp.order_count - 1]);
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
	    TEST(stale_makes_the_agent_stop_its_executors_and_exit_with_zero_A6),
	    TEST(sigterm_leaves_executors_and_the_next_agent_adopts_them_R7),
	    TEST(one_agent_per_state_directory_K20),
	    TEST(a_wrong_host_id_is_refused_with_the_rule_A3),
	    TEST(without_a_bus_the_agent_says_once_where_and_why_it_waits_A9),
	    TEST(a_wrong_password_is_refused_at_start_and_named),
	    TEST(an_agent_with_executors_tends_them_though_its_password_is_wrong),
	    TEST(an_idle_agent_is_small_and_sleeps_B7),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
