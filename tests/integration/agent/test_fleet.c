/* fairlead-fleet against a scripted control plane. */
#include "agent_cp.h"

#define PATIENCE_MS 20000

struct fleet {
	pid_t pid;
	int out; /* its standard output */
	char text[4096];
	size_t length;
};

static void
fleet_start(struct fleet *f, const struct cp *cp, const char *connections)
{
	char servers[128], kind[64];
	const char *argv[] = {FL_BIN_DIR "/fairlead-fleet", servers, kind, "--hosts=30", NULL};
	int pipes[2];

	memset(f, 0, sizeof(*f));
	snprintf(servers, sizeof(servers), "--nats-servers=%s", nats_server_url(cp->server));
	snprintf(kind, sizeof(kind), "--connections=%s", connections);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(pipes[1]);
	f->out = pipes[0];
	assert_int_equal(fcntl(f->out, F_SETFL, O_NONBLOCK), 0);
}

static bool
fleet_said(struct cp *cp, void *arg)
{
	struct fleet *f = arg;
	ssize_t n = read(f->out, f->text + f->length, sizeof(f->text) - 1 - f->length);

	(void)cp;
	if (n > 0)
		f->length += (size_t)n;
	return strchr(f->text, '\n') != NULL;
}

static void
all_are_accepted(const char *connections)
{
	static struct cp cp;
	struct fleet f;
	int status = -1;

	cp_init(&cp);
	cp_connect(&cp);
	fleet_start(&f, &cp, connections);
	assert_true(cp_wait(&cp, fleet_said, &f, PATIENCE_MS));
	assert_int_equal(strncmp(f.text, "fleet ready: 30 hosts accepted", 30), 0);
	assert_true(cp.hellos >= 30);
	kill(f.pid, SIGTERM);
	assert_int_equal(waitpid(f.pid, &status, 0), f.pid);
	assert_int_equal(status, 0);
	f.length = 0;
	memset(f.text, 0, sizeof(f.text));
	(void)fleet_said(&cp, &f);
	assert_non_null(strstr(f.text, "\"hosts\": 30, \"accepted\": 30"));
	assert_non_null(strstr(f.text, "\"lag_max_ms\""));
	close(f.out);
	cp_done(&cp);
}

static void
thirty_hosts_over_one_connection_are_accepted_A4(void **state)
{
	(void)state;
	all_are_accepted("shared");
}

static void
thirty_hosts_over_their_own_connections_are_accepted_A4(void **state)
{
	(void)state;
	all_are_accepted("real");
}

static void
a_wrong_kind_of_connection_is_refused_naming_it_O6(void **state)
{
	(void)state;
	assert_int_equal(
	    WEXITSTATUS(system("\"" FL_BIN_DIR "/fairlead-fleet\" --connections=few 2>/dev/null")),
	    2);
	assert_int_equal(
	    WEXITSTATUS(system("\"" FL_BIN_DIR "/fairlead-fleet\" --hosts=0 2>/dev/null")), 2);
	assert_int_equal(
	    WEXITSTATUS(system("\"" FL_BIN_DIR "/fairlead-fleet\" --nonsense 2>/dev/null")), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(thirty_hosts_over_one_connection_are_accepted_A4),
	    cmocka_unit_test(thirty_hosts_over_their_own_connections_are_accepted_A4),
	    cmocka_unit_test(a_wrong_kind_of_connection_is_refused_naming_it_O6),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
