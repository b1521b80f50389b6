/* cmd_executor: executor ls, show, stop, logs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "args.h"
#include "cli.h"
#include "clock.h"
#include "list.h"
#include "name.h"
#include "output.h"
#include "timeline.h"

#include "fairlead/v1/api.pb-c.h"

struct executor_input {
	struct args args;
	const char *session, *host;
	bool all, now;
};

static error_t
take(int key, char *value, void *arg)
{
	struct executor_input *in = arg;

	switch (key) {
	case 's':
		in->session = value;
		return 0;
	case 'h':
		in->host = value;
		return 0;
	case 'a':
		in->all = true;
		return 0;
	case 'n':
		in->now = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static char *
executor_page(struct table *t, const ProtobufCMessage *m)
{
	const Fairlead__V1__ExecutorListAnswer *a = (const Fairlead__V1__ExecutorListAnswer *)m;

	for (size_t i = 0; t && i < a->n_executors; i++)
		executor_table_row(t, a->executors[i]);
	return a->next;
}

int
cmd_executor_ls(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"session", 's', "SESSION", 0, "executors of one session", 0},
	    {"host", 'h', "HOST", 0, "executors of one host", 0},
	    {"all", 'a', NULL, 0, "ended ones too", 0},
	    {0},
	};
	struct executor_input in = {.args = {.usage = ""}};
	Fairlead__V1__ExecutorListRequest q = FAIRLEAD__V1__EXECUTOR_LIST_REQUEST__INIT;
	const struct list list = {.noun = "executor",
	    .request = &q.base,
	    .after = &q.after,
	    .answer = &fairlead__v1__executor_list_answer__descriptor,
	    .table = executor_table_new,
	    .page = executor_page};

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	q.session = (char *)(uintptr_t)(in.session ? in.session : "");
	q.host = (char *)(uintptr_t)(in.host ? in.host : "");
	q.all = in.all;
	q.limit = 1000;
	return list_print(c, &list);
}

int
cmd_executor_show(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "SESSION/INDEX", .min = 1, .max = 1};
	Fairlead__V1__ExecutorGetRequest q = FAIRLEAD__V1__EXECUTOR_GET_REQUEST__INIT;
	Fairlead__V1__ExecutorGetAnswer *a;
	struct err err = {0};
	ProtobufCMessage *m;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	q.name = args.words[0];
	if (cli_call(c, "executor", "get", &q.base, &fairlead__v1__executor_get_answer__descriptor,
		&m, &err) != 0)
		return cli_fail(&err);
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	a = (Fairlead__V1__ExecutorGetAnswer *)m;
	timeline_print(a->executor);
	for (size_t i = 0; i < a->n_events; i++) {
		char when[40];

		printf("event       %s  %s  %s\n",
		    clock_format(a->events[i]->at_us, when, sizeof(when)), a->events[i]->kind,
		    a->events[i]->text);
	}
	return 0;
}

int
cmd_executor_stop(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {{"now", 'n', NULL, 0, "no grace", 0}, {0}};
	struct executor_input in = {.args = {.usage = "SESSION/INDEX", .min = 1, .max = 1}};
	Fairlead__V1__ExecutorStopRequest q = FAIRLEAD__V1__EXECUTOR_STOP_REQUEST__INIT;

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	q.name = in.args.words[0];
	q.now = in.now;
	return cli_ask(c, "executor", "stop", &q.base,
	    &fairlead__v1__executor_stop_answer__descriptor, "executor %s: stop asked%s\n", q.name,
	    in.now ? ", no grace" : "");
}

int
cmd_executor_logs(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "SESSION/INDEX", .min = 1, .max = 1, .nameless = true};
	Fairlead__V1__ExecutorLogsRequest q = FAIRLEAD__V1__EXECUTOR_LOGS_REQUEST__INIT;
	Fairlead__V1__ExecutorLogsAnswer *a;
	struct err err = {0};
	ProtobufCMessage *m;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	q.name = args.words[0];
	if (cli_call(c, "executor", "logs", &q.base,
		&fairlead__v1__executor_logs_answer__descriptor, &m, &err) != 0)
		return cli_fail(&err);
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	a = (Fairlead__V1__ExecutorLogsAnswer *)m;
	if (a->total_bytes > a->data.len)
		fprintf(stderr,
		    "fairlead: the first %" PRIu64 " bytes were dropped: a host keeps 64 KiB\n",
		    a->total_bytes - a->data.len);
	if (a->data.len > 0)
		fwrite(a->data.data, 1, a->data.len, stdout);
	return 0;
}
