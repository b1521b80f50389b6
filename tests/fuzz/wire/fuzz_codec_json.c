/* Any text as the JSON of any message: the first byte chooses the descriptor.  What decodes must
 * survive both encodings. */
#include "fuzz.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "arena.h"
#include "codec.h"
#include "err.h"

#define ARENA_BYTES ((size_t)64 * 1024 * 1024)

static void
check(const ProtobufCMessageDescriptor *d, const ProtobufCMessage *m, struct arena *a)
{
	enum wire_encoding encodings[] = {WIRE_PROTOBUF, WIRE_JSON};
	char *before, *after;
	struct err err = {0};

	if (wire_to_json(m, 0, a, &before, &err) != 0) {
		assert(err.kind == ERR_LIMIT);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(encodings); i++) {
		ProtobufCMessage *again;
		void *bytes;
		size_t n;
		if (wire_encode(m, encodings[i], a, &bytes, &n, &err) != 0 ||
		    wire_decode(d, encodings[i], bytes, n, a, &again, &err) != 0 ||
		    wire_to_json(again, 0, a, &after, &err) != 0)
			assert(err.kind == ERR_LIMIT);
		else
			assert(strcmp(before, after) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = size ? arena_new(ARENA_BYTES) : NULL;
	const ProtobufCMessageDescriptor *d;
	ProtobufCMessage *m;
	struct err err = {0};
	size_t n = 0;

	if (!a)
		return 0;
	while (wire_descriptor_at(n))
		n++;
	d = wire_descriptor_at(data[0] % n);
	if (wire_decode(d, WIRE_JSON, data + 1, size - 1, a, &m, &err) == 0)
		check(d, m, a);
	else
		assert(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
	arena_free(a);
	return 0;
}
