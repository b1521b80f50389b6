#include "codec_private.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "fairlead/v1/common.pb-c.h"
#include "id.h"

/* Wire types of the protobuf encoding; 3 and 4 are groups, which proto3 does not have. */
enum wire_type { TYPE_VARINT = 0, TYPE_64 = 1, TYPE_BYTES = 2, TYPE_32 = 5 };

#define TAG_BYTES_MAX 5
#define VARINT_BYTES_MAX 10

/* What is left of one message or of one length-delimited field. */
struct span {
	uint8_t *at, *end;
};

struct check {
	bool repair;
	size_t fields;
	unsigned depth;
	struct err *err;
};

const char *
codec_path_text(const struct codec_path *path, char buffer[CODEC_PATH_BYTES])
{
	const struct codec_path *steps[WIRE_DEPTH_MAX + 2];
	size_t count = 0, used = 0;

	for (; path && count < COUNT_OF(steps); path = path->up)
		steps[count++] = path;
	buffer[0] = '\0';
	while (count > 0 && used < CODEC_PATH_BYTES) {
		const struct codec_path *step = steps[--count];
		int n = step->index == CODEC_NO_INDEX
			    ? snprintf(buffer + used, CODEC_PATH_BYTES - used, "%s%.48s",
				  used ? "." : "", step->name)
			    : snprintf(buffer + used, CODEC_PATH_BYTES - used, "%s%.48s[%zu]",
				  used ? "." : "", step->name, step->index);
		used += n > 0 ? (size_t)n : 0;
	}
	return used ? buffer : "message";
}

int
codec_refuse(const struct codec_path *path, struct err *err, const char *format, ...)
{
	char buffer[CODEC_PATH_BYTES], text[ERR_TEXT_BYTES];
	const char *where = codec_path_text(path, buffer);
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return err_field(err, ERR_INVALID, where, "%s: %s", where, text);
}

bool
codec_is_id(const ProtobufCFieldDescriptor *f)
{
	size_t length = strlen(f->name);

	return f->type == PROTOBUF_C_TYPE_BYTES && length >= 2 &&
	       strcmp(f->name + length - 2, "id") == 0;
}

bool
codec_is_map(const ProtobufCFieldDescriptor *f)
{
	return f->label == PROTOBUF_C_LABEL_REPEATED && f->type == PROTOBUF_C_TYPE_MESSAGE &&
	       f->descriptor == &fairlead__v1__entry__descriptor;
}

size_t
codec_utf8_length(const unsigned char *text, size_t size)
{
	uint32_t point;
	size_t length;

	if (size == 0 || text[0] == 0)
		return 0;
	if (text[0] < 0x80)
		return 1;
	length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	if (text[0] < 0xc2 || text[0] > 0xf4 || length > size)
		return 0;
	point = text[0] & (0xffu >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3fu);
	}
	/* Overlong forms, surrogates, and what lies beyond Unicode. */
	if ((length == 3 && point < 0x800) || (length == 4 && point < 0x10000) ||
	    (point >= 0xd800 && point <= 0xdfff) || point > 0x10ffff)
		return 0;
	return length;
}

static bool
take_varint(struct span *s, size_t bytes_max, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes_max && s->at < s->end; i++) {
		uint8_t byte = *s->at++;
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

static bool
take_bytes(struct span *s, size_t size, struct span *ret)
{
	if ((size_t)(s->end - s->at) < size)
		return false;
	ret->at = s->at;
	ret->end = s->at += size;
	return true;
}

static enum wire_type
wire_type_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return TYPE_32;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return TYPE_64;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return TYPE_BYTES;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
	default:
		return TYPE_VARINT;
	}
}

static int
check_text(struct check *c, struct span s, const struct codec_path *path)
{
	while (s.at < s.end) {
		size_t length = codec_utf8_length(s.at, (size_t)(s.end - s.at));
		if (length == 0 && !c->repair)
			return codec_refuse(path, c->err, *s.at ? "not UTF-8" : "has a NUL byte");
		if (length == 0) {
			*s.at = '?';
			length = 1;
		}
		s.at += length;
	}
	return 0;
}

/* One value without a length in front: from *s, as f wants it. */
static int
check_scalar(struct check *c, const ProtobufCFieldDescriptor *f, struct span *s,
    const struct codec_path *path)
{
	enum wire_type type = wire_type_of(f->type);
	struct span fixed = {0};
	uint64_t value = 0;
	double real = 0;
	float small = 0;

	if (type == TYPE_VARINT ? !take_varint(s, VARINT_BYTES_MAX, &value)
				: !take_bytes(s, type == TYPE_64 ? 8 : 4, &fixed))
		return codec_refuse(path, c->err, "cut off");
	if (f->type == PROTOBUF_C_TYPE_ENUM &&
	    !protobuf_c_enum_descriptor_get_value(f->descriptor, (int)(uint32_t)value))
		return codec_refuse(
		    path, c->err, "%lld is not a known value", (long long)(int)(uint32_t)value);
	if (fixed.at && f->type == PROTOBUF_C_TYPE_DOUBLE)
		memcpy(&real, fixed.at, sizeof(real));
	if (fixed.at && f->type == PROTOBUF_C_TYPE_FLOAT)
		memcpy(&small, fixed.at, sizeof(small));
	if (!isfinite(real) || !isfinite(small))
		return codec_refuse(path, c->err, "is not a finite number");
	return 0;
}

static int check_message(struct check *c, const ProtobufCMessageDescriptor *d, struct span s,
    const struct codec_path *path);

static int
check_packed(struct check *c, const ProtobufCFieldDescriptor *f, struct span s,
    const struct codec_path *path)
{
	while (s.at < s.end) {
		if (++c->fields > WIRE_FIELDS_MAX)
			return err_set(
			    c->err, ERR_LIMIT, "message has more than %d fields", WIRE_FIELDS_MAX);
		if (check_scalar(c, f, &s, path) != 0)
			return -1;
	}
	return 0;
}

/* A value with a length in front. */
static int
check_delimited(struct check *c, const ProtobufCFieldDescriptor *f, struct span s,
    const struct codec_path *path)
{
	size_t size = (size_t)(s.end - s.at);

	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return check_message(c, f->descriptor, s, path);
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return check_text(c, s, path);
	if (codec_is_id(f) && size != 0 && size != ID_BYTES)
		return codec_refuse(
		    path, c->err, "an id has %d bytes or none, not %zu", ID_BYTES, size);
	return 0;
}

static int
check_field(struct check *c, const ProtobufCFieldDescriptor *f, enum wire_type type, struct span *s,
    const struct codec_path *path)
{
	bool repeated = f && f->label == PROTOBUF_C_LABEL_REPEATED;
	struct span value;
	uint64_t number;

	if (f && type != wire_type_of(f->type) && !(repeated && type == TYPE_BYTES))
		return codec_refuse(path, c->err, "has wire type %d", (int)type);
	if (f && type != TYPE_BYTES)
		return check_scalar(c, f, s, path);
	if (type == TYPE_BYTES) {
		if (!take_varint(s, TAG_BYTES_MAX, &number) || number > WIRE_BYTES_MAX ||
		    !take_bytes(s, (size_t)number, &value))
			return codec_refuse(path, c->err, "cut off");
		if (!f)
			return 0;
		return wire_type_of(f->type) == TYPE_BYTES ? check_delimited(c, f, value, path)
							   : check_packed(c, f, value, path);
	}
	if (type == TYPE_VARINT ? !take_varint(s, VARINT_BYTES_MAX, &number)
				: !take_bytes(s, type == TYPE_64 ? 8 : 4, &value))
		return codec_refuse(path, c->err, "cut off");
	return 0;
}

/* Counts elements of repeated fields for the path, and refuses a second value of the others: no
 * encoder writes one, and merging them is where decoders differ. */
static int
check_order(struct check *c, const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f,
    uint64_t *seen, size_t *index, struct codec_path *path)
{
	uint64_t bit = UINT64_C(1) << (f - d->fields);

	path->name = f->name;
	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		if (*seen & bit)
			return codec_refuse(path, c->err, "is there twice");
		*seen |= bit;
		return 0;
	}
	*index = *seen & bit ? *index + 1 : 0;
	*seen |= bit;
	path->index = *index;
	return 0;
}

static int
check_message(struct check *c, const ProtobufCMessageDescriptor *d, struct span s,
    const struct codec_path *up)
{
	uint64_t seen = 0, tag;
	size_t index = 0;

	assert(d->n_fields <= 64);
	if (c->depth == WIRE_DEPTH_MAX)
		return err_set(
		    c->err, ERR_LIMIT, "message is nested deeper than %d", WIRE_DEPTH_MAX);
	c->depth++;
	while (s.at < s.end) {
		struct codec_path path = {.up = up, .name = "(unknown)", .index = CODEC_NO_INDEX};
		const ProtobufCFieldDescriptor *f;
		if (++c->fields > WIRE_FIELDS_MAX)
			return err_set(
			    c->err, ERR_LIMIT, "message has more than %d fields", WIRE_FIELDS_MAX);
		if (!take_varint(&s, TAG_BYTES_MAX, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
			return codec_refuse(up, c->err, "is not protobuf");
		f = protobuf_c_message_descriptor_get_field(d, (unsigned)(tag >> 3));
		if (f && check_order(c, d, f, &seen, &index, &path) != 0)
			return -1;
		unsigned type = tag & 7;
		if (type != TYPE_VARINT && type != TYPE_64 && type != TYPE_BYTES && type != TYPE_32)
			return codec_refuse(&path, c->err, "has wire type %u", type);
		if (check_field(c, f, (enum wire_type)type, &s, &path) != 0)
			return -1;
	}
	c->depth--;
	return 0;
}

int
codec_check(const ProtobufCMessageDescriptor *d, const void *data, size_t size, struct err *err)
{
	struct check c = {.err = err};
	/* Without repair nothing is written through the pointer. */
	uint8_t *at = (uint8_t *)(uintptr_t)data;

	if (size == 0)
		return 0;
	return check_message(&c, d, (struct span){at, at + size}, NULL);
}

int
codec_repair(const ProtobufCMessageDescriptor *d, void *data, size_t size, struct err *err)
{
	struct check c = {.err = err, .repair = true};
	uint8_t *at = data;

	if (size == 0)
		return 0;
	return check_message(&c, d, (struct span){at, at + size}, NULL);
}
