#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "id.h"

#define THREADS 4
#define IDS_PER_THREAD 20000

static void *
mint(void *arg)
{
	struct id *ids = arg;

	for (size_t i = 0; i < IDS_PER_THREAD; i++)
		ids[i] = id_new();
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	return id_compare(a, b);
}

static void
ids_of_one_process_increase_in_every_thread_and_never_repeat(void **state)
{
	struct id *ids = calloc((size_t)THREADS * IDS_PER_THREAD, sizeof(*ids));
	pthread_t threads[THREADS];

	(void)state;
	for (size_t t = 0; t < THREADS; t++)
		assert_int_equal(
		    pthread_create(&threads[t], NULL, mint, ids + t * IDS_PER_THREAD), 0);
	for (size_t t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	for (size_t t = 0; t < THREADS; t++)
		for (size_t i = 1; i < IDS_PER_THREAD; i++)
			assert_true(id_compare(&ids[t * IDS_PER_THREAD + i - 1],
					&ids[t * IDS_PER_THREAD + i]) < 0);
	qsort(ids, (size_t)THREADS * IDS_PER_THREAD, sizeof(*ids), compare);
	for (size_t i = 1; i < (size_t)THREADS * IDS_PER_THREAD; i++)
		assert_false(id_equal(&ids[i - 1], &ids[i]));
	free(ids);
}

static void
an_id_is_a_uuid_of_version_7_with_the_time_in_front(void **state)
{
	int64_t before = clock_real_us(clock_system()) / 1000;
	struct id id = id_new();
	int64_t after = clock_real_us(clock_system()) / 1000, ms = 0;

	(void)state;
	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id.bytes[i];
	assert_true(ms >= before && ms <= after);
	assert_int_equal(id.bytes[6] >> 4, 7);
	assert_int_equal(id.bytes[8] >> 6, 2);
	assert_false(id_is_zero(&id));
	assert_true(id_is_zero(&(struct id){{0}}));
}

static void
ids_from_parts_keep_every_bit_and_the_order(void **state)
{
	static const struct {
		uint64_t ms, random;
		const char *hex;
	} cases[] = {
	    {0, 0, "00000000000070008000000000000000"},
	    {0, 1, "00000000000070008000000000000400"},
	    {0, UINT64_C(1) << 51, "0000000000007000a000000000000000"},
	    {0, UINT64_C(1) << 52, "00000000000070018000000000000000"},
	    {0, UINT64_MAX, "0000000000007fffbffffffffffffc00"},
	    {1, 0, "00000000000170008000000000000000"},
	    {UINT64_C(0xffffffffffff), 0, "ffffffffffff70008000000000000000"},
	};
	struct id last = {{0}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct id id = id_from_parts(cases[i].ms, cases[i].random);
		char hex[ID_HEX_BYTES];
		assert_string_equal(id_to_hex(&id, hex), cases[i].hex);
		assert_true(id_compare(&last, &id) < 0);
		last = id;
	}
}

static void
text_is_accepted_in_two_forms_only(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
	    {"0123456789abcdef0123456789abcdef", true},
	    {"0123456789ABCDEF0123456789abcdef", true},
	    {"01234567-89ab-cdef-0123-456789abcdef", true},
	    {"01234567-89ab-cdef-0123456789abcdef-", false},
	    {"01234567-89ab-cdef-0123-456789abcde", false},
	    {"0123456789abcdef0123456789abcde", false},
	    {"0123456789abcdef0123456789abcdef0", false},
	    {"0123456789abcdef0123456789abcdeg", false},
	    {"0123456789abcdef-0123456789abcdef123", false},
	    {"------------------------------------", false},
	    {" 123456789abcdef0123456789abcdef", false},
	    {"", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct id id = {{1}};
		struct err err = {0};
		char hex[ID_HEX_BYTES];
		int result = id_from_hex(cases[i].text, &id, &err);
		assert_int_equal(result, cases[i].good ? 0 : -1);
		assert_int_equal(err.kind, cases[i].good ? ERR_NONE : ERR_INVALID);
		id_to_hex(&id, hex);
		assert_string_equal(hex, cases[i].good ? "0123456789abcdef0123456789abcdef"
						       : "01000000000000000000000000000000");
	}
}

static void
bytes_must_be_sixteen(void **state)
{
	static const uint8_t bytes[17] = {1, 2, 3};
	struct err err = {0};
	struct id id;

	(void)state;
	assert_int_equal(id_from_bytes(bytes, 16, &id, &err), 0);
	assert_memory_equal(id.bytes, bytes, 16);
	assert_int_equal(id_from_bytes(bytes, 15, &id, &err), -1);
	assert_int_equal(id_from_bytes(bytes, 17, &id, &err), -1);
	assert_int_equal(id_from_bytes(NULL, 0, &id, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ids_of_one_process_increase_in_every_thread_and_never_repeat),
	    cmocka_unit_test(an_id_is_a_uuid_of_version_7_with_the_time_in_front),
	    cmocka_unit_test(ids_from_parts_keep_every_bit_and_the_order),
	    cmocka_unit_test(text_is_accepted_in_two_forms_only),
	    cmocka_unit_test(bytes_must_be_sixteen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
