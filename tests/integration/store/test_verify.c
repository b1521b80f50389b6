/* `admin verify` finds what it is there to find: each kind of corruption, planted by hand (O5). */
#include <string.h>

#include "contract_schedule.h"
#include "postgres_cell.h"

struct plant {
	const char *invariant, *sql;
};

/* On a cell with host h1, session web of three executors: one ended and told to go, one running,
 * one placed; session wait with one queued. */
static const struct plant plants[] = {
    {"capacity_is_the_sum_of_reservations", "UPDATE host_capacity SET slots = slots + 1"},
    {"session_counters_equal_a_recount", "UPDATE session_counter SET running = running + 1"},
    {"session_counters_equal_a_recount",
	"INSERT INTO session_delta (sessions, from_states, to_states)"
	" SELECT ARRAY[session_id], ARRAY[70::int2], ARRAY[80::int2] FROM session WHERE name = "
	"'web'"},
    {"queued_executors_are_in_the_queue", "DELETE FROM placement_queue"},
    {"the_queue_holds_queued_executors",
	"INSERT INTO placement_queue (executor_id, pool_id, priority)"
	" SELECT executor_id, pool_id, 0 FROM executor WHERE state = 70"},
    {"a_placed_executor_has_a_command",
	"DELETE FROM command c USING executor e WHERE c.executor_id = e.executor_id"
	" AND e.state = 70"},
    {"a_living_placed_executor_is_on_its_hosts_books",
	"DELETE FROM host_executor x USING executor e WHERE x.executor_id = e.executor_id"
	" AND e.state = 70"},
    {"a_hosts_books_name_known_executors",
	"INSERT INTO host_executor (host_id, executor_id, reserved, host_seq, cpu_millis,"
	" memory_bytes, disk_bytes, gpus, slots)"
	" VALUES ('h1', gen_random_uuid(), false, 0, 0, 0, 0, 0, 0)"},
    {"host_seq_covers_every_command", "UPDATE host SET host_seq = host_seq - 1"},
    {"accepted_never_exceeds_generation",
	"UPDATE executor SET accepted_generation = generation + 1 WHERE state = 70"},
    {"one_living_attempt_per_index",
	"INSERT INTO executor (executor_id, session_id, revision, pool_id, idx, attempt, rank,"
	" state) SELECT gen_random_uuid(), session_id, 1, pool_id, idx, 2, 10, 10 FROM executor"
	" WHERE state = 70"},
    {"an_ended_executor_is_told_to_be_forgotten",
	"UPDATE executor SET desired = 1, ended_at = ended_at - interval '61 s' WHERE rank = 90"},
    {"an_unaccepted_run_expires",
	"UPDATE command SET deadline_at = clock_timestamp() - interval '61 s'"},
    {"a_closed_session_has_no_living_executor", "UPDATE session SET state = 3 WHERE name = 'web'"},
    {"events_are_numbered_without_holes", "DELETE FROM event WHERE cursor = 2"},
    {"rank_follows_state",
	"ALTER TABLE executor DROP CONSTRAINT executor_check; UPDATE executor SET rank = 60"
	" WHERE state = 70"},
};

static void
cell_fill(struct rig *r)
{
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;
	size_t n;

	session_make(r, "web", 3);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_SUCCEEDED));
	e = executor_of(r, "web", 1);
	join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
	fold_all(r);
	session_make(r, "wait", 1);
	OK(r, store_fold_counters(r->s, &r->lease, &n, &r->err));
	OK(r, store_event_publish(r->s, &r->lease, 1000, &n, &r->err));
	assert_true(n > 2);
}

static bool
is_found(struct rig *r, const char *invariant)
{
	struct store_violation *rows;
	size_t n;

	OK(r, store_verify(r->s, r->a, &rows, &n, &r->err));
	for (size_t i = 0; i < n; i++) {
		if (strcmp(rows[i].invariant, invariant) != 0)
			continue;
		assert_true(rows[i].rows > 0);
		assert_true(*rows[i].detail != '\0');
		return true;
	}
	return false;
}

static void
a_healthy_cell_violates_nothing_O5(void **state)
{
	cell_fill(*state);
	verify_clean(*state);
}

static void
an_empty_cell_violates_nothing_O5(void **state)
{
	verify_clean(*state);
}

static void
planted_corruption_is_found(struct rig *r, const struct plant *plant)
{
	cell_fill(r);
	assert_false(is_found(r, plant->invariant));
	cell_query(r, plant->sql);
	if (!is_found(r, plant->invariant))
		fail_msg("%s was planted and not found", plant->invariant);
}

static void
every_planted_corruption_is_found_O5(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(plants); i++) {
		void *rig;

		assert_int_equal(rig_setup(&rig), 0);
		planted_corruption_is_found(rig, &plants[i]);
		assert_int_equal(rig_teardown(&rig), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_empty_cell_violates_nothing_O5),
	    TEST(a_healthy_cell_violates_nothing_O5),
	    cmocka_unit_test(every_planted_corruption_is_found_O5),
	};
	int failed;

	postgres_cells_start();
	rig_factory(&postgres_factory);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	postgres_cells_stop();
	return failed;
}
