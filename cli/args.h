/* args: the few shapes of arguments that commands share, on top of argp. */
#ifndef ARGS_H
#define ARGS_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli.h"

/* Positional arguments of a command.  Put it first in the command's own input struct. */
struct args {
	const char *usage; /* for argp's "Usage:" line */
	size_t min, max; /* how many words; max SIZE_MAX: the rest of the line, options included */
	char **words;    /* argv's own */
	char **rest;     /* what stands behind "--": a workload's words, never options of ours */
	size_t rest_count;
	size_t count;
};

/* Parses common options, the command's own (options may be NULL; take handles one: 0, or
 * ARGP_ERR_UNKNOWN) and the words.  -1: usage error, already printed. */
MUST_USE int args_parse(struct cli *c, int argc, char **argv, struct args *args,
    const struct argp_option *options, error_t (*take)(int key, char *value, void *input),
    void *input);

#endif
