/* hub_bounds: the bounds of hub_bounds.def as constants; docs/protocol.md prints the same rows. */
#ifndef HUB_BOUNDS_H
#define HUB_BOUNDS_H

#define BOUND_ROW(name, value, ...) name = (value),
enum hub_bound {
#include "hub_bounds.def"
};

#endif
