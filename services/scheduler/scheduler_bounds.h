/* scheduler_bounds: the bounds of scheduler_bounds.def as constants; docs/protocol.md prints the
 * same rows. */
#ifndef SCHEDULER_BOUNDS_H
#define SCHEDULER_BOUNDS_H

#define BOUND_ROW(name, value, ...) name = (value),
enum scheduler_bound {
#include "scheduler_bounds.def"
};

#endif
