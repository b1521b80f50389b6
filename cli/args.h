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
	bool nameless;     /* the answer names nothing: no -o name */
	size_t min, max; /* how many words; max SIZE_MAX: the rest of the line, options included */
	char **words;    /* argv's own */
	char **rest;     /* what stands behind "--": a workload's words, never options of ours */
	size_t rest_count;
	size_t count;
};

/* Every command calls it before anything else, so that `completion` can ask what the command takes.
 * Placeholders say what completes: SESSION, HOST, SESSION/INDEX, FILE, DIR, "this|that"; any other
 * stands for something new.  Parses common options, the command's own (options may be NULL; take
 * handles one: 0, or ARGP_ERR_UNKNOWN) and the words.  -1: usage error, already printed. */
MUST_USE int args_parse(struct cli *c, int argc, char **argv, struct args *args,
    const struct argp_option *options, error_t (*take)(int key, char *value, void *input),
    void *input);

/* A number in digits.  0 with *ret set; else EINVAL, for take to return: a line that names the
 * option
 * ("--replicas") and what it allows was printed. */
MUST_USE error_t args_number(
    const char *option, const char *value, uint64_t least, uint64_t most, uint64_t *ret);

#endif
