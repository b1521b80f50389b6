#include "err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct err_row rows[] = {
    [ERR_NONE] = {"ok", 0, 0},
    [ERR_INVALID] = {"invalid", 2, 400},
    [ERR_NOT_FOUND] = {"not_found", 3, 404},
    [ERR_CONFLICT] = {"conflict", 4, 409},
    [ERR_DENIED] = {"denied", 5, 403},
    [ERR_LIMIT] = {"limit", 7, 429},
    [ERR_UNAVAILABLE] = {"unavailable", 6, 503},
    [ERR_TIMEOUT] = {"timeout", 124, 504},
    [ERR_INTERNAL] = {"internal", 1, 500},
};

const struct err_row *
err_row(enum err_kind kind)
{
	assert((size_t)kind < COUNT_OF(rows));
	return &rows[kind];
}

enum err_kind
err_kind_from_name(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return (enum err_kind)i;
	return ERR_INTERNAL;
}

void
err_clear(struct err *e)
{
	memset(e, 0, sizeof(*e));
}

#define DELETE 0x7f

/* Formats by way of a second buffer, because an argument may be the text that is replaced.  A text
 * that does not fit ends in "...".  What it quotes may be a stranger's: a line break would end a
 * header or a line of the log, an escape would speak to a terminal. */
static void format_into(char *buffer, size_t size, const char *format, va_list args) PRINTF(3, 0);

static void
format_into(char *buffer, size_t size, const char *format, va_list args)
{
	char text[ERR_TEXT_BYTES];
	int length = vsnprintf(text, sizeof(text), format, args);

	if (length < 0)
		text[0] = '\0';
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == DELETE)
			*c = ' ';
	}
	snprintf(buffer, size, "%s", text);
	if (length > 0 && (size_t)length >= size)
		memcpy(buffer + size - 4, "...", 4);
}

int
err_set(struct err *e, enum err_kind kind, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	format_into(e->text, sizeof(e->text), format, args);
	va_end(args);
	e->kind = kind;
	e->field[0] = '\0';
	e->hint[0] = '\0';
	return -1;
}

int
err_field(struct err *e, enum err_kind kind, const char *field, const char *format, ...)
{
	char name[ERR_FIELD_BYTES];
	va_list args;

	snprintf(name, sizeof(name), "%s", field);
	va_start(args, format);
	format_into(e->text, sizeof(e->text), format, args);
	va_end(args);
	e->kind = kind;
	memcpy(e->field, name, sizeof(name));
	e->hint[0] = '\0';
	return -1;
}

int
err_hint(struct err *e, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	format_into(e->hint, sizeof(e->hint), format, args);
	va_end(args);
	return -1;
}

int
err_wrap(struct err *e, const char *format, ...)
{
	char prefix[ERR_TEXT_BYTES], whole[2 * ERR_TEXT_BYTES + 2];
	va_list args;

	va_start(args, format);
	format_into(prefix, sizeof(prefix), format, args);
	va_end(args);
	int length = snprintf(whole, sizeof(whole), "%s: %s", prefix, e->text);
	memcpy(e->text, whole, sizeof(e->text) - 1);
	e->text[sizeof(e->text) - 1] = '\0';
	if (length > 0 && (size_t)length >= sizeof(e->text))
		memcpy(e->text + sizeof(e->text) - 4, "...", 4);
	return -1;
}
