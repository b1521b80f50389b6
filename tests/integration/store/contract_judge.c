#include "contract_judge.h"

struct store_lease judge;

void
judge_take(struct rig *r)
{
	bool held = false;

	judge = (struct store_lease){.name = LEASE_JUDGE};
	OK(r, store_lease_hold(r->s, &judge, "contract", &held, &r->err));
	assert_true(held);
}

struct store_verdict
verdict_of(struct rig *r, const char *host_id)
{
	return (struct store_verdict){
	    .host_id = host_id, .epoch = host_of(r, host_id).epoch, .reason = "contract"};
}

size_t
host_suspect(struct rig *r, const char *host_id)
{
	const struct store_verdict v = verdict_of(r, host_id);
	size_t n = 0;

	OK(r, store_host_suspect(r->s, &judge, &v, 1, &n, &r->err));
	return n;
}

size_t
host_heard(struct rig *r, const char *host_id)
{
	const struct store_verdict v = verdict_of(r, host_id);
	size_t n = 0;

	OK(r, store_host_heard(r->s, &judge, &v, 1, &n, &r->err));
	return n;
}

struct store_lost_result
lost_step(struct rig *r, uint32_t grace_ms)
{
	struct store_lost_result result;

	OK(r, store_lost(r->s, &r->lease, "default", grace_ms, r->a, &result, &r->err));
	return result;
}
