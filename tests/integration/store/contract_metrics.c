/* What stores say for metrics: first runs, once and with their times; a census; ages in the queue.
 */
#include <stdio.h>

#include "contract_schedule.h"

static struct store_first_runs
runs_published(struct rig *r)
{
	struct store_first_runs runs;
	size_t n;

	OK(r, store_event_publish(r->s, &r->lease, r->a, &n, &r->newest_event, &runs, &r->err));
	return runs;
}

static struct store_census
census(struct rig *r)
{
	struct store_census c;

	OK(r, store_census(r->s, &c, &r->err));
	return c;
}

static void
a_first_run_is_told_once_with_its_times_O4(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_first_runs runs;
	struct store_executor e;
	struct report report;

	session_make(r, "web", 3);
	place_all(r, "h1");
	assert_int_equal(runs_published(r).n, 0);

	/* It ran, as the host's clock saw it; then a newer incarnation of it. */
	e = executor_of(r, "web", 0);
	report = report_of(&e, &h, EXECUTOR_RUNNING);
	report.started = true;
	report.running_after_us = 2500;
	join_one(r, report);
	runs = runs_published(r);
	assert_int_equal(runs.n, 1);
	assert_int_equal(runs.running_us[0], 2500);
	e = executor_of(r, "web", 0);
	assert_true(runs.accepted_us[0] == e.accepted_us - e.placed_us);
	report.incarnation = 1;
	report.state = EXECUTOR_BACKOFF;
	join_one(r, report);
	report.incarnation = 2;
	report.state = EXECUTOR_RUNNING;
	join_one(r, report);
	assert_int_equal(runs_published(r).n, 0);

	/* It ran and ended between two reports. */
	e = executor_of(r, "web", 1);
	report = report_of(&e, &h, EXECUTOR_SUCCEEDED);
	report.started = true;
	join_one(r, report);
	runs = runs_published(r);
	assert_int_equal(runs.n, 1);
	assert_int_equal(runs.running_us[0], 0);

	/* It never ran. */
	e = executor_of(r, "web", 2);
	join_one(r, report_of(&e, &h, EXECUTOR_REJECTED));
	assert_int_equal(runs_published(r).n, 0);
}

static void
news_of_acceptance_and_refusal_is_counted_once_O4(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;
	struct store_join_result result;

	session_make(r, "web", 2);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	result = join_one(r, report_of(&e, &h, EXECUTOR_ACCEPTED));
	assert_int_equal(result.accepted, 1);
	assert_int_equal(result.rejected, 0);
	result = join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
	assert_int_equal(result.applied, 1);
	assert_int_equal(result.accepted, 0);
	e = executor_of(r, "web", 1);
	result = join_one(r, report_of(&e, &h, EXECUTOR_REJECTED));
	assert_int_equal(result.rejected, 1);
	result = join_one(r, report_of(&e, &h, EXECUTOR_REJECTED));
	assert_int_equal(result.rejected, 0);
}

static void
a_census_counts_hosts_and_what_waits_in_every_list_O4(void **state)
{
	struct rig *r = *state;
	struct store_hello h;
	struct store_executor e;
	struct store_census c = census(r);
	struct store_session closed;
	size_t n;

	for (size_t i = 0; i < STORE_BACKLOG_COUNT; i++)
		assert_int_equal(c.backlogs[i], 0);
	h = host_make(r, "h1");
	host_make(r, "h2");
	session_make(r, "web", 3);
	c = census(r);
	assert_int_equal(c.hosts[HOST_READY], 2);
	assert_int_equal(c.backlogs[STORE_BACKLOG_queue], 3);
	assert_true(c.backlogs[STORE_BACKLOG_events] > 0);
	assert_true(c.backlogs[STORE_BACKLOG_deltas] > 0);
	assert_int_equal(c.oldest_unsent_us, 0);

	place_all(r, "h1");
	c = census(r);
	assert_int_equal(c.backlogs[STORE_BACKLOG_queue], 0);
	assert_int_equal(c.backlogs[STORE_BACKLOG_outbox], 1);
	assert_int_equal(c.backlogs[STORE_BACKLOG_outbox_unsent], 1);
	assert_true(c.oldest_unsent_us > 0);

	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_SUCCEEDED));
	e = executor_of(r, "web", 1);
	struct report gone = report_of(&e, &h, EXECUTOR_STOPPED);
	gone.gone_generation = e.generation;
	join_one(r, gone);
	OK(r, store_session_close(r->s, "web", 0, true, "t", r->a, &closed, &r->err));
	c = census(r);
	assert_int_equal(c.backlogs[STORE_BACKLOG_ended], 2);
	assert_int_equal(c.backlogs[STORE_BACKLOG_gone], 1);
	assert_int_equal(c.backlogs[STORE_BACKLOG_intents], 1);

	fold_all(r);
	OK(r, store_fold_counters(r->s, &r->lease, &n, &r->err));
	OK(r, store_event_publish(r->s, &r->lease, NULL, &n, &r->newest_event, NULL, &r->err));
	c = census(r);
	assert_int_equal(c.backlogs[STORE_BACKLOG_gone], 0);
	assert_int_equal(c.backlogs[STORE_BACKLOG_intents], 0);
	assert_int_equal(c.backlogs[STORE_BACKLOG_deltas], 0);
	assert_int_equal(c.backlogs[STORE_BACKLOG_events], 0);
}

static void
the_queue_says_how_long_somebody_has_waited_O4(void **state)
{
	struct rig *r = *state;
	struct store_queued *rows;
	uint64_t last;
	size_t n;
	int64_t first_us;

	session_make(r, "web", 1);
	OK(r, store_queue_load(r->s, "default", 0, r->a, &rows, &n, &last, &r->err));
	assert_int_equal(n, 1);
	first_us = rows[0].waited_us;
	assert_true(first_us >= 0 && first_us < 60000000);
	OK(r, store_queue_load(r->s, "default", 0, r->a, &rows, &n, &last, &r->err));
	assert_true(rows[0].waited_us > first_us);
}

int
contract_metrics_run(const struct store_factory *f)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_first_run_is_told_once_with_its_times_O4),
	    TEST(news_of_acceptance_and_refusal_is_counted_once_O4),
	    TEST(a_census_counts_hosts_and_what_waits_in_every_list_O4),
	    TEST(the_queue_says_how_long_somebody_has_waited_O4),
	};
	char name[96];

	rig_factory(f);
	snprintf(name, sizeof(name), "%s metrics", f->name);
	return _cmocka_run_group_tests(name, tests, COUNT_OF(tests), NULL, NULL);
}
