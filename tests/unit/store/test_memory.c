/* What only the store in memory does: time that moves by hand, cells that are shared, answers that
 * repeat.  Everything else is the contract (tests/integration/store/test_contract_memory.c). */
#include "test.h"

#include "arena.h"
#include "clock.h"
#include "err.h"
#include "store.h"
#include "store_restore.h"

#define START_US INT64_C(1800000000000000)

struct world {
	struct clock_manual clock;
	struct store *s;
	struct arena *a;
	struct err err;
};

static void
world_open(struct world *w)
{
	*w = (struct world){.a = arena_new(0)};
	clock_manual_init(&w->clock, START_US);
	w->s = store_memory_new(NULL, &w->clock.clock);
	assert_non_null(w->a);
}

static void
world_close(struct world *w)
{
	store_free(w->s);
	arena_free(w->a);
}

static int64_t
now(struct store *s)
{
	struct err err = {0};
	int64_t us = 0;

	assert_int_equal(store_ping(s, &us, &err), 0);
	return us;
}

static void
its_time_is_the_clocks_and_never_stands_still(void **state)
{
	struct world w;
	int64_t first;

	(void)state;
	world_open(&w);
	first = now(w.s);
	assert_int_equal(first, START_US);
	assert_true(now(w.s) > first);
	clock_manual_advance(&w.clock, SECOND_US);
	assert_int_equal(now(w.s), START_US + SECOND_US);
	w.clock.real_us -= 3600 * SECOND_US; /* somebody sets the wall clock: no decision follows */
	clock_manual_advance(&w.clock, SECOND_US);
	assert_int_equal(now(w.s), START_US + 2 * SECOND_US);
	world_close(&w);
}

static void
a_lease_lasts_as_long_as_the_clock_says_K26(void **state)
{
	struct store_lease a = {.name = "scheduler-default"}, b = a;
	struct world w;
	bool held;

	(void)state;
	world_open(&w);
	assert_int_equal(store_lease_hold(w.s, &a, "a", &held, &w.err), 0);
	assert_true(held);
	clock_manual_advance(&w.clock, (STORE_LEASE_TTL_MS - 1) * MS_US);
	assert_int_equal(store_lease_hold(w.s, &b, "b", &held, &w.err), 0);
	assert_false(held);
	clock_manual_advance(&w.clock, MS_US);
	assert_int_equal(store_lease_hold(w.s, &b, "b", &held, &w.err), 0);
	assert_true(held);
	assert_int_equal(b.epoch, a.epoch + 1);
	assert_int_equal(store_lease_hold(w.s, &a, "a", &held, &w.err), 0); /* too late to renew */
	assert_false(held);
	world_close(&w);
}

static void
stores_of_one_root_share_a_cell_that_the_last_one_keeps(void **state)
{
	struct store_lease lease = {.name = "l"}, other = lease, elsewhere = lease;
	struct store *second, *stranger;
	struct world w;
	bool held;

	(void)state;
	world_open(&w);
	second = store_memory_new(w.s, &w.clock.clock);
	stranger = store_memory_new(NULL, &w.clock.clock);
	assert_int_equal(store_lease_hold(w.s, &lease, "a", &held, &w.err), 0);
	store_free(TAKE(w.s));
	assert_int_equal(store_lease_hold(second, &other, "b", &held, &w.err), 0);
	assert_false(held);
	assert_int_equal(store_lease_hold(stranger, &elsewhere, "b", &held, &w.err), 0);
	assert_true(held);
	store_free(second);
	store_free(stranger);
	world_close(&w);
}

/* ---- a small story ---- */

static void
hello_say(struct world *w)
{
	const struct store_driver driver = {.name = "process", .detail = "", .usable = true};
	const struct store_hello h = {.host_id = "h1",
	    .pool = "default",
	    .journal_id = id_from_parts(1, 1),
	    .instance_id = id_from_parts(1, 2),
	    .start_no = 1,
	    .hello_no = 1,
	    .boot_id = "b",
	    .agent_version = "1",
	    .encoding = "protobuf",
	    .arch = "x86_64",
	    .kernel = "6",
	    .capabilities = "",
	    .capacity = {.slots = 100},
	    .drivers = &driver,
	    .driver_count = 1};
	struct store_hello_answer answer;

	assert_int_equal(store_host_hello(w->s, &h, w->a, &answer, &w->err), 0);
	assert_int_equal(answer.verdict, STORE_HELLO_ACCEPTED);
}

static void
session_make(struct world *w)
{
	const struct id ids[] = {id_from_parts(2, 1), id_from_parts(2, 2)};
	const struct store_session_new n = {.session_id = id_from_parts(2, 3),
	    .name = "web",
	    .pool = "default",
	    .spec_json = "{}",
	    .executor_body = "body",
	    .executor_body_size = 4,
	    .replicas = COUNT_OF(ids),
	    .driver = "process",
	    .selector = "",
	    .resources = {.slots = 1},
	    .accept_timeout_ms = 1000,
	    .who = "t",
	    .executor_ids = ids};
	struct store_session session;
	bool existed;

	assert_int_equal(store_session_create(w->s, &n, w->a, &session, &existed, &w->err), 0);
}

/* One message with two executors, and the lease it was placed under. */
static struct store_message
story(struct world *w, struct store_lease *lease)
{
	struct store_placement p[2];
	struct store_queued *queued;
	struct store_message *messages;
	size_t n, message_count, placed;
	uint64_t last;
	bool held;

	hello_say(w);
	session_make(w);
	assert_int_equal(store_lease_hold(w->s, lease, "t", &held, &w->err), 0);
	assert_int_equal(
	    store_queue_load(w->s, "default", 0, w->a, &queued, &n, &last, &w->err), 0);
	assert_int_equal(n, COUNT_OF(p));
	for (size_t i = 0; i < n; i++)
		p[i] = (struct store_placement){
		    queued[i].executor_id, "h1", queued[i].resources, 1000, &queued[i]};
	assert_int_equal(store_place(w->s, lease, "default", p, n, w->a, &messages, &message_count,
			     &placed, &w->err),
	    0);
	assert_int_equal(message_count, 1);
	return messages[0];
}

static size_t
expire(struct world *w, const struct store_lease *lease)
{
	struct store_message *messages;
	size_t n, expired;

	assert_int_equal(
	    store_expire(w->s, lease, "default", w->a, &messages, &n, &expired, &w->err), 0);
	return expired;
}

static void
a_run_expires_when_the_clock_passes_its_deadline_K13(void **state)
{
	struct store_lease lease = {.name = "scheduler-default"};
	struct store_message message;
	struct world w;

	(void)state;
	world_open(&w);
	message = story(&w, &lease);
	clock_manual_advance(&w.clock, message.items[0].deadline_us - START_US - MS_US);
	assert_int_equal(expire(&w, &lease), 0);
	clock_manual_advance(&w.clock, 2 * MS_US);
	assert_int_equal(expire(&w, &lease), 2);
	world_close(&w);
}

static void
the_same_calls_at_the_same_times_give_the_same_answers(void **state)
{
	struct store_message messages[2];
	struct world w[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct store_lease lease = {.name = "scheduler-default"};

		world_open(&w[i]);
		messages[i] = story(&w[i], &lease);
	}
	assert_true(id_equal(&messages[0].message_id, &messages[1].message_id));
	assert_int_equal(messages[0].host_seq, messages[1].host_seq);
	for (size_t i = 0; i < 2; i++) {
		const struct store_item *a = &messages[0].items[i], *b = &messages[1].items[i];

		assert_true(id_equal(&a->executor_id, &b->executor_id));
		assert_int_equal(a->deadline_us, b->deadline_us);
	}
	assert_int_equal(now(w[0].s), now(w[1].s));
	for (int i = 0; i < 2; i++)
		world_close(&w[i]);
}

static void
an_answer_without_room_places_nobody(void **state)
{
	struct store_lease lease = {.name = "scheduler-default"};
	struct arena *small = arena_new(64);
	struct store_placement p;
	struct store_queued *queued;
	struct store_message *messages;
	struct store_cell cell;
	struct world w;
	size_t n, placed;
	uint64_t last;
	bool held;

	(void)state;
	world_open(&w);
	hello_say(&w);
	session_make(&w);
	assert_int_equal(store_lease_hold(w.s, &lease, "t", &held, &w.err), 0);
	assert_int_equal(store_queue_load(w.s, "default", 0, w.a, &queued, &n, &last, &w.err), 0);
	p = (struct store_placement){
	    queued[0].executor_id, "h1", queued[0].resources, 1000, &queued[0]};
	assert_int_equal(
	    store_place(w.s, &lease, "default", &p, 1, small, &messages, &n, &placed, &w.err), -1);
	assert_int_equal(w.err.kind, ERR_INTERNAL);
	assert_int_equal(store_cell_get(w.s, w.a, &cell, &w.err), 0);
	assert_int_equal(cell.queue_depth, 2);
	assert_int_equal(cell.outbox_unsent, 0);
	arena_free(small);
	world_close(&w);
}

/* ---- a copy that is put back ---- */

#define TERM_1 (UINT64_C(1) << 40)

static void
a_restored_cell_gives_numbers_above_all_it_gave_K6(void **state)
{
	struct store_lease before = {.name = "scheduler-default"}, after = before;
	struct store_violation *violations;
	struct store_cell cell;
	struct store_host host;
	struct world w;
	size_t n;
	bool held;

	(void)state;
	world_open(&w);
	hello_say(&w);
	session_make(&w);
	assert_int_equal(store_lease_hold(w.s, &before, "a", &held, &w.err), 0);
	store_memory_restore(w.s, 1);
	assert_int_equal(store_host_get(w.s, "h1", w.a, &host, &w.err), 0);
	assert_int_equal(host.epoch, TERM_1 + 1);
	assert_int_equal(host.host_seq, TERM_1);
	assert_int_equal(store_lease_hold(w.s, &after, "b", &held, &w.err), 0);
	assert_true(held);
	assert_true(after.epoch > TERM_1);
	/* Nobody had a command: each may have got one in the history that is lost. */
	assert_int_equal(store_cell_get(w.s, w.a, &cell, &w.err), 0);
	assert_int_equal(cell.term, 1);
	assert_int_equal(cell.executors[EXECUTOR_CANCELLED], 2);
	assert_int_equal(cell.executors[EXECUTOR_QUEUED], 2);
	assert_int_equal(store_verify(w.s, w.a, &violations, &n, &w.err), 0);
	assert_int_equal(n, 0);
	world_close(&w);
}

static void
a_restored_run_has_its_time_anew_K6(void **state)
{
	struct store_lease lease = {.name = "scheduler-default"};
	struct world w;
	bool held;

	(void)state;
	world_open(&w);
	story(&w, &lease);
	clock_manual_advance(&w.clock, 900 * MS_US);
	store_memory_restore(w.s, 1);
	lease.epoch = 0;
	assert_int_equal(store_lease_hold(w.s, &lease, "t", &held, &w.err), 0);
	clock_manual_advance(&w.clock, 900 * MS_US);
	assert_int_equal(expire(&w, &lease), 0);
	clock_manual_advance(&w.clock, 200 * MS_US);
	assert_int_equal(expire(&w, &lease), 2);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(its_time_is_the_clocks_and_never_stands_still),
	    cmocka_unit_test(a_lease_lasts_as_long_as_the_clock_says_K26),
	    cmocka_unit_test(stores_of_one_root_share_a_cell_that_the_last_one_keeps),
	    cmocka_unit_test(a_run_expires_when_the_clock_passes_its_deadline_K13),
	    cmocka_unit_test(a_restored_cell_gives_numbers_above_all_it_gave_K6),
	    cmocka_unit_test(a_restored_run_has_its_time_anew_K6),
	    cmocka_unit_test(the_same_calls_at_the_same_times_give_the_same_answers),
	    cmocka_unit_test(an_answer_without_room_places_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
