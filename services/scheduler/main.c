/* main: options of the scheduler, the order in which its concerns start and stop. */
#include <stdio.h>
#include <stdlib.h>

#include "bus.h"
#include "crash.h"
#include "dispatch.h"
#include "err.h"
#include "health.h"
#include "leases.h"
#include "log.h"
#include "options.h"
#include "publisher.h"
#include "scheduler.h"
#include "scheduler_metrics.h"
#include "service.h"
#include "store.h"
#include "streams.h"
#include "subjects.h"

#define WAIT_MS 1000
#define WINDOW 1024 /* publishes in flight on the bus */

static const struct option_row option_rows[] = {
    {"nats_servers", OPTION_STRING, "nats://127.0.0.1:4222", OPTION_PLAIN, 0, 0,
	"comma separated urls of the bus"},
    {"nats_user", OPTION_STRING, NULL, OPTION_PLAIN, 0, 0, "user on the bus"},
    {"nats_password", OPTION_STRING, NULL, OPTION_SECRET, 0, 0, "password on the bus"},
    {"nats_creds", OPTION_STRING, NULL, OPTION_PLAIN, 0, 0, "credentials file for the bus"},
    {"nats_ca", OPTION_STRING, NULL, OPTION_PLAIN, 0, 0, "CA file of the bus's TLS"},
    {"prefix", OPTION_STRING, SUBJECT_PREFIX_DEFAULT, OPTION_PLAIN, 0, 0,
	"first token of all subjects"},
    {"database_url", OPTION_STRING, "postgresql:///fairlead", OPTION_SECRET, 0, 0,
	"libpq connection string or uri"},
    {"database_role", OPTION_STRING, "fairlead_scheduler", OPTION_PLAIN, 0, 0,
	"role taken after connecting; empty for none"},
    {"pools", OPTION_STRING, "default", OPTION_PLAIN, 0, 0,
	"comma separated pools to lead or stand by for"},
    {"replicas", OPTION_INT, "0", OPTION_PLAIN, 0, 5,
	"replicas of streams; 0: as the cluster allows"},
    {"ack_deadline", OPTION_DURATION_MS, "5s", OPTION_PLAIN, 100, 600000,
	"a command that no host accepted for so long is sent again"},
    {"sweep_interval", OPTION_DURATION_MS, "1s", OPTION_PLAIN, 50, 60000,
	"how often to look for messages to send again"},
    {"absent_after", OPTION_DURATION_MS, "1s", OPTION_PLAIN, 0, 60000,
	"a host is told to forget an ended executor so much later, in batches"},
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
    {"scheduler.sweep.before_publish", "messages are taken for resending, not published"},
    {"scheduler.counters.before_commit", "edges are not folded into counters"},
    {"scheduler.counters.after_commit", "edges are folded into counters"},
    {"scheduler.events.before_commit", "events are not numbered"},
    {"scheduler.events.after_commit", "events are numbered"},
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
	    .absent_after_ms = (uint32_t)options_int(o, "absent_after"),
	    .sweep_interval_ms = (int)options_int(o, "sweep_interval"),
	    .retention_ms = options_int(o, "retention")};
	return scheduler_pools_read(s, options_string(o, "pools"), err);
}

static const char *
option_or_null(const struct options *o, const char *name)
{
	return options_is_set(o, name) ? options_string(o, name) : NULL;
}

static void
bus_state_changed(void *arg, enum bus_state state, const char *why)
{
	static const char *const texts[] = {[BUS_CONNECTING] = "connecting",
	    [BUS_CONNECTED] = "connected",
	    [BUS_DISCONNECTED] = "disconnected",
	    [BUS_CLOSED] = "closed"};

	(void)arg;
	log_info("bus.state", LOG_STR("state", texts[state]), LOG_STR("why", why ? why : ""));
}

static int
bus_open(const struct service_context *c, struct bus **ret, struct err *err)
{
	char name[96];
	const struct bus_options o = {.servers = options_string(c->options, "nats_servers"),
	    .name = name,
	    .user = option_or_null(c->options, "nats_user"),
	    .password = option_or_null(c->options, "nats_password"),
	    .creds_file = option_or_null(c->options, "nats_creds"),
	    .tls_ca_file = option_or_null(c->options, "nats_ca"),
	    .max_pending = WINDOW,
	    .on_state = bus_state_changed};

	snprintf(name, sizeof(name), "fairlead-scheduler/%s", c->instance);
	return bus_nats_new(&o, ret, err);
}

/* Away: say so and wait.  Refused (password, schema): refuse to run, naming it. */
static int
wait_for_schema(struct service_context *c, struct store *s, struct err *err)
{
	unsigned version;

	while (store_schema_check(s, &version, err) != 0) {
		if (err->kind != ERR_UNAVAILABLE && err->kind != ERR_TIMEOUT)
			return err_wrap(err, "database_url");
		log_warn("postgres.waiting", LOG_ERR(err));
		if (!service_wait(c, WAIT_MS))
			return err_set(err, ERR_UNAVAILABLE, "stopped while waiting for Postgres");
	}
	return 0;
}

static int
wait_for_bus(struct service_context *c, struct bus *b, struct err *err)
{
	while (bus_wait_connected(b, WAIT_MS, err) != 0) {
		if (err->kind == ERR_DENIED || err->kind == ERR_INVALID)
			return err_wrap(err, "nats_servers");
		log_warn("bus.waiting", LOG_ERR(err));
		if (service_stopping(c))
			return err_set(err, ERR_UNAVAILABLE, "stopped while waiting for the bus");
	}
	return 0;
}

static int
wait_for_streams(struct service_context *c, struct scheduler *s, struct err *err)
{
	while (streams_ensure(s->bus, s->settings.prefix, s->settings.replicas, err) != 0) {
		if (err->kind == ERR_CONFLICT || err->kind == ERR_DENIED ||
		    err->kind == ERR_INVALID)
			return err_wrap(err, "streams");
		log_warn("streams.waiting", LOG_ERR(err));
		if (!service_wait(c, WAIT_MS))
			return err_set(err, ERR_UNAVAILABLE, "stopped while waiting for JetStream");
	}
	return 0;
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
	leases_stop(p->scheduler.leases);
	store_free(p->probe_store);
	scheduler_metrics_free(p->scheduler.metrics);
	free(p);
}

static int
connect_all(struct scheduler_process *p, struct service_context *c, struct err *err)
{
	struct scheduler *s = &p->scheduler;

	if (settings_read(s, c, err) != 0 || bus_open(c, &s->bus, err) != 0 ||
	    scheduler_store_new(s, "probe", &p->probe_store, err) != 0)
		return -1;
	if (health_add_probe(c->health, "nats", probe_bus, p, err) != 0 ||
	    health_add_probe(c->health, "postgres", probe_store, p, err) != 0)
		return -1;
	if (wait_for_schema(c, p->probe_store, err) != 0 || wait_for_bus(c, s->bus, err) != 0)
		return -1;
	return wait_for_streams(c, s, err);
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
	if (connect_all(p, c, err) != 0 || leases_start(s, &s->leases, err) != 0 ||
	    publisher_start(s, &s->publisher, err) != 0 ||
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
