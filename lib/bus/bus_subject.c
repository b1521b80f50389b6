/* Subjects: validity, matching, and the transform of a republish. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_internal.h"

#define TOKENS_MAX 32

struct token {
	const char *text;
	size_t size;
};

static size_t
split(const char *subject, struct token *tokens)
{
	size_t n = 0;

	for (const char *at = subject; n < TOKENS_MAX; at++) {
		size_t size = strcspn(at, ".");

		tokens[n++] = (struct token){at, size};
		at += size;
		if (!*at)
			break;
	}
	return n;
}

static bool
token_is(const struct token *t, const char *text)
{
	return strlen(text) == t->size && memcmp(t->text, text, t->size) == 0;
}

bool
bus_subject_valid(const char *subject, bool wildcards)
{
	struct token tokens[TOKENS_MAX];

	if (!subject || strlen(subject) >= BUS_SUBJECT_BYTES)
		return false;
	for (const char *c = subject; *c; c++) {
		if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c))
			return false;
	}
	size_t n = split(subject, tokens);
	for (size_t i = 0; i < n; i++) {
		if (!tokens[i].size)
			return false;
		if (token_is(&tokens[i], ">") && (!wildcards || i + 1 < n))
			return false;
		if (token_is(&tokens[i], "*") && !wildcards)
			return false;
	}
	return n < TOKENS_MAX;
}

bool
bus_subject_match(const char *pattern, const char *subject)
{
	for (;;) {
		size_t p = strcspn(pattern, "."), s = strcspn(subject, ".");

		if (p == 1 && *pattern == '>')
			return s > 0;
		if (!(p == 1 && *pattern == '*') && (p != s || memcmp(pattern, subject, p) != 0))
			return false;
		if (!pattern[p] || !subject[s])
			return !pattern[p] && !subject[s];
		pattern += p + 1;
		subject += s + 1;
	}
}

/* 1 for "$1" and "{{wildcard(1)}}", 0 for a literal token. */
static size_t
wildcard_number(const struct token *t)
{
	static const char open[] = "{{wildcard(";

	if (t->size > 1 && t->text[0] == '$' && isdigit((unsigned char)t->text[1]))
		return strtoul(t->text + 1, NULL, 10);
	if (t->size > sizeof(open) && strncasecmp(t->text, open, sizeof(open) - 1) == 0)
		return strtoul(t->text + sizeof(open) - 1, NULL, 10);
	return 0;
}

bool
bus_subject_transform(
    const char *source, const char *destination, const char *subject, char *ret, size_t size)
{
	struct token src[TOKENS_MAX], dst[TOKENS_MAX], sub[TOKENS_MAX], wild[TOKENS_MAX];
	size_t wild_count = 0, used = 0;
	const char *rest = NULL;

	if (!bus_subject_match(source, subject))
		return false;
	size_t src_count = split(source, src), dst_count = split(destination, dst);
	split(subject, sub);
	for (size_t i = 0; i < src_count; i++) {
		if (token_is(&src[i], "*"))
			wild[wild_count++] = sub[i];
		else if (token_is(&src[i], ">"))
			rest = sub[i].text;
	}
	for (size_t i = 0; i < dst_count; i++) {
		struct token part = dst[i];
		size_t number = wildcard_number(&part);

		if (number > wild_count)
			return false;
		if (number)
			part = wild[number - 1];
		else if (token_is(&part, ">") && rest)
			part = (struct token){rest, strlen(rest)};
		int n = snprintf(
		    ret + used, size - used, "%s%.*s", i ? "." : "", (int)part.size, part.text);
		if (n < 0 || (size_t)n >= size - used)
			return false;
		used += (size_t)n;
	}
	return true;
}

bool
bus_ack_subject_parse(const char *reply, struct bus_ack_subject *ret)
{
	struct token t[TOKENS_MAX];

	if (strncmp(reply, "$JS.ACK.", 8) != 0)
		return false;
	size_t n = split(reply, t);
	/* Nine tokens, or eleven and more with the domain and the account in front of the stream.
	 */
	size_t stream = n == 9 ? 2 : 4;
	if (n != 9 && n < 11)
		return false;
	snprintf(ret->stream, sizeof(ret->stream), "%.*s", (int)t[stream].size, t[stream].text);
	snprintf(ret->consumer, sizeof(ret->consumer), "%.*s", (int)t[stream + 1].size,
	    t[stream + 1].text);
	ret->delivered = strtoull(t[stream + 2].text, NULL, 10);
	ret->stream_seq = strtoull(t[stream + 3].text, NULL, 10);
	return true;
}
