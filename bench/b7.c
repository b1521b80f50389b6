/* B7: what an agent costs that has nothing to do, and what one executor adds.
 *
 * The real agent on a real nats-server, heartbeats at their default interval, against the scripted
 * control plane of the tests: it answers every heartbeat and counts them.  Who switches is printed
 * per thread; pings are the connection's own, one in 20 s each from libnats and from our bus. */
#include "agent_cp.h"

#include <dirent.h>

#include "bench.h"

#define SECONDS_DEFAULT 60
#define THREADS_MAX 64
#define PINGS_PER_S (2.0 / 20)
#define GOAL_ANON_KB (4 * 1024)
#define GOAL_RSS_KB (16 * 1024)
#define GOAL_SWITCHES 4 /* per heartbeat or ping */
#define GOAL_SHIM_KB 100
#define PATIENCE_MS 20000

struct thread {
	long tid;
	long waits;     /* it gave the processor back: what it costs */
	long preempted; /* the processor was taken from it: what its neighbours cost */
};

static long
number_of(const char *path, const char *key)
{
	char line[256];
	FILE *file = fopen(path, "r");
	long number = -1;

	while (file && number < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':')
			number = strtol(line + strlen(key) + 1, NULL, 10);
	if (file)
		fclose(file);
	return number;
}

static size_t
threads_of(pid_t pid, struct thread *rows)
{
	char path[320];
	const struct dirent *entry;
	DIR *tasks;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	bench_must(tasks ? 0 : -1, NULL, path);
	while (n < THREADS_MAX && (entry = readdir(tasks)) != NULL) {
		long tid = strtol(entry->d_name, NULL, 10);

		if (tid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%ld/status", (int)pid, tid);
		rows[n].tid = tid;
		rows[n].waits = number_of(path, "voluntary_ctxt_switches");
		rows[n++].preempted = number_of(path, "nonvoluntary_ctxt_switches");
	}
	closedir(tasks);
	return n;
}

static bool
time_is_up(struct cp *cp, void *arg)
{
	(void)cp;
	return bench_now_us() >= *(int64_t *)arg;
}

static void
pump_for(struct cp *cp, long seconds)
{
	int64_t end = bench_now_us() + seconds * SECOND_US;

	(void)cp_wait(cp, time_is_up, &end, (int)(seconds + 10) * 1000);
}

static void
start(struct cp *cp, struct cp_agent *agent)
{
	static const char *const more[] = {"--heartbeat-interval=5s", NULL};
	unsigned hellos = 1, heartbeats = 2;

	cp_init(cp);
	cp_connect(cp);
	cp_agent_init(agent);
	cp_agent_start(agent, cp, more);
	bench_must(cp_wait(cp, cp_heard_hellos, &hellos, PATIENCE_MS) ? 0 : -1, NULL, "hello");
	bench_must(
	    cp_wait(cp, cp_heard_heartbeats, &heartbeats, PATIENCE_MS) ? 0 : -1, NULL, "heartbeat");
}

static struct thread
since(const struct thread *before, size_t n, struct thread after)
{
	for (size_t i = 0; i < n; i++) {
		if (before[i].tid != after.tid)
			continue;
		after.waits -= before[i].waits;
		after.preempted -= before[i].preempted;
	}
	return after;
}

static bool
say_idle(struct cp *cp, pid_t pid, long seconds)
{
	struct thread before[THREADS_MAX], after[THREADS_MAX];
	size_t n = threads_of(pid, before), m;
	unsigned heartbeats = cp->heartbeats_seen;
	char path[64], measured[64], per[64];
	double events, sum = 0;
	bool good;

	pump_for(cp, seconds);
	m = threads_of(pid, after);
	heartbeats = cp->heartbeats_seen - heartbeats;
	for (size_t i = 0; i < m; i++) {
		struct thread t = since(before, n, after[i]);

		fprintf(stderr, "b7: thread %zu of %zu: waited %ld times, preempted %ld times\n",
		    i + 1, m, t.waits, t.preempted);
		sum += (double)t.waits;
	}
	events = heartbeats + (double)seconds * PINGS_PER_S;
	snprintf(measured, sizeof(measured), "%.0f in %ld s", sum, seconds);
	snprintf(per, sizeof(per), "%u heartbeats, %.0f pings", heartbeats,
	    (double)seconds * PINGS_PER_S);
	good =
	    bench_say("B7 voluntary switches", measured, per, sum / events, false, GOAL_SWITCHES);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	good &= bench_say("B7 RssAnon, KiB", "idle agent", "-", (double)number_of(path, "RssAnon"),
	    false, GOAL_ANON_KB);
	good &= bench_say(
	    "B7 RSS, KiB", "idle agent", "-", (double)number_of(path, "VmRSS"), false, GOAL_RSS_KB);
	return good;
}

static void
first_line(const char *path, char *text, int size)
{
	FILE *file = fopen(path, "r");

	bench_must(file && fgets(text, size, file) ? 0 : -1, NULL, path);
	fclose(file);
}

/* The one child of the agent that is a shim. */
static pid_t
shim_of(pid_t agent)
{
	char path[64], text[64];
	long pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)agent, (int)agent);
	first_line(path, text, (int)sizeof(text));
	pid = strtol(text, NULL, 10);
	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	first_line(path, text, (int)sizeof(text));
	bench_must(strncmp(text, "fairlead-shim", strlen("fairlead-shim")) ? -1 : 0, NULL, text);
	return (pid_t)pid;
}

static bool
say_shim(struct cp *cp, pid_t agent)
{
	struct cp_expect running = {.id = id_new(), .state = FAIRLEAD__V1__EXECUTOR_STATE__RUNNING};
	char path[64];

	cp_send_one(cp, cp_order(cp, running.id, FAIRLEAD__V1__DESIRED__RUN, "exec sleep 1000"));
	bench_must(cp_wait(cp, cp_has_state, &running, PATIENCE_MS) ? 0 : -1, NULL, "an executor");
	pump_for(cp, 1);
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)shim_of(agent));
	running.state = FAIRLEAD__V1__EXECUTOR_STATE__STOPPED;
	bool good = bench_say("B7 shim Private_Dirty, KiB", "one executor", "-",
	    (double)number_of(path, "Private_Dirty"), false, GOAL_SHIM_KB);
	cp_send_one(cp, cp_order(cp, running.id, FAIRLEAD__V1__DESIRED__STOP, ""));
	bench_must(cp_wait(cp, cp_has_state, &running, PATIENCE_MS) ? 0 : -1, NULL, "its stop");
	return good;
}

int
main(int argc, char **argv)
{
	static struct cp cp;
	static struct cp_agent agent;
	long seconds = bench_option(argc, argv, "--seconds", SECONDS_DEFAULT);
	bool good;

	start(&cp, &agent);
	good = say_idle(&cp, agent.pid, seconds);
	good &= say_shim(&cp, agent.pid);
	cp_agent_done(&agent);
	cp_done(&cp);
	return good ? 0 : 1;
}
