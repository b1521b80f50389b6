/* cases_hello: who the host says it is, and what it does before anybody answers (K1-K4). */
#include "kit.h"

#include <string.h>

static bool
is_id(const ProtobufCBinaryData *data)
{
	static const uint8_t zero[ID_BYTES];

	return data->len == ID_BYTES && memcmp(data->data, zero, ID_BYTES) != 0;
}

static bool
offers_driver(const struct kit *k, const Fairlead__V1__Hello *m)
{
	for (size_t i = 0; i < m->n_drivers; i++)
		if (m->drivers[i]->usable && strcmp(m->drivers[i]->name, k->options->driver) == 0)
			return true;
	return false;
}

static void
a_hello_says_who_and_what_the_host_is_K1_K3(void **state)
{
	struct kit *k = *state;
	const Fairlead__V1__Hello *m;

	kit_start(k);
	kit_expect(k, "a hello comes on fl.req.<host>.hello", k->hello.count > 0);
	m = k->hello.m.hello;
	kit_require(k, "it asks for an answer", bus_msg_reply(k->hello.msg) != NULL);
	kit_require(k, "host_id is the one of the subject", strcmp(m->host_id, k->host) == 0);
	kit_require(k, "journal_id and instance_id are ids",
	    is_id(&m->journal_id) && is_id(&m->instance_id));
	kit_require(k, "nonce_id is an id, for the answer to echo", is_id(&m->nonce_id));
	kit_require(k, "start_no and hello_no count from 1", m->start_no == 1 && m->hello_no >= 1);
	kit_require(
	    k, "boot_id, arch and pool are said", m->boot_id[0] && m->arch[0] && m->pool[0]);
	kit_require(k, "encoding is protobuf or json",
	    strcmp(m->encoding, "protobuf") == 0 || strcmp(m->encoding, "json") == 0);
	kit_require(k, "A7: protocol_revision is said", m->protocol_revision >= 1);
	kit_require(k, "capacity is said", m->capacity && m->capacity->slots > 0);
	kit_require(k, "the driver of these tests is offered", offers_driver(k, m));
	kit_require(k, "a new journal has no records and contiguous_seq 0",
	    m->n_records == 0 && m->contiguous_seq == 0 && m->ticket == 0);
	kit_require(k, "K19: the digest of nothing is zero",
	    !m->digest || (m->digest->count == 0 && m->digest->sum == 0));
}

static void
an_unanswered_hello_is_said_again_by_the_next_number_K1(void **state)
{
	struct kit *k = *state;
	uint64_t hello_no, start_no;
	struct id journal_id, instance_id;

	k->mute_hello = true;
	kit_start(k);
	kit_expect(k, "a hello", k->hello.count > 0);
	hello_no = k->hello.m.hello->hello_no;
	start_no = k->start_no;
	journal_id = k->journal_id;
	instance_id = k->instance_id;
	kit_expect(k, "hellos go on, unanswered", k->hello.count >= 3);
	kit_require(k, "hello_no rises with each", k->hello.m.hello->hello_no >= hello_no + 2);
	kit_require(k, "it is the same start, journal and instance",
	    k->start_no == start_no && id_equal(&k->journal_id, &journal_id) &&
		id_equal(&k->instance_id, &instance_id));
}

static void
no_command_is_taken_before_the_first_answer_K3(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;
	unsigned hellos;

	k->mute_hello = true;
	kit_start(k);
	kit_expect(k, "a hello", k->hello.count > 0);
	o = kit_order(k, "exit 0");
	kit_send_one(k, o);
	hellos = k->hello.count;
	kit_expect(k, "hellos go on", k->hello.count >= hellos + 2);
	kit_require(k, "nothing was reported before the answer", k->reports == 0);
	k->floor = k->host_seq; /* it is of a time before this journal */
	o->newest = false;
	k->mute_hello = false;
	kit_settle(k);
	kit_fence(k);
	kit_require(k, "K4, K9: what the floor covers is not run", kit_runs(k, &o->id) == 0);
}

static void
the_floor_of_the_answer_becomes_contiguous_seq_K4(void **state)
{
	struct kit *k = *state;

	k->floor = k->host_seq = KIT_TERM + 41;
	k->mute_sync = true;
	kit_start(k);
	kit_expect(k, "a sync follows the answer", k->sync.count > 0);
	kit_require(k, "it asks for what is above the floor",
	    k->sync.m.sync->contiguous_seq == k->floor && k->sync.m.sync->epoch == k->epoch);
	kit_require(k, "its first page has no as_of_seq and no executor",
	    k->sync.m.sync->as_of_seq == 0 && k->sync.m.sync->after_executor_id.len == 0);
}

static void
a_ticket_is_carried_by_the_next_hello_K1(void **state)
{
	struct kit *k = *state;

	k->verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_TICKET;
	k->ticket = KIT_TERM + 77;
	kit_start(k);
	kit_expect(k, "a hello with the ticket of the answer",
	    k->hello.count > 1 && k->hello.m.hello->ticket == k->ticket);
	k->verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED;
	kit_settle(k);
	kit_fence(k);
}

static void
a_rejected_hello_is_tried_again_K1(void **state)
{
	struct kit *k = *state;

	k->verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_REJECTED;
	kit_start(k);
	kit_expect(k, "hellos go on after a rejection", k->hello.count >= 3);
	kit_require(k, "nothing else is said meanwhile", k->heartbeat.count + k->sync.count == 0);
	k->verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED;
	kit_settle(k);
	kit_fence(k);
}

/* Whichever of the two is the older one: it decides what is spoken, and all else works. */
static void
the_older_of_two_revisions_is_spoken_A7_R8(void **state)
{
	struct kit *k = *state;
	unsigned spoken;

	kit_settled_start(k);
	spoken = k->newest_said < k->options->revision ? k->newest_said : k->options->revision;
	kit_require(k, "the accepted hello speaks the older of both revisions",
	    k->hello.m.hello->protocol_revision == spoken);
	kit_ask_hello(k);
	kit_require(k, "and so does every hello that is accepted later",
	    k->hello.m.hello->protocol_revision == spoken);
	kit_settle(k);
	kit_fence(k);
}

const struct kit_case cases_hello[] = {
    KIT_CASE(a_hello_says_who_and_what_the_host_is_K1_K3),
    KIT_CASE(an_unanswered_hello_is_said_again_by_the_next_number_K1),
    KIT_CASE(no_command_is_taken_before_the_first_answer_K3),
    KIT_CASE(the_floor_of_the_answer_becomes_contiguous_seq_K4),
    KIT_CASE(a_ticket_is_carried_by_the_next_hello_K1),
    KIT_CASE(a_rejected_hello_is_tried_again_K1),
    KIT_CASE(the_older_of_two_revisions_is_spoken_A7_R8),
    {0},
};
