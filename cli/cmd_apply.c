/* cmd_apply: apply -f FILE. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "declare.h"
#include "session_file.h"

#define FILE_BYTES_MAX (4u * 1024 * 1024)

struct apply_input {
	struct args args;
	const char *file, *key;
	bool wait_for_hosts, dry_run;
};

static error_t
take(int key, char *value, void *arg)
{
	struct apply_input *in = arg;

	switch (key) {
	case 'f':
		in->file = value;
		return 0;
	case 'h':
		in->wait_for_hosts = true;
		return 0;
	case 'd':
		in->dry_run = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The whole file, or standard input for "-". */
static int
file_read(struct cli *c, const char *name, char **ret_text, size_t *ret_size, struct err *err)
{
	FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	char *text = arena_alloc(c->arena, FILE_BYTES_MAX + 1);
	size_t n;

	if (!in || !text)
		return err_set(err, ERR_NOT_FOUND, "%s: %s", name, strerror(errno));
	n = fread(text, 1, FILE_BYTES_MAX + 1, in);
	if (in != stdin)
		fclose(in);
	if (n > FILE_BYTES_MAX)
		return err_set(err, ERR_LIMIT, "%s: larger than %u bytes", name, FILE_BYTES_MAX);
	*ret_text = text;
	*ret_size = n;
	return 0;
}

int
cmd_apply(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"file", 'f', "FILE", 0, "YAML or JSON; - for standard input", 0},
	    {"wait-for-hosts", 'h', NULL, 0, "also when no present host could ever fit it", 0},
	    {"dry-run", 'd', NULL, 0, "check only", 0},
	    {0},
	};
	struct apply_input in = {.args = {.usage = ""}};
	Fairlead__V1__SessionSpec **specs;
	struct err err = {0};
	size_t n = 0, size = 0;
	char *text = NULL;

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	if (!in.file) {
		fprintf(stderr, "fairlead: apply needs -f FILE\n");
		return CLI_EXIT_USAGE;
	}
	if (file_read(c, in.file, &text, &size, &err) != 0 ||
	    session_file_parse(in.file, text, size, c->arena, &specs, &n, &err) != 0)
		return cli_fail(&err);
	for (size_t i = 0; i < n; i++) {
		Fairlead__V1__SessionCreateAnswer *a;

		if (declare_create(c, specs[i], NULL, in.wait_for_hosts, in.dry_run, &a, &err) != 0)
			return cli_fail(&err);
		if (c->output == CLI_JSON)
			cli_print_json(c, &a->base);
		else
			declare_say(a, specs[i], in.dry_run);
	}
	return 0;
}
