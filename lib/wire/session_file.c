#include "session_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codec_private.h"
#include "err.h"
#include "fairlead/v1/api.pb-c.h"
#include "options.h"
#include "yaml_tree.h"

#define DOCUMENTS_MAX 64
#define ALLOWED_BYTES 120

/* What may stand at a key. */
enum form {
	FORM_TEXT,
	FORM_NUMBER,
	FORM_BOOL,
	FORM_CPU,
	FORM_BYTES,
	FORM_DURATION,
	FORM_WORDS,
	FORM_MAP,
	FORM_LIMITS
};

/* One row per key of a session file and the field of SessionSpec it becomes. */
static const struct row {
	const char *key;
	enum form form;
	const char *field;
	const char *until; /* of a range: the field that its end becomes */
} rows[] = {
    {"session", FORM_TEXT, "name", NULL},
    {"pool", FORM_TEXT, "pool", NULL},
    {"replicas", FORM_NUMBER, "replicas", NULL},
    {"priority", FORM_NUMBER, "priority", NULL},
    {"max_unavailable", FORM_NUMBER, "max_unavailable", NULL},
    {"accept_timeout", FORM_DURATION, "accept_timeout_ms", NULL},
    {"restart.policy", FORM_TEXT, "restart.policy", NULL},
    {"restart.max", FORM_NUMBER, "restart.max", NULL},
    {"restart.backoff", FORM_DURATION, "restart.backoff_ms", "restart.backoff_max_ms"},
    {"restart.backoff_max", FORM_DURATION, "restart.backoff_max_ms", NULL},
    {"restart.reset_after", FORM_DURATION, "restart.reset_after_ms", NULL},
    {"disconnect.lost_after", FORM_DURATION, "disconnect.lost_after_ms", NULL},
    {"disconnect.stop_on_host_after", FORM_DURATION, "disconnect.stop_on_host_after_ms", NULL},
    {"disconnect.replace", FORM_BOOL, "disconnect.replace", NULL},
    {"disconnect.replace_after", FORM_DURATION, "disconnect.replace_after_ms", NULL},
    {"disconnect.keep", FORM_TEXT, "disconnect.keep", NULL},
    {"placement.selector", FORM_TEXT, "placement.selector", NULL},
    {"placement.spread", FORM_TEXT, "placement.spread", NULL},
    {"placement.max_skew", FORM_NUMBER, "placement.max_skew", NULL},
    {"placement.anti_affinity", FORM_TEXT, "placement.anti_affinity", NULL},
    {"placement.max_per_value", FORM_NUMBER, "placement.max_per_value", NULL},
    {"executor.driver", FORM_TEXT, "executor.driver", NULL},
    {"executor.command", FORM_WORDS, "executor.command", NULL},
    {"executor.env", FORM_MAP, "executor.env", NULL},
    {"executor.user", FORM_TEXT, "executor.user", NULL},
    {"executor.working_dir", FORM_TEXT, "executor.working_dir", NULL},
    {"executor.resources.cpu", FORM_CPU, "executor.resources.cpu_millis", NULL},
    {"executor.resources.memory", FORM_BYTES, "executor.resources.memory_bytes", NULL},
    {"executor.resources.disk", FORM_BYTES, "executor.resources.disk_bytes", NULL},
    {"executor.resources.gpus", FORM_NUMBER, "executor.resources.gpus", NULL},
    {"executor.resources.slots", FORM_NUMBER, "executor.resources.slots", NULL},
    {"executor.limits", FORM_LIMITS, "executor.limits_required", NULL},
    {"executor.stop_grace", FORM_DURATION, "executor.stop_grace_ms", NULL},
    {"executor.pids_max", FORM_NUMBER, "executor.pids_max", NULL},
    {"executor.nofile_max", FORM_NUMBER, "executor.nofile_max", NULL},
    {"executor.core_max", FORM_BYTES, "executor.core_max_bytes", NULL},
    {"executor.fake_script", FORM_TEXT, "executor.fake_script", NULL},
};

struct reader {
	const char *name;
	const struct yaml_tree *doc;
	json_t *spec; /* grows: SessionSpec as the API's JSON */
	struct err *err;
};

static int refuse(struct reader *r, enum err_kind kind, const char *key, const char *format, ...)
    PRINTF(4, 5);

static int
refuse(struct reader *r, enum err_kind kind, const char *key, const char *format, ...)
{
	char text[ERR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return err_field(r->err, kind, key, "%s:%d: %s%s%s", r->name, yaml_tree_line(r->doc, key),
	    key, *key ? ": " : "", text);
}

static int
no_memory(struct reader *r)
{
	return err_set(r->err, ERR_LIMIT, "%s: out of memory", r->name);
}

/* A scalar as text: numbers as they are written. */
static const char *
scalar_text(const json_t *value, char buffer[40])
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value))
		snprintf(buffer, 40, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		snprintf(buffer, 40, "%.15g", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(buffer, 40, "%s", json_is_true(value) ? "true" : "false");
	else
		return NULL;
	return buffer;
}

/* "500m" or "0.5" or "2" -> thousandths.  -1 when it is none of them. */
static int64_t
parse_cpu(const char *text)
{
	char *end;
	double cores;
	long long millis;

	errno = 0;
	if (*text < '0' || *text > '9')
		return -1;
	millis = strtoll(text, &end, 10);
	if (errno == 0 && strcmp(end, "m") == 0)
		return millis;
	if (strspn(text, "0123456789.") != strlen(text))
		return -1;
	cores = strtod(text, &end);
	if (*end || cores > 1e9)
		return -1;
	return (int64_t)(cores * 1000 + 0.5);
}

static json_t *
convert_unit(struct reader *r, const struct row *row, const json_t *value)
{
	char buffer[40];
	const char *text = scalar_text(value, buffer);
	struct err inner = {0};
	int64_t number = -1;

	if (!text || json_is_boolean(value))
		text = "";
	if (row->form == FORM_CPU) {
		number = parse_cpu(text);
	} else if (row->form == FORM_BYTES) {
		if (options_parse_bytes(text, &number, &inner) != 0)
			number = -1;
	} else if (options_parse_duration_ms(text, &number, &inner) != 0 || number == 0) {
		number = -1; /* 0 would silently mean the default */
	}
	if (number >= 0)
		return json_integer(number);
	refuse(r, ERR_INVALID, row->key, "\"%.40s\" is no %s; allowed: %s", text,
	    row->form == FORM_CPU     ? "number of CPUs"
	    : row->form == FORM_BYTES ? "size"
				      : "duration",
	    row->form == FORM_CPU     ? "2, 0.5, 500m"
	    : row->form == FORM_BYTES ? "1048576, 64Ki, 256Mi, 1Gi"
				      : "250ms, 30s, 5m, 2h, more than zero");
	return NULL;
}

static json_t *
convert_words(struct reader *r, const struct row *row, const json_t *value)
{
	json_t *words = json_array();
	char key[YAML_PATH_BYTES], buffer[40];

	if (!json_is_array(value)) {
		refuse(r, ERR_INVALID, row->key, "expected a list: [program, argument, ...]");
		json_decref(words);
		return NULL;
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *word = json_array_get(value, i);
		const char *text = json_is_real(word) ? NULL : scalar_text(word, buffer);
		snprintf(key, sizeof(key), "%s[%zu]", row->key, i);
		if (text && json_array_append_new(words, json_string(text)) == 0)
			continue;
		refuse(r, ERR_INVALID, key, "expected text");
		json_decref(words);
		return NULL;
	}
	return words;
}

static json_t *
convert_map(struct reader *r, const struct row *row, json_t *value)
{
	json_t *map = json_object(), *item;
	char path[YAML_PATH_BYTES], buffer[40];
	const char *key;

	if (!json_is_object(value)) {
		refuse(r, ERR_INVALID, row->key, "expected a mapping: { NAME: value }");
		json_decref(map);
		return NULL;
	}
	json_object_foreach(value, key, item)
	{
		const char *text = json_is_real(item) ? NULL : scalar_text(item, buffer);
		snprintf(path, sizeof(path), "%s.%s", row->key, key);
		if (text && json_object_set_new(map, key, json_string(text)) == 0)
			continue;
		refuse(r, ERR_INVALID, path, "expected text; write \"\" for an empty value");
		json_decref(map);
		return NULL;
	}
	return map;
}

/* What stands in the file as what the API takes.  NULL: *err is set. */
static json_t *
convert(struct reader *r, const struct row *row, json_t *value)
{
	char buffer[40];
	const char *text = scalar_text(value, buffer);

	switch (row->form) {
	case FORM_CPU:
	case FORM_BYTES:
	case FORM_DURATION:
		return convert_unit(r, row, value);
	case FORM_WORDS:
		return convert_words(r, row, value);
	case FORM_MAP:
		return convert_map(r, row, value);
	case FORM_NUMBER:
		if (json_is_integer(value))
			return json_incref(value);
		refuse(r, ERR_INVALID, row->key, "expected a whole number");
		return NULL;
	case FORM_BOOL:
		if (json_is_boolean(value))
			return json_incref(value);
		refuse(r, ERR_INVALID, row->key, "expected one word; allowed: true, false");
		return NULL;
	case FORM_LIMITS:
		if (text && (strcmp(text, "required") == 0 || strcmp(text, "optional") == 0))
			return json_boolean(*text == 'r');
		refuse(r, ERR_INVALID, row->key, "expected one word; allowed: required, optional");
		return NULL;
	case FORM_TEXT:
	default:
		/* A name like 123 is text even where YAML sees a number. */
		if (text && !json_is_real(value))
			return json_string(text);
		refuse(r, ERR_INVALID, row->key, "expected text");
		return NULL;
	}
}

/* Puts value (consumed) at a dotted path below root. */
static int
put_take(json_t *root, const char *path, json_t *value)
{
	char step[64];
	size_t length;

	while (root && path[length = strcspn(path, ".")] == '.') {
		memcpy(step, path, length);
		step[length] = '\0';
		if (!json_object_get(root, step))
			json_object_set_new(root, step, json_object());
		root = json_object_get(root, step); /* NULL without memory */
		path += length + 1;
	}
	return json_object_set_new(root, path, value);
}

static int
put_converted(struct reader *r, const struct row *row, const char *field, json_t *value)
{
	json_t *converted = convert(r, row, value);

	if (!converted)
		return -1;
	return put_take(r->spec, field, converted) == 0 ? 0 : no_memory(r);
}

/* "1s..5m" of a row that takes a range; anything else as it stands. */
static int
put_row(struct reader *r, const struct row *row, json_t *value)
{
	const char *text = json_string_value(value), *dots = text ? strstr(text, "..") : NULL;
	json_t *first, *last;
	int result;

	if (!row->until || !dots)
		return put_converted(r, row, row->field, value);
	first = json_stringn(text, (size_t)(dots - text));
	last = json_string(dots + 2);
	result = put_converted(r, row, row->field, first);
	if (result == 0)
		result = put_converted(r, row, row->until, last);
	json_decref(first);
	json_decref(last);
	return result;
}

/* Is path a key with keys below it? */
static bool
is_group(const char *path)
{
	size_t length = strlen(path);

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (strncmp(rows[i].key, path, length) == 0 && rows[i].key[length] == '.')
			return true;
	return false;
}

static int
unknown_key(struct reader *r, const char *parent, const char *path)
{
	size_t skip = *parent ? strlen(parent) + 1 : 0, last_length = 0;
	char allowed[ALLOWED_BYTES * 3] = "";
	const char *last = "";

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *key = rows[i].key + (strlen(rows[i].key) > skip ? skip : 0);
		size_t length = strcspn(key, "."), used = strlen(allowed);
		if (skip &&
		    (strncmp(rows[i].key, parent, skip - 1) != 0 || rows[i].key[skip - 1] != '.'))
			continue;
		/* Keys of one group stand together: each group is named once. */
		if (length == last_length && strncmp(key, last, length) == 0)
			continue;
		last = key;
		last_length = length;
		snprintf(allowed + used, sizeof(allowed) - used, "%s%.*s", used ? ", " : "",
		    (int)length, key);
	}
	return refuse(r, ERR_INVALID, path, "unknown key; allowed: %s", allowed);
}

static int
read_group(struct reader *r, json_t *group, const char *parent)
{
	char path[YAML_PATH_BYTES];
	const char *key;
	json_t *value;

	if (!json_is_object(group))
		return refuse(r, ERR_INVALID, parent, "expected a mapping: key: value");
	json_object_foreach(group, key, value)
	{
		const struct row *row = NULL;
		snprintf(path, sizeof(path), "%s%s%s", parent, *parent ? "." : "", key);
		for (size_t i = 0; !row && i < COUNT_OF(rows); i++)
			if (strcmp(rows[i].key, path) == 0)
				row = &rows[i];
		if (!row && !is_group(path))
			return unknown_key(r, parent, path);
		if (!row) {
			if (read_group(r, value, path) != 0)
				return -1;
			continue;
		}
		if (put_row(r, row, value) != 0)
			return -1;
	}
	return 0;
}

/* An error about a field of the spec becomes one about the key of the file. */
static int
translate(struct reader *r)
{
	struct err inner = *r->err;
	const char *text = inner.text;
	char key[YAML_PATH_BYTES];
	size_t length = strlen(inner.field);

	if (length && strncmp(text, inner.field, length) == 0 &&
	    strncmp(text + length, ": ", 2) == 0)
		text += length + 2;
	snprintf(key, sizeof(key), "%s", inner.field);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t n = strlen(rows[i].field);
		if (strncmp(inner.field, rows[i].field, n) != 0 ||
		    (inner.field[n] && !strchr(".[", inner.field[n])))
			continue;
		snprintf(key, sizeof(key), "%s%s", rows[i].key, inner.field + n);
		break;
	}
	return refuse(r, inner.kind, key, "%s", text);
}

static int
read_document(struct reader *r, struct arena *arena, Fairlead__V1__SessionSpec **ret)
{
	Fairlead__V1__SessionSpec *spec = arena_alloc(arena, sizeof(*spec));

	if (!spec)
		return no_memory(r);
	fairlead__v1__session_spec__init(spec);
	if (read_group(r, r->doc->json, "") != 0)
		return -1;
	if (codec_json_read(r->spec, &spec->base, arena, r->err) != 0 ||
	    session_spec_check(spec, arena, r->err) != 0)
		return translate(r);
	*ret = spec;
	return 0;
}

int
session_file_parse(const char *name, const char *text, size_t size, struct arena *arena,
    struct Fairlead__V1__SessionSpec ***ret_specs, size_t *ret_n, struct err *err)
{
	struct yaml_tree docs[DOCUMENTS_MAX];
	Fairlead__V1__SessionSpec **specs;
	size_t n = 0;
	int result = 0;

	if (yaml_tree_load(name, text, size, docs, DOCUMENTS_MAX, &n, err) != 0)
		return -1;
	specs = arena_calloc(arena, n, sizeof(struct Fairlead__V1__SessionSpec *));
	if (!specs)
		result = err_set(err, ERR_LIMIT, "%s: out of memory", name);
	else if (n == 0)
		result = err_set(err, ERR_INVALID, "%s: holds no session", name);
	for (size_t i = 0; specs && result == 0 && i < n; i++) {
		struct reader r = {name, &docs[i], json_object(), err};
		result = r.spec ? read_document(&r, arena, &specs[i]) : no_memory(&r);
		json_decref(r.spec);
	}
	yaml_tree_done(docs, n);
	if (result != 0)
		return -1;
	*ret_specs = specs;
	*ret_n = n;
	return 0;
}
