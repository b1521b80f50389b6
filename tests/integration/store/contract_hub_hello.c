/* Hello: one test per sentence of K1 to K6, and the pool rule of K16. */
#include <pthread.h>
#include <string.h>

#include "contract_hub.h"
#include "digest.h"

/* What the host would say of executors it has accepted and not forgotten. */
static void
hello_name(struct store_hello *h, struct rig *r, const struct store_executor *rows, size_t n)
{
	struct digest d = {0, 0};
	struct id *ids = arena_calloc(r->a, n + 1, sizeof(*ids));
	uint64_t *generations = arena_calloc(r->a, n + 1, sizeof(*generations));

	assert_true(ids && generations);
	for (size_t i = 0; i < n; i++) {
		ids[i] = rows[i].executor_id;
		generations[i] = rows[i].generation;
		digest_add(&d, &ids[i], rows[i].accepted_generation, rows[i].incarnation,
		    executor_state_rank(rows[i].state));
	}
	h->record_ids = ids;
	h->record_generations = generations;
	h->record_count = n;
	h->digest_count = d.count;
	h->digest_sum = d.sum;
}

static void
the_first_hello_makes_a_ready_host(void **state)
{
	struct rig *r = *state;
	struct store_hello h = hello_of("h1", id_new());
	struct store_hello_answer a = hello_say(r, &h);
	struct store_host host = host_of(r, "h1");

	assert_int_equal(a.verdict, STORE_HELLO_ACCEPTED);
	assert_true(a.first_seen);
	assert_true(a.epoch > 0);
	assert_int_equal(host.epoch, a.epoch);
	assert_int_equal(host.state, HOST_READY);
	assert_int_equal(a.absent_count, 0);
	assert_false(a.report_all);
	assert_true(a.now_us > 0);
	assert_true(resources_fit(&host.capacity, &host.used, &h.capacity, NULL));
	assert_int_equal(host.driver_count, 1);
	assert_true(host.drivers[0].enforces_memory);
}

static void
a_lower_start_of_a_journal_is_stale_and_changes_nothing_K1(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1"), old = h;
	uint64_t epoch;

	h.start_no = 5;
	h.instance_id = id_new();
	h.kernel = "new";
	epoch = hello_say(r, &h).epoch;
	old.hello_no = 99;
	old.kernel = "old";
	assert_int_equal(hello_say(r, &old).verdict, STORE_HELLO_STALE);
	assert_int_equal(host_of(r, "h1").epoch, epoch);
	assert_string_equal(host_of(r, "h1").kernel, "new");
}

static void
a_lower_hello_of_a_start_changes_nothing_K1(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1"), old = h;
	struct store_hello_answer a;
	uint64_t epoch;

	h.hello_no = 3;
	h.kernel = "new";
	epoch = hello_say(r, &h).epoch;
	old.hello_no = 2;
	old.kernel = "old";
	a = hello_say(r, &old);
	assert_false(a.epoch_raised);
	assert_int_equal(host_of(r, "h1").epoch, epoch);
	assert_string_equal(host_of(r, "h1").kernel, "new");
}

static void
an_equal_start_of_another_instance_is_refused_K1(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	uint64_t epoch = host_of(r, "h1").epoch;

	h.instance_id = id_new();
	h.hello_no = 2;
	assert_int_equal(hello_say(r, &h).verdict, STORE_HELLO_STALE);
	assert_int_equal(host_of(r, "h1").epoch, epoch);
}

static void
a_new_journal_needs_a_ticket_K1(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1"), next = hello_of("h1", id_new());
	uint64_t epoch = host_of(r, "h1").epoch;
	struct store_hello_answer a = hello_say(r, &next);

	assert_int_equal(a.verdict, STORE_HELLO_TICKET);
	assert_int_equal(a.ticket, epoch);
	assert_int_equal(host_of(r, "h1").epoch, epoch);
	h.hello_no = 2; /* the first one is still current */
	assert_int_equal(hello_say(r, &h).verdict, STORE_HELLO_ACCEPTED);
	next.ticket = a.ticket;
	a = hello_say(r, &next);
	assert_int_equal(a.verdict, STORE_HELLO_ACCEPTED);
	assert_true(a.epoch > epoch);
}

static void
a_delayed_hello_of_a_journal_that_never_was_current_changes_nothing_K1(void **state)
{
	struct rig *r = *state;
	struct store_hello delayed = hello_of("h1", id_new()), next = hello_of("h1", id_new());
	uint64_t epoch;

	host_make(r, "h1");
	delayed.ticket = host_of(r, "h1").epoch;
	next.ticket = delayed.ticket;
	epoch = hello_say(r, &next).epoch;
	assert_int_equal(hello_say(r, &delayed).verdict, STORE_HELLO_TICKET);
	assert_int_equal(host_of(r, "h1").epoch, epoch);
}

static void
a_superseded_journal_is_refused_for_good_K1(void **state)
{
	struct rig *r = *state;
	struct store_hello old = host_make(r, "h1"), next = hello_of("h1", id_new());

	next.ticket = host_of(r, "h1").epoch;
	hello_say(r, &next);
	for (uint64_t start = 1; start < 4; start++) {
		old.start_no = start;
		old.ticket = host_of(r, "h1").epoch;
		assert_int_equal(hello_say(r, &old).verdict, STORE_HELLO_STALE);
	}
	assert_int_equal(hello_say(r, &next).verdict, STORE_HELLO_ACCEPTED);
}

struct speaker {
	struct store *s;
	struct store_hello h;
	struct store_hello_answer answer;
	struct arena *a;
	struct err err;
	int r;
};

static void *
speak(void *arg)
{
	struct speaker *s = arg;

	s->r = store_host_hello(s->s, &s->h, s->a, &s->answer, &s->err);
	return NULL;
}

static void
speak_both(struct rig *r, struct speaker s[2], struct store_hello a, struct store_hello b)
{
	pthread_t threads[2];

	s[0] = (struct speaker){.s = r->s, .h = a, .a = arena_new(0)};
	s[1] = (struct speaker){.s = r->other, .h = b, .a = arena_new(0)};
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, speak, &s[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 2; i++) {
		if (s[i].r != 0)
			fail_msg("%s", s[i].err.text);
		arena_free(s[i].a);
	}
}

static void
concurrent_hellos_serialise_K1(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 20; i++) {
		const char *host = arena_printf(r->a, "h-%u", i);
		struct store_hello a = hello_of(host, id_new()), b = hello_of(host, id_new());
		struct speaker s[2];

		speak_both(
		    r, s, a, b); /* first hellos: one makes the host, the other needs a ticket */
		assert_int_equal(s[0].answer.first_seen + s[1].answer.first_seen, 1);
		assert_int_equal(s[0].answer.verdict == STORE_HELLO_TICKET ||
				     s[1].answer.verdict == STORE_HELLO_TICKET,
		    1);
		a = hello_of(host, id_new());
		b = hello_of(host, id_new());
		a.ticket = b.ticket = host_of(r, host).epoch;
		speak_both(r, s, a, b); /* one ticket, two journals: it is good once */
		assert_int_equal((s[0].answer.verdict == STORE_HELLO_ACCEPTED) +
				     (s[1].answer.verdict == STORE_HELLO_ACCEPTED),
		    1);
	}
}

static void
a_start_raises_the_epoch_and_a_repeated_hello_does_not(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	uint64_t epoch = host_of(r, "h1").epoch;

	assert_int_equal(hello_say(r, &h).epoch, epoch);
	h.hello_no = 2;
	assert_int_equal(hello_say(r, &h).epoch, epoch);
	h.start_no = 2;
	h.instance_id = id_new();
	assert_true(hello_say(r, &h).epoch > epoch);
}

static void
a_removed_host_is_told_that_it_is_retired_K2(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1"), next = hello_of("h1", id_new());

	OK(r, store_host_remove(r->s, "h1", false, "me", &r->err));
	h.hello_no = 2;
	assert_int_equal(hello_say(r, &h).verdict, STORE_HELLO_RETIRED);
	assert_int_equal(host_of(r, "h1").state, HOST_RETIRED);
	next.ticket = hello_say(r, &next).ticket; /* installed anew: welcome */
	assert_int_equal(hello_say(r, &next).verdict, STORE_HELLO_ACCEPTED);
	assert_int_equal(host_of(r, "h1").state, HOST_READY);
}

/* A host with n executors that it has accepted. */
static struct store_hello
host_with_executors(struct rig *r, uint32_t n, struct store_executor **ret)
{
	struct store_hello h = host_make(r, "h1");
	size_t count;

	session_make(r, "web", n);
	place_all(r, "h1");
	*ret = executors_of(r, "web", &count);
	for (size_t i = 0; i < count; i++)
		join_one(r, report_of(&(*ret)[i], &h, EXECUTOR_RUNNING));
	*ret = executors_of(r, "web", &count);
	h.contiguous_seq = host_of(r, "h1").host_seq;
	return h;
}

static void
a_different_digest_asks_for_every_report_K3(void **state)
{
	struct rig *r = *state;
	struct store_executor *rows;
	struct store_hello h = host_with_executors(r, 3, &rows);
	struct store_hello_answer a;

	hello_name(&h, r, rows, 3);
	h.hello_no = 2;
	assert_false(hello_say(r, &h).report_all);
	rows[1].incarnation = 4; /* a restart that we have not heard of */
	hello_name(&h, r, rows, 3);
	h.hello_no = 3;
	a = hello_say(r, &h);
	assert_true(a.report_all);
	assert_int_equal(a.absent_count, 0);
}

static void
the_journal_floor_is_read_once_per_journal_K4(void **state)
{
	struct rig *r = *state;
	struct store_executor *rows;
	struct store_hello h = host_with_executors(r, 1, &rows), next = hello_of("h1", id_new());
	uint64_t floor, seq = host_of(r, "h1").host_seq;

	hello_name(&h, r, rows, 1);
	h.hello_no = 2;
	floor = hello_say(r, &h).journal_floor;
	assert_true(floor < seq);
	h.hello_no = 3;
	assert_int_equal(hello_say(r, &h).journal_floor, floor);
	next.ticket = host_of(r, "h1").epoch;
	assert_int_equal(hello_say(r, &next).journal_floor, seq);
	session_make(r, "db", 1);
	place_all(r, "h1");
	assert_true(host_of(r, "h1").host_seq > seq);
	assert_int_equal(hello_say(r, &next).journal_floor, seq);
}

static void
an_executor_the_host_should_have_and_does_not_name_is_gone_K5(void **state)
{
	struct rig *r = *state;
	struct store_executor *rows, e;
	struct store_hello h = host_with_executors(r, 2, &rows);

	hello_name(&h, r, &rows[1], 1);
	h.hello_no = 2;
	hello_say(r, &h);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.gone_generation, e.generation);
	assert_int_equal(e.state, EXECUTOR_RUNNING); /* what it means is the scheduler's to say */
	assert_int_equal(executor_of(r, "web", 1).gone_generation, 0);
	h.hello_no = 3; /* gone is gone: it is out of the digest, and repeats are harmless */
	assert_false(hello_say(r, &h).report_all);
}

static void
an_executor_whose_command_may_still_be_on_its_way_is_not_gone_K5(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");

	session_make(r, "web", 1);
	place_all(r, "h1");
	h.hello_no = 2; /* contiguous_seq 0: it has journaled nothing */
	hello_say(r, &h);
	assert_int_equal(executor_of(r, "web", 0).gone_generation, 0);
}

static void
a_new_journal_loses_everything_sent_before_it_K5(void **state)
{
	struct rig *r = *state;
	struct store_executor *rows, e;
	struct store_hello next = hello_of("h1", id_new());

	host_with_executors(r, 1, &rows);
	next.ticket = host_of(r, "h1").epoch;
	assert_int_equal(hello_say(r, &next).verdict, STORE_HELLO_ACCEPTED);
	e = executor_of(r, "web", 0);
	assert_int_equal(e.gone_generation, e.generation);
}

static void
a_late_hello_makes_nothing_gone_K1_K5(void **state)
{
	struct rig *r = *state;
	struct store_executor *rows;
	struct store_hello h = host_with_executors(r, 1, &rows), late = h;

	hello_name(&h, r, rows, 1);
	h.hello_no = 5;
	hello_say(r, &h);
	late.hello_no = 4;
	hello_say(r, &late);
	assert_int_equal(executor_of(r, "web", 0).gone_generation, 0);
}

/* The host has exactly one event of a kind, and it names an executor. */
static void
event_names(struct rig *r, const char *kind, const struct id *executor_id)
{
	struct store_event_query q = {.host = "h1", .limit = 100};
	struct store_event *events;
	char hex[ID_HEX_BYTES];
	size_t n, found = 0;
	struct store_event_bounds bounds;

	OK(r, store_event_publish(r->s, &r->lease, NULL, &n, &r->newest_event, NULL, &r->err));
	OK(r, store_event_list(r->s, &q, r->a, &events, &n, &bounds, &r->err));
	for (size_t i = 0; i < n; i++) {
		if (strcmp(events[i].kind, kind) != 0)
			continue;
		found++;
		assert_non_null(strstr(events[i].text, id_to_hex(executor_id, hex)));
	}
	assert_int_equal(found, 1);
}

static void
an_id_we_do_not_know_is_ordered_absent_above_its_generation_and_said_A2_K6(void **state)
{
	struct rig *r = *state;
	struct store_executor *rows, unknown = {.executor_id = id_new(), .generation = 7};
	struct store_hello h = host_with_executors(r, 1, &rows);
	struct store_hello_answer a;

	hello_name(&h, r, (struct store_executor[]){rows[0], unknown}, 2);
	h.hello_no = 2;
	a = hello_say(r, &h);
	assert_int_equal(a.absent_count, 1);
	assert_true(id_equal(&a.absent[0].executor_id, &unknown.executor_id));
	assert_int_equal(a.absent[0].generation, 8);
	event_names(r, "host.unknown_stopped", &unknown.executor_id);
}

static void
a_host_changes_its_pool_only_without_executors_K16(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1"), full;
	struct store_executor *rows;

	h.pool = "gold";
	h.hello_no = 2;
	assert_int_equal(hello_say(r, &h).verdict, STORE_HELLO_ACCEPTED);
	assert_string_equal(host_of(r, "h1").pool, "gold");
	h.pool = "default";
	h.hello_no = 3;
	hello_say(r, &h);
	session_make(r, "web", 1);
	place_all(r, "h1");
	rows = executors_of(r, "web", &(size_t){0});
	full = h;
	hello_name(&full, r, rows, 1);
	full.hello_no = 4;
	full.pool = "gold";
	assert_int_equal(hello_say(r, &full).verdict, STORE_HELLO_REJECTED);
	assert_string_equal(host_of(r, "h1").pool, "default");
	h.start_no = 0; /* old news stay old news, whatever pool they name */
	h.pool = "gold";
	assert_int_equal(hello_say(r, &h).verdict, STORE_HELLO_STALE);
}

static void
a_host_that_registers_again_replaces_its_facts_A8(void **state)
{
	struct rig *r = *state;
	struct store_hello h = hello_of("h1", id_new());
	const struct label before[] = {{"disk", "hdd"}, {"zone", "a"}}, after[] = {{"disk", "ssd"}};
	struct store_host host;
	int64_t first_seen;

	h.labels = before;
	h.label_count = COUNT_OF(before);
	hello_say(r, &h);
	first_seen = host_of(r, "h1").first_seen_us;
	h.labels = after;
	h.label_count = COUNT_OF(after);
	h.hello_no = 2;
	h.capacity.gpus = 3;
	hello_say(r, &h);
	host = host_of(r, "h1");
	assert_int_equal(host.label_count, 1);
	assert_string_equal(host.labels[0].value, "ssd");
	assert_int_equal(host.capacity.gpus, 3);
	assert_int_equal(host.first_seen_us, first_seen);
}

const struct CMUnitTest contract_hello_tests[] = {
    TEST(the_first_hello_makes_a_ready_host),
    TEST(a_lower_start_of_a_journal_is_stale_and_changes_nothing_K1),
    TEST(a_lower_hello_of_a_start_changes_nothing_K1),
    TEST(an_equal_start_of_another_instance_is_refused_K1),
    TEST(a_new_journal_needs_a_ticket_K1),
    TEST(a_delayed_hello_of_a_journal_that_never_was_current_changes_nothing_K1),
    TEST(a_superseded_journal_is_refused_for_good_K1),
    TEST(concurrent_hellos_serialise_K1),
    TEST(a_start_raises_the_epoch_and_a_repeated_hello_does_not),
    TEST(a_removed_host_is_told_that_it_is_retired_K2),
    TEST(a_different_digest_asks_for_every_report_K3),
    TEST(the_journal_floor_is_read_once_per_journal_K4),
    TEST(an_executor_the_host_should_have_and_does_not_name_is_gone_K5),
    TEST(an_executor_whose_command_may_still_be_on_its_way_is_not_gone_K5),
    TEST(a_new_journal_loses_everything_sent_before_it_K5),
    TEST(a_late_hello_makes_nothing_gone_K1_K5),
    TEST(an_id_we_do_not_know_is_ordered_absent_above_its_generation_and_said_A2_K6),
    TEST(a_host_changes_its_pool_only_without_executors_K16),
    TEST(a_host_that_registers_again_replaces_its_facts_A8),
};
const size_t contract_hello_count = COUNT_OF(contract_hello_tests);
