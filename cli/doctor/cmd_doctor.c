/* cmd_doctor: doctor: why does this host's agent not work?  Every hop from its settings to a hub's
 * answer is tried as the agent would use it, and changes nothing. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent_options.h"
#include "arena.h"
#include "args.h"
#include "bus.h"
#include "cli.h"
#include "doctor.h"
#include "err.h"

#define STEP_MS_MAX 5000

enum hop_name {
	CONFIGURATION,
	STATE,
	DRIVERS,
	DNS,
	TCP,
	NATS,
	TLS,
	AUTH,
	PERMISSIONS,
	STREAMS,
	HUB,
	CLOCK
};

/* after: nothing can be said when that one failed; itself: none. */
static const struct hop {
	const char *name;
	enum hop_name after;
	int (*look)(struct doctor *d, struct err *err);
} hops[] = {
    [CONFIGURATION] = {"configuration", CONFIGURATION, doctor_configuration},
    [STATE] = {"state", CONFIGURATION, doctor_state},
    [DRIVERS] = {"drivers", CONFIGURATION, doctor_drivers},
    [DNS] = {"dns", CONFIGURATION, doctor_dns},
    [TCP] = {"tcp", DNS, doctor_tcp},
    [NATS] = {"nats", TCP, doctor_nats},
    [TLS] = {"tls", NATS, doctor_tls},
    [AUTH] = {"auth", TLS, doctor_auth},
    [PERMISSIONS] = {"permissions", AUTH, doctor_permissions},
    [STREAMS] = {"streams", PERMISSIONS, doctor_streams},
    [HUB] = {"hub", PERMISSIONS, doctor_hub},
    [CLOCK] = {"clock", HUB, doctor_clock},
};

void
doctor_say(struct doctor *d, const char *format, ...)
{
	size_t n = strlen(d->said);
	va_list args;

	va_start(args, format);
	vsnprintf(d->said + n, sizeof(d->said) - n, format, args);
	va_end(args);
}

/* The first that failed; COUNT_OF(hops): none. */
static size_t
look_all(struct doctor *d)
{
	bool failed[COUNT_OF(hops)] = {false};
	size_t first = COUNT_OF(hops);

	for (size_t i = 0; i < COUNT_OF(hops); i++) {
		struct err err = {0};

		d->said[0] = '\0';
		failed[i] = failed[hops[i].after];
		if (failed[i]) {
			printf(
			    "skipped  %-13s  %s failed\n", hops[i].name, hops[hops[i].after].name);
			continue;
		}
		if (hops[i].look(d, &err) == 0) {
			printf("ok       %-13s  %s\n", hops[i].name, d->said);
			continue;
		}
		printf("FAILED   %-13s  %s\n", hops[i].name, err.text);
		if (*err.hint)
			printf("         %-13s  hint: %s\n", "", err.hint);
		failed[i] = true;
		first = first < i ? first : i;
	}
	return first;
}

static void
doctor_done(struct doctor *d)
{
	bus_free(d->bus);
	for (size_t i = 0; i < d->server_count; i++) {
		if (d->servers[i].fd >= 0)
			close(d->servers[i].fd);
	}
	settings_done(&d->settings);
	options_free(d->options);
}

int
cmd_doctor(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "[-- AGENT-OPTION...]", .nameless = true};
	struct doctor d = {.arena = c->arena};
	size_t failed;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	d.options = options_new("FAIRLEAD_AGENT", agent_options);
	if (!d.options)
		return CLI_EXIT_FAILED;
	d.agent_words = args.rest;
	d.agent_word_count = (int)args.rest_count;
	d.step_ms = c->timeout_ms < STEP_MS_MAX ? c->timeout_ms : STEP_MS_MAX;
	failed = look_all(&d);
	doctor_done(&d);
	if (failed == COUNT_OF(hops)) {
		printf("all that the agent of %s needs works\n", d.settings.host_id);
		return 0;
	}
	fflush(stdout);
	fprintf(stderr, "fairlead: the first hop that fails is %s\n", hops[failed].name);
	return CLI_EXIT_FAILED;
}
