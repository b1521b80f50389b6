#include "test.h"

#include "digest.h"

static void
the_order_of_adding_does_not_count(void **state)
{
	struct digest d = {0}, other = {0};
	struct id ids[3] = {id_from_parts(1, 1), id_from_parts(1, 2), id_from_parts(2, 1)};

	(void)state;
	for (int i = 0; i < 3; i++) {
		digest_add(&d, &ids[i], 4, 0, 70);
		digest_add(&other, &ids[2 - i], 4, 0, 70);
	}
	assert_int_equal(d.count, 3);
	assert_int_equal(other.count, 3);
	assert_true(d.sum == other.sum);
}

static uint64_t
sum_of(uint64_t id, uint64_t generation, uint32_t incarnation, int rank)
{
	struct id executor_id = id_from_parts(1, id);
	struct digest d = {0};

	digest_add(&d, &executor_id, generation, incarnation, rank);
	return d.sum;
}

static void
every_part_counts_but_the_incarnation_of_an_end(void **state)
{
	(void)state;
	assert_true(sum_of(1, 1, 0, 70) != sum_of(2, 1, 0, 70));
	assert_true(sum_of(1, 1, 0, 70) != sum_of(1, 2, 0, 70));
	assert_true(sum_of(1, 1, 0, 70) != sum_of(1, 1, 1, 70));
	assert_true(sum_of(1, 1, 0, 70) != sum_of(1, 1, 0, 80));
	assert_true(sum_of(1, 1, 0, 90) == sum_of(1, 1, 7, 90));
	/* A swap of two parts between two records must show. */
	assert_true(
	    sum_of(1, 1, 0, 70) + sum_of(2, 2, 0, 70) != sum_of(1, 2, 0, 70) + sum_of(2, 1, 0, 70));
}

/* Both sides of the wire compute it, of any version: the value is protocol. */
static void
the_value_is_pinned(void **state)
{
	struct id id = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
	struct digest d = {0};

	(void)state;
	digest_add(&d, &id, 3, 2, 70);
	assert_true(d.sum == UINT64_C(0x7602a8eb12d2478c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_order_of_adding_does_not_count),
	    cmocka_unit_test(every_part_counts_but_the_incarnation_of_an_end),
	    cmocka_unit_test(the_value_is_pinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
