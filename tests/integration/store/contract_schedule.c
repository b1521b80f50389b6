#include "contract_schedule.h"

#include <stdio.h>

static int
group_run(const char *store, const char *group, const struct CMUnitTest *tests, size_t n)
{
	char name[96];

	snprintf(name, sizeof(name), "%s %s", store, group);
	return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

int
contract_schedule_run(const struct store_factory *f)
{
	int failed = 0;

	rig_factory(f);
	failed += group_run(f->name, "place", contract_place_tests, contract_place_count);
	failed += group_run(f->name, "fold", contract_fold_tests, contract_fold_count);
	failed += group_run(f->name, "duties", contract_duty_tests, contract_duty_count);
	failed += group_run(f->name, "verdicts", contract_verdict_tests, contract_verdict_count);
	failed += group_run(f->name, "relieved", contract_relieve_tests, contract_relieve_count);
	failed += group_run(f->name, "successors", contract_replace_tests, contract_replace_count);
	failed +=
	    group_run(f->name, "displacing", contract_displace_tests, contract_displace_count);
	failed += group_run(f->name, "commands", contract_command_tests, contract_command_count);
	failed += group_run(f->name, "crowds", contract_crowd_tests, contract_crowd_count);
	return failed;
}

void
lease_take(struct rig *r)
{
	bool held = false;

	OK(r, store_lease_hold(r->s, &r->lease, "contract", &held, &r->err));
	assert_true(held);
}

struct store_fold_result
fold(struct rig *r, uint32_t absent_after_ms)
{
	struct store_fold_result result;

	OK(r, store_fold(r->s, &r->lease, "default", absent_after_ms, r->a, &result, &r->err));
	return result;
}

struct store_fold_result
fold_all(struct rig *r)
{
	struct store_fold_result all = {0}, one;

	do {
		one = fold(r, 0);
		all.intents += one.intents;
		all.ended += one.ended;
		all.gone += one.gone;
		all.replaced += one.replaced;
		all.closed_sessions += one.closed_sessions;
		all.message_count += one.message_count;
	} while (one.intents + one.ended + one.gone + one.message_count > 0);
	return all;
}

void
verify_clean(struct rig *r)
{
	struct store_violation *rows;
	size_t n;

	OK(r, store_verify(r->s, r->a, &rows, &n, &r->err));
	for (size_t i = 0; i < n; i++)
		print_error("%s: %s (%llu)\n", rows[i].invariant, rows[i].detail,
		    (unsigned long long)rows[i].rows);
	assert_int_equal(n, 0);
}
