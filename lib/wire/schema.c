#include "schema.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "arena.h"
#include "codec_private.h"

/* Every builder returns a new reference, or NULL without memory; jansson hands NULL on. */
static json_t *
integer_schema(json_int_t least, json_int_t most)
{
	return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", least, "maximum", most);
}

static json_t *
enum_schema(const ProtobufCEnumDescriptor *d)
{
	json_t *names = json_array();

	for (unsigned i = 0; i < d->n_values; i++) {
		char name[64] = "";
		for (size_t j = 0; d->values[i].name[j] && j < sizeof(name) - 1; j++) {
			char c = d->values[i].name[j];
			name[j] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		}
		if (d->values[i].value != 0)
			json_array_append_new(names, json_string(name));
	}
	return json_pack("{s:s, s:o}", "type", "string", "enum", names);
}

static json_t *message_schema(const ProtobufCMessageDescriptor *d, unsigned depth);

static json_t *
value_schema(const ProtobufCFieldDescriptor *f, unsigned depth)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return integer_schema(INT32_MIN, INT32_MAX);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return integer_schema(0, UINT32_MAX);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return json_pack(
		    "{s:[s,s], s:s}", "type", "integer", "string", "pattern", "^-?[0-9]+$");
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return json_pack("{s:[s,s], s:i, s:s}", "type", "integer", "string", "minimum", 0,
		    "pattern", "^[0-9]+$");
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		return json_pack("{s:s}", "type", "number");
	case PROTOBUF_C_TYPE_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case PROTOBUF_C_TYPE_ENUM:
		return enum_schema(f->descriptor);
	case PROTOBUF_C_TYPE_STRING:
		return json_pack("{s:s}", "type", "string");
	case PROTOBUF_C_TYPE_BYTES:
		if (codec_is_id(f))
			return json_pack(
			    "{s:s, s:s}", "type", "string", "pattern", "^([0-9A-Fa-f]{32})?$");
		return json_pack("{s:s, s:s}", "type", "string", "contentEncoding", "base64");
	case PROTOBUF_C_TYPE_MESSAGE:
	default:
		return message_schema(f->descriptor, depth + 1);
	}
}

static json_t *
field_schema(const ProtobufCFieldDescriptor *f, unsigned depth)
{
	if (codec_is_map(f))
		return json_pack(
		    "{s:s, s:{s:s}}", "type", "object", "additionalProperties", "type", "string");
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return json_pack("{s:s, s:o}", "type", "array", "items", value_schema(f, depth));
	return value_schema(f, depth);
}

static json_t *
message_schema(const ProtobufCMessageDescriptor *d, unsigned depth)
{
	json_t *properties = json_object();

	assert(depth < WIRE_DEPTH_MAX);
	for (unsigned i = 0; i < d->n_fields; i++)
		json_object_set_new(
		    properties, d->fields[i].name, field_schema(&d->fields[i], depth));
	return json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0,
	    "properties", properties);
}

char *
wire_json_schema(const ProtobufCMessageDescriptor *d, struct arena *arena)
{
	json_t *schema = message_schema(d, 0);
	char *text = NULL;
	size_t size;

	if (!schema)
		return NULL;
	json_object_set_new(
	    schema, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
	json_object_set_new(schema, "title", json_string(d->short_name));
	size = json_dumpb(schema, NULL, 0, JSON_INDENT(2));
	if (size)
		text = arena_alloc(arena, size + 1);
	if (text)
		json_dumpb(schema, text, size, JSON_INDENT(2));
	json_decref(schema);
	return text;
}
