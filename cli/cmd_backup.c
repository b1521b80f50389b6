/* cmd_backup: admin backup, admin restore: the rows of the cell in one file, by pg_dump and back.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "args.h"
#include "child.h"
#include "cli.h"
#include "err.h"
#include "store.h"
#include "store_restore.h"

#define DATABASE_URL_DEFAULT "postgresql:///fairlead"
#define TOOL_TIMEOUT_MS (6 * 3600 * 1000)

struct backup_input {
	struct args args;
	const char *database_url, *file;
	bool confirm;
	uint64_t term;
};

static error_t
take(int key, char *value, void *arg)
{
	struct backup_input *in = arg;

	switch (key) {
	case 'd':
		in->database_url = value;
		return 0;
	case 'f':
		in->file = value;
		return 0;
	case 'c':
		in->confirm = true;
		return 0;
	case 't':
		return args_number("--term", value, 1, INT64_MAX, &in->term);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int
input_parse(struct cli *c, int argc, char **argv, const struct argp_option *options,
    struct backup_input *in)
{
	const char *url = getenv("FAIRLEAD_DATABASE_URL");

	*in = (struct backup_input){.args = {.usage = ""}};
	in->database_url = url && *url ? url : DATABASE_URL_DEFAULT;
	if (args_parse(c, argc, argv, &in->args, options, take, in) != 0)
		return -1;
	if (in->file)
		return 0;
	fprintf(stderr, "fairlead: which file?  --help says how\n");
	return -1;
}

static int
tool_run(const char *const *words, struct err *err)
{
	struct child tool;
	int r;

	child_init(&tool, words[0], SIGTERM);
	for (size_t i = 0; words[i]; i++)
		child_arg(&tool, "%s", words[i]);
	r = child_run(&tool, NULL, TOOL_TIMEOUT_MS, err);
	child_done(&tool);
	return r;
}

int
cmd_admin_backup(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"database-url", 'd', "URL", 0, "Postgres (FAIRLEAD_DATABASE_URL)", 0},
	    {"to", 'f', "FILE", 0, "where to write it, in pg_dump's custom format", 0},
	    {0},
	};
	struct backup_input in;
	struct err err = {0};

	if (input_parse(c, argc, argv, options, &in) != 0)
		return CLI_EXIT_USAGE;
	const char *const dump[] = {"pg_dump", "--format=custom", "--file", in.file, NULL};

	if (store_tools_environment(in.database_url, &err) != 0 || tool_run(dump, &err) != 0)
		return cli_fail(&err);
	printf("backup written to %s\n", in.file);
	return 0;
}

/* The term of the cell that is there: the new one is above it as well.  A database without one has
 * none. */
static int
term_above(struct cli *c, const struct backup_input *in, uint64_t *ret, struct err *err)
{
	const struct store_options o = {
	    .url = in->database_url, .application = "fairlead-admin", .timeout_ms = 60000};
	struct store_cell cell = {0};
	struct store *s = NULL;
	unsigned version;
	int r = store_pg_new(&o, &s, err);

	if (r == 0)
		r = store_schema_check(s, &version, err);
	if (r == 0)
		r = store_cell_get(s, c->arena, &cell, err);
	else if (err->kind == ERR_CONFLICT)
		r = 0; /* an empty database, or another version's */
	store_free(s);
	*ret = cell.term + 1 > in->term ? cell.term + 1 : in->term;
	return r;
}

/* One transaction: guard, copy, new term.  All of it or nothing. */
static int
restore_apply(const char *script, const char *after, struct err *err)
{
	const char *const replay[] = {"psql", "--no-psqlrc", "--quiet", "--output=/dev/null",
	    "--single-transaction", "--set=ON_ERROR_STOP=1", "--command", store_restore_before,
	    "--file", script, "--command", after, NULL};

	return tool_run(replay, err);
}

/* The copy becomes a script first: a dump that cannot be read to its end must not be begun with. */
static int
restore(struct cli *c, const struct backup_input *in, uint64_t *ret_term, struct err *err)
{
	char script[320];
	const char *const unpack[] = {
	    "pg_restore", "--clean", "--if-exists", "--file", script, in->file, NULL};
	const char *after;
	int fd, r;

	if (store_tools_environment(in->database_url, err) != 0 ||
	    term_above(c, in, ret_term, err) != 0)
		return -1;
	after = store_restore_after(c->arena, *ret_term);
	if (!after)
		return err_set(err, ERR_LIMIT, "no memory");
	snprintf(script, sizeof(script), "%.256s/fairlead-restore-XXXXXX",
	    getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	fd = mkstemp(script);
	if (fd < 0)
		return err_set(err, ERR_INTERNAL, "%s: cannot be made", script);
	close(fd);
	r = tool_run(unpack, err);
	if (r == 0)
		r = restore_apply(script, after, err);
	unlink(script);
	return r;
}

int
cmd_admin_restore(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"database-url", 'd', "URL", 0, "Postgres (FAIRLEAD_DATABASE_URL)", 0},
	    {"from", 'f', "FILE", 0, "what `admin backup` wrote", 0},
	    {"confirm", 'c', NULL, 0, "what the database holds now is replaced", 0},
	    {"term", 't', "N", 0, "the new term at least: when the cell that was cannot be read",
		0},
	    {0},
	};
	struct backup_input in;
	struct err err = {0};
	uint64_t term = 0;

	if (input_parse(c, argc, argv, options, &in) != 0)
		return CLI_EXIT_USAGE;
	if (!in.confirm) {
		fprintf(stderr,
		    "fairlead: this replaces every row of the cell by those of %s: repeat "
		    "with --confirm\n",
		    in.file);
		return CLI_EXIT_USAGE;
	}
	if (restore(c, &in, &term, &err) != 0)
		return cli_fail(&err);
	printf("restored from %s\n", in.file);
	printf("the cell's term is at least %" PRIu64
	       ": hosts say hello again, and executors of the history "
	       "that is lost run on until `host stop-unknown`; `status` counts them\n",
	    term);
	return 0;
}
