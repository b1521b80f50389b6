/* cmd_command: command ls, show, replay, drop. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "args.h"
#include "cli.h"
#include "clock.h"
#include "letters.h"
#include "list.h"
#include "output.h"
#include "pace.h"
#include "since.h"

#include "fairlead/v1/api.pb-c.h"

#define NAME_USAGE "SESSION/INDEX[#ATTEMPT][@GENERATION]"

struct command_input {
	struct args args;
	const char *session, *host, *executor, *state;
	bool dead, all, no_wait;
	struct letters letters;
	bool letters_said;
};

static error_t
since_take(const char *value, int64_t *ret_us)
{
	struct err err = {0};

	if (since_parse(value, clock_real_us(clock_system()), ret_us, &err) == 0)
		return 0;
	fprintf(stderr, "fairlead: --since %s: %s\n", value, err.text);
	return EINVAL;
}

static error_t
letters_take(int key, char *value, struct command_input *in)
{
	in->letters_said = true;
	switch (key) {
	case 'S':
		return since_take(value, &in->letters.since_us);
	case 'r':
		in->letters.reason = value;
		return 0;
	default:
		return args_number("--limit", value, 1, 100000, &in->letters.limit);
	}
}

static error_t
take(int key, char *value, void *arg)
{
	struct command_input *in = arg;

	switch (key) {
	case 's':
		in->session = value;
		return 0;
	case 'h':
		in->host = value;
		return 0;
	case 'e':
		in->executor = value;
		return 0;
	case 't':
		in->state = value;
		return 0;
	case 'd':
		in->dead = true;
		return 0;
	case 'a':
		in->all = true;
		return 0;
	case 'w':
		in->no_wait = true;
		return 0;
	case 'S':
	case 'r':
	case 'l':
		return letters_take(key, value, in);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- words ---- */

static const char *const states[] = {
    [FAIRLEAD__V1__COMMAND_STATE__COMMAND_WRITTEN] = "WRITTEN",
    [FAIRLEAD__V1__COMMAND_STATE__COMMAND_PUBLISHED] = "PUBLISHED",
    [FAIRLEAD__V1__COMMAND_STATE__COMMAND_ACCEPTED] = "ACCEPTED",
    [FAIRLEAD__V1__COMMAND_STATE__COMMAND_SUPERSEDED] = "SUPERSEDED",
    [FAIRLEAD__V1__COMMAND_STATE__COMMAND_EXPIRED] = "EXPIRED",
    [FAIRLEAD__V1__COMMAND_STATE__COMMAND_DEAD] = "DEAD",
};

static const char *
state_text(Fairlead__V1__CommandState s)
{
	return (unsigned)s < COUNT_OF(states) && states[s] ? states[s] : "?";
}

static const char *
desired_text(Fairlead__V1__Desired d)
{
	return d == FAIRLEAD__V1__DESIRED__RUN      ? "run"
	       : d == FAIRLEAD__V1__DESIRED__STOP   ? "stop"
	       : d == FAIRLEAD__V1__DESIRED__ABSENT ? "absent"
						    : "?";
}

/* -1: there is no such state; said. */
static int
state_find(const char *text, Fairlead__V1__CommandState *ret)
{
	for (size_t i = 1; i < COUNT_OF(states); i++) {
		if (strcasecmp(text, states[i]) == 0) {
			*ret = (Fairlead__V1__CommandState)i;
			return 0;
		}
	}
	fprintf(stderr,
	    "fairlead: --state %s: is written, published, accepted, superseded, expired or dead\n",
	    text);
	return -1;
}

/* What became of it, for a line of a table. */
static const char *
note_of(const Fairlead__V1__HostCommand *m, char *buffer, size_t size)
{
	if (*m->settled)
		snprintf(buffer, size, "%s by %s", m->settled, m->settled_by);
	else if (m->successor > 0)
		snprintf(buffer, size, "%s; attempt %u follows", m->reason, m->successor);
	else
		snprintf(buffer, size, "%s", m->reason);
	return buffer;
}

/* "in 3s", "5s ago", "-" */
static const char *
deadline_text(int64_t at_us, char *buffer, size_t size)
{
	int64_t now_us = clock_real_us(clock_system());
	char took[32];

	if (at_us == 0)
		return "-";
	if (at_us > now_us)
		snprintf(buffer, size, "in %s", output_took(at_us - now_us, took, sizeof(took)));
	else
		snprintf(buffer, size, "%s ago", output_age(at_us, took, sizeof(took)));
	return buffer;
}

/* ---- ls ---- */

static struct table *
command_table(void)
{
	static const char *const columns[] = {
	    "COMMAND", "WANTS", "STATE", "HOST", "SENT", "AGE", "DEADLINE", "REASON", NULL};

	return table_new(columns);
}

static char *
command_page(struct table *t, const ProtobufCMessage *answer)
{
	const Fairlead__V1__CommandListAnswer *a = (const Fairlead__V1__CommandListAnswer *)answer;

	for (size_t i = 0; t && i < a->n_commands; i++) {
		const Fairlead__V1__HostCommand *m = a->commands[i];
		char sent[16], age[32], deadline[48], note[320];

		snprintf(sent, sizeof(sent), "%u", m->deliveries);
		table_row(
		    t, (const char *[]){m->name, desired_text(m->desired), state_text(m->state),
			   m->host, sent, output_age(m->created_us, age, sizeof(age)),
			   deadline_text(m->deadline_us, deadline, sizeof(deadline)),
			   note_of(m, note, sizeof(note))});
	}
	return a->next;
}

static int
letters_check(const struct command_input *in)
{
	if (!in->letters_said || (in->dead && !in->session && !in->executor))
		return 0;
	fprintf(stderr,
	    "fairlead: --since, --reason and --limit choose dead letters: they take --dead, and no "
	    "--session or --executor\n");
	return -1;
}

int
cmd_command_ls(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"session", 's', "NAME", 0, "of one session", 0},
	    {"host", 'h', "HOST", 0, "for one host", 0},
	    {"executor", 'e', "SESSION/INDEX", 0, "of one executor", 0},
	    {"state", 't', "STATE", 0, "written, published, accepted, superseded, expired or dead",
		0},
	    {"dead", 'd', NULL, 0,
		"only what expired or died, and waits for somebody; then the dead letters", 0},
	    {"since", 'S', "WHEN", 0, "with --dead: letters since 12h ago, or since a date", 0},
	    {"reason", 'r', "REASON", 0, "with --dead: letters put aside for it", 0},
	    {"limit", 'l', "NUMBER", 0, "with --dead: so many letters, the newest (100)", 0},
	    {"all", 'a', NULL, 0, "accepted, superseded and settled ones too", 0},
	    {0},
	};
	struct command_input in = {.args = {.usage = ""}, .letters.limit = 100};
	Fairlead__V1__CommandListRequest q = FAIRLEAD__V1__COMMAND_LIST_REQUEST__INIT;
	const struct list list = {.noun = "command",
	    .request = &q.base,
	    .after = &q.after,
	    .answer = &fairlead__v1__command_list_answer__descriptor,
	    .table = command_table,
	    .page = command_page};
	int code;

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0 ||
	    (in.state && state_find(in.state, &q.state) != 0) || letters_check(&in) != 0)
		return CLI_EXIT_USAGE;
	q.session = (char *)(uintptr_t)(in.session ? in.session : "");
	q.host = (char *)(uintptr_t)(in.host ? in.host : "");
	q.executor = (char *)(uintptr_t)(in.executor ? in.executor : "");
	q.dead = in.dead;
	q.all = in.all;
	q.limit = 1000;
	code = list_print(c, &list);
	/* A letter is of a host, not of a session. */
	if (code != 0 || !in.dead || in.session || in.executor)
		return code;
	in.letters.host = in.host;
	return letters_print(c, &in.letters);
}

/* ---- show ---- */

static void
command_print(const Fairlead__V1__CommandGetAnswer *a)
{
	const Fairlead__V1__HostCommand *m = a->command;
	char when[40];

	printf("command     %s\nwants       %s\nstate       %s\n", m->name,
	    desired_text(m->desired), state_text(m->state));
	if (*m->reason)
		printf("reason      %s\n", m->reason);
	printf("host        %s (%s), host_seq %" PRIu64 "\n", m->host,
	    output_host_state(m->host_state), m->host_seq);
	printf("executor    %s", output_executor_state(m->executor_state));
	if (m->newest_generation > m->generation)
		printf(", its newest generation is %" PRIu64, m->newest_generation);
	printf("\nsent        %u times\n", m->deliveries);
	for (size_t i = 0; i < a->n_history; i++)
		printf("%-11s %s  %s\n", a->history[i]->what,
		    clock_format(a->history[i]->at_us, when, sizeof(when)), a->history[i]->text);
	if (m->successor > 0)
		printf("successor   attempt %u\n", m->successor);
	else if (*m->replay_refused)
		printf("replay      not now: %s\n", m->replay_refused);
	else if (!*m->settled)
		printf("replay      `fairlead command replay %s`\n", m->name);
}

static int
command_get(struct cli *c, char *name, Fairlead__V1__CommandGetAnswer **ret, struct err *err)
{
	Fairlead__V1__CommandGetRequest q = FAIRLEAD__V1__COMMAND_GET_REQUEST__INIT;
	ProtobufCMessage *m;

	q.name = name;
	if (cli_call(c, "command", "get", &q.base, &fairlead__v1__command_get_answer__descriptor,
		&m, err) != 0)
		return -1;
	*ret = (Fairlead__V1__CommandGetAnswer *)m;
	return 0;
}

int
cmd_command_show(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = NAME_USAGE, .min = 1, .max = 1};
	Fairlead__V1__CommandGetAnswer *a;
	struct err err = {0};

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	if (command_get(c, args.words[0], &a, &err) != 0)
		return cli_fail(&err);
	if (c->output != CLI_TABLE)
		return cli_print(c, &a->base);
	command_print(a);
	return 0;
}

/* ---- replay, drop ---- */

static void
replayed_print(const Fairlead__V1__HostCommand *m)
{
	if (m->state == FAIRLEAD__V1__COMMAND_STATE__COMMAND_EXPIRED)
		printf("command %s: replayed as attempt %u\n", m->name, m->successor);
	else
		printf(
		    "command %s: replayed as generation %" PRIu64 "\n", m->name, m->generation + 1);
}

/* The scheduler carries it out; what it did is in the row.  The exit code. */
static int
replay_await(struct cli *c, char *name)
{
	Fairlead__V1__CommandGetAnswer *a;
	struct err err = {0};
	struct pace pace;

	pace_begin(&pace, c->timeout_ms);
	for (;;) {
		if (command_get(c, name, &a, &err) != 0)
			return cli_fail(&err);
		if (strcmp(a->command->settled, "replayed") == 0 || a->command->successor > 0) {
			replayed_print(a->command);
			return 0;
		}
		if (*a->command->replay_refused) {
			err_set(&err, ERR_CONFLICT, "%s cannot be replayed any more: %s", name,
			    a->command->replay_refused);
			return cli_fail(&err);
		}
		if (!pace_again(&pace))
			break;
	}
	fprintf(stderr,
	    "fairlead: command %s: replay asked, not carried out yet: does a scheduler "
	    "lead the pool?\n",
	    name);
	return CLI_EXIT_TIMEOUT;
}

int
cmd_command_replay(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"no-wait", 'w', NULL, 0, "only ask for it", 0}, {0}};
	struct command_input in = {.args = {.usage = NAME_USAGE, .min = 1, .max = 1}};
	Fairlead__V1__CommandReplayRequest q = FAIRLEAD__V1__COMMAND_REPLAY_REQUEST__INIT;
	Fairlead__V1__CommandReplayAnswer *a;
	struct err err = {0};
	ProtobufCMessage *m;

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	q.name = in.args.words[0];
	if (cli_call(c, "command", "replay", &q.base,
		&fairlead__v1__command_replay_answer__descriptor, &m, &err) != 0)
		return cli_fail(&err);
	a = (Fairlead__V1__CommandReplayAnswer *)m;
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	if (a->already && a->command->successor > 0)
		printf("command %s: attempt %u followed already, nothing to do\n", a->command->name,
		    a->command->successor);
	else if (a->already)
		printf("command %s: was replayed by %s already, nothing to do\n", a->command->name,
		    a->command->settled_by);
	else if (in.no_wait)
		printf("command %s: replay asked\n", a->command->name);
	else
		return replay_await(c, a->command->name);
	return 0;
}

int
cmd_command_drop(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = NAME_USAGE, .min = 1, .max = 1};
	Fairlead__V1__CommandDropRequest q = FAIRLEAD__V1__COMMAND_DROP_REQUEST__INIT;
	struct err err = {0};
	ProtobufCMessage *m;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	q.name = args.words[0];
	if (cli_call(c, "command", "drop", &q.base, &fairlead__v1__command_drop_answer__descriptor,
		&m, &err) != 0)
		return cli_fail(&err);
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	printf("command %s: dropped by %s\n", ((Fairlead__V1__CommandDropAnswer *)m)->command->name,
	    ((Fairlead__V1__CommandDropAnswer *)m)->command->settled_by);
	return 0;
}
