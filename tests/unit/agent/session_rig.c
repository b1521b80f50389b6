#include "session_rig.h"

#include <string.h>

int
setup(void **state)
{
	static struct rig rig;

	rig_init(&rig);
	*state = &rig;
	return 0;
}

int
teardown(void **state)
{
	rig_done(*state);
	return 0;
}

void
hello_on_wire(struct rig *r)
{
	rig_event(r, AGENT_START);
	rig_event(r, AGENT_CONNECTED);
	assert_non_null(rig_effect(r, AGENT_SEND_HELLO));
}

void
answer(struct rig *r, Fairlead__V1__HelloVerdict verdict, uint64_t epoch)
{
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;

	m.verdict = verdict;
	m.epoch = epoch;
	m.ticket = epoch;
	rig_answer_hello(r, &m);
}

void
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

void
until_heartbeat(struct rig *r)
{
	for (int i = 0; i < 100; i++) {
		rig_advance(r, SECOND_US / 10);
		if (rig_effect(r, AGENT_SEND_HEARTBEAT))
			return;
	}
	fail_msg("no heartbeat in ten seconds");
}
