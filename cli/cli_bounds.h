/* cli_bounds: the bounds of cli_bounds.def as constants; docs/protocol.md prints the same rows. */
#ifndef CLI_BOUNDS_H
#define CLI_BOUNDS_H

#define BOUND_ROW(name, value, ...) name = (value),
enum cli_bound {
#include "cli_bounds.def"
};

#endif
