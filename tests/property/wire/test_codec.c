/* decode(encode(x)) == x for random messages of every descriptor, in both encodings. */
#include "test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena.h"
#include "codec.h"
#include "err.h"
#include "fairlead/v1/common.pb-c.h"

#define ROUNDS 60
#define LIST_MAX 4

static uint64_t random_state;

static uint64_t
next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Small numbers, the edges of every width, and anything. */
static uint64_t
random_number(void)
{
	static const uint64_t edges[] = {0, 1, 127, 128, INT32_MAX, UINT32_MAX, 1ULL << 53,
	    (1ULL << 53) + 1, INT64_MAX, (uint64_t)INT64_MIN, UINT64_MAX};

	switch (next_random() % 3) {
	case 0:
		return next_random() % 1000;
	case 1:
		return edges[next_random() % COUNT_OF(edges)];
	default:
		return next_random();
	}
}

static char *
random_text(struct arena *a, size_t unique)
{
	static const char *const pieces[] = {"a", "Z", " ", "\"", "\\", "/", "\n", "\x01", "\x7f",
	    "é", "€", "\xf0\x9f\x8c\x8a", "{", "'", "\xef\xbf\xbf"};
	char *text = unique ? arena_printf(a, "%zu", unique) : arena_strdup(a, "");
	size_t n = next_random() % 12;

	for (size_t i = 0; i < n; i++)
		text = arena_printf(a, "%s%s", text, pieces[next_random() % COUNT_OF(pieces)]);
	return text;
}

static bool
is_id(const ProtobufCFieldDescriptor *f)
{
	size_t length = strlen(f->name);

	return strcmp(f->name + length - 2, "id") == 0;
}

static void
fill_bytes(const ProtobufCFieldDescriptor *f, ProtobufCBinaryData *b, struct arena *a)
{
	size_t n = is_id(f) ? 16 : next_random() % 50;

	b->len = next_random() % 4 ? n : 0;
	b->data = arena_alloc(a, n);
	for (size_t i = 0; i < n; i++)
		b->data[i] = (uint8_t)next_random();
}

static ProtobufCMessage *random_message(
    const ProtobufCMessageDescriptor *d, struct arena *a, unsigned depth, size_t unique);

static double
random_real(void)
{
	double value = (double)(int64_t)next_random() / (double)(next_random() % 1000 + 1);

	return next_random() % 2 ? value : (double)(next_random() % 1000) / 8;
}

static size_t
fill_value(const ProtobufCFieldDescriptor *f, void *at, struct arena *a, unsigned depth, size_t i)
{
	const ProtobufCEnumDescriptor *e = f->descriptor;
	uint64_t number = random_number();
	uint32_t narrow = (uint32_t)number;
	double real = random_real();

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)at = random_text(a, 0);
		return sizeof(char *);
	case PROTOBUF_C_TYPE_BYTES:
		fill_bytes(f, at, a);
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)at = random_message(f->descriptor, a, depth + 1, i + 1);
		return sizeof(ProtobufCMessage *);
	case PROTOBUF_C_TYPE_ENUM:
		*(int *)at = e->values[next_random() % e->n_values].value;
		return sizeof(int);
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = (int)(next_random() % 2);
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_DOUBLE:
		memcpy(at, &real, sizeof(real));
		return sizeof(real);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		memcpy(at, &narrow, sizeof(narrow));
		return sizeof(narrow);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		memcpy(at, &number, sizeof(number));
		return sizeof(number);
	case PROTOBUF_C_TYPE_FLOAT:
	default:
		fail_msg("no generator for type %d of %s", (int)f->type, f->name);
		return 0;
	}
}

static void
fill_field(const ProtobufCFieldDescriptor *f, char *base, struct arena *a, unsigned depth)
{
	size_t n = next_random() % (LIST_MAX + 1), size;
	void *at = base + f->offset, *quantifier = base + f->quantifier_offset;
	char *elements;

	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
			*(uint32_t *)quantifier = f->id;
		fill_value(f, at, a, depth, 0);
		return;
	}
	/* A whole element is at most two pointers: room for the largest. */
	elements = arena_calloc(a, n + 1, sizeof(ProtobufCBinaryData));
	size = fill_value(f, elements, a, depth, 0);
	for (size_t i = 1; i < n; i++)
		fill_value(f, elements + i * size, a, depth, i);
	*(size_t *)quantifier = n;
	*(char **)at = n ? elements : NULL;
}

static ProtobufCMessage *
random_message(const ProtobufCMessageDescriptor *d, struct arena *a, unsigned depth, size_t unique)
{
	ProtobufCMessage *m = arena_alloc(a, d->sizeof_message);

	protobuf_c_message_init(d, m);
	for (unsigned i = 0; i < d->n_fields; i++)
		if (next_random() % 4)
			fill_field(&d->fields[i], (char *)m, a, depth);
	/* The keys of one map differ. */
	if (d == &fairlead__v1__entry__descriptor)
		((Fairlead__V1__Entry *)m)->key = random_text(a, unique);
	return m;
}

/* protobuf-c packs fields in order, so equal messages are equal bytes. */
static void
assert_same(const ProtobufCMessage *a, const ProtobufCMessage *b, struct arena *arena)
{
	size_t size = protobuf_c_message_get_packed_size(a);
	uint8_t *left = arena_alloc(arena, size), *right = arena_alloc(arena, size);

	assert_int_equal(protobuf_c_message_get_packed_size(b), size);
	protobuf_c_message_pack(a, left);
	protobuf_c_message_pack(b, right);
	assert_memory_equal(left, right, size);
}

static void
round_trip(const ProtobufCMessageDescriptor *d, enum wire_encoding e, struct arena *a)
{
	ProtobufCMessage *m = random_message(d, a, 0, 0), *back = NULL;
	struct err err = {0};
	void *data = NULL;
	size_t size = 0;

	if (wire_encode(m, e, a, &data, &size, &err) != 0)
		fail_msg("%s does not encode: %s", d->name, err.text);
	if (wire_decode(d, e, data, size, a, &back, &err) != 0)
		fail_msg(
		    "%s does not decode: %s (%.*s)", d->name, err.text, (int)size, (char *)data);
	assert_same(m, back, a);
	if (e == WIRE_JSON)
		assert_int_equal(wire_encoding_of(NULL, data, size), WIRE_JSON);
}

static void
every_message_survives_encoding_and_decoding_in_both_encodings(void **state)
{
	struct arena *a = arena_new(0);

	(void)state;
	for (size_t i = 0; wire_descriptor_at(i); i++)
		for (int round = 0; round < ROUNDS; round++) {
			round_trip(wire_descriptor_at(i), WIRE_PROTOBUF, a);
			round_trip(wire_descriptor_at(i), WIRE_JSON, a);
			arena_reset(a);
		}
	arena_free(a);
}

/* Bytes of one message are cut, flipped and given to every descriptor: an error or a message, and
 * what decodes must encode again. */
static void
damaged_messages_are_refused_or_decode_to_something_that_encodes_C7(void **state)
{
	struct arena *a = arena_new(0);
	struct err err = {0};

	(void)state;
	for (int round = 0; round < 4000; round++) {
		size_t n = 0, size;
		while (wire_descriptor_at(n))
			n++;
		const ProtobufCMessageDescriptor *from = wire_descriptor_at(next_random() % n);
		const ProtobufCMessageDescriptor *to =
		    next_random() % 2 ? from : wire_descriptor_at(next_random() % n);
		enum wire_encoding e = next_random() % 2 ? WIRE_JSON : WIRE_PROTOBUF;
		ProtobufCMessage *m = random_message(from, a, 0, 0);
		void *data, *again;
		assert_int_equal(wire_encode(m, e, a, &data, &size, &err), 0);
		if (size && next_random() % 2)
			size = next_random() % size;
		for (size_t i = 0; size && i < next_random() % 4; i++)
			((uint8_t *)data)[next_random() % size] ^=
			    (uint8_t)(1u << next_random() % 8);
		if (wire_decode(to, e, data, size, a, &m, &err) == 0)
			assert_int_equal(wire_encode(m, WIRE_PROTOBUF, a, &again, &size, &err), 0);
		else
			assert_true(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
		arena_reset(a);
	}
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_message_survives_encoding_and_decoding_in_both_encodings),
	    cmocka_unit_test(damaged_messages_are_refused_or_decode_to_something_that_encodes_C7),
	};
	const char *given = getenv("FL_SEED");

	random_state = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u + 1;
	print_message("seed: FL_SEED=%llu\n", (unsigned long long)random_state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
