/* Every crash point of the agent once: the process dies there, the next one goes on, and in the end
 * the executor ran exactly once with its real exit code, and is gone. */
#include "agent_cp.h"

#include "crash.h"

#define PATIENCE_MS 30000
#define POINTS_MAX 32

struct world {
	struct cp cp;
	struct cp_agent agent;
	char ledger[96];
	unsigned crashes;
};

static int
list_points(char points[POINTS_MAX][64])
{
	FILE *out = popen("\"" FL_BIN_DIR "/fairlead-agent\" --list-crash-points", "r");
	char line[256];
	int n = 0;

	assert_non_null(out);
	while (fgets(line, sizeof(line), out) && n < POINTS_MAX) {
		line[strcspn(line, " \n")] = '\0';
		snprintf(points[n++], 64, "%.63s", line);
	}
	assert_int_equal(pclose(out), 0);
	return n;
}

/* A crashed agent is started again, without its crash point. */
static void
revive(struct world *w)
{
	int status;

	if (waitpid(w->agent.pid, &status, WNOHANG) == 0)
		return;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CRASH_EXIT_STATUS);
	w->crashes++;
	unsetenv(CRASH_VARIABLE);
	cp_agent_start(&w->agent, &w->cp, NULL);
}

static void
resend(struct world *w)
{
	for (size_t i = 0; i < w->cp.order_count; i++)
		if (w->cp.orders[i].fresh)
			cp_send_one(&w->cp, &w->cp.orders[i]);
}

/* Pumps, revives, and resends as the scheduler's sweep does. */
static void
until(struct world *w, bool (*done)(struct cp *cp, void *arg), void *arg, const char *what)
{
	int64_t end = clock_mono_us(clock_system()) + PATIENCE_MS * MS_US;
	int64_t sweep = clock_mono_us(clock_system()) + 2 * SECOND_US;

	while (!done(&w->cp, arg)) {
		int64_t now = clock_mono_us(clock_system());

		if (now > end)
			fail_msg("never happened: %s", what);
		if (now > sweep) {
			resend(w);
			sweep = now + 2 * SECOND_US;
		}
		revive(w);
		(void)cp_pump(&w->cp, 20);
	}
}

static unsigned
ledger_lines(const struct world *w)
{
	FILE *file = fopen(w->ledger, "r");
	unsigned n = 0;
	int c;

	if (!file)
		return 0;
	while ((c = fgetc(file)) != EOF)
		n += c == '\n';
	fclose(file);
	return n;
}

static bool
has_ended(struct cp *cp, void *arg)
{
	return (int)cp->rows[cp_row(cp, arg)].state >= 90;
}

static void
crash_once(const char *point)
{
	static struct world world;
	struct world *w = &world;
	struct id id = id_new();
	struct cp_expect gone = {.id = id};
	struct cp_order *order;
	unsigned hellos = 1, heartbeats = 1;
	char shell[200];

	memset(w, 0, sizeof(*w));
	cp_init(&w->cp);
	cp_connect(&w->cp);
	cp_agent_init(&w->agent);
	snprintf(w->ledger, sizeof(w->ledger), "%.80s/ledger", w->agent.state_dir);
	setenv(CRASH_VARIABLE, point, 1);
	cp_agent_start(&w->agent, &w->cp, NULL);
	until(w, cp_heard_hellos, &hellos, "hello");
	until(w, cp_heard_heartbeats, &heartbeats, "heartbeat");
	snprintf(shell, sizeof(shell), "echo run >> %s; exit 7", w->ledger);
	order = cp_order(&w->cp, id, FAIRLEAD__V1__DESIRED__RUN, shell);
	if (strcmp(point, "agent.before_driver_stop") == 0)
		order->argv[2] =
		    (char *)(uintptr_t)"trap 'exit 7' TERM; while :; do sleep 0.05; done";
	cp_send_one(&w->cp, order);
	if (strcmp(point, "agent.before_driver_stop") == 0) {
		struct cp_expect running = {.id = id, .state = 70};

		until(w, cp_has_state, &running, "running");
		cp_send_one(&w->cp, cp_order(&w->cp, id, FAIRLEAD__V1__DESIRED__STOP, ""));
		until(w, has_ended, &id, "end");
	} else {
		until(w, has_ended, &id, "end");
		assert_int_equal(ledger_lines(w), 1);
	}
	assert_int_equal(w->cp.rows[cp_row(&w->cp, &id)].exit_code, 7);
	order = cp_order(&w->cp, id, FAIRLEAD__V1__DESIRED__ABSENT, "");
	gone.gone = order->generation;
	cp_send_one(&w->cp, order);
	until(w, cp_is_gone, &gone, "gone");
	revive(w);
	assert_int_equal(w->crashes, 1); /* the point was reached: it proves something */
	cp_agent_done(&w->agent);
	cp_done(&w->cp);
}

static void
every_crash_point_is_survived_without_a_second_run_C5(void **state)
{
	char points[POINTS_MAX][64];
	int n = list_points(points);

	(void)state;
	if (!crash_points_present()) {
		print_message("SKIP: this build has no crash points\n");
		skip();
	}
	assert_true(n >= 10);
	for (int i = 0; i < n; i++) {
		print_message("%s\n", points[i]);
		crash_once(points[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_crash_point_is_survived_without_a_second_run_C5),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
