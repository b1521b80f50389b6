/* Any bytes as any message: the first byte chooses the descriptor.  What decodes must encode, and
 * decode again to the same bytes. */
#include "fuzz.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "arena.h"
#include "codec.h"
#include "err.h"
#include "headers.h"

#define ARENA_BYTES ((size_t)64 * 1024 * 1024)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = size ? arena_new(ARENA_BYTES) : NULL;
	const ProtobufCMessageDescriptor *d;
	ProtobufCMessage *m, *again;
	struct wire_headers headers;
	struct err err = {0};
	void *first, *second;
	size_t n = 0, first_size, second_size;
	char *json;

	if (!a)
		return 0;
	while (wire_descriptor_at(n))
		n++;
	d = wire_descriptor_at(data[0] % n);
	if (wire_decode(d, WIRE_PROTOBUF, data + 1, size - 1, a, &m, &err) != 0) {
		assert(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
		arena_free(a);
		return 0;
	}
	if (wire_encode(m, WIRE_PROTOBUF, a, &first, &first_size, &err) == 0 &&
	    wire_decode(d, WIRE_PROTOBUF, first, first_size, a, &again, &err) == 0 &&
	    wire_encode(again, WIRE_PROTOBUF, a, &second, &second_size, &err) == 0) {
		assert(first_size == second_size);
		assert(first_size == 0 || memcmp(first, second, first_size) == 0);
	} else {
		assert(err.kind == ERR_LIMIT);
	}
	/* Two equal keys of a map have no JSON: the only other reason to refuse. */
	if (wire_to_json(m, 2, a, &json, &err) != 0)
		assert(err.kind == ERR_LIMIT || strstr(err.text, "twice"));
	wire_headers_of(&headers, m, WIRE_PROTOBUF, "h1", NULL, a);
	for (size_t i = 0; i < headers.count; i++)
		assert(!strpbrk(headers.rows[i].value, "\r\n"));
	arena_free(a);
	return 0;
}
