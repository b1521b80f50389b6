/* What a report and a hello find in rows that no public function makes, and leave in those that
 * none shows: each store brings its own way in (struct store_factory). */
#include <stdlib.h>
#include <string.h>

#include "contract_hub.h"

/* ---- E1 ---- */

#define EVENTS 11 /* ten states of hosts, and none */
#define INCARNATIONS 3
#define STANDING_INCARNATION 2

static enum executor_state
event_of(uint32_t index)
{
	uint32_t wanted = index % EVENTS, seen = 0;

	for (size_t i = 0; i < executor_states_count; i++) {
		if (executor_states[i].writer == STATE_WRITER_HOST && seen++ == wanted)
			return executor_states[i].state;
	}
	return EXECUTOR_NONE;
}

/* Placed executors made to stand in every state by hand, EVENTS of each: some have no public way
 * in. */
static struct store_executor *
stand_everywhere(struct rig *r, const char *session, uint32_t n)
{
	struct store_executor *rows;
	enum executor_state *states = arena_calloc(r->a, n, sizeof(*states));
	struct id *ids = arena_calloc(r->a, n, sizeof(*ids));
	size_t count;

	assert_true(states && ids);
	session_make(r, session, n);
	assert_int_equal(place_all(r, "h1"), n);
	rows = executors_of(r, session, &count);
	assert_int_equal(count, n);
	for (size_t i = 0; i < n; i++) {
		ids[i] = rows[i].executor_id;
		states[i] = executor_states[rows[i].index / EVENTS].state;
	}
	r->factory->executors_stand(r->cell, ids, states, n, STANDING_INCARNATION);
	rows = executors_of(r, session, &count);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(rows[i].state, executor_states[rows[i].index / EVENTS].state);
	return rows;
}

static void
pair_check(const struct store_executor *before, const struct store_executor *after,
    const struct report *report)
{
	bool owned = before->host_id[0] != '\0'; /* QUEUED: no host may speak of it */
	bool advances = owned && report_advances(before->state, before->incarnation, report);

	if (report->state != EXECUTOR_NONE && report->incarnation == before->incarnation)
		assert_int_equal(advances,
		    executor_edge_allowed(before->state, report->state, STATE_WRITER_HOST) &&
			!executor_state_ended(before->state));
	assert_int_equal(after->state, advances ? report->state : before->state);
	assert_int_equal(after->incarnation, advances ? report->incarnation : before->incarnation);
	assert_string_equal(after->reason, advances ? "event" : before->reason);
	assert_int_equal(after->ended_us > 0, advances && executor_state_ended(report->state));
}

static void
every_state_and_event_gets_the_verdict_of_the_c_rules_E1(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	uint32_t n = (uint32_t)executor_states_count * EVENTS;

	for (uint32_t incarnation = 1; incarnation <= INCARNATIONS; incarnation++) {
		struct store_executor *before, *after;
		struct report *reports = arena_calloc(r->a, n, sizeof(*reports));
		const char *session = arena_printf(r->a, "web-%u", incarnation);
		size_t count;

		before = stand_everywhere(r, session, n);
		for (uint32_t i = 0; i < n; i++) {
			reports[i] = report_of(&before[i], &h, event_of(before[i].index));
			reports[i].accepted_generation = 0;
			reports[i].incarnation = incarnation;
			reports[i].reason = "event";
		}
		join(r, reports, n);
		after = executors_of(r, session, &count);
		for (uint32_t i = 0; i < n; i++)
			pair_check(&before[i], &after[i], &reports[i]);
	}
}

/* ---- rows behind the contract ---- */

static const char *
rows_text(struct rig *r)
{
	char *text = r->factory->rows(r->cell);
	const char *copy = arena_strdup(r->a, text);

	free(text);
	assert_non_null(copy);
	return copy;
}

static void
replaying_the_stream_leaves_every_row_as_it_was_R5(void **state)
{
	static const enum executor_state life[] = {EXECUTOR_ACCEPTED, EXECUTOR_STARTING,
	    EXECUTOR_RUNNING, EXECUTOR_STOPPING, EXECUTOR_STOPPED};
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor *rows;
	const char *before = "";
	size_t n;

	session_make(r, "web", 40);
	place_all(r, "h1");
	rows = executors_of(r, "web", &n);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < COUNT_OF(life); i++) {
			struct report reports[40];

			for (size_t e = 0; e < n; e++)
				reports[e] = report_of(&rows[e], &h, life[i]);
			assert_int_equal(join(r, reports, n).applied, pass == 0 ? n : 0);
		}
		if (pass == 0)
			before = rows_text(r);
	}
	assert_string_equal(before, rows_text(r));
}

static void
an_ended_and_gone_executor_is_on_the_schedulers_work_lists_K14(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;
	struct report report;
	size_t ended, gone;

	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	report = report_of(&e, &h, EXECUTOR_STOPPED);
	join_one(r, report);
	r->factory->work_count(r->cell, &ended, &gone);
	assert_int_equal(ended, 1);
	assert_int_equal(gone, 0);
	report.gone_generation = e.generation;
	join_one(r, report);
	r->factory->work_count(r->cell, &ended, &gone);
	assert_int_equal(ended, 1);
	assert_int_equal(gone, 1);
}

/* Kinds of published events that begin with prefix, or of all the others; without placements. */
static const char *
kinds(struct rig *r, const char *prefix, bool others)
{
	struct store_event_query q = {.limit = 1000};
	const char *text = "";
	struct store_event *rows;
	size_t n;
	struct store_event_bounds bounds;

	OK(r, store_event_list(r->s, &q, r->a, &rows, &n, &bounds, &r->err));
	for (size_t i = 0; i < n; i++) {
		bool begins = strncmp(rows[i].kind, prefix, strlen(prefix)) == 0;

		if (begins != others && strcmp(rows[i].kind, "executor.placed") != 0)
			text = arena_printf(r->a, "%s%s%s", text, *text ? " " : "", rows[i].kind);
	}
	return text;
}

static void
events_tell_what_people_care_about_once(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_executor e;
	struct report report;
	size_t n;

	session_make(r, "web", 1);
	place_all(r, "h1");
	e = executor_of(r, "web", 0);
	for (int pass = 0; pass < 2; pass++) {
		join_one(r, report_of(&e, &h, EXECUTOR_STARTING));
		join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
		report = report_of(&e, &h, EXECUTOR_FAILED);
		report.exit_code = 3;
		join_one(r, report);
		report.state = EXECUTOR_STOPPED;
		join_one(r, report);
	}
	OK(r, store_event_publish(r->s, &r->lease, NULL, &n, &r->newest_event, NULL, &r->err));
	assert_string_equal(
	    kinds(r, "executor.", false), "executor.running executor.failed executor.late_outcome");
	assert_string_equal(kinds(r, "executor.", true), "host.ready session.created");
}

static void
a_lost_host_is_ready_again_by_a_hello_and_by_nothing_else_K2(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_sync q = {.host_id = "h1", .limit = 10};
	struct store_sync_page page;
	struct store_host host;

	r->factory->host_stand(r->cell, "h1", HOST_LOST);
	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	q.epoch = host.epoch;
	OK(r, store_host_sync(r->s, &q, r->a, &page, &r->err));
	assert_true(page.hello_required);
	h.hello_no = 2;
	assert_int_equal(hello_say(r, &h).verdict, STORE_HELLO_ACCEPTED);
	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	assert_int_equal(host.state, HOST_READY);
	assert_int_equal(host.suspect_since_us, 0);
}

static void
an_unknown_id_of_an_older_term_keeps_running_K6(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct id ids[2] = {id_new(), id_new()};
	uint64_t generations[2] = {7, (UINT64_C(1) << 40) + 1}, epoch;
	struct store_hello_answer a;
	struct store_host host;

	epoch = hello_say(r, &h).epoch;
	r->factory->term_set(r->cell, 1);
	h.record_ids = ids;
	h.record_generations = generations;
	h.record_count = 2;
	h.hello_no = 2;
	a = hello_say(r, &h);
	assert_int_equal(a.absent_count, 1);
	assert_true(id_equal(&a.absent[0].executor_id, &ids[1]));
	assert_int_equal(a.unknown_count, 1);
	assert_true(id_equal(&a.unknown[0].executor_id, &ids[0]));
	assert_int_equal(a.unknown[0].generation, 7);
	assert_true(a.epoch >> 40 == 1); /* a new term raises every epoch */
	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	assert_true(host.host_seq >> 40 == 1); /* and every number a command may get */
	assert_true(a.epoch > epoch);
}

static void
labels_of_operators_overlay_and_survive_A8(void **state)
{
	struct rig *r = *state;
	const struct label labels[] = {{"disk", "hdd"}, {"zone", "a"}};
	struct store_hello h = hello_of("h1", id_new());
	struct store_host host;

	h.labels = labels;
	h.label_count = COUNT_OF(labels);
	hello_say(r, &h);
	r->factory->label_set(r->cell, "h1", "zone", "b");
	r->factory->label_set(r->cell, "h1", "rack", "7");
	h.hello_no = 2;
	hello_say(r, &h);
	OK(r, store_host_get(r->s, "h1", r->a, &host, &r->err));
	assert_int_equal(host.label_count, 3);
	for (size_t i = 0; i < host.label_count; i++) {
		if (strcmp(host.labels[i].key, "zone") == 0)
			assert_string_equal(host.labels[i].value, "b");
	}
}

const struct CMUnitTest contract_row_tests[] = {
    TEST(every_state_and_event_gets_the_verdict_of_the_c_rules_E1),
    TEST(replaying_the_stream_leaves_every_row_as_it_was_R5),
    TEST(an_ended_and_gone_executor_is_on_the_schedulers_work_lists_K14),
    TEST(events_tell_what_people_care_about_once),
    TEST(a_lost_host_is_ready_again_by_a_hello_and_by_nothing_else_K2),
    TEST(an_unknown_id_of_an_older_term_keeps_running_K6),
    TEST(labels_of_operators_overlay_and_survive_A8),
};
const size_t contract_row_count = COUNT_OF(contract_row_tests);
