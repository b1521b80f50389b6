/* Any bytes as a session file.  What is taken is complete and passes its own check again. */
#include "fuzz.h"

#include <assert.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"
#include "fairlead/v1/api.pb-c.h"
#include "session_file.h"

#define ARENA_BYTES ((size_t)64 * 1024 * 1024)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(ARENA_BYTES);
	Fairlead__V1__SessionSpec **specs;
	struct err err = {0};
	size_t n;

	if (!a)
		return 0;
	if (session_file_parse("fuzz", (const char *)data, size, a, &specs, &n, &err) == 0) {
		assert(n >= 1 && n <= 64);
		for (size_t i = 0; i < n; i++) {
			assert(session_spec_check(specs[i], a, &err) == 0);
			assert(!session_spec_difference(specs[i], specs[i], a));
		}
	} else {
		assert(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
		assert(err.text[0]);
	}
	arena_free(a);
	return 0;
}
