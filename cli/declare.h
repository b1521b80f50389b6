/* declare: session.create and what run, apply and session create say about it. */
#ifndef DECLARE_H
#define DECLARE_H

#include "args.h"
#include "cli.h"

#include "fairlead/v1/api.pb-c.h"

/* The most that session_limits.def allows a field of a session; the field must be there. */
uint64_t declare_most(const char *field);

/* Options that describe one executor on the command line. */
struct declare_input {
	struct args args;
	const char *name, *pool, *selector, *spread, *anti_affinity, *driver, *user, *working_dir,
	    *fake_script, *key;
	const char *cpu, *memory;
	Fairlead__V1__Entry **env;
	size_t env_count;
	uint64_t replicas;
	bool wait_for_hosts, wait, dry_run;
	struct cli *cli;
};
extern const struct argp_option declare_options[];
error_t declare_take(int key, char *value, void *input);

/* A SessionSpec in the arena, from options and words (the command). */
MUST_USE int declare_spec(struct cli *c, const struct declare_input *in, char **words, size_t n,
    Fairlead__V1__SessionSpec **ret, struct err *err);

MUST_USE int declare_create(struct cli *c, Fairlead__V1__SessionSpec *spec, const char *key,
    bool wait_for_hosts, bool dry_run, Fairlead__V1__SessionCreateAnswer **ret, struct err *err);
/* One line: what it did. */
void declare_say(const Fairlead__V1__SessionCreateAnswer *a, const Fairlead__V1__SessionSpec *spec,
    bool dry_run);

#endif
