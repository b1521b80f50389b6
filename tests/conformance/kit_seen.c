/* kit_seen: what the agent reported, joined as the control plane does (K14, K19). */
#include "kit.h"

#include <stdio.h>
#include <string.h>

#include "courier.h"

static void
check_report(struct kit *k, const Fairlead__V1__Report *r, const char *msg_id)
{
	struct id journal_id = {0};

	kit_require(k, "K18: a report carries a Nats-Msg-Id", msg_id && msg_id[0]);
	kit_require(k, "a report names its host", strcmp(r->host_id, k->host) == 0);
	kit_require(k, "a report names its journal and its instance",
	    r->journal_id.len == ID_BYTES && r->instance_id.len == ID_BYTES);
	memcpy(journal_id.bytes, r->journal_id.data, ID_BYTES);
	kit_require(
	    k, "K2: its journal is the one of the hello", id_equal(&journal_id, &k->journal_id));
	kit_require(
	    k, "a report has 1 to 64 executors", r->n_executors >= 1 && r->n_executors <= 64);
}

static void
add(struct kit *k, const Fairlead__V1__ExecutorReport *r, const char *msg_id)
{
	struct kit_seen *s = &k->seen[k->seen_count];

	assert_true(k->seen_count < KIT_SEEN_MAX);
	kit_require(k, "a row of a report names its executor", r->executor_id.len == ID_BYTES);
	k->seen_count++;
	memcpy(s->id.bytes, r->executor_id.data, ID_BYTES);
	s->accepted = r->accepted_generation;
	s->gone = r->gone_generation;
	s->change_no = r->change_no;
	s->incarnation = r->incarnation;
	s->state = (enum executor_state)r->state;
	s->started = r->started;
	s->exit_code = r->exit_code;
	s->signal = r->signal;
	snprintf(s->reason, sizeof(s->reason), "%s", r->reason);
	snprintf(s->msg_id, sizeof(s->msg_id), "%s", msg_id);
}

void
kit_report(struct kit *k, const struct bus_msg *m)
{
	const char *msg_id = bus_msg_header(m, "Nats-Msg-Id");
	ProtobufCMessage *message = NULL;
	const Fairlead__V1__Report *r;
	struct err err;

	if (courier_decode(m, &fairlead__v1__report__descriptor, k->arena, &message, &err) < 0) {
		kit_print_log(k);
		fail_msg("a report does not decode: %s", err.text);
	}
	r = (const Fairlead__V1__Report *)message;
	check_report(k, r, msg_id);
	k->reports++;
	for (size_t i = 0; i < r->n_executors; i++)
		add(k, r->executors[i], msg_id);
}

static bool
wins(const struct kit_seen *s, const struct kit_seen *e)
{
	int rank = executor_state_rank(s->state), before = executor_state_rank(e->state);

	return before < EXECUTOR_RANK_END &&
	       (rank == EXECUTOR_RANK_END || s->incarnation > e->incarnation ||
		   (s->incarnation == e->incarnation && rank > before));
}

struct kit_seen
kit_joined(const struct kit *k, const struct id *id)
{
	struct kit_seen e = {.id = *id, .exit_code = -1};

	for (size_t i = 0; i < k->seen_count; i++) {
		const struct kit_seen *s = &k->seen[i];
		uint64_t accepted = e.accepted, gone = e.gone;

		if (!id_equal(&s->id, id))
			continue;
		if (wins(s, &e))
			e = *s;
		e.accepted = s->accepted > accepted ? s->accepted : accepted;
		e.gone = s->gone > gone ? s->gone : gone;
	}
	return e;
}

enum executor_state
kit_state(const struct kit *k, const struct kit_order *o)
{
	return kit_joined(k, &o->id).state;
}

bool
kit_ended(const struct kit *k, const struct kit_order *o)
{
	return executor_state_ended(kit_state(k, o));
}

uint64_t
kit_accepted(const struct kit *k, const struct kit_order *o)
{
	return kit_joined(k, &o->id).accepted;
}

uint64_t
kit_gone(const struct kit *k, const struct kit_order *o)
{
	return kit_joined(k, &o->id).gone;
}

bool
kit_reported(const struct kit *k, const struct kit_order *o)
{
	for (size_t i = 0; i < k->seen_count; i++)
		if (id_equal(&k->seen[i].id, &o->id))
			return true;
	return false;
}

struct digest
kit_digest(const struct kit *k)
{
	struct digest digest = {0};

	for (size_t i = 0; i < k->order_count; i++) {
		const struct kit_order *o = &k->orders[i];
		struct kit_seen e = kit_joined(k, &o->id);

		if (o->newest && e.accepted > 0 && e.gone == 0)
			digest_add(&digest, &o->id, e.accepted, e.incarnation,
			    executor_state_rank(e.state));
	}
	return digest;
}

bool
kit_digest_agrees(const struct kit *k)
{
	const Fairlead__V1__Heartbeat *m = k->heartbeat.m.heartbeat;
	struct digest digest = kit_digest(k);

	return m && m->digest && m->digest->count == digest.count && m->digest->sum == digest.sum;
}

bool
kit_hello_names(const struct kit *k, const struct kit_order *o)
{
	const Fairlead__V1__Hello *m = k->hello.m.hello;

	for (size_t i = 0; m && i < m->n_records; i++)
		if (m->records[i]->executor_id.len == ID_BYTES &&
		    memcmp(m->records[i]->executor_id.data, o->id.bytes, ID_BYTES) == 0)
			return true;
	return false;
}
