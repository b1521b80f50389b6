#include "heartbeat_answer.h"

#include "mutant.h"
#include "store.h"

static bool
is_current(const Fairlead__V1__Heartbeat *beat, const struct store_host_head *head)
{
	if (MUTANT(no_epoch_check))
		return head != NULL;
	return head && head->epoch > 0 && beat->epoch == head->epoch &&
	       (head->state == HOST_READY || head->state == HOST_SUSPECT);
}

bool
heartbeat_answer_of(Fairlead__V1__Heartbeat *beat, const struct store_host_head *head,
    int64_t now_us, Fairlead__V1__HeartbeatAnswer *ret, Fairlead__V1__Signature *signature)
{
	bool current = is_current(beat, head);

	fairlead__v1__heartbeat_answer__init(ret);
	fairlead__v1__signature__init(signature);
	ret->signature = signature;
	ret->nonce_id = beat->nonce_id;
	ret->cp_now_us = now_us;
	ret->verdict = current ? FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK
			       : FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED;
	if (current) {
		ret->epoch = head->epoch;
		ret->host_seq = head->host_seq;
	}
	return current;
}
