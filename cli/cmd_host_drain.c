/* cmd_host_drain: host drain, undrain. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "args.h"
#include "cli.h"
#include "cli_bounds.h"
#include "options.h"
#include "pace.h"
#include "patience.h"

#include "fairlead/v1/api.pb-c.h"

struct drain_input {
	struct args args;
	const char *reason, *deadline;
	bool dry_run, wait;
};

static error_t
take(int key, char *value, void *arg)
{
	struct drain_input *in = arg;

	switch (key) {
	case 'r':
		in->reason = value;
		return 0;
	case 'd':
		in->deadline = value;
		return 0;
	case 'n':
		in->dry_run = true;
		return 0;
	case 'w':
		in->wait = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int
deadline_parse(const char *text, uint32_t *ret, struct err *err)
{
	int64_t ms;

	if (options_parse_duration_ms(text, &ms, err) != 0)
		return err_wrap(err, "--deadline");
	if (ms < 1000 || ms > UINT32_MAX)
		return err_field(
		    err, ERR_INVALID, "deadline", "%s: allowed are 1s to 49 days", text);
	*ret = (uint32_t)ms;
	return 0;
}

/* Says how many are left whenever that changes. */
static int
drain_wait(struct cli *c, char *host_id)
{
	Fairlead__V1__HostGetRequest q = FAIRLEAD__V1__HOST_GET_REQUEST__INIT;
	uint32_t left, said = UINT32_MAX;
	struct err err = {0};
	struct pace pace;
	struct patience patience;

	q.host_id = host_id;
	pace_catch_signals();
	pace_begin(&pace, c->timeout_ms);
	patience_begin(&patience, c->timeout_ms);
	if (c->timeout_ms > WATCH_CALL_MS)
		c->timeout_ms = WATCH_CALL_MS;
	do {
		ProtobufCMessage *m;

		arena_reset(c->arena);
		if (cli_call(c, "host", "get", &q.base, &fairlead__v1__host_get_answer__descriptor,
			&m, &err) != 0) {
			if (patience_lasts(&patience, &err))
				continue;
			return cli_fail(&err);
		}
		patience_heard(&patience);
		left = ((Fairlead__V1__HostGetAnswer *)m)->host->executors;
		if (left != said)
			printf("host %s: %u executors left\n", host_id, left);
		said = left;
		if (left == 0)
			return 0;
	} while (pace_again(&pace));
	return pace_signal() ? 128 + pace_signal() : CLI_EXIT_TIMEOUT;
}

int
cmd_host_drain(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"deadline", 'd', "10m", 0, "past it disruption budgets do not count", 0},
	    {"reason", 'r', "TEXT", 0, "shown to everybody who looks", 0},
	    {"dry-run", 'n', NULL, 0, "say how many executors would move", 0},
	    {"wait", 'w', NULL, 0, "until none is left", 0},
	    {0},
	};
	struct drain_input in = {.args = {.usage = "HOST", .min = 1, .max = 1}};
	Fairlead__V1__HostDrainRequest q = FAIRLEAD__V1__HOST_DRAIN_REQUEST__INIT;
	struct err err = {0};
	ProtobufCMessage *m;

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	q.host_id = in.args.words[0];
	q.reason = (char *)(uintptr_t)(in.reason ? in.reason : "");
	q.dry_run = in.dry_run;
	if (in.deadline && deadline_parse(in.deadline, &q.deadline_ms, &err) != 0)
		return cli_fail(&err);
	if (cli_call(c, "host", "drain", &q.base, &fairlead__v1__host_drain_answer__descriptor, &m,
		&err) != 0)
		return cli_fail(&err);
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	printf("host %s %s: %u executors to move\n", q.host_id,
	    in.dry_run ? "would be drained" : "is being drained",
	    ((Fairlead__V1__HostDrainAnswer *)m)->executors);
	return in.wait && !in.dry_run ? drain_wait(c, q.host_id) : 0;
}

int
cmd_host_undrain(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "HOST", .min = 1, .max = 1};
	Fairlead__V1__HostUndrainRequest q = FAIRLEAD__V1__HOST_UNDRAIN_REQUEST__INIT;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	q.host_id = args.words[0];
	return cli_ask(c, "host", "undrain", &q.base,
	    &fairlead__v1__host_undrain_answer__descriptor,
	    "host %s is not drained any more; `host uncordon` lets it take placements\n",
	    q.host_id);
}
