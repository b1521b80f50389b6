/* cmd_cell: status, version. */
#include <inttypes.h>
#include <stdio.h>

#include "args.h"
#include "cli.h"
#include "version.h"

#include "fairlead/v1/api.pb-c.h"

int
cmd_version(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "", .nameless = true};

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	printf("fairlead %s\n", FAIRLEAD_VERSION);
	return 0;
}

static void
status_print(const Fairlead__V1__CellStatusAnswer *a)
{
	const Fairlead__V1__Counters *n = a->executors;

	printf("cell        %s, version %s, schema %u, term %" PRIu64 "\n", a->cell, a->version,
	    a->schema_version, a->cell_term);
	printf("commands    %s\n", a->commands_signed ? "signed" : "unsigned");
	printf("hosts       %u ready, %u suspect, %u lost\n", a->hosts_ready, a->hosts_suspect,
	    a->hosts_lost);
	printf("sessions    %u open\n", a->sessions_open);
	printf("executors   %u queued, %u placed, %u starting, %u running, %u stopping\n",
	    n->queued, n->placed, n->accepted + n->pulling + n->starting, n->running, n->stopping);
	if (a->executors_unknown > 0)
		printf("unknown     %u executors of an older term run on: `host ls` says where\n",
		    a->executors_unknown);
	printf("ended       %" PRIu64 " succeeded, %" PRIu64 " failed, %" PRIu64
	       " stopped, %" PRIu64 " rejected, %" PRIu64 " lost, %" PRIu64 " expired, %" PRIu64
	       " cancelled\n",
	    n->succeeded, n->failed, n->stopped, n->rejected, n->lost, n->expired, n->cancelled);
	printf("waiting     %" PRIu64 " for a host, %" PRIu64 " messages unsent\n", a->queue_depth,
	    a->outbox_unsent);
	for (size_t i = 0; i < a->n_leases; i++)
		printf("lease       %s: %s\n", a->leases[i]->key, a->leases[i]->value);
	if (a->n_leases == 0)
		printf("lease       none: no scheduler leads a pool, nothing is placed\n");
}

int
cmd_status(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "", .nameless = true};
	Fairlead__V1__CellStatusRequest q = FAIRLEAD__V1__CELL_STATUS_REQUEST__INIT;
	struct err err = {0};
	ProtobufCMessage *m;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	if (cli_call(c, "cell", "status", &q.base, &fairlead__v1__cell_status_answer__descriptor,
		&m, &err) != 0)
		return cli_fail(&err);
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	status_print((Fairlead__V1__CellStatusAnswer *)m);
	return 0;
}
