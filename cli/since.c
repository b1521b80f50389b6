#include "since.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "err.h"
#include "options.h"

#define DIGITS "0123456789"

/* ".250" -> 250000; what is finer than a microsecond is left out.  The text behind it. */
static const char *
fraction(const char *text, int64_t *ret_us)
{
	size_t digits = *text == '.' ? strspn(text + 1, DIGITS) : 0;
	int64_t unit = SECOND_US / 10;

	*ret_us = 0;
	if (digits == 0)
		return text;
	for (size_t i = 0; i < digits; i++, unit /= 10)
		*ret_us += (text[1 + i] - '0') * unit;
	return text + 1 + digits;
}

/* timegm takes the 31st of February for a day in March. */
static bool
is_date(const struct tm *asked)
{
	struct tm tm = *asked;

	return timegm(&tm) != -1 && tm.tm_mday == asked->tm_mday && tm.tm_mon == asked->tm_mon;
}

static bool
time_parse(const char *text, int64_t *ret_us)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%d", &tm);
	int64_t part_us = 0;

	if (!rest || !is_date(&tm))
		return false;
	if (*rest == 'T') {
		rest = strptime(rest, "T%H:%M:%S", &tm);
		if (!rest)
			return false;
		rest = fraction(rest, &part_us);
		if (strcmp(rest, "Z") != 0)
			return false;
		rest++;
	}
	*ret_us = (int64_t)timegm(&tm) * SECOND_US + part_us;
	return *rest == '\0';
}

int
since_parse(const char *text, int64_t now_us, int64_t *ret_us, struct err *err)
{
	struct err ignored;
	int64_t ms;

	if (time_parse(text, ret_us))
		return 0;
	if (options_parse_duration_ms(text, &ms, &ignored) == 0 && ms >= 0 &&
	    ms <= now_us / MS_US) {
		*ret_us = now_us - ms * MS_US;
		return 0;
	}
	return err_set(err, ERR_INVALID,
	    "allowed are a duration (10m, 36h) and a time in UTC (2026-01-31T09:30:00Z)");
}
