/* dead_letter: puts a message that failed alone where people find it: FL_DEAD, with the reason. */
#ifndef DEAD_LETTER_H
#define DEAD_LETTER_H

#include "compiler.h"

struct bus_msg;
struct err;
struct hub;

/* Publishes to fl.dead.<reason>.<host> and waits for the acknowledgement: only after 0 may the
 * message be terminated (K18).  why->text goes along as header Fl-Reason; of a
 * body above half of what the bus takes only the beginning does, with its size in Fl-Cut-From. */
MUST_USE int dead_letter_put(
    const struct hub *h, const struct bus_msg *m, const struct err *why, struct err *err);
/* For what nobody delivers again: published, not waited for, so liveness is not held up. */
void dead_letter_say(const struct hub *h, const struct bus_msg *m, const struct err *why);

#endif
