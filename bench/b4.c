/* b4: placements per second, durable, 64 per transaction through store_place, against one fused
 * statement in a transaction that writes the same rows. */
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "bench.h"
#include "pg.h"
#include "store.h"

#define HOSTS 1000
#define BATCH 64
#define GOAL 0.8

struct b4 {
	struct bench_postgres *postgres;
	struct store *admin;
	struct arena *arena;
	unsigned batches, runs;
	uint64_t host_seq[HOSTS]; /* of the bare side */
};

/* The plan goes round the hosts, so 64 placements are on 64 of them. */
static unsigned
host_of(unsigned executor)
{
	return executor % HOSTS;
}

static const struct resources each = {.cpu_millis = 100, .memory_bytes = 1048576, .slots = 1};

static struct store *
copy_open(struct b4 *b)
{
	bench_cell_clone(b->admin, "run");
	return bench_store_new(bench_postgres_url(b->postgres, "run"), "fairlead_scheduler");
}

/* ---- through the store ---- */

static void
place_batch(struct b4 *b, struct store *s, const struct store_lease *lease, unsigned first)
{
	struct store_queued queued[BATCH];
	struct store_placement placements[BATCH];
	char hosts[BATCH][16];
	struct store_message *messages;
	size_t n, placed = 0;
	struct err err = {0};

	for (unsigned i = 0; i < BATCH; i++) {
		snprintf(hosts[i], sizeof(hosts[i]), "h%u", host_of(first + i));
		queued[i] = (struct store_queued){.executor_id = bench_executor_id(first + i),
		    .session_id = bench_session_id((first + i) % BENCH_SESSIONS),
		    .session = "s",
		    .attempt = 1,
		    .revision = 1,
		    .driver = "fake",
		    .selector = "",
		    .resources = each,
		    .accept_timeout_ms = 60000,
		    .spec_body = "",
		    .spec_size = 1};
		placements[i] = (struct store_placement){.executor_id = queued[i].executor_id,
		    .host_id = hosts[i],
		    .resources = each,
		    .accept_timeout_ms = 60000,
		    .queued = &queued[i]};
	}
	bench_must(store_place(s, lease, "default", placements, BATCH, b->arena, &messages, &n,
		       &placed, &err),
	    &err, "place");
	bench_must(placed == BATCH ? 0 : -1, NULL, "some were not placed");
}

static double
run_store(struct b4 *b)
{
	struct store *s = copy_open(b);
	struct store_lease lease = {.name = "pool.default"};
	struct err err = {0};
	bool held = false;
	int64_t from = 0, until;

	bench_must(store_lease_hold(s, &lease, "bench", &held, &err), &err, "lease");
	for (unsigned i = 0; i <= b->batches; i++) {
		if (i == 1)
			from = bench_now_us(); /* the first prepares the statements */
		arena_reset(b->arena);
		place_batch(b, s, &lease, i * BATCH);
		/* Once a second or more often, as the leader does; the epoch stays. */
		if (i % 50 == 49)
			bench_must(
			    store_lease_hold(s, &lease, "bench", &held, &err), &err, "lease");
	}
	until = bench_now_us();
	store_free(s);
	return (double)b->batches * BATCH * 1e6 / (double)(until - from);
}

/* ---- bare ---- */

static const struct pg_statement fused = {"bench_place",
    "WITH n AS MATERIALIZED (SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::int8[])"
    "   AS n(id, host, message, seq)),"
    "k AS (UPDATE host_capacity c SET cpu_millis = c.cpu_millis + s.n * 100,"
    "   memory_bytes = c.memory_bytes + s.n * 1048576, slots = c.slots + s.n"
    "   FROM (SELECT host, count(*) AS n FROM n GROUP BY 1) s WHERE c.host_id = s.host),"
    "u AS (UPDATE executor e SET host_id = n.host, state = 20, rank = 20, prev_state = e.state,"
    "   prev_rank = e.rank, generation = e.generation + 1, placed_at = clock_timestamp()"
    "   FROM n WHERE e.executor_id = n.id AND e.state = 10"
    "   RETURNING e.executor_id, e.session_id, e.generation, n.host, n.message, n.seq),"
    "q AS (DELETE FROM placement_queue q USING u WHERE q.executor_id = u.executor_id),"
    "x AS (INSERT INTO host_executor (host_id, executor_id, host_seq, cpu_millis, memory_bytes,"
    "   disk_bytes, gpus, slots) SELECT host, executor_id, seq, 100, 1048576, 0, 0, 1 FROM u),"
    "c AS (INSERT INTO command (executor_id, generation, desired, host_id, host_seq, message_id,"
    "   deadline_at) SELECT executor_id, generation, 1, host, seq, message,"
    "   clock_timestamp() + interval '1 minute' FROM u),"
    "o AS (INSERT INTO outbox (message_id, pool_id, host_id, host_seq)"
    "   SELECT DISTINCT message, 1, host, seq FROM u),"
    "h AS (UPDATE host t SET host_seq = m.seq FROM (SELECT host, max(seq) AS seq FROM u GROUP BY"
    "   1) m WHERE t.host_id = m.host),"
    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
    "   SELECT array_agg(session_id), array_agg(10::int2), array_agg(20::int2) FROM u),"
    "v AS (INSERT INTO event_outbox (kind, executor_id, host) SELECT 'executor.placed',"
    "   executor_id, host FROM u)"
    "SELECT count(*) FROM u"};

static void
fused_params(struct b4 *b, struct pg_params *p, unsigned first)
{
	struct pg_array id, host, message, seq;

	pg_params_init(p, b->arena);
	pg_array_begin(&id, p, PG_UUID, BATCH);
	pg_array_begin(&host, p, PG_TEXT, BATCH);
	pg_array_begin(&message, p, PG_UUID, BATCH);
	pg_array_begin(&seq, p, PG_INT8, BATCH);
	for (unsigned i = 0; i < BATCH; i++) {
		struct id executor = bench_executor_id(first + i), message_id = id_new();
		unsigned at = host_of(first + i);
		char name[16];

		snprintf(name, sizeof(name), "h%u", at);
		pg_put_uuid(&id, &executor);
		pg_put_text(&host, name);
		pg_put_uuid(&message, &message_id);
		pg_put_int(&seq, (int64_t)++b->host_seq[at]);
	}
	pg_array_end(&id);
	pg_array_end(&host);
	pg_array_end(&message);
	pg_array_end(&seq);
}

static double
run_bare(struct b4 *b)
{
	struct store *s = copy_open(b);
	struct err err = {0};
	int64_t from = 0, until;

	for (unsigned i = 0; i <= b->batches; i++) {
		struct pg_params p;
		PGresult *r;

		if (i == 1)
			from = bench_now_us();
		arena_reset(b->arena);
		fused_params(b, &p, i * BATCH);
		bench_must(pg_begin(pg_of(s), &err), &err, "begin");
		bench_must(pg_run(pg_of(s), &fused, &p, &r, &err), &err, "place");
		bench_must(pg_int(r, 0, 0) == BATCH ? 0 : -1, NULL, "some were not placed");
		PQclear(r);
		bench_must(pg_commit(pg_of(s), &err), &err, "commit");
	}
	until = bench_now_us();
	store_free(s);
	return (double)b->batches * BATCH * 1e6 / (double)(until - from);
}

/* ---- ---- */

int
main(int argc, char **argv)
{
	static struct b4 b;
	double bare[BENCH_RUNS_MAX], store[BENCH_RUNS_MAX], ratio[BENCH_RUNS_MAX];
	char left[48], right[48];
	struct store *cell;
	double middle;

	b.batches = (unsigned)bench_option(argc, argv, "--batches", 500);
	b.runs = (unsigned)bench_option(argc, argv, "--runs", 5);
	bench_must(b.runs >= 1 && b.runs <= BENCH_RUNS_MAX ? 0 : -1, NULL, "--runs");
	b.arena = arena_new(0);
	b.postgres = bench_postgres_new();
	cell = bench_cell_new(b.postgres);
	bench_cell_fill(cell, HOSTS, (b.batches + 1) * BATCH, false);
	store_free(cell);
	b.admin = bench_store_new(bench_postgres_url(b.postgres, "postgres"), NULL);
	for (unsigned i = 0; i < b.runs; i++) {
		bare[i] = run_bare(&b);
		store[i] = run_store(&b);
		ratio[i] = store[i] / bare[i];
		fprintf(stderr, "b4: run %u: bare %.0f/s, store_place %.0f/s\n", i + 1, bare[i],
		    store[i]);
	}
	snprintf(left, sizeof(left), "%.0f/s", bench_median(store, b.runs));
	snprintf(right, sizeof(right), "%.0f/s bare transaction", bench_median(bare, b.runs));
	middle = bench_median(ratio, b.runs);
	arena_free(b.arena);
	store_free(b.admin);
	bench_postgres_free(b.postgres);
	return bench_say("B4 placements, 64 each", left, right, middle, true, GOAL) ? 0 : 1;
}
