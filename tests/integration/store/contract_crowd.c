/* What placement reads of a session: what it asks of hosts, where its executors are, which hosts
 * failed it (P3, P9). */
#include <string.h>

#include "contract_schedule.h"

#define HALF_LIFE_MS (INT64_C(5) * 60 * 1000)

static struct store_presence *
presence(struct rig *r, const struct id *ids, size_t n, size_t *ret_n)
{
	struct store_presence *rows;

	OK(r, store_presence_load(r->s, ids, n, r->a, &rows, ret_n, &r->err));
	return rows;
}

/* Executors of one session on one host. */
static uint32_t
there(struct rig *r, const struct id *session_id, const char *host_id)
{
	size_t n;
	struct store_presence *rows = presence(r, session_id, 1, &n);

	for (size_t i = 0; i < n; i++) {
		assert_true(id_equal(&rows[i].session_id, session_id));
		if (strcmp(rows[i].host_id, host_id) == 0)
			return rows[i].count;
	}
	return 0;
}

static struct store_avoided
avoided(struct rig *r, const struct id *session_id, const char *host_id)
{
	struct store_avoided *rows;
	size_t n;

	OK(r, store_avoided_load(r->s, session_id, 1, r->a, &rows, &n, &r->err));
	for (size_t i = 0; i < n; i++) {
		if (strcmp(rows[i].host_id, host_id) == 0)
			return rows[i];
	}
	return (struct store_avoided){0};
}

static void
assert_about(int64_t is, int64_t wanted)
{
	if (is < wanted - wanted / 20 || is > wanted)
		fail_msg("%lld, not about %lld", (long long)is, (long long)wanted);
}

/* ---- what is asked ---- */

static void
what_placement_asks_comes_with_the_queue_and_with_each_template_P3(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 1);
	struct store_session s;
	struct store_queued *rows;
	uint64_t last;
	size_t count;
	bool existed;

	n.needs = "restart";
	n.spread_by = "zone";
	n.spread_skew = 2;
	n.apart_by = "host";
	n.apart_max = 3;
	OK(r, store_session_create(r->s, &n, r->a, &s, &existed, &r->err));
	session_make(r, "plain", 1);
	OK(r, store_queue_load(r->s, "default", 0, r->a, &rows, &count, &last, &r->err));
	assert_int_equal(count, 2);
	assert_string_equal(rows[0].needs, "restart");
	assert_string_equal(rows[0].spread_by, "zone");
	assert_int_equal(rows[0].spread_skew, 2);
	assert_string_equal(rows[0].apart_by, "host");
	assert_int_equal(rows[0].apart_max, 3);
	assert_string_equal(rows[1].needs, "");
	assert_string_equal(rows[1].spread_by, "");
	assert_string_equal(rows[1].apart_by, "");
	n.spread_by = "rack";
	n.apart_by = NULL;
	n.replicas = 2;
	OK(r, store_session_update(r->s, &n, 0, true, r->a, &s, &r->err));
	lease_take(r);
	fold_all(r);
	OK(r, store_queue_load(r->s, "default", 0, r->a, &rows, &count, &last, &r->err));
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rows[i].session, "web") != 0 || rows[i].revision == 1)
			continue;
		assert_string_equal(rows[i].spread_by, "rack");
		assert_string_equal(rows[i].apart_by, "");
		return;
	}
	fail_msg("nobody of the new template is queued");
}

static void
a_host_says_what_its_agent_can_P3(void **state)
{
	struct rig *r = *state;
	struct store_hello h = hello_of("h1", id_new());
	struct store_host *rows;
	size_t n;

	h.capabilities = "restart stop_on_host_after";
	assert_int_equal(hello_say(r, &h).verdict, STORE_HELLO_ACCEPTED);
	OK(r, store_fleet_load(r->s, "default", r->a, &rows, &n, &r->err));
	assert_int_equal(n, 1);
	assert_string_equal(rows[0].capabilities, "restart stop_on_host_after");
}

/* ---- where they are ---- */

static void
executors_count_where_they_are_by_session_and_host_P3(void **state)
{
	struct rig *r = *state;
	struct id ids[3];
	struct store_presence *rows;
	size_t n;

	host_make(r, "h2");
	host_make(r, "h1");
	ids[0] = session_make(r, "web", 3).session_id;
	place_all(r, "h2");
	ids[1] = session_make(r, "db", 2).session_id;
	place_all(r, "h1");
	ids[2] = session_make(r, "waits", 2).session_id;
	rows = presence(r, ids, 3, &n);
	assert_int_equal(n, 2);
	assert_int_equal(there(r, &ids[0], "h2"), 3);
	assert_int_equal(there(r, &ids[1], "h1"), 2);
	assert_true(id_compare(&rows[0].session_id, &rows[1].session_id) < 0);
	presence(r, ids, 0, &n);
	assert_int_equal(n, 0);
}

static void
who_has_ended_counts_until_its_room_is_free_P3(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct id id = session_make(r, "web", 2).session_id;
	struct store_executor e;

	lease_take(r);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_SUCCEEDED));
	assert_int_equal(there(r, &id, "h1"), 2);
	fold_all(r);
	assert_int_equal(there(r, &id, "h1"), 1);
}

/* A host that is away may hold them for ever; one that is back lets go of them soon. */
static void
who_was_given_up_counts_on_a_host_that_is_back_P3(void **state)
{
	struct rig *r = *state;
	struct id id, executor;
	const enum executor_state lost = EXECUTOR_LOST;

	host_make(r, "h1");
	id = session_make(r, "web", 1).session_id;
	place_all(r, "h1");
	executor = executor_of(r, "web", 0).executor_id;
	r->factory->host_stand(r->cell, "h1", HOST_SUSPECT);
	assert_int_equal(there(r, &id, "h1"), 1);
	r->factory->executors_stand(r->cell, &executor, &lost, 1, 1);
	assert_int_equal(there(r, &id, "h1"), 0);
	r->factory->host_stand(r->cell, "h1", HOST_READY);
	assert_int_equal(there(r, &id, "h1"), 1);
}

/* ---- hosts that failed ---- */

static void
a_bad_end_counts_against_its_host_for_its_session_once_P9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct id web = session_make(r, "web", 4).session_id, db;
	struct store_executor e[4], other;

	lease_take(r);
	place_all(r, "h1");
	db = session_make(r, "db", 1).session_id;
	place_all(r, "h1");
	for (uint32_t i = 0; i < 4; i++)
		e[i] = executor_of(r, "web", i);
	other = executor_of(r, "db", 0);
	join_one(r, report_of(&e[0], &h, EXECUTOR_REJECTED));
	join_one(r, report_of(&e[1], &h, EXECUTOR_FAILED));
	join_one(r, report_of(&e[2], &h, EXECUTOR_SUCCEEDED));
	join_one(r, report_of(&other, &h, EXECUTOR_SUCCEEDED));
	assert_int_equal(avoided(r, &web, "h1").ends, 0); /* the scheduler has not seen it */
	fold_all(r);
	fold_all(r);
	assert_int_equal(avoided(r, &web, "h1").ends, 2);
	assert_about(avoided(r, &web, "h1").weight, 2000);
	assert_true(avoided(r, &web, "h1").last_us > 0);
	assert_int_equal(avoided(r, &db, "h1").ends, 0);
	verify_clean(r);
}

static void
what_somebody_wished_counts_against_nobody_P9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct id web = session_make(r, "web", 2).session_id;
	struct store_executor e[2];

	lease_take(r);
	place_all(r, "h1");
	e[0] = executor_of(r, "web", 0);
	OK(r, store_executor_stop(r->s, &e[0].executor_id, false, "t", &r->err));
	fold_all(r);
	e[0] = executor_of(r, "web", 0);
	e[1] = executor_of(r, "web", 1);
	join_one(r, report_of(&e[0], &h, EXECUTOR_FAILED));
	join_one(r, report_of(&e[1], &h, EXECUTOR_STOPPED)); /* by the host alone (K24) */
	fold_all(r);
	assert_int_equal(avoided(r, &web, "h1").ends, 1);
}

static void
who_is_lost_counts_and_so_does_who_is_gone_without_an_end_P9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct id web = session_make(r, "web", 1).session_id;
	struct store_executor e;
	struct report report;

	lease_take(r);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	report = report_of(&e, &h, EXECUTOR_NONE);
	report.gone_generation = e.generation;
	join_one(r, report);
	fold_all(r);
	assert_int_equal(executor_of(r, "web", 0).attempt, 2);
	assert_int_equal(avoided(r, &web, "h1").ends, 1);
}

static void
the_weight_halves_with_time_and_is_forgotten_P9(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct id web = session_make(r, "web", 2).session_id;
	struct store_executor e = {0};

	lease_take(r);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_REJECTED));
	fold_all(r);
	assert_about(avoided(r, &web, "h1").weight, 1000);
	r->factory->avoided_age(r->cell, HALF_LIFE_MS);
	assert_about(avoided(r, &web, "h1").weight, 500);
	e = executor_of(r, "web", 1);
	join_one(r, report_of(&e, &h, EXECUTOR_REJECTED));
	fold_all(r);
	assert_about(avoided(r, &web, "h1").weight, 1500);
	r->factory->avoided_age(r->cell, 2 * HALF_LIFE_MS);
	assert_about(avoided(r, &web, "h1").weight, 375);
	r->factory->avoided_age(r->cell, 3 * HALF_LIFE_MS);
	assert_int_equal(avoided(r, &web, "h1").ends, 1); /* the older is six half-lives ago */
	r->factory->avoided_age(r->cell, HALF_LIFE_MS);
	assert_int_equal(avoided(r, &web, "h1").ends, 0);
}

const struct CMUnitTest contract_crowd_tests[] = {
    TEST(what_placement_asks_comes_with_the_queue_and_with_each_template_P3),
    TEST(a_host_says_what_its_agent_can_P3),
    TEST(executors_count_where_they_are_by_session_and_host_P3),
    TEST(who_has_ended_counts_until_its_room_is_free_P3),
    TEST(who_was_given_up_counts_on_a_host_that_is_back_P3),
    TEST(a_bad_end_counts_against_its_host_for_its_session_once_P9),
    TEST(what_somebody_wished_counts_against_nobody_P9),
    TEST(who_is_lost_counts_and_so_does_who_is_gone_without_an_end_P9),
    TEST(the_weight_halves_with_time_and_is_forgotten_P9),
};
const size_t contract_crowd_count = COUNT_OF(contract_crowd_tests);
