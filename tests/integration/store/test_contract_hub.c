/* The contract against Postgres, and what only Postgres has to promise. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract_hub.h"
#include "postgres_cell.h"
#include "wait.h"

/* The statement after the update reads the edge from prev_state: it must be that of this update. */
static void
a_change_of_counters_is_no_edge_K14(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;
	struct report report;

	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	report = report_of(&e, &h, EXECUTOR_STOPPED);
	join_one(r, report);
	report.gone_generation = e.generation;
	join_one(r, report);
	assert_string_equal(
	    cell_query(r, "SELECT prev_state || '>' || state FROM executor"), "92>92");
}

static void
join_life(struct rig *r, struct store *s, const struct store_executor *rows, size_t n,
    const struct store_hello *h, uint32_t incarnation)
{
	static const enum executor_state life[] = {EXECUTOR_ACCEPTED, EXECUTOR_PULLING,
	    EXECUTOR_STARTING, EXECUTOR_RUNNING, EXECUTOR_BACKOFF};

	for (size_t i = 0; i < COUNT_OF(life); i++) {
		struct report *reports = arena_calloc(r->a, n, sizeof(*reports));
		struct store_join_result result;

		for (size_t e = 0; e < n; e++) {
			reports[e] = report_of(&rows[e], h, life[i]);
			reports[e].incarnation = incarnation;
		}
		OK(r, store_executor_join(s, reports, n, r->a, &result, &r->err));
		assert_int_equal(result.applied, n);
	}
}

#define UPDATES 20000

static bool
updates_are_counted(void *arg)
{
	return atoi(cell_query(arg, "SELECT n_tup_upd FROM pg_stat_user_tables"
				    " WHERE relname = 'executor'")) >= UPDATES;
}

static void
reports_are_heap_only_updates(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store *s;
	struct store_executor *rows;
	size_t n;

	session_make(r, "web", 1000);
	place_all(r, "h1");
	rows = executors_of(r, "web", &n);
	cell_query(r, "VACUUM ANALYZE executor");
	cell_query(r, "SELECT pg_stat_reset()");
	s = postgres_connect(r->cell, "fairlead_hub");
	for (uint32_t incarnation = 1; incarnation <= 4; incarnation++)
		join_life(r, s, rows, n, &h, incarnation);
	store_free(s); /* a backend flushes its statistics when it ends */
	assert_true(test_wait_until(updates_are_counted, r, 10000));
	assert_string_equal(cell_query(r, "SELECT n_tup_hot_upd > 0.95 * n_tup_upd"
					  " FROM pg_stat_user_tables WHERE relname = 'executor'"),
	    "t");
}

struct joiner {
	struct rig *r;
	const struct store_executor *rows;
	const struct store_hello *h;
	size_t n;
	uint64_t applied;
	struct err err;
	int result;
};

static void *
join_in_thread(void *arg)
{
	struct joiner *j = arg;
	struct arena *a = arena_new(0);
	struct report *reports = arena_calloc(a, j->n, sizeof(*reports));
	struct store_join_result result = {0};

	for (size_t i = 0; i < j->n; i++)
		reports[i] = report_of(&j->rows[i], j->h, EXECUTOR_RUNNING);
	j->result = store_executor_join(j->r->other, reports, j->n, a, &result, &j->err);
	j->applied = result.applied;
	arena_free(a);
	return NULL;
}

static bool
joiner_waits(void *arg)
{
	return atoi(cell_query(arg, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type ="
				    " 'Lock' AND datname = current_database()")) == 1;
}

/* The heap lies the other way round, so a plan that scans it shows: it would have locked the
 * highest id before it met the held one. */
static void
a_join_locks_rows_in_the_order_of_their_ids_K14(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct joiner j = {.r = r, .h = &h};
	char *free_rows;
	pthread_t thread;
	bool waited;

	session_make(r, "web", 200);
	place_all(r, "h1");
	j.rows = executors_of(r, "web", &j.n);
	cell_query(r, "CREATE INDEX backwards ON executor (executor_id DESC)");
	cell_query(r, "CLUSTER executor USING backwards");
	cell_query(r, "DROP INDEX backwards");
	cell_query(r, "ANALYZE executor");
	cell_query(r, "BEGIN; SELECT 1 FROM executor ORDER BY executor_id LIMIT 1 FOR UPDATE;"
		      "PREPARE TRANSACTION 'hold'");
	assert_int_equal(pthread_create(&thread, NULL, join_in_thread, &j), 0);
	waited = test_wait_until(joiner_waits, r, 1500);
	free_rows = arena_strdup(
	    r->a, cell_query(
		      r, "SELECT count(*) FROM (SELECT 1 FROM executor FOR UPDATE SKIP LOCKED) x"));
	cell_query(r, "COMMIT PREPARED 'hold'");
	pthread_join(thread, NULL);
	assert_true(waited);
	assert_string_equal(free_rows, "199");
	if (j.result != 0)
		fail_msg("%s", j.err.text);
	assert_int_equal(j.applied, 200);
}

/* Deadlocks of all cells together: the contract has let two hubs fight over one set of executors.
 */
static void
no_two_hubs_deadlocked_K14(void **state)
{
	struct rig *r = *state;

	assert_string_equal(cell_query(r, "SELECT sum(deadlocks) FROM pg_stat_database"), "0");
}

static void
what_a_session_says_about_lost_executors_is_in_its_row(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 1);
	struct store_session made;
	bool existed;

	n.lost_after_ms = 2073600000;
	n.replace_lost = false;
	n.replace_after_ms = 90000;
	n.replacements_max = 7;
	OK(r, store_session_create(r->s, &n, r->a, &made, &existed, &r->err));
	assert_string_equal(
	    cell_query(r, "SELECT concat_ws(' ', lost_after_ms, replace_lost, replace_after_ms,"
			  " replacements_max) FROM session"),
	    "2073600000 f 90000 7");
}

static const struct CMUnitTest postgres_tests[] = {
    TEST(a_change_of_counters_is_no_edge_K14),
    TEST(what_a_session_says_about_lost_executors_is_in_its_row),
    TEST(reports_are_heap_only_updates),
    TEST(a_join_locks_rows_in_the_order_of_their_ids_K14),
    TEST(no_two_hubs_deadlocked_K14),
};

int
main(void)
{
	int failed;

	postgres_cells_start();
	failed = contract_hub_run(&postgres_factory);
	failed += cmocka_run_group_tests_name("postgres rows", postgres_tests, NULL, NULL);
	postgres_cells_stop();
	return failed;
}
