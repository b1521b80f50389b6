/* agent_act: records -> driver calls, driver events -> records (K5, K20, K24, adoption). */
#include "agent_private.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "codec.h"
#include "crash.h"
#include "err.h"
#include "mutant.h"

#define LEAVE_GRACE_MS 5000u
#define CALL_RETRY_US SECOND_US
#define LEAVE_KILL_US (5 * SECOND_US)

bool
act_driver_known(const struct agent *a, const char *name, bool *ret_usable)
{
	for (size_t i = 0; i < a->config.driver_count; i++) {
		if (strcmp(a->config.drivers[i].name, name) != 0)
			continue;
		*ret_usable = a->config.drivers[i].probe.usable;
		return true;
	}
	return false;
}

static int64_t
since_accepted(const struct agent *a, const struct entry *e)
{
	int64_t after = agent_now(a) - e->r.accepted_at_us;

	return after > 0 && !a->booted ? after : 1;
}

static bool
wants_stop(const struct agent *a, const struct entry *e)
{
	return e->r.desired != DESIRED_RUN || a->leaving == LEAVING_VERDICT ||
	       (a->leaving == LEAVING_ASKED && e->live);
}

/* The incarnation is over. */
static void
conclude(struct agent *a, struct entry *e, enum executor_state end)
{
	e->live = false;
	e->stop_sent_ms = STOP_NOT_SENT;
	e->r.state = restart_or_end(a, e, end);
	if (executor_state_ended(e->r.state)) {
		e->r.ended_after_us = since_accepted(a, e);
		agent_note(
		    a, false, "executor.ended", &e->r.executor_id, executor_state_text(e->r.state));
	}
	table_touch(a, e);
	act_settle(a, e);
}

/* The end of an executor that did not report one itself. */
static void
act_end(struct agent *a, struct entry *e, const char *reason, const char *detail)
{
	bool stopped = wants_stop(a, e) || e->r.state == EXECUTOR_STOPPING;

	table_text(e->r.reason, sizeof(e->r.reason), reason);
	table_text(e->r.detail, sizeof(e->r.detail), detail);
	conclude(a, e, stopped ? EXECUTOR_STOPPED : EXECUTOR_FAILED);
}

/* What a driver was asked to start in BACKOFF is the next incarnation: that one stops. */
static void
stopping(struct agent *a, struct entry *e)
{
	if (e->r.state == EXECUTOR_BACKOFF)
		restart_begin(a, e);
	if (e->r.state == EXECUTOR_STOPPING)
		return;
	e->r.state = EXECUTOR_STOPPING;
	table_touch(a, e);
}

void
act_stop(struct agent *a, struct entry *e, const char *reason, const char *detail)
{
	if (!e->live) {
		e->r.state = EXECUTOR_STOPPING; /* of no policy's business */
		act_end(a, e, reason, detail);
		return;
	}
	stopping(a, e);
	table_text(e->r.reason, sizeof(e->r.reason), reason);
	table_text(e->r.detail, sizeof(e->r.detail), detail);
}

void
act_settle(struct agent *a, struct entry *e)
{
	bool usable;

	if (!executor_state_ended(e->r.state) && wants_stop(a, e)) {
		if (!e->live) {
			act_end(a, e, "stopped",
			    e->r.state == EXECUTOR_BACKOFF ? "stopped before it started again"
							   : "stopped before it started");
			return;
		}
		stopping(a, e);
	}
	/* Nobody but a driver has anything to remove. */
	if (executor_state_ended(e->r.state) && e->r.desired == DESIRED_ABSENT &&
	    !e->r.gone_generation && !e->live && !act_driver_known(a, e->r.driver, &usable)) {
		e->r.gone_generation = e->r.accepted_generation;
		table_touch(a, e);
	}
}

/* ---- driver events ---- */

static void
observe(struct agent *a, struct entry *e, enum executor_state state)
{
	if (executor_state_rank(state) <= executor_state_rank(e->r.state))
		return;
	e->r.state = state;
	table_touch(a, e);
}

static void
saw_starting(struct agent *a, struct entry *e)
{
	if (!e->r.starting_after_us)
		e->r.starting_after_us = since_accepted(a, e);
	observe(a, e, EXECUTOR_STARTING);
}

static void
saw_running(struct agent *a, struct entry *e)
{
	if (executor_state_ended(e->r.state))
		return;
	if (!e->r.running_at_us) {
		e->r.running_at_us = agent_now(a);
		table_touch(a, e);
	}
	if (!e->r.started) {
		e->r.started = true;
		e->r.running_after_us = since_accepted(a, e);
	}
	observe(a, e, EXECUTOR_RUNNING);
}

/* K20: exit while STOPPING is STOPPED, with its real exit code. */
static enum executor_state
end_state(const struct agent *a, const struct entry *e, const struct driver_event *event)
{
	if (e->r.state == EXECUTOR_STOPPING || wants_stop(a, e))
		return EXECUTOR_STOPPED;
	if (event->exit_code == 0 && event->signal == 0 && !event->oom &&
	    (!event->reason || event->reason[0] == '\0'))
		return EXECUTOR_SUCCEEDED;
	return EXECUTOR_FAILED;
}

/* Why it was stopped says more than that nothing went wrong while it stopped. */
static bool
said_why(const struct entry *e, const struct driver_event *event)
{
	return e->r.state == EXECUTOR_STOPPING && e->r.reason[0] &&
	       (!event->reason || !event->reason[0]);
}

static void
saw_exit(struct agent *a, struct entry *e, const struct driver_event *event)
{
	e->live = false;
	a->scan = true;
	if (executor_state_ended(e->r.state) || e->r.state == EXECUTOR_BACKOFF)
		return;
	if (event->started && !e->r.started) {
		e->r.started = true;
		e->r.running_after_us = since_accepted(a, e);
	}
	e->r.exit_code = event->exit_code;
	e->r.signal = event->signal;
	e->r.oom = event->oom;
	if (!said_why(e, event)) {
		table_text(e->r.reason, sizeof(e->r.reason), event->reason);
		table_text(e->r.detail, sizeof(e->r.detail), event->detail);
	}
	conclude(a, e, end_state(a, e, event));
}

static void
saw_gone(struct agent *a, struct entry *e)
{
	e->destroying = false;
	e->live = false;
	a->scan = true;
	if (!executor_state_ended(e->r.state) || e->r.desired != DESIRED_ABSENT ||
	    e->r.gone_generation)
		return;
	e->r.gone_generation = e->r.accepted_generation;
	table_touch(a, e);
}

void
act_driver_event(struct agent *a, const struct driver_event *event)
{
	struct entry *e = table_find(a, &event->executor_id);

	crash_point("agent.after_driver_event");
	if (e && event->type != DRIVER_GONE && restart_is_next(e, event->incarnation))
		restart_begin(a, e);
	if (!e || (event->type != DRIVER_GONE && event->incarnation != e->r.incarnation))
		return;
	switch (event->type) {
	case DRIVER_STARTING:
		saw_starting(a, e);
		break;
	case DRIVER_RUNNING:
		saw_running(a, e);
		break;
	case DRIVER_EXITED:
		saw_exit(a, e, event);
		break;
	case DRIVER_GONE:
		saw_gone(a, e);
		break;
	}
}

void
act_start_failed(
    struct agent *a, const struct id *executor_id, const char *reason, const char *detail)
{
	struct entry *e = table_find(a, executor_id);

	if (!e || executor_state_ended(e->r.state))
		return;
	if (e->r.state == EXECUTOR_BACKOFF)
		restart_begin(a, e);
	act_end(a, e, reason, detail);
	agent_note(a, true, "executor.start_failed", executor_id, detail);
}

void
act_call_failed(struct agent *a, const struct id *executor_id)
{
	struct entry *e = table_find(a, executor_id);

	if (!e)
		return;
	e->destroying = false;
	e->stop_sent_ms = STOP_NOT_SENT;
	e->retry_us = agent_now(a) + CALL_RETRY_US;
	if (e->retry_us < a->retry_us)
		a->retry_us = e->retry_us;
}

/* ---- adoption ---- */

static void
kill_unknown(struct agent *a, const struct driver_found *found, const char *driver)
{
	struct agent_effect *row = effects_add(a->out, AGENT_DRIVER_DESTROY);

	row->u.executor.executor_id = found->executor_id;
	row->u.executor.driver = effects_text(a->out, "%s", driver);
	row->u.executor.name = "";
	agent_note(a, true, "executor.unknown_killed", &found->executor_id,
	    "a driver held it, there is no record of it");
}

/* K5: what has no record is killed before the first hello; the rest goes on or has ended. */
void
act_found(struct agent *a, const struct driver_found *found, const char *driver)
{
	struct entry *e = table_find(a, &found->executor_id);

	if (e && restart_is_next(e, found->incarnation))
		restart_begin(a, e);
	if (!e || found->incarnation != e->r.incarnation || strcmp(driver, e->r.driver) != 0) {
		kill_unknown(a, found, driver);
		if (e)
			e->destroying = true;
		return;
	}
	if (!found->running) {
		struct driver_event ended = found->ended;

		ended.type = DRIVER_EXITED;
		ended.executor_id = found->executor_id;
		ended.incarnation = found->incarnation;
		saw_exit(a, e, &ended);
		return;
	}
	e->live = true;
	if (executor_state_ended(e->r.state)) {
		e->stop_sent_ms = STOP_NOT_SENT; /* it ended by our verdict, and yet it lives */
		return;
	}
	saw_running(a, e);
	act_settle(a, e);
	agent_note(a, false, "executor.adopted", &e->r.executor_id, e->r.name);
}

/* What had been started and no driver knows has ended, and how is not known. */
void
act_adopted(struct agent *a)
{
	for (struct entry *e = a->entries; e; e = e->hh.next) {
		if (e->live || executor_state_ended(e->r.state))
			continue;
		if (a->booted) {
			e->r.accepted_at_us = agent_now(a); /* it was of another boot's clock */
			restart_after_boot(a, e);
		}
		if (e->r.state != EXECUTOR_BACKOFF &&
		    executor_state_rank(e->r.state) >= executor_state_rank(EXECUTOR_STARTING)) {
			act_end(a, e, a->booted ? "host_reboot" : "lost",
			    a->booted ? "the host was restarted" : "no trace of it was found");
			agent_note(a, true, "executor.lost", &e->r.executor_id, e->r.reason);
		} else {
			act_settle(a, e);
		}
	}
}

/* ---- the end ---- */

void
act_leave(struct agent *a, enum leaving why, int exit_code)
{
	int64_t now = agent_now(a);

	if (a->leaving != LEAVING_NOT && why != LEAVING_VERDICT)
		return;
	if (why == LEAVING_ASKED && !a->config.stop_executors_on_exit) {
		a->exited = true;
		effects_add(a->out, AGENT_EXIT)->u.exit_code = exit_code;
		return;
	}
	a->leaving = why;
	a->exit_code = exit_code;
	a->leave_kill_us = now + LEAVE_GRACE_MS * MS_US;
	a->leave_exit_us = a->leave_kill_us + LEAVE_KILL_US;
	a->leave_flush_us = NEVER;
	a->want_hello = false;
	sync_cancel(a);
	for (struct entry *e = a->entries; e; e = e->hh.next)
		act_settle(a, e);
	a->scan = true;
}

/* ---- effects ---- */

static struct agent_effect *
add_effect(struct agent *a, enum agent_effect_type type, const struct entry *e)
{
	struct agent_effect *row = effects_add(a->out, type);

	row->u.executor.executor_id = e->r.executor_id;
	row->u.executor.incarnation = e->r.incarnation;
	row->u.executor.driver = effects_text(a->out, "%s", e->r.driver);
	row->u.executor.name = effects_text(a->out, "%s", e->r.name);
	return row;
}

static const Fairlead__V1__ExecutorSpec *
load_spec(struct agent *a, const struct entry *e)
{
	ProtobufCMessage *message = NULL;
	void *spec = NULL;
	size_t size = 0;
	struct err err;
	int result;

	if (records_spec(a->records, &e->r.executor_id, &spec, &size, &err) < 0)
		return NULL;
	result = wire_decode(&fairlead__v1__executor_spec__descriptor, WIRE_PROTOBUF, spec, size,
	    a->out->arena, &message, &err);
	free(spec);
	return result < 0 ? NULL : (const Fairlead__V1__ExecutorSpec *)message;
}

static void
emit_start(struct agent *a, struct entry *e, uint32_t incarnation)
{
	struct agent_effect *row;

	if (e->live || e->destroying || a->leaving || a->booted)
		return; /* K24: after a reboot nothing starts that was given up meanwhile */
	row = add_effect(a, AGENT_DRIVER_START, e);
	row->u.executor.incarnation = incarnation;
	row->u.executor.spec = load_spec(a, e);
	e->live = true;
	a->stats.starts++;
}

static void
emit_stop(struct agent *a, struct entry *e)
{
	uint32_t grace_ms = e->r.stop_grace_ms;
	struct agent_effect *row;

	if (executor_state_ended(e->r.state) || a->leave_killing)
		grace_ms = 0;
	else if (a->leaving && grace_ms > LEAVE_GRACE_MS)
		grace_ms = LEAVE_GRACE_MS;
	if (!e->live || (e->stop_sent_ms != STOP_NOT_SENT && grace_ms >= e->stop_sent_ms))
		return;
	row = add_effect(a, AGENT_DRIVER_STOP, e);
	row->u.executor.grace_ms = e->stop_sent_ms = grace_ms;
}

static void
emit_destroy(struct agent *a, struct entry *e)
{
	if (e->destroying || e->live || e->r.gone_generation)
		return;
	add_effect(a, AGENT_DRIVER_DESTROY, e);
	e->destroying = true;
}

void
act_emit(struct agent *a, struct entry *e)
{
	bool ended = executor_state_ended(e->r.state);

	if (agent_now(a) < e->retry_us)
		return;
	if (e->r.state == EXECUTOR_ACCEPTED && e->r.desired == DESIRED_RUN)
		emit_start(a, e, e->r.incarnation);
	else if (e->r.state == EXECUTOR_BACKOFF && restart_due(a, e))
		emit_start(a, e, e->r.incarnation + 1);
	else if (e->r.state == EXECUTOR_STOPPING || (ended && e->live))
		emit_stop(a, e);
	else if (ended && e->r.desired == DESIRED_ABSENT)
		emit_destroy(a, e);
}

bool
act_forgettable(const struct agent *a, const struct entry *e)
{
	return e->r.gone_generation && e->r.acked_no == e->r.change_no && !e->destroying &&
	       (e->r.absent_seq <= a->meta.contiguous_seq || MUTANT(tombstone_forgotten_early));
}
