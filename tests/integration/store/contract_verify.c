/* `admin verify` finds what is there to find: each kind of corruption, planted by hand (O5).
 *
 * On a cell with host h1, session web of three executors: one ended and told to go, one running,
 * one placed; session wait with one queued. */
#include <stdio.h>
#include <string.h>

#include "contract_schedule.h"

#define INVARIANTS 15 /* that every store can be asked for */

/* How h1 said hello. */
static struct store_hello
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
	OK(r, store_event_publish(r->s, &r->lease, NULL, &n, &r->newest_event, NULL, &r->err));
	assert_true(n > 2);
	return h;
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
what_is_planted_is_found(struct rig *r, size_t i, const char **ret_invariant)
{
	struct store_violation *rows;
	size_t n;

	cell_fill(r);
	OK(r, store_verify(r->s, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 0);
	*ret_invariant = r->factory->corrupt(r->cell, i);
	if (*ret_invariant && !is_found(r, *ret_invariant))
		fail_msg("%s was planted and not found", *ret_invariant);
}

static void
every_planted_corruption_is_found_O5(void **state)
{
	const char *invariant = "";
	size_t planted = 0;

	(void)state;
	for (size_t i = 0; invariant; i++) {
		void *rig;

		assert_int_equal(rig_setup(&rig), 0);
		what_is_planted_is_found(rig, i, &invariant);
		assert_int_equal(rig_teardown(&rig), 0);
		planted += invariant != NULL;
	}
	assert_true(planted >= INVARIANTS);
}

/* The cell was restored to a time before its hosts got a command: a report of that command is late,
 * not wrong.  A number of this term that nobody gave is wrong still. */
static void
what_only_the_lost_history_commanded_violates_nothing_K6(void **state)
{
	struct rig *r = *state;
	const char *invariant = "accepted_never_exceeds_generation";
	struct store_hello h = cell_fill(r);
	struct store_executor e = executor_of(r, "web", 1);
	struct report report = report_of(&e, &h, EXECUTOR_RUNNING);

	r->factory->term_set(r->cell, 1);
	report.accepted_generation = e.generation + 1;
	join_one(r, report);
	assert_int_equal(executor_of(r, "web", 1).accepted_generation, e.generation + 1);
	assert_false(is_found(r, invariant));
	report.accepted_generation = (UINT64_C(1) << 40) + 1;
	join_one(r, report);
	assert_true(is_found(r, invariant));
}

int
contract_verify_run(const struct store_factory *f)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_empty_cell_violates_nothing_O5),
	    TEST(a_healthy_cell_violates_nothing_O5),
	    TEST(what_only_the_lost_history_commanded_violates_nothing_K6),
	    cmocka_unit_test(every_planted_corruption_is_found_O5),
	};
	char name[96];

	rig_factory(f);
	snprintf(name, sizeof(name), "%s verify", f->name);
	return _cmocka_run_group_tests(name, tests, COUNT_OF(tests), NULL, NULL);
}
