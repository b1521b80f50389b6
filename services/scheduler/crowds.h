/* crowds: what the rows say of the sessions that a plan is about: where their executors are, which
 * hosts failed them.
 *
 * Read once per image of the fleet; the plan adds what it places.  A new leader reads the same
 * rows. */
#ifndef CROWDS_H
#define CROWDS_H

#include <stddef.h>

#include "compiler.h"
#include "plan.h"

struct crowds;
struct err;
struct fleet;
struct store;
struct store_queued;

struct crowds *crowds_new(void); /* NULL: no memory */
void crowds_free(struct crowds *c);
/* The image they point into is gone. */
void crowds_clear(struct crowds *c);
/* Sets the crowd of wants[i], which answers queued[i]; reads those that are not known yet. */
MUST_USE int crowds_attach(struct crowds *c, struct fleet *f, struct store *s,
    const struct store_queued *queued, struct plan_want *wants, size_t n, struct err *err);

#endif
