#include "exit_record.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "durable.h"

#define CHECK_PREFIX "check "

void
exit_record_explain(struct exit_record *record, const char *reason, const char *format, ...)
{
	snprintf(record->reason, sizeof(record->reason), "%s", reason);
	va_list args;
	va_start(args, format);
	vsnprintf(record->detail, sizeof(record->detail), format, args);
	va_end(args);
	for (char *c = record->detail; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
}

size_t
exit_record_encode(const struct exit_record *record, char *buffer)
{
	int n = snprintf(buffer, EXIT_RECORD_BYTES_MAX,
	    "fairlead-exit 1\n"
	    "executor %s\n"
	    "incarnation %" PRIu32 "\n"
	    "started %d\n"
	    "oom %d\n"
	    "code %d\n"
	    "signal %d\n"
	    "reason %s\n"
	    "detail %s\n",
	    record->executor, record->incarnation, record->started, record->oom, record->code,
	    record->signal, record->reason, record->detail);
	assert(n > 0 && n < EXIT_RECORD_BYTES_MAX - 32);
	uint64_t sum = durable_checksum(buffer, (size_t)n);
	n += snprintf(
	    buffer + n, EXIT_RECORD_BYTES_MAX - (size_t)n, CHECK_PREFIX "%016" PRIx64 "\n", sum);
	return (size_t)n;
}

/* The value of the line "key value", or NULL; *cursor moves behind the line, which is ended by NUL.
 */
static char *
take_line(char **cursor, const char *key)
{
	size_t length = strlen(key);
	char *line = *cursor;
	char *end = strchr(line, '\n');
	if (!end || strncmp(line, key, length) != 0 || line[length] != ' ')
		return NULL;
	*end = '\0';
	*cursor = end + 1;
	return line + length + 1;
}

static int
take_text(char **cursor, const char *key, char *ret, size_t size)
{
	const char *value = take_line(cursor, key);
	if (!value || strlen(value) >= size)
		return -1;
	memcpy(ret, value, strlen(value) + 1);
	return 0;
}

static int
take_number(char **cursor, const char *key, long long low, long long high, long long *ret)
{
	const char *value = take_line(cursor, key);
	char *end;
	if (!value || (*value != '-' && (*value < '0' || *value > '9')))
		return -1;
	*ret = strtoll(value, &end, 10);
	return *end || *ret < low || *ret > high ? -1 : 0;
}

static int
take_fields(char *cursor, struct exit_record *record)
{
	char version[8];
	long long incarnation, started, oom, code, signal;
	if (take_text(&cursor, "fairlead-exit", version, sizeof(version)) ||
	    strcmp(version, "1") != 0)
		return -1;
	if (take_text(&cursor, "executor", record->executor, sizeof(record->executor)) ||
	    strspn(record->executor, "0123456789abcdef") != 32)
		return -1;
	if (take_number(&cursor, "incarnation", 0, UINT32_MAX, &incarnation) ||
	    take_number(&cursor, "started", 0, 1, &started) ||
	    take_number(&cursor, "oom", 0, 1, &oom) ||
	    take_number(&cursor, "code", -1, 255, &code) ||
	    take_number(&cursor, "signal", 0, 128, &signal))
		return -1;
	record->incarnation = (uint32_t)incarnation;
	record->started = started;
	record->oom = oom;
	record->code = (int)code;
	record->signal = (int)signal;
	return take_text(&cursor, "reason", record->reason, sizeof(record->reason)) ||
		       take_text(&cursor, "detail", record->detail, sizeof(record->detail)) ||
		       *cursor
		   ? -1
		   : 0;
}

int
exit_record_decode(const char *data, size_t size, struct exit_record *ret)
{
	char text[EXIT_RECORD_BYTES_MAX + 1];
	const size_t tail = strlen(CHECK_PREFIX) + 16 + 1;
	if (size <= tail || size > EXIT_RECORD_BYTES_MAX || memchr(data, '\0', size))
		return -1;
	char check[40];
	snprintf(check, sizeof(check), CHECK_PREFIX "%016" PRIx64 "\n",
	    durable_checksum(data, size - tail));
	if (memcmp(data + size - tail, check, tail) != 0)
		return -1;
	memcpy(text, data, size - tail);
	text[size - tail] = '\0';
	struct exit_record record = {0};
	if (take_fields(text, &record))
		return -1;
	*ret = record;
	return 0;
}
