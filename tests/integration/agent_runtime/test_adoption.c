#include "fixture.h"

#include <sys/prctl.h>

#include "durable.h"

static pid_t
shim_of(const struct fixture *f, const struct id *id)
{
	struct instance_owner owner;
	int fd = open_instance(f, id);
	assert_true(fd >= 0);
	instance_owner(fd, &owner);
	close(fd);
	assert_true(owner.shim_pid > 1);
	return owner.shim_pid;
}

static pid_t
running_pid(const struct fixture *f, const struct id *id)
{
	return (pid_t)said_of(f, id, DRIVER_RUNNING)->event.pid;
}

/* Kills the shim of an executor as the kernel would. */
static void
kill_shim_of(const struct fixture *f, const struct id *id)
{
	assert_int_equal(kill(shim_of(f, id), SIGKILL), 0);
}

static bool
is_gone(struct fixture *f UNUSED, const void *arg)
{
	return !is_alive(*(const pid_t *)arg);
}

static void
wait_dead(struct fixture *f, pid_t pid)
{
	turn_until(f, is_gone, &pid, "the end of a process");
}

/* What the only adopted executor came to. */
static const struct driver_found *
only_found(const struct fixture *f, const struct id *id)
{
	assert_int_equal(f->found_n, 1);
	assert_true(id_equal(&f->found[0].executor_id, id));
	assert_int_equal(f->found[0].incarnation, 1);
	return &f->found[0];
}

static void
a_running_executor_is_adopted_with_the_same_pid_E4(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct id id = start_running(f, "exec sleep 1000");
	pid_t pid = running_pid(f, &id);
	driver_down(f);
	driver_up(f);
	const struct driver_found *found = only_found(f, &id);
	assert_true(found->running);
	assert_int_equal(found->pid, pid);
	assert_true(is_alive(pid));
	stop(f, &id, 5000);
	assert_int_equal(wait_said(f, &id, DRIVER_EXITED)->event.signal, SIGTERM);
	destroy(f, &id);
	fixture_free(f);
}

static void
an_exit_after_adoption_is_reported_exactly_E4(void **state UNUSED)
{
	struct fixture *f = fixture_new("none");
	char go[128], script[512];
	snprintf(go, sizeof(go), "%s/go", f->root);
	snprintf(script, sizeof(script), "while ! [ -e %s ]; do sleep 0.01; done; exit 42", go);
	struct id id = start_running(f, script);
	driver_down(f);
	driver_up(f);
	assert_true(only_found(f, &id)->running);
	close(open(go, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(wait_said(f, &id, DRIVER_EXITED)->event.exit_code, 42);
	destroy(f, &id);
	fixture_free(f);
}

static void
an_exit_while_no_agent_ran_is_reported_afterwards_E3(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	char go[128], script[512], log[16];
	size_t n;
	uint64_t total;
	struct err err;
	snprintf(go, sizeof(go), "%s/go", f->root);
	snprintf(
	    script, sizeof(script), "while ! [ -e %s ]; do sleep 0.01; done; echo bye; exit 7", go);
	struct id id = start_running(f, script);
	driver_down(f);
	close(open(go, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	turn_until(f, exit_is_there, &id, "the exit record");
	driver_up(f);
	const struct driver_found *found = only_found(f, &id);
	assert_false(found->running);
	assert_int_equal(found->ended.exit_code, 7);
	assert_true(found->ended.started);
	assert_string_equal(f->found_reason[0], "");
	assert_int_equal(f->ops->logs(f->driver, &id, log, sizeof(log), &n, &total, &err), 0);
	assert_int_equal(n, 4);
	assert_memory_equal(log, "bye\n", 4);
	destroy(f, &id);
	driver_down(f);
	driver_up(f);
	assert_int_equal(f->found_n, 0);
	fixture_free(f);
}

static void
killed_shim(const char *mode)
{
	struct fixture *f = fixture_new(mode);
	char go[128], ready[128], script[600], log[64];
	size_t n;
	uint64_t total;
	struct err err;
	snprintf(go, sizeof(go), "%s/go", f->root);
	snprintf(ready, sizeof(ready), "%s/ready", f->root);
	snprintf(script, sizeof(script),
	    "echo one; echo >> %s; while ! [ -e %s ]; do sleep 0.01; done; echo two; exit 42",
	    ready, go);
	struct id id = start_running(f, script);
	pid_t pid = running_pid(f, &id), shim = shim_of(f, &id);
	wait_lines(f, ready, 1);
	kill_shim_of(f, &id);
	wait_dead(f, shim);
	assert_true(is_alive(pid));
	close(open(go, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	const struct said *end = wait_said(f, &id, DRIVER_EXITED);
	/* Its own code, not what a closed pipe would have made of it. */
	assert_int_equal(end->event.exit_code, 42);
	assert_string_equal(end->reason, "");
	assert_int_equal(f->ops->logs(f->driver, &id, log, sizeof(log), &n, &total, &err), 0);
	log[n] = '\0';
	assert_non_null(strstr(log, "two\n"));

	/* The agent wrote the record in the shim's place. */
	driver_down(f);
	driver_up(f);
	assert_int_equal(only_found(f, &id)->ended.exit_code, 42);
	destroy(f, &id);
	fixture_free(f);
}

static void
a_killed_shim_still_yields_the_real_exit_code_E5(void **state UNUSED)
{
	killed_shim("auto");
}

static void
a_killed_shim_still_yields_the_real_exit_code_without_cgroups_E5(void **state UNUSED)
{
	killed_shim("none");
}

static void
an_executor_without_its_shim_can_be_stopped_E5(void **state UNUSED)
{
	struct fixture *f = fixture_new("none");
	char ledger[128], script[512];
	int child = 0;
	snprintf(ledger, sizeof(ledger), "%s/pid", f->root);
	snprintf(script, sizeof(script),
	    "trap '' TERM; (setsid sh -c 'echo $$ >> %s; exec sleep 1000' &); while :; do sleep 1; "
	    "done",
	    ledger);
	struct id id = start_running(f, script);
	pid_t shim = shim_of(f, &id);
	wait_lines(f, ledger, 1);
	kill_shim_of(f, &id);
	wait_dead(f, shim);
	stop(f, &id, 50);
	assert_int_equal(wait_said(f, &id, DRIVER_EXITED)->event.signal, SIGKILL);
	FILE *file = fopen(ledger, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &child), 1);
	fclose(file);
	assert_false(is_alive(child));
	destroy(f, &id);
	fixture_free(f);
}

static void
killed_shim_without_agent(const char *mode)
{
	struct fixture *f = fixture_new(mode);
	struct id id = start_running(f, "sleep 1000; exit 1");
	pid_t pid = running_pid(f, &id), shim = shim_of(f, &id);
	driver_down(f);
	kill(shim, SIGKILL);
	wait_dead(f, shim);
	driver_up(f);
	const struct driver_found *found = only_found(f, &id);
	assert_false(found->running);
	assert_string_equal(f->found_reason[0], "lost");
	assert_int_equal(found->ended.exit_code, -1);
	assert_true(found->ended.started);
	wait_dead(f, pid); /* an orphan does not go on */
	destroy(f, &id);
	fixture_free(f);
}

static void
a_shim_killed_while_no_agent_ran_is_lost_E5(void **state UNUSED)
{
	killed_shim_without_agent("auto");
}

static void
a_shim_killed_while_no_agent_ran_is_lost_without_cgroups_E5(void **state UNUSED)
{
	killed_shim_without_agent("none");
}

static void
a_silent_shim_is_killed_and_its_executor_lost(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct id id = start_running(f, "exec sleep 1000");
	pid_t pid = running_pid(f, &id), shim = shim_of(f, &id);
	driver_down(f);
	kill(shim, SIGSTOP);
	int64_t begin_us = clock_mono_us(clock_system());
	driver_up(f);
	int64_t took_us = clock_mono_us(clock_system()) - begin_us;
	assert_true(took_us >= 2 * SECOND_US && took_us < 8 * SECOND_US);
	assert_false(only_found(f, &id)->running);
	assert_string_equal(f->found_reason[0], "lost");
	wait_dead(f, shim);
	wait_dead(f, pid);
	destroy(f, &id);
	fixture_free(f);
}

static void
another_boot_ends_everything_as_host_reboot_E6(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct id id = start_running(f, "exec sleep 1000"), ended = start(f, "exit 3");
	(void)wait_said(f, &ended, DRIVER_EXITED);
	pid_t shim = shim_of(f, &id), pid = running_pid(f, &id);
	driver_down(f);
	/* As after a power cut: no shim, no executor, no end. */
	kill(shim, SIGKILL);
	kill(pid, SIGKILL);
	wait_dead(f, shim);
	wait_dead(f, pid);
	f->host.boot_id = "boot-two";
	driver_up(f);
	assert_int_equal(f->found_n, 2);
	size_t at = id_equal(&f->found[0].executor_id, &id) ? 0 : 1;
	assert_string_equal(f->found_reason[at], "host_reboot");
	assert_int_equal(f->found[at].ended.exit_code, -1);
	/* What had ended before keeps its own end. */
	assert_int_equal(f->found[1 - at].ended.exit_code, 3);
	driver_down(f);
	driver_up(f); /* and a second start says the same */
	assert_int_equal(f->found_n, 2);
	at = id_equal(&f->found[0].executor_id, &id) ? 0 : 1;
	assert_string_equal(f->found_reason[at], "host_reboot");
	destroy(f, &id);
	destroy(f, &ended);
	fixture_free(f);
}

static void
an_empty_spec_after_a_power_cut_is_host_reboot_too_E6(void **state UNUSED)
{
	struct fixture *f = fixture_new("none");
	struct id id = start_running(f, "exec sleep 1000");
	pid_t shim = shim_of(f, &id), pid = running_pid(f, &id);
	driver_down(f);
	kill(shim, SIGKILL);
	kill(pid, SIGKILL);
	wait_dead(f, shim);
	wait_dead(f, pid);
	int fd = open_instance(f, &id);
	assert_int_equal(durable_write(fd, RUN_SPEC_FILE, "", 0), 0);
	close(fd);
	f->host.boot_id = "boot-two";
	driver_up(f);
	assert_int_equal(f->found_n, 1);
	assert_string_equal(f->found_reason[0], "host_reboot");
	destroy(f, &id);
	fixture_free(f);
}

static void
an_unreadable_exit_record_is_kept_in_quarantine(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	char name[INSTANCE_NAME_BYTES], path[512];
	struct id id = start(f, "exit 3");
	(void)wait_said(f, &id, DRIVER_EXITED);
	driver_down(f);
	int fd = open_instance(f, &id);
	assert_int_equal(durable_write(fd, EXIT_RECORD_FILE, "fairlead-exit 1\nexecu", 21), 0);
	close(fd);
	driver_up(f);
	assert_false(only_found(f, &id)->running);
	assert_string_equal(f->found_reason[0], "lost");
	assert_int_equal(f->found[0].ended.exit_code, -1);
	snprintf(path, sizeof(path), "%s/" INSTANCE_QUARANTINE "/%s.exit", f->state_dir,
	    instance_name(&id, 1, '-', name));
	assert_int_equal(access(path, F_OK), 0);
	destroy(f, &id);
	assert_int_equal(access(path, F_OK), 0);
	fixture_free(f);
}

static void
a_start_that_never_came_to_a_shim_is_undone(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct id id = id_new();
	struct err err;
	int fd;
	driver_down(f);
	int state_fd = open(f->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(instance_create(state_fd, &id, 1, &fd), 0);
	assert_int_equal(durable_write(fd, "spec", "", 0), 0);
	assert_int_equal(durable_write(fd, "lock", "", 0), 0);
	close(fd);
	close(state_fd);
	driver_up(f);
	assert_int_equal(f->found_n, 0);
	assert_int_equal(open_instance(f, &id), -1);
	/* The same incarnation may be started again. */
	assert_int_equal(start_spec(f, &id, "exit 6", (struct driver_spec){0}, &err), 0);
	assert_int_equal(wait_said(f, &id, DRIVER_EXITED)->event.exit_code, 6);
	destroy(f, &id);
	fixture_free(f);
}

static void
a_leaf_without_state_is_killed_at_start_K5(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct driver_probe probe;
	f->ops->probe(&f->host, &probe);
	if (strstr(probe.detail, "cgroup none")) {
		printf("SKIP: no cgroups here: %s\n", probe.detail);
		fixture_free(f);
		skip();
	}
	struct id id = start_running(f, "exec sleep 1000");
	pid_t pid = running_pid(f, &id), shim = shim_of(f, &id);
	driver_down(f);
	kill(shim, SIGKILL);
	wait_dead(f, shim);
	int state_fd = open(f->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(instance_remove(state_fd, &id, 1), 0);
	close(state_fd);
	driver_up(f);
	assert_int_equal(f->found_n, 0);
	wait_dead(f, pid);
	fixture_free(f);
}

/* Another process is the agent, starts the executor and is killed while it runs. */
static void
run_agent_and_kill_it(struct fixture *f, const struct id *id, const char *script)
{
	pid_t agent = fork();
	if (agent == 0) {
		struct err err;
		if (sd_event_new(&f->loop) < 0)
			_exit(1);
		f->host.loop = f->loop;
		driver_up(f);
		if (start_spec(f, id, script, (struct driver_spec){0}, &err))
			_exit(1);
		(void)wait_said(f, id, DRIVER_RUNNING);
		kill(getpid(), SIGKILL);
	}
	int status = 0;
	assert_int_equal(waitpid(agent, &status, 0), agent);
	assert_true(WIFSIGNALED(status));
}

static void
kill_9_of_the_agent_and_then_of_the_shim_keeps_pid_and_exit_code_E4_E5(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	char go[128], script[512];
	struct instance_owner owner;
	const struct id id = id_new();
	snprintf(go, sizeof(go), "%s/go", f->root);
	snprintf(script, sizeof(script), "while ! [ -e %s ]; do sleep 0.01; done; exit 42", go);
	driver_down(f);
	/* What the dead agent leaves goes to init and not to us: we are strangers to it. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
	run_agent_and_kill_it(f, &id, script);
	int fd = open_instance(f, &id);
	instance_owner(fd, &owner);
	close(fd);
	driver_up(f);
	assert_true(only_found(f, &id)->running);
	assert_int_equal(f->found[0].pid, owner.pid);
	assert_true(is_alive(owner.pid));

	kill_shim_of(f, &id);
	wait_dead(f, owner.shim_pid);
	assert_true(is_alive(owner.pid));
	close(open(go, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	const struct said *end = wait_said(f, &id, DRIVER_EXITED);
	/* Before Linux 6.15 nobody can tell the exit code of somebody else's child. */
	if (end->event.exit_code == -1)
		assert_string_equal(end->reason, "lost");
	else
		assert_int_equal(end->event.exit_code, 42);
	printf("exit code of a stranger's child: %d\n", end->event.exit_code);
	destroy(f, &id);
	fixture_free(f);
}

static void
a_hundred_executors_are_adopted_at_once_E4(void **state UNUSED)
{
	struct fixture *f = fixture_new("auto");
	struct id ids[100];
	pid_t pids[COUNT_OF(ids)];
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		ids[i] = start_running(f, "exec sleep 1000");
		pids[i] = running_pid(f, &ids[i]);
	}
	driver_down(f);
	int64_t begin_us = clock_mono_us(clock_system());
	driver_up(f);
	printf("100 executors adopted in %.1f ms\n",
	    (double)(clock_mono_us(clock_system()) - begin_us) / 1e3);
	assert_int_equal(f->found_n, COUNT_OF(ids));
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		assert_true(f->found[i].running);
		assert_true(is_alive(pids[i]));
	}
	for (size_t i = 0; i < COUNT_OF(ids); i++)
		stop(f, &ids[i], 0);
	for (size_t i = 0; i < COUNT_OF(ids); i++)
		destroy(f, &ids[i]);
	fixture_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_running_executor_is_adopted_with_the_same_pid_E4),
	    cmocka_unit_test(an_exit_after_adoption_is_reported_exactly_E4),
	    cmocka_unit_test(an_exit_while_no_agent_ran_is_reported_afterwards_E3),
	    cmocka_unit_test(a_killed_shim_still_yields_the_real_exit_code_E5),
	    cmocka_unit_test(a_killed_shim_still_yields_the_real_exit_code_without_cgroups_E5),
	    cmocka_unit_test(an_executor_without_its_shim_can_be_stopped_E5),
	    cmocka_unit_test(a_shim_killed_while_no_agent_ran_is_lost_E5),
	    cmocka_unit_test(a_shim_killed_while_no_agent_ran_is_lost_without_cgroups_E5),
	    cmocka_unit_test(a_silent_shim_is_killed_and_its_executor_lost),
	    cmocka_unit_test(another_boot_ends_everything_as_host_reboot_E6),
	    cmocka_unit_test(an_empty_spec_after_a_power_cut_is_host_reboot_too_E6),
	    cmocka_unit_test(an_unreadable_exit_record_is_kept_in_quarantine),
	    cmocka_unit_test(a_start_that_never_came_to_a_shim_is_undone),
	    cmocka_unit_test(a_leaf_without_state_is_killed_at_start_K5),
	    cmocka_unit_test(
		kill_9_of_the_agent_and_then_of_the_shim_keeps_pid_and_exit_code_E4_E5),
	    cmocka_unit_test(a_hundred_executors_are_adopted_at_once_E4),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
