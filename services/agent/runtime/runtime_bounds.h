/* runtime_bounds: the bounds of runtime_bounds.def as constants; docs/protocol.md prints the same
 * rows. */
#ifndef RUNTIME_BOUNDS_H
#define RUNTIME_BOUNDS_H

#define BOUND_ROW(name, value, ...) name = (value),
enum runtime_bound {
#include "runtime_bounds.def"
};

#endif
