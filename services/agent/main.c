/* fairlead-agent: one host of the fleet.  One event-loop thread owns all state. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "agent_options.h"
#include "binding.h"
#include "clock.h"
#include "err.h"
#include "host.h"
#include "log.h"
#include "machine.h"
#include "program.h"
#include "records.h"
#include "settings.h"
#include "subjects.h"
#include "version.h"

/* Everything the process holds, in order of making. */
struct process {
	const struct options *options;
	struct machine machine;
	struct resources capacity;
	struct settings settings;
	int lock_fd;
	struct records *records;
	struct sd_event *loop;
	struct sd_event_source *sigterm, *sigint;
	struct host_shared shared;
	struct link *link;
	struct host *host;
	int exit_code;
};

static int
read_capacity(struct process *p, struct err *err)
{
	const struct options *o = p->options;

	if (machine_capacity(options_string(o, "state_dir"), &p->capacity, err) < 0)
		return -1;
	if (options_int(o, "cpu_millis") > 0)
		p->capacity.cpu_millis = options_int(o, "cpu_millis");
	if (options_int(o, "memory_bytes") > 0)
		p->capacity.memory_bytes = options_int(o, "memory_bytes");
	if (options_int(o, "disk_bytes") > 0)
		p->capacity.disk_bytes = options_int(o, "disk_bytes");
	p->capacity.gpus = options_int(o, "gpus");
	p->capacity.slots = options_int(o, "slots");
	return 0;
}

/* ---- parts ---- */

static void
on_deliver(void *arg, size_t index, const struct link_item *items, size_t n)
{
	struct process *p = arg;

	(void)index;
	host_deliver(p->host, items, n);
}

static void
on_exit_asked(void *arg, int exit_code)
{
	struct process *p = arg;

	p->exit_code = exit_code;
	(void)sd_event_exit(p->loop, 0);
}

static void
on_accepted(void *arg)
{
	struct process *p = arg;

	log_info("agent.ready", LOG_STR("host", p->settings.host_id),
	    LOG_UINT("epoch", agent_epoch(host_agent(p->host))));
}

/* Nobody is served by an agent that may not speak, unless it has executors to tend: those come
 * before a password, and the link goes on trying. */
static void
on_refused(void *arg)
{
	struct process *p = arg;
	struct err err = {0};

	if (agent_record_count(host_agent(p->host)) > 0)
		return;
	err_field(&err, ERR_DENIED, "nats_password", "the bus refuses nats_user and nats_password");
	log_error("agent.failed", LOG_ERR(&err));
	on_exit_asked(p, err_row(err.kind)->exit_code);
}

static int
on_signal(struct sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct process *p = arg;

	(void)source;
	log_info(
	    "agent.stopping", LOG_STR("signal", info->ssi_signo == SIGINT ? "SIGINT" : "SIGTERM"));
	host_stop(p->host);
	return 0;
}

/* Blocked before the bus starts threads, so that only the loop sees them. */
static int
open_loop(struct process *p, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (sd_event_new(&p->loop) < 0 ||
	    sd_event_add_signal(p->loop, &p->sigterm, SIGTERM, on_signal, p) < 0 ||
	    sd_event_add_signal(p->loop, &p->sigint, SIGINT, on_signal, p) < 0)
		return err_set(err, ERR_INTERNAL, "no event loop");
	return host_shared_init(&p->shared, p->loop, clock_system(), err);
}

static int
open_records(struct process *p, struct err *err)
{
	const char *state_dir = options_string(p->options, "state_dir");
	char moved[RECORDS_PATH_BYTES];

	if (binding_check(state_dir, p->settings.host_id, moved, err) < 0)
		return -1;
	if (moved[0])
		log_warn("journal.of_another_host", LOG_STR("kept", moved),
		    LOG_STR("detail", "the host id changed: a new journal was started"));
	if (records_sqlite_open(state_dir, &p->records, moved, err) < 0)
		return -1;
	if (moved[0])
		log_error("journal.damaged", LOG_STR("kept", moved),
		    LOG_STR("detail", "a new journal was started"));
	return 0;
}

static const char *
or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static int
open_link(struct process *p, struct err *err)
{
	const struct options *o = p->options;
	struct bus_options bus = {
	    .servers = options_string(o, "nats_servers"),
	    .name = p->settings.host_id,
	    .user = or_null(options_string(o, "nats_user")),
	    .password = or_null(options_string(o, "nats_password")),
	    .inbox_prefix = p->settings.inbox_prefix,
	};
	struct link_options options = {
	    .loop = p->loop,
	    .bus_options = &bus,
	    .prefix = options_string(o, "prefix"),
	    .deliver = on_deliver,
	    .refused = on_refused,
	    .arg = p,
	};

	return link_new(&options, &p->link, err);
}

static int
open_host(struct process *p, struct err *err)
{
	static const char *const drivers[] = {"process", "fake", NULL};
	static const char *const without_fake[] = {"process", NULL};
	const struct options *o = p->options;
	struct host_options options = {
	    .shared = &p->shared,
	    .link = p->link,
	    .agent =
		{
		    .host_id = p->settings.host_id,
		    .pool = options_string(o, "pool"),
		    .boot_id = p->machine.boot_id,
		    .version = FAIRLEAD_VERSION,
		    .arch = p->machine.arch,
		    .kernel = p->machine.kernel,
		    .capacity = p->capacity,
		    .labels = p->settings.labels,
		    .label_count = p->settings.label_count,
		    .heartbeat_interval_us = options_int(o, "heartbeat_interval") * MS_US,
		    .stop_executors_on_exit = options_bool(o, "stop_executors_on_exit"),
		    .random = (uint64_t)clock_real_us(clock_system()) ^ (uint64_t)getpid() << 40,
		},
	    .records = p->records,
	    .state_dir = options_string(o, "state_dir"),
	    .drivers = options_bool(o, "enable_fake") ? drivers : without_fake,
	    .shim_path = p->settings.shim_path,
	    .cgroup_mode = options_string(o, "cgroup"),
	    .on_exit = on_exit_asked,
	    .on_accepted = on_accepted,
	    .arg = p,
	};

	return host_new(&options, &p->host, err);
}

static void
log_started(const struct process *p)
{
	size_t n;
	const struct agent_driver *drivers = host_drivers(p->host, &n);
	struct id journal_id = agent_journal_id(host_agent(p->host));
	char servers[BUS_SERVERS_SAID_BYTES];

	log_info("agent.started", LOG_STR("version", FAIRLEAD_VERSION),
	    LOG_STR("host", p->settings.host_id),
	    LOG_STR("pool", options_string(p->options, "pool")), LOG_ID("journal", &journal_id),
	    LOG_UINT("records", agent_record_count(host_agent(p->host))),
	    LOG_STR("servers", bus_servers_said(options_string(p->options, "nats_servers"), servers,
				   sizeof(servers))));
	for (size_t i = 0; i < n; i++)
		log_info("driver.probed", LOG_STR("driver", drivers[i].name),
		    LOG_STR("usable", drivers[i].probe.usable ? "yes" : "no"),
		    LOG_STR("detail", drivers[i].probe.detail));
}

static int
start(struct process *p, struct err *err)
{
	if (machine_lock_state_dir(options_string(p->options, "state_dir"), &p->lock_fd, err) < 0 ||
	    read_capacity(p, err) < 0 || open_loop(p, err) < 0 || open_records(p, err) < 0 ||
	    open_link(p, err) < 0 || open_host(p, err) < 0)
		return -1;
	log_started(p);
	if (host_start(p->host, err) < 0)
		return -1;
	return link_start(p->link, err);
}

static void
finish(struct process *p)
{
	link_free(p->link);
	host_free(p->host);
	records_free(p->records);
	if (p->shared.arena)
		host_shared_done(&p->shared);
	sd_event_source_unref(p->sigterm);
	sd_event_source_unref(p->sigint);
	sd_event_unref(p->loop);
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	settings_done(&p->settings);
}

static int
run(const struct options *options, const char *program_path)
{
	struct process p = {.options = options, .lock_fd = -1};
	struct err err;

	(void)program_path;
	/* One heap: an arena per bus thread would cost megabytes. */
	mallopt(M_ARENA_MAX, 1);
	if (machine_read(&p.machine, &err) < 0 ||
	    settings_check(&p.settings, options, &p.machine, &err) < 0) {
		(void)program_refuse("fairlead-agent", &err);
		settings_done(&p.settings);
		return PROGRAM_EXIT_USAGE;
	}
	if (start(&p, &err) < 0) {
		log_error("agent.failed", LOG_ERR(&err));
		finish(&p);
		return err_row(err.kind)->exit_code;
	}
	int r = sd_event_loop(p.loop);
	if (r < 0) {
		log_error("agent.loop_failed", LOG_STR("why", strerror(-r)));
		p.exit_code = err_row(ERR_INTERNAL)->exit_code;
	}
	log_info("agent.ended", LOG_INT("exit_code", p.exit_code));
	finish(&p);
	return p.exit_code;
}

int
main(int argc, char **argv)
{
	static const struct program program = {
	    .name = "fairlead-agent",
	    .service = "agent",
	    .prefix = "FAIRLEAD_AGENT",
	    .summary = "Runs executors on this host for a fairlead control plane.",
	    .options = agent_options,
	    .crash_points = agent_crash_points,
	};

	return program_main(&program, argc, argv, run);
}
