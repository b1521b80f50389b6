#include "test.h"

#include <string.h>

#include "compiler.h"
#include "state.h"

static void
every_state_has_its_own_code_text_and_a_rank(void **state)
{
	(void)state;
	for (size_t i = 0; i < executor_states_count; i++) {
		const struct executor_state_row *row = &executor_states[i];
		assert_string_equal(executor_state_text(row->state), row->text);
		assert_int_equal(executor_state_rank(row->state), row->rank);
		assert_int_equal(executor_state_ended(row->state), row->rank == EXECUTOR_RANK_END);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(executor_states[j].state, row->state);
	}
	assert_int_equal(executor_states_count, 15);
}

static void
what_is_no_state_is_none(void **state)
{
	(void)state;
	assert_int_equal(executor_state_rank(EXECUTOR_NONE), 0);
	assert_string_equal(executor_state_text(EXECUTOR_NONE), "none");
	assert_string_equal(executor_state_text((enum executor_state)71), "none");
	assert_false(executor_state_ended(EXECUTOR_NONE));
}

/* Row: from, column: to, in the order of executor_state.def, written by hand from state.md:
 * C control, H host, . nobody. */
static const char *const verdicts[] = {
    ".C............C", /* queued */
    "C.HHHHHHHHHHCCC", /* placed */
    "...HHHHHHHHHC..", /* accepted */
    "....HHHHHHHHC..", /* pulling */
    ".....HHHHHHHC..", /* starting */
    "......HHHHHHC..", /* running */
    ".......HHHHHC..", /* backoff */
    "........HHHHC..", /* stopping */
    "...............", /* succeeded */
    "...............", /* failed */
    "...............", /* stopped */
    "...............", /* rejected */
    "...............", /* lost */
    "...............", /* expired */
    "...............", /* cancelled */
};

static void
every_pair_of_states_is_allowed_or_refused_as_the_table_says_E1(void **state)
{
	(void)state;
	assert_int_equal(COUNT_OF(verdicts), executor_states_count);
	for (size_t i = 0; i < executor_states_count; i++)
		for (size_t j = 0; j < executor_states_count; j++) {
			enum executor_state from = executor_states[i].state;
			enum executor_state to = executor_states[j].state;
			assert_int_equal(executor_edge_allowed(from, to, STATE_WRITER_CONTROL),
			    verdicts[i][j] == 'C');
			assert_int_equal(executor_edge_allowed(from, to, STATE_WRITER_HOST),
			    verdicts[i][j] == 'H');
		}
}

static void
unknown_states_have_no_edges_E1(void **state)
{
	(void)state;
	assert_false(executor_edge_allowed(EXECUTOR_NONE, EXECUTOR_RUNNING, STATE_WRITER_HOST));
	assert_false(executor_edge_allowed(EXECUTOR_PLACED, EXECUTOR_NONE, STATE_WRITER_CONTROL));
	assert_false(
	    executor_edge_allowed(EXECUTOR_PLACED, (enum executor_state)77, STATE_WRITER_HOST));
}

static void
hosts_sessions_and_wishes_have_texts(void **state)
{
	(void)state;
	assert_string_equal(host_state_text(HOST_SUSPECT), "suspect");
	assert_string_equal(host_state_text((enum host_state)99), "none");
	assert_string_equal(session_state_text(SESSION_CLOSED), "closed");
	assert_string_equal(session_state_text((enum session_state)99), "none");
	assert_string_equal(desired_state_text(DESIRED_ABSENT), "absent");
	assert_string_equal(desired_state_text((enum desired_state)99), "none");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_state_has_its_own_code_text_and_a_rank),
	    cmocka_unit_test(what_is_no_state_is_none),
	    cmocka_unit_test(every_pair_of_states_is_allowed_or_refused_as_the_table_says_E1),
	    cmocka_unit_test(unknown_states_have_no_edges_E1),
	    cmocka_unit_test(hosts_sessions_and_wishes_have_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
