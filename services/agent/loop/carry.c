/* carry: what a step decided, done in its order. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "courier.h"
#include "crash.h"
#include "err.h"
#include "host_private.h"
#include "log.h"
#include "subjects.h"

static void
warn(const struct host *h, const char *event, const struct err *err)
{
	if (!h->shared->quiet)
		log_warn(event, LOG_STR("host", h->options.agent.host_id), LOG_ERR(err));
}

/* ---- bus ---- */

static void
send_request(struct host *h, const char *verb, const ProtobufCMessage *message)
{
	struct link *link = h->options.link;
	char subject[SUBJECT_BYTES], reply[SUBJECT_BYTES];
	struct courier_message out = {
	    .subject = subject_build(
		subject, link_prefix(link), SUBJECT_REQ, h->options.agent.host_id, verb),
	    .reply = link_reply_subject(link, h->index, verb, reply, sizeof(reply)),
	    .host = h->options.agent.host_id,
	    .encoding = WIRE_PROTOBUF,
	    .message = message,
	};
	struct err err;

	if (courier_publish(link_bus(link), &out, h->shared->effects.arena, &err) < 0)
		warn(h, "request.not_sent", &err); /* it has a timeout, and is sent again */
}

static void
send_hello(struct host *h, const Fairlead__V1__Hello *m)
{
	crash_point("agent.before_hello");
	send_request(h, "hello", &m->base);
	crash_point("agent.after_hello");
}

static void
send_heartbeat(struct host *h, Fairlead__V1__Heartbeat *m)
{
	struct bus *bus = link_bus(h->options.link);
	const char *server = bus_server_name(bus);
	char server_id[BUS_SERVER_ID_BYTES];
	char subject[SUBJECT_BYTES];
	struct courier_message out = {
	    .subject = subject_build(
		subject, link_prefix(h->options.link), SUBJECT_HB, h->options.agent.host_id),
	    .host = h->options.agent.host_id,
	    .encoding = WIRE_PROTOBUF,
	    .message = &m->base,
	};
	struct err err;

	(void)getloadavg(&m->load1, 1);
	m->rtt_us = bus_rtt_us(bus);
	m->server = arena_strdup(h->shared->effects.arena, server ? server : "");
	bus_connection_id(bus, server_id, &m->client_id);
	m->server_id = arena_strdup(h->shared->effects.arena, server_id);
	if (courier_publish(bus, &out, h->shared->effects.arena, &err) < 0)
		warn(h, "heartbeat.not_sent", &err);
}

static void
send_report(struct host *h, const struct agent_effect *effect)
{
	struct link *link = h->options.link;
	char subject[SUBJECT_BYTES];
	struct courier_message message = {
	    .subject =
		subject_build(subject, link_prefix(link), SUBJECT_RPT, h->options.agent.host_id),
	    .host = h->options.agent.host_id,
	    .msg_id = effect->u.report.msg_id,
	    .encoding = WIRE_PROTOBUF,
	    .message = &effect->u.report.message->base,
	};
	uint64_t counter = effect->u.report.counter;
	struct agent_event *event;
	struct bus_out out;
	struct err err;

	crash_point("agent.before_report_publish");
	if (courier_encode(&message, h->shared->effects.arena, &out, &err) == 0 &&
	    link_publish_report(link, h->index, counter, &out, &err) == 0) {
		crash_point("agent.after_report_publish");
		return;
	}
	warn(h, "report.not_sent", &err);
	event = host_event(h, AGENT_REPORT_ACK);
	event->u.report_ack.counter = counter;
}

/* ---- drivers ---- */

static const char **
environment(struct arena *arena, const Fairlead__V1__ExecutorSpec *spec)
{
	const char **env = arena_calloc(arena, spec->n_env + 1, sizeof(*env));

	for (size_t i = 0; env && i < spec->n_env; i++)
		env[i] = arena_printf(arena, "%s=%s", spec->env[i]->key, spec->env[i]->value);
	return env;
}

static const char **
arguments(struct arena *arena, const Fairlead__V1__ExecutorSpec *spec)
{
	const char **argv = arena_calloc(arena, spec->n_command + 1, sizeof(*argv));

	for (size_t i = 0; argv && i < spec->n_command; i++)
		argv[i] = spec->command[i];
	return argv;
}

static int
start_executor(struct host *h, const struct agent_effect *effect, struct err *err)
{
	const Fairlead__V1__ExecutorSpec *spec = effect->u.executor.spec;
	struct arena *arena = h->shared->effects.arena;
	struct driver_spec driver_spec = {.name = effect->u.executor.name};

	if (!spec)
		return err_set(err, ERR_INTERNAL, "its spec cannot be read from the journal");
	driver_spec.argv = arguments(arena, spec);
	driver_spec.env = environment(arena, spec);
	if (!driver_spec.argv || !driver_spec.env)
		return err_set(err, ERR_LIMIT, "no memory for its arguments");
	driver_spec.user = spec->user[0] ? spec->user : NULL;
	driver_spec.working_dir = spec->working_dir[0] ? spec->working_dir : NULL;
	driver_spec.cpu_millis = spec->resources ? spec->resources->cpu_millis : 0;
	driver_spec.memory_bytes = spec->resources ? spec->resources->memory_bytes : 0;
	driver_spec.pids_max = spec->pids_max;
	driver_spec.nofile_max = spec->nofile_max;
	driver_spec.core_max_bytes = spec->core_max_bytes;
	driver_spec.limits_required = spec->limits_required;
	driver_spec.stop_grace_ms = spec->stop_grace_ms;
	driver_spec.fake_script = spec->fake_script;
	return drivers_start(&h->drivers, effect->u.executor.driver,
	    &effect->u.executor.executor_id, effect->u.executor.incarnation, &driver_spec, err);
}

static void
do_start(struct host *h, const struct agent_effect *effect)
{
	struct driver_event failed = {
	    .executor_id = effect->u.executor.executor_id,
	    .incarnation = effect->u.executor.incarnation,
	    .reason = "start_failed",
	};
	struct err err;

	crash_point("agent.before_driver_start");
	if (start_executor(h, effect, &err) == 0) {
		crash_point("agent.after_driver_start");
		return;
	}
	failed.detail = err.text;
	host_driver_word(h, &failed, true);
}

static void
do_stop(struct host *h, const struct agent_effect *effect)
{
	struct err err;

	crash_point("agent.before_driver_stop");
	if (drivers_stop(&h->drivers, effect->u.executor.driver, &effect->u.executor.executor_id,
		effect->u.executor.grace_ms, &err) < 0) {
		warn(h, "executor.stop_failed", &err);
		host_event(h, AGENT_CALL_FAILED)->u.call_failed = effect->u.executor.executor_id;
	}
}

/* A driver that is not usable any more holds nothing: what it ran was ended at adoption. */
static void
do_destroy(struct host *h, const struct agent_effect *effect)
{
	struct driver_event gone = {
	    .type = DRIVER_GONE,
	    .executor_id = effect->u.executor.executor_id,
	    .incarnation = effect->u.executor.incarnation,
	};
	struct err err;

	crash_point("agent.before_driver_destroy");
	if (drivers_destroy(&h->drivers, effect->u.executor.driver, &effect->u.executor.executor_id,
		&err) == 0) {
		crash_point("agent.after_driver_destroy");
		return;
	}
	warn(h, "executor.destroy_failed", &err);
	if (err.kind == ERR_NOT_FOUND)
		host_driver_word(h, &gone, false);
	else
		host_event(h, AGENT_CALL_FAILED)->u.call_failed = effect->u.executor.executor_id;
}

/* ---- the rest ---- */

static void
write_note(const struct host *h, const struct agent_effect *effect)
{
	enum log_level level = effect->u.note.warning ? LOG_WARN_LEVEL : LOG_INFO_LEVEL;

	if (h->shared->quiet)
		return;
	if (id_is_zero(&effect->u.note.executor_id))
		LOG_AT(level, effect->u.note.event, LOG_STR("detail", effect->u.note.detail));
	else
		LOG_AT(level, effect->u.note.event, LOG_ID("executor", &effect->u.note.executor_id),
		    LOG_STR("detail", effect->u.note.detail));
}

static void
leave(struct host *h, int exit_code)
{
	if (h->exited)
		return;
	h->exited = true;
	if (h->options.on_exit)
		h->options.on_exit(h->options.arg, exit_code);
}

void
carry_out(struct host *h, const struct agent_effects *effects)
{
	for (size_t i = 0; i < effects->count; i++) {
		const struct agent_effect *effect = &effects->rows[i];

		switch (effect->type) {
		case AGENT_SEND_HELLO:
			send_hello(h, effect->u.hello);
			break;
		case AGENT_SEND_SYNC:
			send_request(h, "sync", &effect->u.sync->base);
			break;
		case AGENT_SEND_HEARTBEAT:
			send_heartbeat(h, effect->u.heartbeat);
			break;
		case AGENT_SEND_REPORT:
			send_report(h, effect);
			break;
		case AGENT_DRIVER_START:
			do_start(h, effect);
			break;
		case AGENT_DRIVER_STOP:
			do_stop(h, effect);
			break;
		case AGENT_DRIVER_DESTROY:
			do_destroy(h, effect);
			break;
		case AGENT_EXIT:
			leave(h, effect->u.exit_code);
			break;
		case AGENT_NOTE:
			write_note(h, effect);
			break;
		}
	}
}
