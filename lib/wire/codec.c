#include "codec.h"

#include <string.h>

#include "arena.h"
#include "codec_private.h"
#include "err.h"
#include "fairlead/v1/api.pb-c.h"
#include "fairlead/v1/common.pb-c.h"
#include "fairlead/v1/host.pb-c.h"
#include "id.h"

#define TYPE_PROTOBUF "application/protobuf"
#define TYPE_JSON "application/json"

static const ProtobufCMessageDescriptor *const descriptors[] = {
#define MESSAGE(camel, snake) &fairlead__v1__##snake##__descriptor,
#include "messages.def"
};

const ProtobufCMessageDescriptor *
wire_descriptor_at(size_t i)
{
	return i < COUNT_OF(descriptors) ? descriptors[i] : NULL;
}

static const ProtobufCMessageDescriptor *
find(const char *name, size_t length)
{
	for (size_t i = 0; i < COUNT_OF(descriptors); i++) {
		const char *full = descriptors[i]->name, *brief = descriptors[i]->short_name;
		if ((strlen(full) == length && memcmp(full, name, length) == 0) ||
		    (strlen(brief) == length && memcmp(brief, name, length) == 0))
			return descriptors[i];
	}
	return NULL;
}

const ProtobufCMessageDescriptor *
wire_descriptor_find(const char *name)
{
	return find(name, strlen(name));
}

const ProtobufCMessageDescriptor *
wire_descriptor_of(const char *content_type)
{
	const char *type = content_type ? strstr(content_type, "type=") : NULL;

	if (!type)
		return NULL;
	type += strlen("type=");
	return find(type, strcspn(type, "; \t"));
}

const char *
wire_content_type(const ProtobufCMessageDescriptor *d, enum wire_encoding e, struct arena *a)
{
	if (e == WIRE_JSON)
		return arena_strdup(a, TYPE_JSON);
	return arena_printf(a, TYPE_PROTOBUF "; type=%s", d->name);
}

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

enum wire_encoding
wire_encoding_of(const char *content_type, const void *data, size_t size)
{
	const char *text = data;
	size_t at = 0;

	if (content_type && strncmp(content_type, TYPE_JSON, strlen(TYPE_JSON)) == 0)
		return WIRE_JSON;
	if (content_type && strncmp(content_type, TYPE_PROTOBUF, strlen(TYPE_PROTOBUF)) == 0)
		return WIRE_PROTOBUF;
	while (at < size && blank(text[at]))
		at++;
	return at < size && text[at] == '{' ? WIRE_JSON : WIRE_PROTOBUF;
}

static int
no_memory(struct err *err)
{
	return err_set(err, ERR_LIMIT, "message needs more memory than there is for it");
}

static int
json_text(const ProtobufCMessage *m, int indent, struct arena *arena, char **ret, size_t *ret_size,
    struct err *err)
{
	int precision;
	json_t *json = codec_json_write(m, &precision, err);
	size_t flags = indent > 0 ? JSON_INDENT((size_t)indent) : JSON_COMPACT;
	size_t size;

	if (!json)
		return -1;
	flags |= JSON_REAL_PRECISION((size_t)precision);
	size = json_dumpb(json, NULL, 0, flags);
	*ret = size ? arena_alloc(arena, size + 1) : NULL;
	if (*ret)
		json_dumpb(json, *ret, size, flags);
	json_decref(json);
	if (!*ret)
		return no_memory(err);
	*ret_size = size;
	return 0;
}

int
wire_to_json(
    const ProtobufCMessage *m, int indent, struct arena *arena, char **ret, struct err *err)
{
	size_t size;

	return json_text(m, indent, arena, ret, &size, err);
}

static int
encode_protobuf(const ProtobufCMessage *m, struct arena *arena, void **ret_data, size_t *ret_size,
    struct err *err)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	void *data;

	if (size > WIRE_BYTES_MAX)
		return err_set(err, ERR_LIMIT, "%s of %zu bytes is over the limit of %d",
		    m->descriptor->short_name, size, WIRE_BYTES_MAX);
	data = arena_alloc(arena, size);
	if (!data)
		return no_memory(err);
	protobuf_c_message_pack(m, data);
	if (codec_repair(m->descriptor, data, size, err) != 0)
		return -1;
	*ret_data = data;
	*ret_size = size;
	return 0;
}

int
wire_encode(const ProtobufCMessage *m, enum wire_encoding e, struct arena *arena, void **ret_data,
    size_t *ret_size, struct err *err)
{
	char *text;
	size_t size;

	if (e == WIRE_PROTOBUF)
		return encode_protobuf(m, arena, ret_data, ret_size, err);
	if (json_text(m, 0, arena, &text, &size, err) != 0)
		return -1;
	if (size > WIRE_BYTES_MAX)
		return err_set(err, ERR_LIMIT, "%s of %zu bytes is over the limit of %d",
		    m->descriptor->short_name, size, WIRE_BYTES_MAX);
	*ret_data = text;
	*ret_size = size;
	return 0;
}

static int
decode_json(const ProtobufCMessageDescriptor *d, const char *text, size_t size, struct arena *arena,
    ProtobufCMessage **ret, struct err *err)
{
	ProtobufCMessage *m = arena_alloc(arena, d->sizeof_message);
	json_error_t where;
	json_t *json;
	int result;

	if (!m)
		return no_memory(err);
	protobuf_c_message_init(d, m);
	while (size > 0 && blank(*text))
		text++, size--;
	if (size == 0) {
		*ret = m;
		return 0;
	}
	json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
	if (!json)
		return err_field(err, ERR_INVALID, "message", "not JSON: %s at line %d, column %d",
		    where.text, where.line, where.column);
	result = codec_json_read(json, m, arena, err);
	json_decref(json);
	if (result == 0)
		*ret = m;
	return result;
}

static void *
allocate(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void
release(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

int
wire_decode(const ProtobufCMessageDescriptor *d, enum wire_encoding e, const void *data,
    size_t size, struct arena *arena, ProtobufCMessage **ret, struct err *err)
{
	ProtobufCAllocator allocator = {allocate, release, arena};
	ProtobufCMessage *m;

	if (size > WIRE_BYTES_MAX)
		return err_set(err, ERR_LIMIT, "%s of %zu bytes is over the limit of %d",
		    d->short_name, size, WIRE_BYTES_MAX);
	if (e == WIRE_JSON)
		return decode_json(d, data, size, arena, ret, err);
	if (codec_check(d, data, size, err) != 0)
		return -1;
	m = protobuf_c_message_unpack(d, &allocator, size, data);
	if (!m)
		return no_memory(err);
	*ret = m;
	return 0;
}

int
wire_id(const ProtobufCBinaryData *b, const char *field, struct id *ret, struct err *err)
{
	if (b->len != ID_BYTES)
		return err_field(err, ERR_INVALID, field, "%s: an id has %d bytes, not %zu", field,
		    ID_BYTES, b->len);
	return id_from_bytes(b->data, b->len, ret, err);
}

ProtobufCBinaryData
wire_bytes_of_id(const struct id *id, struct arena *arena)
{
	uint8_t *data = arena_memdup(arena, id->bytes, ID_BYTES);

	return (ProtobufCBinaryData){.len = data ? ID_BYTES : 0, .data = data};
}
