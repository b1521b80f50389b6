/* agent_restart: an executor that ended starts again in place, by its session's policy, with
 * growing pauses; also without a control plane (E10).
 *
 * BACKOFF keeps the incarnation that ended.  The next one begins when a driver was asked to start
 * it and says so, or was found to run it: until then a crash leaves BACKOFF, and it is asked again.
 */
#include "agent_private.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

static bool
by_policy(const struct record_restart *policy, enum executor_state end)
{
	if (policy->mode == RESTART_ALWAYS)
		return end == EXECUTOR_SUCCEEDED || end == EXECUTOR_FAILED;
	return policy->mode == RESTART_ON_FAILURE && end == EXECUTOR_FAILED;
}

/* Draws the pause; the failures in a row begin again after a stable time. */
static int64_t
next_pause(struct agent *a, struct record *r)
{
	struct backoff b;
	int64_t now = agent_now(a), pause;

	backoff_init(&b, r->restart.backoff_ms * MS_US, r->restart.backoff_max_ms * MS_US,
	    r->restart.reset_after_ms * MS_US);
	b.failures = r->restarts;
	if (r->running_at_us)
		backoff_stable(&b, r->running_at_us);
	pause = backoff_next_us(&b, now, agent_random(a));
	r->restarts = b.failures;
	return pause;
}

static enum executor_state
exhausted(struct record *r)
{
	if (!r->reason[0])
		table_text(r->reason, sizeof(r->reason), "restarts_exhausted");
	if (!r->detail[0])
		snprintf(r->detail, sizeof(r->detail), "started again %u times in a row",
		    r->restart.max);
	return EXECUTOR_FAILED;
}

enum executor_state
restart_or_end(struct agent *a, struct entry *e, enum executor_state end)
{
	struct record *r = &e->r;
	int64_t pause;
	char detail[64];

	if (!by_policy(&r->restart, end))
		return end;
	pause = next_pause(a, r);
	if (r->restart.max && r->restarts > r->restart.max)
		return exhausted(r);
	r->restart_at_us = agent_now(a) + pause;
	if (r->restart_at_us < a->restart_us)
		a->restart_us = r->restart_at_us;
	snprintf(detail, sizeof(detail), "starts again in %lld ms, number %u in a row",
	    (long long)(pause / MS_US), r->restarts);
	agent_note(a, false, "executor.backoff", &r->executor_id, detail);
	return EXECUTOR_BACKOFF;
}

void
restart_begin(struct agent *a, struct entry *e)
{
	struct record *r = &e->r;

	r->incarnation++;
	r->state = EXECUTOR_STARTING;
	r->running_at_us = 0;
	r->exit_code = -1;
	r->signal = 0;
	r->oom = false;
	r->reason[0] = r->detail[0] = '\0';
	table_touch(a, e);
}

bool
restart_is_next(const struct entry *e, uint32_t incarnation)
{
	return e->r.state == EXECUTOR_BACKOFF && incarnation == e->r.incarnation + 1;
}

void
restart_after_boot(struct agent *a, struct entry *e)
{
	e->r.restart_at_us = agent_now(a); /* the pause was of another boot's clock, and is over */
	e->r.running_at_us = 0;
}

bool
restart_due(struct agent *a, const struct entry *e)
{
	if (agent_now(a) >= e->r.restart_at_us)
		return true;
	if (e->r.restart_at_us < a->restart_us)
		a->restart_us = e->r.restart_at_us;
	return false;
}
