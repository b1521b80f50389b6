/* Any text as a selector and as the name of an executor. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "name.h"
#include "selector.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct label labels[] = {{"zone", "a"}, {"gpu", ""}};
	struct arena *a = arena_new((size_t)1024 * 1024);
	char *text = malloc(size + 1), again[EXECUTOR_NAME_BYTES];
	struct executor_name name;
	struct selector *s;
	struct err err = {0};

	if (!a || !text)
		abort();
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	if (selector_parse(text, a, &s, &err) == 0)
		selector_match(s, labels, COUNT_OF(labels));
	else
		assert(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
	if (executor_name_parse(text, &name, &err) == 0 && name.kind == EXECUTOR_NAME_INDEX &&
	    name.attempt != 1) {
		executor_name_format(name.session, name.index, name.attempt, again);
		assert(strcmp(again, text) == 0);
	}
	free(text);
	arena_free(a);
	return 0;
}
