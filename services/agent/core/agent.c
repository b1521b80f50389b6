/* agent: events in, one commit, effects out. */
#include "agent_private.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "crash.h"
#include "err.h"

#define COMMIT_RETRY_US SECOND_US
#define LEAVE_FLUSH_US (2 * SECOND_US)

const struct crash_row agent_crash_points[] = {
    {"agent.before_journal", "messages were merged in memory, nothing is durable"},
    {"agent.after_journal", "records are durable, nothing was reported or started"},
    {"agent.before_hello", "hello_no is durable, the hello was not sent"},
    {"agent.after_hello", "the hello was sent, its answer was not seen"},
    {"agent.before_report_publish", "ACCEPTED or later is durable, the report was not published"},
    {"agent.after_report_publish", "the report was published, its PubAck was not seen"},
    {"agent.after_report_ack", "the PubAck was seen, that is not recorded"},
    {"agent.before_driver_start", "ACCEPTED is durable, the driver was not called"},
    {"agent.after_driver_start", "the driver started it, nothing after ACCEPTED is recorded"},
    {"agent.before_driver_stop", "STOPPING is durable, the driver was not called"},
    {"agent.after_driver_event", "the driver said what happened, it is not recorded"},
    {"agent.before_driver_destroy", "the end is durable, the driver still has its state"},
    {"agent.after_driver_destroy", "the driver removes its state, GONE is not recorded"},
    {NULL, NULL},
};

int64_t
agent_now(const struct agent *a)
{
	return clock_mono_us(a->clock);
}

/* splitmix64 */
uint64_t
agent_random(struct agent *a)
{
	uint64_t z = (a->random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void
agent_note(struct agent *a, bool warning, const char *event, const struct id *executor_id,
    const char *detail)
{
	struct agent_effect *row;

	if (!a->out)
		return;
	row = effects_add(a->out, AGENT_NOTE);
	row->u.note.event = event;
	row->u.note.warning = warning;
	if (executor_id)
		row->u.note.executor_id = *executor_id;
	row->u.note.detail = effects_text(a->out, "%s", detail ? detail : "");
}

struct load {
	struct agent *agent;
	struct err *err;
};

static int
load_record(void *arg, const struct record *record)
{
	struct load *load = arg;

	if (table_add(load->agent, record))
		return 0;
	return err_set(load->err, ERR_LIMIT, "agent: no memory for a record");
}

static int
draw_start_no(struct agent *a, struct err *err)
{
	struct records_batch batch = {.meta = &a->meta};

	a->meta.start_no++;
	return records_commit(a->records, &batch, err);
}

int
agent_new(const struct agent_config *config, struct records *records, const struct clock *clock,
    struct agent **ret, struct err *err)
{
	CLEANUP(agent_free) struct agent *a = calloc(1, sizeof(*a));
	struct load load = {a, err};

	if (!a)
		return err_set(err, ERR_LIMIT, "agent: no memory");
	a->config = *config;
	a->records = records;
	a->clock = clock;
	a->random = config->random;
	a->instance_id = id_new();
	a->commit_retry_us = a->lazy_us = a->hello_at_us = a->heartbeat_at_us = NEVER;
	a->sync_deadline_us = a->report_at_us = a->retry_us = a->restart_us = NEVER;
	a->leave_kill_us = a->leave_flush_us = a->leave_exit_us = NEVER;
	a->interval_us = config->heartbeat_interval_us > 0 ? config->heartbeat_interval_us
							   : AGENT_HEARTBEAT_MS * MS_US;
	backoff_init(&a->hello_backoff, SECOND_US / 2, 10 * SECOND_US, 60 * SECOND_US);
	backoff_init(&a->report_backoff, 50 * MS_US, 2 * SECOND_US, 60 * SECOND_US);
	if (records_load(records, &a->meta, load_record, &load, err) < 0 ||
	    draw_start_no(a, err) < 0)
		return err_wrap(err, "agent start");
	a->booted = strncmp(a->meta.boot_id, config->boot_id, sizeof(a->meta.boot_id) - 1) != 0;
	contact_start(a);
	a->durable_contiguous_seq = a->meta.contiguous_seq;
	a->durable_digest = table_digest(a);
	*ret = TAKE(a);
	return 0;
}

void
agent_free(struct agent *a)
{
	if (!a)
		return;
	table_free(a);
	free(a->deletes);
	free(a->loose);
	free(a);
}

static void
handle_start(struct agent *a)
{
	act_adopted(a);
	a->started = true;
	a->scan = true;
	session_start(a);
}

/* Messages that ask for durable changes wait for a disk that works: sync brings them again. */
static bool
refused_while_failing(const struct agent *a, enum agent_event_type type)
{
	return a->commit_failed &&
	       (type == AGENT_COMMAND || type == AGENT_SYNC_ANSWER || type == AGENT_HELLO_ANSWER);
}

static void
handle(struct agent *a, const struct agent_event *e)
{
	if (refused_while_failing(a, e->type)) {
		a->stats.refused_messages++;
		a->want_sync = true;
		return;
	}
	switch (e->type) {
	case AGENT_FOUND:
		act_found(a, e->u.adoption.found, e->u.adoption.driver);
		break;
	case AGENT_START:
		handle_start(a);
		break;
	case AGENT_TICK:
		break;
	case AGENT_CONNECTED:
		session_connected(a);
		break;
	case AGENT_DISCONNECTED:
		session_disconnected(a);
		break;
	case AGENT_COMMAND:
		sync_command(
		    a, e->u.command.message, e->u.command.stream_seq, e->u.command.last_seq);
		break;
	case AGENT_HEARTBEAT_ANSWER:
		session_heartbeat_answer(a, e->u.heartbeat_answer);
		break;
	case AGENT_HELLO_ANSWER:
		session_hello_answer(a, e->u.hello_answer);
		break;
	case AGENT_SYNC_ANSWER:
		sync_answer(a, e->u.sync_answer);
		break;
	case AGENT_OVERFLOW:
		a->stats.overflows++;
		a->want_sync = true;
		break;
	case AGENT_DRIVER_EVENT:
		act_driver_event(a, e->u.driver);
		break;
	case AGENT_START_FAILED:
		act_start_failed(a, &e->u.start_failed.executor_id, e->u.start_failed.reason,
		    e->u.start_failed.detail);
		break;
	case AGENT_CALL_FAILED:
		act_call_failed(a, &e->u.call_failed);
		break;
	case AGENT_REPORT_ACK:
		report_ack(a, e->u.report_ack.counter, e->u.report_ack.stored);
		break;
	case AGENT_STOP:
		act_leave(a, LEAVING_ASKED, 0);
		break;
	}
}

static void
forget_done(struct agent *a)
{
	struct entry *e, *next;

	HASH_ITER(hh, a->entries, e, next)
	{
		if (!act_forgettable(a, e))
			continue;
		agent_note(a, false, "executor.forgotten", &e->r.executor_id, e->r.name);
		table_remove(a, e);
	}
}

static size_t
collect_puts(struct agent *a, struct records_put *puts)
{
	size_t n = 0;

	for (struct entry *e = a->entries; e; e = e->hh.next)
		if (e->dirty)
			puts[n++] = (struct records_put){&e->r, e->spec, e->spec_size};
	return n;
}

static void
committed(struct agent *a)
{
	for (struct entry *e = a->entries; e; e = e->hh.next) {
		e->dirty = false;
		free(e->spec);
		e->spec = NULL;
	}
	a->meta_dirty = false;
	a->delete_count = 0;
	a->lazy_us = a->commit_retry_us = NEVER;
	a->durable_contiguous_seq = a->meta.contiguous_seq;
	a->durable_digest = table_digest(a);
	a->stats.commits++;
	if (a->commit_failed)
		agent_note(a, false, "journal.recovered", NULL, "commits work again");
	a->commit_failed = false;
}

static int
commit(struct agent *a, struct err *err)
{
	size_t records = HASH_COUNT(a->entries);
	struct records_put *puts = calloc(records + 1, sizeof(*puts));
	struct records_batch batch = {
	    .meta = &a->meta,
	    .puts = puts,
	    .deletes = a->deletes,
	    .delete_count = a->delete_count,
	};
	int result;

	if (!puts)
		return err_set(err, ERR_LIMIT, "agent: no memory to commit");
	batch.put_count = collect_puts(a, puts);
	a->meta.contact_us = a->contact_us;
	crash_point("agent.before_journal");
	result = records_commit(a->records, &batch, err);
	free(puts);
	if (result < 0)
		return -1;
	crash_point("agent.after_journal");
	return 0;
}

/* A damaged journal cannot get better in this process: the next start moves it aside. */
static void
commit_failed(struct agent *a, const struct err *err)
{
	a->stats.commit_failures++;
	if (!a->commit_failed)
		agent_note(a, true, "journal.failed", NULL, err->text);
	a->commit_failed = true;
	a->commit_retry_us = agent_now(a) + COMMIT_RETRY_US;
	if (err->kind == ERR_INTERNAL && !a->exited) {
		a->exited = true;
		effects_add(a->out, AGENT_EXIT)->u.exit_code = 1;
	}
}

static bool
needs_commit(const struct agent *a, bool lazily)
{
	if (a->commit_failed)
		return agent_now(a) >= a->commit_retry_us;
	return a->meta_dirty || (lazily && agent_now(a) >= a->lazy_us) ||
	       (a->exited && a->lazy_us != NEVER);
}

static void
emit(struct agent *a)
{
	if (a->send_hello)
		session_emit_hello(a);
	if (a->send_heartbeat)
		session_emit_heartbeat(a);
	if (a->send_sync)
		sync_emit(a);
	if (!a->scan)
		return;
	report_emit(a);
	if (a->started)
		for (struct entry *e = a->entries; e; e = e->hh.next)
			act_emit(a, e);
	a->scan = false;
}

/* Nothing that rests on the records may leave, but the host lives (invariant 7). */
static void
emit_without_journal(struct agent *a)
{
	a->send_hello = false;
	if (a->send_heartbeat)
		session_emit_heartbeat(a);
}

static bool
anything(const struct agent *a, bool (*test)(const struct entry *e))
{
	for (const struct entry *e = a->entries; e; e = e->hh.next)
		if (test(e))
			return true;
	return false;
}

static bool
is_live(const struct entry *e)
{
	return e->live;
}

static bool
is_unacknowledged(const struct entry *e)
{
	return e->r.change_no > e->r.acked_no;
}

/* Executors are stopped first, then their ends are reported, both for a bounded time. */
static void
finish_leaving(struct agent *a)
{
	int64_t now = agent_now(a);

	if (a->leaving == LEAVING_NOT || a->exited)
		return;
	if (now >= a->leave_kill_us) {
		a->leave_kill_us = NEVER;
		a->leave_killing = a->scan = true;
	}
	if (now < a->leave_exit_us) {
		if (anything(a, is_live))
			return;
		if (a->leave_flush_us == NEVER)
			a->leave_flush_us = now + LEAVE_FLUSH_US;
		if (a->leaving == LEAVING_ASKED && a->connected && a->answered &&
		    now < a->leave_flush_us && anything(a, is_unacknowledged))
			return;
	}
	a->exited = true;
	effects_add(a->out, AGENT_EXIT)->u.exit_code = a->exit_code;
}

void
agent_step(struct agent *a, const struct agent_event *events, size_t n, struct agent_effects *out)
{
	struct err err;

	a->out = out;
	for (size_t i = 0; i < n; i++)
		handle(a, &events[i]);
	if (a->started && !a->exited) {
		contact_due(a);
		session_due(a);
		sync_due(a);
		report_due(a);
		if (agent_now(a) >= a->retry_us) {
			a->retry_us = NEVER;
			a->scan = true;
		}
		if (agent_now(a) >= a->restart_us) {
			a->restart_us = NEVER;
			a->scan = true;
		}
		if (a->scan)
			forget_done(a);
	}
	finish_leaving(a);
	if (needs_commit(a, true)) {
		if (commit(a, &err) < 0)
			commit_failed(a, &err);
		else
			committed(a);
	}
	if (a->commit_failed)
		emit_without_journal(a);
	else
		emit(a);
	a->out = NULL;
}

static int64_t
least(int64_t x, int64_t y)
{
	return x < y ? x : y;
}

int64_t
agent_deadline(const struct agent *a)
{
	int64_t at = least(a->retry_us, least(a->lazy_us, a->commit_retry_us));

	at = least(at, least(a->restart_us, contact_deadline(a)));

	if (a->exited)
		return NEVER;
	at = least(at, least(a->leave_kill_us, least(a->leave_flush_us, a->leave_exit_us)));
	at = least(at, session_deadline(a));
	at = least(at, sync_deadline(a));
	return least(at, report_deadline(a));
}

const struct agent_stats *
agent_stats(const struct agent *a)
{
	return &a->stats;
}

bool
agent_answered(const struct agent *a)
{
	return a->answered;
}

uint64_t
agent_epoch(const struct agent *a)
{
	return a->epoch;
}

struct id
agent_journal_id(const struct agent *a)
{
	return a->meta.journal_id;
}

uint64_t
agent_contiguous_seq(const struct agent *a)
{
	return a->meta.contiguous_seq;
}

size_t
agent_record_count(const struct agent *a)
{
	return HASH_COUNT(a->entries);
}

const struct record *
agent_record(const struct agent *a, const struct id *executor_id)
{
	const struct entry *e = table_find(a, executor_id);

	return e ? &e->r : NULL;
}
