/* b1: reports per second that one hub commits from JetStream, against a bare guarded UPDATE of the
 * same rows in the same batches.
 *
 * Every run works on a fresh copy of one database.  Both sides are measured by the database's own
 * clock: rows applied before the last statement began, over the time until then. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "bench.h"
#include "bus.h"
#include "courier.h"
#include "fairlead/v1/host.pb-c.h"
#include "nats_server.h"
#include "pg.h"
#include "store.h"
#include "streams.h"
#include "subjects.h"

#define HOSTS 200
#define BATCH 1024
#define PER_MESSAGE_MAX 8
#define POLL_US 1000000
#define RUN_TIMEOUT_US (600 * INT64_C(1000000))
#define FOLD_PAUSE_US 100000
#define GOAL_8 0.80
#define GOAL_1 0.65

struct b1 {
	struct bench_postgres *postgres;
	struct nats_server *nats;
	struct bus *bus;
	struct store *admin; /* connected to none of the copies */
	struct arena *arena;
	unsigned rows, *order; /* executors in the order in which they report */
	char log[64];
};

/* One in ten ends; the others run. */
static bool
ends(unsigned executor)
{
	return executor / HOSTS % 10 == 0;
}

/* Groups of eight of one host stay together, the groups come in random order. */
static void
order_make(struct b1 *b)
{
	unsigned groups = b->rows / PER_MESSAGE_MAX, per_host = groups / HOSTS;
	unsigned *group = calloc(groups, sizeof(*group));

	b->order = calloc(b->rows, sizeof(*b->order));
	bench_must(group && b->order ? 0 : -1, NULL, "memory");
	bench_must(per_host > 0 ? 0 : -1, NULL, "rows for every host");
	srandom(1);
	for (unsigned i = 0; i < groups; i++)
		group[i] = i;
	for (unsigned i = groups - 1; i > 0; i--) {
		unsigned j = (unsigned)random() % (i + 1), kept = group[i];

		group[i] = group[j];
		group[j] = kept;
	}
	for (unsigned i = 0; i < b->rows; i++) {
		unsigned g = group[i / PER_MESSAGE_MAX], host = g / per_host;

		b->order[i] = (g % per_host * PER_MESSAGE_MAX + i % PER_MESSAGE_MAX) * HOSTS + host;
	}
	free(group);
}

static double
rate(struct store *s)
{
	return bench_sql_number(s,
	    "WITH t AS (SELECT min(accepted_at) AS first, max(accepted_at) AS last FROM executor)"
	    " SELECT count(*) FILTER (WHERE accepted_at < last)"
	    " / extract(epoch FROM max(last) - max(first)) FROM executor, t");
}

/* ---- the baseline ---- */

static const struct pg_statement bare = {"bench_bare",
    "UPDATE executor e SET accepted_generation = n.accepted, incarnation = n.incarnation,"
    " rank = n.rank, state = n.state, exit_code = n.exit_code, started = n.started,"
    " accepted_at = coalesce(e.accepted_at, statement_timestamp())"
    " FROM unnest($1::uuid[], $2::text[], $3::int8[], $4::int4[], $5::int2[], $6::int2[],"
    " $7::int4[], $8::bool[]) AS n(id, host, accepted, incarnation, rank, state, exit_code,"
    " started) WHERE e.executor_id = n.id AND e.host_id = n.host AND e.rank < 90"
    " AND (n.rank = 90 OR (n.incarnation, n.rank) > (e.incarnation, e.rank))"};

static int
by_number(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

static void
bare_params(struct pg_params *p, const unsigned *ids, unsigned n)
{
	struct pg_array a[8];
	static const enum pg_type types[8] = {
	    PG_UUID, PG_TEXT, PG_INT8, PG_INT4, PG_INT2, PG_INT2, PG_INT4, PG_BOOL};

	for (unsigned c = 0; c < COUNT_OF(a); c++) {
		pg_array_begin(&a[c], p, types[c], n);
		for (unsigned i = 0; i < n; i++) {
			const int64_t values[8] = {0, 0, 1, 1, ends(ids[i]) ? 90 : 70,
			    ends(ids[i]) ? 90 : 70, ends(ids[i]) ? 0 : -1, 1};
			struct id id = bench_executor_id(ids[i]);
			char host[16];

			snprintf(host, sizeof(host), "h%u", ids[i] % HOSTS);
			if (c == 0)
				pg_put_uuid(&a[c], &id);
			else if (c == 1)
				pg_put_text(&a[c], host);
			else if (c == 7)
				pg_put_bool(&a[c], true);
			else
				pg_put_int(&a[c], values[c]);
		}
		pg_array_end(&a[c]);
	}
}

static double
run_bare(struct b1 *b)
{
	struct store *s;
	struct err err = {0};
	unsigned batch[BATCH];
	double result;

	bench_cell_clone(b->admin, "run");
	s = bench_store_new(bench_postgres_url(b->postgres, "run"), "fairlead_hub");
	bench_must(pg_order_locks(pg_of(s), &err), &err, "connect");
	for (unsigned at = 0; at < b->rows; at += BATCH) {
		unsigned n = b->rows - at < BATCH ? b->rows - at : BATCH;
		struct pg_params p;

		arena_reset(b->arena);
		memcpy(batch, b->order + at, n * sizeof(*batch));
		qsort(batch, n, sizeof(*batch), by_number);
		pg_params_init(&p, b->arena);
		bare_params(&p, batch, n);
		bench_must(pg_run(pg_of(s), &bare, &p, NULL, &err), &err, "update");
	}
	result = rate(s);
	store_free(s);
	return result;
}

/* ---- the hub ---- */

static void
report_publish(struct b1 *b, const unsigned *ids, unsigned n)
{
	Fairlead__V1__Report m = FAIRLEAD__V1__REPORT__INIT;
	Fairlead__V1__ExecutorReport rows[PER_MESSAGE_MAX], *pointers[PER_MESSAGE_MAX];
	struct id id[PER_MESSAGE_MAX], journal = bench_journal_id();
	char host[16], subject[32], text[] = "";
	struct err err = {0};

	arena_reset(b->arena);
	snprintf(host, sizeof(host), "h%u", ids[0] % HOSTS);
	snprintf(subject, sizeof(subject), "fl.rpt.%s", host);
	for (unsigned i = 0; i < n; i++) {
		bool end = ends(ids[i]);

		id[i] = bench_executor_id(ids[i]);
		fairlead__v1__executor_report__init(&rows[i]);
		rows[i].executor_id = (ProtobufCBinaryData){ID_BYTES, id[i].bytes};
		rows[i].accepted_generation = 1;
		rows[i].incarnation = 1;
		rows[i].state = end ? FAIRLEAD__V1__EXECUTOR_STATE__SUCCEEDED
				    : FAIRLEAD__V1__EXECUTOR_STATE__RUNNING;
		rows[i].started = true;
		rows[i].exit_code = end ? 0 : -1;
		rows[i].starting_after_us = 1000;
		rows[i].running_after_us = 2000;
		rows[i].ended_after_us = end ? 3000 : 0;
		rows[i].change_no = 1;
		rows[i].name = text;
		pointers[i] = &rows[i];
	}
	m.host_id = host;
	m.journal_id = (ProtobufCBinaryData){ID_BYTES, journal.bytes};
	m.instance_id = (ProtobufCBinaryData){ID_BYTES, journal.bytes};
	m.executors = pointers;
	m.n_executors = n;
	struct courier_message out = {
	    .subject = subject, .host = host, .encoding = WIRE_PROTOBUF, .message = &m.base};
	bench_must(courier_publish(b->bus, &out, b->arena, &err), &err, "publish");
}

/* A new stream with everything in it before the hub starts. */
static void
stream_fill(struct b1 *b, unsigned per_message)
{
	struct bus_stream_state state = {0};
	struct err err = {0};
	int64_t deadline = bench_now_us() + RUN_TIMEOUT_US;
	unsigned messages = 0;

	if (bus_stream_state(b->bus, STREAM_REPORTS, &state, &err) == 0)
		bench_must(bus_stream_delete(b->bus, STREAM_REPORTS, &err), &err, "delete stream");
	bench_must(streams_ensure(b->bus, SUBJECT_PREFIX_DEFAULT, 1, &err), &err, "streams");
	for (unsigned at = 0; at < b->rows; at += per_message) {
		report_publish(b, b->order + at, per_message);
		if (++messages % 1000 != 0 && at + per_message < b->rows)
			continue;
		do {
			bench_must(bus_flush(b->bus, 30000, &err), &err, "flush");
			bench_must(
			    bus_stream_state(b->bus, STREAM_REPORTS, &state, &err), &err, "stream");
			bench_must(bench_now_us() < deadline ? 0 : -1, NULL, "stream not filled");
		} while (state.messages < messages);
	}
}

struct folder {
	pthread_t thread;
	atomic_bool stop;
	const char *url;
};

/* What the scheduler does meanwhile to what the hub appends. */
static void *
fold(void *arg)
{
	struct folder *f = arg;
	struct store *s = bench_store_new(f->url, "fairlead_scheduler");
	struct arena *a = arena_new(0);
	struct store_lease counters = {.name = "counters"}, pool = {.name = "pool.default"};
	struct err err = {0};

	while (!atomic_load(&f->stop)) {
		struct store_fold_result result = {0};
		bool held;
		size_t folded;

		arena_reset(a);
		bench_must(store_lease_hold(s, &counters, "bench", &held, &err), &err, "lease");
		bench_must(store_lease_hold(s, &pool, "bench", &held, &err), &err, "lease");
		bench_must(store_fold_counters(s, &counters, &folded, &err), &err, "fold");
		bench_must(store_fold(s, &pool, "default", 60000, a, &result, &err), &err, "fold");
		if (!result.more)
			usleep(FOLD_PAUSE_US);
	}
	arena_free(a);
	store_free(s);
	return NULL;
}

static pid_t
hub_start(struct b1 *b, const char *database_url)
{
	char program[600], nats[128], database[256];
	const char *argv[] = {program, nats, database, "--instance=bench", "--http-listen=-",
	    "--log-level=warn", NULL};

	snprintf(program, sizeof(program), "%s/fairlead-hub", bench_bin_dir());
	snprintf(nats, sizeof(nats), "--nats-servers=%s", nats_server_url(b->nats));
	snprintf(database, sizeof(database), "--database-url=%s", database_url);
	return bench_spawn(argv, b->log);
}

static double
run_hub(struct b1 *b, unsigned per_message)
{
	char url[192];
	struct folder folder = {.url = url};
	int64_t deadline;
	struct store *s;
	double result, batches;
	pid_t hub;

	bench_cell_clone(b->admin, "run");
	snprintf(url, sizeof(url), "%s", bench_postgres_url(b->postgres, "run"));
	stream_fill(b, per_message);
	s = bench_store_new(url, NULL);
	bench_must(pthread_create(&folder.thread, NULL, fold, &folder), NULL, "folder");
	hub = hub_start(b, url);
	deadline = bench_now_us() + RUN_TIMEOUT_US;
	while (bench_sql_number(s, "SELECT count(*) FROM executor WHERE accepted_at IS NULL") > 0) {
		bench_must(bench_now_us() < deadline ? 0 : -1, NULL, "reports not applied in time");
		usleep(POLL_US);
	}
	result = rate(s);
	/* Every transaction of the hub appends one row of deltas, numbered from 1. */
	batches = bench_sql_number(s, "SELECT last_value FROM session_delta_delta_id_seq");
	fprintf(stderr, "b1: %u per message: %.0f rows per transaction\n", per_message,
	    b->rows / batches);
	bench_stop(hub);
	atomic_store(&folder.stop, true);
	pthread_join(folder.thread, NULL);
	store_free(s);
	return result;
}

/* ---- ---- */

static void
setup(struct b1 *b)
{
	struct store *cell;
	struct err err = {0};
	struct bus_options o = {.name = "bench"};

	b->postgres = bench_postgres_new();
	cell = bench_cell_new(b->postgres);
	bench_cell_fill(cell, HOSTS, b->rows, true);
	store_free(cell);
	b->admin = bench_store_new(bench_postgres_url(b->postgres, "postgres"), NULL);
	b->nats = nats_server_new(NULL);
	o.servers = nats_server_url(b->nats);
	bench_must(bus_nats_new(&o, &b->bus, &err), &err, "bus");
	bench_must(bus_wait_connected(b->bus, 10000, &err), &err, "bus");
	b->arena = arena_new(0);
	snprintf(b->log, sizeof(b->log), "/tmp/fl-bench-hub-%d.log", (int)getpid());
	order_make(b);
}

static bool
say(const char *claim, double measured, double baseline, double ratio, double goal)
{
	char left[48], right[48];

	snprintf(left, sizeof(left), "%.0f/s", measured);
	snprintf(right, sizeof(right), "%.0f/s bare UPDATE", baseline);
	return bench_say(claim, left, right, ratio, true, goal);
}

int
main(int argc, char **argv)
{
	unsigned unit = HOSTS * PER_MESSAGE_MAX;
	unsigned rows = (unsigned)bench_option(argc, argv, "--rows", 200000);
	unsigned runs = (unsigned)bench_option(argc, argv, "--runs", 5);
	double baseline[BENCH_RUNS_MAX], by8[BENCH_RUNS_MAX], by1[BENCH_RUNS_MAX];
	double ratio8[BENCH_RUNS_MAX], ratio1[BENCH_RUNS_MAX];
	struct b1 b = {.rows = (rows + unit - 1) / unit * unit};
	bool met;

	bench_must(runs >= 1 && runs <= BENCH_RUNS_MAX ? 0 : -1, NULL, "--runs");
	setup(&b);
	for (unsigned i = 0; i < runs; i++) {
		baseline[i] = run_bare(&b);
		by8[i] = run_hub(&b, 8);
		by1[i] = run_hub(&b, 1);
		ratio8[i] = by8[i] / baseline[i];
		ratio1[i] = by1[i] / baseline[i];
		fprintf(stderr,
		    "b1: run %u: bare %.0f/s, 8 per message %.0f/s, 1 per message %.0f/s\n", i + 1,
		    baseline[i], by8[i], by1[i]);
	}
	met = say("B1 reports, 8 per message", bench_median(by8, runs),
	    bench_median(baseline, runs), bench_median(ratio8, runs), GOAL_8);
	met = say("B1 reports, 1 per message", bench_median(by1, runs),
		  bench_median(baseline, runs), bench_median(ratio1, runs), GOAL_1) &&
	      met;
	unlink(b.log);
	free(b.order);
	arena_free(b.arena);
	bus_free(b.bus);
	nats_server_free(b.nats);
	store_free(b.admin);
	bench_postgres_free(b.postgres);
	return met ? 0 : 1;
}
