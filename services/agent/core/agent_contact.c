/* agent_contact: since when nobody who knows us has answered, and whose time is up (K24).
 *
 * Counted from the sending of the newest request whose answer arrived: the control plane cannot
 * have heard us later than that.  The journal holds a bound that is at most a quarter of the
 * shortest stop_on_host_after too old, so that a killed agent does not begin to count again. */
#include "agent_private.h"

#include <stdio.h>

#include "clock.h"

#define REASON "stop_on_host_after"

static bool
watched(const struct entry *e)
{
	return e->r.stop_on_host_after_ms && !executor_state_ended(e->r.state) &&
	       e->r.state != EXECUTOR_STOPPING;
}

void
contact_watch(struct agent *a, const struct entry *e)
{
	int64_t after = e->r.stop_on_host_after_ms * MS_US;

	if (watched(e) && after < a->stop_after_us)
		a->stop_after_us = after;
}

void
contact_start(struct agent *a)
{
	a->stop_after_us = NEVER;
	a->contact_us = a->booted || !a->meta.contact_us ? agent_now(a) : a->meta.contact_us;
	for (const struct entry *e = a->entries; e; e = e->hh.next)
		contact_watch(a, e);
}

void
contact_heard(struct agent *a, int64_t sent_us)
{
	if (sent_us > a->contact_us)
		a->contact_us = sent_us;
	if (a->stop_after_us != NEVER && a->contact_us - a->meta.contact_us > a->stop_after_us / 4)
		a->meta_dirty = true; /* each commit takes it along */
}

static void
cut_off(struct agent *a, struct entry *e)
{
	char detail[RECORD_DETAIL_BYTES];

	snprintf(detail, sizeof(detail), "no answer from the control plane for %lld ms",
	    (long long)((agent_now(a) - a->contact_us) / MS_US));
	agent_note(a, true, "executor.cut_off", &e->r.executor_id, detail);
	act_stop(a, e, REASON, detail);
}

void
contact_due(struct agent *a)
{
	int64_t silent = agent_now(a) - a->contact_us;

	if (a->stop_after_us == NEVER || silent < a->stop_after_us || a->leaving)
		return;
	a->stop_after_us = NEVER;
	for (struct entry *e = a->entries; e; e = e->hh.next) {
		if (watched(e) && silent >= e->r.stop_on_host_after_ms * MS_US)
			cut_off(a, e);
		contact_watch(a, e);
	}
}

int64_t
contact_deadline(const struct agent *a)
{
	return a->stop_after_us == NEVER || a->leaving ? NEVER : a->contact_us + a->stop_after_us;
}
