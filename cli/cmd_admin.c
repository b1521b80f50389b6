/* cmd_admin: the commands that touch Postgres and the streams themselves. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "args.h"
#include "bus.h"
#include "cli.h"
#include "pace.h"
#include "store.h"
#include "streams.h"

#define DATABASE_URL_DEFAULT "postgresql:///fairlead"
#define STREAM_REPLICAS_MAX 5 /* the bus keeps no more copies of a stream */

struct admin_input {
	struct args args;
	const char *database_url;
	uint64_t replicas;
};

static const struct argp_option admin_options[] = {
    {"database-url", 'd', "URL", 0, "Postgres (FAIRLEAD_DATABASE_URL)", 0},
    {"replicas", 'r', "N", 0, "of streams; 0: as the cluster allows", 0},
    {0},
};

static error_t
take(int key, char *value, void *arg)
{
	struct admin_input *in = arg;

	switch (key) {
	case 'd':
		in->database_url = value;
		return 0;
	case 'r':
		return args_number("--replicas", value, 0, STREAM_REPLICAS_MAX, &in->replicas);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int
admin_parse(struct cli *c, int argc, char **argv, struct admin_input *in)
{
	const char *from_environment = getenv("FAIRLEAD_DATABASE_URL");

	*in = (struct admin_input){.args = {.usage = ""}};
	in->database_url =
	    from_environment && *from_environment ? from_environment : DATABASE_URL_DEFAULT;
	return args_parse(c, argc, argv, &in->args, admin_options, take, in);
}

static int
store_open(const struct admin_input *in, struct store **ret, struct err *err)
{
	const struct store_options o = {
	    .url = in->database_url, .application = "fairlead-admin", .timeout_ms = 600000};

	return store_pg_new(&o, ret, err);
}

/* Postgres may still be starting: waits within --timeout. */
static int
store_wait(struct cli *c, struct store *s, struct err *err)
{
	struct pace pace;
	int64_t now_us;

	pace_begin(&pace, c->timeout_ms);
	do {
		if (store_ping(s, &now_us, err) == 0)
			return 0;
		if (err->kind != ERR_UNAVAILABLE && err->kind != ERR_TIMEOUT)
			return -1;
	} while (pace_again(&pace));
	return -1;
}

int
cmd_admin_migrate(struct cli *c, int argc, char **argv)
{
	struct admin_input in;
	struct store *s = NULL;
	struct err err = {0};
	unsigned applied;
	int code = 0;

	if (admin_parse(c, argc, argv, &in) != 0)
		return CLI_EXIT_USAGE;
	if (store_open(&in, &s, &err) != 0 || store_wait(c, s, &err) != 0 ||
	    store_migrate(s, &applied, &err) != 0)
		code = cli_fail(&err);
	else if (applied == 0)
		printf("schema is at version %d already\n", STORE_SCHEMA_VERSION);
	else
		printf("schema is at version %d: %u migration%s applied\n", STORE_SCHEMA_VERSION,
		    applied, applied == 1 ? "" : "s");
	store_free(s);
	return code;
}

/* A cluster that has just started elects its leaders first: waits within --timeout. */
static int
streams_wait(struct cli *c, int replicas, struct err *err)
{
	struct pace pace;

	pace_begin(&pace, c->timeout_ms);
	do {
		if (streams_ensure(c->bus, c->prefix, replicas, err) == 0)
			return 0;
		if (err->kind != ERR_UNAVAILABLE && err->kind != ERR_TIMEOUT)
			return -1;
	} while (pace_again(&pace));
	return -1;
}

int
cmd_admin_bus_init(struct cli *c, int argc, char **argv)
{
	struct admin_input in;
	struct err err = {0};

	if (admin_parse(c, argc, argv, &in) != 0)
		return CLI_EXIT_USAGE;
	if (cli_connect(c, &err) != 0 || streams_wait(c, (int)in.replicas, &err) != 0)
		return cli_fail(&err);
	printf("streams and consumers are as they should be\n");
	return 0;
}

static int
checked(const char *what, int r, const struct err *err)
{
	if (r == 0)
		printf("ok      %s\n", what);
	else
		printf("FAILED  %s: %s\n", what, err->text);
	return r;
}

/* Database and bus by themselves, each as far as it goes: one run shows what is wrong with both. */
int
cmd_admin_check_config(struct cli *c, int argc, char **argv)
{
	struct admin_input in;
	struct store *s = NULL;
	struct err err = {0};
	unsigned version;
	int64_t now_us;
	int failed = 0;

	if (admin_parse(c, argc, argv, &in) != 0)
		return CLI_EXIT_USAGE;
	if (checked("database url", store_open(&in, &s, &err), &err) != 0 ||
	    checked("database answers", store_ping(s, &now_us, &err), &err) != 0 ||
	    checked("schema version", store_schema_check(s, &version, &err), &err) != 0)
		failed = 1;
	store_free(s);
	if (checked("bus answers", cli_connect(c, &err), &err) != 0 ||
	    checked("streams and consumers",
		streams_ensure(c->bus, c->prefix, (int)in.replicas, &err), &err) != 0)
		failed = 1;
	return failed ? CLI_EXIT_FAILED : 0;
}

int
cmd_admin_verify(struct cli *c, int argc, char **argv)
{
	struct store_violation *rows;
	struct admin_input in;
	struct store *s = NULL;
	struct err err = {0};
	size_t n = 0;
	int code;

	if (admin_parse(c, argc, argv, &in) != 0)
		return CLI_EXIT_USAGE;
	if (store_open(&in, &s, &err) != 0 || store_wait(c, s, &err) != 0 ||
	    store_verify(s, c->arena, &rows, &n, &err) != 0) {
		store_free(s);
		return cli_fail(&err);
	}
	for (size_t i = 0; i < n; i++)
		printf("VIOLATED  %s: %" PRIu64 " rows: %s\n", rows[i].invariant, rows[i].rows,
		    rows[i].detail);
	if (n == 0)
		printf("every invariant holds\n");
	code = n == 0 ? 0 : CLI_EXIT_FAILED;
	store_free(s);
	return code;
}
