#include "fake_engine.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "test.h"

#define SAID_MAX 4096

static struct {
	struct driver_event events[SAID_MAX];
	int64_t at_us[SAID_MAX];
	size_t n;
	int64_t now_us;
	struct fake_engine *engine;
} said;

static void
on_event(void *arg UNUSED, const struct driver_event *event)
{
	assert_true(said.n < SAID_MAX);
	said.at_us[said.n] = said.now_us;
	said.events[said.n++] = *event;
}

static struct fake_engine *
new_engine(void (*handler)(void *arg, const struct driver_event *event))
{
	struct err err;
	memset(&said, 0, sizeof(said));
	said.now_us = 5000;
	assert_int_equal(fake_engine_new(handler, NULL, &said.engine, &err), 0);
	return said.engine;
}

/* Lets time pass as a simulator does: from one due time to the next. */
static void
run_until(int64_t end_us)
{
	while (fake_engine_next_us(said.engine) <= end_us) {
		if (fake_engine_next_us(said.engine) > said.now_us)
			said.now_us = fake_engine_next_us(said.engine);
		fake_engine_tick(said.engine, said.now_us);
	}
	said.now_us = end_us;
}

static void
begin(const struct id *id, uint32_t incarnation, const char *script)
{
	struct err err;
	if (fake_engine_start(said.engine, said.now_us, id, incarnation, script, &err))
		fail_msg("%s", err.text);
}

static void
a_script_is_played_in_time(void **state UNUSED)
{
	struct fake_engine *e = new_engine(on_event);
	const struct id id = id_from_parts(1, 1);
	struct err err;
	begin(&id, 1, "start=10ms run=50ms exit=3");
	assert_int_equal(said.n, 0); /* nothing is said from inside a call */
	run_until(10000000);
	assert_int_equal(said.n, 3);
	assert_int_equal(said.events[0].type, DRIVER_STARTING);
	assert_int_equal(said.at_us[0], 5000);
	assert_int_equal(said.events[1].type, DRIVER_RUNNING);
	assert_int_equal(said.at_us[1], 15000);
	assert_true(said.events[1].pid > 0);
	assert_int_equal(said.events[2].type, DRIVER_EXITED);
	assert_int_equal(said.at_us[2], 65000);
	assert_int_equal(said.events[2].exit_code, 3);
	assert_true(said.events[2].started);
	assert_true(fake_engine_has(e, &id));
	assert_int_equal(fake_engine_next_us(e), INT64_MAX);
	assert_int_equal(fake_engine_destroy(e, said.now_us, &id, &err), 0);
	assert_int_equal(said.n, 3);
	run_until(said.now_us);
	assert_int_equal(said.events[3].type, DRIVER_GONE);
	assert_false(fake_engine_has(e, &id));
	fake_engine_free(e);
}

static void
failures_end_without_having_started(void **state UNUSED)
{
	static const struct {
		const char *script, *reason;
	} cases[] = {{"exec_fail", "exec_failed"}, {"fail=prepare", "prepare_failed"}};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct fake_engine *e = new_engine(on_event);
		const struct id id = id_from_parts(1, i);
		begin(&id, 1, cases[i].script);
		run_until(1000000);
		assert_int_equal(said.n, 2);
		assert_int_equal(said.events[1].type, DRIVER_EXITED);
		assert_false(said.events[1].started);
		assert_int_equal(said.events[1].exit_code, -1);
		assert_string_equal(said.events[1].reason, cases[i].reason);
		fake_engine_free(e);
	}
	struct fake_engine *e = new_engine(on_event);
	const struct id id = id_from_parts(1, 1);
	struct err err;
	assert_int_equal(fake_engine_start(e, 0, &id, 1, "fail=start", &err), -1);
	assert_int_equal(fake_engine_start(e, 0, &id, 1, "nonsense", &err), -1);
	assert_int_equal(fake_engine_count(e), 0);
	fake_engine_free(e);
}

static void
a_stop_ends_by_signal_within_its_grace(void **state UNUSED)
{
	static const struct {
		const char *script;
		uint32_t grace_ms;
		int64_t end_us;
		int signal;
	} cases[] = {
	    {"run=forever", 1000, 0, SIGTERM},
	    {"run=forever stop=20ms", 1000, 20000, SIGTERM},
	    {"run=forever stop=ignore", 1000, 1000000, SIGKILL},
	    {"run=forever stop=5s", 1000, 1000000, SIGKILL},
	    {"run=forever", 0, 0, SIGKILL},
	    {"run=forever stop=20ms", 0, 0, SIGKILL},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct fake_engine *e = new_engine(on_event);
		const struct id id = id_from_parts(1, i);
		begin(&id, 1, cases[i].script);
		run_until(50000);
		fake_engine_stop(e, said.now_us, &id, cases[i].grace_ms);
		fake_engine_stop(e, said.now_us, &id, 60000);
		run_until(100000000);
		assert_int_equal(said.n, 3);
		assert_int_equal(said.at_us[2], 50000 + cases[i].end_us);
		assert_int_equal(said.events[2].signal, cases[i].signal);
		assert_int_equal(said.events[2].exit_code, -1);
		fake_engine_free(e);
	}
}

static void
its_own_end_wins_when_it_comes_before_the_stop(void **state UNUSED)
{
	struct fake_engine *e = new_engine(on_event);
	const struct id id = id_from_parts(1, 1);
	begin(&id, 1, "run=60ms exit=4 stop=ignore");
	run_until(20000);
	fake_engine_stop(e, said.now_us, &id, 1000);
	run_until(10000000);
	assert_int_equal(said.events[2].exit_code, 4);
	assert_int_equal(said.at_us[2], 65000);
	fake_engine_free(e);
}

static void
destroying_a_running_one_ends_it_first(void **state UNUSED)
{
	struct fake_engine *e = new_engine(on_event);
	const struct id id = id_from_parts(1, 1), unknown = id_from_parts(1, 2);
	struct err err;
	begin(&id, 1, "run=forever stop=ignore");
	run_until(20000);
	assert_int_equal(fake_engine_destroy(e, said.now_us, &id, &err), 0);
	assert_int_equal(fake_engine_start(e, said.now_us, &id, 2, "", &err), -1);
	run_until(20000);
	assert_int_equal(said.n, 4);
	assert_int_equal(said.events[2].type, DRIVER_EXITED);
	assert_int_equal(said.events[3].type, DRIVER_GONE);
	assert_int_equal(fake_engine_destroy(e, said.now_us, &unknown, &err), 0);
	run_until(20000);
	assert_int_equal(said.events[4].type, DRIVER_GONE);
	assert_int_equal(fake_engine_count(e), 0);
	fake_engine_free(e);
}

/* Starts the next incarnation from inside the report of an end. */
static void
restart(void *arg UNUSED, const struct driver_event *event)
{
	on_event(NULL, event);
	if (event->type == DRIVER_EXITED && event->incarnation < 100)
		begin(&event->executor_id, event->incarnation + 1, "run=1ms");
}

static void
an_end_may_start_the_next_incarnation_from_its_report(void **state UNUSED)
{
	struct fake_engine *e = new_engine(restart);
	const struct id id = id_from_parts(1, 1);
	begin(&id, 1, "run=1ms");
	run_until(10000000);
	assert_int_equal(said.n, 300);
	assert_int_equal(said.events[299].incarnation, 100);
	fake_engine_free(e);
}

static void
many_executors_end_in_order_of_their_time(void **state UNUSED)
{
	struct fake_engine *e = new_engine(on_event);
	uint32_t seed = 1;
	for (uint64_t i = 0; i < 1000; i++) {
		const struct id id = id_from_parts(1, i);
		char script[64];
		seed = seed * 1664525 + 1013904223;
		snprintf(
		    script, sizeof(script), "start=%ums run=%ums", seed >> 22, seed >> 20 & 1023);
		begin(&id, 1, script);
	}
	run_until(INT64_C(10000000000));
	assert_int_equal(said.n, 3000);
	for (size_t i = 1; i < said.n; i++)
		assert_true(said.at_us[i - 1] <= said.at_us[i]);
	fake_engine_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_script_is_played_in_time),
	    cmocka_unit_test(failures_end_without_having_started),
	    cmocka_unit_test(a_stop_ends_by_signal_within_its_grace),
	    cmocka_unit_test(its_own_end_wins_when_it_comes_before_the_stop),
	    cmocka_unit_test(destroying_a_running_one_ends_it_first),
	    cmocka_unit_test(an_end_may_start_the_next_incarnation_from_its_report),
	    cmocka_unit_test(many_executors_end_in_order_of_their_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
