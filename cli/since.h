/* since: a point in time as people say it. */
#ifndef SINCE_H
#define SINCE_H

#include <stdint.h>

#include "compiler.h"

struct err;

/* "10m" (so long before now_us), "2026-01-31T09:30:00Z", "2026-01-31T09:30:00.250Z" or
 * "2026-01-31" (its midnight), all UTC.  ERR_INVALID says what is allowed. */
MUST_USE int since_parse(const char *text, int64_t now_us, int64_t *ret_us, struct err *err);

#endif
