#include "program.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "crash.h"
#include "err.h"
#include "log.h"
#include "version.h"

extern char **environ;

int
program_refuse(const char *name, const struct err *err)
{
	fprintf(stderr, "%s: %s%s%s\n", name, err->text, err->hint[0] ? "; " : "", err->hint);
	return err_row(err->kind)->exit_code;
}

static void
list_crash_points(const struct program *program)
{
	for (const struct crash_row *row = program->crash_points; row && row->name; row++)
		printf("%-32s %s\n", row->name, row->help);
}

static bool
answer(const struct program *program, const struct options *options, const char *question)
{
	if (strcmp(question, "--help") == 0 || strcmp(question, "-h") == 0)
		options_print_help(options, program->name, program->summary, stdout);
	else if (strcmp(question, "--version") == 0)
		printf("%s %s\n", program->name, FAIRLEAD_VERSION);
	else if (strcmp(question, "--print-config-markdown") == 0)
		options_print_markdown(options, stdout);
	else if (strcmp(question, "--list-crash-points") == 0)
		list_crash_points(program);
	else
		return false;
	return true;
}

/* Takes --print-config out of argv. */
static bool
take_print_config(int *argc, char **argv)
{
	bool found = false;
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		if (i > 0 && strcmp(argv[i], "--print-config") == 0)
			found = true;
		else
			argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	*argc = kept;
	return found;
}

int
program_main(const struct program *program, int argc, char **argv,
    int (*run)(const struct options *options, const char *program_path))
{
	CLEANUP(options_free)
	struct options *options = options_new(program->prefix, program->options);
	bool print_config = take_print_config(&argc, argv);
	struct err err;

	if (!options) {
		fprintf(stderr, "%s: no memory\n", program->name);
		return err_row(ERR_INTERNAL)->exit_code;
	}
	for (int i = 1; i < argc; i++)
		if (answer(program, options, argv[i]))
			return 0;
	if (options_load(options, argc, argv, environ, NULL, &err) < 0 ||
	    log_configure(options, program->service, "", &err) < 0 ||
	    crash_check(program->crash_points, &err) < 0) {
		(void)program_refuse(program->name, &err);
		return PROGRAM_EXIT_USAGE;
	}
	if (print_config) {
		options_print_config(options, stdout);
		return 0;
	}
	return run(options, argv[0]);
}
