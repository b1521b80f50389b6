/* A spec file of any content: refused, or all its strings lie inside of it. */
#include "fuzz.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "durable.h"
#include "run_spec.h"

#define HEAD sizeof(struct run_spec_head)
#define PREFIX 32 /* the first bytes of the input are the numbers of the head */

static void
check(const void *data, size_t size)
{
	static char *argv[RUN_SPEC_STRINGS_MAX + 1], *env[RUN_SPEC_STRINGS_MAX + 1];
	const char *dir;
	if (run_spec_check(data, size))
		return;
	const struct run_spec_head *spec = data;
	run_spec_strings(spec, &dir, argv, env);
	const char *last = spec->envc ? env[spec->envc - 1] : argv[spec->argc - 1];
	assert(last + strlen(last) + 1 == (const char *)data + size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run_spec_head *spec = calloc(1, HEAD + size + 8);
	if (!spec)
		abort();
	memcpy(spec, data, size < HEAD ? size : HEAD);
	check(spec, size < HEAD ? size : HEAD);

	/* A head that is right but for its counts, strings of any content. */
	const char *const nothing[] = {"x", NULL};
	memset(spec, 0, HEAD);
	memset(spec->executor, 'a', 32);
	struct run_spec_head head = *spec;
	size_t used = run_spec_encode(&head, "", nothing, NULL, spec, HEAD + 3);
	assert(used == HEAD + 3);
	if (size >= PREFIX) {
		spec->argc = data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 30;
		spec->envc = data[3] | (uint32_t)data[4] << 8 | (uint32_t)data[5] << 30;
		memcpy(spec + 1, data + PREFIX, size - PREFIX);
		spec->size = (uint32_t)(HEAD + size - PREFIX);
		const size_t from = offsetof(struct run_spec_head, executor);
		spec->checksum = durable_checksum((char *)spec + from, spec->size - from);
		check(spec, spec->size);
	}
	free(spec);
	return 0;
}
