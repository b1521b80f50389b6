/* The real plan, rounds, duties, hub and agents over a bus that fails and under a clock of our own.
 *
 *   SIM_SEED=7 SIM_TRACE=1 <this program>     one seed, with its history
 *   SIM_SEED=1001 SIM_SEEDS=9000 <this>       so many, from there */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "sim.h"
#include "test.h"

#define SEEDS_DEFAULT 300

static struct world world; /* too large for a stack */

static void
run_seed(uint64_t seed, bool chaos)
{
	world_init(&world, seed, chaos);
	world.tracing = getenv("SIM_TRACE") != NULL;
	world_run(&world);
	world_done(&world);
	if (!*world.why)
		return;
	printf("seed %llu, %.3f s: %s\nreplay: SIM_SEED=%llu SIM_TRACE=1 %s\n",
	    (unsigned long long)seed, (double)world.now_us / 1e6, world.why,
	    (unsigned long long)seed, program_invocation_name);
	fflush(stdout);
	fail_msg("seed %llu: %s", (unsigned long long)seed, world.why);
}

static void
a_cell_without_faults_converges(void **state)
{
	(void)state;
	run_seed(1, false);
}

static uint64_t
history_of(uint64_t seed)
{
	world_init(&world, seed, true);
	world.hashing = true;
	world_run(&world);
	world_done(&world);
	return world.history;
}

static void
a_seed_decides_everything(void **state)
{
	(void)state;
	assert_int_equal(history_of(5), history_of(5));
	assert_int_not_equal(history_of(5), history_of(6));
}

/* The hosts' idea of the time of day, as far off as given. */
static uint64_t
history_under_skew(uint64_t seed, int64_t skew_us)
{
	world_init(&world, seed, true);
	world.hashing = true;
	for (size_t i = 0; i < world.host_count; i++)
		world.hosts[i].real_offset_us = i % 2 ? -skew_us : skew_us;
	world_run(&world);
	world_done(&world);
	if (*world.why)
		fail_msg("seed %llu: %s", (unsigned long long)seed, world.why);
	return world.history;
}

static void
a_clock_that_is_hours_wrong_changes_nothing_that_happens_L12(void **state)
{
	(void)state;
	for (uint64_t seed = 21; seed < 24; seed++) {
		uint64_t right = history_under_skew(seed, 0);

		assert_int_equal(history_under_skew(seed, 3600 * SECOND_US), right);
		assert_int_equal(history_under_skew(seed, -7200 * SECOND_US), right);
	}
}

static void
any_faults_end_in_the_desired_state_and_break_no_invariant(void **state)
{
	const char *one = getenv("SIM_SEED"), *many = getenv("SIM_SEEDS");
	uint64_t first = one ? strtoull(one, NULL, 10) : 1;
	uint64_t count = many ? strtoull(many, NULL, 10) : one ? 1 : SEEDS_DEFAULT;

	(void)state;
	for (uint64_t seed = first; seed < first + count; seed++)
		run_seed(seed, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_cell_without_faults_converges),
	    cmocka_unit_test(a_seed_decides_everything),
	    cmocka_unit_test(a_clock_that_is_hours_wrong_changes_nothing_that_happens_L12),
	    cmocka_unit_test(any_faults_end_in_the_desired_state_and_break_no_invariant),
	};
	const struct CMUnitTest seeds[] = {
	    cmocka_unit_test(any_faults_end_in_the_desired_state_and_break_no_invariant),
	};

	log_init(LOG_ERROR_LEVEL, LOG_FORMAT_LOGFMT, "sim", "sim");
	if (getenv("SIM_SEED") || getenv("SIM_SEEDS"))
		return cmocka_run_group_tests(seeds, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
