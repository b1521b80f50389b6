/* bench: what the programs of this directory share: figures, verdicts, children.
 *
 * A bench ends at the first surprise: bench_must prints the error and exits with 2.  Children die
 * with it, and temporary directories are removed. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "compiler.h"
#include "err.h"
#include "id.h"

/* ---- figures ---- */
#define BENCH_RUNS_MAX 101

int64_t bench_now_us(void);
/* The p-th part (0..1) of n figures, sorted in place. */
double bench_quantile(double *figures, size_t n, double p);
double bench_median(double *figures, size_t n);

/* One line of the table (run.sh): claim, measured, baseline, ratio, goal, verdict, separated by
 * tabs.  at_least: the value must reach the goal; otherwise it must not exceed it.  Returns whether
 * it does. */
bool bench_say(const char *claim, const char *measured, const char *baseline, double value,
    bool at_least, double goal);

_Noreturn void bench_fail(const struct err *err, const char *what);

/* r 0: goes on. */
static inline void
bench_must(int r, const struct err *err, const char *what)
{
	if (r != 0)
		bench_fail(err, what);
}

/* "--name N" anywhere in the arguments, else fallback. */
long bench_option(int argc, char **argv, const char *name, long fallback);

/* ---- children ---- */
/* The directory of this program, where the others are. */
const char *bench_bin_dir(void);
/* argv[0] is a path; output goes to log.  The child dies with us. */
pid_t bench_spawn(const char *const *argv, const char *log);
void bench_stop(pid_t pid);

/* ---- a private, durable Postgres: defaults, but for the sockets and max_wal_size ---- */
struct bench_postgres;
struct bench_postgres *bench_postgres_new(void);
void bench_postgres_free(struct bench_postgres *s);
/* Its connection string; valid until the next call. */
const char *bench_postgres_url(struct bench_postgres *s, const char *database);

/* ---- a cell of rows, without services ---- */
struct store;
struct pg;

/* Connects; role NULL: as the owner. */
struct store *bench_store_new(const char *url, const char *role);
void bench_sql(struct store *s, const char *sql);
/* The first column of the first row. */
double bench_sql_number(struct store *s, const char *sql);
/* Makes database `cell`, migrates it, and connects. */
struct store *bench_cell_new(struct bench_postgres *s);
/* A fresh copy of database `cell` (nobody may be connected to it) under a name, replacing the old.
 */
void bench_cell_clone(struct store *admin, const char *name);
/* hosts h0.., 1,000 sessions and executors in state 10 or 20, with every row that goes with it.
 * Executor i is of session i mod 1000 and, when placed, on host i mod hosts. */
#define BENCH_SESSIONS 1000
void bench_cell_fill(struct store *s, unsigned hosts, unsigned executors, bool placed);
struct id bench_executor_id(unsigned i);
struct id bench_session_id(unsigned i);
struct id bench_journal_id(void);

#endif
