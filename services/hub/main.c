/* main: options of the hub, the order in which its concerns start and stop. */
#include <stdlib.h>

#include "api.h"
#include "bus.h"
#include "crash.h"
#include "dependencies.h"
#include "err.h"
#include "health.h"
#include "heartbeat.h"
#include "host_requests.h"
#include "hub.h"
#include "hub_bounds.h"
#include "hub_metrics.h"
#include "intake.h"
#include "judge.h"
#include "liveness.h"
#include "log.h"
#include "metrics.h"
#include "options.h"
#include "service.h"
#include "store.h"
#include "watch.h"

#define SILENT_HEARTBEATS 2

static const struct option_row option_rows[] = {
    DEPENDENCIES_OPTIONS("fairlead_hub"),
    {"api_workers", OPTION_INT, "4", OPTION_PLAIN, 1, HUB_API_WORKERS_MAX,
	"threads that answer the API"},
    {"host_workers", OPTION_INT, "2", OPTION_PLAIN, 1, 16, "threads that answer hello and sync"},
    {"report_batch", OPTION_INT, "1024", OPTION_PLAIN, 1, 8192, "executor reports per transaction"},
    {"liveness_flush", OPTION_DURATION_MS, "30s", OPTION_PLAIN, 100, 600000,
	"how often heartbeats are written to Postgres"},
    {"heartbeat_interval", OPTION_DURATION_MS, "5s", OPTION_PLAIN, 100, 60000,
	"what hosts are told"},
    {"silent_after", OPTION_DURATION_MS, "13s", OPTION_PLAIN, 1000, 600000,
	"a host without a heartbeat for so long is suspect; at least twice heartbeat_interval"},
    {"digest_settle", OPTION_DURATION_MS, "10s", OPTION_PLAIN, 100, 3600000,
	"a host whose digest stood still for so long is compared with the rows"},
    {"digest_again", OPTION_DURATION_MS, "10m", OPTION_PLAIN, 1000, 86400000,
	"and again so much later"},
    {"nats_system_user", OPTION_STRING, NULL, OPTION_PLAIN, 0, 0,
	"user of the bus's system account: the end of a connection is known at once; unset: "
	"silence "
	"decides"},
    {"nats_system_password", OPTION_STRING, NULL, OPTION_SECRET, 0, 0,
	"password in the bus's system account"},
    {NULL, OPTION_STRING, NULL, OPTION_PLAIN, 0, 0, NULL},
};

static const struct crash_row crash_rows[] = {
    {"hub.session_create.before_commit", "a create was checked, nothing is written"},
    {"hub.session_create.after_commit", "a create is committed, nobody was told"},
    {"hub.session_update.before_commit", "an update was checked, nothing is written"},
    {"hub.session_update.after_commit", "an update is committed, nobody was told"},
    {"hub.session_close.after_commit", "a close is committed, nobody was told"},
    {"hub.executor_stop.after_commit", "a stop is committed, nobody was told"},
    {"hub.command_replay.after_commit", "a wish to replay is committed, nobody was told"},
    {"hub.command_drop.after_commit", "a drop is committed, nobody was told"},
    {"hub.host_rm.after_commit", "a host is retired, nobody was told"},
    {"hub.host_cordon.after_commit", "a cordon or its end is committed, nobody was told"},
    {"hub.host_drain.after_commit", "a drain or its end is committed, nobody was told"},
    {"hub.host_lost.after_commit", "a confirmation is committed, nobody was told"},
    {"hub.verdict_suspect.after_commit", "hosts are SUSPECT, the judge has not noted it"},
    {"hub.verdict_ready.after_commit", "hosts are READY again, the judge has not noted it"},
    {"hub.verdict_lost.after_commit", "hosts are LOST, the judge has not noted it"},
    {"hub.dead_letter.after_publish", "a dead letter is stored, its message is not terminated"},
    {"hub.dead_letter.after_term", "a dead letter is stored, its message is terminated"},
    {"hub.api.before_answer", "a request was carried out, the answer is not sent"},
    {"hub.hello.after_commit", "a hello is committed, the host has no answer"},
    {"hub.report.before_commit", "a batch of reports was fetched, nothing is written"},
    {"hub.report.after_commit", "a batch is committed, not acknowledged"},
    {"hub.report.before_ack", "a batch is committed, the first message is not acknowledged"},
    {"hub.report.after_ack", "a batch is acknowledged"},
    {NULL, NULL},
};

struct hub_process {
	struct hub hub;
	struct service_context *context;
	struct store *probe_store; /* readiness asks on a connection of its own */
	struct api_service *api;
	struct heartbeat_service *heartbeat;
	struct bus *system_bus; /* NULL: none */
	struct judge *judge;
	struct host_requests *host_requests;
	struct intake *intake;
	struct watch *watch;
};

static void
settings_read(struct hub *h, const struct service_context *c)
{
	const struct options *o = c->options;

	h->settings = (struct hub_settings){.instance = c->instance,
	    .prefix = options_string(o, "prefix"),
	    .database_url = options_string(o, "database_url"),
	    .database_role = options_string(o, "database_role"),
	    .api_workers = (unsigned)options_int(o, "api_workers"),
	    .host_workers = (unsigned)options_int(o, "host_workers"),
	    .report_batch = (unsigned)options_int(o, "report_batch"),
	    .replicas = (int)options_int(o, "replicas"),
	    .liveness_flush_ms = options_int(o, "liveness_flush"),
	    .heartbeat_interval_ms = (uint32_t)options_int(o, "heartbeat_interval"),
	    .digest_settle_ms = (uint32_t)options_int(o, "digest_settle"),
	    .digest_again_ms = (uint32_t)options_int(o, "digest_again"),
	    .silent_after_ms = (uint32_t)options_int(o, "silent_after")};
}

/* One heartbeat may be lost, or come late, and nobody is accused. */
static int
settings_check(const struct hub_settings *s, struct err *err)
{
	if (s->silent_after_ms >= SILENT_HEARTBEATS * s->heartbeat_interval_ms)
		return 0;
	return err_field(err, ERR_INVALID, "silent_after",
	    "silent_after of %u ms is less than %d times heartbeat_interval of %u ms",
	    s->silent_after_ms, SILENT_HEARTBEATS, s->heartbeat_interval_ms);
}

static int
probe_bus(void *arg, struct err *err)
{
	const struct hub_process *p = arg;

	if (bus_state(p->hub.bus) == BUS_CONNECTED && bus_state(p->hub.intake_bus) == BUS_CONNECTED)
		return 0;
	return err_set(err, ERR_UNAVAILABLE, "not connected to the bus");
}

static int
probe_store(void *arg, struct err *err)
{
	const struct hub_process *p = arg;
	int64_t now_us;

	return store_ping(p->probe_store, &now_us, err);
}

static void
hub_stop(void *state)
{
	struct hub_process *p = state;

	if (!p)
		return;
	watch_stop(p->watch);
	api_stop(p->api);
	judge_stop(p->judge);
	host_requests_stop(p->host_requests);
	heartbeat_stop(p->heartbeat);
	intake_stop(p->intake);
	bus_free(p->system_bus);
	bus_free(p->hub.intake_bus);
	bus_free(p->hub.bus);
	store_free(p->probe_store);
	liveness_free(p->hub.liveness);
	hub_metrics_free(p->hub.metrics);
	free(p);
}

static int
connect_all(struct hub_process *p, struct service_context *c, struct err *err)
{
	static const struct dependencies_connection main_connection = {.name = "main"};
	static const struct dependencies_connection intake_connection = {
	    .name = "intake", .lazy_flush = true};
	struct hub *h = &p->hub;

	if (dependencies_open_bus(c, &main_connection, &h->bus, err) != 0 ||
	    dependencies_open_bus(c, &intake_connection, &h->intake_bus, err) != 0 ||
	    hub_store_new(h, "probe", &p->probe_store, err) != 0)
		return -1;
	if (health_add_probe(c->health, "nats", probe_bus, p, err) != 0 ||
	    health_add_probe(c->health, "postgres", probe_store, p, err) != 0)
		return -1;
	if (dependencies_wait_bus(c, h->bus, err) != 0 ||
	    dependencies_wait_bus(c, h->intake_bus, err) != 0 ||
	    dependencies_wait_schema(c, p->probe_store, err) != 0)
		return -1;
	return dependencies_wait_streams(c, h->bus, err);
}

static int
connect_system(struct hub_process *p, struct service_context *c, struct err *err)
{
	static const struct dependencies_connection connection = {.name = "system", .system = true};

	if (!options_is_set(c->options, "nats_system_user")) {
		log_info("judge.silence_only",
		    LOG_STR(
			"why", "nats_system_user is not set: only silence tells of lost hosts"));
		return 0;
	}
	if (dependencies_open_bus(c, &connection, &p->system_bus, err) != 0 ||
	    dependencies_wait_bus(c, p->system_bus, err) != 0)
		return err_wrap(err, "nats_system_user");
	return 0;
}

static int
watch_parts_start(struct hub_process *p, struct err *err)
{
	const struct watch_parts parts = {
	    .heartbeat = p->heartbeat, .host_requests = p->host_requests, .judge = p->judge};

	return watch_start(&p->hub, &parts, &p->watch, err);
}

static int
hub_start(struct service_context *c, void **ret_state, struct err *err)
{
	struct hub_process *p = calloc(1, sizeof(*p));
	struct hub *h;

	if (!p)
		return err_set(err, ERR_INTERNAL, "no memory");
	h = &p->hub;
	p->context = c;
	settings_read(h, c);
	if (settings_check(&h->settings, err) != 0) {
		free(p);
		return -1;
	}
	h->liveness = liveness_new(HOSTS_MAX);
	h->metrics = hub_metrics_new(c->metrics);
	if (!h->liveness || !h->metrics) {
		hub_stop(p);
		return err_set(err, ERR_INTERNAL, "no memory");
	}
	if (connect_all(p, c, err) != 0 || connect_system(p, c, err) != 0 ||
	    intake_start(h, &p->intake, err) != 0 || heartbeat_start(h, &p->heartbeat, err) != 0 ||
	    judge_start(h, p->heartbeat, p->system_bus, &p->judge, err) != 0 ||
	    host_requests_start(h, &p->host_requests, err) != 0 ||
	    api_start(h, &p->api, err) != 0 || watch_parts_start(p, err) != 0) {
		health_stop(c->health);
		hub_stop(p);
		return -1;
	}
	log_info("hub.ready", LOG_STR("prefix", h->settings.prefix));
	*ret_state = p;
	return 0;
}

/* In the order of the flow: first nobody can ask, then what was fetched is committed.  All workers
 * are asked to end before the first is waited for: where Postgres stalls their waits pass together.
 */
static int
hub_drain(void *state, int timeout_ms, struct err *err)
{
	struct hub_process *p = state;

	watch_stop(TAKE(p->watch));
	api_close(p->api);
	judge_close(p->judge);
	host_requests_close(p->host_requests);
	heartbeat_close(p->heartbeat);
	intake_close(p->intake);
	api_stop(TAKE(p->api));
	judge_stop(TAKE(p->judge));
	host_requests_stop(TAKE(p->host_requests));
	heartbeat_stop(TAKE(p->heartbeat));
	intake_stop(TAKE(p->intake));
	return bus_flush(p->hub.bus, timeout_ms, err);
}

static const struct service hub_service = {.name = "hub",
    .summary = "turns bus traffic into executor and session state in Postgres, and answers the API",
    .http_listen = "",
    .options = option_rows,
    .crash_points = crash_rows,
    .start = hub_start,
    .drain = hub_drain,
    .stop = hub_stop};

int
main(int argc, char **argv)
{
	return service_main(&hub_service, argc, argv);
}
