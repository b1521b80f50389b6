/* cases_verdict: what only the answer to a hello, or its absence, may bring about (K2, K3, K6,
 * K19). */
#include "kit.h"

#include <string.h>
#include <sys/wait.h>

static void
leaves_for_good(struct kit *k, Fairlead__V1__HelloVerdict verdict)
{
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exec sleep 600");
	kit_send_one(k, o);
	kit_expect(k, "it runs", kit_state(k, o) == EXECUTOR_RUNNING && kit_lives(k, &o->id));
	k->verdict = verdict;
	kit_ask_hello(k);
	kit_expect(k, "K2: the agent exits", kit_exited(k));
	kit_require(k, "its exit code is 0, so that nobody starts it again",
	    WIFEXITED(k->exit_status) && WEXITSTATUS(k->exit_status) == 0);
	kit_require(k, "K2: it stopped its executors first", !kit_lives(k, &o->id));
}

static void
stale_stops_the_executors_and_the_agent_K2(void **state)
{
	leaves_for_good(*state, FAIRLEAD__V1__HELLO_VERDICT__HELLO_STALE);
}

static void
retired_stops_the_executors_and_the_agent_K2(void **state)
{
	leaves_for_good(*state, FAIRLEAD__V1__HELLO_VERDICT__HELLO_RETIRED);
}

/* The first hello is answered after the second was said. */
static void
an_answer_to_an_older_hello_changes_nothing_K2(void **state)
{
	struct kit *k = *state;
	Fairlead__V1__Hello first = FAIRLEAD__V1__HELLO__INIT;
	struct bus_msg *msg;
	uint8_t nonce[ID_BYTES];

	k->mute_hello = true;
	kit_start(k);
	kit_expect(k, "a hello", k->hello.count > 0);
	msg = bus_msg_copy(k->hello.msg);
	first.hello_no = k->hello.m.hello->hello_no;
	first.protocol_revision = k->hello.m.hello->protocol_revision;
	memcpy(nonce, k->hello.m.hello->nonce_id.data, ID_BYTES);
	first.nonce_id = (ProtobufCBinaryData){ID_BYTES, nonce};
	kit_expect(k, "another hello", k->hello.count > 1);
	kit_answer_hello(k, &first, msg, FAIRLEAD__V1__HELLO_VERDICT__HELLO_RETIRED);
	bus_msg_free(msg);
	k->mute_hello = false;
	kit_settle(k);
	kit_fence(k);
	kit_require(k, "the agent goes on", !kit_exited(k));
}

static void
a_heartbeat_answered_hello_required_brings_a_hello_and_stops_nothing_K2(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;
	uint64_t hello_no;

	kit_settled_start(k);
	o = kit_order(k, "exec sleep 600");
	kit_send_one(k, o);
	kit_expect(k, "it runs", kit_state(k, o) == EXECUTOR_RUNNING);
	hello_no = k->hello.m.hello->hello_no;
	kit_ask_hello(k);
	kit_require(k, "K1: of the same start, with a higher number",
	    k->hello.m.hello->hello_no > hello_no && k->hello.m.hello->start_no == 1);
	kit_require(k, "K3: it names the record", kit_hello_names(k, o));
	kit_settle(k);
	kit_fence(k);
	kit_require(k, "the executor runs on", kit_lives(k, &o->id) && kit_runs(k, &o->id) == 1);
}

static void
a_sync_answered_hello_required_brings_a_hello_K2(void **state)
{
	struct kit *k = *state;
	unsigned hellos;

	kit_settled_start(k);
	hellos = k->hello.count;
	k->epoch++; /* what the next message of the host carries is old */
	kit_expect(k, "a hello", k->hello.count > hellos);
	kit_settle(k);
	kit_fence(k);
}

static void
unanswered_heartbeats_bring_a_hello_L11(void **state)
{
	struct kit *k = *state;
	unsigned hellos;

	kit_settled_start(k);
	hellos = k->hello.count;
	k->mute_heartbeat = true;
	kit_expect(k, "a hello after heartbeats that nobody answered", k->hello.count > hellos);
	k->mute_heartbeat = false;
	kit_settle(k);
	kit_fence(k);
}

/* More heartbeats than an agent may leave unanswered: one that does not know its answers says
 * hello. */
static void
answered_heartbeats_need_no_hello_L11(void **state)
{
	struct kit *k = *state;
	unsigned heartbeats, hellos;

	kit_settled_start(k);
	hellos = k->hello.count;
	heartbeats = k->heartbeat.count;
	kit_expect(k, "heartbeats go on", k->heartbeat.count >= heartbeats + 8);
	kit_require(k, "and no hello is said between them", k->hello.count == hellos);
}

static void
an_answer_to_no_heartbeat_of_its_own_is_no_answer_L11_K25(void **state)
{
	struct kit *k = *state;
	unsigned hellos;

	kit_settled_start(k);
	hellos = k->hello.count;
	k->strange_heartbeat_nonce = true;
	kit_expect(k, "a hello, as if nobody had answered", k->hello.count > hellos);
	k->strange_heartbeat_nonce = false;
	kit_settle(k);
	kit_fence(k);
}

static void
heartbeats_carry_the_digest_of_the_records_K19(void **state)
{
	struct kit *k = *state;
	struct kit_order *runs, *ended, *tombstone, *orders[2];

	kit_settled_start(k);
	runs = kit_order(k, "exec sleep 600");
	ended = kit_order(k, "exit 3");
	orders[0] = runs;
	orders[1] = ended;
	kit_send(k, orders, 2);
	kit_expect(k, "one runs, one has ended",
	    kit_state(k, runs) == EXECUTOR_RUNNING && kit_state(k, ended) == EXECUTOR_FAILED);
	kit_expect(k, "K19: the digest counts both", kit_digest_agrees(k));
	tombstone = kit_order(k, "exit 0");
	tombstone->desired = STOP;
	kit_send_one(k, tombstone);
	kit_expect(k, "K9: the tombstone is reported", kit_state(k, tombstone) == EXECUTOR_STOPPED);
	kit_expect(k, "K19: and counted", kit_digest(k).count == 3 && kit_digest_agrees(k));
	ended = kit_next(k, ended, ABSENT);
	kit_send_one(k, ended);
	kit_expect(k, "K9: what is absent is gone", kit_gone(k, ended) == ended->generation);
	kit_expect(k, "K19: and counted no more", kit_digest(k).count == 2 && kit_digest_agrees(k));
}

static void
a_hello_carries_digest_and_generation_of_every_record_K3(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;
	const Fairlead__V1__Hello *m;
	struct digest digest;

	kit_settled_start(k);
	o = kit_order(k, "exec sleep 600");
	kit_send_one(k, o);
	kit_expect(k, "it runs", kit_state(k, o) == EXECUTOR_RUNNING);
	kit_expect(
	    k, "its number is journaled", k->heartbeat.m.heartbeat->contiguous_seq == k->host_seq);
	kit_ask_hello(k);
	m = k->hello.m.hello;
	digest = kit_digest(k);
	kit_require(k, "one record with its generation",
	    m->n_records == 1 && kit_hello_names(k, o) &&
		m->records[0]->generation == o->generation);
	kit_require(k, "and the digest of it",
	    m->digest && m->digest->count == 1 && m->digest->sum == digest.sum);
	kit_require(k, "and contiguous_seq", m->contiguous_seq == k->host_seq);
}

static void
what_the_answer_calls_absent_is_stopped_and_forgotten_K6(void **state)
{
	struct kit *k = *state;
	struct kit_order *o, absent;

	kit_settled_start(k);
	o = kit_order(k, "exec sleep 600");
	kit_send_one(k, o);
	kit_expect(k, "it runs", kit_state(k, o) == EXECUTOR_RUNNING);
	absent = *o;
	absent.generation++;
	o->newest = false; /* the control plane has lost it */
	k->absent = &absent;
	kit_ask_hello(k);
	kit_expect(k, "it is stopped, and gone at the generation of the answer",
	    kit_ended(k, o) && kit_gone(k, o) == absent.generation && !kit_lives(k, &o->id));
	k->absent = NULL;
	kit_forgets(k, o);
	kit_fence(k);
}

static void
what_the_answer_calls_unknown_runs_on_and_is_not_counted_K6(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	if (k->hello.m.hello->protocol_revision < 2)
		skip(); /* one of the two has no word for it */
	o = kit_order(k, "exec sleep 600");
	kit_send_one(k, o);
	kit_expect(k, "it runs", kit_state(k, o) == EXECUTOR_RUNNING);
	o->newest = false; /* the control plane has lost it */
	k->unknown = o;
	kit_ask_hello(k);
	kit_expect(k, "the digest leaves it out", kit_digest(k).count == 0 && kit_digest_agrees(k));
	kit_require(k, "it runs on", kit_lives(k, &o->id));
	k->unknown = NULL;
	kit_ask_hello(k);
	kit_require(k, "a hello still names it", kit_hello_names(k, o));
	o->newest = true;
	kit_expect(k, "known again, it is counted", kit_digest_agrees(k));
}

static void
report_all_brings_every_record_again_K3(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;
	size_t before;
	uint64_t change_no;

	kit_settled_start(k);
	o = kit_order(k, "exit 3");
	kit_send_one(k, o);
	kit_expect(k, "it ends", kit_state(k, o) == EXECUTOR_FAILED);
	kit_fence(k);
	change_no = k->seen[k->seen_count - 1].change_no;
	before = k->seen_count;
	k->report_all = true;
	kit_ask_hello(k);
	kit_expect(k, "both records again", k->seen_count >= before + 2);
	k->report_all = false;
	for (size_t i = before; i < k->seen_count; i++)
		kit_require(k, "K18: as changes of their own", k->seen[i].change_no > change_no);
}

const struct kit_case cases_verdict[] = {
    KIT_CASE(stale_stops_the_executors_and_the_agent_K2),
    KIT_CASE(retired_stops_the_executors_and_the_agent_K2),
    KIT_CASE(an_answer_to_an_older_hello_changes_nothing_K2),
    KIT_CASE(a_heartbeat_answered_hello_required_brings_a_hello_and_stops_nothing_K2),
    KIT_CASE(a_sync_answered_hello_required_brings_a_hello_K2),
    KIT_CASE(unanswered_heartbeats_bring_a_hello_L11),
    KIT_CASE(answered_heartbeats_need_no_hello_L11),
    KIT_CASE(an_answer_to_no_heartbeat_of_its_own_is_no_answer_L11_K25),
    KIT_CASE(heartbeats_carry_the_digest_of_the_records_K19),
    KIT_CASE(a_hello_carries_digest_and_generation_of_every_record_K3),
    KIT_CASE(what_the_answer_calls_absent_is_stopped_and_forgotten_K6),
    KIT_CASE(what_the_answer_calls_unknown_runs_on_and_is_not_counted_K6),
    KIT_CASE(report_all_brings_every_record_again_K3),
    {0},
};
