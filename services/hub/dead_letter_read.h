/* dead_letter_read: what was put aside, for people: a page of FL_DEAD from its end backwards. */
#ifndef DEAD_LETTER_READ_H
#define DEAD_LETTER_READ_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

#include "fairlead/v1/api.pb-c.h"

struct arena;
struct bus;
struct err;

struct dead_letter_query {
	const char *prefix;        /* of subjects */
	const char *host, *reason; /* NULL: any */
	int64_t since_us;          /* 0: any age */
	uint64_t before;           /* only sequences below; 0: from the newest */
	uint32_t limit;
};

struct dead_letter_page {
	Fairlead__V1__DeadLetter **rows; /* newest first */
	size_t n;
	uint64_t next; /* the next page's `before`; 0: there is none */
};

/* Looks at LETTERS_LOOKED_AT messages at most, so a page may be short, or empty, and have a next.
 * Everything lives in the arena. */
MUST_USE int dead_letter_list(struct bus *b, const struct dead_letter_query *q, struct arena *a,
    struct dead_letter_page *ret, struct err *err);

#endif
