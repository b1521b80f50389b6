/* codec_private: what the parts of codec share.  Nobody else includes this. */
#ifndef CODEC_PRIVATE_H
#define CODEC_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include "codec.h"

struct arena;
struct err;

/* Where in a message we are, innermost first; lives on the stack of a descent. */
struct codec_path {
	const struct codec_path *up;
	const char *name;
	size_t index; /* in a repeated field, or CODEC_NO_INDEX */
};
#define CODEC_NO_INDEX SIZE_MAX
#define CODEC_PATH_BYTES 128

/* "executors[3].executor_id"; "message" at the top.  Returns buffer. */
const char *codec_path_text(const struct codec_path *path, char buffer[CODEC_PATH_BYTES]);
/* err_field with the path as field and in front of the text. */
int codec_refuse(const struct codec_path *path, struct err *err, const char *format, ...)
    PRINTF(3, 4);

/* Is this bytes field an id: 16 bytes or none, hex in JSON? */
bool codec_is_id(const ProtobufCFieldDescriptor *f);
/* Is this field a repeated Entry, an object in JSON? */
bool codec_is_map(const ProtobufCFieldDescriptor *f);
size_t codec_element_size(const ProtobufCFieldDescriptor *f);

/* Where protobuf-c keeps the value of a field (of a repeated one: the pointer to its elements). */
static inline const void *
codec_at(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (const char *)m + f->offset;
}

static inline void *
codec_slot(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (char *)m + f->offset;
}

/* The nested message of a singular field; NULL: absent. */
static inline const ProtobufCMessage *
codec_nested(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return *(ProtobufCMessage *const *)codec_at(m, f);
}

/* Elements of a repeated field. */
static inline size_t
codec_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const void *at = (const char *)m + f->quantifier_offset;

	return *(const size_t *)at;
}

/* Which field of a oneof is there; 0 for none. */
static inline uint32_t
codec_case(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const void *at = (const char *)m + f->quantifier_offset;

	return *(const uint32_t *)at;
}

static inline void *
codec_quantifier_slot(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (char *)m + f->quantifier_offset;
}

/* Length of the valid UTF-8 character at text, 0 when there is none (NUL included). */
size_t codec_utf8_length(const unsigned char *text, size_t size);

/* Walks protobuf bytes as d, so that unpacking them cannot fail but for memory. */
MUST_USE int codec_check(
    const ProtobufCMessageDescriptor *d, const void *data, size_t size, struct err *err);
/* The same for what we packed ourselves; text that is not UTF-8 is overwritten with '?'. */
MUST_USE int codec_repair(
    const ProtobufCMessageDescriptor *d, void *data, size_t size, struct err *err);

/* A new reference, or NULL with *err set.  *ret_precision: digits that keep every double exact. */
json_t *codec_json_write(const ProtobufCMessage *m, int *ret_precision, struct err *err);
/* One field of a message: of a repeated one all of it. */
json_t *codec_json_write_field(
    const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct err *err);
/* Fills m, which is initialised. */
MUST_USE int codec_json_read(
    const json_t *json, ProtobufCMessage *m, struct arena *arena, struct err *err);

#endif
