/* Leases, the queue, the fleet, placing (K8, K16, K26, invariants 4 and 5). */
#include <pthread.h>
#include <string.h>

#include "contract_schedule.h"

static struct store_queued *
queue(struct rig *r, size_t *ret_n)
{
	struct store_queued *rows;
	uint64_t last;

	OK(r, store_queue_load(r->s, "default", 0, r->a, &rows, ret_n, &last, &r->err));
	return rows;
}

static struct store_placement
placement_of(const struct store_queued *q, const char *host_id)
{
	return (struct store_placement){.executor_id = q->executor_id,
	    .host_id = host_id,
	    .resources = q->resources,
	    .accept_timeout_ms = q->accept_timeout_ms,
	    .queued = q};
}

/* How many were placed. */
static size_t
place_on(struct rig *r, const struct store_queued *rows, size_t n, const char *host_id,
    struct store_message **ret, size_t *ret_n)
{
	struct store_placement *p = arena_calloc(r->a, n + 1, sizeof(*p));
	size_t placed;

	for (size_t i = 0; i < n; i++)
		p[i] = placement_of(&rows[i], host_id);
	OK(r, store_place(r->s, &r->lease, "default", p, n, r->a, ret, ret_n, &placed, &r->err));
	return placed;
}

static void
host_small(struct rig *r, const char *host_id, int64_t slots)
{
	struct store_hello h = hello_of(host_id, id_new());

	h.capacity.slots = slots;
	assert_int_equal(hello_say(r, &h).verdict, STORE_HELLO_ACCEPTED);
}

/* ---- leases ---- */

static void
one_holder_has_a_lease_until_it_gives_it_back_K26(void **state)
{
	struct rig *r = *state;
	struct store_lease other = {.name = "scheduler-default"};
	uint64_t epoch;
	bool held;

	lease_take(r);
	epoch = r->lease.epoch;
	OK(r, store_lease_hold(r->other, &other, "b", &held, &r->err));
	assert_false(held);
	lease_take(r);
	assert_int_equal(r->lease.epoch, epoch);
	OK(r, store_lease_release(r->s, &r->lease, &r->err));
	assert_int_equal(r->lease.epoch, 0);
	OK(r, store_lease_hold(r->other, &other, "b", &held, &r->err));
	assert_true(held);
	assert_int_equal(other.epoch, epoch + 1);
}

static void
a_former_epoch_is_denied_everywhere_K26(void **state)
{
	struct rig *r = *state;
	struct store_lease old;
	struct store_message *messages;
	struct store_fold_result folded;
	struct store_waiting waiting = {.why_count = 0};
	const struct store_retention keep = {.keep_ms = 1, .batch = 1};
	struct store_queued *rows;
	size_t n, placed;
	uint64_t removed;
	bool more;

	host_make(r, "h1");
	session_make(r, "web", 1);
	lease_take(r);
	old = r->lease;
	OK(r, store_lease_release(r->s, &r->lease, &r->err));
	lease_take(r);
	rows = queue(r, &n);
	struct store_placement p = placement_of(&rows[0], "h1");
	FAILS(r, ERR_DENIED,
	    store_place(r->s, &old, "default", &p, 1, r->a, &messages, &n, &placed, &r->err));
	waiting.executor_id = rows[0].executor_id;
	FAILS(r, ERR_DENIED, store_queue_why(r->s, &old, &waiting, 1, &r->err));
	OK(r, store_executor_stop(r->s, &rows[0].executor_id, false, "t", &r->err));
	FAILS(r, ERR_DENIED, store_fold(r->s, &old, "default", 0, r->a, &folded, &r->err));
	FAILS(r, ERR_DENIED, store_fold_counters(r->s, &old, &n, &r->err));
	FAILS(r, ERR_DENIED,
	    store_event_publish(r->s, &old, NULL, &n, &r->newest_event, NULL, &r->err));
	FAILS(r, ERR_DENIED, store_retain(r->s, &old, &keep, &removed, &more, &r->err));
	queue(r, &n);
	assert_int_equal(n, 1);
	assert_int_equal(executor_of(r, "web", 0).state, EXECUTOR_QUEUED);
}

/* ---- reading ---- */

static void
the_queue_gives_priority_then_age_in_pages(void **state)
{
	struct rig *r = *state;
	struct store_session_new low = session_of(r, "low", 3), high = session_of(r, "high", 2);
	struct store_session s;
	struct store_queued *rows;
	uint64_t last = 0;
	bool existed;
	size_t n;

	low.priority = -5;
	high.priority = 7;
	OK(r, store_session_create(r->s, &low, r->a, &s, &existed, &r->err));
	session_make(r, "plain", 1000);
	session_make(r, "later", 100);
	OK(r, store_session_create(r->s, &high, r->a, &s, &existed, &r->err));
	OK(r, store_queue_load(r->s, "default", 0, r->a, &rows, &n, &last, &r->err));
	assert_int_equal(n, STORE_QUEUE_LIMIT);
	assert_string_equal(rows[0].session, "high");
	assert_int_equal(rows[0].index, 0);
	assert_int_equal(rows[1].index, 1);
	assert_string_equal(rows[2].session, "plain");
	assert_int_equal(rows[2].priority, 0);
	assert_int_equal(rows[2].resources.slots, 1);
	assert_int_equal(rows[2].accept_timeout_ms, 60000);
	assert_memory_equal(rows[2].spec_body, "body", 4);
	/* Members of a session share one copy of what they are to run. */
	assert_ptr_equal(rows[2].spec_body, rows[3].spec_body);
	OK(r, store_queue_load(r->s, "default", last, r->a, &rows, &n, &last, &r->err));
	assert_int_equal(n, 2 + 1000 + 100 + 3 - STORE_QUEUE_LIMIT);
	assert_string_equal(rows[0].session, "later");
	assert_string_equal(rows[n - 1].session, "low");
	OK(r, store_queue_load(r->s, "default", last, r->a, &rows, &n, &last, &r->err));
	assert_int_equal(n, 0);
}

static void
pools_do_not_see_each_other(void **state)
{
	struct rig *r = *state;
	struct store_session_new other = session_of(r, "elsewhere", 1);
	struct store_hello h = hello_of("far", id_new());
	struct store_session s;
	struct store_host *hosts;
	struct store_message *messages;
	struct store_queued *rows;
	bool existed;
	size_t n, count;

	h.pool = other.pool = "edge";
	assert_int_equal(hello_say(r, &h).verdict, STORE_HELLO_ACCEPTED);
	OK(r, store_session_create(r->s, &other, r->a, &s, &existed, &r->err));
	host_make(r, "near");
	session_make(r, "here", 1);
	rows = queue(r, &n);
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].session, "here");
	OK(r, store_fleet_load(r->s, "default", r->a, &hosts, &count, &r->err));
	assert_int_equal(count, 1);
	assert_string_equal(hosts[0].host_id, "near");
	/* A host that changed its pool since the image was made is nobody's to use. */
	lease_take(r);
	assert_int_equal(place_on(r, rows, 1, "far", &messages, &count), 0);
	assert_int_equal(place_on(r, rows, 1, "near", &messages, &count), 1);
}

/* ---- placing ---- */

static void
placing_writes_everything_a_host_needs_K8(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_message *messages;
	struct store_queued *rows;
	struct store_executor e;
	size_t n, count;

	session_make(r, "web", 2);
	lease_take(r);
	rows = queue(r, &n);
	assert_int_equal(place_on(r, rows, n, "h1", &messages, &count), 2);
	assert_int_equal(count, 1);
	assert_int_equal(messages[0].item_count, 2);
	assert_string_equal(messages[0].host_id, "h1");
	assert_string_equal(messages[0].encoding, "protobuf");
	assert_true(id_equal(&messages[0].journal_id, &h.journal_id));
	assert_false(messages[0].resend);
	assert_int_equal(messages[0].host_seq, host_of(r, "h1").host_seq);
	for (size_t i = 0; i < 2; i++) {
		const struct store_item *item = &messages[0].items[i];

		assert_int_equal(item->desired, DESIRED_RUN);
		assert_int_equal(item->host_seq, messages[0].host_seq);
		assert_true(item->deadline_us > 0);
		assert_memory_equal(item->spec_body, "body", item->spec_size);
		assert_string_equal(item->session, "web");
		e = executor_of(r, "web", item->index);
		assert_true(id_equal(&e.executor_id, &item->executor_id));
		assert_int_equal(e.generation, item->generation);
		assert_int_equal(e.state, EXECUTOR_PLACED);
		assert_string_equal(e.host_id, "h1");
		assert_true(e.placed_us > 0);
	}
	assert_int_equal(host_of(r, "h1").used.slots, 2);
	queue(r, &n);
	assert_int_equal(n, 0);
	verify_clean(r);
}

static size_t
commands_of(struct rig *r, const struct store_executor *e)
{
	const struct store_command_query q = {
	    .executor_id = e->executor_id, .states = STORE_COMMAND_STATES_ALL, .limit = 10};
	struct store_command *rows;
	size_t n;

	OK(r, store_command_list(r->s, &q, r->a, &rows, &n, &r->err));
	return n;
}

/* Nothing was written that a host might have heard of. */
static void
still_queued(struct rig *r, const struct store_executor *before, const struct store_host *host)
{
	struct store_executor e = executor_of(r, "web", 0);
	size_t n;

	assert_int_equal(e.state, EXECUTOR_QUEUED);
	assert_int_equal(e.generation, before->generation);
	assert_int_equal(e.accepted_generation, 0);
	assert_int_equal(e.attempt, before->attempt);
	assert_int_equal(commands_of(r, &e), 0);
	assert_int_equal(host_of(r, "h1").host_seq, host->host_seq);
	assert_int_equal(host_of(r, "h1").used.slots, 0);
	queue(r, &n);
	assert_int_equal(n, 1);
}

static void
the_rank_order_starts_at_the_command_row_and_what_is_before_it_comes_and_goes_K17(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_host host = host_of(r, "h1");
	struct store_message *messages;
	struct store_executor e;
	struct store_queued *rows;
	struct store_lease old;
	struct store_placement p;
	size_t n, placed;

	session_make(r, "web", 1);
	e = executor_of(r, "web", 0);
	lease_take(r);
	rows = queue(r, &n);
	for (unsigned i = 0; i < 3; i++) { /* claimed, not to be had, queued again */
		OK(r, store_host_cordon(r->s, "h1", true, "why", "t", &r->err));
		assert_int_equal(place_on(r, rows, 1, "h1", &messages, &n), 0);
		still_queued(r, &e, &host);
		OK(r, store_host_cordon(r->s, "h1", false, "", "t", &r->err));
	}
	/* Only under the lease: who led before moves nothing. */
	old = r->lease;
	OK(r, store_lease_release(r->s, &r->lease, &r->err));
	lease_take(r);
	p = placement_of(&rows[0], "h1");
	FAILS(r, ERR_DENIED,
	    store_place(r->s, &old, "default", &p, 1, r->a, &messages, &n, &placed, &r->err));
	still_queued(r, &e, &host);
	/* No host was told: what one says of it, the end included, is of no rank here. */
	join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
	join_one(r, report_of(&e, &h, EXECUTOR_FAILED));
	still_queued(r, &e, &host);

	assert_int_equal(place_on(r, rows, 1, "h1", &messages, &n), 1);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.state, EXECUTOR_PLACED);
	assert_int_equal(commands_of(r, &e), 1);
	/* From here on it only goes up, and nobody takes it back into the queue. */
	join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
	join_one(r, report_of(&e, &h, EXECUTOR_STARTING));
	assert_int_equal(place_on(r, rows, 1, "h1", &messages, &n), 0);
	assert_int_equal(executor_of(r, "web", 0).state, EXECUTOR_RUNNING);
	queue(r, &n);
	assert_int_equal(n, 0);
	verify_clean(r);
}

static void
a_message_holds_64_items_and_each_has_its_own_number(void **state)
{
	struct rig *r = *state;
	struct store_message *messages;
	struct store_queued *rows;
	uint64_t before;
	size_t n, count, items = 0;

	host_make(r, "h1");
	before = host_of(r, "h1").host_seq;
	session_make(r, "web", 150);
	lease_take(r);
	rows = queue(r, &n);
	assert_int_equal(place_on(r, rows, n, "h1", &messages, &count), 150);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < count; i++) {
		assert_true(messages[i].item_count <= STORE_MESSAGE_ITEMS_MAX);
		assert_int_equal(messages[i].host_seq, before + 1 + i);
		items += messages[i].item_count;
	}
	assert_int_equal(items, 150);
	assert_int_equal(host_of(r, "h1").host_seq, before + 3);
	verify_clean(r);
}

static void
a_host_that_does_not_fit_loses_its_placements_only_P1(void **state)
{
	struct rig *r = *state;
	struct store_placement p[5];
	struct store_message *messages;
	struct store_queued *rows;
	uint64_t before;
	size_t n, count, placed;

	host_small(r, "full", 2);
	host_small(r, "wide", 10);
	before = host_of(r, "full").host_seq;
	session_make(r, "web", 5);
	lease_take(r);
	rows = queue(r, &n);
	for (size_t i = 0; i < 5; i++)
		p[i] = placement_of(&rows[i], i < 3 ? "full" : "wide");
	OK(r, store_place(
		  r->s, &r->lease, "default", p, 5, r->a, &messages, &count, &placed, &r->err));
	assert_int_equal(placed, 2);
	assert_int_equal(count, 1);
	assert_string_equal(messages[0].host_id, "wide");
	assert_int_equal(host_of(r, "full").used.slots, 0);
	/* No number was drawn for nothing: its host would look for the message. */
	assert_int_equal(host_of(r, "full").host_seq, before);
	queue(r, &n);
	assert_int_equal(n, 3);
	verify_clean(r);
}

static void
hosts_that_are_cordoned_or_unknown_take_nothing(void **state)
{
	struct rig *r = *state;
	struct store_message *messages;
	struct store_queued *rows;
	size_t n, count;

	host_make(r, "h1");
	session_make(r, "web", 1);
	lease_take(r);
	rows = queue(r, &n);
	OK(r, store_host_cordon(r->s, "h1", true, "why", "t", &r->err));
	assert_int_equal(place_on(r, rows, 1, "h1", &messages, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(place_on(r, rows, 1, "nobody", &messages, &count), 0);
	OK(r, store_host_remove(r->s, "h1", false, "t", &r->err));
	assert_int_equal(place_on(r, rows, 1, "h1", &messages, &count), 0);
	queue(r, &n);
	assert_int_equal(n, 1);
}

/* Whatever was planned: the transaction looks again. */
static void
hosts_that_changed_since_the_plan_take_nothing_L5(void **state)
{
	static const char *const hosts[] = {"suspect", "lost", "cordoned", "draining"};
	struct rig *r = *state;
	struct store_message *messages;
	struct store_queued *rows;
	size_t n, count;

	for (size_t i = 0; i < COUNT_OF(hosts); i++)
		host_make(r, hosts[i]);
	session_make(r, "web", 4);
	lease_take(r);
	rows = queue(r, &n);
	r->factory->host_stand(r->cell, "suspect", HOST_SUSPECT);
	r->factory->host_stand(r->cell, "lost", HOST_LOST);
	OK(r, store_host_cordon(r->s, "cordoned", true, "why", "t", &r->err));
	OK(r, store_host_drain(r->s, "draining", true, 0, "why", "t", &r->err));
	for (size_t i = 0; i < COUNT_OF(hosts); i++) {
		assert_int_equal(place_on(r, &rows[i], 1, hosts[i], &messages, &count), 0);
		assert_int_equal(count, 0);
	}
	/* Each of them, healthy again, would have. */
	r->factory->host_stand(r->cell, "suspect", HOST_READY);
	r->factory->host_stand(r->cell, "lost", HOST_READY);
	OK(r, store_host_cordon(r->s, "cordoned", false, "", "t", &r->err));
	OK(r, store_host_cordon(r->s, "draining", false, "", "t", &r->err));
	for (size_t i = 0; i < COUNT_OF(hosts); i++)
		assert_int_equal(place_on(r, &rows[i], 1, hosts[i], &messages, &count), 1);
}

static void
who_is_no_longer_queued_is_skipped_and_the_others_go_P5(void **state)
{
	struct rig *r = *state;
	struct store_message *messages;
	struct store_queued *rows;
	size_t n, count;

	host_make(r, "h1");
	host_make(r, "h2");
	session_make(r, "web", 4);
	lease_take(r);
	rows = queue(r, &n);
	assert_int_equal(place_on(r, rows, 1, "h1", &messages, &count), 1);
	OK(r, store_executor_stop(r->s, &rows[1].executor_id, false, "t", &r->err));
	fold_all(r);
	/* An old plan says otherwise. */
	assert_int_equal(place_on(r, rows, n, "h2", &messages, &count), 2);
	assert_string_equal(executor_of(r, "web", 0).host_id, "h1");
	assert_int_equal(executor_of(r, "web", 1).state, EXECUTOR_CANCELLED);
	assert_string_equal(executor_of(r, "web", 2).host_id, "h2");
	assert_int_equal(host_of(r, "h2").used.slots, 2);
	verify_clean(r);
}

static void
reasons_are_kept_with_those_who_wait(void **state)
{
	struct rig *r = *state;
	const struct store_why why[] = {{"memory", 3}, {"cordoned", 1}};
	struct store_waiting waiting[2];
	struct store_why *read;
	struct store_queued *rows;
	size_t n;

	session_make(r, "web", 2);
	lease_take(r);
	rows = queue(r, &n);
	for (size_t i = 0; i < 2; i++)
		waiting[i] = (struct store_waiting){rows[i].executor_id, why, 2};
	OK(r, store_queue_why(r->s, &r->lease, waiting, 2, &r->err));
	OK(r, store_session_why(r->s, "web", r->a, &read, &n, &r->err));
	assert_int_equal(n, 2);
	assert_string_equal(read[0].reason, "memory");
	assert_int_equal(read[0].hosts, 3);
	assert_string_equal(read[1].reason, "cordoned");
	assert_int_equal(executor_of(r, "web", 0).why_count, 2);
	host_make(r, "h1");
	place_all(r, "h1"); /* who has a host waits for nothing */
	OK(r, store_session_why(r->s, "web", r->a, &read, &n, &r->err));
	assert_int_equal(n, 0);
	assert_int_equal(executor_of(r, "web", 0).why_count, 0);
}

/* ---- two at once ---- */

struct racer {
	struct rig *rig;
	struct store *store;
	const char *host_id;
	size_t placed, unavailable;
};

/* Both read the same queue and take what they can. */
static void *
race(void *arg)
{
	struct racer *me = arg;
	struct arena *a = arena_new(0);
	struct err err = {0};
	size_t n = 1;

	for (int round = 0; round < 1000 && n > 0; round++) {
		struct store_placement p[16];
		struct store_message *messages;
		struct store_queued *rows;
		size_t count, placed = 0, take;
		uint64_t last;

		arena_reset(a);
		if (store_queue_load(me->store, "default", 0, a, &rows, &n, &last, &err) != 0)
			break;
		take = n < COUNT_OF(p) ? n : COUNT_OF(p);
		for (size_t i = 0; i < take; i++)
			p[i] = placement_of(&rows[i], me->host_id);
		if (store_place(me->store, &me->rig->lease, "default", p, take, a, &messages,
			&count, &placed, &err) != 0)
			me->unavailable++;
		me->placed += placed;
	}
	arena_free(a);
	return NULL;
}

static void
two_that_believe_to_lead_place_each_executor_once_P5(void **state)
{
	struct rig *r = *state;
	struct racer racers[2] = {{.rig = r, .store = r->s, .host_id = "h1"},
	    {.rig = r, .store = r->other, .host_id = "h2"}};
	pthread_t threads[2];

	host_make(r, "h1");
	host_make(r, "h2");
	session_make(r, "web", 300);
	lease_take(r);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(racers[0].placed + racers[1].placed, 300);
	assert_int_equal(racers[0].unavailable + racers[1].unavailable, 0);
	assert_int_equal(host_of(r, "h1").used.slots, racers[0].placed);
	assert_int_equal(host_of(r, "h2").used.slots, racers[1].placed);
	verify_clean(r);
}

/* Closing sessions while they are placed: each executor ends cancelled or on its way to a stop, and
 * neither side waits for the other until the server breaks a deadlock. */
static void *
closer(void *arg)
{
	struct racer *me = arg;
	struct arena *a = arena_new(0);
	struct err err = {0};

	for (int i = 0; i < 20; i++) {
		struct store_session session;
		struct store_fold_result result;
		char *name = arena_printf(a, "s%d", i);

		if (store_session_close(me->store, name, 0, false, "t", a, &session, &err) != 0 ||
		    store_fold(me->store, &me->rig->lease, "default", 0, a, &result, &err) != 0)
			me->unavailable++;
	}
	arena_free(a);
	return NULL;
}

static void
placing_and_closing_at_once_agree_K16(void **state)
{
	struct rig *r = *state;
	struct racer placer = {.rig = r, .store = r->s, .host_id = "h1"};
	struct racer closing = {.rig = r, .store = r->other};
	pthread_t threads[2];

	host_make(r, "h1");
	for (int i = 0; i < 20; i++)
		session_make(r, arena_printf(r->a, "s%d", i), 20);
	lease_take(r);
	assert_int_equal(pthread_create(&threads[0], NULL, race, &placer), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, closer, &closing), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(placer.unavailable + closing.unavailable, 0);
	fold_all(r);
	for (int i = 0; i < 20; i++) {
		size_t n;
		struct store_executor *rows = executors_of(r, arena_printf(r->a, "s%d", i), &n);

		for (size_t k = 0; k < n; k++) {
			if (rows[k].generation == 0)
				assert_int_equal(rows[k].state, EXECUTOR_CANCELLED);
			else
				assert_int_equal(rows[k].desired, DESIRED_STOP);
		}
	}
	verify_clean(r);
}

const struct CMUnitTest contract_place_tests[] = {
    TEST(one_holder_has_a_lease_until_it_gives_it_back_K26),
    TEST(a_former_epoch_is_denied_everywhere_K26),
    TEST(the_queue_gives_priority_then_age_in_pages),
    TEST(pools_do_not_see_each_other),
    TEST(placing_writes_everything_a_host_needs_K8),
    TEST(the_rank_order_starts_at_the_command_row_and_what_is_before_it_comes_and_goes_K17),
    TEST(a_message_holds_64_items_and_each_has_its_own_number),
    TEST(a_host_that_does_not_fit_loses_its_placements_only_P1),
    TEST(hosts_that_are_cordoned_or_unknown_take_nothing),
    TEST(hosts_that_changed_since_the_plan_take_nothing_L5),
    TEST(who_is_no_longer_queued_is_skipped_and_the_others_go_P5),
    TEST(reasons_are_kept_with_those_who_wait),
    TEST(two_that_believe_to_lead_place_each_executor_once_P5),
    TEST(placing_and_closing_at_once_agree_K16),
};
const size_t contract_place_count = COUNT_OF(contract_place_tests);
