/* session_placement: what a SessionSpec asks of hosts besides resources. */
#ifndef SESSION_PLACEMENT_H
#define SESSION_PLACEMENT_H

#include "compiler.h"

struct arena;
struct err;
struct Fairlead__V1__PlacementSpec;
struct Fairlead__V1__SessionSpec;

/* max_skew 1 where a spread is said, max_per_value 1 where anti-affinity is. */
void session_placement_defaults(struct Fairlead__V1__PlacementSpec *p);
/* ERR_INVALID names the field and what it may be. */
MUST_USE int session_placement_check(
    const struct Fairlead__V1__PlacementSpec *p, struct arena *arena, struct err *err);
/* The capabilities a host must have said hello with, space separated: what an agent that does not
 * know them would silently leave undone.  Static text. */
const char *session_spec_needs(const struct Fairlead__V1__SessionSpec *checked);

#endif
