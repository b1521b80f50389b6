/* cmd_session: session ls, show, create, close, wait, why. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "cli.h"
#include "cli_bounds.h"
#include "declare.h"
#include "list.h"
#include "name.h"
#include "output.h"
#include "pace.h"
#include "patience.h"
#include "session_file.h"
#include "timeline.h"

struct session_input {
	struct args args;
	const char *pool, *until;
	bool all, now, wait;
};

static error_t
take(int key, char *value, void *arg)
{
	struct session_input *in = arg;

	switch (key) {
	case 'p':
		in->pool = value;
		return 0;
	case 'a':
		in->all = true;
		return 0;
	case 'n':
		in->now = true;
		return 0;
	case 'w':
		in->wait = true;
		return 0;
	case 'f':
		in->until = value;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static uint64_t
living(const Fairlead__V1__Counters *n)
{
	return (uint64_t)n->queued + n->placed + n->accepted + n->pulling + n->starting +
	       n->running + n->backoff + n->stopping;
}

static uint64_t
ended_badly(const Fairlead__V1__Counters *n)
{
	return n->failed + n->rejected + n->lost + n->expired;
}

static void
session_row(struct table *t, const Fairlead__V1__Session *s)
{
	char replicas[32], ok[32], bad[32], age[32], running[32];

	snprintf(replicas, sizeof(replicas), "%u", s->spec->replicas);
	snprintf(running, sizeof(running), "%u", s->counters->running);
	snprintf(ok, sizeof(ok), "%" PRIu64, s->counters->succeeded);
	snprintf(bad, sizeof(bad), "%" PRIu64, ended_badly(s->counters));
	table_row(t, (const char *[]){s->name, output_session_state(s->state), s->pool, replicas,
			 running, ok, bad, output_age(s->created_us, age, sizeof(age))});
}

static struct table *
session_table(void)
{
	static const char *const columns[] = {
	    "SESSION", "STATE", "POOL", "REPLICAS", "RUNNING", "SUCCEEDED", "FAILED", "AGE", NULL};

	return table_new(columns);
}

static char *
session_page(struct table *t, const ProtobufCMessage *m)
{
	const Fairlead__V1__SessionListAnswer *a = (const Fairlead__V1__SessionListAnswer *)m;

	for (size_t i = 0; t && i < a->n_sessions; i++)
		session_row(t, a->sessions[i]);
	return a->next;
}

int
cmd_session_ls(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"pool", 'p', "POOL", 0, "sessions of one pool", 0},
	    {"all", 'a', NULL, 0, "closed ones too", 0},
	    {0},
	};
	struct session_input in = {.args = {.usage = ""}};
	Fairlead__V1__SessionListRequest q = FAIRLEAD__V1__SESSION_LIST_REQUEST__INIT;
	const struct list list = {.noun = "session",
	    .request = &q.base,
	    .after = &q.after,
	    .answer = &fairlead__v1__session_list_answer__descriptor,
	    .table = session_table,
	    .page = session_page};

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	q.pool = (char *)(uintptr_t)(in.pool ? in.pool : "");
	q.all = in.all;
	q.limit = 1000;
	return list_print(c, &list);
}

/* NULL with *err set.  *ret_message: the whole answer, for -o json. */
static Fairlead__V1__SessionGetAnswer *
session_get(struct cli *c, char *name, struct err *err)
{
	Fairlead__V1__SessionGetRequest q = FAIRLEAD__V1__SESSION_GET_REQUEST__INIT;
	ProtobufCMessage *m;

	q.name = name;
	if (cli_call(c, "session", "get", &q.base, &fairlead__v1__session_get_answer__descriptor,
		&m, err) != 0)
		return NULL;
	return (Fairlead__V1__SessionGetAnswer *)m;
}

static void
counters_print(const Fairlead__V1__Counters *n)
{
	const struct {
		const char *name;
		uint64_t n;
	} rows[] = {{"queued", n->queued}, {"placed", n->placed}, {"accepted", n->accepted},
	    {"pulling", n->pulling}, {"starting", n->starting}, {"running", n->running},
	    {"backoff", n->backoff}, {"stopping", n->stopping}, {"succeeded", n->succeeded},
	    {"failed", n->failed}, {"stopped", n->stopped}, {"rejected", n->rejected},
	    {"lost", n->lost}, {"expired", n->expired}, {"cancelled", n->cancelled}};
	const char *between = "";

	printf("executors   ");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (rows[i].n == 0)
			continue;
		printf("%s%" PRIu64 " %s", between, rows[i].n, rows[i].name);
		between = ", ";
	}
	printf("%s\n", *between ? "" : "none");
}

static void
policies_print(const Fairlead__V1__SessionSpec *s)
{
	const Fairlead__V1__DisconnectPolicy *d = s->disconnect;
	const Fairlead__V1__RestartPolicy *r = s->restart;
	char first[32], most[32], reset[32];

	if (r && strcmp(r->policy, "never") != 0) {
		printf("restart     %s, ", r->policy);
		if (r->max)
			printf("at most %u in a row, ", r->max);
		printf("after %s to %s, from the first again after %s\n",
		    output_duration(r->backoff_ms, first, sizeof(first)),
		    output_duration(r->backoff_max_ms, most, sizeof(most)),
		    output_duration(r->reset_after_ms, reset, sizeof(reset)));
	} else {
		printf("restart     never\n");
	}
	if (s->placement && *s->placement->spread)
		printf("spread      over %s, at most %u above the least\n", s->placement->spread,
		    s->placement->max_skew);
	if (s->placement && *s->placement->anti_affinity)
		printf("apart       at most %u per %s\n", s->placement->max_per_value,
		    s->placement->anti_affinity);
	if (!d)
		return;
	printf(
	    "disconnect  lost after %s, ", output_duration(d->lost_after_ms, first, sizeof(first)));
	if (!session_spec_replaces(s))
		printf("not replaced");
	else if (d->replace_after_ms == d->lost_after_ms)
		printf("then replaced");
	else
		printf(
		    "replaced after %s", output_duration(d->replace_after_ms, most, sizeof(most)));
	if (session_spec_replaces(s) && d->replace_after_ms < d->lost_after_ms)
		printf(", the %s is kept", d->keep);
	if (d->stop_on_host_after_ms)
		printf(", stopped on the host after %s",
		    output_duration(d->stop_on_host_after_ms, reset, sizeof(reset)));
	printf("\n");
}

static int
executors_print(struct cli *c, char *session)
{
	Fairlead__V1__ExecutorListRequest q = FAIRLEAD__V1__EXECUTOR_LIST_REQUEST__INIT;
	Fairlead__V1__ExecutorListAnswer *a;
	struct err err = {0};
	struct table *t;
	ProtobufCMessage *m;

	q.session = session;
	q.all = true;
	q.limit = 1000;
	if (cli_call(c, "executor", "list", &q.base,
		&fairlead__v1__executor_list_answer__descriptor, &m, &err) != 0)
		return cli_fail(&err);
	a = (Fairlead__V1__ExecutorListAnswer *)m;
	t = executor_table_new();
	for (size_t i = 0; i < a->n_executors; i++)
		executor_table_row(t, a->executors[i]);
	printf("\n");
	table_print_free(t);
	if (*a->next)
		printf("(more: fairlead executor ls --session %s --all)\n", session);
	return 0;
}

static void
avoided_print(const Fairlead__V1__SessionGetAnswer *a)
{
	char age[32];

	for (size_t i = 0; i < a->n_avoided; i++)
		printf("avoided     %s: %u executor%s failed there, the last one %s ago; taken "
		       "only where no other host fits\n",
		    a->avoided[i]->host, a->avoided[i]->ends, a->avoided[i]->ends == 1 ? "" : "s",
		    output_age(a->avoided[i]->last_us, age, sizeof(age)));
}

int
cmd_session_show(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "SESSION", .min = 1, .max = 1};
	Fairlead__V1__SessionGetAnswer *a;
	struct err err = {0};
	char age[32];

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	a = session_get(c, args.words[0], &err);
	if (!a)
		return cli_fail(&err);
	if (c->output != CLI_TABLE)
		return cli_print(c, &a->base);
	printf("session     %s\nstate       %s\npool        %s\nrevision    %" PRIu64
	       "\nreplicas    %u\nage         %s\n",
	    a->session->name, output_session_state(a->session->state), a->session->pool,
	    a->session->revision, a->session->spec->replicas,
	    output_age(a->session->created_us, age, sizeof(age)));
	if (a->session->rolling)
		printf("rollout     to the template of revision %" PRIu64 "%s%s\n",
		    a->session->template_revision, *a->session->rollout_paused ? ", paused: " : "",
		    a->session->rollout_paused);
	policies_print(a->session->spec);
	counters_print(a->session->counters);
	for (size_t i = 0; i < a->n_why; i++)
		printf("waits       %u hosts: %s\n", a->why[i]->hosts, a->why[i]->reason);
	avoided_print(a);
	return executors_print(c, args.words[0]);
}

int
cmd_session_why(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "SESSION", .min = 1, .max = 1};
	Fairlead__V1__SessionGetAnswer *a;
	struct err err = {0};

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	a = session_get(c, args.words[0], &err);
	if (!a)
		return cli_fail(&err);
	if (c->output != CLI_TABLE)
		return cli_print(c, &a->base);
	if (a->session->counters->queued == 0) {
		printf("session %s: no executor waits for a host\n", a->session->name);
		avoided_print(a);
		return 0;
	}
	printf("session %s: %u executors wait for a host\n", a->session->name,
	    a->session->counters->queued);
	for (size_t i = 0; i < a->n_why; i++)
		printf("  %u hosts: %s\n", a->why[i]->hosts, a->why[i]->reason);
	if (a->n_why == 0)
		printf("  the scheduler has not looked at them yet: `fairlead status` shows "
		       "whether one "
		       "leads the pool\n");
	avoided_print(a);
	return 0;
}

static bool
session_reached(const Fairlead__V1__Session *s, const char *until)
{
	if (strcmp(until, "running") == 0)
		return s->counters->running >= s->spec->replicas;
	if (strcmp(until, "ended") == 0)
		return living(s->counters) == 0;
	return s->state == FAIRLEAD__V1__SESSION_STATE__SESSION_CLOSED;
}

/* 0, or 1 when it can no longer be reached, or 124 with the state so far. */
static int
session_wait(struct cli *c, char *name, const char *until)
{
	Fairlead__V1__SessionGetAnswer *a;
	struct err err = {0};
	struct pace pace;
	struct patience patience;

	pace_catch_signals();
	pace_begin(&pace, c->timeout_ms);
	patience_begin(&patience, c->timeout_ms);
	if (c->timeout_ms > WATCH_CALL_MS)
		c->timeout_ms = WATCH_CALL_MS;
	do {
		arena_reset(c->arena);
		a = session_get(c, name, &err);
		if (!a && patience_lasts(&patience, &err))
			continue;
		if (!a)
			return cli_fail(&err);
		patience_heard(&patience);
		if (session_reached(a->session, until)) {
			printf("session %s: %s\n", name, until);
			return 0;
		}
		if (strcmp(until, "running") == 0 && living(a->session->counters) == 0) {
			printf("session %s: all executors ended\n", name);
			counters_print(a->session->counters);
			return CLI_EXIT_FAILED;
		}
	} while (pace_again(&pace));
	if (!a)
		return pace_signal() ? 128 + pace_signal() : cli_fail(&err);
	printf("session %s: not %s yet\n", name, until);
	counters_print(a->session->counters);
	for (size_t i = 0; i < a->n_why; i++)
		printf("waits       %u hosts: %s\n", a->why[i]->hosts, a->why[i]->reason);
	return pace_signal() ? 128 + pace_signal() : CLI_EXIT_TIMEOUT;
}

int
cmd_session_wait(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"for", 'f', "running|ended|closed", 0, "what to wait for; default ended", 0}, {0}};
	struct session_input in = {
	    .args = {.usage = "SESSION", .min = 1, .max = 1}, .until = "ended"};

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	if (strcmp(in.until, "running") != 0 && strcmp(in.until, "ended") != 0 &&
	    strcmp(in.until, "closed") != 0) {
		fprintf(
		    stderr, "fairlead: --for %s: allowed are running, ended, closed\n", in.until);
		return CLI_EXIT_USAGE;
	}
	return session_wait(c, in.args.words[0], in.until);
}

int
cmd_session_create(struct cli *c, int argc, char **argv)
{
	struct declare_input in = {
	    .cli = c, .replicas = 1, .args = {.usage = "NAME -- COMMAND [ARG...]", .max = 1}};
	Fairlead__V1__SessionCreateAnswer *a;
	Fairlead__V1__SessionSpec *spec;
	char name[NAME_BYTES_MAX + 1];
	struct err err = {0};

	if (args_parse(c, argc, argv, &in.args, declare_options, declare_take, &in) != 0)
		return CLI_EXIT_USAGE;
	if (!in.name && in.args.count > 0)
		in.name = in.args.words[0];
	if (declare_spec(c, &in, in.args.rest, in.args.rest_count, &spec, &err) != 0 ||
	    declare_create(c, spec, in.key, in.wait_for_hosts, in.dry_run, &a, &err) != 0)
		return cli_fail(&err);
	if (c->output != CLI_TABLE)
		return cli_print(c, &a->base);
	declare_say(a, spec, in.dry_run);
	if (!in.wait || in.dry_run)
		return 0;
	/* The session of the answer: a repeated key has made one of another name (E8). */
	snprintf(name, sizeof(name), "%s", a->session->name);
	return session_wait(c, name, "running");
}

int
cmd_session_close(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"now", 'n', NULL, 0, "no grace", 0},
	    {"wait", 'w', NULL, 0, "until it is closed", 0},
	    {0},
	};
	struct session_input in = {.args = {.usage = "SESSION", .min = 1, .max = 1}};
	Fairlead__V1__SessionCloseRequest q = FAIRLEAD__V1__SESSION_CLOSE_REQUEST__INIT;
	Fairlead__V1__SessionCloseAnswer *a;
	struct err err = {0};
	ProtobufCMessage *m;

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	q.name = in.args.words[0];
	q.now = in.now;
	if (cli_call(c, "session", "close", &q.base,
		&fairlead__v1__session_close_answer__descriptor, &m, &err) != 0)
		return cli_fail(&err);
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	a = (Fairlead__V1__SessionCloseAnswer *)m;
	if (a->session->state == FAIRLEAD__V1__SESSION_STATE__SESSION_CLOSED)
		printf("session %s is closed\n", q.name);
	else
		printf("session %s closes: %u executors to stop\n", q.name, a->stopping);
	return in.wait ? session_wait(c, q.name, "closed") : 0;
}
