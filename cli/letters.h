/* letters: dead letters, the newest first, as a table or as one document per page. */
#ifndef LETTERS_H
#define LETTERS_H

#include <stdint.h>

struct cli;

struct letters {
	const char *host, *reason; /* NULL: any */
	int64_t since_us;          /* 0: any age */
	uint64_t limit;
};

/* Prints nothing as a table when there are none; the exit code. */
int letters_print(struct cli *c, const struct letters *l);

#endif
