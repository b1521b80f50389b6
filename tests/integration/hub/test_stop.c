/* A hub that is told to stop while questions wait for their answers (R7). */
#include "test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "bus.h"
#include "clock.h"
#include "err.h"
#include "hub.h"
#include "hub_metrics.h"
#include "metrics.h"
#include "migrated.h"
#include "postgres_server.h"
#include "wait.h"

#define PATIENCE_MS 15000
#define INBOX "answers.here"

struct rig {
	struct postgres_server *postgres;
	struct metrics *metrics;
	struct hub hub;
	char *url;
	struct err err;
};

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->postgres = postgres_server_new(migrated);
	r->url = strdup(postgres_server_clone(r->postgres));
	r->metrics = metrics_new();
	r->hub = (struct hub){.settings = {.instance = "test",
				  .prefix = "fl",
				  .database_url = r->url,
				  .database_role = "fairlead_hub",
				  .api_workers = 1},
	    .bus = bus_memory_new(clock_system(), false),
	    .metrics = hub_metrics_new(r->metrics)};
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;

	bus_free(r->hub.bus);
	hub_metrics_free(r->hub.metrics);
	metrics_free(r->metrics);
	postgres_server_free(r->postgres);
	free(r->url);
	free(r);
	return 0;
}

struct answers {
	struct bus_sub *sub;
	atomic_uint good, refused;
};

static void
answered(void *arg, const struct bus_msg *m)
{
	struct answers *a = arg;

	atomic_fetch_add(bus_msg_header(m, "Nats-Service-Error") ? &a->refused : &a->good, 1);
}

#define OTHERS 20

static bool
all_are_answered(void *arg)
{
	const struct answers *a = arg;

	return atomic_load(&a->good) + atomic_load(&a->refused) == OTHERS + 1;
}

static void
ask(struct rig *r, const char *subject, const char *body)
{
	const struct bus_out out = {
	    .subject = subject, .reply = INBOX, .data = body, .size = strlen(body)};

	assert_int_equal(bus_publish(r->hub.bus, &out, &r->err), 0);
}

/* One worker: the others wait behind the one that another transaction holds up. */
static void
one_that_waits_for_a_lock_costs_the_others_no_answer_R7(void **state)
{
	struct rig *r = *state;
	struct answers answers = {0};
	struct api_service *s;

	assert_int_equal(
	    bus_subscribe(r->hub.bus, INBOX, NULL, 0, answered, &answers, &answers.sub, &r->err),
	    0);
	assert_int_equal(api_start(&r->hub, &s, &r->err), 0);
	postgres_query(r->url,
	    "BEGIN; LOCK TABLE session IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'other'");
	ask(r, "fl.api.v1.session.get", "{\"name\":\"web\"}");
	for (unsigned i = 0; i < OTHERS; i++)
		ask(r, "fl.api.v1.host.list", "{}");
	api_stop(s);
	assert_true(test_wait_until(all_are_answered, &answers, PATIENCE_MS));
	assert_int_equal(answers.refused, 1);
	assert_int_equal(answers.good, OTHERS);
	postgres_query(r->url, "ROLLBACK PREPARED 'other'");
	bus_unsubscribe(answers.sub);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		one_that_waits_for_a_lock_costs_the_others_no_answer_R7, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
