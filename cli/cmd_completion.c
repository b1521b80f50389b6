/* cmd_completion: completion for shells.  What commands and options there are is not written down a
 * second time: each command is asked what it takes (struct cli.describe), by the tables it is
 * parsed with. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cli.h"
#include "completion.h"

/* The line of a script in whose place the table stands: one function that tells the verbs after a
 * noun, or the first words after "", and one that tells what a command takes: "--option=VALUE",
 * "-o=VALUE",
 * "--flag", ":VALUE" for a position, ":..." where the rest is a workload's. */
#define TABLE_MARK "#@commands@\n"
#define PLACE_BYTES 64

/* How a shell writes that table. */
struct syntax {
	const char *verbs, *takes; /* how the functions begin */
	const char *row, *verbs_row, *takes_row, *row_end;
	const char *word, *word_end;
	const char *end;
	bool helps; /* a tab and a line of help stand after a word */
};

/* What bash understands zsh does too. */
static const struct syntax sh = {.verbs = "_fairlead_verbs() {\n\tcase $1 in\n",
    .takes = "_fairlead_takes() {\n\tcase $1 in\n",
    .row = "\t'",
    .verbs_row = "') verbs='",
    .takes_row = "') takes='",
    .row_end = "' ;;\n",
    .word = " ",
    .word_end = "",
    .end = "\t*) return 1 ;;\n\tesac\n}\n"};

static const struct syntax fish = {.verbs = "function __fairlead_verbs\n\tswitch \"$argv[1]\"\n",
    .takes = "function __fairlead_takes\n\tswitch \"$argv[1]\"\n",
    .row = "\t\tcase '",
    .verbs_row = "'\n\t\t\tprintf '%s\\n'",
    .takes_row = "'\n\t\t\tprintf '%s\\n'",
    .row_end = "\n",
    .word = " '",
    .word_end = "'",
    .end = "\t\tcase '*'\n\t\t\treturn 1\n\tend\nend\n",
    .helps = true};

static const struct shell {
	const char *name, *script;
	const struct syntax *syntax;
} shells[] = {
    {"bash", completion_bash, &sh},
    {"zsh", completion_zsh, &sh},
    {"fish", completion_fish, &fish},
};

/* ---- words ---- */

/* A blank would be two words to a shell. */
static void
word_put(const struct syntax *s, const char *word, const char *help)
{
	assert(!strpbrk(word, " \t'\\\"$`"));
	fputs(s->word, stdout);
	fputs(word, stdout);
	if (s->helps && help && *help) {
		putchar('\t');
		for (const char *c = help; *c; c++) {
			if (*c == '\'' || *c == '\\')
				putchar('\\');
			putchar(*c);
		}
	}
	fputs(s->word_end, stdout);
}

static void
option_put(const struct syntax *s, const struct argp_option *o, bool nameless)
{
	/* What prints no name refuses this one. */
	const char *value = nameless && o->key == 'o' && o->arg ? "table|json|yaml" : o->arg;
	char word[PLACE_BYTES];

	if (o->name) {
		snprintf(
		    word, sizeof(word), "--%s%s%s", o->name, value ? "=" : "", value ? value : "");
		word_put(s, word, o->doc);
	}
	if (o->key > ' ' && o->key < 0x7f) {
		snprintf(
		    word, sizeof(word), "-%c%s%s", o->key, value ? "=" : "", value ? value : "");
		word_put(s, word, o->doc);
	}
}

/* "SESSION REPLICAS": what a usage says before options and a workload's words. */
static void
positions_put(const struct syntax *s, const struct args *args)
{
	const char *at = args->usage;

	for (size_t i = 0; i < args->max && *at && *at != '[' && *at != '-'; i++) {
		size_t n = strcspn(at, " ");
		char word[PLACE_BYTES];

		snprintf(word, sizeof(word), ":%.*s", (int)n, at);
		word_put(s, word, NULL);
		at += n + strspn(at + n, " ");
	}
	if (args->max == SIZE_MAX)
		word_put(s, ":...", NULL);
}

/* ---- rows ---- */

struct describing {
	const struct syntax *syntax;
	unsigned described;
};

static void
describe(void *arg, const struct args *args, const struct argp_option *options)
{
	struct describing *d = arg;

	d->described++;
	for (; options->name || options->key; options++)
		option_put(d->syntax, options, args->nameless);
	word_put(d->syntax, "--help", "what it takes");
	positions_put(d->syntax, args);
}

static void
takes_put(const struct syntax *s, const struct cli *c)
{
	struct describing describing = {.syntax = s};
	struct cli asking = *c;

	asking.describe = describe;
	asking.describe_arg = &describing;
	fputs(s->takes, stdout);
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *command = &cli_commands[i];
		char name[] = "fairlead";
		char *argv[] = {name, NULL};

		printf("%s%s%s%s%s", s->row, command->noun, *command->noun ? " " : "",
		    command->verb, s->takes_row);
		(void)command->run(&asking, 1, argv);
		assert(describing.described == i + 1); /* it parses its arguments first of all */
		fputs(s->row_end, stdout);
	}
	fputs(s->end, stdout);
}

static bool
noun_is_new(size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (strcmp(cli_commands[i].noun, cli_commands[at].noun) == 0)
			return false;
	}
	return true;
}

static void
verbs_put(const struct syntax *s)
{
	fputs(s->verbs, stdout);
	for (size_t i = 0; i < cli_command_count; i++) {
		const char *noun = cli_commands[i].noun;

		if (!noun_is_new(i))
			continue;
		printf("%s%s%s", s->row, noun, s->verbs_row);
		for (size_t j = 0; j < cli_command_count; j++) {
			const struct cli_command *c = &cli_commands[j];

			if (strcmp(c->noun, noun) == 0)
				word_put(s, c->verb, c->help);
			else if (!*noun && noun_is_new(j))
				word_put(s, c->noun, NULL);
		}
		if (!*noun)
			word_put(s, "help", "every command");
		fputs(s->row_end, stdout);
	}
	fputs(s->end, stdout);
}

int
cmd_completion(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "bash|zsh|fish", .min = 1, .max = 1, .nameless = true};
	const struct shell *s = NULL;
	const char *mark;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	for (size_t i = 0; i < COUNT_OF(shells); i++) {
		if (strcmp(args.words[0], shells[i].name) == 0)
			s = &shells[i];
	}
	if (!s) {
		fprintf(stderr, "fairlead: no completion for %s: allowed are bash, zsh and fish\n",
		    args.words[0]);
		return CLI_EXIT_USAGE;
	}
	mark = strstr(s->script, TABLE_MARK);
	assert(mark);
	fwrite(s->script, 1, (size_t)(mark - s->script), stdout);
	verbs_put(s->syntax);
	takes_put(s->syntax, c);
	fputs(mark + strlen(TABLE_MARK), stdout);
	return 0;
}
