/* Hello: what it says, when it is repeated, which answer counts. */
#include "session_rig.h"

#include <string.h>

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

/* the hello on the wire, answered with one record that nobody knows there (0: none) */
static void
hello_answered_with_unknown(struct rig *r, uint64_t epoch, unsigned n, uint64_t generation)
{
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;
	Fairlead__V1__HelloRecord record = FAIRLEAD__V1__HELLO_RECORD__INIT;
	Fairlead__V1__HelloRecord *unknown[] = {&record};
	Fairlead__V1__SyncAnswer page = FAIRLEAD__V1__SYNC_ANSWER__INIT;
	struct id id = rig_id(n);

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
hello_with_unknown(struct rig *r, uint64_t epoch, unsigned n, uint64_t generation)
{
	hello_on_wire(r);
	hello_answered_with_unknown(r, epoch, n, generation);
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

/* hello again, answered with one record that is to be stopped */
static void
hello_with_absent(struct rig *r, uint64_t epoch, unsigned n, uint64_t generation)
{
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;
	Fairlead__V1__AbsentItem item = FAIRLEAD__V1__ABSENT_ITEM__INIT;
	Fairlead__V1__AbsentItem *absent[] = {&item};
	struct id id = rig_id(n);

	item.executor_id = (ProtobufCBinaryData){ID_BYTES, id.bytes};
	item.generation = generation;
	m.absent = absent;
	m.n_absent = 1;
	m.verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED;
	m.epoch = epoch;
	rig_answer_hello(r, &m);
}

static void
required_hello(struct rig *r)
{
	digest_of_heartbeat(r);
	heartbeat_answer(r, FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED, 0);
	while (!rig_effect(r, AGENT_SEND_HELLO))
		rig_advance(r, SECOND_US / 10);
}

static void
what_an_older_term_left_is_stopped_when_an_answer_says_so_and_stays_uncounted_K6(void **state)
{
	struct rig *r = *state;
	struct id id = rig_id(1);

	rig_accept(r, G(1), G(0));
	rig_command(r, id, G(1), RUN, G(1));
	rig_driver(r, id, DRIVER_RUNNING, 0);
	rig_ack(r);
	required_hello(r);
	hello_answered_with_unknown(r, G(2), 1, G(1));
	assert_int_equal(digest_of_heartbeat(r), 0);
	assert_int_equal(rig_record(r, id)->state, EXECUTOR_RUNNING);
	required_hello(r);
	hello_with_absent(r, G(3), 1, G(1) + 1);
	assert_true(id_equal(&rig_get(r, AGENT_DRIVER_STOP)->u.executor.executor_id, &id));
	assert_int_equal(rig_record(r, id)->accepted_generation, G(1) + 1);
	assert_int_equal(rig_record(r, id)->desired, DESIRED_ABSENT);
	assert_int_equal(digest_of_heartbeat(r), 0); /* while it stops */
	rig_driver(r, id, DRIVER_EXITED, 143);
	assert_int_equal(rig_record(r, id)->state, EXECUTOR_STOPPED);
	assert_int_equal(digest_of_heartbeat(r), 0);
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

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(hello_carries_journal_counters_records_and_digest_K3),
	    TEST(what_an_older_term_left_runs_on_outside_the_digest_K6),
	    TEST(what_an_older_term_left_is_stopped_when_an_answer_says_so_and_stays_uncounted_K6),
	    TEST(hello_says_revision_and_capabilities_and_a_refusal_is_told_and_tried_again_A7),
	    TEST(an_older_control_plane_is_spoken_to_in_its_revision_A7),
	    TEST(hello_is_repeated_with_growing_pauses_until_answered_A9),
	    TEST(an_answer_to_an_older_hello_is_late_and_changes_nothing_K2),
	    TEST(hello_waits_for_answers_that_come_late_A9),
	    TEST(a_hello_raises_hello_no_durably_K1),
	    TEST(a_ticket_answer_is_followed_by_a_hello_with_the_ticket_K1),
	    TEST(only_the_answer_to_the_newest_hello_counts_K2),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
