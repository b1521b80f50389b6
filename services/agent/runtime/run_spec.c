#include "run_spec.h"

#include <stdbool.h>
#include <string.h>

#include "durable.h"

#define SPEC_MAGIC UINT64_C(0x636570736c66) /* "flspec" */
#define CHECKED_FROM offsetof(struct run_spec_head, executor)

static size_t
count_strings(const char *const *strings)
{
	size_t n = 0;
	while (strings && strings[n])
		n++;
	return n;
}

/* Appends one string at *used; false when it does not fit. */
static bool
append(char *buffer, size_t size, size_t *used, const char *text)
{
	size_t length = strlen(text) + 1;
	if (length > size - *used)
		return false;
	memcpy(buffer + *used, text, length);
	*used += length;
	return true;
}

size_t
run_spec_encode(struct run_spec_head *head, const char *working_dir, const char *const *argv,
    const char *const *env, void *buffer, size_t size)
{
	size_t used = sizeof(*head);
	size_t argc = count_strings(argv), envc = count_strings(env);
	if (argc > RUN_SPEC_STRINGS_MAX || envc > RUN_SPEC_STRINGS_MAX || size < used)
		return 0;
	bool fits = append(buffer, size, &used, working_dir);
	for (size_t i = 0; i < argc; i++)
		fits = fits && append(buffer, size, &used, argv[i]);
	for (size_t i = 0; i < envc; i++)
		fits = fits && append(buffer, size, &used, env[i]);
	if (!fits)
		return 0;
	head->magic = SPEC_MAGIC;
	head->version = RUN_SPEC_VERSION;
	head->size = (uint32_t)used;
	head->argc = (uint32_t)argc;
	head->envc = (uint32_t)envc;
	memcpy(buffer, head, sizeof(*head));
	head->checksum = durable_checksum((char *)buffer + CHECKED_FROM, used - CHECKED_FROM);
	memcpy(buffer, head, sizeof(*head));
	return used;
}

static bool
ended(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool
texts_are_ended(const struct run_spec_head *spec)
{
	bool ok = ended(spec->executor, sizeof(spec->executor)) &&
		  ended(spec->boot, sizeof(spec->boot)) &&
		  ended(spec->leaf.unified, sizeof(spec->leaf.unified));
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		ok = ok && ended(spec->leaf.v1[i], sizeof(spec->leaf.v1[i]));
	return ok && strlen(spec->executor) == 32;
}

int
run_spec_check(const void *data, size_t size)
{
	const struct run_spec_head *spec = data;
	if (size < sizeof(*spec) || spec->magic != SPEC_MAGIC ||
	    spec->version != RUN_SPEC_VERSION || spec->size != size || size > RUN_SPEC_BYTES_MAX)
		return -1;
	const char *bytes = data;
	if (spec->checksum != durable_checksum(bytes + CHECKED_FROM, size - CHECKED_FROM))
		return -1;
	if (!texts_are_ended(spec) || spec->group_count > RUN_SPEC_GROUPS_MAX || spec->argc < 1 ||
	    spec->argc > RUN_SPEC_STRINGS_MAX || spec->envc > RUN_SPEC_STRINGS_MAX)
		return -1;
	size_t strings = 0;
	for (size_t i = sizeof(*spec); i < size; i++)
		strings += bytes[i] == '\0';
	return bytes[size - 1] == '\0' && strings == 1u + spec->argc + spec->envc ? 0 : -1;
}

static char *
next_string(char **cursor)
{
	char *text = *cursor;
	*cursor += strlen(text) + 1;
	return text;
}

void
run_spec_strings(
    const struct run_spec_head *spec, const char **ret_working_dir, char **argv, char **env)
{
	/* exec wants char *const[]; nothing writes through these. */
	char *cursor = (char *)(uintptr_t)(spec + 1);
	*ret_working_dir = next_string(&cursor);
	for (uint32_t i = 0; i < spec->argc; i++)
		argv[i] = next_string(&cursor);
	argv[spec->argc] = NULL;
	for (uint32_t i = 0; i < spec->envc; i++)
		env[i] = next_string(&cursor);
	env[spec->envc] = NULL;
}
