/* The contract against Postgres, and what only Postgres has to promise. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract_hub.h"
#include "postgres_cell.h"
#include "wait.h"

/* ---- E1 ---- */

#define EVENTS 11 /* ten states of hosts, and none */
#define INCARNATIONS 3

static enum executor_state
event_of(uint32_t index)
{
	uint32_t wanted = index % EVENTS, seen = 0;

	for (size_t i = 0; i < executor_states_count; i++) {
		if (executor_states[i].writer == STATE_WRITER_HOST && seen++ == wanted)
			return executor_states[i].state;
	}
	return EXECUTOR_NONE;
}

/* Placed executors made to stand in every state by hand, EVENTS of each: some have no public way
 * in. */
static struct store_executor *
stand_everywhere(struct rig *r, const struct store_hello *h, uint32_t n)
{
	char *states = arena_strdup(r->a, "10");
	struct store_executor *rows;
	size_t count;

	session_make(r, "web", n);
	assert_int_equal(place_all(r, h->host_id), n);
	for (size_t i = 1; i < executor_states_count; i++)
		states = arena_printf(r->a, "%s,%d", states, (int)executor_states[i].state);
	cell_query(
	    r, arena_printf(r->a,
		   "UPDATE executor e SET state = v.s, rank = least(v.s, 90), incarnation = 2,"
		   " host_id = CASE WHEN v.s = 10 THEN NULL ELSE host_id END"
		   " FROM unnest(ARRAY[%s]) WITH ORDINALITY v(s, n) WHERE v.n = e.idx / %d + 1",
		   states, EVENTS));
	rows = executors_of(r, "web", &count);
	assert_int_equal(count, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(rows[i].state, executor_states[rows[i].index / EVENTS].state);
	return rows;
}

static void
pair_check(const struct store_executor *before, const struct store_executor *after,
    const struct report *report)
{
	bool owned = before->host_id[0] != '\0'; /* QUEUED: no host may speak of it */
	bool advances = owned && report_advances(before->state, before->incarnation, report);

	if (report->state != EXECUTOR_NONE && report->incarnation == before->incarnation)
		assert_int_equal(advances,
		    executor_edge_allowed(before->state, report->state, STATE_WRITER_HOST) &&
			!executor_state_ended(before->state));
	assert_int_equal(after->state, advances ? report->state : before->state);
	assert_int_equal(after->incarnation, advances ? report->incarnation : before->incarnation);
	assert_string_equal(after->reason, advances ? "event" : before->reason);
	assert_int_equal(after->ended_us > 0, advances && executor_state_ended(report->state));
}

static void
every_state_and_event_gets_the_verdict_of_the_c_rules_E1(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	uint32_t n = (uint32_t)executor_states_count * EVENTS;

	for (uint32_t incarnation = 1; incarnation <= INCARNATIONS; incarnation++) {
		struct store_executor *before, *after;
		struct report *reports = arena_calloc(r->a, n, sizeof(*reports));
		size_t count;

		cell_query(r,
		    "TRUNCATE executor, host_executor, session, executor_spec, session_counter,"
		    " placement_queue, command, outbox");
		before = stand_everywhere(r, &h, n);
		for (uint32_t i = 0; i < n; i++) {
			reports[i] = report_of(&before[i], &h, event_of(before[i].index));
			reports[i].accepted_generation = 0;
			reports[i].incarnation = incarnation; /* they stand at 2 */
			reports[i].reason = "event";
		}
		join(r, reports, n);
		after = executors_of(r, "web", &count);
		for (uint32_t i = 0; i < n; i++)
			pair_check(&before[i], &after[i], &reports[i]);
	}
}

/* ---- rows behind the contract ---- */

/* Everything a report can leave behind, in order. */
static const char *
ordered_dump(struct rig *r)
{
	return arena_strdup(r->a,
	    cell_query(r,
		"SELECT concat((SELECT string_agg(e::text, E'\\n' ORDER BY executor_id) FROM "
		"executor e),"
		" (SELECT string_agg(d::text, E'\\n' ORDER BY delta_id) FROM session_delta d),"
		" (SELECT string_agg(d::text, E'\\n' ORDER BY ended_id) FROM executor_ended d),"
		" (SELECT string_agg(d::text, E'\\n' ORDER BY outbox_id) FROM event_outbox d))"));
}

static void
replaying_the_stream_leaves_every_row_as_it_was_R5(void **state)
{
	static const enum executor_state life[] = {EXECUTOR_ACCEPTED, EXECUTOR_STARTING,
	    EXECUTOR_RUNNING, EXECUTOR_STOPPING, EXECUTOR_STOPPED};
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor *rows;
	const char *before = "";
	size_t n;

	session_make(r, "web", 40);
	place_all(r, "h1");
	rows = executors_of(r, "web", &n);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < COUNT_OF(life); i++) {
			struct report reports[40];

			for (size_t e = 0; e < n; e++)
				reports[e] = report_of(&rows[e], &h, life[i]);
			assert_int_equal(join(r, reports, n).applied, pass == 0 ? n : 0);
		}
		if (pass == 0)
			before = ordered_dump(r);
	}
	assert_string_equal(before, ordered_dump(r));
}

static void
an_ended_and_gone_executor_is_on_the_schedulers_work_lists_K14(void **state)
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
	assert_string_equal(cell_query(r, "SELECT count(*) FROM executor_ended"), "1");
	assert_string_equal(cell_query(r, "SELECT count(*) FROM executor_gone"), "0");
	report.gone_generation = e.generation;
	join_one(r, report);
	assert_string_equal(cell_query(r, "SELECT count(*) FROM executor_ended"), "1");
	assert_string_equal(cell_query(r, "SELECT count(*) FROM executor_gone"), "1");
	assert_string_equal(
	    cell_query(r, "SELECT prev_state || '>' || state FROM executor"), "92>92");
}

static void
events_tell_what_people_care_about_once(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;
	struct report report;

	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	for (int pass = 0; pass < 2; pass++) {
		join_one(r, report_of(&e, &h, EXECUTOR_STARTING));
		join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
		report = report_of(&e, &h, EXECUTOR_FAILED);
		report.exit_code = 3;
		join_one(r, report);
		report.state = EXECUTOR_STOPPED;
		join_one(r, report);
	}
	assert_string_equal(
	    cell_query(r, "SELECT string_agg(kind, ' ' ORDER BY outbox_id) FROM event_outbox"
			  " WHERE kind LIKE 'executor.%' AND kind <> 'executor.placed'"),
	    "executor.running executor.failed executor.late_outcome");
	assert_string_equal(cell_query(r, "SELECT string_agg(kind, ' ' ORDER BY outbox_id)"
					  " FROM event_outbox WHERE kind NOT LIKE 'executor.%'"),
	    "host.ready session.created");
}

static void
a_lost_host_is_ready_again_by_a_hello_and_by_nothing_else_K2(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_sync q = {.host_id = "h1", .limit = 10};
	struct store_sync_page page;
	struct store_host host;

	cell_query(r, "UPDATE host SET state = 3, suspect_since = now()");
	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	q.epoch = host.epoch;
	OK(r, store_host_sync(r->s, &q, r->a, &page, &r->err));
	assert_true(page.hello_required);
	h.hello_no = 2;
	assert_int_equal(hello_say(r, &h).verdict, STORE_HELLO_ACCEPTED);
	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	assert_int_equal(host.state, HOST_READY);
	assert_int_equal(host.suspect_since_us, 0);
}

static void
an_unknown_id_of_an_older_term_keeps_running_K6(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct id ids[2] = {id_new(), id_new()};
	uint64_t generations[2] = {7, (UINT64_C(1) << 40) + 1}, epoch;
	struct store_hello_answer a;

	epoch = hello_say(r, &h).epoch;
	cell_query(r, "UPDATE cell SET cell_term = 1");
	h.record_ids = ids;
	h.record_generations = generations;
	h.record_count = 2;
	h.hello_no = 2;
	a = hello_say(r, &h);
	assert_int_equal(a.absent_count, 1);
	assert_true(id_equal(&a.absent[0].executor_id, &ids[1]));
	assert_true(a.epoch >> 40 == 1); /* a new term raises every epoch */
	assert_true(a.epoch > epoch);
}

static void
labels_of_operators_overlay_and_survive_A8(void **state)
{
	struct rig *r = *state;
	const struct label labels[] = {{"disk", "hdd"}, {"zone", "a"}};
	struct store_hello h = hello_of("h1", id_new());
	struct store_host host;

	h.labels = labels;
	h.label_count = COUNT_OF(labels);
	hello_say(r, &h);
	cell_query(r, "UPDATE host SET operator_labels = '{\"zone\": \"b\", \"rack\": \"7\"}'");
	h.hello_no = 2;
	hello_say(r, &h);
	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	assert_int_equal(host.label_count, 3);
	for (size_t i = 0; i < host.label_count; i++) {
		if (strcmp(host.labels[i].key, "zone") == 0)
			assert_string_equal(host.labels[i].value, "b");
	}
}

/* ---- how Postgres does it ---- */

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

static const struct CMUnitTest postgres_tests[] = {
    TEST(every_state_and_event_gets_the_verdict_of_the_c_rules_E1),
    TEST(replaying_the_stream_leaves_every_row_as_it_was_R5),
    TEST(an_ended_and_gone_executor_is_on_the_schedulers_work_lists_K14),
    TEST(events_tell_what_people_care_about_once),
    TEST(a_lost_host_is_ready_again_by_a_hello_and_by_nothing_else_K2),
    TEST(an_unknown_id_of_an_older_term_keeps_running_K6),
    TEST(labels_of_operators_overlay_and_survive_A8),
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
