/* intake_unit: one transaction's worth of report messages and what they say. */
#ifndef INTAKE_UNIT_H
#define INTAKE_UNIT_H

#include <stddef.h>

#include "compiler.h"
#include "report.h"

struct arena;
struct bus_msg;
struct err;

struct intake_unit {
	struct arena *arena;   /* holds everything decoded, and these arrays */
	struct bus_msg **msgs; /* owned; NULL: was put aside alone */
	size_t *first;         /* first[i]..first[i+1]: the reports of message i in raw */
	size_t msg_count, msg_max;
	struct report *raw; /* as they came */
	size_t raw_count, raw_max;
	struct report *folded; /* sorted, one per executor */
	size_t folded_count;
	size_t tries; /* messages decoded here, also those that were refused: they took memory */
};

/* There is room for one more message as long as it holds fewer than transitions_max reports and
 * messages; one message has at most INTAKE_REPORTS_PER_MESSAGE reports. */
#define INTAKE_REPORTS_PER_MESSAGE 256
struct intake_unit *intake_unit_new(size_t transitions_max); /* NULL: no memory */
void intake_unit_free(struct intake_unit *u);                /* and its messages; NULL is fine */

/* Decodes m and keeps it.  On -1 the message is still the caller's, the unit as before:
 * ERR_INVALID, ERR_DENIED, ERR_LIMIT say what is wrong with it. */
MUST_USE int intake_unit_add_take(
    struct intake_unit *u, const char *prefix, struct bus_msg *m, struct err *err);
/* Folds the reports of messages first_msg..first_msg+n into u->folded. */
void intake_unit_fold(struct intake_unit *u, size_t first_msg, size_t n);

#endif
