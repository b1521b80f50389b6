/* What placement honours besides room, with real schedulers (P3, P9). */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "rig.h"

static const struct resources large = {INT64_C(1) << 40, INT64_C(1) << 40, 1, 1, 100000};

#define RUNNING "SELECT count(*) FROM executor WHERE state = 70"
#define LIVING_ON "SELECT count(*) FROM executor WHERE rank BETWEEN 20 AND 89 AND host_id LIKE '%s'"

static void
host_in(struct rig *r, const char *host_id, const char *zone)
{
	const struct label labels[] = {{"zone", zone}};
	struct store_hello hello = hello_of(r, host_id, large);

	hello.labels = labels;
	hello.label_count = 1;
	host_hello(r, &hello);
}

static long
living_on(struct rig *r, const char *hosts)
{
	char sql[128];

	snprintf(sql, sizeof(sql), LIVING_ON, hosts);
	return query(r, sql);
}

static void
scale(struct rig *r, struct store_session_new *n, uint32_t replicas)
{
	struct store_session session;

	n->replicas = replicas;
	if (store_session_update(r->store, n, 0, false, r->arena, &session, &r->err) != 0)
		fail_msg("%s", r->err.text);
	nudge(r);
}

/* More than one pass of the queue, a scale in between, and another leader. */
static void
a_spread_holds_over_passes_and_leaders_P3(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 1200, 60000);
	char host[16];

	for (int i = 0; i < 12; i++) {
		snprintf(host, sizeof(host), "%s%d", i < 7 ? "a" : i < 11 ? "b" : "c", i);
		host_in(r, host, i < 7 ? "a" : i < 11 ? "b" : "c");
	}
	host_make(r, "nowhere", large);
	n.spread_by = "zone";
	n.spread_skew = 1;
	scheduler_start(r, 0, NULL);
	session_declare(r, &n);
	eventually(r, RUNNING, 1200, PATIENCE_MS);
	assert_int_equal(living_on(r, "a%"), 400);
	assert_int_equal(living_on(r, "b%"), 400);
	assert_int_equal(living_on(r, "c%"), 400);
	scheduler_signal(r, 0, SIGKILL);
	scheduler_wait(r, 0);
	scheduler_start(r, 1, NULL);
	scale(r, &n, 1203);
	eventually(r, RUNNING, 1203, PATIENCE_MS);
	assert_int_equal(living_on(r, "a%"), 401);
	assert_int_equal(living_on(r, "b%"), 401);
	assert_int_equal(living_on(r, "c%"), 401);
	assert_int_equal(living_on(r, "nowhere"), 0);
	verify_clean(r);
}

static void
anti_affinity_says_why_and_goes_on_when_a_host_comes_P3(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 4, 60000);
	struct store_why *why;
	size_t count;

	for (int i = 0; i < 3; i++) {
		char host[16];

		snprintf(host, sizeof(host), "h%d", i);
		host_make(r, host, large);
	}
	n.apart_by = "host";
	n.apart_max = 1;
	scheduler_start(r, 0, NULL);
	session_declare(r, &n);
	eventually(r, "SELECT count(*) FROM placement_queue WHERE why = '{\"anti-affinity\": 3}'",
	    1, PATIENCE_MS);
	assert_int_equal(store_session_why(r->store, "web", r->arena, &why, &count, &r->err), 0);
	assert_int_equal(count, 1);
	assert_string_equal(why[0].reason, "anti-affinity");
	assert_int_equal(why[0].hosts, 3);
	assert_int_equal(query(r, "SELECT count(DISTINCT host_id) FROM host_executor"), 3);
	host_make(r, "h3", large);
	nudge(r);
	eventually(r, RUNNING, 4, PATIENCE_MS);
	assert_int_equal(query(r, "SELECT count(DISTINCT host_id) FROM host_executor"), 4);
	verify_clean(r);
}

static void
every_reason_is_counted_by_hosts_P3(void **state)
{
	static const struct store_driver broken[] = {{"process", "no shim", false, false, false}};
	static const struct store_driver other[] = {{"fake", "", true, true, true}};
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 1, 60000);
	struct store_hello hello;

	n.needs = "restart";
	n.spread_by = "zone";
	n.spread_skew = 1;
	n.selector = "!edge";
	host_make(r, "old-1", large);
	host_make(r, "old-2", large);
	hello = hello_of(r, "unlabelled", large);
	hello.capabilities = "restart";
	host_hello(r, &hello);
	hello = hello_of(r, "broken", large);
	hello.drivers = broken;
	host_hello(r, &hello);
	hello = hello_of(r, "other", large);
	hello.drivers = other;
	host_hello(r, &hello);
	hello = hello_of(r, "edge", large);
	hello.labels = &(const struct label){"edge", "yes"};
	hello.label_count = 1;
	host_hello(r, &hello);
	(void)query(r, "INSERT INTO pool (name) VALUES ('elsewhere')");
	hello = hello_of(r, "elsewhere", large);
	hello.pool = "elsewhere";
	hello.capabilities = "restart";
	hello.labels = &(const struct label){"zone", "a"};
	hello.label_count = 1;
	host_hello(r, &hello);
	scheduler_start(r, 0, NULL);
	session_declare(r, &n);
	eventually(r,
	    "SELECT count(*) FROM placement_queue WHERE why = '{\"capability missing\": 2,"
	    " \"label missing\": 1, \"driver unusable\": 1, \"driver missing\": 1, \"selector\": "
	    "1}'",
	    1, PATIENCE_MS);
	/* The one that fits in everything. */
	hello.host_id = "good";
	hello.pool = "default";
	host_hello(r, &hello);
	nudge(r);
	eventually(r, RUNNING, 1, PATIENCE_MS);
	assert_int_equal(living_on(r, "good"), 1);
	verify_clean(r);
}

/* It is avoided, also by the next leader, for as long as others have room; then it is better than
 * none. */
static void
a_rejecting_host_is_avoided_for_that_session_P9(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 1, 60000);

	host_make(r, "reject", large);
	scheduler_start(r, 0, NULL);
	session_declare(r, &n);
	eventually(r, "SELECT count(*) FROM avoided WHERE host_id = 'reject'", 1, PATIENCE_MS);
	host_make(r, "spare", (struct resources){.cpu_millis = 1000, .slots = 3});
	scheduler_signal(r, 0, SIGKILL);
	scheduler_wait(r, 0);
	scheduler_start(r, 1, NULL);
	scale(r, &n, 3);
	eventually(r, RUNNING, 3, PATIENCE_MS);
	/* Nobody was sent to it again but by what was on its way before. */
	assert_int_equal(living_on(r, "spare"), 3);
	assert_int_equal(
	    query(r, "SELECT count(*) FROM executor WHERE idx > 0 AND host_id = 'reject'"), 0);
	scale(r, &n, 4);
	eventually(r, "SELECT count(*) FROM executor WHERE idx = 3 AND host_id = 'reject'", 1,
	    PATIENCE_MS);
	verify_clean(r);
}

/* To other sessions it is as good as any. */
static void
a_host_is_avoided_by_no_other_session_P9(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 1, 60000);

	host_make(r, "reject", large);
	scheduler_start(r, 0, NULL);
	session_declare(r, &n);
	eventually(r, "SELECT count(*) FROM avoided", 1, PATIENCE_MS);
	session_make(r, "other", 1, 60000);
	eventually(r,
	    "SELECT count(DISTINCT e.session_id) FROM executor e WHERE e.host_id = 'reject'", 2,
	    PATIENCE_MS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_spread_holds_over_passes_and_leaders_P3),
	    TEST(anti_affinity_says_why_and_goes_on_when_a_host_comes_P3),
	    TEST(every_reason_is_counted_by_hosts_P3),
	    TEST(a_rejecting_host_is_avoided_for_that_session_P9),
	    TEST(a_host_is_avoided_by_no_other_session_P9),
	};

	return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
