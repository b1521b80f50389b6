/* obs_bounds: the bounds of obs_bounds.def as constants; docs/protocol.md prints the same rows. */
#ifndef OBS_BOUNDS_H
#define OBS_BOUNDS_H

#define BOUND_ROW(name, value, ...) name = (value),
enum obs_bound {
#include "obs_bounds.def"
};

#endif
