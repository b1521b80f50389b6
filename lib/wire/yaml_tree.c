#include "yaml_tree.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "err.h"

struct loader {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one; owned */
	const char *name;
	json_t *lines;
	size_t nodes;
	unsigned depth;
	char path[YAML_PATH_BYTES];
	struct err *err;
};

static int
refuse(struct loader *l, size_t line, const char *what)
{
	return err_field(l->err, ERR_INVALID, l->path, "%s:%zu: %s%s%s", l->name, line + 1, l->path,
	    *l->path ? ": " : "", what);
}

static int
next(struct loader *l)
{
	yaml_event_delete(&l->event);
	memset(&l->event, 0, sizeof(l->event));
	if (yaml_parser_parse(&l->parser, &l->event))
		return 0;
	if (l->parser.error == YAML_MEMORY_ERROR)
		return err_set(l->err, ERR_LIMIT, "%s: out of memory", l->name);
	l->path[0] = '\0'; /* what is no YAML has a line, but no key */
	return refuse(
	    l, l->parser.problem_mark.line, l->parser.problem ? l->parser.problem : "is not YAML");
}

/* Is this the one spelling of a whole number that also prints as it was written? */
static bool
canonical_integer(const char *text, size_t length)
{
	size_t sign = length > 1 && text[0] == '-';
	size_t digits = length - sign;

	if (digits == 0 || digits > 18 || strspn(text + sign, "0123456789") != digits)
		return false;
	return text[sign] != '0' || length == 1;
}

static json_t *
scalar_of(struct loader *l)
{
	const char *text = (const char *)l->event.data.scalar.value;
	size_t length = l->event.data.scalar.length;
	json_t *json;

	if (memchr(text, 0, length)) {
		refuse(l, l->event.start_mark.line, "has a NUL character");
		return NULL;
	}
	bool plain = l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (plain && (length == 0 || strcmp(text, "null") == 0 || strcmp(text, "~") == 0))
		json = json_null();
	else if (plain && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
		json = json_boolean(*text == 't');
	else if (plain && canonical_integer(text, length))
		json = json_integer(strtoll(text, NULL, 10));
	else
		json = json_stringn(text, length);
	if (!json)
		refuse(l, l->event.start_mark.line, "is not UTF-8");
	return json;
}

static json_t *node_of(struct loader *l);

static json_t *
list_of(struct loader *l)
{
	size_t length = strlen(l->path);
	json_t *list = json_array();

	for (size_t i = 0; list; i++) {
		json_t *value = NULL;
		if (next(l) == 0 && l->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		snprintf(l->path + length, sizeof(l->path) - length, "[%zu]", i);
		if (l->err->kind == ERR_NONE)
			value = node_of(l);
		if (!value || json_array_append_new(list, value) != 0) {
			json_decref(list);
			list = NULL;
		}
	}
	l->path[length] = '\0';
	return list;
}

/* Takes the key under the cursor into the path and moves to its value. */
static int
take_key(struct loader *l, const json_t *object, size_t length, char key[YAML_PATH_BYTES])
{
	const char *text = (const char *)l->event.data.scalar.value;

	if (l->event.type != YAML_SCALAR_EVENT)
		return refuse(l, l->event.start_mark.line, "a key must be text");
	if (l->event.data.scalar.anchor || l->event.data.scalar.tag)
		return refuse(l, l->event.start_mark.line, "anchors and tags are not supported");
	if (l->event.data.scalar.length >= YAML_PATH_BYTES / 2 ||
	    strlen(text) != l->event.data.scalar.length)
		return refuse(l, l->event.start_mark.line, "a key is too long or has a NUL");
	memcpy(key, text, strlen(text) + 1);
	if (snprintf(l->path + length, sizeof(l->path) - length, "%s%s", length ? "." : "", key) >=
	    (int)(sizeof(l->path) - length))
		return refuse(l, l->event.start_mark.line, "keys are too long");
	if (json_object_get(object, key))
		return refuse(l, l->event.start_mark.line, "is there twice");
	return next(l);
}

static json_t *
map_of(struct loader *l)
{
	size_t length = strlen(l->path);
	json_t *object = json_object();
	char key[YAML_PATH_BYTES];

	while (object) {
		json_t *value = NULL;
		if (next(l) == 0 && l->event.type == YAML_MAPPING_END_EVENT)
			break;
		if (l->err->kind == ERR_NONE && take_key(l, object, length, key) == 0)
			value = node_of(l);
		l->path[length] = '\0';
		if (!value || json_object_set_new(object, key, value) != 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

/* The node that starts at the current event; the current event is its last one afterwards.
 * NULL: *err is set. */
static json_t *
node_of(struct loader *l)
{
	size_t line = l->event.start_mark.line;
	json_t *json = NULL;

	if (++l->nodes > YAML_NODES_MAX || l->depth == YAML_DEPTH_MAX) {
		err_set(l->err, ERR_LIMIT, "%s:%zu: more than %d values, or deeper than %d",
		    l->name, line + 1, YAML_NODES_MAX, YAML_DEPTH_MAX);
		return NULL;
	}
	json_object_set_new(l->lines, l->path, json_integer((json_int_t)line + 1));
	l->depth++;
	if (l->event.type == YAML_ALIAS_EVENT)
		refuse(l, line, "aliases are not supported");
	else if (l->event.type == YAML_SCALAR_EVENT &&
		 !(l->event.data.scalar.anchor || l->event.data.scalar.tag))
		json = scalar_of(l);
	else if (l->event.type == YAML_SEQUENCE_START_EVENT &&
		 !(l->event.data.sequence_start.anchor || l->event.data.sequence_start.tag))
		json = list_of(l);
	else if (l->event.type == YAML_MAPPING_START_EVENT &&
		 !(l->event.data.mapping_start.anchor || l->event.data.mapping_start.tag))
		json = map_of(l);
	else
		refuse(l, line, "anchors and tags are not supported");
	l->depth--;
	if (!json && l->err->kind == ERR_NONE)
		err_set(l->err, ERR_LIMIT, "%s: out of memory", l->name);
	return json;
}

/* The document whose start event is current. */
static int
load_document(struct loader *l, struct yaml_tree *ret)
{
	struct yaml_tree d = {.lines = json_object()};

	l->path[0] = '\0';
	l->lines = d.lines;
	if (!d.lines)
		return err_set(l->err, ERR_LIMIT, "%s: out of memory", l->name);
	if (next(l) == 0) {
		d.line = (int)l->event.start_mark.line + 1;
		d.json = node_of(l);
	}
	if (!d.json || next(l) != 0) {
		yaml_tree_done(&d, 1);
		return -1;
	}
	*ret = d;
	return 0;
}

static int
load_stream(struct loader *l, struct yaml_tree *docs, size_t docs_max, size_t *n)
{
	for (;;) {
		if (next(l) != 0)
			return -1;
		if (l->event.type == YAML_STREAM_END_EVENT)
			return 0;
		if (l->event.type != YAML_DOCUMENT_START_EVENT)
			continue;
		if (*n == docs_max)
			return err_set(
			    l->err, ERR_LIMIT, "%s: more than %zu documents", l->name, docs_max);
		if (load_document(l, &docs[*n]) != 0)
			return -1;
		if (json_is_null(docs[*n].json))
			yaml_tree_done(&docs[*n], 1);
		else
			++*n;
	}
}

static int
load_yaml(const char *name, const char *text, size_t size, struct yaml_tree *docs, size_t docs_max,
    size_t *ret_n, struct err *err)
{
	struct loader l = {.name = name, .err = err};
	size_t n = 0;

	err_clear(err);
	if (!yaml_parser_initialize(&l.parser))
		return err_set(err, ERR_LIMIT, "%s: out of memory", name);
	yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&l.parser, (const unsigned char *)text, size);
	int result = load_stream(&l, docs, docs_max, &n);
	yaml_event_delete(&l.event);
	yaml_parser_delete(&l.parser);
	if (result != 0) {
		yaml_tree_done(docs, n);
		return -1;
	}
	*ret_n = n;
	return 0;
}

/* JSON: the tree is jansson's; the lines are what the YAML reader makes of the same text, without
 * the tabs that YAML does not take.  Where it understands too little there are no lines. */
static int
load_json(const char *name, const char *text, size_t size, struct yaml_tree *ret, struct err *err)
{
	struct yaml_tree mapped = {0};
	struct err ignored = {0};
	json_error_t where;
	char *copy;
	size_t n = 0;

	ret->json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
	if (!ret->json)
		return err_field(err, ERR_INVALID, "", "%s:%d: %s", name, where.line, where.text);
	copy = malloc(size);
	for (size_t i = 0; copy && i < size; i++)
		copy[i] = text[i] == '\t' ? ' ' : text[i];
	if (copy && load_yaml(name, copy, size, &mapped, 1, &n, &ignored) == 0 && n == 1)
		ret->lines = json_incref(mapped.lines);
	else
		ret->lines = json_object();
	yaml_tree_done(&mapped, n);
	free(copy);
	ret->line = 1;
	return 0;
}

int
yaml_tree_load(const char *name, const char *text, size_t size, struct yaml_tree *docs,
    size_t docs_max, size_t *ret_n, struct err *err)
{
	size_t blank = 0;

	if (size > YAML_BYTES_MAX)
		return err_set(err, ERR_LIMIT, "%s: more than %d bytes", name, YAML_BYTES_MAX);
	while (blank < size && text[blank] && strchr(" \t\r\n", text[blank]))
		blank++;
	if (blank == size || text[blank] != '{')
		return load_yaml(name, text, size, docs, docs_max, ret_n, err);
	if (load_json(name, text, size, &docs[0], err) != 0)
		return -1;
	*ret_n = 1;
	return 0;
}

void
yaml_tree_done(struct yaml_tree *docs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_decref(docs[i].json);
		json_decref(docs[i].lines);
		docs[i] = (struct yaml_tree){0};
	}
}

int
yaml_tree_line(const struct yaml_tree *d, const char *path)
{
	char around[YAML_PATH_BYTES];

	snprintf(around, sizeof(around), "%s", path);
	while (*around) {
		const json_t *line = json_object_get(d->lines, around);
		if (line)
			return (int)json_integer_value(line);
		char *dot = strrchr(around, '.'), *bracket = strrchr(around, '[');
		char *cut = dot > bracket ? dot : bracket;
		*(cut ? cut : around) = '\0';
	}
	return d->line;
}
