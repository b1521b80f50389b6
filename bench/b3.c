/* b3: from the creation of a session to its one executor RUNNING and committed, on an idle cell
 * with real processes, against the sum of what it cannot do without.
 *
 * Started by hand it runs itself again inside `fairlead dev`.  Times of the cell are the database's
 * clock; its running_at is taken before the commit of the report, so that commit, measured alone in
 * the same round, is added. */
#include <ftw.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "bench.h"
#include "bus.h"
#include "courier.h"
#include "fairlead/v1/api.pb-c.h"
#include "pg.h"
#include "store.h"

#define CREATES 50
#define WARMUP 3
#define ROUND_TIMEOUT_US (30 * INT64_C(1000000))
#define LOOK_US 20000
#define IDLE_US 100000
#define REQUEST_TIMEOUT_MS 10000
#define GOAL_P50_MS 10.0
#define GOAL_P99_MS 50.0

enum part { PART_API, PART_PLACE, PART_BUS, PART_JOURNAL, PART_SPAWN, PART_REPORT, PARTS };
static const char *const part_texts[PARTS] = {
    "api commit", "place commit", "publish to deliver", "journal commit", "spawn", "report commit"};

enum stage { STAGE_PLACED, STAGE_ACCEPTED, STAGE_STARTING, STAGE_RUNNING, STAGES };
static const char *const stage_texts[STAGES] = {"placed", "accepted", "starting", "running"};

struct b3 {
	struct bus *bus, *receiver;
	struct bus_sub *deliveries;
	struct store *cell, *parts;
	struct arena *arena;
	struct store_lease lease;
	sqlite3 *journal;
	atomic_llong delivered_us;
	char scratch[64];
	double total[BENCH_RUNS_MAX], sums[BENCH_RUNS_MAX], request[BENCH_RUNS_MAX];
	double part[PARTS][BENCH_RUNS_MAX], stage[STAGES][BENCH_RUNS_MAX];
	double host_starting[BENCH_RUNS_MAX], host_running[BENCH_RUNS_MAX]; /* since acceptance */
};

static double
ms_since(int64_t from)
{
	return (double)(bench_now_us() - from) / 1000.0;
}

/* ---- the parts, each alone ---- */

static void
on_delivery(void *arg, const struct bus_msg *m)
{
	struct b3 *b = arg;

	(void)m;
	atomic_store(&b->delivered_us, (long long)bench_now_us());
}

static double
part_bus(struct b3 *b)
{
	static const char data[512];
	struct bus_out out = {.subject = "bench.cmd.h0", .data = data, .size = sizeof(data)};
	int64_t from = bench_now_us();
	struct bus_ack ack;
	struct err err = {0};

	atomic_store(&b->delivered_us, 0);
	bench_must(bus_js_publish(b->bus, &out, REQUEST_TIMEOUT_MS, &ack, &err), &err, "publish");
	while (atomic_load(&b->delivered_us) == 0) {
		bench_must(bench_now_us() - from < ROUND_TIMEOUT_US ? 0 : -1, NULL, "deliver");
		usleep(100);
	}
	return (double)(atomic_load(&b->delivered_us) - from) / 1000.0;
}

static double
part_journal(struct b3 *b)
{
	int64_t from = bench_now_us();

	bench_must(sqlite3_exec(b->journal, "INSERT INTO t (body) VALUES (zeroblob(512))", NULL,
		       NULL, NULL) == SQLITE_OK
		       ? 0
		       : -1,
	    NULL, "journal");
	return ms_since(from);
}

static double
part_spawn(void)
{
	char program[] = "/bin/true", *argv[] = {program, NULL};
	int64_t from = bench_now_us();
	double took;
	pid_t pid;

	/* Returns when the new process has executed. */
	bench_must(posix_spawn(&pid, program, NULL, NULL, argv, NULL) == 0 ? 0 : -1, NULL, "spawn");
	took = ms_since(from);
	waitpid(pid, NULL, 0);
	return took;
}

static double
part_api(struct b3 *b, unsigned round, struct id *ret_executor)
{
	struct id executor = id_new();
	char name[32];
	struct store_session_new n = {.session_id = id_new(),
	    .name = name,
	    .pool = "default",
	    .spec_json = "{}",
	    .executor_body = "",
	    .executor_body_size = 1,
	    .replicas = 1,
	    .max_unavailable = 1,
	    .driver = "process",
	    .selector = "",
	    .resources = {.slots = 1},
	    .stop_grace_ms = 1000,
	    .accept_timeout_ms = 60000,
	    .who = "bench",
	    .executor_ids = &executor};
	struct store_session session;
	int64_t from;
	struct err err = {0};
	bool existed;

	snprintf(name, sizeof(name), "part-%u", round);
	from = bench_now_us();
	bench_must(store_session_create(b->parts, &n, b->arena, &session, &existed, &err), &err,
	    "session");
	*ret_executor = executor;
	return ms_since(from);
}

static double
part_place(struct b3 *b, struct id executor)
{
	struct store_queued q = {.executor_id = executor,
	    .session = "part",
	    .attempt = 1,
	    .revision = 1,
	    .driver = "process",
	    .selector = "",
	    .resources = {.slots = 1},
	    .accept_timeout_ms = 60000,
	    .spec_body = "",
	    .spec_size = 1};
	struct store_placement p = {.executor_id = executor,
	    .host_id = "h0",
	    .resources = q.resources,
	    .accept_timeout_ms = 60000,
	    .queued = &q};
	struct store_message *messages;
	size_t n, placed = 0;
	struct err err = {0};
	bool held;
	int64_t from;

	bench_must(store_lease_hold(b->parts, &b->lease, "bench", &held, &err), &err, "lease");
	from = bench_now_us();
	bench_must(store_place(b->parts, &b->lease, "default", &p, 1, b->arena, &messages, &n,
		       &placed, &err),
	    &err, "place");
	bench_must(placed == 1 ? 0 : -1, NULL, "not placed");
	return ms_since(from);
}

static double
part_report(struct b3 *b, struct id executor)
{
	struct report r = {.executor_id = executor,
	    .host_id = "h0",
	    .journal_id = bench_journal_id(),
	    .accepted_generation = 1,
	    .incarnation = 1,
	    .state = EXECUTOR_RUNNING,
	    .started = true,
	    .exit_code = -1,
	    .reason = "",
	    .detail = "",
	    .starting_after_us = 1,
	    .running_after_us = 2};
	struct store_join_result result;
	struct err err = {0};
	int64_t from = bench_now_us();

	bench_must(store_executor_join(b->parts, &r, 1, b->arena, &result, &err), &err, "report");
	bench_must(result.applied == 1 ? 0 : -1, NULL, "report not applied");
	return ms_since(from);
}

static void
parts_measure(struct b3 *b, unsigned round, double ret[PARTS])
{
	struct id executor;

	arena_reset(b->arena);
	ret[PART_API] = part_api(b, round, &executor);
	ret[PART_PLACE] = part_place(b, executor);
	ret[PART_BUS] = part_bus(b);
	ret[PART_JOURNAL] = part_journal(b);
	ret[PART_SPAWN] = part_spawn();
	ret[PART_REPORT] = part_report(b, executor);
}

/* ---- the whole ---- */

static double
create(struct b3 *b, char *name)
{
	char driver[] = "process", sleep_path[] = "/bin/sleep", seconds[] = "0.2";
	char *command[] = {sleep_path, seconds};
	Fairlead__V1__ExecutorSpec executor = FAIRLEAD__V1__EXECUTOR_SPEC__INIT;
	Fairlead__V1__SessionSpec spec = FAIRLEAD__V1__SESSION_SPEC__INIT;
	Fairlead__V1__SessionCreateRequest q = FAIRLEAD__V1__SESSION_CREATE_REQUEST__INIT;
	struct courier_message m = {.subject = "fl.api.v1.session.create",
	    .who = "bench",
	    .encoding = WIRE_PROTOBUF,
	    .message = &q.base};
	ProtobufCMessage *answer;
	struct err err = {0};
	int64_t from;

	executor.driver = driver;
	executor.command = command;
	executor.n_command = COUNT_OF(command);
	spec.name = name;
	spec.executor = &executor;
	q.spec = &spec;
	arena_reset(b->arena);
	from = bench_now_us();
	bench_must(courier_request(b->bus, &m, REQUEST_TIMEOUT_MS,
		       &fairlead__v1__session_create_answer__descriptor, b->arena, &answer, &err),
	    &err, "session.create");
	return ms_since(from);
}

static double
stage_ms(struct b3 *b, const char *name, const char *stage)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	    "SELECT coalesce(extract(epoch FROM e.%s_at - e.queued_at) * 1000, -1) FROM executor e"
	    " JOIN session s USING (session_id) WHERE s.name = '%s'",
	    stage, name);
	return bench_sql_number(b->cell, sql);
}

/* As the host measured it, from acceptance. */
static double
host_ms(struct b3 *b, unsigned round, const char *stage)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	    "SELECT e.%s_after_us / 1000.0 FROM executor e JOIN session s USING (session_id)"
	    " WHERE s.name = 'bench-%u'",
	    stage, round);
	return bench_sql_number(b->cell, sql);
}

/* Creates one, waits until it has ended and the cell is idle again. */
static void
whole_measure(struct b3 *b, unsigned round, double *ret_request, double ret[STAGES])
{
	int64_t deadline = bench_now_us() + ROUND_TIMEOUT_US;
	char name[32];

	snprintf(name, sizeof(name), "bench-%u", round);
	*ret_request = create(b, name);
	do {
		usleep(LOOK_US);
		bench_must(bench_now_us() < deadline ? 0 : -1, NULL, "the executor did not end");
	} while (stage_ms(b, name, "ended") < 0);
	for (unsigned i = 0; i < STAGES; i++)
		ret[i] = stage_ms(b, name, stage_texts[i]);
	usleep(IDLE_US);
}

/* ---- setup ---- */

static void
bus_setup(struct b3 *b, const char *servers)
{
	const struct bus_stream stream = {.name = "BENCH",
	    .subjects = {"bench.cmd.*"},
	    .max_msgs_per_subject = 64,
	    .republish_source = "bench.cmd.*",
	    .republish_destination = "bench.live.{{wildcard(1)}}"};
	struct bus_options o = {.servers = servers, .name = "bench"};
	struct err err = {0};

	bench_must(bus_nats_new(&o, &b->bus, &err), &err, "bus");
	bench_must(bus_nats_new(&o, &b->receiver, &err), &err, "bus");
	bench_must(bus_wait_connected(b->bus, REQUEST_TIMEOUT_MS, &err), &err, "bus");
	bench_must(bus_wait_connected(b->receiver, REQUEST_TIMEOUT_MS, &err), &err, "bus");
	bench_must(bus_stream_ensure(b->bus, &stream, 1, &err), &err, "stream");
	bench_must(bus_subscribe(
		       b->receiver, "bench.live.*", NULL, 0, on_delivery, b, &b->deliveries, &err),
	    &err, "subscribe");
	bench_must(bus_flush(b->receiver, REQUEST_TIMEOUT_MS, &err), &err, "flush");
}

static void
database_setup(struct b3 *b, const char *url)
{
	char parts[256];
	struct err err = {0};
	unsigned applied;

	b->cell = bench_store_new(url, NULL);
	bench_sql(b->cell, "CREATE DATABASE bench_parts");
	snprintf(parts, sizeof(parts), "%s dbname=bench_parts", url);
	b->parts = bench_store_new(parts, NULL);
	bench_must(store_migrate(b->parts, &applied, &err), &err, "migrate");
	bench_cell_fill(b->parts, 1, 0, false);
	bench_sql(b->parts, "SET plan_cache_mode = force_generic_plan");
	snprintf(b->lease.name, sizeof(b->lease.name), "pool.default");
}

static void
journal_setup(struct b3 *b, const char *directory)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/bench-journal.db", directory);
	bench_must(sqlite3_open(path, &b->journal) == SQLITE_OK &&
			   sqlite3_exec(b->journal,
			       "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			       "CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)",
			       NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : -1,
	    NULL, "journal");
}

static void
done(struct b3 *b)
{
	sqlite3_close(b->journal);
	bus_unsubscribe(b->deliveries);
	bus_free(b->receiver);
	bus_free(b->bus);
	store_free(b->cell);
	store_free(b->parts);
	arena_free(b->arena);
}

static bool
say(struct b3 *b, const char *claim, unsigned n, double p, double goal)
{
	double whole = bench_quantile(b->total, n, p), sum = bench_quantile(b->sums, n, p);
	char left[48], right[64];

	snprintf(left, sizeof(left), "%.1f ms", whole);
	snprintf(right, sizeof(right), "%.1f ms sum of parts (x %.1f)", sum, whole / sum);
	return bench_say(claim, left, right, whole, false, goal);
}

static int
inside(unsigned creates, const char *directory)
{
	static struct b3 b;
	const char *servers = getenv("FAIRLEAD_NATS_SERVERS"),
		   *url = getenv("FAIRLEAD_DATABASE_URL");
	double stages[STAGES], parts[PARTS], request;
	bool met;

	bench_must(servers && url ? 0 : -1, NULL, "not inside `fairlead dev`");
	b.arena = arena_new(0);
	bus_setup(&b, servers);
	database_setup(&b, url);
	journal_setup(&b, directory);
	for (unsigned round = 0; round < creates + WARMUP; round++) {
		unsigned i = round < WARMUP ? 0 : round - WARMUP;

		whole_measure(&b, round, &request, stages);
		parts_measure(&b, round, parts);
		b.request[i] = request;
		b.total[i] = stages[STAGE_RUNNING] + parts[PART_REPORT];
		b.host_starting[i] = host_ms(&b, round, "starting");
		b.host_running[i] = host_ms(&b, round, "running");
		b.sums[i] = 0;
		for (unsigned k = 0; k < PARTS; k++)
			b.sums[i] += b.part[k][i] = parts[k];
		for (unsigned k = 0; k < STAGES; k++)
			b.stage[k][i] = stages[k];
	}
	fprintf(stderr, "b3: median ms after queued_at:");
	for (unsigned k = 0; k < STAGES; k++)
		fprintf(stderr, " %s %.1f", stage_texts[k], bench_median(b.stage[k], creates));
	fprintf(stderr, "\nb3: median ms on the host after acceptance: starting %.1f running %.1f",
	    bench_median(b.host_starting, creates), bench_median(b.host_running, creates));
	fprintf(stderr, "\nb3: median ms of the parts:");
	for (unsigned k = 0; k < PARTS; k++)
		fprintf(stderr, " %s %.1f;", part_texts[k], bench_median(b.part[k], creates));
	fprintf(stderr, " the request itself %.1f\n", bench_median(b.request, creates));
	met = say(&b, "B3 create to RUNNING, p50", creates, 0.50, GOAL_P50_MS);
	met = say(&b, "B3 create to RUNNING, p99", creates, 0.99, GOAL_P99_MS) && met;
	done(&b);
	return met ? 0 : 1;
}

/* ---- the cell around it ---- */

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
outside(unsigned creates)
{
	const char *tmp = getenv("TMPDIR");
	char directory[64], program[600], command[800];
	const char *argv[] = {program, "dev", "--data", directory, "--agents=1", "--hubs=1",
	    "--schedulers=1", "--exec", command, NULL};
	int status = 0;
	pid_t pid;

	snprintf(directory, sizeof(directory), "%s/fl-bench-cell-XXXXXX", tmp ? tmp : "/tmp");
	bench_must(mkdtemp(directory) ? 0 : -1, NULL, "a directory for the cell");
	/* Postgres runs as another user, below this directory. */
	bench_must(chmod(directory, 0755), NULL, "chmod");
	snprintf(program, sizeof(program), "%s/fairlead", bench_bin_dir());
	snprintf(command, sizeof(command), "exec %s/bench_b3 --inside %s --creates %u",
	    bench_bin_dir(), directory, creates);
	pid = fork();
	if (pid == 0) {
		execv(program, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	bench_must(pid > 0 && waitpid(pid, &status, 0) == pid ? 0 : -1, NULL, "fairlead dev");
	nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

int
main(int argc, char **argv)
{
	unsigned creates = (unsigned)bench_option(argc, argv, "--creates", CREATES);

	bench_must(creates >= 1 && creates <= BENCH_RUNS_MAX ? 0 : -1, NULL, "--creates");
	if (argc > 2 && strcmp(argv[1], "--inside") == 0)
		return inside(creates, argv[2]);
	return outside(creates);
}
