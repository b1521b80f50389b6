#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "options_private.h"

static const char *const type_names[] = {
    [OPTION_STRING] = "TEXT",
    [OPTION_INT] = "NUMBER",
    [OPTION_BOOL] = "BOOL",
    [OPTION_DURATION_MS] = "TIME",
    [OPTION_BYTES] = "SIZE",
};

static void
flag_name(const char *name, char flag[OPTIONS_NAME_BYTES_MAX])
{
	snprintf(flag, OPTIONS_NAME_BYTES_MAX, "%s", name);
	for (char *c = flag; *c; c++)
		if (*c == '_')
			*c = '-';
}

void
options_print_help(const struct options *o, const char *program, const char *summary, FILE *out)
{
	char flag[OPTIONS_NAME_BYTES_MAX], left[2 * OPTIONS_NAME_BYTES_MAX];

	fprintf(out, "Usage: %s [options]\n%s\n\nOptions:\n", program, summary);
	for (size_t i = 0; i < o->n; i++) {
		const struct option_row *row = &o->rows[i];
		flag_name(row->name, flag);
		snprintf(left, sizeof(left), "--%s %s", flag, type_names[row->type]);
		fprintf(out, "  %-30s %s", left, row->help);
		if (row->flags & OPTION_REQUIRED)
			fprintf(out, " (required)");
		else if (row->value && row->value[0])
			fprintf(out, " [%s]", row->flags & OPTION_SECRET ? "***" : row->value);
		fputc('\n', out);
	}
	fprintf(out, "  %-30s read \"key: value\" lines from FILE\n", "--config FILE");
	fprintf(out,
	    "\nEvery option is also an environment variable (%s<NAME>) and a key of the\n"
	    "configuration file; a flag wins over the environment, the environment over the "
	    "file.\n",
	    o->prefix);
}

/* Quoted when the plain form would not be read back as it is. */
static void
print_value(const char *text, FILE *out)
{
	size_t n = strlen(text);
	bool plain = n > 0 && !strchr("\"'#", text[0]) && !isspace((unsigned char)text[0]) &&
		     !isspace((unsigned char)text[n - 1]) && !strstr(text, " #") &&
		     !strstr(text, "\t#");

	if (plain)
		fputs(text, out);
	else
		fprintf(out, strchr(text, '"') ? "'%s'" : "\"%s\"", text);
}

void
options_print_config(const struct options *o, FILE *out)
{
	static const char *const from[] = {
	    [RANK_NONE] = "unset",
	    [RANK_DEFAULT] = "default",
	    [RANK_FILE] = "file",
	    [RANK_ENVIRONMENT] = "environment",
	    [RANK_FLAG] = "flag",
	};

	for (size_t i = 0; i < o->n; i++) {
		const struct options_value *value = &o->values[i];
		fprintf(out, "%s%s: ", value->text ? "" : "# ", o->rows[i].name);
		if (value->text && (o->rows[i].flags & OPTION_SECRET))
			fputs("\"***\"", out);
		else if (value->text)
			print_value(value->text, out);
		fprintf(out, " # %s\n", from[value->rank]);
	}
}

static void
print_cell(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '|')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void
print_upper_case(const char *text, FILE *out)
{
	for (; *text; text++)
		fputc(*text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text, out);
}

/* A bound in the unit a person would write. */
static void
print_bound(const struct option_row *row, int64_t value, FILE *out)
{
	bool time = row->type == OPTION_DURATION_MS;

	if (time && value > 0 && value % 3600000 == 0)
		fprintf(out, "%" PRId64 "h", value / 3600000);
	else if (time && value % 1000 == 0)
		fprintf(out, "%" PRId64 "s", value / 1000);
	else
		fprintf(out, "%" PRId64 "%s", value, time ? "ms" : "");
}

/* "TIME, 100ms to 60s".  Both bounds 0: no bound; the largest number there is: no upper one. */
static void
print_type(const struct option_row *row, FILE *out)
{
	fputs(type_names[row->type], out);
	if (row->min == 0 && row->max == 0)
		return;
	fputs(", ", out);
	print_bound(row, row->min, out);
	if (row->max == INT64_MAX) {
		fputs(" or more", out);
		return;
	}
	fputs(" to ", out);
	print_bound(row, row->max, out);
}

void
options_print_markdown(const struct options *o, FILE *out)
{
	char flag[OPTIONS_NAME_BYTES_MAX];

	fprintf(out, "| key | flag | environment | type | default | meaning |\n");
	fprintf(out, "|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < o->n; i++) {
		const struct option_row *row = &o->rows[i];
		flag_name(row->name, flag);
		fprintf(out, "| `%s` | `--%s` | `%s", row->name, flag, o->prefix);
		print_upper_case(row->name, out);
		fputs("` | ", out);
		print_type(row, out);
		fputs(" | ", out);
		if (row->flags & OPTION_REQUIRED)
			fputs("required", out);
		else if (row->value && row->value[0])
			fprintf(out, "`%s`", row->flags & OPTION_SECRET ? "***" : row->value);
		fputs(" | ", out);
		print_cell(row->help, out);
		if (row->flags & OPTION_SECRET)
			fprintf(out, "; secret: `%s_file` names a file that holds it", row->name);
		fputs(" |\n", out);
	}
}
