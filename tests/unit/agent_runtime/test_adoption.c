#include "adoption.h"

#include "compiler.h"
#include "test.h"

/* The table of runtime.md, one row each: the first that matches wins. */
static enum adoption_verdict
expected(const struct adoption_evidence *e)
{
	const struct {
		bool matches;
		enum adoption_verdict verdict;
	} rows[] = {
	    {e->exit_record, ADOPTION_ENDED},
	    {!e->same_boot, ADOPTION_HOST_REBOOT},
	    {e->lock_held && e->answered, ADOPTION_RUNNING},
	    {e->lock_held && !e->answered, ADOPTION_SILENT},
	    {!e->lock_held && e->populated, ADOPTION_ORPHAN},
	    {!e->lock_held && !e->populated && e->shim_ran, ADOPTION_LOST},
	    {!e->lock_held && !e->populated && !e->shim_ran, ADOPTION_UNDO},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].matches)
			return rows[i].verdict;
	fail_msg("no row for this evidence");
	return ADOPTION_VERDICTS;
}

static void
every_evidence_has_the_verdict_of_the_table_E4(void **state UNUSED)
{
	for (unsigned bits = 0; bits < 64; bits++) {
		const struct adoption_evidence e = {.exit_record = bits & 1,
		    .same_boot = bits & 2,
		    .lock_held = bits & 4,
		    .answered = bits & 8,
		    .populated = bits & 16,
		    .shim_ran = bits & 32};
		assert_int_equal(adoption_judge(&e), expected(&e));
	}
}

static void
only_an_end_that_nobody_recorded_gets_a_reason(void **state UNUSED)
{
	static const char *const reasons[ADOPTION_VERDICTS] = {
	    [ADOPTION_HOST_REBOOT] = "host_reboot",
	    [ADOPTION_SILENT] = "lost",
	    [ADOPTION_ORPHAN] = "lost",
	    [ADOPTION_LOST] = "lost"};
	for (unsigned i = 0; i < ADOPTION_VERDICTS; i++) {
		const struct adoption_row *row = adoption_row(i);
		if (reasons[i])
			assert_string_equal(row->reason, reasons[i]);
		else
			assert_null(row->reason);
	}
}

static void
nothing_of_another_boot_or_of_a_running_one_is_killed(void **state UNUSED)
{
	assert_false(adoption_row(ADOPTION_RUNNING)->kill_leaf);
	assert_false(adoption_row(ADOPTION_HOST_REBOOT)->kill_leaf);
	for (unsigned i = 0; i < ADOPTION_VERDICTS; i++)
		assert_int_equal(adoption_row(i)->kill_shim, i == ADOPTION_SILENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_evidence_has_the_verdict_of_the_table_E4),
	    cmocka_unit_test(only_an_end_that_nobody_recorded_gets_a_reason),
	    cmocka_unit_test(nothing_of_another_boot_or_of_a_running_one_is_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
