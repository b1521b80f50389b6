#include "codec_private.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "base64.h"
#include "err.h"
#include "fairlead/v1/common.pb-c.h"
#include "id.h"

/* Beyond this a JSON number loses digits in most readers. */
#define EXACT_MAX (INT64_C(1) << 53)

struct writer {
	struct arena *scratch; /* base64 text on its way into a json string */
	int precision;
	struct err *err;
};

size_t
codec_element_size(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
	default:
		return 4;
	}
}

static json_t *
write_signed(int64_t value)
{
	char text[24];

	if (value >= -EXACT_MAX && value <= EXACT_MAX)
		return json_integer(value);
	snprintf(text, sizeof(text), "%" PRId64, value);
	return json_string(text);
}

static json_t *
write_unsigned(uint64_t value)
{
	char text[24];

	if (value <= (uint64_t)EXACT_MAX)
		return json_integer((json_int_t)value);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	return json_string(text);
}

/* Fifteen digits read best; seventeen are always exact. */
static json_t *
write_real(struct writer *w, double value)
{
	char text[40];

	snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) != value)
		w->precision = 17;
	return json_real(value); /* NULL unless finite */
}

static json_t *
write_text(struct writer *w, const char *text)
{
	json_t *json = json_string(text ? text : "");
	char *copy;

	if (json)
		return json;
	/* Not UTF-8: say so with question marks, as the protobuf side does. */
	copy = arena_strdup(w->scratch, text);
	for (size_t i = 0, length = copy ? strlen(copy) : 0; i < length;) {
		size_t n = codec_utf8_length((const unsigned char *)copy + i, length - i);
		if (n == 0)
			copy[i] = '?';
		i += n ? n : 1;
	}
	return copy ? json_string(copy) : NULL;
}

static json_t *
write_bytes(struct writer *w, const ProtobufCFieldDescriptor *f, const ProtobufCBinaryData *b)
{
	char hex[ID_HEX_BYTES];
	struct id id;

	if (!codec_is_id(f) || b->len == 0) {
		char *text = base64_encode(b->data, b->len, w->scratch);
		return text ? json_string(text) : NULL;
	}
	if (id_from_bytes(b->data, b->len, &id, w->err) != 0)
		return NULL;
	return json_string(id_to_hex(&id, hex));
}

static json_t *
write_enum(const ProtobufCFieldDescriptor *f, int value)
{
	const ProtobufCEnumValue *row = protobuf_c_enum_descriptor_get_value(f->descriptor, value);
	char text[64];
	size_t i = 0;

	if (!row)
		return NULL;
	for (; row->name[i] && i < sizeof(text) - 1; i++) {
		char c = row->name[i];
		text[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	text[i] = '\0';
	return json_string(text);
}

static json_t *write_message(
    struct writer *w, const ProtobufCMessage *m, const struct codec_path *path);

static json_t *
write_value(struct writer *w, const ProtobufCFieldDescriptor *f, const void *at,
    const struct codec_path *path)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return json_integer(*(const int32_t *)at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return json_integer(*(const uint32_t *)at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return write_signed(*(const int64_t *)at);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return write_unsigned(*(const uint64_t *)at);
	case PROTOBUF_C_TYPE_FLOAT:
		return write_real(w, (double)*(const float *)at);
	case PROTOBUF_C_TYPE_DOUBLE:
		return write_real(w, *(const double *)at);
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)at);
	case PROTOBUF_C_TYPE_ENUM:
		return write_enum(f, *(const int *)at);
	case PROTOBUF_C_TYPE_STRING:
		return write_text(w, *(char *const *)at);
	case PROTOBUF_C_TYPE_BYTES:
		return write_bytes(w, f, at);
	case PROTOBUF_C_TYPE_MESSAGE:
		return write_message(w, *(ProtobufCMessage *const *)at, path);
	default:
		return NULL;
	}
}

/* Sets the error of a value that could not be written, unless a nested one already did. */
static void
refuse(struct writer *w, const struct codec_path *path)
{
	if (w->err->kind == ERR_NONE)
		codec_refuse(path, w->err, "has a value that does not exist, or no memory is left");
}

static json_t *
write_map(
    struct writer *w, Fairlead__V1__Entry *const *entries, size_t n, const struct codec_path *path)
{
	json_t *object = json_object();

	for (size_t i = 0; object && i < n; i++) {
		json_t *key = write_text(w, entries[i]->key);
		const char *name = key ? json_string_value(key) : NULL;
		bool twice = name && json_object_get(object, name);
		int result = !name || twice ? -1
					    : json_object_set_new(
						  object, name, write_text(w, entries[i]->value));
		if (twice)
			codec_refuse(path, w->err, "key %.60s is there twice", name);
		json_decref(key);
		if (result != 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

static json_t *
write_list(struct writer *w, const ProtobufCFieldDescriptor *f, const char *elements, size_t n,
    const struct codec_path *up)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < n; i++) {
		struct codec_path path = {up->up, up->name, i};
		json_t *value = write_value(w, f, elements + i * codec_element_size(f), &path);
		if (!value)
			refuse(w, &path);
		if (json_array_append_new(list, value) != 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

/* Is a singular field worth writing?  Numbers and bools always are. */
static bool
present(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const void *at = codec_at(m, f);

	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return codec_case(m, f) == f->id;
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return *(char *const *)at && **(char *const *)at;
	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return ((const ProtobufCBinaryData *)at)->len > 0;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(ProtobufCMessage *const *)at != NULL;
	return f->type != PROTOBUF_C_TYPE_ENUM || *(const int *)at != 0;
}

static json_t *
write_field(struct writer *w, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
    const struct codec_path *path)
{
	const void *at = codec_at(m, f);

	if (f->label != PROTOBUF_C_LABEL_REPEATED)
		return write_value(w, f, at, path);
	size_t n = codec_count(m, f);
	if (codec_is_map(f))
		return write_map(w, *(Fairlead__V1__Entry *const *const *)at, n, path);
	return write_list(w, f, *(const char *const *)at, n, path);
}

static json_t *
write_message(struct writer *w, const ProtobufCMessage *m, const struct codec_path *up)
{
	json_t *object = json_object();

	for (unsigned i = 0; object && i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		struct codec_path path = {up, f->name, CODEC_NO_INDEX};
		json_t *value;
		if (f->label != PROTOBUF_C_LABEL_REPEATED && !present(m, f))
			continue;
		value = write_field(w, m, f, &path);
		if (!value)
			refuse(w, &path);
		if (json_object_set_new(object, f->name, value) != 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

json_t *
codec_json_write(const ProtobufCMessage *m, int *ret_precision, struct err *err)
{
	struct writer w = {.scratch = arena_new(0), .precision = 15, .err = err};
	json_t *json;

	err_clear(err);
	if (!w.scratch) {
		err_set(err, ERR_LIMIT, "out of memory");
		return NULL;
	}
	json = write_message(&w, m, NULL);
	arena_free(w.scratch);
	if (!json)
		refuse(&w, NULL);
	*ret_precision = w.precision;
	return json;
}

json_t *
codec_json_write_field(
    const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct err *err)
{
	struct writer w = {.scratch = arena_new(0), .precision = 15, .err = err};
	struct codec_path path = {NULL, f->name, CODEC_NO_INDEX};
	json_t *json;

	err_clear(err);
	if (!w.scratch) {
		err_set(err, ERR_LIMIT, "out of memory");
		return NULL;
	}
	json = write_field(&w, m, f, &path);
	arena_free(w.scratch);
	if (!json)
		refuse(&w, &path);
	return json;
}
