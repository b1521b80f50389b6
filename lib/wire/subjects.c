#include "subjects.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "err.h"

static const struct subject_row rows[] = {
#define SUBJECT(name, pattern, publishes, subscribes, message, max_bytes, what)                    \
	{#name, (pattern), #publishes, #subscribes, (message), (what), (max_bytes)},
#include "subjects.def"
};
_Static_assert(COUNT_OF(rows) == SUBJECT_COUNT, "a subject without a row");

const struct subject_row *
subject_row(enum subject s)
{
	assert((size_t)s < COUNT_OF(rows));
	return &rows[s];
}

/* May this text stand where the pattern has a <token>? */
static bool
token_valid(const char *token, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)token[i] <= ' ' || token[i] == 0x7f || strchr(".*>", token[i]))
			return false;
	return length > 0;
}

char *
subject_build(char buffer[SUBJECT_BYTES], const char *prefix, enum subject s, ...)
{
	const char *pattern = subject_row(s)->pattern;
	int used = snprintf(buffer, SUBJECT_BYTES, "%s.", prefix);
	va_list args;

	va_start(args, s);
	while (*pattern) {
		size_t literal = strcspn(pattern, "<");
		const char *token = pattern[literal] ? va_arg(args, const char *) : "";
		assert(!pattern[literal] || strcmp(token, "*") == 0 ||
		       token_valid(token, strlen(token)));
		assert(used > 0 && used < SUBJECT_BYTES);
		used += snprintf(buffer + used, (size_t)(SUBJECT_BYTES - used), "%.*s%s",
		    (int)literal, pattern, token);
		pattern += literal;
		if (*pattern)
			pattern = strchr(pattern, '>') + 1;
	}
	va_end(args);
	assert(used < SUBJECT_BYTES);
	return buffer;
}

/* Does text follow pattern?  Fills the tokens it passes. */
static bool
match(const char *pattern, const char *text, struct subject_match *m)
{
	while (*pattern) {
		if (*pattern != '<') {
			if (*pattern++ != *text++)
				return false;
			continue;
		}
		size_t length = strcspn(text, ".");
		if (!token_valid(text, length) || length >= sizeof(m->tokens[0]))
			return false;
		assert(m->token_count < SUBJECT_TOKENS_MAX);
		memcpy(m->tokens[m->token_count], text, length);
		m->tokens[m->token_count++][length] = '\0';
		text += length;
		pattern = strchr(pattern, '>') + 1;
	}
	return *text == '\0';
}

int
subject_parse(const char *prefix, const char *subject, struct subject_match *ret, struct err *err)
{
	size_t length = strlen(prefix);

	if (strncmp(subject, prefix, length) != 0 || subject[length] != '.')
		return err_field(err, ERR_INVALID, "subject",
		    "subject %.100s does not begin with %.60s.", subject, prefix);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct subject_match m = {.subject = (enum subject)i};
		if (match(rows[i].pattern, subject + length + 1, &m)) {
			*ret = m;
			return 0;
		}
	}
	return err_field(err, ERR_INVALID, "subject", "subject %.100s is none of ours", subject);
}
