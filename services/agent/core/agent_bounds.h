/* agent_bounds: the bounds of agent_bounds.def as constants; docs/protocol.md prints the same rows.
 */
#ifndef AGENT_BOUNDS_H
#define AGENT_BOUNDS_H

#define BOUND_ROW(name, value, ...) name = (value),
enum agent_bound {
#include "agent_bounds.def"
};

#endif
