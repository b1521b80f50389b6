#include "options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "options_private.h"

/* The bound of what is read from files. */
#define FILE_BYTES_MAX ((size_t)256 * 1024)

struct options *
options_new(const char *prefix, const struct option_row *rows)
{
	size_t n = 0;

	for (; rows[n].name; n++)
		assert(strcmp(rows[n].name, "config") != 0);
	struct options *o = calloc(1, sizeof(*o) + n * sizeof(o->values[0]));
	if (!o)
		return NULL;
	o->rows = rows;
	o->n = n;
	int length = snprintf(o->prefix, sizeof(o->prefix), "%s_", prefix);
	assert(length > 0 && (size_t)length < sizeof(o->prefix));
	(void)length;
	return o;
}

void
options_free(struct options *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n; i++)
		free(o->values[i].text);
	free(o->config);
	free(o->rest);
	free(o);
}

static int
parse_int(const char *text, int64_t *ret_number, struct err *err)
{
	char *end;

	errno = 0;
	long long number = strtoll(text, &end, 10);
	if (end == text || *end || isspace((unsigned char)*text))
		return err_set(err, ERR_INVALID, "\"%.60s\" is not a whole number", text);
	if (errno)
		return err_set(err, ERR_INVALID, "\"%.60s\" is out of range", text);
	*ret_number = number;
	return 0;
}

static int
parse_bool(const char *text, int64_t *ret_number, struct err *err)
{
	static const char *const yes[] = {"true", "yes", "1"}, *const no[] = {"false", "no", "0"};

	for (size_t i = 0; i < COUNT_OF(yes); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*ret_number = strcmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return err_set(err, ERR_INVALID, "\"%.60s\" is not true/false, yes/no or 1/0", text);
}

static int
parse_value(const struct option_row *row, const char *text, int64_t *ret_number, struct err *err)
{
	static const char *const units[] = {
	    [OPTION_INT] = "", [OPTION_DURATION_MS] = " ms", [OPTION_BYTES] = " bytes"};
	int result;

	switch (row->type) {
	case OPTION_STRING:
		*ret_number = 0;
		return 0;
	case OPTION_BOOL:
		return parse_bool(text, ret_number, err);
	case OPTION_DURATION_MS:
		result = options_parse_duration_ms(text, ret_number, err);
		break;
	case OPTION_BYTES:
		result = options_parse_bytes(text, ret_number, err);
		break;
	case OPTION_INT:
	default:
		result = parse_int(text, ret_number, err);
		break;
	}
	if (result == 0 && (row->min || row->max) &&
	    (*ret_number < row->min || *ret_number > row->max))
		return err_set(err, ERR_INVALID, "%.60s is outside %" PRId64 "..%" PRId64 "%s",
		    text, row->min, row->max, units[row->type]);
	return result;
}

static int
assign(struct options *o, size_t i, const char *text, enum options_rank rank, struct err *err)
{
	struct options_value *value = &o->values[i];
	int64_t number = 0;

	if (parse_value(&o->rows[i], text, &number, err) < 0) {
		/* A secret must not reach a log by way of its error. */
		if (o->rows[i].flags & OPTION_SECRET)
			return err_set(err, ERR_INVALID, "the value is not valid (not shown)");
		return -1;
	}
	if (value->rank > rank)
		return 0;
	char *copy = strdup(text);
	if (!copy)
		return err_set(err, ERR_INTERNAL, "no memory");
	free(value->text);
	*value = (struct options_value){.text = copy, .number = number, .rank = rank};
	return 0;
}

char *
options_read_file(const char *path, struct err *err)
{
	FILE *file = fopen(path, "re");
	char *data = NULL;

	if (!file) {
		err_set(err, ERR_INVALID, "%.120s: %s", path, strerror(errno));
		return NULL;
	}
	data = malloc(FILE_BYTES_MAX + 1);
	size_t size = data ? fread(data, 1, FILE_BYTES_MAX + 1, file) : 0;
	const char *why = !data                      ? "no memory"
			  : ferror(file)             ? strerror(errno)
			  : size > FILE_BYTES_MAX    ? "larger than 256 KiB"
			  : memchr(data, '\0', size) ? "contains a NUL byte"
						     : NULL;
	fclose(file);
	if (why) {
		err_set(err, ERR_INVALID, "%.120s: %s", path, why);
		free(data);
		return NULL;
	}
	data[size] = '\0';
	return data;
}

static int
assign_from_file(
    struct options *o, size_t i, const char *path, enum options_rank rank, struct err *err)
{
	char *text = options_read_file(path, err);

	if (!text)
		return -1;
	/* An editor ends the line; the secret does not contain it. */
	text[strcspn(text, "\r\n")] = '\0';
	int result = assign(o, i, text, rank, err);
	free(text);
	return result;
}

bool
options_find(const struct options *o, const char *name, size_t *ret_i, bool *ret_file)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < o->n; i++) {
		const char *row = o->rows[i].name;
		size_t row_length = strlen(row);
		bool exact = strcmp(row, name) == 0;
		bool file = (o->rows[i].flags & OPTION_SECRET) && length == row_length + 5 &&
			    strncmp(row, name, row_length) == 0 &&
			    strcmp(name + row_length, "_file") == 0;
		if (exact || file) {
			*ret_i = i;
			*ret_file = file;
			return true;
		}
	}
	return false;
}

int
options_put(struct options *o, const char *name, const char *text, const char *where,
    enum options_rank rank, struct err *err)
{
	size_t i;
	bool file;

	if (!options_find(o, name, &i, &file)) {
		err_field(err, ERR_INVALID, name, "%s: unknown option %.64s", where, name);
		return err_hint(err, "--help lists the options");
	}
	int result = file ? assign_from_file(o, i, text, rank, err) : assign(o, i, text, rank, err);
	if (result < 0) {
		err_wrap(err, "%s: %s", where, name);
		snprintf(err->field, sizeof(err->field), "%s", name);
	}
	return result;
}

int
options_set(
    struct options *o, const char *name, const char *text, const char *where, struct err *err)
{
	return options_put(o, name, text, where, RANK_FLAG, err);
}

static const struct options_value *
get(const struct options *o, const char *name, const struct option_row **ret_row)
{
	for (size_t i = 0; i < o->n; i++) {
		if (strcmp(o->rows[i].name, name) == 0) {
			*ret_row = &o->rows[i];
			return &o->values[i];
		}
	}
	assert(0 && "an option without a row");
	abort();
}

const char *
options_string(const struct options *o, const char *name)
{
	const struct option_row *row;
	const struct options_value *value = get(o, name, &row);

	assert(row->type == OPTION_STRING);
	return value->text ? value->text : "";
}

int64_t
options_int(const struct options *o, const char *name)
{
	const struct option_row *row;
	const struct options_value *value = get(o, name, &row);

	assert(row->type == OPTION_INT || row->type == OPTION_DURATION_MS ||
	       row->type == OPTION_BYTES);
	return value->number;
}

bool
options_bool(const struct options *o, const char *name)
{
	const struct option_row *row;
	const struct options_value *value = get(o, name, &row);

	assert(row->type == OPTION_BOOL);
	return value->number != 0;
}

bool
options_is_set(const struct options *o, const char *name)
{
	const struct option_row *row;

	return get(o, name, &row)->text != NULL;
}
