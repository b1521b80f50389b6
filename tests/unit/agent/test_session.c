/* Hello, heartbeat and sync of the host half, rule by rule. */
#include "agent_rig.h"

#define RUN FAIRLEAD__V1__DESIRED__RUN
#define STOP FAIRLEAD__V1__DESIRED__STOP
#define ABSENT FAIRLEAD__V1__DESIRED__ABSENT
#define ACCEPTED FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED
#define G(n) (RIG_TERM | (n))

static int
setup(void **state)
{
	static struct rig rig;

	rig_init(&rig);
	*state = &rig;
	return 0;
}

static int
teardown(void **state)
{
	rig_done(*state);
	return 0;
}

static void
hello_on_wire(struct rig *r)
{
	rig_event(r, AGENT_START);
	rig_event(r, AGENT_CONNECTED);
	assert_non_null(rig_effect(r, AGENT_SEND_HELLO));
}

static void
answer(struct rig *r, Fairlead__V1__HelloVerdict verdict, uint64_t epoch)
{
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;

	m.verdict = verdict;
	m.epoch = epoch;
	m.ticket = epoch;
	rig_answer_hello(r, &m);
}

static void
heartbeat_answer(struct rig *r, Fairlead__V1__HeartbeatVerdict verdict, uint64_t host_seq)
{
	const struct agent_effect *sent = rig_get(r, AGENT_SEND_HEARTBEAT);
	Fairlead__V1__HeartbeatAnswer m = FAIRLEAD__V1__HEARTBEAT_ANSWER__INIT;
	struct agent_event event = {.type = AGENT_HEARTBEAT_ANSWER};
	uint8_t nonce[ID_BYTES];

	memcpy(nonce, sent->u.heartbeat->nonce_id.data, ID_BYTES);
	m.nonce_id = (ProtobufCBinaryData){ID_BYTES, nonce};
	m.verdict = verdict;
	m.epoch = agent_epoch(r->agent);
	m.host_seq = host_seq;
	m.cp_now_us = rig_cp_now(r);
	event.u.heartbeat_answer = &m;
	rig_step(r, &event);
}

static void
until_heartbeat(struct rig *r)
{
	for (int i = 0; i < 100; i++) {
		rig_advance(r, SECOND_US / 10);
		if (rig_effect(r, AGENT_SEND_HEARTBEAT))
			return;
	}
	fail_msg("no heartbeat in ten seconds");
}

/* A heartbeat is answered HELLO_REQUIRED; the hello that follows is on the wire. */
static void
until_hello_required(struct rig *r)
{
	until_heartbeat(r);
	heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED, 0);
	if (!rig_effect(r, AGENT_SEND_HELLO))
		rig_advance(r, SECOND_US);
}

/* ---- hello ---- */

static void
hello_carries_journal_counters_records_and_digest_K3(void **state)
{
	struct rig *r = *state;
	const Fairlead__V1__Hello *m;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_command(r, rig_id(2), G(3), STOP, G(2));
	rig_restart(r);
	hello_on_wire(r);
	m = rig_get(r, AGENT_SEND_HELLO)->u.hello;
	assert_int_equal(m->start_no, 2);
	assert_int_equal(m->hello_no, 2);
	assert_int_equal(m->contiguous_seq, G(2));
	assert_int_equal(m->n_records, 2);
	assert_int_equal(m->digest->count, 2);
	assert_int_equal(m->protocol_revision, AGENT_PROTOCOL_REVISION);
	assert_int_equal(m->ticket, 0);
	assert_int_equal(m->n_drivers, 2);
	assert_int_equal(m->capacity->cpu_millis, 4000);
}

static uint64_t
digest_of_heartbeat(struct rig *r)
{
	while (!rig_effect(r, AGENT_SEND_HEARTBEAT))
		rig_advance(r, SECOND_US / 10);
	return rig_get(r, AGENT_SEND_HEARTBEAT)->u.heartbeat->digest->count;
}

/* hello again, answered with one record that nobody knows there (0: none) */
static void
hello_with_unknown(struct rig *r, uint64_t epoch, unsigned n, uint64_t generation)
{
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;
	Fairlead__V1__HelloRecord record = FAIRLEAD__V1__HELLO_RECORD__INIT;
	Fairlead__V1__HelloRecord *unknown[] = {&record};
	Fairlead__V1__SyncAnswer page = FAIRLEAD__V1__SYNC_ANSWER__INIT;
	struct id id = rig_id(n);

	hello_on_wire(r);
	record.executor_id = (ProtobufCBinaryData){ID_BYTES, id.bytes};
	record.generation = generation;
	m.unknown = unknown;
	m.n_unknown = n ? 1 : 0;
	m.verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED;
	m.epoch = epoch;
	rig_answer_hello(r, &m);
	page.last = true;
	rig_answer_sync(r, &page);
}

static void
what_an_older_term_left_runs_on_outside_the_digest_K6(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_command(r, rig_id(2), G(1), RUN, G(2));
	assert_int_equal(digest_of_heartbeat(r), 2);
	rig_restart(r);
	hello_with_unknown(r, G(2), 2, G(1));
	assert_int_equal(digest_of_heartbeat(r), 1);
	assert_int_equal(rig_record(r, rig_id(2))->state, EXECUTOR_ACCEPTED);
	assert_int_equal(rig_record(r, rig_id(2))->desired, DESIRED_RUN);
	/* an order says that it is known after all */
	rig_command(r, rig_id(2), G(2), STOP, G(3));
	assert_int_equal(digest_of_heartbeat(r), 2);
	/* an answer that is older than the record says nothing about it */
	rig_restart(r);
	hello_with_unknown(r, G(3), 2, G(1));
	assert_int_equal(digest_of_heartbeat(r), 2);
	/* the next answer decides anew */
	rig_restart(r);
	hello_with_unknown(r, G(4), 2, G(2));
	assert_int_equal(digest_of_heartbeat(r), 1);
	rig_restart(r);
	hello_with_unknown(r, G(5), 0, 0);
	assert_int_equal(digest_of_heartbeat(r), 2);
}

static void
hello_says_revision_and_capabilities_and_a_refusal_is_told_and_tried_again_A7(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;
	char why[] = "protocol_revision: the host speaks revision 2, this hub 3..4";
	const Fairlead__V1__Hello *hello;
	const struct agent_effect *note;
	bool told = false;

	hello_on_wire(r);
	hello = rig_get(r, AGENT_SEND_HELLO)->u.hello;
	assert_int_equal(hello->protocol_revision, AGENT_PROTOCOL_REVISION);
	assert_int_equal(hello->n_capabilities, 2);
	assert_string_equal(hello->capabilities[0], "restart");
	assert_string_equal(hello->capabilities[1], "stop_on_host_after");
	m.verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_REJECTED;
	m.reason = why;
	rig_answer_hello(r, &m);
	for (size_t i = 0; (note = rig_nth(r, AGENT_NOTE, i)) != NULL; i++)
		told = told || strcmp(note->u.note.detail, why) == 0;
	assert_true(told);
	assert_null(rig_effect(r, AGENT_EXIT));
	for (int i = 0; i < 200 && !rig_effect(r, AGENT_SEND_HELLO); i++)
		rig_advance(r, SECOND_US / 10);
	assert_int_equal(rig_get(r, AGENT_SEND_HELLO)->u.hello->hello_no, 2);
}

static void
an_older_control_plane_is_spoken_to_in_its_revision_A7(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;

	hello_on_wire(r);
	m.verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_REJECTED;
	m.protocol_revision = 1;
	rig_answer_hello(r, &m);
	assert_int_equal(rig_get(r, AGENT_SEND_HELLO)->u.hello->protocol_revision, 1);
	rig_answer_hello(r, &m); /* refused for another reason: no revision is below */
	assert_null(rig_effect(r, AGENT_SEND_HELLO));
	for (int i = 0; i < 200 && !rig_effect(r, AGENT_SEND_HELLO); i++)
		rig_advance(r, SECOND_US / 10);
	assert_int_equal(rig_get(r, AGENT_SEND_HELLO)->u.hello->protocol_revision, 1);
}

static void
hello_is_repeated_with_growing_pauses_until_answered_A9(void **state)
{
	struct rig *r = *state;
	int64_t first, last = 0;
	unsigned hellos = 0;

	hello_on_wire(r);
	first = agent_deadline(r->agent) - r->clock.mono_us;
	for (int i = 0; i < 2000; i++) {
		rig_advance(r, SECOND_US / 10);
		if (!rig_effect(r, AGENT_SEND_HELLO))
			continue;
		hellos++;
		last = agent_deadline(r->agent) - r->clock.mono_us;
		assert_true(last <= 11 * SECOND_US);
	}
	assert_true(hellos > 15);
	assert_true(first <= 2 * SECOND_US);
	assert_int_equal(rig_count(r, AGENT_EXIT), 0);
}

static void
an_answer_to_an_older_hello_is_late_and_changes_nothing_K2(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;
	struct agent_event event = {.type = AGENT_HELLO_ANSWER, .u.hello_answer = &m};
	uint8_t nonce[ID_BYTES];

	hello_on_wire(r);
	memcpy(nonce, rig_get(r, AGENT_SEND_HELLO)->u.hello->nonce_id.data, ID_BYTES);
	m.nonce_id = (ProtobufCBinaryData){ID_BYTES, nonce};
	m.hello_no = rig_get(r, AGENT_SEND_HELLO)->u.hello->hello_no;
	m.verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_STALE;
	do
		rig_advance(r, SECOND_US / 10);
	while (!rig_effect(r, AGENT_SEND_HELLO));
	rig_step(r, &event);
	assert_null(rig_effect(r, AGENT_EXIT));
	assert_false(agent_answered(r->agent));
	assert_int_equal(agent_stats(r->agent)->late_answers, 1);
	assert_int_equal(agent_stats(r->agent)->refused_messages, 0);
	m.hello_no += 1; /* the number is right, the nonce is another hello's */
	rig_step(r, &event);
	assert_int_equal(agent_stats(r->agent)->refused_messages, 1);
	assert_null(rig_effect(r, AGENT_EXIT));
}

/* Every hello is answered eight seconds after it was said: the pauses between them end below that.
 */
static void
hello_waits_for_answers_that_come_late_A9(void **state)
{
	enum { TENTHS = 120, ROUNDS = 1200 };
	struct rig *r = *state;
	Fairlead__V1__HelloAnswer answers[ROUNDS];
	uint8_t nonces[ROUNDS][ID_BYTES];
	bool said[ROUNDS] = {false};

	hello_on_wire(r);
	for (int i = 0; i < ROUNDS && !agent_answered(r->agent); i++) {
		const struct agent_effect *hello = rig_effect(r, AGENT_SEND_HELLO);

		if (hello) {
			Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;

			memcpy(nonces[i], hello->u.hello->nonce_id.data, ID_BYTES);
			m.nonce_id = (ProtobufCBinaryData){ID_BYTES, nonces[i]};
			m.hello_no = hello->u.hello->hello_no;
			m.verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED;
			m.epoch = 1;
			answers[i] = m;
			said[i] = true;
		}
		rig_advance(r, SECOND_US / 10);
		if (i >= TENTHS && said[i - TENTHS] && !rig_effect(r, AGENT_SEND_HELLO)) {
			struct agent_event event = {
			    .type = AGENT_HELLO_ANSWER, .u.hello_answer = &answers[i - TENTHS]};

			rig_step(r, &event);
		}
	}
	assert_true(agent_answered(r->agent));
	assert_true(agent_stats(r->agent)->late_answers > 0);
}

static void
a_hello_raises_hello_no_durably_K1(void **state)
{
	struct rig *r = *state;

	hello_on_wire(r);
	rig_restart(r);
	hello_on_wire(r);
	assert_int_equal(rig_get(r, AGENT_SEND_HELLO)->u.hello->hello_no, 2);
	assert_int_equal(rig_get(r, AGENT_SEND_HELLO)->u.hello->start_no, 2);
}

static void
a_ticket_answer_is_followed_by_a_hello_with_the_ticket_K1(void **state)
{
	struct rig *r = *state;

	hello_on_wire(r);
	answer(r, FAIRLEAD__V1__HELLO_VERDICT__HELLO_TICKET, G(7));
	assert_non_null(rig_effect(r, AGENT_SEND_HELLO));
	assert_int_equal(rig_get(r, AGENT_SEND_HELLO)->u.hello->ticket, G(7));
	answer(r, ACCEPTED, G(8));
	assert_true(agent_answered(r->agent));
	assert_int_equal(agent_epoch(r->agent), G(8));
}

static void
only_the_answer_to_the_newest_hello_counts_K2(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;
	struct agent_event event = {.type = AGENT_HELLO_ANSWER, .u.hello_answer = &m};
	uint8_t nonce[ID_BYTES];

	hello_on_wire(r);
	memcpy(nonce, rig_get(r, AGENT_SEND_HELLO)->u.hello->nonce_id.data, ID_BYTES);
	m.nonce_id = (ProtobufCBinaryData){ID_BYTES, nonce};
	m.hello_no = 1;
	m.verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_STALE;
	rig_advance(r, 5 * SECOND_US); /* hello 2 leaves */
	assert_non_null(rig_effect(r, AGENT_SEND_HELLO));
	rig_step(r, &event);
	assert_null(rig_effect(r, AGENT_EXIT));
	m.hello_no = 2; /* the right number, but the nonce of another */
	rig_step(r, &event);
	assert_null(rig_effect(r, AGENT_EXIT));
}

static void
stale_stops_executors_and_exits_with_zero_A6(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	until_hello_required(r);
	answer(r, FAIRLEAD__V1__HELLO_VERDICT__HELLO_STALE, 0);
	assert_non_null(rig_effect(r, AGENT_DRIVER_STOP));
	assert_null(rig_effect(r, AGENT_EXIT));
	rig_driver(r, rig_id(1), DRIVER_EXITED, 143);
	assert_non_null(rig_effect(r, AGENT_EXIT));
	assert_int_equal(rig_get(r, AGENT_EXIT)->u.exit_code, 0);
}

static void
retired_kills_what_ignores_its_grace(void **state)
{
	struct rig *r = *state;
	struct rig_item item;
	Fairlead__V1__CommandItem *items[] = {rig_item(&item, rig_id(1), G(1), RUN, G(1))};
	bool killed = false, left = false;

	rig_accept(r, G(1), G(0));
	item.spec.stop_grace_ms = 60000;
	rig_send(r, items, 1, G(1), 0, 0);
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	until_hello_required(r);
	answer(r, FAIRLEAD__V1__HELLO_VERDICT__HELLO_RETIRED, 0);
	assert_int_equal(rig_get(r, AGENT_DRIVER_STOP)->u.executor.grace_ms, 5000);
	for (int i = 0; i < 150 && !left; i++) {
		rig_advance(r, SECOND_US / 10);
		if (rig_effect(r, AGENT_DRIVER_STOP))
			killed = rig_get(r, AGENT_DRIVER_STOP)->u.executor.grace_ms == 0;
		left = rig_effect(r, AGENT_EXIT) != NULL;
	}
	assert_true(killed);
	assert_true(left); /* even when nothing ever says EXITED */
}

static void
hello_required_is_answered_by_a_hello_A5(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	clock_manual_advance(&r->clock, 10 * SECOND_US);
	rig_event(r, AGENT_TICK);
	heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED, 0);
	assert_non_null(rig_effect(r, AGENT_SEND_HELLO));
}

static void
a_rejected_hello_is_tried_again_A7_A9(void **state)
{
	struct rig *r = *state;

	hello_on_wire(r);
	answer(r, FAIRLEAD__V1__HELLO_VERDICT__HELLO_REJECTED, 0);
	assert_null(rig_effect(r, AGENT_EXIT));
	for (int i = 0; i < 120 && !rig_effect(r, AGENT_SEND_HELLO); i++)
		rig_advance(r, SECOND_US / 10);
	assert_non_null(rig_effect(r, AGENT_SEND_HELLO));
}

static void
the_floor_raises_contiguous_seq_and_a_sync_follows_K4(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;

	hello_on_wire(r);
	m.verdict = ACCEPTED;
	m.epoch = G(1);
	m.journal_floor = G(44);
	rig_answer_hello(r, &m);
	assert_int_equal(agent_contiguous_seq(r->agent), G(44));
	assert_int_equal(rig_get(r, AGENT_SEND_SYNC)->u.sync->contiguous_seq, G(44));
}

static void
absent_of_a_hello_answer_is_forgotten_only_after_the_sync_K6(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;
	Fairlead__V1__AbsentItem absent = FAIRLEAD__V1__ABSENT_ITEM__INIT;
	Fairlead__V1__AbsentItem *list[] = {&absent};
	Fairlead__V1__SyncAnswer page = FAIRLEAD__V1__SYNC_ANSWER__INIT;
	struct agent_effects kept;
	struct id id = rig_id(1);

	rig_accept(r, G(1), G(0));
	rig_command(r, id, G(1), STOP, G(1));
	rig_ack(r);
	rig_restart(r);
	hello_on_wire(r);
	absent.executor_id = (ProtobufCBinaryData){ID_BYTES, id.bytes};
	absent.generation = G(2);
	m.verdict = ACCEPTED;
	m.epoch = G(2);
	m.absent = list;
	m.n_absent = 1;
	rig_answer_hello(r, &m);
	assert_non_null(rig_effect(r, AGENT_DRIVER_DESTROY) ? rig_effect(r, AGENT_DRIVER_DESTROY)
							    : rig_effect(r, AGENT_SEND_SYNC));
	kept = r->effects; /* the sync request must survive the steps in between */
	assert_int_equal(effects_init(&r->effects), 0);
	rig_driver(r, id, DRIVER_GONE, 0);
	rig_advance(r, 1);
	for (uint64_t counter = 1; counter < 5; counter++) {
		struct agent_event ack = {.type = AGENT_REPORT_ACK};

		ack.u.report_ack.counter = counter;
		ack.u.report_ack.stored = true;
		rig_step(r, &ack);
	}
	assert_int_equal(
	    agent_record_count(r->agent), 1); /* an older RUN may still be on its way */
	effects_done(&r->effects);
	r->effects = kept;
	page.last = true;
	page.as_of_seq = G(1);
	rig_answer_sync(r, &page);
	rig_advance(r, 1);
	assert_int_equal(agent_record_count(r->agent), 0);
}

static void
report_all_says_every_record_again_K3(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), STOP, G(1));
	rig_ack(r);
	rig_restart(r);
	hello_on_wire(r);
	m.verdict = ACCEPTED;
	m.epoch = G(2);
	m.report_all = true;
	rig_answer_hello(r, &m);
	assert_non_null(rig_report(r, rig_id(1)));
}

static void
absence_is_never_an_order_K4(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	rig_event(r, AGENT_OVERFLOW);
	/* an empty sync page names nothing: what runs goes on */
	Fairlead__V1__SyncAnswer page = FAIRLEAD__V1__SYNC_ANSWER__INIT;
	page.last = true;
	page.as_of_seq = G(9);
	rig_answer_sync(r, &page);
	assert_null(rig_effect(r, AGENT_DRIVER_STOP));
	assert_int_equal(rig_record(r, rig_id(1))->state, EXECUTOR_RUNNING);
}

/* ---- heartbeat ---- */

static void
heartbeats_come_every_interval_with_jitter(void **state)
{
	struct rig *r = *state;
	int64_t last, least = INT64_MAX, most = 0;

	rig_accept(r, G(1), G(0));
	until_heartbeat(r);
	last = r->clock.mono_us;
	for (int n = 0; n < 50; n++) {
		int64_t gap;

		heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK, G(0));
		clock_manual_advance(&r->clock, agent_deadline(r->agent) - r->clock.mono_us);
		rig_event(r, AGENT_TICK);
		assert_non_null(rig_effect(r, AGENT_SEND_HEARTBEAT));
		gap = r->clock.mono_us - last;
		last = r->clock.mono_us;
		least = gap < least ? gap : least;
		most = gap > most ? gap : most;
	}
	assert_true(least >= 4500 * MS_US && most <= 5500 * MS_US);
	assert_true(most - least > 100 * MS_US);
}

static void
an_idle_agent_wakes_for_heartbeats_only(void **state)
{
	struct rig *r = *state;
	unsigned wakes = 0;
	int64_t end;

	rig_accept(r, G(1), G(0));
	until_heartbeat(r);
	heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK, G(0));
	rig_advance(r, 2 * SECOND_US); /* what was acknowledged is written once */
	end = r->clock.mono_us + 60 * SECOND_US;
	while (agent_deadline(r->agent) < end) {
		clock_manual_advance(&r->clock, agent_deadline(r->agent) - r->clock.mono_us);
		rig_event(r, AGENT_TICK);
		wakes++;
		if (rig_effect(r, AGENT_SEND_HEARTBEAT))
			heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK, G(0));
	}
	assert_true(wakes <= 14);
}

static void
an_answer_with_an_unknown_nonce_is_ignored_K25(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__HeartbeatAnswer m = FAIRLEAD__V1__HEARTBEAT_ANSWER__INIT;
	struct agent_event event = {.type = AGENT_HEARTBEAT_ANSWER, .u.heartbeat_answer = &m};
	struct id other = rig_id(5);

	rig_accept(r, G(1), G(0));
	until_heartbeat(r);
	m.verdict = FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED;
	m.nonce_id = (ProtobufCBinaryData){ID_BYTES, other.bytes};
	rig_step(r, &event);
	m.nonce_id = (ProtobufCBinaryData){0};
	rig_step(r, &event);
	rig_advance(r, 2 * SECOND_US);
	assert_null(rig_effect(r, AGENT_SEND_HELLO));
}

static void
unanswered_heartbeats_lead_to_a_hello_L11(void **state)
{
	struct rig *r = *state;
	bool hello = false;

	rig_accept(r, G(1), G(0));
	for (int i = 0; i < 300 && !hello; i++) {
		rig_advance(r, SECOND_US / 10);
		hello = rig_effect(r, AGENT_SEND_HELLO) != NULL;
	}
	assert_true(hello);
}

/* ---- sync ---- */

static void
a_gap_in_the_stream_triggers_a_sync_C11(void **state)
{
	struct rig *r = *state;
	struct rig_item a, b;
	Fairlead__V1__CommandItem *first[] = {rig_item(&a, rig_id(1), G(1), RUN, G(1))};
	Fairlead__V1__CommandItem *second[] = {rig_item(&b, rig_id(2), G(1), RUN, G(3))};

	rig_accept(r, G(1), G(0));
	rig_send(r, first, 1, G(1), 10, 4);
	assert_null(rig_effect(r, AGENT_SEND_SYNC)); /* the first says nothing about before */
	rig_send(r, second, 1, G(3), 14, 12);
	assert_non_null(rig_effect(r, AGENT_SEND_SYNC));
	assert_int_equal(rig_get(r, AGENT_SEND_SYNC)->u.sync->contiguous_seq, G(1));
	assert_non_null(rig_record(r, rig_id(2))); /* out of order is applied at once */
	assert_int_equal(agent_contiguous_seq(r->agent), G(1));
}

static void
messages_in_a_row_trigger_no_sync_C11(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	for (unsigned i = 1; i < 20; i++) {
		struct rig_item item;
		Fairlead__V1__CommandItem *items[] = {rig_item(&item, rig_id(i), G(1), RUN, G(i))};

		rig_send(r, items, 1, G(i), 100 + 3 * i, i == 1 ? 0 : 100 + 3 * (i - 1));
		assert_null(rig_effect(r, AGENT_SEND_SYNC));
	}
	assert_int_equal(agent_contiguous_seq(r->agent), G(19));
}

static void
a_lag_of_more_than_a_second_triggers_a_sync_K11(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	until_heartbeat(r);
	heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK, G(2));
	assert_null(rig_effect(r, AGENT_SEND_SYNC));
	rig_advance(r, 999 * MS_US);
	assert_null(rig_effect(r, AGENT_SEND_SYNC));
	rig_advance(r, 2 * MS_US);
	assert_non_null(rig_effect(r, AGENT_SEND_SYNC));
}

static void
a_lag_that_closes_in_time_triggers_none_K11(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	until_heartbeat(r);
	heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK, G(1));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_advance(r, 2 * SECOND_US);
	assert_null(rig_effect(r, AGENT_SEND_SYNC));
}

static void
a_new_term_triggers_a_sync_at_once_K11(void **state)
{
	struct rig *r = *state;
	uint64_t new_term = (UINT64_C(2) << 40) | 1;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), new_term, RUN, new_term);
	assert_non_null(rig_effect(r, AGENT_SEND_SYNC));
}

static void
page(struct rig *r, unsigned id, uint64_t host_seq, uint64_t as_of, bool last)
{
	struct rig_item item;
	Fairlead__V1__CommandItem *items[] = {rig_item(&item, rig_id(id), G(1), RUN, host_seq)};
	Fairlead__V1__SyncAnswer m = FAIRLEAD__V1__SYNC_ANSWER__INIT;

	m.items = items;
	m.n_items = 1;
	m.as_of_seq = as_of;
	m.last = last;
	rig_answer_sync(r, &m);
}

static void
as_of_is_applied_only_after_the_last_page_K11(void **state)
{
	struct rig *r = *state;
	const Fairlead__V1__SyncRequest *next;
	struct id first = rig_id(1);

	rig_accept(r, G(1), G(0));
	rig_event(r, AGENT_OVERFLOW);
	page(r, 1, G(2), G(9), false);
	assert_int_equal(agent_contiguous_seq(r->agent), G(0));
	assert_non_null(rig_record(r, rig_id(1)));
	next = rig_get(r, AGENT_SEND_SYNC)->u.sync;
	assert_int_equal(next->contiguous_seq, G(0)); /* the base of the first page */
	assert_int_equal(next->as_of_seq, G(9));
	assert_memory_equal(next->after_executor_id.data, first.bytes, ID_BYTES);
	page(r, 2, G(7), G(9), true);
	assert_int_equal(agent_contiguous_seq(r->agent), G(9));
	assert_non_null(rig_record(r, rig_id(2)));
}

static void
contiguous_seq_goes_on_through_numbers_already_seen_K11(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(10));
	rig_command(r, rig_id(2), G(1), RUN, G(11));
	rig_command(r, rig_id(3), G(1), RUN, G(13));
	assert_int_equal(agent_contiguous_seq(r->agent), G(0));
	rig_event(r, AGENT_OVERFLOW);
	page(r, 4, G(5), G(9), true);
	assert_int_equal(agent_contiguous_seq(r->agent), G(11));
	rig_restart(r); /* the numbers that wait are durable */
	rig_accept(r, G(2), G(0));
	rig_command(r, rig_id(5), G(1), RUN, G(12));
	assert_int_equal(agent_contiguous_seq(r->agent), G(13));
}

static void
numbers_that_wait_are_bounded_and_overflow_means_sync_K11(void **state)
{
	struct rig *r = *state;
	bool synced = false;

	r->config.capacity = (struct resources){1000000, 1 << 30, 1 << 30, 0, 10000};
	rig_restart(r);
	rig_accept(r, G(1), G(0));
	for (unsigned i = 0; i <= RECORDS_PENDING_MAX; i++) {
		rig_command(r, rig_id(i), G(1), STOP, G(10) + 2 * i);
		synced = rig_effect(r, AGENT_SEND_SYNC) != NULL;
		assert_int_equal(synced, i == RECORDS_PENDING_MAX);
	}
	assert_int_equal(agent_contiguous_seq(r->agent), G(0));
}

static void
a_page_that_never_comes_is_asked_for_again_K11(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_event(r, AGENT_OVERFLOW);
	assert_non_null(rig_effect(r, AGENT_SEND_SYNC));
	rig_advance(r, 4 * SECOND_US);
	assert_non_null(rig_effect(r, AGENT_SEND_SYNC));
}

static void
an_old_page_answer_is_ignored_K11(void **state)
{
	struct rig *r = *state;
	Fairlead__V1__SyncAnswer m = FAIRLEAD__V1__SYNC_ANSWER__INIT;
	struct agent_event event = {.type = AGENT_SYNC_ANSWER, .u.sync_answer = &m};
	uint8_t nonce[ID_BYTES];

	rig_accept(r, G(1), G(0));
	rig_event(r, AGENT_OVERFLOW);
	memcpy(nonce, rig_get(r, AGENT_SEND_SYNC)->u.sync->nonce_id.data, ID_BYTES);
	rig_advance(r, 4 * SECOND_US); /* asked again with another nonce */
	m.verdict = FAIRLEAD__V1__SYNC_VERDICT__SYNC_PAGE;
	m.nonce_id = (ProtobufCBinaryData){ID_BYTES, nonce};
	m.as_of_seq = G(50);
	m.last = true;
	rig_step(r, &event);
	assert_int_equal(agent_contiguous_seq(r->agent), G(0));
}

static void
a_reconnect_asks_sync_and_keeps_the_epoch(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_event(r, AGENT_DISCONNECTED);
	rig_event(r, AGENT_CONNECTED);
	assert_non_null(rig_effect(r, AGENT_SEND_SYNC));
	assert_non_null(rig_effect(r, AGENT_SEND_HEARTBEAT));
	assert_null(rig_effect(r, AGENT_SEND_HELLO));
	assert_int_equal(rig_get(r, AGENT_SEND_SYNC)->u.sync->epoch, G(1));
}

/* ---- the end ---- */

static void
sigterm_leaves_executors_running(void **state)
{
	struct rig *r = *state;

	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	rig_event(r, AGENT_STOP);
	assert_null(rig_effect(r, AGENT_DRIVER_STOP));
	assert_int_equal(rig_get(r, AGENT_EXIT)->u.exit_code, 0);
}

static void
sigterm_stops_executors_when_told_to_and_reports_their_ends(void **state)
{
	struct rig *r = *state;

	r->config.stop_executors_on_exit = true;
	rig_restart(r);
	rig_accept(r, G(1), G(0));
	rig_command(r, rig_id(1), G(1), RUN, G(1));
	rig_driver(r, rig_id(1), DRIVER_RUNNING, 0);
	rig_event(r, AGENT_STOP);
	assert_non_null(rig_effect(r, AGENT_DRIVER_STOP));
	rig_driver(r, rig_id(1), DRIVER_EXITED, 0);
	assert_int_equal(rig_record(r, rig_id(1))->state, EXECUTOR_STOPPED);
	for (int i = 0; i < 25 && !rig_effect(r, AGENT_EXIT); i++)
		rig_advance(r, SECOND_US / 10);
	assert_non_null(rig_effect(r, AGENT_EXIT));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(hello_carries_journal_counters_records_and_digest_K3),
	    TEST(what_an_older_term_left_runs_on_outside_the_digest_K6),
	    TEST(hello_says_revision_and_capabilities_and_a_refusal_is_told_and_tried_again_A7),
	    TEST(an_older_control_plane_is_spoken_to_in_its_revision_A7),
	    TEST(hello_is_repeated_with_growing_pauses_until_answered_A9),
	    TEST(an_answer_to_an_older_hello_is_late_and_changes_nothing_K2),
	    TEST(hello_waits_for_answers_that_come_late_A9),
	    TEST(a_hello_raises_hello_no_durably_K1),
	    TEST(a_ticket_answer_is_followed_by_a_hello_with_the_ticket_K1),
	    TEST(only_the_answer_to_the_newest_hello_counts_K2),
	    TEST(stale_stops_executors_and_exits_with_zero_A6),
	    TEST(retired_kills_what_ignores_its_grace),
	    TEST(hello_required_is_answered_by_a_hello_A5),
	    TEST(a_rejected_hello_is_tried_again_A7_A9),
	    TEST(the_floor_raises_contiguous_seq_and_a_sync_follows_K4),
	    TEST(absent_of_a_hello_answer_is_forgotten_only_after_the_sync_K6),
	    TEST(report_all_says_every_record_again_K3),
	    TEST(absence_is_never_an_order_K4),
	    TEST(heartbeats_come_every_interval_with_jitter),
	    TEST(an_idle_agent_wakes_for_heartbeats_only),
	    TEST(an_answer_with_an_unknown_nonce_is_ignored_K25),
	    TEST(unanswered_heartbeats_lead_to_a_hello_L11),
	    TEST(a_gap_in_the_stream_triggers_a_sync_C11),
	    TEST(messages_in_a_row_trigger_no_sync_C11),
	    TEST(a_lag_of_more_than_a_second_triggers_a_sync_K11),
	    TEST(a_lag_that_closes_in_time_triggers_none_K11),
	    TEST(a_new_term_triggers_a_sync_at_once_K11),
	    TEST(as_of_is_applied_only_after_the_last_page_K11),
	    TEST(contiguous_seq_goes_on_through_numbers_already_seen_K11),
	    TEST(numbers_that_wait_are_bounded_and_overflow_means_sync_K11),
	    TEST(a_page_that_never_comes_is_asked_for_again_K11),
	    TEST(an_old_page_answer_is_ignored_K11),
	    TEST(a_reconnect_asks_sync_and_keeps_the_epoch),
	    TEST(sigterm_leaves_executors_running),
	    TEST(sigterm_stops_executors_when_told_to_and_reports_their_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
