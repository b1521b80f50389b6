/* session_difference: the first field in which two specs differ, by descriptors. */
#include <string.h>

#include "arena.h"
#include "codec_private.h"
#include "fairlead/v1/api.pb-c.h"
#include "session_file.h"

static const char *message_difference(const ProtobufCMessage *a, const ProtobufCMessage *b,
    const ProtobufCMessageDescriptor *d, const struct codec_path *up, struct arena *arena);

static const char *
differs(const struct codec_path *path, struct arena *arena)
{
	char buffer[CODEC_PATH_BYTES];
	char *text = arena_strdup(arena, codec_path_text(path, buffer));

	return text ? text : "spec"; /* without memory still a difference */
}

static bool
text_equal(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool
bytes_equal(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static const char *
value_difference(const ProtobufCFieldDescriptor *f, const void *a, const void *b,
    const struct codec_path *path, struct arena *arena)
{
	bool same;

	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return message_difference(*(ProtobufCMessage *const *)a,
		    *(ProtobufCMessage *const *)b, f->descriptor, path, arena);
	if (f->type == PROTOBUF_C_TYPE_STRING)
		same = text_equal(*(char *const *)a, *(char *const *)b);
	else if (f->type == PROTOBUF_C_TYPE_BYTES)
		same = bytes_equal(a, b);
	else if (f->type == PROTOBUF_C_TYPE_BOOL)
		same = !*(const protobuf_c_boolean *)a == !*(const protobuf_c_boolean *)b;
	else
		same = memcmp(a, b, codec_element_size(f)) == 0;
	return same ? NULL : differs(path, arena);
}

/* Maps are equal in any order. */
static const char *
map_difference(Fairlead__V1__Entry *const *a, size_t n, Fairlead__V1__Entry *const *b, size_t m,
    const struct codec_path *path, struct arena *arena)
{
	for (size_t i = 0; i < n; i++) {
		struct codec_path inner = {path, a[i]->key, CODEC_NO_INDEX};
		const char *other = NULL;
		/* The same order is the usual case: look there first. */
		for (size_t j = 0; !other && j < m; j++) {
			const Fairlead__V1__Entry *e = b[(i + j) % m];
			if (strcmp(e->key, a[i]->key) == 0)
				other = e->value;
		}
		if (!other || strcmp(other, a[i]->value) != 0)
			return differs(&inner, arena);
	}
	return n == m ? NULL : differs(path, arena);
}

static const char *
list_difference(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *a,
    const ProtobufCMessage *b, const struct codec_path *up, struct arena *arena)
{
	size_t n = codec_count(a, f), m = codec_count(b, f);
	const char *left = *(const char *const *)codec_at(a, f);
	const char *right = *(const char *const *)codec_at(b, f);
	const char *where = NULL;

	if (codec_is_map(f))
		return map_difference(*(Fairlead__V1__Entry *const *const *)codec_at(a, f), n,
		    *(Fairlead__V1__Entry *const *const *)codec_at(b, f), m, up, arena);
	if (n != m)
		return differs(up, arena);
	for (size_t i = 0; !where && i < n; i++) {
		struct codec_path path = {up->up, up->name, i};
		size_t at = i * codec_element_size(f);
		where = value_difference(f, left + at, right + at, &path, arena);
	}
	return where;
}

static const char *
field_difference(const ProtobufCMessage *a, const ProtobufCMessage *b,
    const ProtobufCFieldDescriptor *f, const struct codec_path *path, struct arena *arena)
{
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return list_difference(f, a, b, path, arena);
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		bool one = codec_case(a, f) == f->id, two = codec_case(b, f) == f->id;
		if (one != two)
			return differs(path, arena);
		if (!one)
			return NULL;
	}
	return value_difference(f, codec_at(a, f), codec_at(b, f), path, arena);
}

/* An absent message is equal to one in which nothing is set. */
static const char *
message_difference(const ProtobufCMessage *a, const ProtobufCMessage *b,
    const ProtobufCMessageDescriptor *d, const struct codec_path *up, struct arena *arena)
{
	const char *where = NULL;
	ProtobufCMessage *empty;

	if (!a && !b)
		return NULL;
	if (!a || !b) {
		empty = arena_alloc(arena, d->sizeof_message);
		if (!empty)
			return differs(up, arena);
		protobuf_c_message_init(d, empty);
		a = a ? a : empty;
		b = b ? b : empty;
	}
	for (unsigned i = 0; !where && i < d->n_fields; i++) {
		struct codec_path path = {up, d->fields[i].name, CODEC_NO_INDEX};
		where = field_difference(a, b, &d->fields[i], &path, arena);
	}
	return where;
}

const char *
session_spec_difference(const struct Fairlead__V1__SessionSpec *a,
    const struct Fairlead__V1__SessionSpec *b, struct arena *arena)
{
	return message_difference(
	    &a->base, &b->base, &fairlead__v1__session_spec__descriptor, NULL, arena);
}
