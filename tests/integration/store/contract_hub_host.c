/* Sync, heartbeat heads, liveness, cordon, removal (K2, K11, K16, K29). */
#include <string.h>

#include "contract_hub.h"

static struct store_sync_page
sync_page(struct rig *r, const struct store_sync *q)
{
	struct store_sync_page page;

	OK(r, store_host_sync(r->s, q, r->a, &page, &r->err));
	return page;
}

static void
a_sync_of_another_epoch_is_answered_hello_required_K2(void **state)
{
	struct rig *r = *state;
	struct store_sync q = {.host_id = "h1", .limit = 10};

	host_make(r, "h1");
	q.epoch = host_of(r, "h1").epoch;
	assert_false(sync_page(r, &q).hello_required);
	q.epoch++;
	assert_true(sync_page(r, &q).hello_required);
	assert_true(sync_page(r, &q).now_us > 0); /* the time is told to everybody */
	q.host_id = "nobody";
	assert_true(sync_page(r, &q).hello_required);
	assert_true(sync_page(r, &q).now_us > 0);
	q.host_id = "h1";
	q.epoch--;
	OK(r, store_host_remove(r->s, "h1", false, "me", &r->err));
	assert_true(sync_page(r, &q).hello_required);
}

static void
a_sync_gives_the_newest_item_of_every_executor_in_pages_K11(void **state)
{
	struct rig *r = *state;
	struct store_sync q = {.host_id = "h1", .limit = 3};
	struct store_sync_page page;
	struct id before = {{0}};
	size_t seen = 0;

	host_make(r, "h1");
	session_make(r, "web", 8);
	place_all(r, "h1");
	q.epoch = host_of(r, "h1").epoch;
	do {
		page = sync_page(r, &q);
		assert_int_equal(page.as_of_seq, host_of(r, "h1").host_seq);
		assert_true(page.item_count <= 3);
		for (size_t i = 0; i < page.item_count; i++) {
			const struct store_item *item = &page.items[i];

			assert_true(id_compare(&before, &item->executor_id) < 0);
			before = item->executor_id;
			assert_int_equal(item->desired, DESIRED_RUN);
			assert_true(item->host_seq > 0 && item->host_seq <= page.as_of_seq);
			assert_true(item->deadline_us > page.now_us);
			assert_string_equal(item->session, "web");
			assert_int_equal(item->index, seen);
			assert_memory_equal(item->spec_body, "body", 4);
			seen++;
		}
		q.as_of_seq = page.as_of_seq;
		q.after = before;
	} while (!page.last);
	assert_int_equal(seen, 8);
}

static void
as_of_is_read_before_the_first_page_and_stays_K11(void **state)
{
	struct rig *r = *state;
	struct store_sync q = {.host_id = "h1", .limit = 1};
	struct store_sync_page page;
	uint64_t as_of;

	host_make(r, "h1");
	session_make(r, "web", 2);
	place_all(r, "h1");
	q.epoch = host_of(r, "h1").epoch;
	page = sync_page(r, &q);
	as_of = page.as_of_seq;
	session_make(r, "db", 1);
	place_all(r, "h1");
	assert_true(host_of(r, "h1").host_seq > as_of);
	q.as_of_seq = as_of;
	q.after = page.items[0].executor_id;
	assert_int_equal(sync_page(r, &q).as_of_seq, as_of);
}

static void
a_sync_filters_by_contiguous_seq_and_nothing_else_K11(void **state)
{
	struct rig *r = *state;
	struct store_sync q = {.host_id = "h1", .limit = 10};
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;
	uint64_t seq;

	session_make(r, "web", 1);
	place_all(r, "h1");
	seq = host_of(r, "h1").host_seq;
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_RUNNING)); /* accepted: still named */
	session_make(r, "db", 1);
	place_all(r, "h1");
	q.epoch = host_of(r, "h1").epoch;
	assert_int_equal(sync_page(r, &q).item_count, 2);
	q.contiguous_seq = seq;
	assert_int_equal(sync_page(r, &q).item_count, 1);
	assert_string_equal(sync_page(r, &q).items[0].session, "db");
	q.contiguous_seq = host_of(r, "h1").host_seq;
	assert_int_equal(sync_page(r, &q).item_count, 0);
	assert_true(sync_page(r, &q).last);
}

static void
heads_answer_heartbeats_of_many_hosts_at_once_K11(void **state)
{
	struct rig *r = *state;
	const char *const ids[] = {"h2", "nobody", "h1"};
	struct store_host_head *heads;
	size_t n, known = 0;
	int64_t now;

	host_make(r, "h1");
	host_make(r, "h2");
	session_make(r, "web", 1);
	place_all(r, "h1");
	OK(r, store_host_heads(r->s, ids, COUNT_OF(ids), r->a, &heads, &n, &now, &r->err));
	assert_int_equal(n, 3);
	assert_true(now > 0);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(heads[i].host_id, "nobody") == 0) {
			assert_int_equal(heads[i].state, HOST_NONE);
			continue;
		}
		assert_int_equal(heads[i].epoch, host_of(r, heads[i].host_id).epoch);
		assert_int_equal(heads[i].host_seq, host_of(r, heads[i].host_id).host_seq);
		assert_string_equal(heads[i].encoding, "protobuf");
		known++;
	}
	assert_int_equal(known, 2);
}

static void
the_rows_have_a_digest_per_host_K19(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	const char *const ids[] = {"nobody", "h1"};
	struct digest found[2], expected = {0, 0};
	struct store_executor e;

	host_make(r, "h2");
	session_make(r, "web", 2);
	place_all(r, "h1");
	OK(r, store_host_digests(r->s, ids, 2, found, &r->err));
	assert_int_equal(found[1].count, 0); /* nothing is accepted yet */
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
	e = executor_of(r, "web", 0);
	digest_add(&expected, &e.executor_id, e.accepted_generation, e.incarnation,
	    executor_state_rank(EXECUTOR_RUNNING));
	OK(r, store_host_digests(r->s, ids, 2, found, &r->err));
	assert_int_equal(found[0].count, 0);
	assert_int_equal(found[1].count, 1);
	assert_true(found[1].sum == expected.sum);
}

static void
liveness_only_moves_forward(void **state)
{
	struct rig *r = *state;
	struct store_beat beats[] = {
	    {.host_id = "h2",
		.server = "n1",
		.at_us = INT64_C(1800000000000000),
		.contiguous_seq = 1},
	    {.host_id = "h1",
		.server = "n1",
		.at_us = INT64_C(1800000000000000),
		.contiguous_seq = 9,
		.rtt_us = 250},
	};

	host_make(r, "h1");
	host_make(r, "h2");
	assert_int_equal(host_of(r, "h1").last_heartbeat_us, 0);
	OK(r, store_host_liveness(r->s, beats, COUNT_OF(beats), &r->err));
	assert_int_equal(host_of(r, "h1").last_heartbeat_us, INT64_C(1800000000000000));
	assert_int_equal(host_of(r, "h1").contiguous_seq, 9);
	assert_int_equal(host_of(r, "h1").rtt_us, 250);
	beats[1].at_us -= 1000000; /* another hub, an older beat */
	beats[1].contiguous_seq = 3;
	OK(r, store_host_liveness(r->other, beats, COUNT_OF(beats), &r->err));
	assert_int_equal(host_of(r, "h1").contiguous_seq, 9);
	OK(r, store_host_liveness(r->s, NULL, 0, &r->err));
}

static void
a_cordon_says_who_and_why_and_may_be_repeated(void **state)
{
	struct rig *r = *state;
	struct store_host host;

	host_make(r, "h1");
	OK(r, store_host_cordon(r->s, "h1", true, "disk", "ann", &r->err));
	OK(r, store_host_cordon(r->s, "h1", true, "other", "bob", &r->err));
	host = host_of(r, "h1");
	assert_true(host.cordoned);
	assert_string_equal(host.cordoned_by, "ann");
	assert_string_equal(host.cordon_reason, "disk");
	assert_true(host.cordoned_us > 0);
	OK(r, store_host_cordon(r->s, "h1", false, "", "bob", &r->err));
	OK(r, store_host_cordon(r->s, "h1", false, "", "bob", &r->err));
	host = host_of(r, "h1");
	assert_false(host.cordoned);
	assert_string_equal(host.cordoned_by, "");
	OK(r, store_host_remove(r->s, "h1", false, "me", &r->err));
	OK(r, store_host_cordon(r->s, "h1", true, "late", "ann", &r->err));
	assert_false(host_of(r, "h1").cordoned);
	FAILS(r, ERR_NOT_FOUND, store_host_cordon(r->s, "nobody", true, "", "ann", &r->err));
}

static void
a_cordon_survives_a_hello(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");

	OK(r, store_host_cordon(r->s, "h1", true, "disk", "ann", &r->err));
	h.start_no = 2;
	h.instance_id = id_new();
	hello_say(r, &h);
	assert_true(host_of(r, "h1").cordoned);
}

static void
a_host_with_executors_is_removed_only_with_confirm_K29(void **state)
{
	struct rig *r = *state;
	struct store_executor e;
	struct store_session s;
	struct store_host host;
	char *before;

	host_make(r, "h1");
	session_make(r, "web", 2);
	place_all(r, "h1");
	before = dump(r);
	FAILS(r, ERR_CONFLICT, store_host_remove(r->s, "h1", false, "me", &r->err));
	assert_string_equal(before, dump(r));
	assert_int_equal(host_of(r, "h1").state, HOST_READY);
	OK(r, store_host_remove(r->s, "h1", true, "me", &r->err));
	host = host_of(r, "h1");
	assert_int_equal(host.state, HOST_RETIRED);
	assert_int_equal(host.used.slots, 0);
	assert_int_equal(host.executors, 0);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.state, EXECUTOR_LOST);
	assert_true(e.ended_us > 0);
	OK(r, store_session_get(r->s, "web", r->a, &s, &r->err));
	assert_int_equal(s.counters[EXECUTOR_LOST], 2);
	assert_int_equal(s.counters[EXECUTOR_PLACED], 0);
	OK(r, store_host_remove(r->other, "h1", false, "me", &r->err));
	FAILS(r, ERR_NOT_FOUND, store_host_remove(r->s, "nobody", true, "me", &r->err));
}

static void
retired_hosts_are_listed_only_with_all(void **state)
{
	struct rig *r = *state;
	struct store_host *rows;
	size_t n;

	host_make(r, "h2");
	host_make(r, "h1");
	host_make(r, "h3");
	OK(r, store_host_remove(r->s, "h2", false, "me", &r->err));
	OK(r, store_host_list(r->s, NULL, false, "", 10, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].host_id, "h1");
	OK(r, store_host_list(r->s, "default", true, "h1", 1, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].host_id, "h2");
	OK(r, store_host_list(r->s, "gold", true, "", 10, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 0);
	OK(r, store_fleet_load(r->s, "default", r->a, &rows, &n, &r->err));
	assert_int_equal(n, 2);
}

static void
ping_tells_the_database_clock(void **state)
{
	struct rig *r = *state;
	int64_t first, second;

	OK(r, store_ping(r->s, &first, &r->err));
	OK(r, store_ping(r->other, &second, &r->err));
	assert_true(first > 0 && second >= first);
}

const struct CMUnitTest contract_host_tests[] = {
    TEST(a_sync_of_another_epoch_is_answered_hello_required_K2),
    TEST(a_sync_gives_the_newest_item_of_every_executor_in_pages_K11),
    TEST(as_of_is_read_before_the_first_page_and_stays_K11),
    TEST(a_sync_filters_by_contiguous_seq_and_nothing_else_K11),
    TEST(heads_answer_heartbeats_of_many_hosts_at_once_K11),
    TEST(the_rows_have_a_digest_per_host_K19),
    TEST(liveness_only_moves_forward),
    TEST(a_cordon_says_who_and_why_and_may_be_repeated),
    TEST(a_cordon_survives_a_hello),
    TEST(a_host_with_executors_is_removed_only_with_confirm_K29),
    TEST(retired_hosts_are_listed_only_with_all),
    TEST(ping_tells_the_database_clock),
};
const size_t contract_host_count = COUNT_OF(contract_host_tests);
