/* contract_judge: what contracts about silent hosts have their judge do, and see of it. */
#ifndef CONTRACT_JUDGE_H
#define CONTRACT_JUDGE_H

#include "contract_schedule.h"

extern struct store_lease judge; /* the present one's, from judge_take */

void judge_take(struct rig *r);
struct store_verdict verdict_of(struct rig *r, const char *host_id);
/* How many hosts changed. */
size_t host_suspect(struct rig *r, const char *host_id);
size_t host_heard(struct rig *r, const char *host_id);
/* One look of the scheduler for hosts and executors to give up. */
struct store_lost_result lost_step(struct rig *r, uint32_t grace_ms);

#endif
