/* Two of the scheduler's duties, or a duty and a hub, at one executor at the same time.  What the
 * other one does is a prepared transaction: it holds its locks until the duty waits for them, then
 * it is committed.  The store in memory has one lock, so only Postgres can be asked. */
#include <pthread.h>
#include <stdlib.h>

#include "contract_schedule.h"
#include "postgres_cell.h"
#include "wait.h"

struct duty {
	struct rig *r;
	int (*run)(struct duty *d);
	struct arena *arena;
	struct err err;
	int result;
};

static int
run_fold(struct duty *d)
{
	struct store_fold_result result;

	return store_fold(d->r->s, &d->r->lease, "default", 0, d->arena, &result, &d->err);
}

static int
run_displace(struct duty *d)
{
	struct store_displace_result result;

	return store_displace(d->r->s, &d->r->lease, "default", d->arena, &result, &d->err);
}

static void *
duty_thread(void *arg)
{
	struct duty *d = arg;

	d->result = d->run(d);
	return NULL;
}

static bool
somebody_waits(void *arg)
{
	return atoi(cell_query(arg, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type ="
				    " 'Lock' AND datname = current_database()")) == 1;
}

/* Runs the duty while somebody else's statements are about to be committed.  *ret_free: sessions
 * that nobody has locked when it waits; NULL: no matter. */
static void
run_against_looking(struct rig *r, const char *prepared, int (*run)(struct duty *d), int *ret_free)
{
	struct duty d = {.r = r, .run = run, .arena = arena_new(0)};
	pthread_t thread;
	bool waited;

	cell_query(r, prepared);
	assert_int_equal(pthread_create(&thread, NULL, duty_thread, &d), 0);
	waited = test_wait_until(somebody_waits, r, 1500);
	if (ret_free)
		*ret_free = atoi(cell_query(r, "SELECT count(*) FROM (SELECT 1 FROM session"
					       " FOR NO KEY UPDATE SKIP LOCKED) x"));
	cell_query(r, "COMMIT PREPARED 'other'");
	assert_int_equal(pthread_join(thread, NULL), 0);
	arena_free(d.arena);
	if (d.result != 0)
		fail_msg("%s", d.err.text);
	assert_true(waited);
}

static void
run_against(struct rig *r, const char *prepared, int (*run)(struct duty *d))
{
	run_against_looking(r, prepared, run, NULL);
}

#define OTHER(sql) "BEGIN; " sql "; PREPARE TRANSACTION 'other'"
#define GIVEN_UP                                                                                   \
	OTHER(                                                                                     \
	    "SELECT 1 FROM host FOR NO KEY UPDATE;"                                                \
	    "UPDATE executor SET state = 94, rank = 90, desired = 3, generation = generation + 1")
#define STOPPED_BY_USER                                                                            \
	OTHER(                                                                                     \
	    "SELECT 1 FROM host FOR NO KEY UPDATE;"                                                \
	    "UPDATE executor SET desired = 2, stopped_for = 'user', generation = generation + 1")

/* One executor of session web runs on h1. */
static void
scene(struct rig *r)
{
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;

	lease_take(r);
	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
}

static const char *
orders(struct rig *r)
{
	return cell_query(r,
	    "SELECT concat_ws(' ', desired, nullif(stopped_for, ''), generation, (SELECT count(*) "
	    "FROM"
	    " command c WHERE c.executor_id = e.executor_id)) FROM executor e ORDER BY attempt");
}

static void
close_web(struct rig *r)
{
	struct store_session s;

	OK(r, store_session_close(r->s, "web", 0, false, "somebody", r->a, &s, &r->err));
}

static void
drain_h1(struct rig *r)
{
	cell_query(r, "UPDATE host SET draining_at = now(), drain_deadline_at = now()");
}

/* The order in which K16 forbids it: chosen while it ran, given up, and then told to stop. */
static void
a_close_does_not_overwrite_the_absent_of_what_was_given_up_K16(void **state)
{
	struct rig *r = *state;

	scene(r);
	close_web(r);
	run_against(r, GIVEN_UP, run_fold);
	assert_string_equal(orders(r), "3 2 1");
}

static void
a_scale_down_does_not_overwrite_the_absent_of_what_was_given_up_K16(void **state)
{
	struct rig *r = *state;
	struct store_session_new n;
	struct store_session s;

	scene(r);
	n = session_of(r, "web", 0);
	OK(r, store_session_update(r->s, &n, 0, false, r->a, &s, &r->err));
	run_against(r, GIVEN_UP, run_fold);
	assert_string_equal(orders(r), "3 2 1");
}

static void
a_drain_does_not_overwrite_the_absent_of_what_was_given_up_K16(void **state)
{
	struct rig *r = *state;

	scene(r);
	drain_h1(r);
	run_against(r, GIVEN_UP, run_displace);
	assert_string_equal(orders(r), "3 2 1");
	assert_string_equal(cell_query(r, "SELECT count(*) FROM displaced"), "0");
}

static void
a_drain_does_not_make_a_users_stop_its_own_E11(void **state)
{
	struct rig *r = *state;

	scene(r);
	drain_h1(r);
	run_against(r, STOPPED_BY_USER, run_displace);
	assert_string_equal(orders(r), "2 user 2 1");
	assert_string_equal(cell_query(r, "SELECT count(*) FROM displaced"), "0");
}

/* The wish outlives the look that found another generation. */
static void
a_close_that_was_overtaken_stops_what_is_left_E9(void **state)
{
	struct rig *r = *state;

	scene(r);
	close_web(r);
	run_against(r,
	    OTHER("SELECT 1 FROM host FOR NO KEY UPDATE;"
		  "UPDATE executor SET generation = generation + 1"),
	    run_fold);
	assert_string_equal(cell_query(r, "SELECT count(*) FROM intent"), "1");
	cell_query(r, "INSERT INTO command (executor_id, generation, desired, host_id, host_seq,"
		      " message_id) SELECT executor_id, generation + 1, desired, host_id, host_seq,"
		      " message_id FROM command");
	fold(r, 0);
	assert_string_equal(orders(r), "2 close 3 3");
	assert_string_equal(cell_query(r, "SELECT count(*) FROM intent"), "0");
}

/* Who gives up executors locks their hosts, then their sessions: so does who scales down. */
static void
a_scale_down_locks_hosts_before_its_session_K26(void **state)
{
	struct rig *r = *state;
	struct store_session_new n;
	struct store_session s;
	int unlocked = 0;

	scene(r);
	n = session_of(r, "web", 0);
	OK(r, store_session_update(r->s, &n, 0, false, r->a, &s, &r->err));
	run_against_looking(r, OTHER("SELECT 1 FROM host FOR NO KEY UPDATE"), run_fold, &unlocked);
	assert_int_equal(unlocked, 1);
	assert_string_equal(orders(r), "2 scale 2 2");
}

/* Before its first placement, with the old template: a successor made now would outlive the close.
 */
static void
a_rollout_queues_nobody_for_a_session_that_closes_E9(void **state)
{
	struct rig *r = *state;
	struct store_session_new n;
	struct store_session s;

	lease_take(r);
	session_make(r, "web", 1);
	n = session_of(r, "web", 1);
	n.executor_body = "other";
	n.executor_body_size = 5;
	OK(r, store_session_update(r->s, &n, 0, true, r->a, &s, &r->err));
	run_against(r, OTHER("UPDATE session SET state = 2"), run_displace);
	assert_string_equal(
	    cell_query(r, "SELECT count(*) || ' ' || max(attempt) || ' ' || max(state)"
			  " FROM executor"),
	    "1 1 10");
}

static const struct CMUnitTest races[] = {
    TEST(a_close_does_not_overwrite_the_absent_of_what_was_given_up_K16),
    TEST(a_scale_down_does_not_overwrite_the_absent_of_what_was_given_up_K16),
    TEST(a_drain_does_not_overwrite_the_absent_of_what_was_given_up_K16),
    TEST(a_drain_does_not_make_a_users_stop_its_own_E11),
    TEST(a_close_that_was_overtaken_stops_what_is_left_E9),
    TEST(a_scale_down_locks_hosts_before_its_session_K26),
    TEST(a_rollout_queues_nobody_for_a_session_that_closes_E9),
};

int
main(void)
{
	int failed;

	postgres_cells_start();
	rig_factory(&postgres_factory);
	failed = cmocka_run_group_tests_name("races", races, NULL, NULL);
	postgres_cells_stop();
	return failed;
}
