#include "codec_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "base64.h"
#include "err.h"
#include "fairlead/v1/common.pb-c.h"
#include "id.h"

#define ALLOWED_BYTES 150

struct reader {
	struct arena *arena;
	struct err *err;
	unsigned depth;
};

static const char *
kind_of(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "a number";
	case JSON_REAL:
		return "a number with a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a bool";
	case JSON_NULL:
	default:
		return "null";
	}
}

static int
expected(struct reader *r, const struct codec_path *path, const char *what, const json_t *json)
{
	return codec_refuse(path, r->err, "expected %s, found %s", what, kind_of(json));
}

static int
no_memory(struct reader *r)
{
	return err_set(r->err, ERR_LIMIT, "message needs more memory than there is for it");
}

/* Appends name to a list of what is allowed, which ends in "..." when full. */
static void
allow(char list[ALLOWED_BYTES], const char *name)
{
	size_t used = strlen(list);
	bool cut = used >= 3 && strcmp(list + used - 3, "...") == 0;
	bool room = !cut && used + strlen(name) + sizeof(", ...") < ALLOWED_BYTES;

	if (room)
		snprintf(list + used, ALLOWED_BYTES - used, "%s%s", used ? ", " : "", name);
	else if (!cut)
		snprintf(list + used, ALLOWED_BYTES - used, "...");
}

/* Decimal text of the whole 64-bit range; signs only where the type has one. */
static bool
parse_wide(const char *text, bool is_signed, uint64_t *ret)
{
	const char *digits = text + (is_signed && *text == '-');
	char *end;

	if (*digits < '0' || *digits > '9')
		return false;
	errno = 0;
	*ret = is_signed ? (uint64_t)strtoll(text, &end, 10) : strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static int
read_integer(struct reader *r, const json_t *json, bool is_signed, bool wide, uint64_t *ret,
    const struct codec_path *path)
{
	json_int_t least = is_signed ? INT32_MIN : 0;
	json_int_t most = is_signed ? (json_int_t)INT32_MAX : (json_int_t)UINT32_MAX;
	json_int_t value = json_integer_value(json);

	if (wide && json_is_string(json)) {
		if (!parse_wide(json_string_value(json), is_signed, ret))
			return codec_refuse(path, r->err, "\"%.40s\" is not a 64-bit number",
			    json_string_value(json));
		return 0;
	}
	if (!json_is_integer(json))
		return expected(r, path, "a whole number", json);
	if (wide) {
		least = is_signed ? INT64_MIN : 0;
		most = INT64_MAX;
	}
	if (value < least || value > most)
		return codec_refuse(path, r->err, "%lld is out of range; allowed: %lld to %lld",
		    (long long)value, (long long)least, (long long)most);
	*ret = (uint64_t)value;
	return 0;
}

static int
read_real(struct reader *r, const json_t *json, double *ret, const struct codec_path *path)
{
	if (!json_is_number(json))
		return expected(r, path, "a number", json);
	*ret = json_number_value(json);
	return 0;
}

static int
read_enum(struct reader *r, const ProtobufCFieldDescriptor *f, const json_t *json, int *ret,
    const struct codec_path *path)
{
	const ProtobufCEnumDescriptor *d = f->descriptor;
	const char *text = json_string_value(json);
	char allowed[ALLOWED_BYTES] = "";

	if (!text)
		return expected(r, path, "a string", json);
	for (unsigned i = 0; i < d->n_values; i++) {
		char name[64] = "";
		for (size_t j = 0; d->values[i].name[j] && j < sizeof(name) - 1; j++) {
			char c = d->values[i].name[j];
			name[j] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		}
		if (strcmp(name, text) == 0) {
			*ret = d->values[i].value;
			return 0;
		}
		if (d->values[i].value != 0)
			allow(allowed, name);
	}
	return codec_refuse(path, r->err, "\"%.40s\" is not known; allowed: %s", text, allowed);
}

static int
read_text(struct reader *r, const json_t *json, char **ret, const struct codec_path *path)
{
	const char *text = json_string_value(json);

	if (!text)
		return expected(r, path, "a string", json);
	*ret = arena_strdup(r->arena, text);
	return *ret ? 0 : no_memory(r);
}

static int
read_bytes(struct reader *r, const ProtobufCFieldDescriptor *f, const json_t *json,
    ProtobufCBinaryData *ret, const struct codec_path *path)
{
	const char *text = json_string_value(json);
	struct id id;
	void *data;

	if (!text)
		return expected(r, path, "a string", json);
	if (*text == '\0')
		return 0;
	if (!codec_is_id(f)) {
		if (base64_decode(text, r->arena, &data, &ret->len) != 0)
			return codec_refuse(path, r->err, "is not base64");
		ret->data = data;
		return data ? 0 : no_memory(r);
	}
	if (id_from_hex(text, &id, r->err) != 0)
		return codec_refuse(path, r->err, "\"%.40s\" is not an id: 32 hex digits", text);
	ret->data = arena_memdup(r->arena, id.bytes, ID_BYTES);
	ret->len = ret->data ? ID_BYTES : 0;
	return ret->data ? 0 : no_memory(r);
}

static int read_message(
    struct reader *r, const json_t *json, ProtobufCMessage *m, const struct codec_path *path);

static int
read_nested(struct reader *r, const ProtobufCFieldDescriptor *f, const json_t *json,
    ProtobufCMessage **ret, const struct codec_path *path)
{
	const ProtobufCMessageDescriptor *d = f->descriptor;
	ProtobufCMessage *m = arena_alloc(r->arena, d->sizeof_message);

	if (!m)
		return no_memory(r);
	protobuf_c_message_init(d, m);
	if (read_message(r, json, m, path) != 0)
		return -1;
	*ret = m;
	return 0;
}

static int
read_number(struct reader *r, const ProtobufCFieldDescriptor *f, const json_t *json, void *at,
    const struct codec_path *path)
{
	bool wide = codec_element_size(f) == 8;
	bool is_signed = f->type == PROTOBUF_C_TYPE_INT32 || f->type == PROTOBUF_C_TYPE_SINT32 ||
			 f->type == PROTOBUF_C_TYPE_SFIXED32 || f->type == PROTOBUF_C_TYPE_INT64 ||
			 f->type == PROTOBUF_C_TYPE_SINT64 || f->type == PROTOBUF_C_TYPE_SFIXED64;
	uint64_t value = 0;
	uint32_t narrow;

	if (read_integer(r, json, is_signed, wide, &value, path) != 0)
		return -1;
	narrow = (uint32_t)value;
	memcpy(at, wide ? (const void *)&value : (const void *)&narrow, codec_element_size(f));
	return 0;
}

static int
read_value(struct reader *r, const ProtobufCFieldDescriptor *f, const json_t *json, void *at,
    const struct codec_path *path)
{
	double real = 0;

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return read_text(r, json, at, path);
	case PROTOBUF_C_TYPE_BYTES:
		return read_bytes(r, f, json, at, path);
	case PROTOBUF_C_TYPE_MESSAGE:
		return read_nested(r, f, json, at, path);
	case PROTOBUF_C_TYPE_ENUM:
		return read_enum(r, f, json, at, path);
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_is_boolean(json))
			return expected(r, path, "true or false", json);
		*(protobuf_c_boolean *)at = json_is_true(json);
		return 0;
	case PROTOBUF_C_TYPE_DOUBLE:
		return read_real(r, json, at, path);
	case PROTOBUF_C_TYPE_FLOAT:
		if (read_real(r, json, &real, path) != 0)
			return -1;
		*(float *)at = (float)real;
		return 0;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	default:
		return read_number(r, f, json, at, path);
	}
}

static int
read_map(struct reader *r, const json_t *json, ProtobufCMessage *m,
    const ProtobufCFieldDescriptor *f, const struct codec_path *path)
{
	Fairlead__V1__Entry **entries;
	const char *key;
	json_t *value;
	size_t n = 0;

	if (!json_is_object(json))
		return expected(r, path, "an object", json);
	entries = arena_calloc(r->arena, json_object_size(json), sizeof(*entries));
	if (!entries)
		return no_memory(r);
	json_object_foreach((json_t *)(uintptr_t)json, key, value)
	{
		struct codec_path inner = {path, key, CODEC_NO_INDEX};
		Fairlead__V1__Entry *entry = arena_alloc(r->arena, sizeof(*entry));
		if (!entry)
			return no_memory(r);
		fairlead__v1__entry__init(entry);
		entry->key = arena_strdup(r->arena, key);
		if (!entry->key)
			return no_memory(r);
		if (read_text(r, value, &entry->value, &inner) != 0)
			return -1;
		entries[n++] = entry;
	}
	*(size_t *)codec_quantifier_slot(m, f) = n;
	*(Fairlead__V1__Entry ***)codec_slot(m, f) = entries;
	return 0;
}

static int
read_list(struct reader *r, const json_t *json, ProtobufCMessage *m,
    const ProtobufCFieldDescriptor *f, const struct codec_path *up)
{
	size_t n = json_array_size(json), size = codec_element_size(f);
	char *elements;

	if (!json_is_array(json))
		return expected(r, up, "a list", json);
	elements = arena_calloc(r->arena, n, size);
	if (!elements)
		return no_memory(r);
	for (size_t i = 0; i < n; i++) {
		struct codec_path path = {up->up, up->name, i};
		if (read_value(r, f, json_array_get(json, i), elements + i * size, &path) != 0)
			return -1;
	}
	*(size_t *)codec_quantifier_slot(m, f) = n;
	*(char **)codec_slot(m, f) = elements;
	return 0;
}

static int
read_field(struct reader *r, const json_t *json, ProtobufCMessage *m,
    const ProtobufCFieldDescriptor *f, const struct codec_path *path)
{

	if (codec_is_map(f))
		return read_map(r, json, m, f, path);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return read_list(r, json, m, f, path);
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		if (codec_case(m, f) != 0)
			return codec_refuse(path, r->err, "excludes another key that is there too");
		*(uint32_t *)codec_quantifier_slot(m, f) = f->id;
	}
	return read_value(r, f, json, codec_slot(m, f), path);
}

static int
unknown_key(struct reader *r, const ProtobufCMessageDescriptor *d, const struct codec_path *path)
{
	char allowed[ALLOWED_BYTES] = "";

	for (unsigned i = 0; i < d->n_fields; i++)
		allow(allowed, d->fields[i].name);
	return codec_refuse(
	    path, r->err, "is not known; allowed: %s", d->n_fields ? allowed : "no key at all");
}

static int
read_message(struct reader *r, const json_t *json, ProtobufCMessage *m, const struct codec_path *up)
{
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return expected(r, up, "an object", json);
	if (r->depth == WIRE_DEPTH_MAX)
		return err_set(
		    r->err, ERR_LIMIT, "message is nested deeper than %d", WIRE_DEPTH_MAX);
	r->depth++;
	json_object_foreach((json_t *)(uintptr_t)json, key, value)
	{
		const ProtobufCFieldDescriptor *f =
		    protobuf_c_message_descriptor_get_field_by_name(m->descriptor, key);
		struct codec_path path = {up, key, CODEC_NO_INDEX};
		if (!f)
			return unknown_key(r, m->descriptor, &path);
		if (!json_is_null(value) && read_field(r, value, m, f, &path) != 0)
			return -1;
	}
	r->depth--;
	return 0;
}

int
codec_json_read(const json_t *json, ProtobufCMessage *m, struct arena *arena, struct err *err)
{
	struct reader r = {.arena = arena, .err = err};

	return read_message(&r, json, m, NULL);
}
