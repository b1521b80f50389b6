/* outlet: output that is not caught in a reader who does not read.
 *
 * Waits for room in small steps and asks in between whether to go on. */
#ifndef OUTLET_H
#define OUTLET_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"

struct err;

struct outlet {
	int fd;
	bool (*go_on)(void *arg); /* asked every tenth of a second of waiting */
	void *arg;
	bool closed; /* the reader has gone */
};

/* All of it, or -1: closed is set (ERR_UNAVAILABLE), go_on said no (ERR_TIMEOUT), or it failed. */
MUST_USE int outlet_write(struct outlet *o, const char *text, size_t size, struct err *err);

/* Is there still a reader?  Who has nothing to write would not learn it otherwise. */
bool outlet_open(struct outlet *o);

#endif
