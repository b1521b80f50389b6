#include "fake_script.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

#define WORD_BYTES 48
#define TIME_MAX_US (INT64_C(86400) * 365 * 1000000)

static int
parse_time(const char *text, int64_t *ret)
{
	static const struct {
		const char *unit;
		int64_t us;
	} units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60000000}};
	char *end;
	if (*text < '0' || *text > '9')
		return -1;
	unsigned long long number = strtoull(text, &end, 10);
	for (size_t i = 0; i < COUNT_OF(units); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		if (number > (unsigned long long)(TIME_MAX_US / units[i].us))
			return -1;
		*ret = (int64_t)number * units[i].us;
		return 0;
	}
	return -1;
}

static int
parse_number(const char *text, int low, int high, int *ret)
{
	char *end;
	if (*text < '0' || *text > '9')
		return -1;
	unsigned long number = strtoul(text, &end, 10);
	if (*end || number < (unsigned long)low || number > (unsigned long)high)
		return -1;
	*ret = (int)number;
	return 0;
}

static int
parse_time_or(const char *text, const char *never, int64_t *ret)
{
	if (strcmp(text, never) != 0)
		return parse_time(text, ret);
	*ret = FAKE_NEVER;
	return 0;
}

static int
set_flag(struct fake_script *s, const char *word)
{
	if (strcmp(word, "oom") == 0) {
		s->oom = true;
		s->signal = SIGKILL;
	} else if (strcmp(word, "lost") == 0) {
		s->lost = true;
	} else if (strcmp(word, "exec_fail") == 0) {
		s->failure = FAKE_FAILS_EXEC;
	} else {
		return -1;
	}
	return 0;
}

static int
set_value(struct fake_script *s, const char *key, const char *value)
{
	if (strcmp(key, "start") == 0)
		return parse_time(value, &s->start_us);
	if (strcmp(key, "run") == 0)
		return parse_time_or(value, "forever", &s->run_us);
	if (strcmp(key, "stop") == 0)
		return parse_time_or(value, "ignore", &s->stop_us);
	if (strcmp(key, "exit") == 0)
		return parse_number(value, 0, 255, &s->exit_code);
	if (strcmp(key, "signal") == 0)
		return parse_number(value, 1, 64, &s->signal);
	if (strcmp(key, "fail") == 0 && strcmp(value, "prepare") == 0)
		s->failure = FAKE_FAILS_PREPARE;
	else if (strcmp(key, "fail") == 0 && strcmp(value, "start") == 0)
		s->failure = FAKE_FAILS_START;
	else
		return -1;
	return 0;
}

static int
set_word(struct fake_script *s, char *word)
{
	char *value = strchr(word, '=');
	if (!value)
		return set_flag(s, word);
	*value++ = '\0';
	return set_value(s, word, value);
}

int
fake_script_parse(const char *text, struct fake_script *ret, struct err *err)
{
	struct fake_script script = {.run_us = FAKE_NEVER};
	const char *cursor = text ? text : "";
	for (;;) {
		char word[WORD_BYTES];
		cursor += strspn(cursor, " \t\n");
		size_t n = strcspn(cursor, " \t\n");
		if (n == 0)
			break;
		size_t kept = n < sizeof(word) ? n : sizeof(word) - 1;
		memcpy(word, cursor, kept);
		word[kept] = '\0';
		if (kept < n || set_word(&script, word))
			return err_field(err, ERR_INVALID, "fake_script",
			    "'%.*s' is not a word of a fake script (start= run= stop= exit= "
			    "signal= fail= oom "
			    "lost exec_fail)",
			    (int)kept, cursor);
		cursor += n;
	}
	*ret = script;
	return 0;
}
