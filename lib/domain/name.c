#include "name.h"

#include <stdbool.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "err.h"

#define RULE "1 to 63 characters of a-z, 0-9 and -, not - at either end"

static bool
label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* What is wrong with the character, in the words a person uses for it. */
static int
refuse_char(char c, size_t at, const char *field, struct err *err)
{
	if (c >= 'A' && c <= 'Z')
		return err_field(err, ERR_INVALID, field,
		    "%s: upper case '%c' at position %zu; a name is " RULE, field, c, at + 1);
	if (c == ' ')
		return err_field(err, ERR_INVALID, field,
		    "%s: a space at position %zu; a name is " RULE, field, at + 1);
	if (c > ' ' && c < 0x7f)
		return err_field(err, ERR_INVALID, field,
		    "%s: '%c' at position %zu; a name is " RULE, field, c, at + 1);
	return err_field(err, ERR_INVALID, field,
	    "%s: byte 0x%02x at position %zu; a name is " RULE, field, (unsigned)(unsigned char)c,
	    at + 1);
}

int
name_check(const char *text, const char *field, struct err *err)
{
	size_t length = text ? strnlen(text, NAME_BYTES_MAX + 1) : 0;

	if (length == 0)
		return err_field(err, ERR_INVALID, field, "%s: is empty; a name is " RULE, field);
	for (size_t i = 0; i < length; i++)
		if (!label_char(text[i]))
			return refuse_char(text[i], i, field, err);
	if (length > NAME_BYTES_MAX)
		return err_field(err, ERR_INVALID, field,
		    "%s: longer than %d characters; a name is " RULE, field, NAME_BYTES_MAX);
	if (text[0] == '-' || text[length - 1] == '-')
		return err_field(err, ERR_INVALID, field, "%s: - at %s; a name is " RULE, field,
		    text[0] == '-' ? "the start" : "the end");
	return 0;
}

/* A decimal number without sign or leading zero.  Returns the character after it, NULL for none. */
static const char *
parse_number(const char *text, uint32_t *ret)
{
	uint32_t value = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(value, UINT32_C(10), &value) ||
		    __builtin_add_overflow(value, (uint32_t)(*at - '0'), &value))
			return NULL;
	}
	if (at == text || (*text == '0' && at > text + 1))
		return NULL;
	*ret = value;
	return at;
}

static int
refuse(const char *text, struct err *err)
{
	return err_field(err, ERR_INVALID, "name",
	    "\"%.100s\" is no executor: session/index, session/index#attempt, or 32 hex digits",
	    text);
}

int
executor_name_parse(const char *text, struct executor_name *ret, struct err *err)
{
	struct executor_name name = {0};
	const char *slash = strchr(text, '/'), *at;

	if (!slash) {
		name.kind = EXECUTOR_NAME_ID;
		if (id_from_hex(text, &name.id, err) != 0)
			return refuse(text, err);
		*ret = name;
		return 0;
	}
	name.kind = EXECUTOR_NAME_INDEX;
	if (slash - text > NAME_BYTES_MAX)
		return refuse(text, err);
	memcpy(name.session, text, (size_t)(slash - text));
	if (name_check(name.session, "name", err) != 0)
		return err_wrap(err, "\"%.100s\" is no executor", text);
	at = parse_number(slash + 1, &name.index);
	if (at && *at == '#') {
		at = parse_number(at + 1, &name.attempt);
		if (name.attempt == 0)
			at = NULL;
	}
	if (!at || *at)
		return refuse(text, err);
	*ret = name;
	return 0;
}

char *
executor_name_format(
    const char *session, uint32_t index, uint32_t attempt, char buffer[EXECUTOR_NAME_BYTES])
{
	if (attempt > 1)
		snprintf(buffer, EXECUTOR_NAME_BYTES, "%.*s/%u#%u", NAME_BYTES_MAX, session, index,
		    attempt);
	else
		snprintf(buffer, EXECUTOR_NAME_BYTES, "%.*s/%u", NAME_BYTES_MAX, session, index);
	return buffer;
}

/* Decimal, above zero, without sign or leading zero. */
static bool
parse_generation(const char *text, uint64_t *ret)
{
	uint64_t value = 0;

	if (*text < '1' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return false;
	}
	*ret = value;
	return *text == '\0' && value <= INT64_MAX;
}

int
command_name_parse(const char *text, struct command_name *ret, struct err *err)
{
	const char *at = strchr(text, '@');
	struct command_name name = {0};
	char executor[EXECUTOR_NAME_BYTES];
	size_t length = at ? (size_t)(at - text) : strlen(text);

	if (length >= sizeof(executor) || (at && !parse_generation(at + 1, &name.generation)))
		return err_field(err, ERR_INVALID, "name",
		    "\"%.100s\" is no command: session/index#attempt@generation", text);
	memcpy(executor, text, length);
	executor[length] = '\0';
	if (executor_name_parse(executor, &name.executor, err) != 0)
		return -1;
	*ret = name;
	return 0;
}

char *
command_name_format(const char *session, uint32_t index, uint32_t attempt, uint64_t generation,
    char buffer[COMMAND_NAME_BYTES])
{
	snprintf(buffer, COMMAND_NAME_BYTES, "%.*s/%u#%u@%" PRIu64, NAME_BYTES_MAX, session, index,
	    attempt, generation);
	return buffer;
}
