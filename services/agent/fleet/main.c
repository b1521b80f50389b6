/* fairlead-fleet: the load source of tests and benches. */
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <systemd/sd-event.h>

#include "agent.h"
#include "clock.h"
#include "err.h"
#include "fleet.h"
#include "id.h"
#include "log.h"
#include "machine.h"
#include "name.h"
#include "program.h"

#define HOSTS_MAX 100000

static const struct option_row fleet_rows[] = {
    {"hosts", OPTION_INT, "10", 0, 1, HOSTS_MAX, "how many agents"},
    {"host_prefix", OPTION_STRING, "sim", 0, 0, 0, "hosts are PREFIX-0, PREFIX-1, ..."},
    {"connections", OPTION_STRING, "shared", 0, 0, 0,
	"shared: one for all; real: one for each host"},
    {"nats_servers", OPTION_STRING, "nats://127.0.0.1:4222", 0, 0, 0,
	"urls of the bus, comma separated"},
    {"nats_user", OPTION_STRING, NULL, 0, 0, 0, "user of the bus"},
    {"nats_password", OPTION_STRING, NULL, OPTION_SECRET, 0, 0, "password of the bus"},
    {"prefix", OPTION_STRING, "fl", 0, 0, 0, "first token of every subject"},
    {"pool", OPTION_STRING, "default", 0, 0, 0, "the pool of every host"},
    {"labels", OPTION_STRING, NULL, 0, 0, 0, "k=v,k=v: the labels of every host"},
    {"cpu_millis", OPTION_INT, "64000", 0, 0, 100000000, "capacity of each host"},
    {"memory_bytes", OPTION_BYTES, "256Gi", 0, 0, INT64_MAX, "capacity of each host"},
    {"disk_bytes", OPTION_BYTES, "1024Gi", 0, 0, INT64_MAX, "capacity of each host"},
    {"gpus", OPTION_INT, "8", 0, 0, 1024, "capacity of each host"},
    {"slots", OPTION_INT, "4096", 0, 0, 4096, "capacity of each host"},
    {"heartbeat_interval", OPTION_DURATION_MS, "5s", 0, 500, 60000,
	"until a hello was answered; then the control plane's setting"},
    PROGRAM_LOG_OPTIONS,
    {0},
};

struct process {
	const struct options *options;
	struct sd_event *loop;
	struct fleet *fleet;
	struct label labels[AGENT_LABELS_MAX];
	char *labels_text;
	char boot_id[ID_HEX_BYTES];
	int64_t started_us;
};

static void
on_accepted(void *arg)
{
	struct process *p = arg;

	printf("fleet ready: %" PRId64 " hosts accepted in %.3f s\n",
	    options_int(p->options, "hosts"),
	    (double)(clock_mono_us(clock_system()) - p->started_us) / 1e6);
	fflush(stdout);
}

static void
on_left(void *arg)
{
	struct process *p = arg;

	log_warn("fleet.left", LOG_STR("why", "every host was told to stop"));
	(void)sd_event_exit(p->loop, 0);
}

static const char *
or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static int
fleet_options_of(struct process *p, struct fleet_options *ret, struct err *err)
{
	const struct options *o = p->options;
	const char *connections = options_string(o, "connections");
	bool shared = strcmp(connections, "shared") == 0;
	struct id boot = id_new();

	if (!shared && strcmp(connections, "real") != 0)
		return err_field(err, ERR_INVALID, "connections",
		    "option connections: \"%.40s\" is not shared or real", connections);
	if (name_check(options_string(o, "host_prefix"), "host_prefix", err) < 0 ||
	    name_check(options_string(o, "pool"), "pool", err) < 0)
		return -1;
	*ret = (struct fleet_options){
	    .loop = p->loop,
	    .hosts = (size_t)options_int(o, "hosts"),
	    .host_prefix = options_string(o, "host_prefix"),
	    .shared = shared,
	    .bus =
		{
		    .servers = options_string(o, "nats_servers"),
		    .user = or_null(options_string(o, "nats_user")),
		    .password = or_null(options_string(o, "nats_password")),
		},
	    .prefix = options_string(o, "prefix"),
	    .pool = options_string(o, "pool"),
	    .boot_id = id_to_hex(&boot, p->boot_id),
	    .labels = p->labels,
	    .capacity = {options_int(o, "cpu_millis"), options_int(o, "memory_bytes"),
		options_int(o, "disk_bytes"), options_int(o, "gpus"), options_int(o, "slots")},
	    .heartbeat_interval_us = options_int(o, "heartbeat_interval") * MS_US,
	    .on_accepted = on_accepted,
	    .on_left = on_left,
	    .arg = p,
	};
	return machine_parse_labels(
	    p->labels_text, p->labels, AGENT_LABELS_MAX, &ret->label_count, err);
}

static void
print_stats(const struct process *p)
{
	struct fleet_stats s;

	fleet_stats(p->fleet, &s);
	printf("{\"hosts\": %zu, \"accepted\": %zu, \"left\": %zu, \"records\": %zu, "
	       "\"hellos\": %" PRIu64 ", \"heartbeats\": %" PRIu64
	       ", \"heartbeat_answers\": %" PRIu64 ", \"syncs\": %" PRIu64
	       ", \"commands\": %" PRIu64 ", \"items\": %" PRIu64 ", \"starts\": %" PRIu64,
	    s.hosts, s.accepted, s.left, s.records, s.hellos, s.heartbeats, s.heartbeat_answers,
	    s.syncs, s.commands, s.items, s.starts);
	printf(", \"reports\": %" PRIu64 ", \"reports_acked\": %" PRIu64
	       ", \"executors_reported\": %" PRIu64 ", \"refused_messages\": %" PRIu64
	       ", \"late_answers\": %" PRIu64 ", \"gaps\": %" PRIu64 ", \"dropped\": %" PRIu64
	       ", \"lag_max_ms\": %.3f}\n",
	    s.reports, s.reports_acked, s.executors_reported, s.refused_messages, s.late_answers,
	    s.gaps, s.dropped, (double)s.lag_max_us / 1e3);
	fflush(stdout);
}

static int
on_signal(struct sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct process *p = arg;

	(void)source;
	(void)info;
	return sd_event_exit(p->loop, 0);
}

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
	    sd_event_add_signal(p->loop, NULL, SIGTERM, on_signal, p) < 0 ||
	    sd_event_add_signal(p->loop, NULL, SIGINT, on_signal, p) < 0)
		return err_set(err, ERR_INTERNAL, "no event loop");
	return 0;
}

/* A connection is a file descriptor, a host two more. */
static void
raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static int
run(const struct options *options, const char *program_path)
{
	struct process p = {.options = options, .started_us = clock_mono_us(clock_system())};
	struct fleet_options fleet_options;
	struct err err;
	int code = 0;

	(void)program_path;
	raise_limits();
	p.labels_text = strdup(options_string(options, "labels"));
	if (!p.labels_text || open_loop(&p, &err) < 0) {
		fprintf(stderr, "fairlead-fleet: no memory or no event loop\n");
		code = err_row(ERR_INTERNAL)->exit_code;
	} else if (fleet_options_of(&p, &fleet_options, &err) < 0) {
		(void)program_refuse("fairlead-fleet", &err);
		code = PROGRAM_EXIT_USAGE;
	} else if (fleet_new(&fleet_options, &p.fleet, &err) < 0) {
		code = program_refuse("fairlead-fleet", &err);
	} else {
		if (sd_event_loop(p.loop) < 0)
			code = err_row(ERR_INTERNAL)->exit_code;
		print_stats(&p);
	}
	fleet_free(p.fleet);
	sd_event_unref(p.loop);
	free(p.labels_text);
	return code;
}

int
main(int argc, char **argv)
{
	static const struct program program = {
	    .name = "fairlead-fleet",
	    .service = "fleet",
	    .prefix = "FAIRLEAD_FLEET",
	    .summary = "Runs many simulated hosts in one process, for tests and benches.",
	    .options = fleet_rows,
	    .crash_points = agent_crash_points,
	};

	return program_main(&program, argc, argv, run);
}
