#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "wait.h"
#include "worker.h"

struct probe {
	atomic_int rounds;
	atomic_bool release, signals_blocked;
	char name[32];
};

static void
count_rounds(struct worker *w, void *arg)
{
	struct probe *p = arg;
	sigset_t blocked;

	pthread_getname_np(pthread_self(), p->name, sizeof(p->name));
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	atomic_store(&p->signals_blocked, sigismember(&blocked, SIGTERM) == 1);
	do
		atomic_fetch_add(&p->rounds, 1);
	while (worker_wait(w, 60000));
}

static bool
one_round(void *arg)
{
	return atomic_load(&((struct probe *)arg)->rounds) >= 1;
}

static bool
two_rounds(void *arg)
{
	return atomic_load(&((struct probe *)arg)->rounds) >= 2;
}

static void
a_wake_ends_the_wait_and_a_stop_ends_the_thread(void **state)
{
	struct probe p = {0};
	struct err err;
	struct worker *w = worker_start("a name longer than fifteen", count_rounds, &p, &err);

	(void)state;
	assert_non_null(w);
	assert_true(test_wait_until(one_round, &p, 10000));
	assert_false(worker_join(w, 0));
	worker_wake(w);
	assert_true(test_wait_until(two_rounds, &p, 10000));
	int64_t from = clock_mono_us(clock_system());
	worker_stop(w);
	assert_true(worker_join(w, 10000));
	assert_true(worker_stopping(w));
	worker_free(w);
	assert_true(clock_mono_us(clock_system()) - from < 10 * SECOND_US);
	assert_string_equal(p.name, "a name longer t");
	assert_true(atomic_load(&p.signals_blocked));
	worker_free(NULL);
}

static void
wait_once(struct worker *w, void *arg)
{
	struct probe *p = arg;

	while (!atomic_load(&p->release))
		;
	/* The first wait takes the wake-up that came before it; the second one times out. */
	atomic_store(&p->rounds, worker_wait(w, 60000) ? 1 : 100);
	int64_t from = clock_mono_us(clock_system());
	if (worker_wait(w, 20) && clock_mono_us(clock_system()) - from >= 19 * MS_US)
		atomic_fetch_add(&p->rounds, 1);
}

static void
a_wake_before_the_wait_is_not_lost_and_counts_once(void **state)
{
	struct probe p = {0};
	struct err err;
	struct worker *w = worker_start("w", wait_once, &p, &err);

	(void)state;
	assert_non_null(w);
	worker_wake(w);
	worker_wake(w);
	atomic_store(&p.release, true);
	assert_true(worker_join(w, 10000));
	assert_int_equal(atomic_load(&p.rounds), 2);
	worker_free(w);
}

static void
poll_descriptor(struct worker *w, void *arg)
{
	struct probe *p = arg;
	struct pollfd fd = {.fd = worker_fd(w), .events = POLLIN};

	while (!worker_stopping(w)) {
		if (poll(&fd, 1, 60000) == 1)
			atomic_fetch_add(&p->rounds, 1);
		worker_wait(w, 0);
	}
	/* Once stopped, it stays readable. */
	atomic_store(
	    &p->release, poll(&fd, 1, 0) == 1 && !worker_wait(w, -1) && poll(&fd, 1, 0) == 1);
}

static void
the_descriptor_is_readable_when_woken_and_for_good_when_stopped(void **state)
{
	struct probe p = {0};
	struct err err;
	struct worker *w = worker_start("w", poll_descriptor, &p, &err);

	(void)state;
	assert_non_null(w);
	worker_wake(w);
	assert_true(test_wait_until(one_round, &p, 10000));
	worker_stop(w);
	assert_true(worker_join(w, 10000));
	assert_true(atomic_load(&p.release));
	worker_free(w);
}

static void
stop_and_wake_race_without_losing_the_stop(void **state)
{
	struct err err;

	(void)state;
	for (int i = 0; i < 300; i++) {
		struct probe p = {0};
		struct worker *w = worker_start("w", count_rounds, &p, &err);
		assert_non_null(w);
		worker_wake(w);
		worker_stop(w);
		assert_true(worker_join(w, 10000));
		worker_free(w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_wake_ends_the_wait_and_a_stop_ends_the_thread),
	    cmocka_unit_test(a_wake_before_the_wait_is_not_lost_and_counts_once),
	    cmocka_unit_test(the_descriptor_is_readable_when_woken_and_for_good_when_stopped),
	    cmocka_unit_test(stop_and_wake_race_without_losing_the_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
