#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "clock.h"
#include "err.h"
#include "mailbox.h"
#include "wait.h"

static int
is_readable(struct mailbox *m)
{
	struct pollfd fd = {.fd = mailbox_fd(m), .events = POLLIN};

	return poll(&fd, 1, 0);
}

static void
items_come_out_in_the_order_they_went_in(void **state)
{
	struct mailbox *m = mailbox_new(3, NULL);
	struct err err;
	int items[10];

	(void)state;
	/* Twice around the ring with one left inside. */
	assert_int_equal(mailbox_put(m, &items[0], &err), 0);
	for (int i = 1; i < 10; i++) {
		assert_int_equal(mailbox_put(m, &items[i], &err), 0);
		assert_int_equal(mailbox_depth(m), 2);
		assert_ptr_equal(mailbox_get(m), &items[i - 1]);
	}
	assert_ptr_equal(mailbox_get_wait(m, -1), &items[9]);
	assert_null(mailbox_get(m));
	mailbox_free(m);
}

static void
a_full_mailbox_answers_limit_and_counts_it(void **state)
{
	struct mailbox *m = mailbox_new(2, NULL);
	struct err err = {0};
	int item;

	(void)state;
	assert_int_equal(mailbox_put(m, &item, &err), 0);
	assert_int_equal(mailbox_put(m, &item, &err), 0);
	assert_int_equal(mailbox_put(m, &item, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(mailbox_full_count(m), 1);
	assert_int_equal(mailbox_put_wait(m, &item, 5, &err), -1);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	assert_int_equal(mailbox_full_count(m), 2);
	assert_non_null(mailbox_get(m));
	assert_int_equal(mailbox_put_wait(m, &item, 0, &err), 0);
	assert_int_equal(mailbox_depth(m), 2);
	mailbox_free(m);
}

static void
the_descriptor_is_readable_exactly_while_there_is_something_to_take(void **state)
{
	struct mailbox *m = mailbox_new(2, NULL);
	struct err err;
	int item;

	(void)state;
	assert_int_equal(is_readable(m), 0);
	assert_int_equal(mailbox_put(m, &item, &err), 0);
	assert_int_equal(mailbox_put(m, &item, &err), 0);
	assert_int_equal(is_readable(m), 1);
	mailbox_get(m);
	assert_int_equal(is_readable(m), 1);
	mailbox_get(m);
	assert_int_equal(is_readable(m), 0);
	assert_int_equal(mailbox_put(m, &item, &err), 0);
	mailbox_close(m);
	mailbox_get(m);
	assert_int_equal(is_readable(m), 1);
	mailbox_free(m);
}

static void
count_drop(void *item)
{
	++*(int *)item;
}

static void
a_closed_mailbox_gives_out_what_it_holds_and_takes_nothing(void **state)
{
	struct mailbox *m = mailbox_new(4, count_drop);
	int taken = 0, dropped = 0, refused = 0;
	struct err err = {0};

	(void)state;
	assert_int_equal(mailbox_put(m, &taken, &err), 0);
	assert_int_equal(mailbox_put(m, &dropped, &err), 0);
	assert_int_equal(mailbox_put(m, &dropped, &err), 0);
	mailbox_close(m);
	mailbox_close(m);
	assert_int_equal(mailbox_put(m, &refused, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_int_equal(mailbox_put_wait(m, &refused, -1, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_ptr_equal(mailbox_get_wait(m, -1), &taken);
	mailbox_free(m);
	assert_int_equal(taken, 0);
	assert_int_equal(dropped, 2);
	assert_int_equal(refused, 0);
	mailbox_free(NULL);
}

static void
an_empty_wait_ends_at_its_deadline(void **state)
{
	struct mailbox *m = mailbox_new(1, NULL);
	int64_t from = clock_mono_us(clock_system());

	(void)state;
	assert_null(mailbox_get_wait(m, 20));
	assert_true(clock_mono_us(clock_system()) - from >= 19 * MS_US);
	mailbox_free(m);
}

struct waiter {
	struct mailbox *m;
	atomic_int ended;
};

static void *
take_until_closed(void *arg)
{
	struct waiter *w = arg;

	while (mailbox_get_wait(w->m, -1))
		;
	atomic_fetch_add(&w->ended, 1);
	return NULL;
}

static bool
three_have_ended(void *arg)
{
	return atomic_load(&((struct waiter *)arg)->ended) == 3;
}

static void
closing_wakes_every_waiter(void **state)
{
	struct waiter w = {.m = mailbox_new(1, NULL)};
	pthread_t threads[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, take_until_closed, &w);
	mailbox_close(w.m);
	assert_true(test_wait_until(three_have_ended, &w, 10000));
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	mailbox_free(w.m);
}

#define ITEMS_PER_PRODUCER 5000

struct crowd {
	struct mailbox *m;
	atomic_int sum, failures;
};

static void *
produce(void *arg)
{
	static int item = 1;
	struct crowd *c = arg;
	struct err err;

	for (int i = 0; i < ITEMS_PER_PRODUCER; i++)
		if (mailbox_put_wait(c->m, &item, 30000, &err) < 0)
			atomic_fetch_add(&c->failures, 1);
	return NULL;
}

static void *
consume(void *arg)
{
	struct crowd *c = arg;
	int *item;

	while ((item = mailbox_get_wait(c->m, 30000)))
		atomic_fetch_add(&c->sum, *item);
	return NULL;
}

static void
many_producers_and_consumers_lose_nothing(void **state)
{
	struct crowd c = {.m = mailbox_new(7, NULL)};
	pthread_t producers[3], consumers[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		pthread_create(&consumers[i], NULL, consume, &c);
		pthread_create(&producers[i], NULL, produce, &c);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(producers[i], NULL);
	mailbox_close(c.m);
	for (int i = 0; i < 3; i++)
		pthread_join(consumers[i], NULL);
	assert_int_equal(atomic_load(&c.failures), 0);
	assert_int_equal(atomic_load(&c.sum), 3 * ITEMS_PER_PRODUCER);
	mailbox_free(c.m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(items_come_out_in_the_order_they_went_in),
	    cmocka_unit_test(a_full_mailbox_answers_limit_and_counts_it),
	    cmocka_unit_test(the_descriptor_is_readable_exactly_while_there_is_something_to_take),
	    cmocka_unit_test(a_closed_mailbox_gives_out_what_it_holds_and_takes_nothing),
	    cmocka_unit_test(an_empty_wait_ends_at_its_deadline),
	    cmocka_unit_test(closing_wakes_every_waiter),
	    cmocka_unit_test(many_producers_and_consumers_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
