/* cmd_dev: a whole cell as child processes of this one: bus, database, hub, scheduler, agents. */
#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "cell.h"
#include "cli.h"
#include "pace.h"

#define TEND_MS 50
#define SERVICES_MAX 8

enum { KEY_DATA = 0x3000, KEY_AGENTS, KEY_HUBS, KEY_SCHEDULERS, KEY_BUS_SERVERS, KEY_EXEC };

struct dev_input {
	struct args args;
	const char *data, *command;
	uint64_t agents, hubs, schedulers, bus_servers;
};

static error_t
take(int key, char *value, void *arg)
{
	struct dev_input *in = arg;

	switch (key) {
	case KEY_DATA:
		in->data = value;
		return 0;
	case KEY_AGENTS:
		return args_number("--agents", value, 1, CELL_AGENTS_MAX, &in->agents);
	case KEY_HUBS:
		return args_number("--hubs", value, 1, SERVICES_MAX, &in->hubs);
	case KEY_SCHEDULERS:
		return args_number("--schedulers", value, 1, SERVICES_MAX, &in->schedulers);
	case KEY_BUS_SERVERS:
		return args_number(
		    "--bus-servers", value, 1, CELL_BUS_SERVERS_MAX, &in->bus_servers);
	case KEY_EXEC:
		in->command = value;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
    {"data", KEY_DATA, "DIR", 0, "where everything is kept, default ./fairlead-data", 0},
    {"agents", KEY_AGENTS, "N", 0, "hosts to play, default 1", 0},
    {"hubs", KEY_HUBS, "N", 0, "default 1", 0},
    {"schedulers", KEY_SCHEDULERS, "N", 0, "default 1", 0},
    {"bus-servers", KEY_BUS_SERVERS, "N", 0,
	"nats-servers: 1, or 3 in a cluster that keeps three replicas; default 1", 0},
    {"exec", KEY_EXEC, "COMMAND", 0,
	"run this in a shell once the cell is up, stop the cell, exit as it did", 0},
    {0},
};

static int
paths_find(struct cell *cell, const char *data, struct err *err)
{
	char self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return err_set(err, ERR_INTERNAL, "/proc/self/exe: %s", strerror(errno));
	self[n] = '\0';
	snprintf(cell->bin, sizeof(cell->bin), "%s", dirname(self));
	if (data[0] == '/') {
		if (strlen(data) >= sizeof(cell->data) - 64)
			return err_field(err, ERR_LIMIT, "data", "path longer than %zu bytes",
			    sizeof(cell->data) - 64);
		snprintf(cell->data, sizeof(cell->data), "%s", data);
		return 0;
	}
	if (!getcwd(cell->data, sizeof(cell->data) - 64) ||
	    strlen(cell->data) + strlen(data) >= sizeof(cell->data) - 64)
		return err_field(
		    err, ERR_LIMIT, "data", "path longer than %zu bytes", sizeof(cell->data) - 64);
	snprintf(
	    cell->data + strlen(cell->data), sizeof(cell->data) - strlen(cell->data), "/%s", data);
	return 0;
}

/* What the command is told, and what a person copies into another terminal. */
static void
context_export(const struct cell *cell)
{
	setenv("FAIRLEAD_NATS_SERVERS", cell->nats_url, 1);
	setenv("FAIRLEAD_DATABASE_URL", cell->database_url, 1);
}

static void
context_say(const struct cell *cell)
{
	printf("cell is up: %u agent%s, data in %s, logs in %s/log\n", cell->agents,
	    cell->agents == 1 ? "" : "s", cell->data, cell->data);
	printf("  export FAIRLEAD_NATS_SERVERS=%s\n", cell->nats_url);
	printf("  export FAIRLEAD_DATABASE_URL='%s'\n", cell->database_url);
	printf("  %s/fairlead run -- echo hi\nCtrl-C stops it; the data stays.\n", cell->bin);
	fflush(stdout);
}

static int
exec_command(struct cell *cell, const char *command)
{
	struct err err = {0};
	struct child child;
	int code;

	child_init(&child, "exec", SIGTERM);
	child_arg(&child, "sh");
	child_arg(&child, "-c");
	child_arg(&child, "%s", command);
	if (child_start(&child, NULL, &err) != 0)
		return cli_fail(&err);
	while (child_wait(&child, TEND_MS, &err) != 0 && !pace_signal())
		cell_tend(cell);
	child_stop(&child, 5000);
	code = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : 128 + WTERMSIG(child.status);
	child_done(&child);
	return code;
}

int
cmd_dev(struct cli *c, int argc, char **argv)
{
	static struct cell cell;
	struct dev_input in = {.args = {.usage = ""},
	    .data = "fairlead-data",
	    .agents = 1,
	    .hubs = 1,
	    .schedulers = 1,
	    .bus_servers = 1};
	struct err err = {0};
	int code = 0;

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	if (in.bus_servers == 2) {
		fprintf(stderr,
		    "fairlead: --bus-servers: allowed are 1 and %d: of two servers no "
		    "majority is left when one is away\n",
		    CELL_BUS_SERVERS_MAX);
		return CLI_EXIT_USAGE;
	}
	cell.lock_fd = cell.servers_fd = -1;
	cell.agents = (unsigned)in.agents;
	cell.hubs = (unsigned)in.hubs;
	cell.schedulers = (unsigned)in.schedulers;
	cell.bus_servers = (unsigned)in.bus_servers;
	pace_catch_signals();
	if (paths_find(&cell, in.data, &err) != 0)
		return cli_fail(&err);
	if (cell_start(&cell, &err) != 0) {
		code = cli_fail(&err);
	} else {
		context_export(&cell);
		if (in.command)
			code = exec_command(&cell, in.command);
		else
			context_say(&cell);
		while (!in.command && !pace_signal()) {
			cell_tend(&cell);
			poll(NULL, 0, TEND_MS);
		}
	}
	cell_stop(&cell);
	return code;
}
