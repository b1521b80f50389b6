/* Rows of a cell, written by plain SQL: what the services would have left behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "pg.h"
#include "store.h"

#define STATEMENT_TIMEOUT_MS 600000

struct store *
bench_store_new(const char *url, const char *role)
{
	struct store_options o = {
	    .url = url, .application = "bench", .role = role, .timeout_ms = STATEMENT_TIMEOUT_MS};
	struct store *s = NULL;
	struct err err = {0};

	bench_must(store_pg_new(&o, &s, &err), &err, "store");
	return s;
}

void
bench_sql(struct store *s, const char *sql)
{
	struct err err = {0};

	bench_must(pg_connect(pg_of(s), &err), &err, "connect");
	bench_must(pg_simple(pg_of(s), sql, &err), &err, sql);
}

double
bench_sql_number(struct store *s, const char *sql)
{
	struct err err = {0};
	double number;
	PGresult *r;

	bench_must(pg_connect(pg_of(s), &err), &err, "connect");
	r = PQexec(pg_of(s)->conn, sql);
	if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) < 1)
		err_set(&err, ERR_INTERNAL, "%.80s: %.120s", sql, PQresultErrorMessage(r));
	bench_must(err.kind == ERR_NONE ? 0 : -1, &err, "query");
	number = strtod(PQgetvalue(r, 0, 0), NULL);
	PQclear(r);
	return number;
}

struct store *
bench_cell_new(struct bench_postgres *p)
{
	struct store *admin = bench_store_new(bench_postgres_url(p, "postgres"), NULL);
	struct err err = {0};
	struct store *cell;
	unsigned applied;

	bench_sql(admin, "CREATE DATABASE cell");
	store_free(admin);
	cell = bench_store_new(bench_postgres_url(p, "cell"), NULL);
	bench_must(store_migrate(cell, &applied, &err), &err, "migrate");
	return cell;
}

void
bench_cell_clone(struct store *admin, const char *name)
{
	char sql[160];

	snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
	bench_sql(admin, sql);
	snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE cell STRATEGY file_copy", name);
	bench_sql(admin, sql);
	bench_sql(admin, "CHECKPOINT");
}

static struct id
numbered(uint8_t kind, unsigned i)
{
	struct id id = {{0x01, 0x90, 0, kind, 0, 0, 0x70, 0, 0x80}};

	id.bytes[12] = (uint8_t)(i >> 24);
	id.bytes[13] = (uint8_t)(i >> 16);
	id.bytes[14] = (uint8_t)(i >> 8);
	id.bytes[15] = (uint8_t)i;
	return id;
}

struct id
bench_executor_id(unsigned i)
{
	return numbered(1, i);
}

struct id
bench_session_id(unsigned i)
{
	return numbered(2, i);
}

struct id
bench_journal_id(void)
{
	return numbered(3, 1);
}

/* numbered() in SQL. */
#define NUMBERED(kind, i)                                                                          \
	"('0190000" #kind "-0000-7000-8000-' || lpad(to_hex(" i "), 12, '0'))::uuid"

static void
fill(struct store *s, const char *format, unsigned count, unsigned hosts)
{
	char sql[2048], numbers[64];
	const char *at = strstr(format, "@");

	/* "@" is the series, and every executor's host is i mod hosts, by setting bench.hosts. */
	snprintf(numbers, sizeof(numbers), "generate_series(0, %u - 1) i", count);
	snprintf(sql, sizeof(sql), "SET bench.hosts = %u", hosts);
	bench_sql(s, sql);
	snprintf(sql, sizeof(sql), "%.*s%s%s", (int)(at - format), format, numbers, at + 1);
	bench_sql(s, sql);
}

#define HOST "'h' || (i % current_setting('bench.hosts')::int)"

void
bench_cell_fill(struct store *s, unsigned hosts, unsigned executors, bool placed)
{
	fill(s,
	    "INSERT INTO host (host_id, pool_id, state, epoch, host_seq, journal_id,"
	    " journal_floor, start_no, hello_no, instance_id, boot_id, agent_version,"
	    " protocol_revision, capabilities, encoding, arch, kernel, cpu_millis, memory_bytes,"
	    " disk_bytes, gpus, slots) SELECT 'h' || i, 1, 1, 1, 0, " NUMBERED(
		3, "1") ", 0, 1, 1, " NUMBERED(3,
		"1") ", 'boot', '0', 1, '', 'protobuf', 'x86_64', 'linux', 1000000000,"
		     " 1e15, 1e15, 0, 1000000 FROM @",
	    hosts, hosts);
	fill(s, "INSERT INTO host_capacity (host_id) SELECT 'h' || i FROM @", hosts, hosts);
	fill(s,
	    "INSERT INTO session (session_id, name, pool_id, state, revision, replicas, priority,"
	    " spec, lost_after_ms, created_by) SELECT " NUMBERED(
		2, "i") ", 's' || i, 1, 1, 1, 1, 0, '{}', 0, 'bench' FROM @",
	    BENCH_SESSIONS, hosts);
	fill(s, "INSERT INTO session_counter (session_id) SELECT " NUMBERED(2, "i") " FROM @",
	    BENCH_SESSIONS, hosts);
	fill(s,
	    "INSERT INTO executor_spec (session_id, revision, body, driver, selector,"
	    " limits_required, cpu_millis, memory_bytes, disk_bytes, gpus, slots, stop_grace_ms,"
	    " accept_timeout_ms) SELECT " NUMBERED(2,
		"i") ", 1, '\\x00', 'fake', '', false, 100, 1048576, 0, 0, 1, 1000, 60000 FROM @",
	    BENCH_SESSIONS, hosts);
	if (!placed) {
		fill(s,
		    "INSERT INTO executor (executor_id, session_id, revision, pool_id, idx,"
		    " attempt, rank, state) SELECT " NUMBERED(1, "i") ", " NUMBERED(
			2, "i % 1000") ", 1, 1, i / 1000, 1, 10, 10 FROM @",
		    executors, hosts);
		fill(s,
		    "INSERT INTO placement_queue (executor_id, pool_id, priority) SELECT " NUMBERED(
			1, "i") ", 1, 0 FROM @",
		    executors, hosts);
	} else {
		fill(s,
		    "INSERT INTO executor (executor_id, session_id, revision, pool_id, idx,"
		    " attempt, host_id, generation, rank, state, placed_at) SELECT " NUMBERED(
			1, "i") ", " NUMBERED(2, "i % 1000") ", 1, 1, i / 1000, 1, " HOST
							     ", 1, 20, 20, now() FROM @",
		    executors, hosts);
		fill(s,
		    "INSERT INTO host_executor (host_id, executor_id, host_seq, cpu_millis,"
		    " memory_bytes, disk_bytes, gpus, slots) SELECT " HOST
		    ", " NUMBERED(1, "i") ", 1, 100, 1048576, 0, 0, 1 FROM @",
		    executors, hosts);
		bench_sql(s,
		    "UPDATE host_capacity c SET cpu_millis = n.cpu, memory_bytes = n.memory,"
		    " slots = n.slots FROM (SELECT host_id, sum(cpu_millis) AS cpu,"
		    " sum(memory_bytes) AS memory, sum(slots) AS slots FROM host_executor"
		    " GROUP BY 1) n WHERE n.host_id = c.host_id");
	}
	bench_sql(s, "VACUUM ANALYZE");
}
