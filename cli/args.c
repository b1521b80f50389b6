#include "args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

enum { KEY_SERVER = 0x1000, KEY_TIMEOUT, KEY_PREFIX };

static const struct argp_option common_options[] = {
    {"output", 'o', "table|json|yaml|name", 0, "how to print the answer", 100},
    {"server", KEY_SERVER, "URLS", 0, "bus to talk to (FAIRLEAD_NATS_SERVERS)", 100},
    {"timeout", KEY_TIMEOUT, "DURATION", 0, "bound of a call or a wait, default 60s", 100},
    {"prefix", KEY_PREFIX, "TOKEN", 0, "first token of all subjects (FAIRLEAD_PREFIX)", 100},
    {0},
};

struct parse {
	struct cli *cli;
	struct args *args;
	error_t (*take)(int key, char *value, void *input);
	void *input;
	char **words;
};

static void
take_output(struct parse *p, const char *value, struct argp_state *state)
{
	if (cli_output_find(value, &p->cli->output) != 0 ||
	    (p->args->nameless && p->cli->output == CLI_NAME))
		argp_error(state, "-o %s: allowed are table, json%s", value,
		    p->args->nameless ? " and yaml" : ", yaml and name");
}

static error_t
take_common(struct parse *p, int key, char *value, struct argp_state *state)
{
	int64_t ms;
	struct err err = {0};

	switch (key) {
	case 'o':
		take_output(p, value, state);
		return 0;
	case KEY_SERVER:
		p->cli->servers = value;
		return 0;
	case KEY_PREFIX:
		p->cli->prefix = value;
		return 0;
	case KEY_TIMEOUT:
		if (options_parse_duration_ms(value, &ms, &err) != 0)
			argp_error(state, "--timeout: %s", err.text);
		else
			p->cli->timeout_ms = ms > INT32_MAX ? INT32_MAX : (int)ms;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t
take_word(struct parse *p, char *value, struct argp_state *state)
{
	if (p->args->max == SIZE_MAX) { /* the rest of the line is the workload's */
		p->words = &state->argv[state->next - 1];
		p->args->count = (size_t)state->argc - (size_t)state->next + 1;
		state->next = state->argc;
		return 0;
	}
	if (p->args->count == p->args->max)
		argp_error(state, "unexpected argument: %s", value);
	else
		p->words[p->args->count++] = value;
	return 0;
}

static error_t
parse_one(int key, char *value, struct argp_state *state)
{
	struct parse *p = state->input;
	error_t r;

	if (key == ARGP_KEY_ARG)
		return take_word(p, value, state);
	if (key == ARGP_KEY_END && p->args->count < p->args->min)
		argp_error(state, "missing argument: %s", p->args->usage);
	r = take_common(p, key, value, state);
	if (r == ARGP_ERR_UNKNOWN && p->take && key > 0 && key < ARGP_KEY_END)
		r = p->take(key, value, p->input);
	return r;
}

static size_t
option_count(const struct argp_option *options)
{
	size_t n = 0;

	while (options && (options[n].name || options[n].key || options[n].doc))
		n++;
	return n;
}

int
args_parse(struct cli *c, int argc, char **argv, struct args *args,
    const struct argp_option *options, error_t (*take)(int key, char *value, void *input),
    void *input)
{
	size_t own = option_count(options);
	struct argp_option *all = calloc(own + COUNT_OF(common_options), sizeof(*all));
	struct argp argp = {.parser = parse_one, .args_doc = args->usage};
	struct parse p = {.cli = c, .args = args, .take = take, .input = input, .words = argv + 1};
	error_t r;

	if (!all)
		return -1;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") != 0)
			continue;
		args->rest = argv + i + 1;
		args->rest_count = (size_t)(argc - i - 1);
		argc = i;
	}
	if (own > 0)
		memcpy(all, options, own * sizeof(*all));
	memcpy(all + own, common_options, sizeof(common_options));
	if (c->describe) {
		c->describe(c->describe_arg, args, all);
		free(all);
		return -1;
	}
	argp.options = all;
	argp_err_exit_status = CLI_EXIT_USAGE;
	args->count = 0;
	r = argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &p);
	free(all);
	args->words = p.words;
	return r == 0 ? 0 : -1;
}

error_t
args_number(const char *option, const char *value, uint64_t least, uint64_t most, uint64_t *ret)
{
	bool digits = *value && !value[strspn(value, "0123456789")];
	uint64_t number = 0;

	errno = 0;
	if (digits)
		number = strtoull(value, NULL, 10);
	if (!digits || errno != 0 || number < least || number > most) {
		fprintf(stderr,
		    "fairlead: %s %s: allowed are numbers from %" PRIu64 " to %" PRIu64 "\n",
		    option, value, least, most);
		return EINVAL;
	}
	*ret = number;
	return 0;
}
