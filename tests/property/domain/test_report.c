/* Reports of one executor form a join semilattice (K15). */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler.h"
#include "report.h"

#define ROUNDS 20000
#define REPORTS 12

static uint64_t random_state;

static uint64_t
next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static const enum executor_state stages[] = {EXECUTOR_ACCEPTED, EXECUTOR_PULLING, EXECUTOR_STARTING,
    EXECUTOR_RUNNING, EXECUTOR_BACKOFF, EXECUTOR_STOPPING};
static const enum executor_state ends[] = {
    EXECUTOR_SUCCEEDED, EXECUTOR_FAILED, EXECUTOR_STOPPED, EXECUTOR_REJECTED};

/* One history of one executor: a host ends it once (K14), so every end in it is the same. */
struct history {
	enum executor_state end;
	int32_t exit_code;
};

static struct report
random_report(const struct history *h)
{
	static const char *const reasons[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	struct report r = {.host_id = "h1", .reason = "", .detail = ""};

	r.executor_id = id_from_parts(1, 1);
	r.accepted_generation = next_random() % 4;
	r.gone_generation = next_random() % 3;
	if (next_random() % 5 == 0)
		return r; /* only the counters count */
	r.incarnation = (uint32_t)(next_random() % 3);
	r.starting_after_us = (int64_t)(next_random() % 3);
	r.running_after_us = (int64_t)(next_random() % 3);
	if (next_random() % 6 == 0) {
		r.state = h->end;
		r.incarnation = 2;
		r.started = true;
		r.exit_code = h->exit_code;
		r.ended_after_us = 9;
		r.reason = "ended";
		return r;
	}
	r.state = stages[next_random() % COUNT_OF(stages)];
	r.started = next_random() % 2;
	/* What a host says at one (incarnation, rank) is one thing. */
	r.reason =
	    reasons[((size_t)executor_state_rank(r.state) + r.incarnation) % COUNT_OF(reasons)];
	return r;
}

static struct history
random_history(void)
{
	return (struct history){.end = ends[next_random() % COUNT_OF(ends)],
	    .exit_code = (int32_t)(next_random() % 256)};
}

static void
assert_same(const struct report *a, const struct report *b)
{
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->incarnation, b->incarnation);
	assert_int_equal(a->accepted_generation, b->accepted_generation);
	assert_int_equal(a->gone_generation, b->gone_generation);
	assert_int_equal(a->started, b->started);
	assert_int_equal(a->exit_code, b->exit_code);
	assert_string_equal(a->reason, b->reason);
	assert_int_equal(a->starting_after_us, b->starting_after_us);
	assert_int_equal(a->running_after_us, b->running_after_us);
	assert_int_equal(a->ended_after_us, b->ended_after_us);
}

static struct report
joined(struct report a, struct report b)
{
	report_fold(&a, &b);
	return a;
}

static void
reports_commute_associate_and_repeat_freely_C4(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct history h = random_history();
		struct report a = random_report(&h), b = random_report(&h), c = random_report(&h);
		struct report left = joined(a, b), right = joined(b, a);
		assert_same(&left, &right);
		left = joined(joined(a, b), c);
		right = joined(a, joined(b, c));
		assert_same(&left, &right);
		left = joined(a, a);
		assert_same(&left, &a);
		left = joined(joined(a, b), b);
		right = joined(a, b);
		assert_same(&left, &right);
	}
}

static void
any_order_and_repetition_of_a_history_ends_in_the_same_state_C3(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS / 10; round++) {
		struct history h = random_history();
		struct report in[REPORTS], shuffled[2 * REPORTS], once, twice;
		for (size_t i = 0; i < REPORTS; i++)
			shuffled[i] = shuffled[i + REPORTS] = in[i] = random_report(&h);
		for (size_t i = 2 * REPORTS - 1; i > 0; i--) {
			size_t j = next_random() % (i + 1);
			struct report t = shuffled[i];
			shuffled[i] = shuffled[j];
			shuffled[j] = t;
		}
		assert_int_equal(report_fold_batch(in, REPORTS, NULL), 1);
		assert_int_equal(report_fold_batch(shuffled, 2 * REPORTS, NULL), 1);
		once = in[0];
		twice = shuffled[0];
		assert_same(&once, &twice);
	}
}

/* Never down, in the words of invariant 3. */
static void
folding_never_lowers_what_was_observed(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct history h = random_history();
		struct report a = random_report(&h), b = random_report(&h), before = a;
		report_fold(&a, &b);
		if (executor_state_ended(before.state)) {
			assert_int_equal(a.state, before.state);
			assert_int_equal(a.exit_code, before.exit_code);
		} else if (before.state != EXECUTOR_NONE && !executor_state_ended(a.state)) {
			assert_true(
			    a.incarnation > before.incarnation ||
			    (a.incarnation == before.incarnation &&
				executor_state_rank(a.state) >= executor_state_rank(before.state)));
		}
		assert_true(a.accepted_generation >= before.accepted_generation);
		assert_true(a.gone_generation >= before.gone_generation);
	}
}

/* Random walks by both writers: ranks of a host's steps only rise, an end is final, and what the
 * host may do from a state agrees with the join. */
static void
random_walks_never_leave_an_end_and_never_go_down_E1(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		enum executor_state now = EXECUTOR_QUEUED;
		for (int step = 0; step < 20; step++) {
			enum state_writer writer =
			    next_random() % 2 ? STATE_WRITER_HOST : STATE_WRITER_CONTROL;
			enum executor_state to =
			    executor_states[next_random() % executor_states_count].state;
			struct report r = {.state = to};
			if (!executor_edge_allowed(now, to, writer))
				continue;
			assert_false(executor_state_ended(now));
			if (writer == STATE_WRITER_HOST)
				assert_true(report_advances(now, 0, &r));
			if (executor_state_rank(now) > executor_state_rank(EXECUTOR_PLACED))
				assert_true(executor_state_rank(to) > executor_state_rank(now));
			now = to;
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reports_commute_associate_and_repeat_freely_C4),
	    cmocka_unit_test(any_order_and_repetition_of_a_history_ends_in_the_same_state_C3),
	    cmocka_unit_test(folding_never_lowers_what_was_observed),
	    cmocka_unit_test(random_walks_never_leave_an_end_and_never_go_down_E1),
	};
	const char *given = getenv("FL_SEED");

	random_state = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u + 1;
	print_message("seed: FL_SEED=%llu\n", (unsigned long long)random_state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
