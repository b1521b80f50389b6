#include "question.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "crash.h"
#include "options.h"
#include "service.h"
#include "version.h"

static void
print_crash_points(const struct service *service)
{
	const struct crash_row *row = service->crash_points;

	if (!crash_points_present())
		fprintf(stderr, "crash points are not compiled into this program\n");
	for (; row && row->name; row++)
		printf("%-40s %s\n", row->name, row->help);
}

static void
print_help(const struct service *service, const struct options *options, const char *program)
{
	options_print_help(options, program, service->summary, stdout);
	printf("\nQuestions, answered on standard output:\n"
	       "  --help, --version, --print-config, --print-config-markdown,"
	       " --list-crash-points\n");
}

const char *
question_take(int *argc, char **argv)
{
	static const char *const questions[] = {"--help", "--version", "--print-config",
	    "--print-config-markdown", "--list-crash-points"};
	const char *found = NULL;
	int n = 1;

	for (int i = 1; i < *argc; i++) {
		bool taken = false;
		for (size_t k = 0; k < COUNT_OF(questions); k++)
			taken |= strcmp(argv[i], questions[k]) == 0;
		if (taken)
			found = argv[i];
		else
			argv[n++] = argv[i];
	}
	*argc = n;
	return found;
}

bool
question_answer(const struct service *service, const struct options *options, const char *question,
    const char *program)
{
	if (strcmp(question, "--help") == 0)
		print_help(service, options, program);
	else if (strcmp(question, "--version") == 0)
		printf("%s %s\n", program, FAIRLEAD_VERSION);
	else if (strcmp(question, "--print-config-markdown") == 0)
		options_print_markdown(options, stdout);
	else if (strcmp(question, "--list-crash-points") == 0)
		print_crash_points(service);
	else
		return false;
	return true;
}
