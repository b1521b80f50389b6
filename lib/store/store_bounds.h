/* store_bounds: the bounds of store_bounds.def as constants; docs/protocol.md prints the same rows.
 */
#ifndef STORE_BOUNDS_H
#define STORE_BOUNDS_H

#define BOUND_ROW(name, value, ...) name = (value),
enum store_bound {
#include "store_bounds.def"
};

#endif
