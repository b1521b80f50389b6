/* Commands that people see and handle: their stages, what expires and dies, replay and drop (K8,
 * K9, K11, K16, C6). */
#include <string.h>

#include "contract_schedule.h"
#include "wait.h"

#define WAIT_MS 5000

static struct store_command
command_of(struct rig *r, const struct store_executor *e, uint64_t generation)
{
	struct store_command c;

	OK(r, store_command_get(r->s, &e->executor_id, generation, r->a, &c, &r->err));
	return c;
}

static struct store_command *
commands(struct rig *r, const struct store_command_query *q, size_t *ret_n)
{
	struct store_command *rows;

	OK(r, store_command_list(r->s, q, r->a, &rows, ret_n, &r->err));
	return rows;
}

static size_t
open_count(struct rig *r)
{
	const struct store_command_query q = {
	    .states = STORE_COMMAND_STATES_ALL, .open = true, .limit = 100};
	size_t n;

	commands(r, &q, &n);
	return n;
}

/* The bus takes everything that is in the outbox. */
static size_t
publish(struct rig *r)
{
	struct store_message *m;
	size_t n;

	OK(r, store_outbox_sweep(r->s, "default", 0, 0, 64, r->a, &m, &n, &r->err));
	for (size_t i = 0; i < n; i++)
		OK(r, store_outbox_sent(r->s, &m[i].message_id, 1, &r->err));
	return n;
}

static size_t
exhaust(struct rig *r, uint32_t deliveries_max)
{
	size_t n;

	OK(r, store_exhaust(r->s, &r->lease, "default", deliveries_max, 0, &n, &r->err));
	return n;
}

static void
stop(struct rig *r, const struct store_executor *e)
{
	OK(r, store_executor_stop(r->s, &e->executor_id, false, "t", &r->err));
	fold_all(r);
}

static void
replay(struct rig *r, const struct store_command *c)
{
	struct store_command ret;

	OK(r,
	    store_command_replay(r->s, &c->executor_id, c->generation, "op", r->a, &ret, &r->err));
}

static void
replay_refused(struct rig *r, const struct store_command *c, const char *why)
{
	struct store_command ret;

	FAILS(r, ERR_CONFLICT,
	    store_command_replay(r->s, &c->executor_id, c->generation, "op", r->a, &ret, &r->err));
	if (!strstr(r->err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", r->err.text, why);
}

static size_t
events_of(struct rig *r, const char *kind)
{
	const struct store_event_query q = {.limit = 1000};
	struct store_event *rows;
	size_t n, published, count = 0;
	struct store_event_bounds bounds;
	uint64_t newest;

	OK(r, store_event_publish(r->s, &r->lease, r->a, &published, &newest, NULL, &r->err));
	OK(r, store_event_list(r->s, &q, r->a, &rows, &n, &bounds, &r->err));
	for (size_t i = 0; i < n; i++)
		count += strcmp(rows[i].kind, kind) == 0;
	return count;
}

static void
report_gone(struct rig *r, const struct store_executor *e, const struct store_hello *h)
{
	struct report gone = report_of(e, h, EXECUTOR_NONE);

	gone.gone_generation = e->generation;
	join_one(r, gone);
}

static bool
all_expired(void *arg)
{
	struct rig *r = arg;
	struct store_message *m;
	size_t n, expired;

	OK(r, store_expire(r->s, &r->lease, "default", r->a, &m, &n, &expired, &r->err));
	return expired > 0;
}

static bool
somebody_waits(void *arg)
{
	struct rig *r = arg;
	struct store_queued *queued;
	uint64_t last;
	size_t n;

	OK(r, store_queue_load(r->s, "default", 0, r->a, &queued, &n, &last, &r->err));
	return n > 0;
}

/* One executor whose RUN expires at once, and who has one replacement at most. */
static struct store_executor
expired_make(struct rig *r, const char *host_id)
{
	struct store_session_new n = session_of(r, "web", 1);
	struct store_session s;
	bool existed;

	n.accept_timeout_ms = 1;
	n.replacements_max = 1;
	OK(r, store_session_create(r->s, &n, r->a, &s, &existed, &r->err));
	place_all(r, host_id);
	assert_true(test_wait_until(all_expired, r, WAIT_MS));
	return executor_of(r, "web", 0);
}

/* The same, and its only replacement expired too: the session's policy has nothing left. */
static struct store_executor
expired_twice_make(struct rig *r, const struct store_hello *h)
{
	struct store_executor e = expired_make(r, h->host_id);

	report_gone(r, &e, h);
	fold_all(r);
	assert_true(test_wait_until(somebody_waits, r, WAIT_MS));
	place_all(r, h->host_id);
	assert_true(test_wait_until(all_expired, r, WAIT_MS));
	e = executor_of(r, "web", 0);
	assert_int_equal(e.attempt, 2);
	return e;
}

/* A STOP that was sent `times` and that nobody answered, and is DEAD now. */
static struct store_command
dead_make(struct rig *r, const struct store_hello *h, unsigned times)
{
	struct store_executor e;

	session_make(r, "web", 1);
	place_all(r, h->host_id);
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, h, EXECUTOR_RUNNING));
	stop(r, &e);
	for (unsigned i = 0; i < times; i++)
		assert_int_equal(publish(r), 1);
	assert_int_equal(exhaust(r, times), 1);
	return command_of(r, &e, 0);
}

/* ---- stages ---- */

static void
a_command_is_shown_with_its_stage_K8(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e, other;
	struct store_command c;

	session_make(r, "web", 2);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	c = command_of(r, &e, 0);
	assert_int_equal(c.state, COMMAND_WRITTEN);
	assert_int_equal(c.desired, DESIRED_RUN);
	assert_int_equal(c.generation, e.generation);
	assert_string_equal(c.session, "web");
	assert_string_equal(c.host_id, "h1");
	assert_true(c.created_us > 0 && c.deadline_us > c.created_us && c.sent_us == 0);
	assert_int_equal(publish(r), 1);
	assert_int_equal(publish(r), 1);
	c = command_of(r, &e, 0);
	assert_int_equal(c.state, COMMAND_PUBLISHED);
	assert_int_equal(c.deliveries, 2);
	assert_true(c.last_sent_us > c.sent_us);
	assert_int_equal(open_count(r), 2);
	join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
	c = command_of(r, &e, 0);
	assert_int_equal(c.state, COMMAND_ACCEPTED);
	assert_true(c.accepted_us > 0);
	other = executor_of(r, "web", 1);
	stop(r, &other);
	assert_int_equal(command_of(r, &other, other.generation).state, COMMAND_SUPERSEDED);
	c = command_of(r, &other, 0);
	assert_int_equal(c.state, COMMAND_WRITTEN);
	assert_int_equal(c.desired, DESIRED_STOP);
	assert_int_equal(open_count(r), 1);
	replay_refused(r, &c, "on its way");
	c = command_of(r, &e, 0);
	replay_refused(r, &c, "its host has it");
	FAILS(r, ERR_NOT_FOUND, store_command_get(r->s, &e.executor_id, 99, r->a, &c, &r->err));
}

static void
commands_are_listed_by_what_is_asked_in_pages(void **state)
{
	struct rig *r = *state;
	struct store_command_query q = {.states = STORE_COMMAND_STATES_ALL, .limit = 2};
	struct store_hello h = host_make(r, "h1");
	struct store_command *rows;
	struct store_executor e;
	size_t n, seen = 0;

	session_make(r, "web", 3);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
	stop(r, &e);
	host_make(r, "h2");
	session_make(r, "api", 1);
	place_all(r, "h2");
	for (n = q.limit; n == q.limit; seen += n) {
		rows = commands(r, &q, &n);
		for (size_t i = 0; i < n; i++) {
			int order = id_compare(&rows[i].executor_id, &q.after);

			assert_true(
			    order > 0 || (order == 0 && rows[i].generation > q.after_generation));
			q.after = rows[i].executor_id;
			q.after_generation = rows[i].generation;
		}
	}
	assert_int_equal(seen, 5);
	q = (struct store_command_query){.states = STORE_COMMAND_STATES_ALL, .limit = 100};
	q.session = "web";
	commands(r, &q, &n);
	assert_int_equal(n, 4);
	q.states = 1u << COMMAND_ACCEPTED;
	commands(r, &q, &n);
	assert_int_equal(n, 1);
	q.states = STORE_COMMAND_STATES_ALL;
	q.host_id = "h2";
	commands(r, &q, &n);
	assert_int_equal(n, 0);
	q.session = NULL;
	rows = commands(r, &q, &n);
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].session, "api");
	q.host_id = NULL;
	q.executor_id = e.executor_id;
	commands(r, &q, &n);
	assert_int_equal(n, 2);
	q.open = true;
	rows = commands(r, &q, &n);
	assert_int_equal(n, 1);
	assert_int_equal(rows[0].desired, DESIRED_STOP);
}

/* ---- EXPIRED ---- */

static void
what_expired_is_replayed_once_and_only_when_its_host_let_go_C6(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e = expired_twice_make(r, &h);
	struct store_command c = command_of(r, &e, e.generation - 1);
	struct store_fold_result folded;
	size_t n;

	assert_int_equal(c.state, COMMAND_EXPIRED);
	assert_string_equal(c.reason, "not accepted in time");
	assert_true(c.outcome_us >= c.deadline_us);
	replay_refused(r, &c, "may have taken it");
	report_gone(r, &e, &h);
	folded = fold_all(r);
	assert_int_equal(folded.replaced, 0); /* its policy has nothing left */
	replay(r, &c);
	replay(r, &c);
	folded = fold_all(r);
	assert_int_equal(folded.intents, 1);
	assert_int_equal(folded.replaced, 1);
	replay(r, &c);
	assert_int_equal(fold_all(r).replaced, 0);
	executors_of(r, "web", &n);
	assert_int_equal(n, 3);
	assert_int_equal(executor_of(r, "web", 0).attempt, 3);
	c = command_of(r, &e, c.generation);
	assert_string_equal(c.settled, "replayed");
	assert_string_equal(c.settled_by, "op");
	assert_int_equal(c.successor, 3);
	assert_int_equal(place_all(r, "h1"), 1); /* at once, without a pause */
	assert_int_equal(events_of(r, "command.replay_asked"), 1);
	assert_int_equal(events_of(r, "command.replayed"), 1);
	verify_clean(r);
}

static void
what_expired_is_replayed_when_an_operator_says_that_its_host_is_lost_K22(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e = expired_twice_make(r, &h);
	struct store_command c = command_of(r, &e, e.generation - 1);

	r->factory->host_stand(r->cell, "h1", HOST_SUSPECT);
	replay_refused(r, &c, "may have taken it");
	OK(r, store_host_confirm_lost(r->s, "h1", "op", &r->err));
	replay(r, &c);
	assert_int_equal(fold_all(r).replaced, 1);
	assert_int_equal(executor_of(r, "web", 0).attempt, 3);
}

static void
what_was_replaced_already_is_not_replayed_again(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e = expired_make(r, "h1");
	struct store_command c = command_of(r, &e, e.generation - 1);
	size_t n;

	report_gone(r, &e, &h);
	assert_int_equal(fold_all(r).replaced, 1);
	c = command_of(r, &e, c.generation);
	assert_int_equal(c.successor, 2);
	replay(r, &c);
	assert_int_equal(fold_all(r).intents, 0);
	executors_of(r, "web", &n);
	assert_int_equal(n, 2);
}

static void
a_wish_to_replay_is_looked_at_again_when_it_is_carried_out(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e = expired_twice_make(r, &h);
	struct store_command c = command_of(r, &e, e.generation - 1);
	struct store_session s;
	size_t n;

	report_gone(r, &e, &h);
	fold_all(r);
	replay(r, &c);
	OK(r, store_session_close(r->s, "web", 0, false, "t", r->a, &s, &r->err));
	assert_int_equal(fold_all(r).replaced, 0);
	executors_of(r, "web", &n);
	assert_int_equal(n, 2);
	assert_int_equal(events_of(r, "command.replay_refused"), 1);
	c = command_of(r, &e, c.generation);
	assert_string_equal(c.settled, "");
	replay_refused(r, &c, "closed");
}

/* ---- DEAD ---- */

static void
a_stop_that_nobody_answers_dies_and_is_said_again_as_the_next_generation_C6(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_command c = dead_make(r, &h, 3), next;
	struct store_executor e = executor_of(r, "web", 0);
	struct store_fold_result folded;

	assert_int_equal(c.state, COMMAND_DEAD);
	assert_int_equal(c.desired, DESIRED_STOP);
	assert_string_equal(c.reason, "sent 3 times, never answered");
	assert_true(c.outcome_us > 0);
	assert_int_equal(exhaust(r, 3), 0);
	assert_int_equal(publish(r), 0); /* nobody sends it again by himself */
	assert_int_equal(open_count(r), 1);
	replay(r, &c);
	replay(r, &c);
	folded = fold_all(r);
	assert_int_equal(folded.intents, 1);
	assert_int_equal(folded.message_count, 1);
	next = command_of(r, &e, 0);
	assert_int_equal(next.generation, c.generation + 1);
	assert_int_equal(next.desired, DESIRED_STOP);
	assert_int_equal(next.stop_grace_ms, c.stop_grace_ms);
	assert_int_equal(next.state, COMMAND_WRITTEN);
	assert_true(next.host_seq > c.host_seq);
	c = command_of(r, &e, c.generation);
	assert_int_equal(c.state, COMMAND_DEAD);
	assert_string_equal(c.settled, "replayed");
	replay(r, &c);
	assert_int_equal(fold_all(r).message_count, 0);
	assert_int_equal(events_of(r, "command.dead"), 1);
	assert_int_equal(events_of(r, "command.replayed"), 1);
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_STOPPED));
	assert_int_equal(executor_of(r, "web", 0).state, EXECUTOR_STOPPED);
	verify_clean(r);
}

static void
a_host_that_asks_is_told_what_is_dead_and_then_it_lives_K11(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_command c = dead_make(r, &h, 1);
	struct store_executor e = executor_of(r, "web", 0);
	struct store_sync q = {.host_id = "h1", .limit = 10};
	struct store_sync_page page;
	struct store_host host;

	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	q.epoch = host.epoch;
	OK(r, store_host_sync(r->s, &q, r->a, &page, &r->err));
	assert_int_equal(page.item_count, 1);
	assert_int_equal(page.items[0].desired, DESIRED_STOP);
	assert_int_equal(page.items[0].generation, c.generation);
	join_one(r, report_of(&e, &h, EXECUTOR_STOPPED));
	c = command_of(r, &e, c.generation);
	assert_int_equal(c.state, COMMAND_ACCEPTED);
	replay_refused(r, &c, "its host has it");
}

static void
a_run_expires_and_never_dies_of_silence_K13(void **state)
{
	struct rig *r = *state;

	host_make(r, "h1");
	session_make(r, "web", 1);
	place_all(r, "h1");
	for (int i = 0; i < 4; i++)
		assert_int_equal(publish(r), 1);
	assert_int_equal(exhaust(r, 1), 0);
}

static void
the_last_message_of_a_command_gets_its_time_too(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;
	size_t n;

	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
	stop(r, &e);
	assert_int_equal(exhaust(r, 1), 0);
	assert_int_equal(publish(r), 1);
	OK(r, store_exhaust(r->s, &r->lease, "default", 1, 60000, &n, &r->err));
	assert_int_equal(n, 0);
	OK(r, store_exhaust(r->s, &r->lease, "default", 2, 0, &n, &r->err));
	assert_int_equal(n, 0);
	assert_int_equal(exhaust(r, 1), 1);
}

static void
what_was_meant_for_a_removed_host_is_dead_for_good(void **state)
{
	struct rig *r = *state;
	struct store_executor e;
	struct store_command c;

	host_make(r, "h1");
	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	OK(r, store_host_remove(r->s, "h1", true, "op", &r->err));
	c = command_of(r, &e, 0);
	assert_int_equal(c.state, COMMAND_DEAD);
	assert_string_equal(c.reason, "its host was removed");
	replay_refused(r, &c, "was removed");
	assert_int_equal(open_count(r), 0);
	assert_int_equal(events_of(r, "command.dead"), 1);
	verify_clean(r);
}

/* ---- drop ---- */

static void
what_is_dropped_is_no_longer_asked_about_and_not_replayed_C6(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_command c = dead_make(r, &h, 1), ret;
	struct store_executor e = executor_of(r, "web", 0);

	FAILS(r, ERR_CONFLICT,
	    store_command_drop(r->s, &e.executor_id, c.generation - 1, "op", r->a, &ret, &r->err));
	for (int i = 0; i < 2; i++) {
		OK(r, store_command_drop(
			  r->s, &e.executor_id, c.generation, "op", r->a, &ret, &r->err));
		assert_string_equal(ret.settled, "dropped");
		assert_string_equal(ret.settled_by, "op");
	}
	assert_int_equal(events_of(r, "command.dropped"), 1);
	assert_int_equal(open_count(r), 0);
	replay_refused(r, &c, "dropped by op");
	assert_int_equal(fold_all(r).intents, 0);
}

static void
what_was_replayed_is_not_dropped(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_command c = dead_make(r, &h, 1), ret;

	replay(r, &c);
	fold_all(r);
	FAILS(r, ERR_CONFLICT,
	    store_command_drop(r->s, &c.executor_id, c.generation, "op", r->a, &ret, &r->err));
}

const struct CMUnitTest contract_command_tests[] = {
    TEST(a_command_is_shown_with_its_stage_K8),
    TEST(commands_are_listed_by_what_is_asked_in_pages),
    TEST(what_expired_is_replayed_once_and_only_when_its_host_let_go_C6),
    TEST(what_expired_is_replayed_when_an_operator_says_that_its_host_is_lost_K22),
    TEST(what_was_replaced_already_is_not_replayed_again),
    TEST(a_wish_to_replay_is_looked_at_again_when_it_is_carried_out),
    TEST(a_stop_that_nobody_answers_dies_and_is_said_again_as_the_next_generation_C6),
    TEST(a_host_that_asks_is_told_what_is_dead_and_then_it_lives_K11),
    TEST(a_run_expires_and_never_dies_of_silence_K13),
    TEST(the_last_message_of_a_command_gets_its_time_too),
    TEST(what_was_meant_for_a_removed_host_is_dead_for_good),
    TEST(what_is_dropped_is_no_longer_asked_about_and_not_replayed_C6),
    TEST(what_was_replayed_is_not_dropped),
};
const size_t contract_command_count = COUNT_OF(contract_command_tests);
