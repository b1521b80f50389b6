/* cmd_host: host ls, show, rm, lost, stop-unknown, cordon, uncordon. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "args.h"
#include "cli.h"
#include "clock.h"
#include "id.h"
#include "list.h"
#include "output.h"

#include "fairlead/v1/api.pb-c.h"

struct host_input {
	struct args args;
	const char *pool, *selector, *reason;
	bool all, confirm;
};

static error_t
take(int key, char *value, void *arg)
{
	struct host_input *in = arg;

	switch (key) {
	case 'p':
		in->pool = value;
		return 0;
	case 'l':
		in->selector = value;
		return 0;
	case 'r':
		in->reason = value;
		return 0;
	case 'a':
		in->all = true;
		return 0;
	case 'c':
		in->confirm = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The one that most needs somebody to look. */
static const char *
host_flags(const Fairlead__V1__Host *h)
{
	if (h->verdict_held)
		return "held";
	if (h->unknown > 0)
		return "unknown";
	if (h->draining && h->draining->set)
		return "draining";
	if (h->cordoned && h->cordoned->set)
		return "cordoned";
	return h->overcommitted ? "overcommitted" : "";
}

static void
host_row(struct table *t, const Fairlead__V1__Host *h)
{
	char executors[16], epoch[24], cpu[64], memory[64], age[32], a[32], b[32], rtt[32];

	snprintf(executors, sizeof(executors), "%u", h->executors);
	snprintf(epoch, sizeof(epoch), "%" PRIu64, h->epoch);
	snprintf(cpu, sizeof(cpu), "%u/%um", h->used ? h->used->cpu_millis : 0,
	    h->capacity ? h->capacity->cpu_millis : 0);
	snprintf(memory, sizeof(memory), "%s/%s",
	    output_bytes(h->used ? h->used->memory_bytes : 0, a, sizeof(a)),
	    output_bytes(h->capacity ? h->capacity->memory_bytes : 0, b, sizeof(b)));
	snprintf(age, sizeof(age), "%.1fs", (double)h->heartbeat_age_ms / 1e3);
	table_row(t, (const char *[]){h->host_id, output_host_state(h->state), h->pool,
			 host_flags(h), executors, cpu, memory, h->last_heartbeat_us ? age : "-",
			 epoch, h->rtt_us ? output_took(h->rtt_us, rtt, sizeof(rtt)) : "-",
			 h->server, h->agent_version});
}

static struct table *
host_table(void)
{
	static const char *const columns[] = {"HOST", "STATE", "POOL", "FLAGS", "EXECUTORS", "CPU",
	    "MEMORY", "HEARD", "EPOCH", "RTT", "SERVER", "VERSION", NULL};

	return table_new(columns);
}

static char *
host_page(struct table *t, const ProtobufCMessage *m)
{
	const Fairlead__V1__HostListAnswer *a = (const Fairlead__V1__HostListAnswer *)m;

	for (size_t i = 0; t && i < a->n_hosts; i++)
		host_row(t, a->hosts[i]);
	return a->next;
}

int
cmd_host_ls(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"pool", 'p', "POOL", 0, "hosts of one pool", 0},
	    {"selector", 'l', "EXPR", 0, "hosts whose labels match", 0},
	    {"all", 'a', NULL, 0, "retired ones too", 0},
	    {0},
	};
	struct host_input in = {.args = {.usage = ""}};
	Fairlead__V1__HostListRequest q = FAIRLEAD__V1__HOST_LIST_REQUEST__INIT;
	const struct list list = {.noun = "host",
	    .request = &q.base,
	    .after = &q.after,
	    .answer = &fairlead__v1__host_list_answer__descriptor,
	    .table = host_table,
	    .page = host_page};

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	q.pool = (char *)(uintptr_t)(in.pool ? in.pool : "");
	q.selector = (char *)(uintptr_t)(in.selector ? in.selector : "");
	q.all = in.all;
	q.limit = 1000;
	return list_print(c, &list);
}

static void
unknown_print(const Fairlead__V1__Host *h)
{
	if (h->unknown == 0)
		return;
	printf("unknown     %u executors of an older term: `host stop-unknown %s --confirm` stops "
	       "them\n",
	    h->unknown, h->host_id);
	for (size_t i = 0; i < h->n_unknown_executors; i++) {
		const Fairlead__V1__UnknownExecutor *u = h->unknown_executors[i];
		char hex[ID_HEX_BYTES], since[40];
		struct id id = {0};

		if (u->executor_id.len == ID_BYTES)
			memcpy(id.bytes, u->executor_id.data, ID_BYTES);
		printf("unknown     %s generation %" PRIu64 " since %s%s%s\n", id_to_hex(&id, hex),
		    u->generation, clock_format(u->since_us, since, sizeof(since)),
		    u->told_us ? ", to be stopped by " : "", u->told_by);
	}
	if (h->unknown > h->n_unknown_executors)
		printf("unknown     and %zu more\n", h->unknown - h->n_unknown_executors);
}

static void
host_print(const Fairlead__V1__Host *h)
{
	char a[32], b[32], when[40];

	printf("host        %s\nstate       %s\npool        %s\n", h->host_id,
	    output_host_state(h->state), h->pool);
	if (h->suspect_since_us)
		printf("suspect     since %s: %s\n",
		    clock_format(h->suspect_since_us, when, sizeof(when)), h->suspect_reason);
	if (h->verdict_held)
		printf("held        too many hosts are silent, or were given up: `events` says "
		       "which; `host lost %s --confirm` if it is gone\n",
		    h->host_id);
	if (*h->lost_confirmed_by)
		printf("lost        confirmed by %s\n", h->lost_confirmed_by);
	if (h->draining && h->draining->set)
		printf("draining    by %s%s%s\n", h->draining->author,
		    h->drain_deadline_us ? ", budgets count until " : "",
		    h->drain_deadline_us ? clock_format(h->drain_deadline_us, when, sizeof(when))
					 : "");
	if (h->cordoned && h->cordoned->set)
		printf("cordoned    by %s: %s\n", h->cordoned->author, h->cordoned->reason);
	if (h->overcommitted)
		printf("overcommitted: reservations exceed what the host now has; nothing new is "
		       "placed\n");
	printf("epoch       %" PRIu64 "\nhost_seq    %" PRIu64 " (journaled up to %" PRIu64 ")\n",
	    h->epoch, h->host_seq, h->contiguous_seq);
	printf("heartbeat   %.1f s ago, round trip %.3f ms, server %s\n",
	    (double)h->heartbeat_age_ms / 1e3, (double)h->rtt_us / 1e3, h->server);
	printf("agent       %s, protocol %u, %s, kernel %s, boot %s\n", h->agent_version,
	    h->protocol_revision, h->arch, h->kernel, h->boot_id);
	if (h->capacity && h->used)
		printf("cpu         %u of %um reserved\nmemory      %s of %s reserved\nslots       "
		       "%u of %u\n",
		    h->used->cpu_millis, h->capacity->cpu_millis,
		    output_bytes(h->used->memory_bytes, a, sizeof(a)),
		    output_bytes(h->capacity->memory_bytes, b, sizeof(b)), h->used->slots,
		    h->capacity->slots);
	printf("executors   %u\n", h->executors);
	unknown_print(h);
	for (size_t i = 0; i < h->n_labels; i++)
		printf("label       %s=%s\n", h->labels[i]->key, h->labels[i]->value);
	for (size_t i = 0; i < h->n_drivers; i++)
		printf("driver      %s: %s%s%s\n", h->drivers[i]->name,
		    h->drivers[i]->usable ? "usable" : "unusable",
		    *h->drivers[i]->detail ? ", " : "", h->drivers[i]->detail);
	for (size_t i = 0; i < h->n_capabilities; i++)
		printf("capability  %s\n", h->capabilities[i]);
	printf("first seen  %s\n", clock_format(h->first_seen_us, when, sizeof(when)));
}

int
cmd_host_show(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "HOST", .min = 1, .max = 1};
	Fairlead__V1__HostGetRequest q = FAIRLEAD__V1__HOST_GET_REQUEST__INIT;
	struct err err = {0};
	ProtobufCMessage *m;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	q.host_id = args.words[0];
	if (cli_call(c, "host", "get", &q.base, &fairlead__v1__host_get_answer__descriptor, &m,
		&err) != 0)
		return cli_fail(&err);
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	host_print(((Fairlead__V1__HostGetAnswer *)m)->host);
	return 0;
}

int
cmd_host_rm(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"confirm", 'c', NULL, 0, "even while executors are on it: they end lost", 0}, {0}};
	struct host_input in = {.args = {.usage = "HOST", .min = 1, .max = 1}};
	Fairlead__V1__HostRmRequest q = FAIRLEAD__V1__HOST_RM_REQUEST__INIT;

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	q.host_id = in.args.words[0];
	q.confirm = in.confirm;
	return cli_ask(c, "host", "rm", &q.base, &fairlead__v1__host_rm_answer__descriptor,
	    "host %s retired\n", q.host_id);
}

int
cmd_host_lost(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"confirm", 'c', NULL, 0, "the machine is certainly gone", 0}, {0}};
	struct host_input in = {.args = {.usage = "HOST", .min = 1, .max = 1}};
	Fairlead__V1__HostLostRequest q = FAIRLEAD__V1__HOST_LOST_REQUEST__INIT;

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	q.host_id = in.args.words[0];
	q.confirm = in.confirm;
	return cli_ask(c, "host", "lost", &q.base, &fairlead__v1__host_lost_answer__descriptor,
	    "host %s is lost: its executors are replaced\n", q.host_id);
}

int
cmd_host_stop_unknown(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"confirm", 'c', NULL, 0, "nobody needs them any more", 0}, {0}};
	struct host_input in = {.args = {.usage = "HOST", .min = 1, .max = 1}};
	Fairlead__V1__HostStopUnknownRequest q = FAIRLEAD__V1__HOST_STOP_UNKNOWN_REQUEST__INIT;
	const Fairlead__V1__HostStopUnknownAnswer *answer;
	struct err err = {0};
	ProtobufCMessage *m;

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	q.host_id = in.args.words[0];
	q.confirm = in.confirm;
	if (cli_call(c, "host", "stop_unknown", &q.base,
		&fairlead__v1__host_stop_unknown_answer__descriptor, &m, &err) != 0)
		return cli_fail(&err);
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	answer = (const Fairlead__V1__HostStopUnknownAnswer *)m;
	if (answer->executors == 0)
		printf("host %s has nothing that the cell does not know\n", q.host_id);
	else
		printf("host %s is told to stop %u executors; `host show` lists them until it "
		       "has\n",
		    q.host_id, answer->executors);
	return 0;
}

int
cmd_host_cordon(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"reason", 'r', "TEXT", 0, "shown to everybody who looks", 0}, {0}};
	struct host_input in = {.args = {.usage = "HOST", .min = 1, .max = 1}};
	Fairlead__V1__HostCordonRequest q = FAIRLEAD__V1__HOST_CORDON_REQUEST__INIT;

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	q.host_id = in.args.words[0];
	q.reason = (char *)(uintptr_t)(in.reason ? in.reason : "");
	return cli_ask(c, "host", "cordon", &q.base, &fairlead__v1__host_cordon_answer__descriptor,
	    "host %s cordoned: no new placements\n", q.host_id);
}

int
cmd_host_uncordon(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "HOST", .min = 1, .max = 1};
	Fairlead__V1__HostUncordonRequest q = FAIRLEAD__V1__HOST_UNCORDON_REQUEST__INIT;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	q.host_id = args.words[0];
	return cli_ask(c, "host", "uncordon", &q.base,
	    &fairlead__v1__host_uncordon_answer__descriptor, "host %s takes placements again\n",
	    q.host_id);
}
