/* crash: named points at which a test can end the process as a power cut would.
 *
 * FAIRLEAD_CRASH_AT=name[:count] makes the count-th passage of the point _exit(2) the process with
 * status 86, without cleanup.  Compiled in only with FL_CRASH_POINTS; each service keeps its points
 * in one table that --list-crash-points prints. */
#ifndef CRASH_H
#define CRASH_H

#include <stdbool.h>

#include "compiler.h"

struct err;

#define CRASH_EXIT_STATUS 86
#define CRASH_VARIABLE "FAIRLEAD_CRASH_AT"
/* A file that is made right before the crash; while it exists nothing crashes, so that a service
 * that is started again goes on.  Unset: every process crashes at its point. */
#define CRASH_ONCE_VARIABLE "FAIRLEAD_CRASH_ONCE"

/* A service's points; the table ends with a NULL name. */
struct crash_row {
	const char *name; /* "command.after_commit" */
	const char *help; /* what has happened and what has not */
};

/* Are points compiled into this program? */
bool crash_points_present(void);

/* Is FAIRLEAD_CRASH_AT unset, or well formed and the name of one of rows, or of a point of another
 * service (another word before the first dot: a whole cell is started with one environment)?
 * ERR_INVALID otherwise,
 * and when it is set in a program without points: a test must not pass because nothing crashed.
 * rows NULL: no points. */
MUST_USE int crash_check(const struct crash_row *rows, struct err *err);

#ifdef FL_CRASH_POINTS
/* Thread safe.  The passages of all threads are counted together. */
void crash_point(const char *name);
#else
#define crash_point(name) ((void)0)
#endif

#endif
