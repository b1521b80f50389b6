#include "dependencies.h"

#include <stdint.h>
#include <stdio.h>

#include "bus.h"
#include "err.h"
#include "log.h"
#include "service.h"
#include "store.h"
#include "streams.h"

#define WAIT_MS 1000

static const char *
option_or_null(const struct options *o, const char *name)
{
	return options_is_set(o, name) ? options_string(o, name) : NULL;
}

static void
state_changed(void *arg, enum bus_state state, const char *why)
{
	static const char *const texts[] = {[BUS_CONNECTING] = "connecting",
	    [BUS_CONNECTED] = "connected",
	    [BUS_DISCONNECTED] = "disconnected",
	    [BUS_CLOSED] = "closed"};

	log_info("bus.state", LOG_STR("connection", arg), LOG_STR("state", texts[state]),
	    LOG_STR("why", why ? why : ""));
}

int
dependencies_open_bus(const struct service_context *c, const struct dependencies_connection *want,
    struct bus **ret, struct err *err)
{
	char name[128];
	const struct bus_options o = {.servers = options_string(c->options, "nats_servers"),
	    .name = name,
	    .user = option_or_null(c->options, want->system ? "nats_system_user" : "nats_user"),
	    .password =
		option_or_null(c->options, want->system ? "nats_system_password" : "nats_password"),
	    .creds_file = want->system ? NULL : option_or_null(c->options, "nats_creds"),
	    .tls_ca_file = option_or_null(c->options, "nats_ca"),
	    .lazy_flush = want->lazy_flush,
	    .max_pending = want->max_pending,
	    .on_state = state_changed,
	    .arg = (void *)(uintptr_t)want->name};

	snprintf(name, sizeof(name), "fairlead-%s/%s/%s", c->name, c->instance, want->name);
	return bus_nats_new(&o, ret, err);
}

/* bus_wait_connected waits by itself: only the end of the service is looked at here. */
int
dependencies_wait_bus(const struct service_context *c, struct bus *b, struct err *err)
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

int
dependencies_wait_schema(struct service_context *c, struct store *s, struct err *err)
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

int
dependencies_wait_streams(struct service_context *c, struct bus *b, struct err *err)
{
	const char *prefix = options_string(c->options, "prefix");
	int replicas = (int)options_int(c->options, "replicas");

	while (streams_ensure(b, prefix, replicas, err) != 0) {
		if (err->kind == ERR_CONFLICT || err->kind == ERR_DENIED ||
		    err->kind == ERR_INVALID)
			return err_wrap(err, "streams");
		log_warn("streams.waiting", LOG_ERR(err));
		if (!service_wait(c, WAIT_MS))
			return err_set(err, ERR_UNAVAILABLE, "stopped while waiting for JetStream");
	}
	return 0;
}
