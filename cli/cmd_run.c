/* cmd_run: one-off session: declare, follow its output, exit as the workload does, clean up. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "cli_bounds.h"
#include "declare.h"
#include "id.h"
#include "name.h"
#include "output.h"
#include "pace.h"
#include "patience.h"
#include "state.h"

struct run {
	struct cli *cli;
	char session[NAME_BYTES_MAX + 1];
	char executor[EXECUTOR_NAME_BYTES];
	uint64_t printed; /* bytes of the workload's output */
};

/* What the host has written since; a flood of more than 64 KiB between two looks leaves a gap. */
static int
output_follow(struct run *r, struct err *err)
{
	Fairlead__V1__ExecutorLogsRequest q = FAIRLEAD__V1__EXECUTOR_LOGS_REQUEST__INIT;
	const Fairlead__V1__ExecutorLogsAnswer *a;
	ProtobufCMessage *m;
	uint64_t first;

	q.name = r->executor;
	if (cli_call(r->cli, "executor", "logs", &q.base,
		&fairlead__v1__executor_logs_answer__descriptor, &m, err) != 0)
		return -1;
	a = (const Fairlead__V1__ExecutorLogsAnswer *)m;
	first = a->total_bytes - a->data.len;
	if (first > r->printed) {
		fprintf(stderr,
		    "fairlead: %" PRIu64 " bytes of output came too fast and are not shown\n",
		    first - r->printed);
		r->printed = first;
	}
	if (a->total_bytes > r->printed) {
		fwrite(a->data.data + (r->printed - first), 1, a->total_bytes - r->printed, stdout);
		fflush(stdout);
		r->printed = a->total_bytes;
	}
	return 0;
}

static Fairlead__V1__Executor *
executor_get(struct run *r, struct err *err)
{
	Fairlead__V1__ExecutorGetRequest q = FAIRLEAD__V1__EXECUTOR_GET_REQUEST__INIT;
	ProtobufCMessage *m;

	q.name = r->executor;
	if (cli_call(r->cli, "executor", "get", &q.base,
		&fairlead__v1__executor_get_answer__descriptor, &m, err) != 0)
		return NULL;
	return ((Fairlead__V1__ExecutorGetAnswer *)m)->executor;
}

static void
session_close(struct run *r, bool now)
{
	Fairlead__V1__SessionCloseRequest q = FAIRLEAD__V1__SESSION_CLOSE_REQUEST__INIT;
	struct err err = {0};
	ProtobufCMessage *m;

	q.name = r->session;
	q.now = now;
	if (cli_call(r->cli, "session", "close", &q.base,
		&fairlead__v1__session_close_answer__descriptor, &m, &err) != 0)
		cli_fail(&err);
}

static int
exit_code_of(const Fairlead__V1__Executor *e)
{
	char outcome[96];

	if (e->signal > 0)
		return 128 + e->signal;
	if (e->exit_code >= 0)
		return e->exit_code;
	fprintf(stderr, "fairlead: %s/%u %s: %s%s%s\n", e->session, e->index,
	    output_executor_state(e->state), output_outcome(e, outcome, sizeof(outcome)),
	    *e->detail ? ": " : "", e->detail);
	return CLI_EXIT_FAILED;
}

/* It may run on: who declared it may want to know how to find it. */
static int
run_lost(const struct run *r, struct err *err)
{
	if (err->kind == ERR_UNAVAILABLE)
		err_hint(err,
		    "nothing was heard for %d s; `fairlead executor show %s` tells how it goes on",
		    WAIT_SILENT_MS / 1000, r->executor);
	return cli_fail(err);
}

static int
run_follow(struct run *r, int timeout_ms)
{
	struct err err = {0};
	struct pace pace;
	struct patience patience;

	pace_begin(&pace, timeout_ms);
	patience_begin(&patience, WAIT_SILENT_MS);
	if (r->cli->timeout_ms > WATCH_CALL_MS)
		r->cli->timeout_ms = WATCH_CALL_MS;
	do {
		Fairlead__V1__Executor *e;

		arena_reset(r->cli->arena);
		e = executor_get(r, &err);
		if (!e && patience_lasts(&patience, &err))
			continue;
		if (!e)
			return run_lost(r, &err);
		patience_heard(&patience);
		if (e->started && output_follow(r, &err) != 0 && err.kind != ERR_NOT_FOUND)
			cli_fail(&err);
		if (executor_state_ended((enum executor_state)e->state)) {
			session_close(r, false);
			return exit_code_of(e);
		}
	} while (pace_again(&pace));
	session_close(r, true);
	if (pace_signal())
		return 128 + pace_signal();
	fprintf(stderr, "fairlead: %s did not end in time: it is being stopped\n", r->executor);
	return CLI_EXIT_TIMEOUT;
}

/* A repeated key names the session it made the first time, whatever name is asked for now (E8). */
static void
run_of(struct run *r, const char *session)
{
	snprintf(r->session, sizeof(r->session), "%s", session);
	executor_name_format(r->session, 0, 1, r->executor);
}

int
cmd_run(struct cli *c, int argc, char **argv)
{
	struct declare_input in = {
	    .cli = c, .replicas = 1, .args = {.usage = "[--] COMMAND [ARG...]", .max = SIZE_MAX}};
	struct run r = {.cli = c};
	struct id id = id_new();
	char hex[ID_HEX_BYTES];
	Fairlead__V1__SessionCreateAnswer *a;
	Fairlead__V1__SessionSpec *spec;
	struct err err = {0};
	bool bounded = false;
	char **words;
	size_t n;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		bounded = bounded || strncmp(argv[i], "--timeout", strlen("--timeout")) == 0;
	if (args_parse(c, argc, argv, &in.args, declare_options, declare_take, &in) != 0)
		return CLI_EXIT_USAGE;
	words = in.args.rest_count > 0 ? in.args.rest : in.args.words;
	n = in.args.rest_count > 0 ? in.args.rest_count : in.args.count;
	if (in.name)
		snprintf(r.session, sizeof(r.session), "%s", in.name);
	else
		snprintf(r.session, sizeof(r.session), "run-%s", id_to_hex(&id, hex) + 20);
	in.name = r.session;
	pace_catch_signals();
	if (declare_spec(c, &in, words, n, &spec, &err) != 0 ||
	    declare_create(c, spec, in.key, in.wait_for_hosts, in.dry_run, &a, &err) != 0)
		return cli_fail(&err);
	if (in.dry_run) {
		declare_say(a, spec, true);
		return 0;
	}
	run_of(&r, a->session->name);
	/* A workload may take as long as it likes. */
	return run_follow(&r, bounded ? c->timeout_ms : 0);
}
