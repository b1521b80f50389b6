#include "log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "id.h"

/* PIPE_BUF: a line up to this size is never torn apart in a pipe. */
#define LINE_BYTES_MAX 4096
/* Kept free for a closing quote, the truncation mark and the end of the line. */
#define LINE_BYTES_TAIL 32

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* Written once by log_init, before threads. */
static struct {
	enum log_level level;
	bool json;
	char service[32], instance[96];
} state = {LOG_INFO_LEVEL, true, "", ""};

struct line {
	char data[LINE_BYTES_MAX];
	size_t used;
	bool cut; /* something did not fit: nothing more is added but the mark */
};

void
log_init(enum log_level level, enum log_format format, const char *service, const char *instance)
{
	state.level = level;
	state.json =
	    format == LOG_FORMAT_JSON || (format == LOG_FORMAT_AUTO && !isatty(STDERR_FILENO));
	snprintf(state.service, sizeof(state.service), "%s", service);
	snprintf(state.instance, sizeof(state.instance), "%s", instance);
}

/* All of text or nothing. */
static bool
put(struct line *line, const char *text, size_t length)
{
	if (line->cut || length > LINE_BYTES_MAX - LINE_BYTES_TAIL - line->used) {
		line->cut = true;
		return false;
	}
	memcpy(line->data + line->used, text, length);
	line->used += length;
	return true;
}

/* Into the tail that put leaves free. */
static void
put_tail(struct line *line, const char *text)
{
	size_t length = strlen(text);

	assert(length <= sizeof(line->data) - line->used);
	memcpy(line->data + line->used, text, length);
	line->used += length;
}

/* The length of the well-formed UTF-8 sequence at s, 0 when there is none. */
static size_t
utf8_length(const unsigned char *s)
{
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* One character of a quoted string; returns how many input bytes it took, 0 when it was cut. */
static size_t
put_character(struct line *line, const unsigned char *s)
{
	char escaped[8];
	size_t n = utf8_length(s);
	bool whole;

	if (n == 0) {
		whole = put(line, "\\ufffd", 6);
		n = 1;
	} else if (*s == '"' || *s == '\\') {
		escaped[0] = '\\';
		escaped[1] = (char)*s;
		whole = put(line, escaped, 2);
	} else if (*s == '\n') {
		whole = put(line, "\\n", 2);
	} else if (*s == '\t') {
		whole = put(line, "\\t", 2);
	} else if (*s < 0x20 || *s == 0x7f) {
		snprintf(escaped, sizeof(escaped), "\\u%04x", *s);
		whole = put(line, escaped, 6);
	} else {
		whole = put(line, (const char *)s, n);
	}
	return whole ? n : 0;
}

static void
put_quoted(struct line *line, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	if (!put(line, "\"", 1))
		return;
	while (*s) {
		size_t n = put_character(line, s);
		if (n == 0)
			break;
		s += n;
	}
	put_tail(line, "\"");
}

/* logfmt needs quotes only where a reader would stumble. */
static bool
is_plain(const char *text)
{
	for (const char *c = text; *c; c++)
		if (*c <= 0x20 || *c >= 0x7f || *c == '"' || *c == '=' || *c == '\\')
			return false;
	return *text != '\0';
}

static void
put_key(struct line *line, const char *key)
{
	char text[96];
	int length = state.json
			 ? snprintf(text, sizeof(text), "%s\"%s\":", line->used > 1 ? "," : "", key)
			 : snprintf(text, sizeof(text), "%s%s=", line->used ? " " : "", key);

	assert(length > 0 && (size_t)length < sizeof(text));
	put(line, text, (size_t)length);
}

/* A key whose value did not fit at all is taken back. */
static void
put_string(struct line *line, const char *key, const char *text)
{
	size_t before = line->used;

	put_key(line, key);
	size_t after_key = line->used;
	if (!text)
		text = "";
	if (state.json || !is_plain(text))
		put_quoted(line, text);
	else
		put(line, text, strlen(text));
	/* A long plain word is cut like any other text. */
	if (line->cut && line->used == after_key && after_key > before && !state.json) {
		line->cut = false;
		put_quoted(line, text);
	}
	if (line->cut && line->used == after_key)
		line->used = before;
}

static void
put_raw(struct line *line, const char *key, const char *number)
{
	size_t before = line->used;

	put_key(line, key);
	put(line, number, strlen(number));
	if (line->cut)
		line->used = before;
}

static void
put_error(struct line *line, const struct err *err)
{
	put_string(line, "error", err->text);
	put_string(line, "error_kind", err_row(err->kind)->name);
	if (err->field[0])
		put_string(line, "error_field", err->field);
	if (err->hint[0])
		put_string(line, "error_hint", err->hint);
}

static void
put_field(struct line *line, const struct log_field *field)
{
	char text[ID_HEX_BYTES + 16];

	switch (field->type) {
	case LOG_TYPE_STRING:
		put_string(line, field->key, field->value.string);
		return;
	case LOG_TYPE_INT:
		snprintf(text, sizeof(text), "%" PRId64, field->value.integer);
		break;
	case LOG_TYPE_UINT:
		snprintf(text, sizeof(text), "%" PRIu64, field->value.uinteger);
		break;
	case LOG_TYPE_MS: {
		int64_t us = field->value.integer;
		uint64_t size = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
		snprintf(text, sizeof(text), "%s%" PRIu64 ".%03" PRIu64, us < 0 ? "-" : "",
		    size / 1000, size % 1000);
		break;
	}
	case LOG_TYPE_ID:
		put_string(line, field->key, id_to_hex(field->value.id, text));
		return;
	case LOG_TYPE_ERR:
		put_error(line, field->value.err);
		return;
	default:
		assert(0 && "a log field without a type");
		return;
	}
	put_raw(line, field->key, text);
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	struct line line;
	char now[32];

	if (level < state.level)
		return;
	line.used = 0;
	line.cut = false;
	if (state.json)
		put(&line, "{", 1);
	put_string(&line, "time", clock_format(clock_real_us(clock_system()), now, sizeof(now)));
	put_string(&line, "level", level_names[level]);
	put_string(&line, "event", event);
	put_string(&line, "service", state.service);
	put_string(&line, "instance", state.instance);
	for (size_t i = 0; i < n; i++)
		put_field(&line, &fields[i]);
	if (line.cut)
		put_tail(&line, state.json ? ",\"truncated\":true" : " truncated=true");
	put_tail(&line, state.json ? "}\n" : "\n");
	/* A line that cannot be written has nowhere to go. */
	ssize_t written = write(STDERR_FILENO, line.data, line.used);
	(void)written;
}
