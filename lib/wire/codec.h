/* codec: bytes <-> protobuf-c messages, in protobuf or JSON, driven by descriptors alone.
 *
 * JSON: field names as in the .proto (snake_case); bytes fields whose name ends in "id" are hex
 * digits, other bytes base64; repeated Entry {key, value} is an object; enums are their names in
 * lower case; 64-bit integers are numbers up to 2^53, strings beyond (both are read); absent and
 * null mean default; an unknown key is ERR_INVALID naming its path and the allowed keys.  Written
 * are all numbers, bools and lists; empty text, empty bytes, enum zero and absent messages are left
 * out.
 *
 * Decoding validates before it allocates: size, number of fields, depth, UTF-8 without NUL, enum
 * values known, ids of 16 bytes or empty, finite numbers, no field twice.  Unknown protobuf fields
 * are skipped (a newer peer may send them).  Everything decoded lives in the arena: nothing to
 * free. Encoding never fails for its text: bytes that are not UTF-8 become '?'. */
#ifndef CODEC_H
#define CODEC_H

#include <stddef.h>
#include <protobuf-c/protobuf-c.h>

#include "compiler.h"

struct arena;
struct err;

enum wire_encoding { WIRE_PROTOBUF, WIRE_JSON };

#define WIRE_BYTES_MAX 1048576 /* of one message, in either encoding */
#define WIRE_FIELDS_MAX 200000 /* of one message, nested ones included */
#define WIRE_DEPTH_MAX 8       /* of messages inside messages */

/* "application/protobuf; type=fairlead.v1.Report" or "application/json" (arena memory). */
const char *wire_content_type(
    const ProtobufCMessageDescriptor *d, enum wire_encoding e, struct arena *a);
/* NULL or unknown: JSON when the first byte that is not white space is '{', else protobuf. */
enum wire_encoding wire_encoding_of(const char *content_type, const void *data, size_t size);
/* The descriptor named by "type=" in a content type, or NULL. */
const ProtobufCMessageDescriptor *wire_descriptor_of(const char *content_type);
/* By short name ("Report") or full name; NULL when unknown.  Table of every message. */
const ProtobufCMessageDescriptor *wire_descriptor_find(const char *name);
/* Every message in the order of messages.def; NULL past the last. */
const ProtobufCMessageDescriptor *wire_descriptor_at(size_t i);

MUST_USE int wire_encode(const ProtobufCMessage *m, enum wire_encoding e, struct arena *arena,
    void **ret_data, size_t *ret_size, struct err *err);
/* An empty JSON body is {}. */
MUST_USE int wire_decode(const ProtobufCMessageDescriptor *d, enum wire_encoding e,
    const void *data, size_t size, struct arena *arena, ProtobufCMessage **ret, struct err *err);
/* JSON text, indented for people when indent > 0; NUL-terminated in the arena. */
MUST_USE int wire_to_json(
    const ProtobufCMessage *m, int indent, struct arena *arena, char **ret, struct err *err);

/* The same as YAML, with a newline at its end; text that could read as something else is quoted. */
MUST_USE int wire_to_yaml(
    const ProtobufCMessage *m, struct arena *arena, char **ret, struct err *err);

/* protobuf-c bytes <-> ids. */
struct id;
MUST_USE int wire_id(
    const ProtobufCBinaryData *b, const char *field, struct id *ret, struct err *err);
ProtobufCBinaryData wire_bytes_of_id(const struct id *id, struct arena *arena);

#endif
