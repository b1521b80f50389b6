#include "options.h"

#include <ctype.h>
#include <string.h>

#include "err.h"

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {NULL, 0}};

static const struct unit sizes[] = {{"", 1}, {"Ki", INT64_C(1) << 10}, {"Mi", INT64_C(1) << 20},
    {"Gi", INT64_C(1) << 30}, {"Ti", INT64_C(1) << 40}, {NULL, 0}};

enum parse_result { PARSED, MALFORMED, TOO_LARGE };

/* Whole number, then one unit, then nothing. */
static enum parse_result
parse(const char *text, const struct unit *units, int64_t *ret_value)
{
	int64_t value = 0;
	const char *c = text;
	bool large = false;

	for (; isdigit((unsigned char)*c); c++)
		large |= __builtin_mul_overflow(value, (int64_t)10, &value) ||
			 __builtin_add_overflow(value, (int64_t)(*c - '0'), &value);
	if (c == text)
		return MALFORMED;
	for (; units->name; units++)
		if (strcmp(units->name, c) == 0)
			break;
	if (!units->name)
		return MALFORMED;
	if (large || __builtin_mul_overflow(value, units->factor, &value))
		return TOO_LARGE;
	*ret_value = value;
	return PARSED;
}

int
options_parse_duration_ms(const char *text, int64_t *ret_ms, struct err *err)
{
	/* Zero is zero in every unit. */
	if (strcmp(text, "0") == 0) {
		*ret_ms = 0;
		return 0;
	}
	switch (parse(text, durations, ret_ms)) {
	case PARSED:
		return 0;
	case TOO_LARGE:
		return err_set(err, ERR_INVALID, "\"%.60s\" is too long a time", text);
	case MALFORMED:
	default:
		return err_set(err, ERR_INVALID,
		    "\"%.60s\" is not a duration: a whole number and ms, s, m or h, as in 250ms",
		    text);
	}
}

int
options_parse_bytes(const char *text, int64_t *ret_bytes, struct err *err)
{
	switch (parse(text, sizes, ret_bytes)) {
	case PARSED:
		return 0;
	case TOO_LARGE:
		return err_set(err, ERR_INVALID, "\"%.60s\" is too many bytes", text);
	case MALFORMED:
	default:
		return err_set(err, ERR_INVALID,
		    "\"%.60s\" is not a size: a whole number and nothing, Ki, Mi, Gi or Ti, as in "
		    "64Mi",
		    text);
	}
}
