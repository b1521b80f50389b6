/* bus_bounds: the bounds of bus_bounds.def as constants; docs/protocol.md prints the same rows. */
#ifndef BUS_BOUNDS_H
#define BUS_BOUNDS_H

#define BOUND_ROW(name, value, ...) name = (value),
enum bus_bound {
#include "bus_bounds.def"
};

#endif
