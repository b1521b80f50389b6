#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "err.h"
#include "options_private.h"

static int
load_defaults(struct options *o, struct err *err)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct option_row *row = &o->rows[i];
		if (row->value && o->values[i].rank == RANK_NONE &&
		    options_put(o, row->name, row->value, "default", RANK_DEFAULT, err) < 0)
			return -1;
	}
	return 0;
}

static int
set_config_path(struct options *o, const char *path, struct err *err)
{
	char *copy = strdup(path);

	if (!copy)
		return err_set(err, ERR_INTERNAL, "no memory");
	free(o->config);
	o->config = copy;
	return 0;
}

/* ASCII only, whatever the locale. */
static void
copy_lower_case(char *to, const char *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] - 'A' + 'a') : from[i];
	to[n] = '\0';
}

static int
load_variable(struct options *o, const char *variable, struct err *err)
{
	const char *equals = strchr(variable, '=');
	char name[OPTIONS_NAME_BYTES_MAX * 2], where[OPTIONS_NAME_BYTES_MAX * 2 + 16];

	if (!equals || strncmp(variable, o->prefix, strlen(o->prefix)) != 0 ||
	    strncmp(variable, CRASH_VARIABLE "=", sizeof(CRASH_VARIABLE)) == 0)
		return 0;
	size_t length = (size_t)(equals - variable);
	snprintf(where, sizeof(where), "environment %.*s",
	    (int)(length < sizeof(name) ? length : sizeof(name)), variable);
	length -= strlen(o->prefix);
	if (length >= sizeof(name))
		return err_set(err, ERR_INVALID, "%s: unknown option", where);
	copy_lower_case(name, variable + strlen(o->prefix), length);
	if (strcmp(name, "config") == 0)
		return set_config_path(o, equals + 1, err);
	return options_put(o, name, equals + 1, where, RANK_ENVIRONMENT, err);
}

static int
load_environment(struct options *o, char **list, struct err *err)
{
	for (; list && *list; list++)
		if (load_variable(o, *list, err) < 0)
			return -1;
	return 0;
}

/* "--name-with-dashes[=value]" as name and value (NULL without "="). */
static int
split_flag(
    const char *flag, char name[OPTIONS_NAME_BYTES_MAX], const char **ret_value, struct err *err)
{
	const char *start = flag + 2, *equals = strchr(start, '=');
	size_t length = equals ? (size_t)(equals - start) : strlen(start);

	if (length == 0 || length >= OPTIONS_NAME_BYTES_MAX)
		return err_set(err, ERR_INVALID, "command line: unknown option %.80s", flag);
	/* Swapped both ways, so that a flag spelled with underscores stays unknown. */
	for (size_t i = 0; i < length; i++)
		name[i] = start[i] == '-' ? '_' : start[i] == '_' ? '-' : start[i];
	name[length] = '\0';
	*ret_value = equals ? equals + 1 : NULL;
	return 0;
}

/* One flag at argv[*at]; moves *at past a value that stands alone. */
static int
load_flag(struct options *o, char **argv, int argc, int *at, struct err *err)
{
	char name[OPTIONS_NAME_BYTES_MAX], where[OPTIONS_NAME_BYTES_MAX + 32];
	const char *value = NULL;
	size_t i = 0;
	bool file = false;

	if (split_flag(argv[*at], name, &value, err) < 0)
		return -1;
	bool config = strcmp(name, "config") == 0;
	bool known = options_find(o, name, &i, &file);
	if (!config && !known) {
		err_field(err, ERR_INVALID, name, "command line: unknown option --%.*s",
		    (int)strcspn(argv[*at] + 2, "="), argv[*at] + 2);
		return err_hint(err, "--help lists the options");
	}
	bool bare = known && !file && o->rows[i].type == OPTION_BOOL;
	if (!value && bare)
		value = "true";
	if (!value) {
		if (*at + 1 >= argc)
			return err_field(
			    err, ERR_INVALID, name, "command line: %s needs a value", argv[*at]);
		value = argv[++*at];
	}
	if (config)
		return set_config_path(o, value, err);
	snprintf(where, sizeof(where), "command line");
	return options_put(o, name, value, where, RANK_FLAG, err);
}

/* Everything after a lone "--" is an argument. */
static int
load_flags(struct options *o, int argc, char **argv, char **rest, struct err *err)
{
	bool flags = true;
	size_t n = 0;

	for (int i = 1; i < argc; i++) {
		if (flags && strcmp(argv[i], "--") == 0) {
			flags = false;
		} else if (flags && strncmp(argv[i], "--", 2) == 0) {
			if (load_flag(o, argv, argc, &i, err) < 0)
				return -1;
		} else if (rest) {
			rest[n++] = argv[i];
		} else {
			return err_set(
			    err, ERR_INVALID, "command line: unexpected argument %.80s", argv[i]);
		}
	}
	if (rest)
		rest[n] = NULL;
	return 0;
}

/* Takes blanks off both ends, in place. */
static char *
trim(char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	size_t n = strlen(text);
	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	return text;
}

/* A value is plain text up to a " #", or quoted: then it is taken as it is. */
static int
unquote(char *value, char **ret_value, const char *where, struct err *err)
{
	value = trim(value);
	if (*value == '"' || *value == '\'') {
		char *end = strchr(value + 1, *value);
		if (!end)
			return err_set(err, ERR_INVALID, "%s: the quote is not closed", where);
		char *after = trim(end + 1);
		if (*after && *after != '#')
			return err_set(err, ERR_INVALID, "%s: text after the closing quote", where);
		*end = '\0';
		*ret_value = value + 1;
		return 0;
	}
	for (char *c = value; *c; c++) {
		if (*c == '#' && (c == value || isspace((unsigned char)c[-1]))) {
			*c = '\0';
			break;
		}
	}
	*ret_value = trim(value);
	return 0;
}

/* A key stands once in a file: of two values the reader would see one and get the other. */
static int
check_single(const struct options *o, const char *key, int number, int *lines, const char *where,
    struct err *err)
{
	size_t i;
	bool file;

	if (!options_find(o, key, &i, &file))
		return 0; /* options_put says so */
	if (lines[i])
		return err_field(err, ERR_INVALID, key, "%s: %s is set in line %d already", where,
		    key, lines[i]);
	lines[i] = number;
	return 0;
}

/* lines: where each row was set before, 0 for not yet. */
static int
load_line(struct options *o, char *line, int number, int *lines, struct err *err)
{
	char where[160], *key = trim(line), *value = NULL;

	if (*key == '\0' || *key == '#')
		return 0;
	snprintf(where, sizeof(where), "%.120s:%d", o->config, number);
	char *colon = strchr(key, ':');
	if (!colon)
		return err_set(err, ERR_INVALID, "%s: not \"key: value\"", where);
	*colon = '\0';
	key = trim(key);
	if (unquote(colon + 1, &value, where, err) < 0 ||
	    check_single(o, key, number, lines, where, err) < 0)
		return -1;
	return options_put(o, key, value, where, RANK_FILE, err);
}

static int
load_config(struct options *o, struct err *err)
{
	int number = 0, result = 0;

	if (!o->config)
		return 0;
	char *data = options_read_file(o->config, err);
	if (!data)
		return err_wrap(err, "configuration file");
	int *lines = calloc(o->n + 1, sizeof(*lines));
	if (!lines) {
		free(data);
		return err_set(err, ERR_INTERNAL, "no memory");
	}
	for (char *line = data, *next; line && result == 0; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		result = load_line(o, line, ++number, lines, err);
	}
	free(lines);
	free(data);
	return result;
}

static int
check_required(const struct options *o, struct err *err)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct option_row *row = &o->rows[i];
		if ((row->flags & OPTION_REQUIRED) &&
		    (!o->values[i].text || o->values[i].text[0] == '\0')) {
			err_field(err, ERR_INVALID, row->name, "option %s must be set", row->name);
			return err_hint(
			    err, "as a flag, in the environment or in the --config file");
		}
	}
	return 0;
}

int
options_load(struct options *o, int argc, char **argv, char **environ_list, char ***ret_rest,
    struct err *err)
{
	char **rest = NULL;

	if (ret_rest) {
		rest = calloc((size_t)argc + 1, sizeof(*rest));
		if (!rest)
			return err_set(err, ERR_INTERNAL, "no memory");
		free(o->rest);
		o->rest = rest;
	}
	/* Ranks make the order of reading free: the flags name the file. */
	if (load_defaults(o, err) < 0 || load_environment(o, environ_list, err) < 0 ||
	    load_flags(o, argc, argv, rest, err) < 0 || load_config(o, err) < 0 ||
	    check_required(o, err) < 0)
		return -1;
	if (ret_rest)
		*ret_rest = rest;
	return 0;
}
