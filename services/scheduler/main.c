/* main: options of the scheduler, the order in which its concerns start and stop. */
#include <stdlib.h>

#include "bus.h"
#include "crash.h"
#include "dependencies.h"
#include "dispatch.h"
#include "err.h"
#include "event_stream.h"
#include "health.h"
#include "leadership.h"
#include "leases.h"
#include "log.h"
#include "options.h"
#include "publisher.h"
#include "scheduler.h"
#include "scheduler_bounds.h"
#include "scheduler_metrics.h"
#include "service.h"
#include "store.h"

static const struct option_row option_rows[] = {
    DEPENDENCIES_OPTIONS("fairlead_scheduler"),
    {"pools", OPTION_STRING, "default", OPTION_PLAIN, 0, 0,
	"comma separated pools to lead or stand by for"},
    {"ack_deadline", OPTION_DURATION_MS, "5s", OPTION_PLAIN, 100, 600000,
	"a command that no host accepted for so long is sent again"},
    {"deliveries_max", OPTION_INT, "60", OPTION_PLAIN, 1, 1000000,
	"a stop or absent that was sent so often and never answered is dead"},
    {"sweep_interval", OPTION_DURATION_MS, "1s", OPTION_PLAIN, 50, 60000,
	"how often to look for messages to send again"},
    {"absent_after", OPTION_DURATION_MS, "1s", OPTION_PLAIN, 0, 60000,
	"a host is told to forget an ended executor so much later, in batches"},
    {"verdict_grace", OPTION_DURATION_MS, "15s", OPTION_PLAIN, 0, 600000,
	"no executor is given up until the present judge has listened for so long"},
    {"retention", OPTION_DURATION_MS, "168h", OPTION_PLAIN, 1000, INT64_C(31536000000),
	"how long what is over is kept"},
    {NULL, OPTION_STRING, NULL, OPTION_PLAIN, 0, 0, NULL},
};

static const struct crash_row crash_rows[] = {
    {"scheduler.place.before_commit", "a batch is planned, nothing is written"},
    {"scheduler.place.after_commit", "a batch is committed, nothing is published"},
    {"scheduler.publish.before", "a message is committed and not published"},
    {"scheduler.publish.after", "a message is published, its acknowledgement is not here"},
    {"scheduler.sent.before_commit", "a message is acknowledged, the outbox does not know"},
    {"scheduler.sent.after_commit", "the outbox knows of the acknowledgement"},
    {"scheduler.fold.before_commit", "ended and gone executors are not folded"},
    {"scheduler.fold.after_commit", "they are folded, nothing is published"},
    {"scheduler.expire.before_commit", "late commands are not expired"},
    {"scheduler.expire.after_commit", "they are expired, nothing is published"},
    {"scheduler.exhaust.before_commit", "commands nobody answers are not dead yet"},
    {"scheduler.exhaust.after_commit", "they are dead"},
    {"scheduler.lost.before_commit", "hosts are away for too long, nothing is given up"},
    {"scheduler.lost.after_commit", "their executors are given up, nothing is published"},
    {"scheduler.displace.before_commit", "a rollout or drain has a next one, nothing is stopped"},
    {"scheduler.displace.after_commit", "it is stopped, nothing is published"},
    {"scheduler.sweep.before_publish", "messages are taken for resending, not published"},
    {"scheduler.counters.before_commit", "edges are not folded into counters"},
    {"scheduler.counters.after_commit", "edges are folded into counters"},
    {"scheduler.events.before_commit", "events are not numbered"},
    {"scheduler.events.after_commit", "events are numbered, none of them is published"},
    {"scheduler.events.publishing", "an event is published, its acknowledgement is not here"},
    {"scheduler.events.published", "events are in their stream, nobody has noted it"},
    {NULL, NULL},
};

struct scheduler_process {
	struct scheduler scheduler;
	struct store *probe_store; /* readiness asks on a connection of its own */
	struct dispatch *dispatch;
};

static int
settings_read(struct scheduler *s, const struct service_context *c, struct err *err)
{
	const struct options *o = c->options;

	s->settings = (struct scheduler_settings){.instance = c->instance,
	    .prefix = options_string(o, "prefix"),
	    .database_url = options_string(o, "database_url"),
	    .database_role = options_string(o, "database_role"),
	    .replicas = (int)options_int(o, "replicas"),
	    .ack_deadline_ms = (uint32_t)options_int(o, "ack_deadline"),
	    .deliveries_max = (uint32_t)options_int(o, "deliveries_max"),
	    .absent_after_ms = (uint32_t)options_int(o, "absent_after"),
	    .verdict_grace_ms = (uint32_t)options_int(o, "verdict_grace"),
	    .sweep_interval_ms = (int)options_int(o, "sweep_interval"),
	    .retention_ms = options_int(o, "retention")};
	return scheduler_pools_read(s, options_string(o, "pools"), err);
}

static int
probe_bus(void *arg, struct err *err)
{
	const struct scheduler_process *p = arg;

	if (bus_state(p->scheduler.bus) == BUS_CONNECTED)
		return 0;
	return err_set(err, ERR_UNAVAILABLE, "not connected to the bus");
}

static int
probe_store(void *arg, struct err *err)
{
	const struct scheduler_process *p = arg;
	int64_t now_us;

	return store_ping(p->probe_store, &now_us, err);
}

static void
scheduler_stop(void *state)
{
	struct scheduler_process *p = state;

	if (!p)
		return;
	dispatch_stop(p->dispatch);
	publisher_stop(p->scheduler.publisher);
	/* The bus answers every publish that is still open, to the publisher. */
	bus_free(p->scheduler.bus);
	publisher_free(p->scheduler.publisher);
	event_stream_free(p->scheduler.event_stream);
	leases_stop(p->scheduler.leases);
	store_free(p->probe_store);
	scheduler_metrics_free(p->scheduler.metrics);
	free(p);
}

static int
connect_all(struct scheduler_process *p, struct service_context *c, struct err *err)
{
	static const struct dependencies_connection connection = {
	    .name = "main", .max_pending = PUBLISH_WINDOW};
	struct scheduler *s = &p->scheduler;

	if (settings_read(s, c, err) != 0 ||
	    dependencies_open_bus(c, &connection, &s->bus, err) != 0 ||
	    scheduler_store_new(s, "probe", &p->probe_store, err) != 0)
		return -1;
	if (health_add_probe(c->health, "nats", probe_bus, p, err) != 0 ||
	    health_add_probe(c->health, "postgres", probe_store, p, err) != 0)
		return -1;
	if (dependencies_wait_schema(c, p->probe_store, err) != 0 ||
	    dependencies_wait_bus(c, s->bus, err) != 0)
		return -1;
	return dependencies_wait_streams(c, s->bus, err);
}

static int
events_open(struct scheduler *s, struct err *err)
{
	s->event_stream = event_stream_new(s->bus, s->settings.prefix, s->settings.replicas);
	return s->event_stream ? 0 : err_set(err, ERR_INTERNAL, "no memory for events");
}

static int
scheduler_start(struct service_context *c, void **ret_state, struct err *err)
{
	struct scheduler_process *p = calloc(1, sizeof(*p));
	struct scheduler *s;

	if (!p)
		return err_set(err, ERR_INTERNAL, "no memory");
	s = &p->scheduler;
	s->metrics = scheduler_metrics_new(c->metrics);
	if (!s->metrics) {
		scheduler_stop(p);
		return err_set(err, ERR_INTERNAL, "no memory");
	}
	if (connect_all(p, c, err) != 0 || leadership_start(s, &s->leases, err) != 0 ||
	    publisher_start(s, &s->publisher, err) != 0 || events_open(s, err) != 0 ||
	    dispatch_start(s, &p->dispatch, err) != 0) {
		health_stop(c->health);
		scheduler_stop(p);
		return -1;
	}
	log_info("scheduler.ready", LOG_STR("pools", options_string(c->options, "pools")));
	*ret_state = p;
	return 0;
}

/* First no new decisions, then what was decided is published; then others may lead. */
static int
scheduler_drain(void *state, int timeout_ms, struct err *err)
{
	struct scheduler_process *p = state;

	(void)err;
	dispatch_stop(TAKE(p->dispatch));
	publisher_drain(p->scheduler.publisher, timeout_ms / 2);
	return 0;
}

static const struct service scheduler_service = {.name = "scheduler",
    .summary = "turns desired state into placements and commands on the bus",
    .http_listen = "",
    .options = option_rows,
    .crash_points = crash_rows,
    .start = scheduler_start,
    .drain = scheduler_drain,
    .stop = scheduler_stop};

int
main(int argc, char **argv)
{
	return service_main(&scheduler_service, argc, argv);
}
