/* fairlead-conformance: does this agent keep the contract?  See CONTRIBUTING.md. */
#include "kit.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES_MAX 128
#define WITHOUT_MAX 8
#define PATIENCE_DEFAULT_MS 60000

static const struct kit_case *const tables[] = {
    cases_hello, cases_verdict, cases_command, cases_sync, cases_crash, cases_option};

static const char usage[] =
    "usage: fairlead-conformance --agent COMMAND [options]\n"
    "  --agent COMMAND    a shell command line that becomes the agent (in its own process group);\n"
    "                     {servers} {host} {state} are filled in\n"
    "  --driver NAME      the driver that runs commands of this machine (process)\n"
    "  --revision N       the protocol revision that the control plane speaks, 1 or 2 (2)\n"
    "  --without GROUP    leave out an optional group; may be given again\n"
    "  --only PATTERN     only the cases whose name matches, * and ? are wild\n"
    "  --part I/N         only each Nth case, from the Ith on: N kits share the work\n"
    "  --patience SECONDS until something that must happen has not (60)\n"
    "  --list             print the cases and their groups\n";

struct choice {
	struct kit_options kit;
	const char *without[WITHOUT_MAX], *only;
	size_t without_count;
	unsigned part, parts;
	bool list;
};

static bool
number(const char *text, unsigned most, unsigned *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n == 0 || n > most)
		return false;
	*ret = (unsigned)n;
	return true;
}

static bool
read_part(struct choice *c, const char *text)
{
	char first[8];
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : 0;

	if (length == 0 || length >= sizeof(first))
		return false;
	memcpy(first, text, length);
	first[length] = '\0';
	return number(slash + 1, CASES_MAX, &c->parts) && number(first, c->parts, &c->part);
}

static bool
take_option(struct choice *c, int option, const char *value)
{
	unsigned n = 0;

	switch (option) {
	case 'a':
		c->kit.agent = value;
		return true;
	case 'd':
		c->kit.driver = value;
		return true;
	case 'r':
		return number(value, 2, &c->kit.revision);
	case 'p':
		if (!number(value, 3600, &n))
			return false;
		c->kit.patience_ms = (int)n * 1000;
		return true;
	case 'o':
		c->only = value;
		return true;
	case 's':
		return read_part(c, value);
	case 'w':
		if (c->without_count == WITHOUT_MAX)
			return false;
		c->without[c->without_count++] = value;
		return true;
	case 'l':
		c->list = true;
		return true;
	default:
		return false;
	}
}

static bool
read_options(struct choice *c, int argc, char **argv)
{
	static const struct option rows[] = {
	    {"agent", required_argument, NULL, 'a'},
	    {"driver", required_argument, NULL, 'd'},
	    {"revision", required_argument, NULL, 'r'},
	    {"patience", required_argument, NULL, 'p'},
	    {"only", required_argument, NULL, 'o'},
	    {"part", required_argument, NULL, 's'},
	    {"without", required_argument, NULL, 'w'},
	    {"list", no_argument, NULL, 'l'},
	    {0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", rows, NULL)) != -1)
		if (!take_option(c, option, optarg))
			return false;
	return optind == argc && (c->kit.agent || c->list);
}

static bool
left_out(const struct choice *c, const struct kit_case *row)
{
	for (size_t i = 0; row->group && i < c->without_count; i++)
		if (strcmp(c->without[i], row->group) == 0)
			return !row->instead;
	return row->instead;
}

static size_t
collect(const struct choice *c, struct CMUnitTest tests[CASES_MAX])
{
	size_t n = 0, kept = 0;

	for (size_t t = 0; t < COUNT_OF(tables); t++)
		for (const struct kit_case *row = tables[t]; row->name; row++) {
			if (left_out(c, row) || kept++ % c->parts != c->part - 1)
				continue;
			assert_true(n < CASES_MAX);
			tests[n++] =
			    (struct CMUnitTest){row->name, row->run, kit_setup, kit_teardown, NULL};
		}
	return n;
}

static int
print_cases(void)
{
	for (size_t t = 0; t < COUNT_OF(tables); t++)
		for (const struct kit_case *row = tables[t]; row->name; row++)
			printf("%s%s%s\n", row->name,
			    !row->group    ? ""
			    : row->instead ? ", only --without "
					   : ", not --without ",
			    row->group ? row->group : "");
	return 0;
}

int
main(int argc, char **argv)
{
	static struct choice choice = {
	    .kit = {.driver = "process", .revision = 2, .patience_ms = PATIENCE_DEFAULT_MS},
	    .part = 1,
	    .parts = 1};
	struct CMUnitTest tests[CASES_MAX];
	size_t n;

	if (!read_options(&choice, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	if (choice.list)
		return print_cases();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (choice.only)
		cmocka_set_test_filter(choice.only);
	kit_choose(&choice.kit);
	n = collect(&choice, tests);
	return _cmocka_run_group_tests(
		   "conformance", tests, n, kit_group_setup, kit_group_teardown) != 0;
}
